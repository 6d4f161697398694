"""Launches of attention on a device: which kernel, with what blocks, and how its operands lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce
from cltorch.ops.array import empty, empty_layout, view
from cltorch.ops.reduce import SUM, reduce
from cltorch.ops.strided import copy_into

_BLOCKS = (64, 32, 16)  # queries, and keys, of a block on CPU-class devices: the first that local memory has room for
_QUERIES = 8  # of a block of the processor's kernel for few queries of more keys
# columns of the results of a GPU's group, which lie in registers: wider results take several groups. A processor that
# has too little local memory for kernels of its own takes a GPU's; its compiler unrolls them, for minutes if many.
_COLUMNS = {"gpu": 256}
_FEW = 64


def room_for(width: int) -> int:
    """Return the room for keys and values of a width, so that few programs serve all widths."""
    return max(32, 1 << (width - 1).bit_length()) if width > 1 else 32


def block_for(caps: Any, room: int, itemsize: int) -> int:
    """Return how many queries a processor's block has, so that its largest kernel has room; 0 where none has."""
    for n in _BLOCKS:
        if (5 * room * n + 3 * n * n + 2 * n) * itemsize <= caps.local_mem:
            return n
    return 0


def variant_for(context: Any, width: int, itemsize: int, variant: str = "") -> str:
    """Return the kind of kernel that can serve a width ("cpu", "gpu"), or "" where none can.

    A GPU's kernel serves every width, a processor's those of which local memory holds a block of queries.
    """
    caps = context.caps
    if (variant or caps.kind) == "cpu" and block_for(caps, room_for(width), itemsize):
        return "cpu"
    fits = 3.3 * 32 * 33 * itemsize + 256 * itemsize <= caps.local_mem
    return "gpu" if fits and caps.max_work_group >= 64 else ""


@lru_cache(maxsize=4096)
def _outer(lead: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int] | None:
    sizes, steps = coalesce(lead[:-1], strides[:-1])
    return None if len(sizes) > 1 else (steps[0][0], strides[-1])


def outer(x: Layout, lead: Sequence[int]) -> tuple[int, int] | None:
    """Return the strides of (all leading dimensions but the last, the last one); None where it takes more of them."""
    return _outer(tuple(lead), tuple(x.strides[: len(lead)]))


def walkable(x: Any, lead: Sequence[int], rows: bool = True) -> Any:
    """Return the Array if two strides lead through its batch and its rows are dense, else a copy that is so."""
    lay = x.lay
    if (not rows or lay.strides[-1] == 1 or lay.shape[-1] == 1) and outer(lay, lead) is not None:
        return x
    copy = empty(lay.shape, x.dtype, x.device)
    copy_into(copy, x)
    return copy


def widened(x: Any, t: dtype) -> Any:
    """Return the values in the dtype that kernels compute in."""
    if x.dtype is t:
        return x
    out = empty(x.lay.shape, t, x.device)
    copy_into(out, x)
    return out


def narrowed(x: Any, t: dtype) -> Any:
    """Return a result in the dtype it is to be stored in, laid out as it is."""
    if x.dtype is t:
        return x
    out = empty_layout(Layout.make(x.lay.shape, x.lay.strides, 0), t, x.device)
    copy_into(out, x)
    return out


def heads_inside(shape: Sequence[int], t: dtype, dev: Any, four: bool) -> Any:
    """Return a new Array (…, heads, length, width) that lies as (…, length, heads, width).

    So lies what a model makes of one matrix product, and what it hands on to the next one. Unless the operands have
    ``four`` dimensions, for others may be samples without heads, it is contiguous, as in PyTorch.
    """
    if not four:
        return empty(shape, t, dev)
    *lead, heads, length, width = shape
    flat = empty((*lead, length, heads, width), t, dev)
    n = len(shape)
    return view(flat, flat.lay.transpose(n - 3, n - 2))


