"""Sampling of images and volumes at given places by one kernel, and the gradients of both by one kernel each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import check_dtype, empty
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense
from cltorch.ops.strided import cast, fill

_MODES = ("linear", "nearest", "cubic")
_NEAREST = 1
_BLOCK = 32  # places of a processor's work-item that find their neighbours together
_GRAIN = 1 << 14  # products that are worth a work-item of their own


def sampled(x: Any, grid: Any, mode: int, padding: int, align: bool, variant: str = "") -> Any:
    """Return a device Array (N, C, …) at the places of a grid (N, …, 2 or 3), numbered as in ``torch.grid_sampler``.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    check_dtype(x.dtype, x.device)
    out = empty((*x.lay.shape[:2], *grid.lay.shape[1:-1]), x.dtype, x.device)
    if out.lay.numel:
        grid = dense(grid)
        buffers = x._storage.buf, x.lay.offset, grid._storage.buf, grid.lay.offset, out._storage.buf
        _launch("forward", x.lay, grid, x.dtype, mode, padding, align, variant, buffers)
    return out


def input_gradient(
    g: Any, shape: Sequence[int], grid: Any, mode: int, padding: int, align: bool, variant: str = ""
) -> Any:
    """Return the gradient (N, C, …) of what was sampled, from that of the samples."""
    wide = empty(shape, compute_dtype(g.dtype), g.device)
    if g.lay.numel:
        grid, g = dense(grid), dense(g)
        buffers = g._storage.buf, g.lay.offset, grid._storage.buf, grid.lay.offset, wide._storage.buf
        _launch("input", wide.lay, grid, g.dtype, mode, padding, align, variant, buffers)
    else:
        fill(wide, 0)
    return wide if wide.dtype is g.dtype else cast(wide, g.dtype)


def grid_gradient(g: Any, x: Any, grid: Any, mode: int, padding: int, align: bool, variant: str = "") -> Any:
    """Return the gradient of the places, in the grid's shape; the nearest element does not change with them."""
    out = empty(grid.lay.shape, g.dtype, g.device)
    if mode == _NEAREST or not g.lay.numel:
        fill(out, 0)
        return out
    grid, g = dense(grid), dense(g)
    buffers = (
        x._storage.buf, x.lay.offset, g._storage.buf, g.lay.offset, grid._storage.buf, grid.lay.offset,
        out._storage.buf,
    )  # fmt: skip
    _launch("grid", x.lay, grid, g.dtype, mode, padding, align, variant, buffers)
    return out


def _launch(
    stage: str, lay: Layout, grid: Any, t: dtype, mode: int, padding: int, align: bool, variant: str,
    buffers: Sequence[Any],
) -> None:  # fmt: skip
    """Run a stage for images that lie as ``lay`` says."""
    context = grid.device.context
    key = ("grid_sample", stage, lay.key, grid.lay.shape, t, mode, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, stage, lay, grid.lay.shape[1:-1], t, mode, variant)
    kernel, size, local, head, tail = plan
    kernel.launch(size, local, (*head, padding, int(align), *tail, *buffers))


def _plan(
    context: Any, stage: str, lay: Layout, shape: Sequence[int], t: dtype, mode: int, variant: str
) -> tuple[Any, ...]:
    caps, dims, count = context.caps, lay.ndim - 2, math.prod(shape)
    (batches, channels, *sizes), strides = lay.shape, lay.strides
    gpu = (variant or caps.kind) != "cpu"
    block = 1 if gpu else _BLOCK
    span = sum((n - 1) * s for n, s in zip(sizes, strides[2:], strict=True))
    kernel = context.kernel(
        "grid_sample", f"ct_grid_sample_{stage}",
        "llllii" + "ll" + "il" * dims + ("blblblb" if stage == "grid" else "blblb"), name=f"grid_sample_{stage}",
        stage=stage, gpu=gpu and stage == "input", dims=dims, mode=_MODES[mode], block=block,
        nan=dims == 2 and mode != _NEAREST, X=t.ctype, xtag=t.tag, A=compute_dtype(t).ctype,
        I="int" if span < 1 << 31 else "long",
    )  # fmt: skip
    rows, work = batches * channels, batches * channels * count * (2, 1, 4)[mode] ** dims
    units = rows if stage == "input" else batches * -(-count // block)
    if not gpu:
        items = max(1, min(units, caps.compute_units * 8, work // _GRAIN))
        if stage == "input":  # each finds the neighbours anew
            items = min(items, caps.compute_units * 2)
        per_item, local = -(-units // items), 1
        size = -(-units // per_item)
    else:
        # elements of a channel are shared out until there is work for all
        per_item = max(1, min(math.prod(sizes), caps.compute_units * 256 // rows)) if stage == "input" else 1
        local = min(64, caps.max_work_group)
        size = -(-units * per_item // local) * local
    along: list[int] = []
    for n, s in zip(sizes, strides[2:], strict=True):
        along += (n, s)
    return kernel, (size,), (local,), (batches, channels, count, per_item), (*strides[:2], *along)


class _GridSample2d(Op):
    """Images at the places of a grid, on a device."""

    name = "grid_sampler_2d"
    node = "GridSampler2D"

    @staticmethod
    def forward(c: Any, x: Any, grid: Any, mode: int, padding: int, align: bool) -> Any:
        c.save(x, grid)
        c.options = mode, padding, align
        return sampled(x, grid, mode, padding, align)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (x, grid), needs = c.saved, c.needs[:2]
        if m.is_grad_enabled():
            return (*m.grid_sampler_gradients(g, x, grid, needs, *c.options), None, None, None)
        g = dense(g)
        gx = input_gradient(g, x.lay.shape, grid, *c.options) if needs[0] else None
        return gx, grid_gradient(g, x, grid, *c.options) if needs[1] else None, None, None, None


class _GridSample3d(_GridSample2d):
    """Volumes at the places of a grid, on a device."""

    name = "grid_sampler_3d"
    node = "GridSampler3D"


SAMPLERS = {4: _GridSample2d, 5: _GridSample3d}  # by the dimensions of what is sampled
