"""Cutting a tensor into views along a dimension: split, chunk, unbind and their relatives."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.record import views as record_views
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions.arguments import also_named, need_array, numpy_names, read_int
from cltorch.functions.parts import narrow
from cltorch.ops.array import Array
from cltorch.shapes import wrap_dim

__all__ = [
    "chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "vsplit",
]  # fmt: skip


def _no_sizes(value: Any) -> TypeError:
    kind = type(value).__name__
    return TypeError(f"split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints, not {kind}")


def _sizes_or_number(value: Any) -> int | list[int]:
    """Return what ``split`` cuts into: the size of each part, or the sizes of all."""
    if isinstance(value, (list, tuple)):
        return [read_int("split_with_sizes", "split_sizes", 2, k) for k in value]
    number = value
    if isinstance(value, Array) and value.lay.numel == 1 and math.isfinite(value.item()):
        number = int(value.item())  # a fraction is cut off
    if isinstance(number, (bool, Array)) or not hasattr(number, "__index__"):
        raise _no_sizes(value)
    return operator.index(number)


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Cut into views of a given size along a dimension (the last may be smaller), or of given sizes.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.split.html

    >>> import cltorch as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    need_array("split", "tensor", 1, tensor)
    if not tensor.lay.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    n = tensor.lay.shape[wrap_dim(dim, tensor.lay.ndim)]
    given = _sizes_or_number(split_size_or_sections)
    if not isinstance(given, int):
        sizes = given
        if any(k < 0 for k in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}"
            )
        if sum(sizes) != n:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension "
                f"{dim}), but got split_sizes={sizes}"
            )
    else:
        k = given
        if k < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={k}")
        if k == 0:
            if n:
                raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
            sizes = [0]
        else:
            sizes = [k] * (n // k) + ([n % k] if n % k else []) or [0]
    d = wrap_dim(dim, tensor.lay.ndim)
    layouts, at = [], 0
    for k in sizes:
        layouts.append(tensor.lay.slice(d, at, at + k))
        at += k
    shapes = [lay.shape for lay in layouts]
    name = "SplitBackward0" if isinstance(given, int) else "SplitWithSizesBackward0"
    return record_views(tensor, layouts, name, lambda m, gs: m.cat(_with_zeros(m, gs, shapes), d))


def _with_zeros(m: Any, grads: list[Any], shapes: Any) -> list[Any]:
    """Return gradients with zeros in place of those that are missing, the same ones for all of a shape."""
    like = next(g for g in grads if g is not None)
    missing = {shape for g, shape in zip(grads, shapes, strict=True) if g is None}
    zeros = {shape: m.zeros(shape, dtype=like.dtype, device=like.device) for shape in missing}
    return [zeros[shape] if g is None else g for g, shape in zip(grads, shapes, strict=True)]


def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """Cut into views of given sizes.

    >>> import cltorch as torch
    >>> torch.split_with_sizes(torch.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    need_array("split_with_sizes", "input", 1, input)
    if isinstance(split_sizes, Array):
        raise _no_sizes(split_sizes)
    return split(input, list(split_sizes), dim)


@numpy_names
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Cut into at most ``chunks`` views of equal size (the last may be smaller).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.chunk.html

    >>> import cltorch as torch
    >>> [c.shape[0] for c in torch.arange(11).chunk(6)]
    [2, 2, 2, 2, 2, 1]
    """
    need_array("chunk", "input", 1, input)
    chunks = read_int("chunk", "chunks", 2, chunks)
    if input.lay.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.lay.shape[wrap_dim(dim, input.lay.ndim)]
    size = -(-n // chunks)
    _need_room("chunk", chunks if not size else 0)
    return split(input, [0] * chunks if size == 0 else size, dim)


def _loose(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    for part in parts:
        if not part._batch:
            part._base = part._view_kind = None
            part._storage = part._storage.alias()  # changes of one are counted apart from those of the others
    return parts


def unsafe_split(input: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """Cut as ``split`` does into tensors that do not count as views: a change in place is none of the whole's.

    >>> import cltorch as torch
    >>> torch.unsafe_split(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _loose(split(input, split_size, dim))


def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Cut as ``chunk`` does into tensors that do not count as views: a change in place is none of the whole's.

    >>> import cltorch as torch
    >>> torch.unsafe_chunk(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _loose(chunk(input, chunks, dim))


def unsafe_split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """Cut as ``split_with_sizes`` does into tensors that do not count as views.

    >>> import cltorch as torch
    >>> torch.unsafe_split_with_sizes(torch.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return _loose(split_with_sizes(input, split_sizes, dim))


def _need_room(name: str, count: int) -> None:
    if count > 2**24:  # gigabytes of views, all but a few of them empty
        raise RuntimeError(f"{name}: there is no room for {count} views")


@also_named(
    sections="indices_or_sections", indices="indices_or_sections", tensor_indices_or_sections="indices_or_sections"
)
@numpy_names
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Cut into a number of nearly equal views, or at given indices.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.tensor_split.html

    >>> import cltorch as torch
    >>> [c.tolist() for c in torch.arange(7).tensor_split(3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    """
    need_array("tensor_split", "input", 1, input)
    if input.lay.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    n = input.lay.shape[wrap_dim(dim, input.lay.ndim)]
    if isinstance(indices_or_sections, Array):
        given = indices_or_sections
        if given.dtype is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{TYPE_NAMES[given.dtype]}"
            )
        if given.lay.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, "
                f"but got a tensor with {given.lay.ndim} dims"
            )
        indices_or_sections = given.tolist()
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        if k <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {k}")
        _need_room("tensor_split", k)
        cuts = [i * (n // k) + min(i, n % k) for i in range(1, k)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    ends = [*cuts, n]
    out, at = [], 0
    for end in ends:
        lo, hi, _ = slice(at, end).indices(n)
        out.append(narrow(input, dim, lo, max(hi - lo, 0)))
        at = end
    return tuple(out)


def _split_along(name: str, least: int, dim_of: Any) -> Any:
    def f(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
        need_array(name, "input", 1, input)
        n = input.lay.ndim
        if n < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {n} dimensions!"
            )
        dim = dim_of(n)
        if isinstance(indices_or_sections, np.integer):
            indices_or_sections = int(indices_or_sections)
        if not isinstance(indices_or_sections, (int, tuple, list, Array)):
            raise TypeError(
                f"{name}() received an invalid combination of arguments: 'indices_or_sections' must be int or tuple "
                f"of ints, not {type(indices_or_sections).__name__}"
            )
        if isinstance(indices_or_sections, int) and (
            indices_or_sections <= 0 or input.lay.shape[dim] % indices_or_sections
        ):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                f"{input.lay.shape[dim]} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, dim)

    f.__name__ = f.__qualname__ = name
    x = ("torch.arange(2)", "torch.arange(2).view(2, 1)", "torch.arange(2).view(1, 1, 2)")[least - 1]
    f.__doc__ = (
        f"Cut like ``tensor_split`` along the dimension that ``{name}`` stands for; equal sections only.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> [x.flatten() for x in torch.{name}({x}, 2)]\n[tensor([0]), tensor([1])]\n"
    )
    return also_named(sections="indices_or_sections", indices="indices_or_sections")(f)


hsplit = _split_along("hsplit", 1, lambda n: 0 if n == 1 else 1)
vsplit = _split_along("vsplit", 2, lambda n: 0)
dsplit = _split_along("dsplit", 3, lambda n: 2)


@numpy_names
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return the slices along a dimension as views without it.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.unbind.html

    >>> import cltorch as torch
    >>> torch.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4]))
    """
    need_array("unbind", "input", 1, input)
    d = wrap_dim(dim, input.lay.ndim)
    if not input.lay.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    layouts = [input.lay.select(d, i) for i in range(input.lay.shape[d])]
    if not layouts:
        return ()
    shapes = [layouts[0].shape] * len(layouts)
    return record_views(input, layouts, "UnbindBackward0", lambda m, gs: m.stack(_with_zeros(m, gs, shapes), d))
