"""Positions in tensors: where elements are not zero, and what lies at index tensors for the first dimensions.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nonzero.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply, inplace
from cltorch.functions import convert, overwrite
from cltorch.functions.arguments import need_array
from cltorch.functions.create import full
from cltorch.functions.expanded import folded, warn_expanded
from cltorch.functions.parts import narrow
from cltorch.functions.pointwise import into_out
from cltorch.functions.ranges import arange
from cltorch.functions.shape import expand, reshape
from cltorch.ops import index as ops
from cltorch.ops.array import view
from cltorch.ops.nonzero import nonzero as find_nonzero
from cltorch.ops.overlap import check_overlap

__all__ = ["argwhere", "index_back", "nonzero", "nonzero_static", "put_front", "take_front"]

# what PyTorch allows on expanded tensors, with what it warns of besides
_ON_EXPANDED = {"index_put_": "tensor[indices] = tensor", "index_fill_": "tensor[mask] = scalar"}


def put_in_place(
    x: Any,
    indices: Sequence[Any],
    value: Any,
    accumulate: bool,
    wrap: bool = True,
    what: str = "index_put_",
    dims: Sequence[int] | None = None,
) -> Any:
    """Put or add values (of the shape and dtype of the place) at index tensors for the first dimensions, in place.

    ``what`` is the operator and ``dims`` are the dimensions in the error for an index out of range.
    """
    if x.lay.overlaps():
        if what not in _ON_EXPANDED:
            check_overlap(x, [])
        return _put_on_expanded(x, indices, value, accumulate, wrap, what)
    if value._storage is x._storage:
        value = convert.contiguous_copy(value)
    indices = [convert.contiguous_copy(i) if i._storage is x._storage else i for i in indices]
    return inplace(
        x, ops.PutInPlace, x, value, accumulate, wrap, *indices,
        write=lambda: ops.put(x, indices, value, accumulate, wrap, what=what, dims=dims),
    )  # fmt: skip


def _put_on_expanded(x: Any, indices: Sequence[Any], value: Any, accumulate: bool, wrap: bool, what: str) -> Any:
    """Put values at the places in memory that the elements at some indices have, in their order."""
    warn_expanded(what, _ON_EXPANDED[what])
    base = folded(x)
    n = base.lay.numel
    numbers = expand(reshape(arange(n, device=x.device), base.lay.shape), x.lay.shape)
    places = reshape(take_front(numbers, indices, wrap=wrap), (-1,))
    changed = put_front(reshape(base, (-1,)), (places,), reshape(value, (-1,)), accumulate)
    overwrite.copy_(base, reshape(changed, base.lay.shape))
    return x


def take_front(x: Any, indices: Sequence[Any], at: int = 0, wrap: bool = True) -> Any:
    """Take at index tensors for the first dimensions; their dimensions come after ``at`` of the others."""
    return apply(ops.Index, x, at, None, wrap, *indices)


def put_front(x: Any, indices: Sequence[Any], v: Any, accumulate: bool, wrap: bool = True) -> Any:
    """Return a copy with values put or added at index tensors for the first dimensions."""
    return apply(ops.PutFront, x, v, accumulate, wrap, *indices)


def index_back(g: Any, shape: Sequence[int], at: int, wrap: bool, indices: Sequence[Any]) -> Any:
    """Add slices into zeros of ``shape`` at index tensors: the gradient of ``take_front``."""
    return apply(ops.IndexBack, g, shape, at, wrap, *indices)


def nonzero(input: Any, *, out: Any = None, as_tuple: bool = False) -> Any:
    """Return the coordinates of the nonzero elements, one row each, or a tuple of one tensor per dimension.

    Their number is read back, which waits for the device.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nonzero.html

    >>> import cltorch as torch
    >>> torch.nonzero(torch.tensor([0, 5, 7]))
    tensor([[1],
            [2]])
    """
    need_array("nonzero", "input", 1, input)
    found = find_nonzero(input)
    if out is not None:
        return into_out("nonzero", out, found, (input,))
    if not as_tuple:
        return found
    if not input.lay.ndim:
        return (find_nonzero(input, flat=True),)
    return tuple(convert.contiguous(view(found, found.lay.select(1, d))) for d in range(input.lay.ndim))


def nonzero_static(input: Any, *, size: int, fill_value: int = -1, out: Any = None) -> Any:
    """Return the coordinates of the first ``size`` nonzero elements, rows of ``fill_value`` where there are fewer.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nonzero_static.html

    >>> import cltorch as torch
    >>> torch.nonzero_static(torch.tensor([0, 5, 7]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, but got {size}")
    result = full((size, input.lay.ndim), fill_value, dtype=dtypes.int64, device=input.device)
    if input.device.type != "meta":
        found = find_nonzero(input)
        count = min(found.lay.shape[0], size)
        if count and input.lay.ndim:
            overwrite.copy_(narrow(result, 0, 0, count), narrow(found, 0, 0, count))
    return result if out is None else into_out("nonzero_static", out, result)


def argwhere(input: Any) -> Any:
    """Return the coordinates of the nonzero elements, one row each.

    Shape: (*) to (count, dimensions), int64.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.argwhere.html

    >>> import cltorch as torch
    >>> torch.argwhere(torch.tensor([0, 5, 7]))
    tensor([[1],
            [2]])
    """
    need_array("argwhere", "input", 1, input)
    return find_nonzero(input)
