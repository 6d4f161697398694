"""Indexing: ``x[...]`` and ``x[...] = v`` in all forms, gather, scatter, index_* and masked_*.

Source: https://docs.pytorch.org/docs/2.13/tensors.html and NumPy's rules of advanced indexing
(https://numpy.org/doc/stable/user/basics.indexing.html).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.record import apply
from cltorch.functions import convert
from cltorch.functions import pointwise as p
from cltorch.functions.from_data import tensor
from cltorch.functions.shape import expand, permute, reshape, slice_view
from cltorch.layout import Layout, broadcast_shapes, wrap_dim
from cltorch.ops import index as ops
from cltorch.ops.array import Array, from_host
from cltorch.ops.embedding import Embedding
from cltorch.ops.pointwise import _TYPE_NAMES
from cltorch.ops.strided import copy_into

__all__ = [
    "argwhere",
    "embedding",
    "gather",
    "getitem",
    "index_add",
    "index_add_",
    "index_copy",
    "index_copy_",
    "index_fill",
    "index_fill_",
    "index_put",
    "index_put_",
    "index_select",
    "masked_fill",
    "masked_fill_",
    "masked_select",
    "nonzero",
    "put_front",
    "scatter",
    "scatter_",
    "scatter_add",
    "scatter_add_",
    "setitem_",
    "take",
    "take_along_dim",
    "take_front",
    "where",
    "write_out",
]


def _parse(x: Any, index: Any) -> tuple[Layout, list[Any]]:
    """Apply ints, slices, None and Ellipsis to the layout.

    Returns it with one entry per dimension: None or an index tensor.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    layout = x.layout
    used = 0
    for it in items:
        if it is None or it is Ellipsis or isinstance(it, (bool, np.bool_)):
            continue
        used += (
            it.layout.ndim
            if isinstance(it, Array) and it.dtype in (dtypes.bool_, dtypes.uint8)
            else np.ndim(it)
            if _is_mask(it)
            else 1
        )
    if used > layout.ndim:
        raise IndexError(f"too many indices for tensor of dimension {layout.ndim}")
    if sum(it is Ellipsis for it in items) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not any(it is Ellipsis for it in items):
        items.append(Ellipsis)
    gap = layout.ndim - used
    dim = 0
    advanced: list[Any] = []
    for it in items:
        if it is Ellipsis:
            dim += gap
            advanced += [None] * gap
        elif it is None:
            layout = layout.unsqueeze(dim)
            dim += 1
            advanced.append(None)
        elif isinstance(it, slice):
            step = 1 if it.step is None else _int(it.step)
            if step <= 0:
                raise ValueError("step must be greater than zero")
            layout = layout.slice(
                dim, None if it.start is None else _int(it.start), None if it.stop is None else _int(it.stop), step
            )
            dim += 1
            advanced.append(None)
        elif isinstance(it, (bool, np.bool_)):
            layout = layout.unsqueeze(dim)
            advanced.append(tensor([0] if it else [], dtype=dtypes.int64, device=x.device))
            dim += 1
        elif isinstance(it, (int, np.integer)) or (
            isinstance(it, Array)
            and it.layout.ndim == 0
            and it.dtype.kind in "ui"
            and it.dtype is not dtypes.uint8
            and it.device.type == "cpu"
        ):
            n = layout.shape[dim]
            i = int(it)
            if not -n <= i < n:
                raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {n}")
            layout = layout.select(dim, i)
        else:
            for found in _index_tensors(x, it, layout, dim):
                advanced.append(found)
                dim += 1
    return layout, advanced


def _is_mask(it: Any) -> bool:
    return not isinstance(it, (slice, int, Array)) and np.asarray(it).dtype == bool


def _int(v: Any) -> int:
    return int(v)


