"""Taking and putting elements at positions held in index tensors, on the host and on devices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.layout import Layout, coalesce
from cltorch.ops.array import empty, from_host, host, host_compute, view
from cltorch.ops.op import Op
from cltorch.ops.strided import copy_into

_ACCUMULATE = {"add": np.add, "multiply": np.multiply, "amax": np.maximum, "amin": np.minimum}


def dense_index(x: Any) -> Any:
    """Return an index tensor as dense int64 at offset 0."""
    if x.dtype is dtypes.int64 and x.layout.dense:
        return x
    out = empty(x.layout.shape, dtypes.int64, x.device)
    copy_into(out, x)
    return out


def fault_flag(context: Any) -> Any:
    """Return the device's flag of an index out of range, made once per context."""
    flag = context.ready.get("fault")
    if flag is None:
        flag = context.ready["fault"] = context.alloc(4)
        context.fill_bytes(flag.buf, np.zeros(1, np.uint8), 0, 4)
    return flag


def _check_host(indices: Sequence[Any], sizes: Sequence[int]) -> None:
    for i, (index, n) in enumerate(zip(indices, sizes, strict=True)):
        a = host(index)
        bad = a[(a < -n) | (a >= n)]
        if bad.size:
            raise IndexError(f"index {bad.reshape(-1)[0]} is out of bounds for dimension {i} with size {n}")


