"""Distances between all pairs of vectors, without their differences ever being stored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.plan import VECTOR
from cltorch.ops.softmax import dense
from cltorch.ops.strided import copy_into

_TILE, _GROUP = 16, 256
_WAYS = {0.0: "zero", 1.0: "one", 2.0: "two", math.inf: "most"}
_CHUNK = 1 << 22  # differences that the host holds at once


def _launch(
    mode: str, p: float, x1: Any, x2: Any, out: Any, strides: tuple[int, ...], more: list[Any], variant: str | None
) -> None:
    context = out.device.context
    key = ("distance", mode, p, x1.lay.shape, x2.lay.shape, out.dtype, strides, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, mode, p, x1.lay, x2.lay, out.dtype, strides, variant)
    kernel, size, local, head = plan
    ends = (x1._storage.buf, x1.lay.offset, x2._storage.buf, x2.lay.offset, *(x._storage.buf for x in more))
    kernel.launch(size, local, (*head, *ends, out._storage.buf))


def _plan(
    context: Any, mode: str, p: float, x1: Layout, x2: Layout, t: dtype, strides: tuple[int, ...], variant: str | None
) -> Any:
    """Return the kernel, its sizes and its first arguments."""
    gpu = (variant or context.caps.kind) != "cpu"
    rows, columns = x1.shape[-2:]
    others = x2.shape[-2]
    batch = math.prod(x1.shape[:-2])
    way = _WAYS.get(p, "power")
    compute = compute_dtype(t)
    tile = _TILE if context.caps.max_work_group >= _TILE * _TILE else 8
    name = f"distance_{mode}_{way}"
    letters = "l" * (5 + len(strides)) + ("d" if compute.itemsize == 8 else "f") + "blbl"
    buffers = 2 if mode == "backward" and math.isinf(p) else int(mode == "backward")
    kernel = context.kernel(
        "distance", f"ct_{name}", letters + "b" * (buffers + 1),
        name=name, mode=mode, way=way, gpu=gpu, A=compute.compute, X=t.ctype, xtag=t.tag, W=VECTOR[compute.compute],
        T=tile,
    )  # fmt: skip
    lines = batch * rows
    per_item = 0
    size: tuple[int, ...]
    local: tuple[int, ...]
    if not gpu:
        items = max(1, min(lines, context.caps.compute_units * 4, -(-lines * others * columns // 8192)))
        per_item = -(-lines // items)
        size, local = (-(-lines // per_item),), (1,)
    elif mode == "forward":
        # every group along the first dimension, for drivers allow few along the others
        size, local = (-(-others // tile) * -(-rows // tile) * batch * tile * tile,), (tile * tile,)
    else:
        group = min(_GROUP, context.caps.max_work_group)
        size, local = (-(-lines * columns // group) * group,), (group,)
    return kernel, size, local, (lines, rows, others, columns, per_item, *strides, 0.0 if math.isinf(p) else p)


def distances(x1: Any, x2: Any, p: float, variant: str | None = None) -> Any:
    """Return the p-norms of the differences of (…, P, M) and (…, R, M), shape (…, P, R).

    ``variant`` ("cpu" or "gpu") overrides the device's kind in choosing the kernel.
    """
    shape = (*x1.lay.shape[:-1], x2.lay.shape[-2])
    if x1.device.type == "cpu":
        return from_host(_by_chunks(x1, x2, lambda d, _: _norm(d, p)), x1.dtype, x1.device)
    check_dtype(x1.dtype, x1.device)
    out = empty(shape, x1.dtype, x1.device)
    if out.lay.numel:
        _launch("forward", p, dense(x1), dense(x2), out, (), [], variant)
    return out


def gradient(
    weight: Any, x1: Any, x2: Any, distance: Any, p: float, second: bool = False, variant: str | None = None
) -> Any:
    """Return the sum of ``weight`` (P, R) times the derivatives of the differences' terms for x1, or for x2.

    A term's derivative is sign(d) |d|^(p - 1); for p = inf it is sign(d) where |d| is the distance.
    """
    if x1.device.type == "cpu":
        w, far = host_compute(weight), host_compute(distance)
        if second:
            w, far = np.swapaxes(w, -2, -1), np.swapaxes(far, -2, -1)
            x1, x2 = x2, x1
        # the chunks cut the first operand's rows, so that the sum over the second's is whole
        return from_host(_by_chunks(x1, x2, lambda d, at: _summed(w, far, d, at, p)), x1.dtype, x1.device)
    others = weight.lay.shape[-1]
    a, b, strides = (x2, x1, (1, others)) if second else (x1, x2, (others, 1))
    out = empty(a.lay.shape, a.dtype, a.device)
    if out.lay.numel:
        more = [_plain(weight), _plain(distance)] if math.isinf(p) else [_plain(weight)]
        _launch("backward", p, dense(a), dense(b), out, strides, more, variant)
    return out


def _plain(x: Any) -> Any:
    """Return an Array that is dense from its storage's first element."""
    x = dense(x)
    if not x.lay.offset:
        return x
    out = empty(x.lay.shape, x.dtype, x.device)
    copy_into(out, x)
    return out