def _index_tensors(x: Any, it: Any, layout: Layout, dim: int) -> list[Any]:
    if not isinstance(it, Array):
        if not isinstance(it, (list, tuple, np.ndarray, range)):
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
                f"indices (got {type(it).__name__})"
            )
        a = np.asarray(
            [int(v) if isinstance(v, Array) else v for v in it]
            if isinstance(it, (list, tuple)) and it and isinstance(it[0], Array) and it[0].layout.ndim == 0
            else it
        )
        if a.size == 0 and a.dtype.kind == "f":
            a = a.astype(np.int64)
        if a.dtype.kind not in "iub":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        it = from_host(
            a if a.dtype == bool else a.astype(np.int64), dtypes.bool_ if a.dtype == bool else dtypes.int64, x.device
        )
    if it.dtype in (dtypes.bool_, dtypes.uint8):
        given = it.layout.shape
        have = layout.shape[dim : dim + len(given)]
        if tuple(given) != tuple(have):
            for k, (a, b) in enumerate(zip(given, have, strict=False)):
                if a != b:
                    raise IndexError(
                        f"The shape of the mask {list(given)} at index {k} does not match the shape of the "
                        f"indexed tensor {list(layout.shape)} at index {dim + k}"
                    )
        places = ops.nonzero(it if it.device is x.device else convert.to(it, x.device))
        return [Array.new(places.storage, places.layout.select(1, k), places.dtype) for k in range(len(given))]
    if it.dtype not in (dtypes.int64, dtypes.int32, dtypes.int16, dtypes.int8):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if it.device is not x.device:
        if it.device.type != "cpu":
            raise RuntimeError(
                f"indices should be either on cpu or on the same device as the indexed tensor ({x.device})"
            )
        it = convert.to(it, x.device)
    return [it]


def _front(layout: Layout, advanced: list[Any]) -> tuple[list[int], list[Any], int]:
    """Return (order that brings indexed dimensions first, index tensors in one shape, where the result has them)."""
    where_ = [d for d, a in enumerate(advanced) if a is not None]
    rest = [d for d, a in enumerate(advanced) if a is None]
    adjacent = where_ == list(range(where_[0], where_[-1] + 1))
    tensors = [advanced[d] for d in where_]
    try:
        shape = broadcast_shapes(*(t.layout.shape for t in tensors))
    except RuntimeError as error:
        shapes = ", ".join(str(list(t.layout.shape)) for t in tensors)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from error
    tensors = [t if t.layout.shape == shape else Array.new(t.storage, t.layout.expand(shape), t.dtype) for t in tensors]
    return [*where_, *rest], tensors, where_[0] if adjacent else 0


def getitem(input: Any, index: Any) -> Any:
    """Return ``input[index]``: a view for ints, slices, None and Ellipsis, a copy for index tensors and masks.

    Raises IndexError for an index out of range (on a device the element is zero and the flag of faults is set).

    >>> import cltorch as torch
    >>> torch.arange(6).view(2, 3)[1, ::2]
    tensor([3, 5])
    """
    if index.__class__ is int:
        lay = input.layout
        if not lay.ndim:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
                "to convert a 0-dim tensor to a number"
            )
        n = lay.shape[0]
        if not -n <= index < n:
            raise IndexError(f"index {index} is out of bounds for dimension 0 with size {n}")
        return slice_view(input, lay.select(0, index))
    if isinstance(index, list) and any(isinstance(i, (slice, type(None), type(Ellipsis))) for i in index):
        index = tuple(index)
    layout, advanced = _parse(input, index)
    x = slice_view(input, layout)
    if all(a is None for a in advanced):
        return x
    order, tensors, at = _front(layout, advanced)
    front = permute(x, order) if order != sorted(order) else x
    out = apply(ops.Index, front, *tensors)
    return _back(out, tensors[0].layout.ndim, at)


def _back(out: Any, index_dims: int, at: int) -> Any:
    if not at:
        return out
    n = out.layout.ndim
    rest = list(range(index_dims, n))
    return permute(out, [*rest[:at], *range(index_dims), *rest[at:]])


