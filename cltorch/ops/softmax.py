"""softmax and log_softmax along a dimension, forward and backward as one kernel each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.op import Op
from cltorch.ops.plan import _MASK, _VECTOR
from cltorch.ops.pointwise import compute_dtype
from cltorch.ops.strided import copy_into


def dense(x: Any) -> Any:
    """Return the Array itself where it is contiguous, else a dense copy."""
    if x.layout.contiguous:
        return x
    out = empty(x.shape, x.dtype, x.device)
    copy_into(out, x)
    return out


def lines(context: Any, count: int, work: int) -> tuple[tuple[int], tuple[int] | None, int]:
    """Return (global size, local size, lines per work-item) for a kernel that walks whole lines."""
    if context.caps.kind != "cpu":
        return (max(1, count),), None, 1
    items = max(1, min(count, context.caps.compute_units * 4, -(-count * work // 8192)))
    per_item = -(-count // items)
    return (-(-count // per_item),), (1,), per_item


def run(x: Any, dim: int, logarithm: bool, y: Any = None) -> Any:
    """Return softmax of an Array, or its gradient where the result ``y`` is given and ``x`` is the incoming one."""
    check_dtype(x.dtype, x.device)
    shape = x.layout.shape
    n = shape[dim] if shape else 1
    inner = math.prod(shape[dim + 1 :])
    outer = x.layout.numel // max(n * inner, 1)
    x = dense(x)
    out = empty(shape, x.dtype, x.device)
    if out.layout.numel == 0:
        return out
    context = x.device.context
    ctype = compute_dtype(x.dtype).compute
    columns = inner > 1
    width = _VECTOR[ctype] if context.caps.kind == "cpu" else 4
    name = ("log_" if logarithm else "") + "softmax" + ("_backward" if y is not None else "")
    kernel = context.kernel(
        "softmax",
        f"ct_{name}",
        "llllbl" + ("bl" if y is not None else "") + "b",
        name=name,
        backward=y is not None,
        logarithm=logarithm,
        W=width,
        A=ctype,
        M=_MASK[ctype],
        X=x.dtype.ctype,
        xtag=x.dtype.tag,
        T=x.dtype.ctype,
        otag=x.dtype.tag,
        columns=columns,
    )
    units = outer * -(-inner // width) if columns else outer
    size, group, per_item = lines(context, units, 4 * n * (width if columns else 1))
    second = ()
    if y is not None:
        y = dense(y)
        second = (y.storage.buf, y.layout.offset)
    kernel.launch(size, group, (outer, n, inner, per_item, x.storage.buf, x.layout.offset, *second, out.storage.buf))
    return out


def _host(x: Any, dim: int, logarithm: bool) -> Any:
    a = host_compute(x)
    if a.size == 0:
        return from_host(a, x.dtype, x.device)
    axis = dim if a.ndim else None
    with np.errstate(all="ignore"):
        shifted = a - a.max(axis, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis, keepdims=True)
        return from_host(shifted - np.log(total) if logarithm else e / total, x.dtype, x.device)


class Softmax(Op):
    """softmax over one dimension."""

    name = "softmax"
    logarithm = False

    @classmethod
    def forward(cls, c: Any, x: Any, dim: int) -> Any:
        out = _host(x, dim, cls.logarithm) if x.device.type == "cpu" else run(x, dim, cls.logarithm)
        c.dim = dim
        c.save(out)
        return out

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any) -> Any:
        (y,) = c.saved
        if m.is_grad_enabled() or g.device.type == "cpu":
            if not y.layout.ndim:
                return m.mul(g, 0), None
            if cls.logarithm:
                return m.sub(g, m.mul(m.exp(y), m.sum(g, c.dim, True))), None
            return m.mul(y, m.sub(g, m.sum(m.mul(g, y), c.dim, True))), None
        return run(g, c.dim, cls.logarithm, y), None


class LogSoftmax(Softmax):
    """log_softmax over one dimension."""

    name = "log_softmax"
    logarithm = True
