"""Pooling: the largest or the average of windows, forward and backward as one kernel each.

The gradients add in a fixed order (every input what its windows send, or every window in turn), so that the result has
the same bits in every run.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.ops import pool_host
from cltorch.ops.array import Array, check_dtype, empty
from cltorch.ops.channels import in_format, laid_as, suggested
from cltorch.ops.op import Op
from cltorch.ops.pool_plan import Plan, index_dtype, index_form, make_plan
from cltorch.ops.pool_windows import Windows
from cltorch.ops.softmax import dense
from cltorch.ops.strided import copy_into


def _plan(context: Any, name: str, w: Windows, x: Any, *options: Any) -> Plan:
    key = ("pool", name, w, x.lay.key, x.dtype, *options)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = make_plan(context, name, w, x.shape[: -w.ndim], x.dtype, *options)
    return plan


def _new(plan: Plan, context: Any) -> Any:
    return Array.new(context.alloc(plan.lay.numel * plan.dtype.itemsize), plan.lay, plan.dtype)


class MaxPool(Op):
    """The largest value of each window; with ``indices`` also its place in the plane (int64)."""

    name = "max_pool"

    @staticmethod
    def forward(c: Any, x: Any, w: Windows, indices: bool) -> Any:
        c.windows, c.format, c.flat = w, suggested(x.lay), True
        if x.device.type == "cpu":
            out, index = pool_host.max_pool(x, w)
        else:
            form = "flat" if indices else index_form(w, x.device.context.caps.kind) if c.recording else ""
            out, index = max_pool(x, w, form)
        c.save(index)
        out = laid_as(out, x)
        if not indices:
            return out
        index = laid_as(index, x)
        c.non_differentiable(index)
        return out, index

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, *unused: Any) -> Any:
        _check_windows("max", g, c.windows)
        gx = m.max_pool_spread(g, *c.saved, c.windows)
        return in_format(m, c.format, gx), None, None


def _check_windows(kind: str, g: Any, w: Windows) -> None:
    """Raise RuntimeError for the gradient of no windows, which only adaptive pools can be asked for."""
    shape = list(g.shape)
    if 0 in shape[-w.ndim :]:
        raise RuntimeError(
            f"adaptive_{kind}_pool{max(w.ndim, 2)}d_backward(): Expected grad_output to have non-zero size for "
            f"non-batch dimensions, but grad_output has sizes {shape} with dimension {shape.index(0, -w.ndim)} being "
            "empty"
        )


def max_pool(x: Any, w: Windows, form: str) -> tuple[Any, Any]:
    """Return (largest values, where they are) on a device; without a form there is no index (None)."""
    check_dtype(x.dtype, x.device)
    context = x.device.context
    x = dense(x)
    plan = _plan(context, "max", w, x, form)
    out = _new(plan, context)
    if not form:
        plan(x, out)
        return out, None
    t = index_dtype(form)
    index = Array.new(context.alloc(plan.lay.numel * t.itemsize), plan.lay, t)
    plan(x, out, (index._storage.buf,))
    return out, index


def _index_of(index: Any) -> tuple[str, Any]:
    # an index that a caller handed in may lie anywhere; ours is dense and at the start of its buffer
    if not index.lay.dense:
        fresh = empty(index.shape, index.dtype, index.device)
        copy_into(fresh, index)
        index = fresh
    return "code" if index.dtype is dtypes.uint8 else "flat", index


class MaxPoolSpread(Op):
    """Send each window's gradient to the input that was the largest."""

    name = "max_pool_spread"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, index: Any, w: Windows) -> Any:
        c.windows = w
        c.save(index)
        if g.device.type == "cpu":
            return laid_as(pool_host.spread(g, index, w), g)
        given, g = g, dense(g)
        form, index = _index_of(index)
        plan = _plan(g.device.context, "max_backward", w, g, form)
        out = _new(plan, g.device.context)
        plan(g, out, (index._storage.buf,))
        return laid_as(out, given)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.max_pool_pick(g, *c.saved, c.windows), None, None