def setitem_(input: Any, index: Any, value: Any) -> None:
    """Assign ``input[index] = value``, converting and broadcasting the value."""
    if isinstance(index, list) and any(isinstance(i, (slice, type(None), type(Ellipsis))) for i in index):
        index = tuple(index)
    if not isinstance(value, Array):
        value = value.item() if isinstance(value, np.generic) else value
        if not isinstance(value, (int, float)):
            value = tensor(value, dtype=input.dtype, device=input.device)
    if (
        isinstance(index, Array)
        and index.dtype is dtypes.bool_
        and index.layout.shape == input.layout.shape
        and (not isinstance(value, Array) or value.layout.ndim == 0)
    ):
        masked_fill_(input, index, value)
        return
    layout, advanced = _parse(input, index)
    x = slice_view(input, layout)
    if all(a is None for a in advanced):
        if isinstance(value, Array):
            lead = value.layout.ndim - layout.ndim
            if lead > 0 and all(n == 1 for n in value.layout.shape[:lead]):
                value = reshape(value, value.layout.shape[lead:])
            convert.copy_(x, value)
        else:
            convert.fill_(x, value)
        return
    order, tensors, at = _front(layout, advanced)
    front = permute(x, order) if order != sorted(order) else x
    k = len(tensors)
    index_shape = tensors[0].layout.shape
    rest = front.layout.shape[k:]
    if not isinstance(value, Array):
        value = tensor(value, dtype=input.dtype, device=input.device)
    value = (
        convert.to(value, input.dtype, device=input.device)
        if value.device is input.device or value.layout.ndim == 0
        else convert.to(value, input.dtype)
    )
    if at:
        target = (*rest[:at], *index_shape, *rest[at:])
        value = expand(_fit(value, target), target)
        n = len(index_shape)
        value = permute(value, [*range(at, at + n), *range(at), *range(at + n, len(target))])
    else:
        target = (*index_shape, *rest)
        value = expand(_fit(value, target), target)
    _put_inplace(front, tensors, value, False)


def _fit(value: Any, target: Any) -> Any:
    lead = value.layout.ndim - len(target)
    if lead > 0 and all(n == 1 for n in value.layout.shape[:lead]):
        value = reshape(value, value.layout.shape[lead:])
    if tuple(broadcast_shapes(value.layout.shape, target)) != tuple(target):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.layout.shape)} cannot be broadcast to indexing "
            f"result of shape {list(target)}"
        )
    return value


def _put_inplace(front: Any, tensors: list[Any], value: Any, accumulate: bool) -> Any:
    """Put values through a view and record it as copying the changed whole into the view."""
    if value.device is not front.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {front.device} "
            f"and {value.device}!"
        )
    changed = put_front(front, tensors, value, accumulate) if _tracked(front) or _tracked(value) else None
    if changed is not None:
        return convert.copy_(front, changed)
    ops.put(front, tensors, value, accumulate)
    front.storage.version += 1
    return front


def _tracked(x: Any) -> bool:
    return mode.enabled and needs_grad(x)


def take_front(x: Any, indices: Any) -> Any:
    """Take at index tensors for the first dimensions."""
    return apply(ops.Index, x, *indices)


def put_front(x: Any, indices: Any, v: Any, accumulate: bool) -> Any:
    """Return a copy with values put or added at index tensors for the first dimensions."""
    return apply(ops.PutFront, x, v, accumulate, *indices)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Return a copy with ``values`` put at a tuple of index tensors, or added there."""
    return index_put_(convert.clone(input), indices, values, accumulate)


def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Put ``values`` at a tuple of index tensors (None keeps a dimension), or add them there."""
    layout, advanced = _parse(input, tuple(slice(None) if i is None else i for i in indices))
    order, tensors, at = _front(layout, advanced)
    front = permute(input, order) if order != sorted(order) else input
    rest = front.layout.shape[len(tensors) :]
    index_shape = tensors[0].layout.shape
    target = (*rest[:at], *index_shape, *rest[at:])
    value = expand(_fit(values, target), target)
    if at:
        n = len(index_shape)
        value = permute(value, [*range(at, at + n), *range(at), *range(at + n, len(target))])
    _put_inplace(front, tensors, value, accumulate)
    return input


def _first(input: Any, dim: int) -> tuple[Any, int]:
    d = wrap_dim(dim, input.layout.ndim)
    return (input if d == 0 else permute(input, [d, *(i for i in range(input.layout.ndim) if i != d)])), d


def _restore(x: Any, d: int) -> Any:
    return x if d == 0 else permute(x, [*range(1, d + 1), 0, *range(d + 1, x.layout.ndim)])


def _vector(name: str, index: Any) -> Any:
    if index.layout.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: {index.dtype}")
    return reshape(index, (-1,)) if index.layout.ndim == 0 else index


