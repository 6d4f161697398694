"""Views: another shape of the same memory. Each is a Layout method plus the adjoint that autograd records.

Source: https://docs.pytorch.org/docs/2.13/tensor_view.html
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import view as record_view
from cltorch.functions.arguments import SCALAR_NAMES, need_array, numpy_names, read_dtype
from cltorch.functions.convert import contiguous, contiguous_copy
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.turned import turns
from cltorch.shapes import broadcast_shapes, wrap_dim

__all__ = [
    "broadcast_tensors", "broadcast_to", "expand", "expand_as", "flatten", "ravel", "reshape", "reshape_as", "squeeze",
    "unflatten", "unsqueeze", "view", "view_as",
]  # fmt: skip


def sizes_of(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Return sizes given one by one or as one sequence."""
    first = given[0] if len(given) == 1 else 0
    if not isinstance(first, int) and hasattr(first, "__len__") and getattr(first, "ndim", True):
        given = tuple(given[0])
    return tuple(n if n.__class__ is int else int(n) for n in given)


def need_some(name: str, argument: str, given: Any) -> None:
    """Raise TypeError where nothing at all was given for sizes or dimensions: no dimensions are an empty sequence."""
    if given == ():
        raise TypeError(f'{name}() missing 1 required positional arguments: "{argument}"')


@numpy_names
def squeeze(input: Any, dim: Any = None) -> Any:
    """Drop dimensions of size 1, as a view: all of them, or those named.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.squeeze.html

    >>> import cltorch as torch
    >>> torch.ones(1, 2, 1).squeeze().shape
    torch.Size([2])
    """
    need_array("squeeze", "input", 1, input)
    shape = input.lay.shape
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else dim
    form = 0 if dim is None else 2 if isinstance(dims, tuple) else 1
    return record_view(input, input.lay.squeeze(dims), f"SqueezeBackward{form}", lambda m, g: m.reshape(g, shape))


@numpy_names
def unsqueeze(input: Any, dim: int) -> Any:
    """Insert a dimension of size 1, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.unsqueeze.html

    >>> import cltorch as torch
    >>> torch.ones(2).unsqueeze(0).shape
    torch.Size([1, 2])
    """
    need_array("unsqueeze", "input", 1, input)
    shape = input.lay.shape
    return record_view(input, input.lay.unsqueeze(dim), "UnsqueezeBackward0", lambda m, g: m.reshape(g, shape))


def view(input: Any, *shape: Any, size: Any = None, dtype: Any = None) -> Any:
    """Return the same memory in another shape, or as another dtype.

    Raises RuntimeError where the strides do not allow it: ``reshape`` copies then.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.view.html

    >>> import cltorch as torch
    >>> torch.arange(4).view(2, -1)
    tensor([[0, 1],
            [2, 3]])
    """
    if size is not None or dtype is not None:
        if shape or (size is not None and dtype is not None):
            raise TypeError("view() received an invalid combination of arguments: it takes a size or a dtype")
        shape = (size if dtype is None else dtype,)
    if len(shape) == 1 and isinstance(shape[0], str):
        raise TypeError("view(): argument 'size' (position 1) must be tuple of ints, not str")
    if len(shape) == 1 and isinstance(shape[0], (dtypes.dtype, type)):
        return _view_dtype(input, read_dtype("view", shape[0]))
    need_some("view", "size", shape)
    wanted = sizes_of(shape)
    layout = input.lay.view(wanted)
    if layout is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two contiguous subspaces). Use .reshape(...) instead."
        )
    before = input.lay.shape
    return record_view(input, layout, "ViewBackward0", lambda m, g: m.reshape(g, before))