class MaxPoolPick(Op):
    """Take for each window the element of the plane that an index names."""

    name = "max_pool_pick"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, index: Any, w: Windows) -> Any:
        c.windows = w
        c.save(index)
        if x.device.type == "cpu":
            return pool_host.pick(x, index, w)
        x = dense(x)
        form, index = _index_of(index)
        plan = _plan(x.device.context, "pick", w, x, form)
        out = _new(plan, x.device.context)
        plan(x, out, (index._storage.buf,))
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.max_pool_spread(g, *c.saved, c.windows), None, None


class AvgPool(Op):
    """The average of each window."""

    name = "avg_pool"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, w: Windows, include_pad: bool, override: int) -> Any:
        c.options, c.format, c.flat = (w, include_pad, override), suggested(x.lay), True
        pool = pool_host.avg_pool if x.device.type == "cpu" else _averages
        return laid_as(pool(x, w, include_pad, override), x)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        w, include_pad, override = c.options
        _check_windows("avg", g, w)
        if w.out == (1, 1, 1) and all(w.whole(d)[1] and w.inside(d)[1][0] == w.size[d] for d in range(3)):
            # one window that is all of the plane: the gradient is the same number everywhere, which needs no copies
            shape = (*g.shape[: -w.ndim], *w.size[3 - w.ndim :])
            return m.expand(m.div(g, override or math.prod(w.size)), shape), None, None, None
        gx = m.avg_pool_spread(g, *c.options)
        return in_format(m, c.format, gx), None, None, None


class AvgPoolSpread(Op):
    """Send each window's gradient in equal shares to its inputs."""

    name = "avg_pool_spread"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, w: Windows, include_pad: bool, override: int) -> Any:
        c.options = (w, include_pad, override)
        if g.device.type == "cpu":
            return laid_as(pool_host.avg_spread(g, w, include_pad, override), g)
        return laid_as(_averages(g, w, include_pad, override, "avg_backward"), g)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.avg_pool_windows(g, *c.options), None, None, None


def _averages(x: Any, w: Windows, include_pad: bool, override: int, name: str = "avg") -> Any:
    check_dtype(x.dtype, x.device)
    x = dense(x)
    plan = _plan(x.device.context, name, w, x, "", include_pad, override)
    out = _new(plan, x.device.context)
    plan(x, out)
    return out


def _densely(forward: Any) -> Any:
    """Return a forward whose results are contiguous even where channels come last in memory: PyTorch's are."""
    return staticmethod(lambda c, x, *given: forward(c, dense(x), *given))


class MaxPool2d(MaxPool):
    """max_pool1d and max_pool2d."""

    node = "MaxPool2DWithIndices"


class MaxPool3d(MaxPool):
    """max_pool3d."""

    node = "MaxPool3DWithIndices"


class AdaptiveMaxPool2d(MaxPool):
    """adaptive_max_pool1d and adaptive_max_pool2d."""

    node = "AdaptiveMaxPool2D"


class AdaptiveMaxPool3d(MaxPool):
    """adaptive_max_pool3d."""

    node = "AdaptiveMaxPool3D"
    forward = _densely(MaxPool.forward)


class AvgPool2d(AvgPool):
    """avg_pool1d and avg_pool2d."""

    node = "AvgPool2D"


class AvgPool3d(AvgPool):
    """avg_pool3d."""

    node = "AvgPool3D"
    forward = _densely(AvgPool.forward)


def _adaptive_average(c: Any, x: Any, w: Windows, include_pad: bool, override: int) -> Any:
    out = AvgPool.forward(c, x, w, include_pad, override)
    c.flat = w.out != (1, 1, 1)  # of one window PyTorch takes the mean, whose gradient is in nobody's graph
    return out


class AdaptiveAvgPool2d(AvgPool):
    """adaptive_avg_pool1d and adaptive_avg_pool2d."""

    node = "AdaptiveAvgPool2D"
    forward = staticmethod(_adaptive_average)


class AdaptiveAvgPool3d(AvgPool):
    """adaptive_avg_pool3d."""

    node = "AdaptiveAvgPool3D"
    forward = _densely(_adaptive_average)