def index_select(input: Any, dim: int, index: Any, *, out: Any = None) -> Any:
    """Take the given indices of a dimension.

    >>> import cltorch as torch
    >>> torch.arange(6).view(2, 3).index_select(1, torch.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    index = _vector("index_select", index)
    if input.layout.ndim == 0:
        return convert.clone(input)
    front, d = _first(input, dim)
    result = convert.contiguous(_restore(apply(ops.Index, front, index), d))
    return result if out is None else p.into_out("index_select", out, result)


def _index_write(name: str, input: Any, dim: int, index: Any, source: Any, accumulate: bool) -> Any:
    front, d = _first(input, dim)
    index = _vector(name, index)
    moved, _ = _first(source, dim) if source.layout.ndim else (source, 0)
    target = (*index.layout.shape, *front.layout.shape[1:])
    if source.layout.ndim and tuple(moved.layout.shape) != tuple(target):
        raise RuntimeError(
            f"{name}(): source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )
    _put_inplace(front, [index], expand(moved, target), accumulate)
    return input


def index_add_(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Add slices of ``source`` at the given indices of a dimension; equal indices add up."""
    return _index_write("index_add_", input, dim, index, source if alpha == 1 else p.mul(source, alpha), True)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Return a copy with slices of ``source`` added at the given indices of a dimension."""
    return index_add_(convert.clone(input), dim, index, source, alpha=alpha)


def index_copy_(input: Any, dim: int, index: Any, source: Any) -> Any:
    """Copy slices of ``source`` to the given indices of a dimension."""
    return _index_write("index_copy_", input, dim, index, source, False)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """Return a copy with slices of ``source`` at the given indices of a dimension."""
    return index_copy_(convert.clone(input), dim, index, source)


def index_fill_(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Set the given indices of a dimension to a value."""
    if not isinstance(value, Array):
        value = tensor(value, dtype=input.dtype, device=input.device)
    return _index_write("index_fill_", input, dim, index, value, False)


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Return a copy with the given indices of a dimension set to a value."""
    return index_fill_(convert.clone(input), dim, index, value)


def _same_rank(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any, Any]:
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise RuntimeError(f"{name}(): Expected dtype int64 for index")
    if max(index.layout.ndim, 1) != max(input.layout.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    d = wrap_dim(dim, input.layout.ndim)
    if input.layout.ndim == 0:
        input = reshape(input, (1,))
    if index.layout.ndim == 0:
        index = reshape(index, (1,))
    return d, input, convert.to(index, dtypes.int64)


def _check_sizes(name: str, shape: Any, index: Any, d: int, strict: bool) -> None:
    for i, (n, k) in enumerate(zip(shape, index.layout.shape, strict=True)):
        if k > n and (i != d or strict):
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(index.layout.shape)} to be no "
                f"larger than self {list(shape)} apart from dimension {d}"
            )


def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False, out: Any = None) -> Any:
    """Take, at every place of ``index``, the element it names along a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.gather.html

    >>> import cltorch as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    scalar = index.layout.ndim == 0
    d, x, index = _same_rank("gather", input, dim, index)
    _check_sizes("gather", x.layout.shape, index, d, False)
    result = apply(ops.Gather, x, d, index)
    if scalar:
        result = reshape(result, ())
    return result if out is None else p.into_out("gather", out, result)


def _scatter(name: str, input: Any, dim: int, index: Any, src: Any, mode: str) -> Any:
    d, x, index = _same_rank(name, input, dim, index)
    if not isinstance(src, Array):
        src = expand(tensor(src, dtype=x.dtype, device=x.device), index.layout.shape)
    elif src.layout.ndim == 0:
        src = reshape(src, (1,))
    if src.dtype is not x.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    _check_sizes(name, x.layout.shape, index, d, False)
    _check_sizes(name, src.layout.shape, index, -1, True)
    out = apply(ops.Scatter, x, d, index, src, mode)
    return reshape(out, ()) if input.layout.ndim == 0 else out


_REDUCE = {None: "assign", "add": "add", "multiply": "multiply"}


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """Return a copy with values written at the places that ``index`` names along a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.scatter_.html
    """
    if reduce not in _REDUCE:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _scatter("scatter", input, dim, index, value if src is None else src, _REDUCE[reduce])


