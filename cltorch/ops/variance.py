"""Variance and standard deviation over some dimensions."""

from __future__ import annotations

from typing import Any

from cltorch.layout import Layout
from cltorch.ops import reduce as rows
from cltorch.ops.array import Array, check_dtype
from cltorch.ops.norm_batch import BatchPlan
from cltorch.ops.reduce import accumulation, kept_shape, reduce


def variance(x: Any, dims: tuple[int, ...], n: int, divisor: float, root: bool) -> Any:
    """Return the sum of squared deviations of the ``n`` elements of each result over ``divisor``, or its root.

    An operand that is read once, in blocks that are still near when the deviations from their means are taken, is one
    whose dimensions are packed with the kept ones in the middle, as a batch normalisation's; others are read twice.
    """
    shape = _as_channels(x.lay, dims) if x.device.type == "cl" else None
    if shape is None or n < 2:
        around = reduce(rows.MEAN, x, dims, accumulation(x.dtype), (float(n),))
        return reduce(rows.STD if root else rows.VAR, x, dims, x.dtype, (divisor,), aux=around)
    check_dtype(x.dtype, x.device)
    context = x.device.context
    key = ("variance", shape, x.dtype)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = BatchPlan(context, shape, x.dtype, x.dtype)
    out = plan.spread(x, divisor, root)
    return Array.new(out._storage, Layout.of(kept_shape(x.lay.shape, dims, False)), x.dtype)


def _as_channels(lay: Layout, dims: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (outer, channels, inner) where outer and inner are all that is reduced; None for other shapes."""
    if not lay.contiguous or lay.numel == 0:
        return None
    runs: list[tuple[bool, int]] = [(True, 1)]
    for d, size in enumerate(lay.shape):
        gone = d in dims
        if size == 1:
            continue
        if gone == runs[-1][0]:
            runs[-1] = (gone, runs[-1][1] * size)
        else:
            runs.append((gone, size))
    if len(runs) == 1:
        return 1, 1, runs[0][1]
    if len(runs) > 3:
        return None
    outer, channels, inner = (*(size for _, size in runs), 1, 1)[:3]
    return outer, channels, inner
