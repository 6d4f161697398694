"""Sampling of images and volumes at given places by one kernel, where no gradient is asked for."""

from __future__ import annotations

import math
from typing import Any

from cltorch.dtypes import dtype
from cltorch.ops.array import check_dtype, empty
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.plan import singly
from cltorch.ops.softmax import dense

_MODES = ("linear", "nearest", "cubic")
_BLOCK = 32  # places of a processor's work-item that find their neighbours together
_GRAIN = 1 << 14  # products that are worth a work-item of their own


def sampled(x: Any, grid: Any, mode: int, padding: int, align: bool, variant: str = "") -> Any:
    """Return a device Array (N, C, …) at the places of a grid (N, …, 2 or 3), numbered as in ``torch.grid_sampler``.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    t: dtype = x.dtype
    check_dtype(t, x.device)
    shape, strides = x.lay.shape, x.lay.strides
    places, sizes = grid.lay.shape[1:-1], shape[2:]
    out = empty((*shape[:2], *places), t, x.device)
    if out.lay.numel == 0:
        return out
    grid, context = dense(grid), x.device.context
    key = ("grid_sample", x.lay.key, grid.lay.shape, t, mode, variant)
    plan = context.ready.get(key)
    if plan is None:
        caps, dims, count = context.caps, len(sizes), math.prod(places)
        gpu = (variant or caps.kind) != "cpu"
        block = 1 if gpu else _BLOCK
        span = sum((n - 1) * s for n, s in zip(sizes, strides[2:], strict=True))
        kernel = context.kernel(
            "grid_sample", "ct_grid_sample", "llllii" + "ll" + "il" * dims + "blblb", dims=dims, mode=_MODES[mode],
            block=block, nan=dims == 2 and mode != 1, X=t.ctype, xtag=t.tag, A=compute_dtype(t).ctype,
            I="int" if span < 1 << 31 else "long",
        )  # fmt: skip
        units = shape[0] * -(-count // block)
        taps = (2, 1, 4)[mode] ** dims
        if gpu:
            (size,), (local,) = singly(context, units)
            per_item = 1
        else:
            items = max(1, min(units, caps.compute_units * 8, out.lay.numel * taps // _GRAIN))
            per_item, local = -(-units // items), 1
            size = -(-units // per_item)
        along: list[int] = []
        for n, s in zip(sizes, strides[2:], strict=True):
            along += (n, s)
        head = (shape[0], shape[1], count, per_item)
        plan = context.ready[key] = kernel, (size,), (local,), head, (*strides[:2], *along)
    kernel, size, local, head, tail = plan
    kernel.launch(
        size, local,
        (
            *head, padding, int(align), *tail, x._storage.buf, x.lay.offset, grid._storage.buf, grid.lay.offset,
            out._storage.buf,
        ),
    )  # fmt: skip
    return out