def _launch(mode: str, x: Any, indices: Sequence[Any], v: Any) -> None:
    """Run the kernel on x, whose first ``len(indices)`` dimensions are indexed; v is [count, slice] dense."""
    k = len(indices)
    lay = x.layout
    count = indices[0].layout.numel
    sizes, (strides,) = coalesce(lay.shape[k:], lay.strides[k:])
    slice_ = math.prod(lay.shape[k:])
    if count == 0 or slice_ == 0:
        return
    context = x.device.context
    kernel = context.kernel(
        "index",
        f"ct_index_{mode}",
        "llll" + "bl" + "bll" + "b" + "bll" * k + "ll" * len(sizes),
        name=f"index_{mode}",
        mode=mode,
        K=k,
        RR=len(sizes),
        X=x.dtype.ctype,
        xtag=x.dtype.tag,
    )
    cpu = context.caps.kind == "cpu"
    if mode == "add":
        span = max(16, -(-slice_ // (context.caps.compute_units * 4))) if cpu else 1
        size, per_item = -(-slice_ // span), 0
    else:
        span = 0
        items = max(1, min(count, context.caps.compute_units * 8, -(-count * slice_ // 4096))) if cpu else count
        per_item = -(-count // items)
        size = -(-count // per_item)
    args: list[Any] = [
        count,
        slice_,
        per_item,
        span,
        x.storage.buf,
        lay.offset,
        v.storage.buf,
        slice_,
        1,
        fault_flag(context).buf,
    ]
    for i, index in enumerate(indices):
        args += [index.storage.buf, lay.shape[i], lay.strides[i]]
    for n, s in zip(sizes, strides, strict=True):
        args += [n, s]
    kernel.launch((size,), (1,) if cpu else None, args)


def take(x: Any, indices: Sequence[Any]) -> Any:
    """Return x at index tensors of one shape for its first dimensions: shape [*index shape, *rest]."""
    k = len(indices)
    shape = (*indices[0].layout.shape, *x.layout.shape[k:])
    if x.device.type == "cpu":
        _check_host(indices, x.layout.shape[:k])
        return from_host_bits(host(x)[tuple(host(i) for i in indices)], x)
    out = empty(shape, x.dtype, x.device)
    _launch("get", x, [dense_index(i) for i in indices], out)
    return out


def from_host_bits(a: Any, like: Any) -> Any:
    """Return stored bits as an Array of the dtype of ``like``."""
    bits = np.ascontiguousarray(a)
    out = empty(bits.shape, like.dtype, like.device)
    host(out)[...] = bits
    return out


def put(x: Any, indices: Sequence[Any], v: Any, accumulate: bool) -> None:
    """Write v (shape [*index shape, *rest]) into x at index tensors for its first dimensions."""
    k = len(indices)
    if x.device.type == "cpu":
        _check_host(indices, x.layout.shape[:k])
        at = tuple(host(i) for i in indices)
        if not accumulate:
            host(x)[at] = host(v)
        elif x.dtype.wide is x.dtype.np:
            np.add.at(host(x), at, host(v))
        else:
            wide = host_compute(x)
            np.add.at(wide, at, host_compute(v))
            copy_into(x, from_host(wide, x.dtype, x.device))
        return
    if not v.layout.dense:
        fresh = empty(v.layout.shape, v.dtype, v.device)
        copy_into(fresh, v)
        v = fresh
    _launch("add" if accumulate else "put", x, [dense_index(i) for i in indices], v)


def along(mode: str, x: Any, dim: int, index: Any, v: Any) -> None:
    """Run gather ("gather" fills v) or a scatter into x along a dimension; all have one rank."""
    if index.layout.numel == 0:
        return
    n = x.layout.shape[dim]
    if x.device.type == "cpu":
        _along_host(mode, x, dim, index, v)
        return
    index_lay = index.layout
    others = [d for d in range(index_lay.ndim) if d != dim]
    sizes, steps = coalesce(
        [index_lay.shape[d] for d in others],
        *([lay.strides[d] for d in others] for lay in (x.layout, index_lay, v.layout)),
    )
    context = x.device.context
    cpu = context.caps.kind == "cpu"
    lines, length = math.prod(sizes), index_lay.shape[dim]
    acc = dtypes.float32 if x.dtype.compute == "float" else x.dtype
    kernel = context.kernel(
        "gather",
        f"ct_{mode}_along",
        "lllllll" + "blblblb" + "llll" * len(sizes),
        name=f"{mode}_along",
        mode=mode,
        R=len(sizes),
        X=x.dtype.ctype,
        xtag=x.dtype.tag,
        A=acc.compute,
    )
    items = max(1, min(lines, context.caps.compute_units * 8, -(-lines * length // 4096))) if cpu else lines
    per_item = -(-lines // items)
    args: list[Any] = [
        lines,
        length,
        per_item,
        n,
        x.layout.strides[dim],
        index_lay.strides[dim],
        v.layout.strides[dim],
        x.storage.buf,
        x.layout.offset,
        index.storage.buf,
        index_lay.offset,
        v.storage.buf,
        v.layout.offset,
        fault_flag(context).buf,
    ]
    for i, size in enumerate(sizes):
        args += [size, steps[0][i], steps[1][i], steps[2][i]]
    kernel.launch((-(-lines // per_item),), (1,) if cpu else None, args)


def _along_host(mode: str, x: Any, dim: int, index: Any, v: Any) -> None:
    n = x.layout.shape[dim]
    at = host(index).astype(np.int64)
    bad = at[(at < 0) | (at >= n)]
    if bad.size:
        raise RuntimeError(f"index {bad.reshape(-1)[0]} is out of bounds for dimension {dim} with size {n}")
    grid = list(np.ogrid[tuple(slice(k) for k in at.shape)])
    grid[dim] = at
    place = tuple(grid)
    if mode == "gather":
        host(v)[...] = host(x)[place]
    elif mode == "assign":
        host(x)[place] = host(v)
    elif x.dtype.wide is x.dtype.np:
        _ACCUMULATE[mode].at(host(x), place, host(v))
    else:
        wide = host_compute(x)
        _ACCUMULATE[mode].at(wide, place, host_compute(v))
        copy_into(x, from_host(wide, x.dtype, x.device))


def nonzero(x: Any) -> Any:
    """Return the coordinates of the nonzero elements, int64 [count, ndim]; waits for the device."""
    lay = x.layout
    if x.device.type == "cpu":
        found = (
            np.stack(np.nonzero(host_compute(x)), 1)
            if lay.ndim
            else np.zeros((int(bool(host_compute(x))), 0), np.int64)
        )
        return from_host(found.astype(np.int64).reshape(-1, lay.ndim), dtypes.int64, x.device)
    if not lay.contiguous:
        fresh = empty(lay.shape, x.dtype, x.device)
        copy_into(fresh, x)
        x = fresh
    n = lay.numel
    if n == 0:
        return empty((0, lay.ndim), dtypes.int64, x.device)
    context = x.device.context
    chunk = max(1024, -(-n // 4096))
    chunks = -(-n // chunk)
    counts = context.alloc(chunks * 8)
    types = {"X": x.dtype.ctype, "xtag": x.dtype.tag}
    count = context.kernel("nonzero", "ct_nonzero_count", "llblb", name="nonzero_count", mode="count", ndim=0, **types)
    group = (1,) if context.caps.kind == "cpu" else None
    count.launch((chunks,), group, (n, chunk, x.storage.buf, x.layout.offset, counts.buf))
    found = np.empty(chunks, np.int64)
    context.read(counts.buf, found.view(np.uint8))
    total = int(found.sum())
    out = empty((total, lay.ndim), dtypes.int64, x.device)
    if total and lay.ndim:
        starts = np.concatenate([[0], np.cumsum(found)[:-1]]).astype(np.int64)
        context.write(counts.buf, starts.view(np.uint8), owned=True)
        write = context.kernel(
            "nonzero",
            "ct_nonzero_write",
            "llblbb" + "l" * lay.ndim,
            name="nonzero_write",
            mode="write",
            ndim=lay.ndim,
            **types,
        )
        write.launch(
            (chunks,), group, (n, chunk, x.storage.buf, x.layout.offset, counts.buf, out.storage.buf, *lay.shape)
        )
    return out


class Index(Op):
    """Advanced indexing of the first dimensions; the gradient adds up by position."""

    name = "index"

    @staticmethod
    def forward(c: Any, x: Any, *indices: Any) -> Any:
        c.shape, c.count = x.layout.shape, len(indices)
        c.save(*indices)
        return take(x, indices)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        zeros = m.zeros(c.shape, dtype=g.dtype, device=g.device)
        return m.put_front(zeros, c.saved, g, True), *(None,) * c.count


class PutFront(Op):
    """A copy of a tensor with values put (or added) at index tensors for its first dimensions."""

    name = "index_put"

    @staticmethod
    def forward(c: Any, x: Any, v: Any, accumulate: bool, *indices: Any) -> Any:
        out = empty(x.layout.shape, x.dtype, x.device)
        copy_into(out, x)
        put(out, indices, v, accumulate)
        c.accumulate, c.count = accumulate, len(indices)
        c.save(*indices)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        indices = c.saved
        gx = gv = None
        if c.needs[0]:
            gx = g if c.accumulate else m.put_front(g, indices, m.mul(m.take_front(g, indices), 0), False)
        if c.needs[1]:
            gv = m.take_front(g, indices)
        return gx, gv, None, *(None,) * c.count


class Gather(Op):
    """gather along a dimension; the gradient is a scatter_add."""

    name = "gather"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, index: Any) -> Any:
        out = empty(index.layout.shape, x.dtype, x.device)
        along("gather", x, dim, index, out)
        c.dim, c.shape = dim, x.layout.shape
        c.save(index)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (index,) = c.saved
        zeros = m.zeros(c.shape, dtype=g.dtype, device=g.device)
        return m.scatter_add(zeros, c.dim, index, g), None, None


class Scatter(Op):
    """A copy of a tensor with values assigned or added along a dimension."""

    name = "scatter"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, index: Any, v: Any, mode: str) -> Any:
        out = empty(x.layout.shape, x.dtype, x.device)
        copy_into(out, x)
        part = view(v, Layout.make(index.layout.shape, v.layout.strides, v.layout.offset))
        along(mode, out, dim, index, part)
        c.dim, c.mode, c.source = dim, mode, v.layout.shape
        c.save(index)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (index,) = c.saved
        gx = gv = None
        if c.mode not in ("assign", "add"):
            raise NotImplementedError(f"the derivative of scatter with reduce={c.mode!r} is not built")
        if c.needs[0]:
            gx = g if c.mode == "add" else m.scatter(g, c.dim, index, 0)
        if c.needs[3]:
            gv = m.gather(g, c.dim, index)
            if gv.layout.shape != c.source:
                base = Layout.of(c.source)
                gv = m.scatter_into_layout(gv, base, Layout.make(index.layout.shape, base.strides, 0))
        return gx, None, None, gv, None


class Cat(Op):
    """Join tensors along a dimension, each copied once."""

    name = "cat"

    @staticmethod
    def forward(c: Any, dim: int, *tensors: Any) -> Any:
        t = tensors[0].dtype
        for x in tensors:
            t = dtypes.promote_types(t, x.dtype)
        shape = list(tensors[0].layout.shape)
        shape[dim] = sum(x.layout.shape[dim] for x in tensors)
        out = empty(shape, t, tensors[0].device)
        at = 0
        c.parts = []
        for x in tensors:
            n = x.layout.shape[dim]
            copy_into(view(out, out.layout.narrow(dim, at, n)), x)
            c.parts.append((at, n, x.dtype))
            at += n
        c.dim = dim
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return None, *(
            m.narrow(g, c.dim, at, n).to(t) if need else None
            for (at, n, t), need in zip(c.parts, c.needs[1:], strict=True)
        )
