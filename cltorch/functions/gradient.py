"""Numerical derivatives of samples (gradient), and flat indices taken apart (unravel_index).

Source: https://docs.pytorch.org/docs/2.13/generated/torch.gradient.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, read_number
from cltorch.functions.convert import to
from cltorch.functions.join import cat
from cltorch.functions.parts import narrow
from cltorch.functions.scan import diff
from cltorch.functions.shape import reshape
from cltorch.ops.array import Array
from cltorch.shapes import wrap_dims

__all__ = ["gradient", "unravel_index"]


def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """Estimate the derivatives of a sampled function along dimensions (all by default), a tensor for each.

    Inside by central differences of second order; at the ends by a difference to one side of the order ``edge_order``,
    1 or 2. ``spacing`` is the distance of samples, one number for each dimension, or a vector of coordinates for each.
    Raises RuntimeError where a dimension has fewer than ``edge_order + 1`` samples, for another order, and for other
    numbers of spacings than dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.gradient.html

    >>> import cltorch as torch
    >>> torch.gradient(torch.tensor([1.0, 2.0, 4.0, 7.0]))
    (tensor([1.0000, 1.5000, 2.5000, 3.0000]),)
    """
    need_array("gradient", "input", 1, input)
    rank = input.lay.ndim
    chosen = (dim,) if isinstance(dim, int) else dim if dim is None else tuple(dim)
    dims = tuple(range(rank)) if chosen is None else wrap_dims(chosen, rank) if chosen else ()
    steps = _steps(spacing, len(dims), rank, dim is not None)
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input.dtype is dtypes.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if any(input.lay.shape[d] < edge_order + 1 for d in dims):
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(
        _uneven(input, h, d, edge_order) if isinstance(h, Array) else _even(input, h, d, edge_order)
        for d, h in zip(dims, steps, strict=True)
    )


def _steps(spacing: Any, count: int, rank: int, chosen: bool) -> list[Any]:
    if spacing is None:
        return [1] * count
    if not isinstance(spacing, (tuple, list)):
        return [read_number("gradient", "spacing", 2, spacing)] * count
    if len(spacing) != count:
        if chosen:
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar or as long as dim, but got a spacing "
                f"argument of length {len(spacing)} and a dim argument of length {count}"
            )
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to 'self.dim() = "
            f"{rank}', since dim argument was not given, but got a list of length {len(spacing)}"
        )
    for x in spacing:
        if isinstance(x, Array) and x.lay.ndim != 1:
            raise RuntimeError(
                f"torch.gradient expected each element of spacing to have one dimension, but got an element with "
                f"{x.lay.ndim} dimensions!"
            )
    return list(spacing)


def _even(x: Any, h: float, d: int, order: int) -> Any:
    n = x.lay.shape[d]
    first, second = narrow(x, d, 0, 1), narrow(x, d, 1, 1)
    last, before = narrow(x, d, n - 1, 1), narrow(x, d, n - 2, 1)
    inside = p.div(p.sub(narrow(x, d, 2, n - 2), narrow(x, d, 0, n - 2)), 2 * h)
    if order == 1:
        ends = p.div(p.sub(second, first), h), p.div(p.sub(last, before), h)
    else:
        third, before2 = narrow(x, d, 2, 1), narrow(x, d, n - 3, 1)
        ends = (
            p.div(p.sub(p.sub(p.mul(second, 4), p.mul(first, 3)), third), 2 * h),
            p.div(p.add(p.sub(p.mul(last, 3), p.mul(before, 4)), before2), 2 * h),
        )
    return cat((ends[0], inside, ends[1]), d)


def _uneven(x: Any, coordinates: Any, d: int, order: int) -> Any:
    """Fit a parabola through each three samples, and a line or a parabola at the ends."""
    n = x.lay.shape[d]
    line = [1] * x.lay.ndim
    line[d] = -1
    h = reshape(diff(coordinates), line)
    slopes = p.div(diff(x, dim=d), h)
    left, right = narrow(h, d, 0, n - 2), narrow(h, d, 1, n - 2)
    both = p.add(left, right)
    before, after = narrow(slopes, d, 0, n - 2), narrow(slopes, d, 1, n - 2)
    inside = p.div(p.add(p.mul(before, right), p.mul(after, left)), both)
    first, last = narrow(slopes, d, 0, 1), narrow(slopes, d, n - 2, 1)
    if order == 2:  # a line's slope belongs to its middle: from there to the end on by the change of slopes
        bend = p.div(p.sub(after, before), both)
        first = p.sub(first, p.mul(narrow(bend, d, 0, 1), narrow(h, d, 0, 1)))
        last = p.add(last, p.mul(narrow(bend, d, n - 3, 1), narrow(h, d, n - 2, 1)))
    return cat((first, inside, last), d)


def unravel_index(indices: Any, shape: int | Sequence[int]) -> tuple[Any, ...]:
    """Return, for indices into a flattened tensor of a shape, the index along each of its dimensions.

    Raises TypeError for indices that are no integers and shapes that are none, ValueError for negative sizes,
    RuntimeError for an index into a shape without elements.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.unravel_index.html

    >>> import cltorch as torch
    >>> torch.unravel_index(torch.tensor([5, 3]), (2, 3))
    (tensor([1, 1]), tensor([2, 0]))
    """
    need_array("unravel_index", "indices", 1, indices)
    if indices.dtype.family not in "ui":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for n in sizes:
        if not isinstance(n, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(n)}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    if 0 in sizes and indices.lay.numel:
        raise RuntimeError("ZeroDivisionError")
    if indices.dtype is not dtypes.int64:
        indices = to(indices, dtypes.int64)
    steps = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    return tuple(
        p.remainder(p.floor_divide(indices, step), n) if n and step else p.mul(indices, 0)
        for n, step in zip(sizes, steps, strict=True)
    )