def scatter_(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """Write values at the places that ``index`` names along a dimension.

    >>> import cltorch as torch
    >>> torch.zeros(1, 3).scatter_(1, torch.tensor([[2]]), 1.0)
    tensor([[0., 0., 1.]])
    """
    return convert.copy_(input, scatter(input, dim, index, src, value=value, reduce=reduce))


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Return a copy with values added at the places that ``index`` names; equal places add up in order."""
    return _scatter("scatter_add", input, dim, index, src, "add")


def scatter_add_(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Add values at the places that ``index`` names."""
    return convert.copy_(input, scatter_add(input, dim, index, src))


def take(input: Any, index: Any) -> Any:
    """Take elements by their position in the flattened tensor."""
    return apply(ops.Index, reshape(input, (-1,)), convert.to(index, dtypes.int64))


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Take the elements that ``indices`` names along a dimension, broadcasting the others."""
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    d = wrap_dim(dim, input.layout.ndim)
    line = list(
        broadcast_shapes(
            [1 if i == d else n for i, n in enumerate(input.layout.shape)],
            [1 if i == d else n for i, n in enumerate(indices.layout.shape)],
        )
    )
    a, b = list(line), list(line)
    a[d], b[d] = input.layout.shape[d], indices.layout.shape[d]
    return gather(expand(input, a), d, expand(indices, b))


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Return the coordinates of the nonzero elements, one row each, or a tuple of one tensor per dimension.

    >>> import cltorch as torch
    >>> torch.nonzero(torch.tensor([0, 5, 7]))
    tensor([[1],
            [2]])
    """
    found = ops.nonzero(input)
    if not as_tuple:
        return found
    if not input.layout.ndim:
        return (Array.new(found.storage, Layout.of((found.layout.shape[0],)), found.dtype),)
    return tuple(convert.contiguous(slice_view(found, found.layout.select(1, d))) for d in range(input.layout.ndim))


argwhere = nonzero


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """Choose elementwise between two tensors or numbers; with the condition alone, return where it holds.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.where.html

    >>> import cltorch as torch
    >>> torch.where(torch.tensor([True, False]), 1.0, 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if not isinstance(condition, Array):
        raise TypeError(f"where(): argument 'condition' (position 1) must be Tensor, not {type(condition).__name__}")
    if condition.dtype is not dtypes.bool_:
        if condition.dtype is not dtypes.uint8:
            raise RuntimeError(
                f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
            )
        condition = convert.to(condition, dtypes.bool_)
    return p.where(condition, input, other, out=out)


def _mask(name: str, mask: Any) -> Any:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"{name} only supports boolean masks, but got mask with dtype {mask.dtype}")
    return mask


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """Return a copy with a number where the mask holds."""
    if isinstance(value, Array):
        if value.layout.ndim:
            raise RuntimeError(
                "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.layout.ndim} dimension(s)."
            )
        value = convert.to(value, input.dtype)
    elif isinstance(value, float) and not input.dtype.is_floating_point:
        value = int(value)
    result = p.where(_mask("masked_fill", mask), value, input)
    return result if result.dtype is input.dtype else convert.to(result, input.dtype)


def masked_fill_(input: Any, mask: Any, value: Any) -> Any:
    """Set elements where the mask holds to a number."""
    return convert.copy_(input, masked_fill(input, mask, value))


def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """Return the elements where the mask holds, as a vector."""
    _mask("masked_select", mask)
    shape = broadcast_shapes(input.layout.shape, mask.layout.shape)
    result = getitem(expand(input, shape), expand(mask, shape))
    return result if out is None else p.into_out("masked_select", out, result)


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Take rows of a table; the gradient adds up by row, none goes to ``padding_idx``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.embedding.html
    """
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got {indices.type()} instead (while checking arguments for embedding)"
        )
    if sparse:
        raise NotImplementedError("embedding with sparse gradients is not built")
    if weight.layout.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    return apply(Embedding, weight, indices, padding_idx, scale_grad_by_freq)


def write_out(input: Any, result: Any) -> Any:
    """Store a result in the tensor given as ``out=``: resized to its shape, its dtype kept.

    Raises RuntimeError where the result cannot be cast or lies on another device.
    """
    if not dtypes.can_cast(result.dtype, input.dtype):
        names = _TYPE_NAMES
        raise RuntimeError(
            f"result type {names[result.dtype]} can't be cast to the desired output type {names[input.dtype]}"
        )
    if result.device is not input.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {result.device} "
            f"and {input.device}!"
        )
    if input.layout.shape != result.layout.shape:
        convert.resize_(input, result.layout.shape)
    copy_into(input, result)
    input.storage.version += 1
    return input