# ---- on the host -------------------------------------------------------------------------------------------------
def _by_chunks(x1: Any, x2: Any, f: Any) -> np.ndarray:
    """Return f of the differences, as many rows of x1 at a time as memory should hold."""
    a, b = host_compute(x1), host_compute(x2)
    rows = a.shape[-2]
    each = max(1, b.size)
    per = max(1, _CHUNK // each)
    parts = []
    with np.errstate(all="ignore"):
        for start in range(0, rows, per) or [0]:
            at = slice(start, start + per)
            parts.append(f(a[..., at, None, :] - b[..., None, :, :], at))
    return np.concatenate(parts, -2)


def _norm(d: np.ndarray, p: float) -> np.ndarray:
    if p == 0:
        return (d != 0).sum(-1).astype(d.dtype)
    if math.isinf(p):
        return np.abs(d).max(-1)
    if p == 1:
        return np.abs(d).sum(-1)
    if p == 2:
        return np.sqrt((d * d).sum(-1))
    return (np.abs(d) ** p).sum(-1) ** (1 / p)


def _summed(w: np.ndarray, far: np.ndarray, d: np.ndarray, at: slice, p: float) -> np.ndarray:
    if p == 2:
        term = d
    elif p == 1:
        term = np.sign(d)
    elif math.isinf(p):
        term = np.where(np.abs(d) == far[..., at, :, None], np.sign(d), 0)
    else:
        term = np.where(d == 0, 0, np.sign(d) * np.abs(d) ** (p - 1))
    return (w[..., at, :, None] * term).sum(-2)


class CDist(Op):
    """The p-norms of the differences of all pairs of rows; equal rows have no gradient."""

    name = "cdist"

    @staticmethod
    def forward(c: Any, x1: Any, x2: Any, p: float) -> Any:
        out = distances(x1, x2, p)
        c.p = p
        c.save(x1, x2, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x1, x2, out = c.saved
        p = c.p
        if p == 0:
            return (m.zeros_like(x1) if c.needs[0] else None), (m.zeros_like(x2) if c.needs[1] else None), None
        weight = g
        if p != 1 and not math.isinf(p):
            none = m.eq(out, 0)
            # divisions by zero are kept out of the graph: their derivatives would be NaN even where not chosen
            weight = m.where(none, 0.0, m.div(g, m.pow(m.where(none, 1.0, out), p - 1)))
        if not m.is_grad_enabled():
            g1 = gradient(weight, x1, x2, out, p) if c.needs[0] else None
            return g1, gradient(weight, x1, x2, out, p, True) if c.needs[1] else None, None
        d = m.sub(m.unsqueeze(x1, -2), m.unsqueeze(x2, -3))
        if p == 2:
            term = d
        elif p == 1:
            term = m.sign(d)
        elif math.isinf(p):
            term = m.mul(m.sign(d), m.eq(m.abs(d), m.unsqueeze(out, -1)).to(d.dtype))
        else:
            none = m.eq(d, 0)
            term = m.where(none, 0.0, m.mul(m.sign(d), m.pow(m.where(none, 1.0, m.abs(d)), p - 1)))
        term = m.mul(term, m.unsqueeze(weight, -1))
        return m.sum(term, -2), m.neg(m.sum(term, -3)), None