def _view_dtype(x: Any, t: dtypes.dtype) -> Any:
    if t is x.dtype:
        return record_view(x, x.lay, "AliasBackward0", lambda m, g: g)
    t = read_dtype("view", t)
    conj, neg = turns(x)
    if conj:
        raise RuntimeError(
            "torch.Tensor.view is not supported for conjugate view tensors when converting to a different dtype."
        )
    if neg:
        raise RuntimeError(
            "torch.Tensor.view is not supported for tensors with negative bit set when converting to a different dtype."
        )
    lay, old, new = x.lay, x.dtype.itemsize, t.itemsize
    if old == new:
        layout = lay
    else:
        what = f"to view {SCALAR_NAMES[x.dtype.name]} as {SCALAR_NAMES[t.name]} (different element sizes)"
        if lay.ndim == 0:
            raise RuntimeError(f"self.dim() cannot be 0 {what}")
        if lay.strides[-1] != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 {what}, but got {lay.strides[-1]}")
        outer, k = lay.strides[:-1], max(old, new) // min(old, new)
        if old > new:
            layout = Layout.make((*lay.shape[:-1], lay.shape[-1] * k), (*(s * k for s in outer), 1), lay.offset * k)
        else:
            if lay.shape[-1] % k:
                raise RuntimeError(f"self.size(-1) must be divisible by {k} {what}, but got {lay.shape[-1]}")
            if lay.offset % k:
                raise RuntimeError(f"self.storage_offset() must be divisible by {k} {what}, but got {lay.offset}")
            for d, stride in enumerate(outer):
                if stride % k:
                    raise RuntimeError(f"self.stride({d}) must be divisible by {k} {what}, but got {stride}")
            layout = Layout.make((*lay.shape[:-1], lay.shape[-1] // k), (*(s // k for s in outer), 1), lay.offset // k)
    out = Array.new(x._storage, layout, t)
    out._base = x if x._base is None else x._base
    out._view_version = x._storage.version
    return out


def reshape(input: Any, *sizes: Any, shape: Any = None) -> Any:
    """Return the tensor in another shape: a view where the strides allow it, else a copy.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.reshape.html

    >>> import cltorch as torch
    >>> torch.arange(6).reshape(3, 2).shape
    torch.Size([3, 2])
    """
    need_array("reshape", "input", 1, input)
    if shape is None:
        need_some("reshape", "shape", sizes)
    wanted = sizes_of(sizes if shape is None else (shape,))
    layout = input.lay.view(wanted)
    before = input.lay.shape
    if layout is None:
        copy = contiguous_copy(input)
        found = record_view(copy, copy.lay.view(wanted), "UnsafeViewBackward0", lambda m, g: m.reshape(g, before))
        found._base = None  # nobody else sees the copy
        return found
    return record_view(input, layout, "ViewBackward0", lambda m, g: m.reshape(g, before))


def view_as(input: Any, other: Any) -> Any:
    """Return a view in the shape of another tensor."""
    need_array("view_as", "other", 2, other)
    return view(input, other.lay.shape)


def reshape_as(input: Any, other: Any) -> Any:
    """Return the tensor in the shape of another."""
    need_array("reshape_as", "other", 2, other)
    return reshape(input, other.lay.shape)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Merge a range of dimensions into one.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.flatten.html

    >>> import cltorch as torch
    >>> torch.ones(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    need_array("flatten", "input", 1, input)
    shape = input.lay.shape
    n = len(shape)
    first, last = wrap_dim(start_dim, n), wrap_dim(end_dim, n)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if n == 0:
        return reshape(input, (1,))
    if first == last:
        return input
    size = 1
    for k in shape[first : last + 1]:
        size *= k
    return reshape(input, (*shape[:first], size, *shape[last + 1 :]))


def ravel(input: Any) -> Any:
    """Return the elements as one dimension, side by side in memory: a view where they are.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.ravel.html

    >>> import cltorch as torch
    >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    need_array("ravel", "input", 1, input)
    return reshape(contiguous(input), (input.lay.numel,))


def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """Split one dimension into several; one of the sizes may be -1.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.unflatten.html

    >>> import cltorch as torch
    >>> torch.ones(6, 2).unflatten(0, (2, 3)).shape
    torch.Size([2, 3, 2])
    """
    need_array("unflatten", "input", 1, input)
    shape = input.lay.shape
    d = wrap_dim(dim, len(shape))
    if not shape:
        raise RuntimeError(
            f"unflatten got an unexpected error:\nDimension specified as {dim} but tensor has no dimensions"
        )
    parts = list(sizes)
    if not parts:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if parts.count(-1) > 1:
        raise RuntimeError("unflatten got an unexpected error:\nonly one dimension can be inferred")
    known = 1
    for k in parts:
        known *= k if k != -1 else 1
    if -1 in parts and known and shape[d] % known == 0:
        parts[parts.index(-1)] = shape[d] // known
        known = shape[d]
    if known != shape[d]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) in "
            "the input tensor"
        )
    return reshape(input, (*shape[:d], *parts, *shape[d + 1 :]))


def expand(input: Any, *sizes: Any, size: Any = None, implicit: bool = False) -> Any:
    """Broadcast dimensions of size 1 without copying, as a view.

    >>> import cltorch as torch
    >>> torch.ones(3, 1).expand(-1, 4).shape
    torch.Size([3, 4])
    """
    need_array("expand", "input", 1, input)
    if size is None:
        need_some("expand", "size", sizes)
    before = input.lay.shape
    layout = input.lay.expand(sizes_of(sizes if size is None else (size,)))
    return record_view(input, layout, "ExpandBackward0", lambda m, g: m.sum_to_size(g, before))


def expand_as(input: Any, other: Any) -> Any:
    """Broadcast to the shape of another tensor, as a view."""
    need_array("expand_as", "other", 2, other)
    return expand(input, other.lay.shape)


def broadcast_to(input: Any, *sizes: Any, size: Any = None) -> Any:
    """Broadcast to a shape, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.broadcast_to.html

    >>> import cltorch as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    need_array("broadcast_to", "input", 1, input)
    if size is None:
        need_some("broadcast_to", "size", sizes)
    return expand(input, *sizes, size=size)


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Broadcast tensors against each other, as views.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.broadcast_tensors.html

    >>> import cltorch as torch
    >>> [x.shape for x in torch.broadcast_tensors(torch.ones(2, 1), torch.ones(3))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    if len(tensors) == 1 and not isinstance(tensors[0], Array):
        tensors = tuple(tensors[0])
    for i, x in enumerate(tensors):
        need_array("broadcast_tensors", "tensors", i + 1, x)
    shape = broadcast_shapes(*(x.lay.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)
