"""Normalisation by the activity of neighbouring channels.

A. Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 3.3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.channels import laid_like
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.norm_batch import NUMBER
from cltorch.ops.op import Op
from cltorch.ops.plan import GRAIN, VECTOR, singly
from cltorch.ops.quiet import silent
from cltorch.ops.softmax import dense


class ResponsePlan:
    """The three kernels for one dtype; ``variant`` overrides the device's kind."""

    def __init__(self, context: Any, t: dtype, variant: str = "") -> None:
        self.context, self.dtype, self.acc = context, t, compute_dtype(t)
        self.variant = variant or ("cpu" if context.caps.kind == "cpu" else "gpu")
        self._kernels: dict[str, Any] = {}

    def launch(
        self, stage: str, x: Any, out: Any, power: Any, window: tuple[int, int], scales: tuple[float, ...], *more: Any
    ) -> None:
        """Run a stage over a dense Array (N, C, …), with the windows' reach before and behind a channel."""
        a = self.acc.compute
        kernel = self._kernels.get(stage)
        if kernel is None:
            letters = {"forward": "i", "ratio": "bl", "backward": "blb"}[stage]
            kernel = self._kernels[stage] = self.context.kernel(
                "local_response", f"ct_local_response_{stage}", "lllliiblbb" + NUMBER[a] * 3 + letters,
                stage=stage, variant=self.variant, A=a, W=VECTOR[a], X=self.dtype.ctype, xtag=self.dtype.tag,
            )  # fmt: skip
        n, channels = x.shape[:2]
        inner = math.prod(x.shape[2:])
        rows, per_item = n * channels, 1
        (size,), local = singly(self.context, x.lay.numel)
        if self.variant == "cpu":
            items = max(1, min(rows, self.context.caps.compute_units * 4, -(-x.lay.numel // GRAIN)))
            per_item = -(-rows // items)
            size, local = -(-rows // per_item), (1,)
        buffers = (x._storage.buf, x.lay.offset, out._storage.buf, power._storage.buf)
        kernel.launch((size,), local, (rows, channels, inner, per_item, *window, *buffers, *scales, *more))


def _plan(x: Any, variant: str) -> ResponsePlan:
    context = x.device.context
    key = ("local_response", x.dtype, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = ResponsePlan(context, x.dtype, variant)
    return plan


def _windowed(a: np.ndarray, before: int, behind: int) -> np.ndarray:
    """Return the sums over windows of channels, which end at the first and the last one."""
    out = np.zeros_like(a)
    channels = a.shape[1]
    for j in range(-min(before, channels - 1), min(behind, channels - 1) + 1):
        out[:, max(0, -j) : channels - max(0, j)] += a[:, max(0, j) : channels + min(0, j)]
    return out


class LocalResponseNorm(Op):
    """x / (k + alpha · mean of the squares of ``size`` channels around) ** beta."""

    name = "local_response_norm"
    node = "Div"

    @staticmethod
    def forward(c: Any, x: Any, size: int, alpha: float, beta: float, k: float, variant: str = "") -> Any:
        c.window, c.scales, c.variant = (size // 2, (size - 1) // 2), (alpha / size, beta, k), variant
        if x.device.type == "cpu":
            c.save(x, None)
            return laid_like(_host(x, c.window, c.scales), x)
        check_dtype(x.dtype, x.device)
        given, x = x, dense(x)
        plan, out = _plan(x, variant), empty(x.shape, x.dtype, x.device)
        # where nothing asks for a gradient nothing is kept: any buffer will do
        power = empty(x.shape, plan.acc, x.device) if c.recording else out
        plan.launch("forward", x, out, power, c.window, c.scales, int(c.recording))
        c.save(given, power)
        return laid_like(out, given)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, power = c.saved
        if m.is_grad_enabled():
            found = _composed(m, g, x, c.window, c.scales)
        elif g.device.type == "cpu":
            found = laid_like(_host_gradient(g, x, c.window, c.scales), x)
        else:
            given, g, x = x, dense(g), dense(x)
            plan = _plan(x, c.variant)
            ratio, found = empty(x.shape, plan.acc, x.device), empty(x.shape, x.dtype, x.device)
            gradient = g._storage.buf, g.lay.offset
            plan.launch("ratio", x, ratio, power, c.window, c.scales, *gradient)
            plan.launch("backward", x, found, power, c.window, c.scales, *gradient, ratio._storage.buf)
            found = laid_like(found, given)
        return found, *(None,) * 5


@silent
def _host(x: Any, window: tuple[int, int], scales: tuple[float, ...]) -> Any:
    a, (scale, beta, k) = host_compute(x), scales
    return from_host(a / (k + scale * _windowed(a * a, *window)) ** beta, x.dtype, x.device)


@silent
def _host_gradient(g: Any, x: Any, window: tuple[int, int], scales: tuple[float, ...]) -> Any:
    a, b, (scale, beta, k) = host_compute(x), host_compute(g), scales
    d = k + scale * _windowed(a * a, *window)
    p = d**beta
    return from_host(b / p - 2 * scale * beta * a * _windowed(b * a / (p * d), *window[::-1]), x.dtype, x.device)


def _composed(m: Any, g: Any, x: Any, window: tuple[int, int], scales: tuple[float, ...]) -> Any:
    """Return the gradient from differentiable functions."""
    acc, (scale, beta, k) = compute_dtype(x.dtype), scales
    size = sum(window) + 1

    def windowed(a: Any, before: int, behind: int) -> Any:
        lines = m.reshape(a, (a.shape[0], 1, a.shape[1], -1))
        padded = m.constant_pad_nd(lines, (0, 0, before, behind))
        return m.reshape(m.mul(m.avg_pool2d(padded, (size, 1), 1), size), a.shape)

    wide, slope = m.to(x, acc), m.to(g, acc)
    d = m.add(m.mul(windowed(m.mul(wide, wide), *window), scale), k)
    p = m.pow(d, beta)
    around = windowed(m.div(m.mul(slope, wide), m.mul(p, d)), *window[::-1])
    return m.to(m.sub(m.div(slope, p), m.mul(m.mul(wide, around), 2 * scale * beta)), x.dtype)