class Plan:
    """The kernels for one geometry: call ``forward`` or ``backward`` with Arrays of that geometry."""

    def __init__(
        self,
        context: Any,
        t: dtype,
        room: int,
        mask: str,
        drop: bool,
        kind: str,
        backward: bool = False,
        few: bool = False,
    ) -> None:
        caps = context.caps
        number = "d" if t.itemsize == 8 else "f"
        self.context, self.kind, self.units, self.room = context, kind, caps.compute_units, room
        tail = (f"b{'l' * 5}" if mask else "") + (f"IILf{number}" if drop else "")
        params = {"vt": t.name, "dmax": room, "mask": mask, "drop": drop}
        self.local: tuple[int, ...]
        if few:
            width = max(4, min(16, caps.float_width)) * 4 // t.itemsize
            self.block, self.local = _QUERIES, (1, 1, 1)
            params = {"vt": t.name, "dmax": room, "mask": mask, "vw": width, "few": _QUERIES, "bc": 64}
            template, name = "attention_few", "ct_attention_few"
        elif kind == "cpu":
            width = max(4, min(16, caps.float_width)) * 4 // t.itemsize
            self.block, self.local = block_for(caps, room, t.itemsize), (1, 1, 1)
            params |= {"mr": 8 if caps.float_width >= 16 else 4, "nv": min(2, self.block // width), "vw": width}
            params |= {"br": self.block, "bc": self.block}
            template, name = (
                ("attention_backward", "ct_attention_backward") if backward else ("attention", "ct_attention")
            )
        else:
            side = 16 if caps.max_work_group >= 256 else 8
            params |= {"side": side, "held": "query" if backward else "forward"}
            self.block, self.local, template, name = 32, (side * side, 1, 1), "attention_gpu", "ct_attention"
            if drop:
                params["lanes"] = 1
        if kind == "cpu" and drop:
            params["lanes"] = 16
        kernel = context.kernel
        if not backward:
            self.run = kernel(template, name, f"bbbbblll{'i' * 6}{'l' * 12}i{number}{tail}", **params)
        elif kind == "cpu":
            self.run = kernel(template, name, f"{'b' * 9}{'l' * 5}{'i' * 6}{'l' * 25}ii{number}{tail}", **params)
        else:
            self.delta = kernel(template, "ct_attention_delta", f"bbb{'l' * 3}iii{'l' * 6}", **params)
            letters = f"{'b' * 9}{'l' * 4}{'i' * 6}{'l' * 21}i{number}{tail}"
            self.query = kernel(template, "ct_attention_query", letters, **params)
            self.key = kernel(template, "ct_attention_key", letters, **params | {"held": "key"})


def _plan(
    context: Any, t: dtype, width: int, mask: Any, drop: Any, kind: str, backward: bool, few: bool = False
) -> Plan:
    ctype = "" if mask is None else "uchar" if mask.dtype.itemsize == 1 else t.ctype
    room = room_for(width)
    if kind != "cpu":
        room = min(room, _COLUMNS.get(context.caps.kind, _FEW))
    key = ("attention", t, room, ctype, drop is not None, kind, backward, few)
    found = context.ready.get(key)
    if found is None:
        found = context.ready[key] = Plan(context, t, room, ctype, drop is not None, kind, backward, few)
    return found


class Problem:
    """One call's operands: dense rows in the dtype of the arithmetic, and the arguments that all kernels share."""

    def __init__(
        self, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, drop: Any, t: dtype, variant: str = ""
    ) -> None:
        shape = q.lay.shape
        self.lead = lead = shape[:-2] if len(shape) > 3 else (1, *shape[:-2]) if len(shape) == 3 else (1, 1)
        self.shape, self.t, self.causal, self.scale, self.drop = shape, t, causal, scale, drop
        self.q, self.k, self.v = (walkable(widened(_lifted(x), t), _lead_of(x)) for x in (q, k, v))
        self.mask = None
        if mask is not None:
            mask = _lifted(mask)
            if mask.dtype.itemsize > 1:
                mask = widened(mask, t)
            mask = view(mask, mask.lay.expand((*lead, shape[-2], k.lay.shape[-2])))
            self.mask = walkable(mask, lead, rows=False)
        self.heads, self.lq, self.lk = lead[-1], shape[-2], k.lay.shape[-2]
        self.d, self.dv = shape[-1], v.lay.shape[-1]
        self.group = self.heads // self.k.lay.shape[-3]
        self.batch = math.prod(lead[:-1])
        self.context = q.device.context
        self.kind = variant_for(self.context, max(self.d, self.dv), t.itemsize, variant)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.heads, self.group, self.lq, self.lk, self.d, self.dv)

    @property
    def tail(self) -> tuple[Any, ...]:
        """Return the arguments about mask and dropout, which end every list."""
        out: tuple[Any, ...] = ()
        if self.mask is not None:
            m = self.mask
            out = (m._storage.buf, m.lay.offset, *_steps(m), m.lay.strides[-2], m.lay.strides[-1])
        if self.drop is not None:
            (seed, block), p = self.drop
            out += (seed & 0xFFFFFFFF, seed >> 32, block, 1 - p, 0.0 if p == 1 else 1 / (1 - p))
        return out

    def plan(self, backward: bool) -> Plan:
        few = self.kind == "cpu" and not backward and self.lq <= min(_QUERIES, self.lk // 4) and self.drop is None
        return _plan(self.context, self.t, max(self.d, self.dv), self.mask, self.drop, self.kind, backward, few)


def _lifted(x: Any) -> Any:
    """Return an Array with at least four dimensions, ones in front."""
    lay = x.lay
    while lay.ndim < 4:
        lay = lay.unsqueeze(0)
    return x if lay is x.lay else view(x, lay)


def _lead_of(x: Any) -> tuple[int, ...]:
    return (*(1 for _ in range(4 - x.lay.ndim)), *x.lay.shape[:-2])


def _steps(x: Any) -> tuple[int, int]:
    found = outer(x.lay, x.lay.shape[:-2])
    assert found is not None
    return found


def _strides(x: Any) -> tuple[int, int, int]:
    return (*_steps(x), x.lay.strides[-2])


def forward(p: Problem) -> tuple[Any, Any]:
    """Return the result (its dtype that of the arithmetic) and the logarithms of the sums of exponentials."""
    plan, dev = p.plan(False), p.context.device
    out = heads_inside((*p.shape[:-1], p.dv), p.t, dev, len(p.shape) == 4)
    lse = empty((*p.lead, p.lq), p.t, dev)
    o = walkable(_lifted(out), p.lead)
    groups = 1 if p.kind == "cpu" else -(-p.dv // plan.room)
    size = (-(-p.lq // plan.block) * plan.local[0], p.batch * p.heads, groups)
    q, k, v = p.q, p.k, p.v
    plan.run.launch(
        size, plan.local,
        (
            q._storage.buf, k._storage.buf, v._storage.buf, o._storage.buf, lse._storage.buf, q.lay.offset,
            k.lay.offset, v.lay.offset, *p.sizes, *_strides(q), *_strides(k), *_strides(v), *_strides(o),
            int(p.causal), p.scale, *p.tail,
        ),
    )  # fmt: skip
    return out, lse


def backward(p: Problem, out: Any, lse: Any, g: Any) -> tuple[Any, Any, Any]:
    """Return the gradients of queries, keys and values in the dtype of the arithmetic."""
    plan, dev = p.plan(True), p.context.device
    q, k, v = p.q, p.k, p.v
    four = out.lay.ndim == 4
    o, g = (walkable(widened(_lifted(x), p.t), _lead_of(x)) for x in (out, g))
    dk, dv = (heads_inside(x.lay.shape, p.t, dev, four) for x in (k, v))
    offsets = (q.lay.offset, k.lay.offset, v.lay.offset)
    steps = (*_strides(q), *_strides(k), *_strides(v))
    if p.kind == "cpu":
        cells = p.batch * p.heads // p.group
        blocks = -(-p.lk // plan.block) or 1
        # the queries' gradient, once for each stretch of keys, takes no more memory than a matrix of scores would
        most = min(blocks, max(1, p.lk // p.d))
        chunks = 1 if cells >= 2 * plan.units else min(most, -(-2 * plan.units // cells))
        span = -(-blocks // chunks) * plan.block
        chunks = -(-p.lk // span) or 1
        dq = (
            heads_inside((chunks, *p.q.lay.shape), p.t, dev, four)
            if chunks > 1
            else heads_inside(q.lay.shape, p.t, dev, four)
        )
        one = dq if chunks == 1 else view(dq, dq.lay.select(0, 0))
        plan.run.launch(
            (chunks, cells, 1), plan.local,
            (
                q._storage.buf, k._storage.buf, v._storage.buf, o._storage.buf, lse._storage.buf, g._storage.buf,
                dq._storage.buf, dk._storage.buf, dv._storage.buf, *offsets, o.lay.offset, g.lay.offset, *p.sizes,
                *steps, *_strides(o), *_strides(g), one.lay.numel, *_strides(one), *_strides(dk), *_strides(dv),
                span, int(p.causal), p.scale, *p.tail,
            ),
        )  # fmt: skip
        if chunks > 1:
            dq = reduce(SUM, dq, (0,), p.t)
        return dq, dk, dv
    delta = empty((*p.lead, p.lq), p.t, dev)
    count = delta.lay.numel
    plan.delta.launch(
        (-(-count // 64) * 64,), (64,),
        (
            o._storage.buf, g._storage.buf, delta._storage.buf, o.lay.offset, g.lay.offset, count, p.heads, p.lq,
            p.dv, *_strides(o), *_strides(g),
        ),
    )  # fmt: skip
    dq = heads_inside(q.lay.shape, p.t, dev, four)
    args = (
        q._storage.buf, k._storage.buf, v._storage.buf, g._storage.buf, lse._storage.buf, delta._storage.buf,
        dq._storage.buf, dk._storage.buf, dv._storage.buf, *offsets, g.lay.offset, *p.sizes, *steps, *_strides(g),
        *_strides(dq), *_strides(dk), *_strides(dv), int(p.causal), p.scale, *p.tail,
    )  # fmt: skip
    items = plan.local[0]
    of_query, of_key = (-(-n // plan.room) for n in (p.d, max(p.d, p.dv)))
    plan.query.launch((-(-p.lq // 32) * items, p.batch * p.heads, of_query), plan.local, args)
    plan.key.launch((-(-p.lk // 32) * items, p.batch * p.heads // p.group, of_key), plan.local, args)
    return dq, dk, dv


__all__ = ["Problem", "backward", "forward", "narrowed", "variant_for"]
