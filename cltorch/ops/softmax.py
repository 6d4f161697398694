"""softmax and log_softmax along a dimension, forward and backward as one kernel each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.ops import tuning
from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.plan import MASK, VECTOR, grid, past_the_caches, singly
from cltorch.ops.quiet import silent
from cltorch.ops.strided import copy_into


def dense(x: Any) -> Any:
    """Return the Array itself where it is contiguous, else a dense copy."""
    if x.lay.contiguous:
        return x
    out = empty(x.shape, x.dtype, x.device)
    copy_into(out, x)
    return out


def lines(context: Any, count: int, work: int) -> tuple[tuple[int], tuple[int], int]:
    """Return (global size, local size, lines per work-item) for a kernel that walks whole lines."""
    if context.caps.kind != "cpu":
        return (*singly(context, count), 1)
    items = max(1, min(count, context.caps.compute_units * 4, -(-count * work // 8192)))
    per_item = max(1, -(-count // items))
    return (-(-count // per_item),), (1,), per_item


def run(x: Any, dim: int, logarithm: bool, y: Any = None, variant: str = "") -> Any:
    """Return softmax of an Array, or its gradient where the result ``y`` is given and ``x`` is the incoming one.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    check_dtype(x.dtype, x.device)
    shape = x.lay.shape
    out = empty(shape, x.dtype, x.device)
    if out.lay.numel == 0:
        return out
    x = dense(x)
    context = x.device.context
    key = ("softmax", shape, dim, x.dtype, logarithm, y is None, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, shape, dim, x.dtype, logarithm, y is not None, variant)
    kernel, size, group, head = plan
    if y is None:
        kernel.launch(size, group, (*head, x._storage.buf, x.lay.offset, out._storage.buf))
        return out
    y = dense(y)
    kernel.launch(
        size, group, (*head, x._storage.buf, x.lay.offset, y._storage.buf, y.lay.offset, out._storage.buf)
    )  # fmt: skip
    return out


def _plan(
    context: Any, shape: Sequence[int], dim: int, t: dtype, logarithm: bool, backward: bool, variant: str
) -> tuple[Any, ...]:
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    n = shape[dim] if shape else 1
    inner = math.prod(shape[dim + 1 :])
    outer = math.prod(shape) // (n * inner)
    count = outer * inner
    ctype = compute_dtype(t).compute
    width = VECTOR[ctype]
    group = tuning.group_items(context, "softmax gpu")
    if gpu:
        # few lines that are long: a group each; else neighbouring lines give neighbouring reads, or are short
        mode = "groups" if n > 32 and (inner == 1 or count < 4096) else "items"
    else:
        mode = "columns" if inner > 1 else "lines"
    name = ("log_" if logarithm else "") + "softmax" + ("_backward" if backward else "")
    kernel = context.kernel(
        "softmax", f"ct_{name}", "llllbl" + ("bl" if backward else "") + "b", name=name, backward=backward,
        logarithm=logarithm, mode=mode, W=width, A=ctype, M=MASK[ctype], X=t.ctype, xtag=t.tag, G=group,
        large=mode == "lines" and not backward and past_the_caches(caps, count * n * t.itemsize),
    )  # fmt: skip
    size: tuple[int, ...]
    local: tuple[int, ...]
    per_item = 1
    if mode == "groups":
        size, local = (count * group,), (group,)
    elif mode == "items":
        size, local = grid(context, count)
    else:
        units = outer * -(-inner // width) if inner > 1 else outer
        items = max(1, min(units, caps.compute_units * 4, -(-units * 4 * n * (width if inner > 1 else 1) // 8192)))
        per_item = -(-units // items)
        size, local = (-(-units // per_item),), (1,)
    return kernel, size, local, (outer, n, inner, per_item)


@silent
def softmax_on_host(x: Any, dim: int, logarithm: bool) -> Any:
    a = host_compute(x)
    if a.size == 0:
        return from_host(a, x.dtype, x.device)
    axis = dim if a.ndim else None
    shifted = a - a.max(axis, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis, keepdims=True)
    return from_host(shifted - np.log(total) if logarithm else e / total, x.dtype, x.device)


@silent
def back_on_host(g: Any, y: Any, dim: int, logarithm: bool) -> Any:
    """Return the gradient of the operand, computed in one go: halves are rounded once."""
    dy, a = host_compute(g), host_compute(y)
    axis = dim if a.ndim else None
    found = dy - np.exp(a) * dy.sum(axis, keepdims=True) if logarithm else a * (dy - (dy * a).sum(axis, keepdims=True))
    return from_host(found, y.dtype, y.device)


class Softmax(Op):
    """softmax over one dimension."""

    name = "softmax"
    logarithm = False

    @classmethod
    def forward(cls, c: Any, x: Any, dim: int) -> Any:
        out = softmax_on_host(x, dim, cls.logarithm) if x.device.type == "cpu" else run(x, dim, cls.logarithm)
        c.dim = dim
        c.save(out)
        return out

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any) -> Any:
        (y,) = c.saved
        if m.is_grad_enabled():
            if not y.lay.ndim:
                return m.mul(g, 0), None
            if cls.logarithm:
                return m.sub(g, m.mul(m.exp(y), m.sum(g, c.dim, True))), None
            return m.mul(y, m.sub(g, m.sum(m.mul(g, y), c.dim, True))), None
        if g.device.type == "cpu":
            return back_on_host(g, y, c.dim, cls.logarithm), None
        return run(g, c.dim, cls.logarithm, y), None


class LogSoftmax(Softmax):
    """log_softmax over one dimension."""

    name = "log_softmax"
    logarithm = True
