"""gather and scatter along a dimension, on the host and on devices (kernels/gather.cl).

An index out of range raises on the host. A device is not asked for it, which would mean to wait: gather gives NaN there
(0 for integers), scatter leaves the element out, and the kernel notes it, to be raised when the program waits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import faults
from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce_few
from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute, view
from cltorch.ops.complex_formula import as_real
from cltorch.ops.index import BITS, NAN
from cltorch.ops.op import Op
from cltorch.ops.plan import grid
from cltorch.ops.strided import copy_into

_COMBINE = {"add": np.add, "multiply": np.multiply, "amax": np.maximum, "amin": np.minimum}


def along(mode: str, x: Any, dim: int, index: Any, v: Any, variant: str = "", what: str = "") -> None:
    """Run gather ("gather" fills v) or a scatter into x along a dimension; all have one rank.

    Scatters are "assign" (the last of equal places stays), "add", "multiply", "amax", "amin". ``variant`` ("cpu",
    "gpu") overrides the device's kind. ``what`` names the operator in the error of a device; without it none is raised.
    """
    if index.lay.numel == 0:
        return
    if x.device.type == "cpu":
        _host(mode, x, dim, index, v)
        return
    check_dtype(x.dtype, x.device)
    if x.dtype.is_complex and mode == "add":
        x, v, index = as_real(x), as_real(v), view(index, index.lay.unsqueeze(-1).expand((*index.shape, 2)))
    context, what = x.device.context, faults.teller(what)
    key = ("along", mode, what, x.dtype, dim, x.lay.key, index.dtype, index.lay.key, v.lay.key, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(
            context, mode, what, x.lay, dim, index.lay, v.lay, x.dtype, index.dtype, variant
        )
    kernel, size, local, head, tail = plan
    kernel.launch(
        size, local,
        (
            *head, x._storage.buf, x.lay.offset, index._storage.buf, index.lay.offset, v._storage.buf,
            v.lay.offset, *tail,
        ),
    )  # fmt: skip


def _plan(
    context: Any,
    mode: str,
    what: str,
    x: Layout,
    dim: int,
    index: Layout,
    v: Layout,
    t: dtype,
    index_t: dtype,
    variant: str,
) -> tuple[Any, ...]:
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    others = [d for d in range(index.ndim) if d != dim]
    sizes, steps = coalesce_few(
        [index.shape[d] for d in others], *([s.strides[d] for d in others] for s in (x, index, v))
    )
    lines, length, n = math.prod(sizes), index.shape[dim], x.shape[dim]
    moves = mode in ("gather", "assign")
    runs = not gpu and index.strides[dim] != 1 and steps[1][-1] == 1 and sizes[-1] > 1
    kernel = context.kernel(
        "gather", f"ct_{mode}_along", "i" + "l" * 9 + "blblbl" + "llll" * len(sizes) + "e", name=f"{mode}_along",
        mode=mode, gpu=gpu, R=len(sizes), runs=runs, I=index_t.ctype, X=BITS[t.itemsize] if moves else t.ctype,
        xtag="" if moves else t.tag, A=t.compute,
    )  # fmt: skip
    owners, per_item = 1, 0
    size: tuple[int, ...]
    local: tuple[int, ...]
    if gpu:
        if mode == "gather":
            owners = int(v.strides[dim] == 1)
            size, local = grid(context, lines * length)
        else:
            owners = 1 << (max(1, min(n, length, caps.compute_units * 256 // lines)) - 1).bit_length()
            size, local = grid(context, lines * owners)
    else:
        units = lines // sizes[-1] * -(-sizes[-1] // 64) if runs else lines
        items = max(1, min(units, caps.compute_units * 8, -(-lines * length // 4096)))
        per_item = -(-units // items)
        size, local = (-(-units // per_item),), (1,)
    head = (
        faults.site(what, (dim,)), lines, length, per_item, owners, NAN.get(t.name, 0), n, x.strides[dim],
        index.strides[dim], v.strides[dim],
    )  # fmt: skip
    tail: list[int] = []
    for i, k in enumerate(sizes):
        tail += (k, steps[0][i], steps[1][i], steps[2][i])
    return kernel, size, local, head, tuple(tail)


def _host(mode: str, x: Any, dim: int, index: Any, v: Any) -> None:
    n = x.lay.shape[dim]
    at = host(index)
    if not 0 <= at.min() <= at.max() < n:
        wrong = at[(at < 0) | (at >= n)].reshape(-1)[0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {dim} with size {n}")
    places: list[Any] = list(np.ogrid[tuple(slice(k) for k in at.shape)])
    places[dim] = at
    place = tuple(places)
    if mode == "gather":
        host(v)[...] = host(x)[place]
    elif mode == "assign":
        host(x)[place] = host(v)
    else:
        with np.errstate(all="ignore"):
            if x.dtype.wide is x.dtype.np:
                _COMBINE[mode].at(host(x), place, host(v))
            else:
                wide = host_compute(x)
                _COMBINE[mode].at(wide, place, host_compute(v))
                copy_into(x, from_host(wide, x.dtype, x.device))


def scattered(mode: str, x: Any, dim: int, index: Any, v: Any, what: str = "") -> Any:
    """Return a copy of an Array with values scattered into it; v may be larger than the index."""
    out = empty(x.lay.shape, x.dtype, x.device)
    copy_into(out, x)
    scatter_into(mode, out, dim, index, v, what)
    return out


def scatter_into(mode: str, x: Any, dim: int, index: Any, v: Any, what: str = "") -> None:
    """Scatter values into an Array; v may be larger than the index."""
    part = view(v, Layout.make(index.lay.shape, v.lay.strides, v.lay.offset))
    along(mode, x, dim, index, part, what=what)


class Gather(Op):
    """gather along a dimension; the gradient is a scatter_add."""

    name = "gather"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, dim: int, index: Any) -> Any:
        out = empty(index.lay.shape, x.dtype, x.device)
        along("gather", x, dim, index, out, what="gather")
        c.dim, c.shape = dim, x.lay.shape
        c.save(index)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (index,) = c.saved
        # one zero, which the scatter spreads: whole zeros would be written, read and written again
        zeros = m.expand(m.zeros((), dtype=g.dtype, device=g.device), c.shape)
        return m.scatter_add(zeros, c.dim, index, g), None, None


class Scatter(Op):
    """A copy of a tensor with values assigned or added along a dimension."""

    name = "scatter"
    complex = True
    linear = (0, 3)

    @classmethod
    def forward(cls, c: Any, x: Any, dim: int, index: Any, v: Any, mode: str) -> Any:
        c.dim, c.mode, c.source = dim, mode, v.lay.shape
        c.save(index)
        return scattered(mode, x, dim, index, v, cls.name)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (index,) = c.saved
        gx = gv = None
        if c.needs[0]:
            gx = g if c.mode == "add" else m.scatter(g, c.dim, index, 0)
        if c.needs[3]:
            gv = m.gather(g, c.dim, index)
            if gv.lay.shape != c.source:
                base = Layout.of(c.source)
                gv = m.scatter_into_layout(gv, base, Layout.make(index.lay.shape, base.strides, 0))
        return gx, None, None, gv, None


class ScatterNumber(Scatter):
    """``Scatter`` of one number."""

    form = 1
    places = (0,)


class ScatterAdd(Scatter):
    """Scatter that adds."""

    name = "scatter_add"


class ScatterInPlace(Scatter):
    """The derivative of a scatter into a tensor itself; the caller writes."""

    @classmethod
    def forward(cls, c: Any, x: Any, dim: int, index: Any, v: Any, mode: str) -> Any:
        c.dim, c.mode, c.source = dim, mode, v.lay.shape
        c.save(index)


class ScatterReduce(Op):
    """A copy of a tensor in which values are reduced by place: sum, prod, mean, amax or amin.

    With ``include_self`` the tensor's own elements take part. The derivative follows PyTorch's.
    """

    name = "scatter_reduce"
    complex = True

    @staticmethod
    def forward(c: Any, x: Any, dim: int, index: Any, src: Any, how: str, include_self: bool) -> Any:
        c.dim, c.how, c.include_self = dim, how, include_self
        start = x
        if not include_self:
            start = scattered("assign", x, dim, index, _identity(how, x.dtype, index))
        mode = {"sum": "add", "mean": "add", "prod": "multiply"}.get(how, how)
        out = scattered(mode, start, dim, index, src, "scatter_reduce")
        c.save(x, index, src, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, index, src, out = c.saved
        dim, how = c.dim, c.how
        gx, gs = _ADJOINTS[how](m, c, g, x, index, src, out)
        if c.needs[0] and not c.include_self:
            gx = m.scatter(gx, dim, index, 0)
        if c.needs[3] and gs.lay.shape != src.lay.shape:
            base = Layout.of(src.lay.shape)
            gs = m.scatter_into_layout(gs, base, Layout.make(index.lay.shape, base.strides, 0))
        return gx if c.needs[0] else None, None, None, gs if c.needs[3] else None, None, None


def _identity(how: str, t: dtype, index: Any) -> Any:
    if how in ("sum", "mean", "prod"):
        value: Any = int(how == "prod")
    elif t.is_floating_point:
        value = -math.inf if how == "amax" else math.inf
    elif t is dtypes.bool_:
        value = how == "amin"
    else:
        value = dtypes.iinfo(t).min if how == "amax" else dtypes.iinfo(t).max
    one = from_host(np.asarray(value, t.wide), t, index.device)
    return view(one, one.lay.expand(index.lay.shape))


def _part(m: Any, src: Any, index: Any) -> Any:
    """Return the corner of the source that the index covers."""
    for d, n in enumerate(index.lay.shape):
        if n != src.lay.shape[d]:
            src = m.narrow(src, d, 0, n)
    return src


def _sum_adjoint(m: Any, c: Any, g: Any, x: Any, index: Any, src: Any, out: Any) -> Any:
    return g, m.gather(g, c.dim, index)


def _prod_adjoint(m: Any, c: Any, g: Any, x: Any, index: Any, src: Any, out: Any) -> Any:
    dim, part = c.dim, _part(m, src, index)
    again = {"reduce": "prod", "include_self": c.include_self}
    zero = m.eq(x, 0)
    safe = m.where(zero, 1, x)
    gx = m.div(m.mul(g, m.scatter_reduce(safe, dim, index, part, **again)), safe)
    # a place with one zero in the source passes its gradient to that one, with two to none
    none = m.eq(part, 0)
    zeros = m.gather(m.scatter_add(m.zeros_like(x), dim, index, none.to(x.dtype)), dim, index)
    single = m.logical_and(none, m.eq(zeros, 1))
    others = m.scatter_reduce(x, dim, index, m.where(single, 1, part), **again)
    plain = m.div(m.gather(m.mul(g, out), dim, index), m.where(none, 1, part))
    several = m.gt(zeros, 1)
    gs = m.where(single, m.gather(m.mul(g, others), dim, index), m.where(several, 0, plain))
    why = "Double backward is unsupported for src when >1 zeros in src are scattered to the same position in self"
    return gx, m.refused_where(several, gs, f"scatter_reduce(): {why}")


def _mean_adjoint(m: Any, c: Any, g: Any, x: Any, index: Any, src: Any, out: Any) -> Any:
    share = m.div(g, m.scatter_counts(g, c.dim, index, c.include_self))
    return share, m.gather(share, c.dim, index)


def _extreme_adjoint(m: Any, c: Any, g: Any, x: Any, index: Any, src: Any, out: Any) -> Any:
    part = _part(m, src, index)
    own = m.eq(x, out).to(g.dtype)
    hit = m.eq(part, m.gather(out, c.dim, index)).to(g.dtype)
    start = own if c.include_self else m.scatter(own, c.dim, index, 0)
    share = m.div(g, m.scatter_add(start, c.dim, index, hit))
    return m.mul(own, share), m.mul(hit, m.gather(share, c.dim, index))


_ADJOINTS = {
    "sum": _sum_adjoint, "prod": _prod_adjoint, "mean": _mean_adjoint, "amax": _extreme_adjoint,
    "amin": _extreme_adjoint,
}  # fmt: skip
