"""Resampling along dimensions, one after the other, by taps computed once; its adjoint is a resampling again.

The adjoint sums for every input over the outputs that read it, in their order, so that gradients have the same bits in
every run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.channels import suggested, turned, turned_back
from cltorch.ops.op import Op
from cltorch.ops.plan import GRAIN, VECTOR, grid
from cltorch.ops.resample_taps import Taps
from cltorch.ops.softmax import dense


def _compute(t: dtype, taps: Taps) -> dtype:
    """Return the dtype of sums and weights."""
    if taps.bits:
        return dtypes.int32
    return dtypes.float64 if t is dtypes.float64 else dtypes.float32


def _plan(
    context: Any, taps: Taps, outer: int, inner: int, x_t: dtype, t: dtype, variant: str
) -> tuple[Any, Any, Any, Any]:
    """Return (kernel, global size, local size, the arguments before x) of one pass from dtype ``x_t`` to ``t``."""
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    n, m = taps.size, len(taps.start)
    a = _compute(t, taps).ctype
    single = taps.weight.shape[1] == 1 and bool((taps.weight == 1).all() and (taps.count == 1).all())
    mode = "items" if gpu else "lines" if inner == 1 else "rows"
    kernel = context.kernel(
        "resample", "ct_resample", "liillii" + "bbb" + "blb", name="resample", mode=mode, single=single, X=x_t.ctype,
        xtag=x_t.tag, Y=t.ctype, ytag=t.tag, A=a, W=VECTOR[a], rounded=t is dtypes.uint8, whole=taps.bits > 0,
    )  # fmt: skip
    per_item = 0
    if gpu:
        size, local = grid(context, outer * m * inner)
    else:
        units = outer if inner == 1 else outer * m
        work = outer * m * inner * taps.weight.shape[1]
        items = max(1, min(units, caps.compute_units * 4, -(-work // GRAIN)))
        per_item = -(-units // items)
        size, local = (-(-units // per_item),), (1,)
    table = []
    for values in (taps.start, taps.count, taps.weight):
        data = np.ascontiguousarray(values, _compute(t, taps).np if values is taps.weight else np.int32)
        storage = context.alloc(data.nbytes)
        context.write(storage.buf, data.reshape(-1).view(np.uint8))
        table.append(storage)
    head = (outer, n, m, inner, per_item, taps.weight.shape[1], taps.bits, *(s.buf for s in table))
    return kernel, size, local, (head, table)  # the storages keep the buffers alive


def resampled(x: Any, dim: int, taps: Taps, t: dtype, variant: str = "") -> Any:
    """Return a dense device Array resampled along a dimension, stored as ``t``.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    shape = x.lay.shape
    out = empty((*shape[:dim], len(taps.start), *shape[dim + 1 :]), t, x.device)
    if out.lay.numel == 0:
        return out
    context = x.device.context
    outer, inner = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    key = ("resample", taps, outer, inner, x.dtype, t, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, taps, outer, inner, x.dtype, t, variant)
    kernel, size, local, (head, _) = plan
    kernel.launch(size, local, (*head, x._storage.buf, x.lay.offset, out._storage.buf))
    return out


def _host(a: np.ndarray, dim: int, taps: Taps) -> np.ndarray:
    a = np.moveaxis(a, dim, -1)
    out = np.full((*a.shape[:-1], len(taps.start)), 1 << taps.bits >> 1, a.dtype)  # a half, where weights are whole
    for k in range(taps.weight.shape[1]):
        used = k < taps.count
        if used.all():
            out += a[..., taps.start + k] * taps.weight[:, k].astype(a.dtype)
        elif used.any():
            out[..., used] += a[..., taps.start[used] + k] * taps.weight[used, k].astype(a.dtype)
    if taps.bits:
        out = np.clip(out >> taps.bits, 0, 255)
    return np.moveaxis(out, -1, dim)


def run(x: Any, steps: tuple[tuple[int, Taps], ...], variant: str = "") -> Any:
    """Return an Array resampled along dimensions by (dimension, taps), in the order given."""
    t = x.dtype
    if x.device.type == "cpu":
        a = host_compute(x)
        whole = any(taps.bits for _, taps in steps)
        if t is dtypes.uint8:
            a = a.astype(np.int32 if whole else np.float32)
        with np.errstate(all="ignore"):
            for dim, taps in steps:
                a = _host(a, dim, taps)
        if t is dtypes.uint8:
            a = (a if whole else np.clip(np.rint(a), 0, 255)).astype(np.uint8)
        return from_host(np.ascontiguousarray(a), t, x.device)
    check_dtype(t, x.device)
    x = dense(x)
    for i, (dim, taps) in enumerate(steps):
        x = resampled(x, dim, taps, t if taps.bits or i == len(steps) - 1 else _compute(t, taps), variant)
    return x


class Resample(Op):
    """Weighted sums of neighbours along dimensions."""

    name = "resample"
    linear = slice(1)
    node = "Resample"

    @staticmethod
    def forward(c: Any, x: Any, steps: tuple[tuple[int, Taps], ...]) -> Any:
        c.steps = steps
        if suggested(x.lay) is None:
            return run(x, steps)
        # vectors run along the channels, which lie side by side
        return turned_back(run(turned(x), tuple((dim - 1, taps) for dim, taps in steps)))

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.resample(g, tuple((dim, taps.adjoint) for dim, taps in reversed(c.steps))), None


def _kinds() -> dict[tuple[str, int], type[Resample]]:
    words = {
        "nearest": "UpsampleNearest", "nearest-exact": "UpsampleNearestExact", "linear": "UpsampleLinear",
        "bilinear": "UpsampleBilinear", "trilinear": "UpsampleTrilinear", "bicubic": "UpsampleBicubic",
        "bilinear-aa": "UpsampleBilinear", "bicubic-aa": "UpsampleBicubic", "lanczos-aa": "UpsampleLanczos",
    }  # fmt: skip
    return {
        (mode, n): type(f"{word}{n}d", (Resample,), {"node": f"{word}{n}D{'Aa' if mode.endswith('-aa') else ''}"})
        for mode, word in words.items()
        for n in (1, 2, 3)
    }


#: The operator of each mode and number of dimensions: what they compute is the same, ``grad_fn`` tells them apart.
KINDS = _kinds()
