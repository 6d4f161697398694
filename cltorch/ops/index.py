"""Taking and putting slices at positions that index tensors name, on the host and on devices (kernels/index.cl).

Positions are those of the first dimensions of an Array; who indexes others brings them to the front, as views.
An index out of range raises IndexError on the host. A device is not asked for it, which would mean to wait: reading
gives NaN there (0 for integers), writing is left out, and the kernel notes it, to be raised when the program waits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import faults
from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce_few
from cltorch.ops.array import check_dtype, empty, empty_layout, from_host, host, host_compute, on_memory_of, view
from cltorch.ops.complex_formula import as_real
from cltorch.ops.few import refuse
from cltorch.ops.op import Op
from cltorch.ops.plan import grid, memory_order, singly
from cltorch.ops.strided import cast, copy_into, fill

#: the type that moves elements of a size
BITS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong", 16: "ulong2"}
#: what reading out of range gives, as bits
NAN = {
    "float16": 0x7E00, "bfloat16": 0x7FC0, "float32": 0x7FC00000, "float64": 0x7FF8000000000000,
    "complex64": 0x7FC000007FC00000, "complex128": 0x7FF8000000000000,
}  # fmt: skip
_SOON = 512  # bytes of the next slice that a CPU asks for while it copies one
_NARROW = 16  # elements that lie within a position, up to which all positions are walked for every element around them
_FEW = 2048  # slices up to which a GPU lets every work-item look at all of them
_MOST = 1 << 28  # bytes that may be spent to find the last writer of every position


def dense_index(x: Any) -> Any:
    """Return an index tensor as dense int64 at offset 0."""
    if x.dtype is dtypes.int64 and x.lay.dense:
        return x
    out = empty(x.lay.shape, dtypes.int64, x.device)
    copy_into(out, x)
    return out


def as_indices(indices: Sequence[Any]) -> list[Any]:
    """Return index tensors of one dtype that kernels read: int64, or int32 where all are."""
    t = dtypes.int32 if all(i.dtype is dtypes.int32 for i in indices) else dtypes.int64
    return [i if i.dtype is t else dense_index(i) for i in indices]


def check_host(indices: Sequence[Any], sizes: Sequence[int], dims: Sequence[int] | None, wrap: bool) -> None:
    """Raise IndexError where an index tensor of the host is out of range for the dimension that it indexes."""
    for k, (index, n) in enumerate(zip(indices, sizes, strict=True)):
        a = host(index)
        if a.size and not (-n if wrap else 0) <= a.min() <= a.max() < n:
            wrong = a[(a < (-n if wrap else 0)) | (a >= n)].reshape(-1)[0]
            raise IndexError(f"index {wrong} is out of bounds for dimension {dims[k] if dims else k} with size {n}")


def take(
    x: Any,
    indices: Sequence[Any],
    at: int = 0,
    dims: Sequence[int] | None = None,
    wrap: bool = True,
    variant: str = "",
    what: str = "",
    ordered: bool = False,
) -> Any:
    """Return x at index tensors (of one shape, of any strides) for its first dimensions.

    The dimensions of the index come after ``at`` of the remaining ones. ``dims`` are the numbers of the indexed
    dimensions in an error message; ``wrap`` lets negative indices count from the end. ``variant`` ("cpu", "gpu")
    overrides the device's kind. ``what`` names the operator in the error of a device; without it none is raised.
    ``ordered`` says that the result's dimensions lie in memory as x's and the indices' do, instead of row by row.
    """
    k = len(indices)
    index_shape, rest = indices[0].lay.shape, x.lay.shape[k:]
    shape = (*rest[:at], *index_shape, *rest[at:])
    layout = _ordered(shape, x, indices, at) if ordered else Layout.of(shape)
    if x.device.type == "cpu":
        bits = _taken(x, indices, dims, wrap)
        if not at and layout.contiguous:
            return on_memory_of(bits, layout, x.dtype)
        out = empty_layout(layout, x.dtype, x.device)
        host(view(out, index_first(out.lay, len(index_shape), at)))[...] = bits
        return out
    check_dtype(x.dtype, x.device)
    out = empty_layout(layout, x.dtype, x.device)
    places = view(out, index_first(out.lay, len(index_shape), at))
    _run("get", x, as_indices(indices), places, wrap, variant, what, dims)
    return out


def _ordered(shape: Sequence[int], x: Any, indices: Sequence[Any], at: int) -> Layout:
    """Return the packed layout of a result with its dimensions in the order that PyTorch takes from the operands."""
    kept, places = x.lay.strides[len(indices) :], [i.lay for i in indices]
    if all(p.contiguous for p in places) and all(a >= b for a, b in itertools.pairwise(kept)):
        return Layout.of(shape)
    apart = (0,) * places[0].ndim
    steps = [(*kept[:at], *apart, *kept[at:])]
    for p in places:
        steps.append((*(0,) * at, *p.strides, *(0,) * (len(kept) - at)))
    strides, step = [0] * len(shape), 1
    for d in memory_order(shape, steps):
        strides[d] = step
        step *= max(shape[d], 1)
    return Layout.make(shape, strides, 0)


def _taken(x: Any, indices: Sequence[Any], dims: Sequence[int] | None, wrap: bool) -> np.ndarray:
    """Return the stored bits of a host Array at index tensors."""
    sizes, rest = x.lay.shape[: len(indices)], x.lay.shape[len(indices) :]
    if wrap and 0 in rest:  # there is nothing to be found, and as on devices no index is looked at
        return np.empty((*indices[0].lay.shape, *rest), host(x).dtype)
    if not (wrap and x.lay.numel):
        check_host(indices, sizes, dims, wrap)
    try:
        found: np.ndarray = host(x)[tuple([host(i) for i in indices])]
    except IndexError:  # which NumPy, counting from the end too, finds out without another walk over the indices
        check_host(indices, sizes, dims, wrap)
        raise
    return found


def index_first(layout: Layout, n: int, at: int) -> Layout:
    """Return a layout with the n dimensions after the first ``at`` brought to the front."""
    if not at:
        return layout
    return layout.permute([*range(at, at + n), *range(at), *range(at + n, layout.ndim)])


def put(
    x: Any,
    indices: Sequence[Any],
    v: Any,
    accumulate: bool,
    wrap: bool = True,
    variant: str = "",
    what: str = "",
    dims: Sequence[int] | None = None,
) -> None:
    """Write v (shape [*index shape, *rest], any strides) into x at index tensors for its first dimensions.

    Of equal positions the last one stays, or with ``accumulate`` all are added, in order. ``what`` and
    ``dims`` as in ``take``.
    """
    refuse(what or "index_put_", x.dtype)
    if accumulate and x.dtype.few:  # sums are float32's
        wide = cast(x, dtypes.float32)
        put(wide, indices, cast(v, dtypes.float32), True, wrap, variant, what, dims)
        copy_into(x, wide)
        return
    k = len(indices)
    if 0 in x.lay.shape[k:]:
        return
    if x.device.type == "cpu":
        check_host(indices, x.lay.shape[:k], dims, wrap)
        at = tuple(host(i) for i in indices)
        if accumulate:
            _add_host(x, at, v)
        else:
            host(x)[at] = host(v)
        return
    if accumulate and x.dtype.is_complex:
        x, v = as_real(x), as_real(v)
    _run("add" if accumulate else "put", x, as_indices(indices), v, wrap, variant, what, dims)


def _add_host(x: Any, at: tuple[np.ndarray, ...], v: Any) -> None:
    """Add slices in the order of their positions: equal ones side by side, so that NumPy sums them in one go."""
    sizes = x.lay.shape[: len(at)]
    if not v.lay.numel:
        return
    values = host_compute(v).reshape(-1, *x.lay.shape[len(at) :])
    flat = np.ravel_multi_index([np.where(i < 0, i + n, i).reshape(-1) for i, n in zip(at, sizes, strict=True)], sizes)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    with np.errstate(all="ignore"):
        add: Any = np.logical_or if x.dtype is dtypes.bool_ else np.add
        totals = add.reduceat(values[order], starts, axis=0)
        place = np.unravel_index(ordered[starts], sizes)
        if x.dtype.wide is x.dtype.np:
            host(x)[place] = add(host(x)[place], totals)
        else:
            wide = host_compute(x)
            wide[place] += totals
            copy_into(x, from_host(wide, x.dtype, x.device))


def _run(
    mode: str,
    x: Any,
    indices: Sequence[Any],
    v: Any,
    wrap: bool,
    variant: str,
    what: str,
    dims: Sequence[int] | None,
) -> None:
    if v.lay.numel == 0:
        return
    context, what = x.device.context, faults.teller(what)
    key = (
        "index", mode, what, dims and tuple(dims), x.dtype, x.lay.key, v.lay.key, indices[0].dtype,
        *(i.lay.key for i in indices), variant,
    )  # fmt: skip
    plan = context.ready.get(key)
    if plan is None:
        layouts = [i.lay for i in indices]
        plan = context.ready[key] = _plan(
            context, mode, faults.site(what, dims), x.lay, v.lay, layouts, x.dtype, indices[0].dtype, variant
        )
    launches, scratch, tail = plan
    owner = x._storage
    if scratch:
        owner = context.alloc(scratch)
        context.fill_bytes(owner.buf, np.full(1, 255, np.uint8), 0, scratch)
    buffers: list[Any] = [x._storage.buf, x.lay.offset, v._storage.buf, v.lay.offset, owner.buf]
    for i in indices:
        buffers += (i._storage.buf, i.lay.offset)
    for kernel, size, local, head in launches:
        kernel.launch(size, local, (*head, int(wrap), *buffers, *tail))


def _plan(
    context: Any,
    mode: str,
    site: int,
    x: Layout,
    v: Layout,
    indices: Sequence[Layout],
    t: dtype,
    index_t: dtype,
    variant: str,
) -> tuple[list[Any], int, tuple[int, ...]]:
    """Return (launches, bytes of scratch memory, trailing arguments)."""
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    k, n = len(indices), indices[0].ndim
    count, slice_ = indices[0].numel, math.prod(x.shape[k:])
    isizes, (vi, *isteps) = coalesce_few(indices[0].shape, v.strides[:n], *(i.strides for i in indices))
    rsizes, (rx, rv) = coalesce_few(x.shape[k:], x.strides[k:], v.strides[n:])
    if slice_ == 1:
        rsizes = []
    across = mode == "get" and k == len(isizes) == 1 and _across(vi[0], rsizes, rx, rv)
    if across:
        rsizes, rx, rv = across
    places = math.prod(x.shape[:k])
    tail: list[int] = []
    for d in range(k):
        tail += (x.shape[d], x.strides[d])
    for r, m in enumerate(isizes):
        tail += (m, vi[r], *(s[r] for s in isteps))
    for r, m in enumerate(rsizes):
        tail += (m, rx[r], rv[r])
    lanes, owners, scratch = 0, 1, 0
    modes = ["across" if across else mode]
    if gpu and mode == "put" and count > _FEW and count < 2**31 and places * 4 <= _MOST:
        modes, scratch = ["claim", "won"], places * 4
    elif gpu and mode in ("put", "add"):
        lanes = min(64, 1 << (slice_ - 1).bit_length())
        owners = 1 << max(0, min(caps.compute_units * 256 // lanes, places, count) - 1).bit_length()
    unit = bool(rsizes) and rx[-1] == rv[-1] == 1
    if across:
        slice_ //= rsizes[-1]
    ahead = not gpu and modes == ["get"] and k == len(isizes) == len(rsizes) == 1 and unit
    soon = _SOON if ahead and caps.outgrown(places * slice_ * t.itemsize) else 0
    launches = []
    for each in modes:
        kernel = context.kernel(
            "index", f"ct_index_{each}", "lllll" + "ii" + "bl" * 2 + "b" + "bl" * k + "l" * len(tail) + "e",
            name=f"index_{each}", mode=each, gpu=gpu, K=k, IR=len(isizes), RR=len(rsizes), I=index_t.ctype,
            X=t.ctype if each == "add" else BITS[t.itemsize], xtag=t.tag if each == "add" else "",
            unit=unit, soon=soon, lanes=lanes, single=bool(across) and rsizes[-1] == 1,
        )  # fmt: skip
        chunk = 0
        size: tuple[int, ...]
        local: tuple[int, ...]
        if gpu:
            items = count if each == "claim" else owners * lanes if each in ("put", "add") else count * slice_
            size, local = (singly if each in ("put", "add") else grid)(context, items)
        elif each == "across":
            items = max(1, min(caps.compute_units * 8, count * slice_, -(-count * slice_ // 4096)))
            chunk = -(-count * slice_ // items)
            size, local = (-(-count * slice_ // chunk),), (1,)
        elif each == "get":
            items = max(1, min(caps.compute_units * 8, count * slice_, -(-count * max(slice_, 4) // 4096)))
            chunk = -(-count * slice_ // items)
            size, local = (-(-count * slice_ // chunk),), (1,)
        else:
            # every work-item goes through all positions with a part of each slice; parts of less than two cache lines
            # would be written by two cores in turn, and one core alone is faster then
            parts = 1 if count * slice_ < 4096 else max(1, min(caps.compute_units, slice_ * t.itemsize // 256))
            chunk = -(-slice_ // parts)
            size, local = (-(-slice_ // chunk),), (1,)
        launches.append((kernel, size, local, (count, slice_, chunk, owners, NAN.get(t.name, 0), site)))
    return launches, scratch, tuple(tail)


def _across(step: int, sizes: Sequence[int], *strides: Sequence[int]) -> Any:
    """Return a slice's sizes and strides with what lies within a position last, where that is little, or None.

    A slice of which most elements lie apart in the result, by more than the ``step`` from position to position, is not
    walked on its own: all positions are, for each of its elements.
    """
    *_, v = strides
    apart = [r for r in range(len(sizes)) if v[r] > step]
    within = [r for r in range(len(sizes)) if v[r] <= step]
    if not apart or len(within) > 1 or (within and sizes[within[0]] > _NARROW):
        return None
    order = apart + within
    rest = [] if within else [1]
    return [*(sizes[r] for r in order), *rest], *([*(s[r] for r in order), *rest] for s in strides)


class Index(Op):
    """Advanced indexing of the first dimensions; the gradient adds up by position."""

    name = "index"
    complex = True
    linear = slice(1)

    @classmethod
    def forward(cls, c: Any, x: Any, at: int, dims: Sequence[int] | None, wrap: bool, *indices: Any) -> Any:
        c.shape, c.at, c.wrap, c.count = x.lay.shape, at, wrap, len(indices)
        c.save(*indices)
        return take(x, indices, at, dims, wrap, what=cls.name, ordered=cls is Index)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.index_back(g, c.shape, c.at, c.wrap, c.saved), None, None, None, *(None,) * c.count


class IndexSelect(Index):
    """The slices of one dimension that an index names."""

    name = "index_select"


class Take(Index):
    """Elements by their positions in a vector."""

    name = "take"


class IndexBack(Op):
    """Add slices into zeros at index tensors for the first dimensions: the adjoint of ``Index``."""

    name = "index_backward"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, shape: Sequence[int], at: int, wrap: bool, *indices: Any) -> Any:
        c.at, c.wrap, c.count = at, wrap, len(indices)
        c.save(*indices)
        out = empty(shape, g.dtype, g.device)
        fill(out, 0)
        put(out, indices, view(g, index_first(g.lay, indices[0].lay.ndim, at)), True, wrap)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.take_front(g, c.saved, c.at, c.wrap), None, None, None, *(None,) * c.count


class PutFront(Op):
    """A copy of a tensor with values put (or added) at index tensors for its first dimensions."""

    name = "index_put"
    complex = True
    linear = slice(2)

    @staticmethod
    def forward(c: Any, x: Any, v: Any, accumulate: bool, wrap: bool, *indices: Any) -> Any:
        out = empty(x.lay.shape, x.dtype, x.device)
        copy_into(out, x)
        put(out, indices, v, accumulate, wrap, what="index_put")
        c.accumulate, c.wrap, c.count = accumulate, wrap, len(indices)
        c.save(*indices)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        indices = c.saved
        gx = gv = None
        if c.needs[0]:
            gx = g
            if not c.accumulate:
                index_shape, rest = indices[0].lay.shape, g.lay.shape[c.count :]
                nothing = m.expand(m.zeros((), dtype=g.dtype, device=g.device), (*index_shape, *rest))
                gx = m.put_front(g, indices, nothing, False, c.wrap)
        if c.needs[1]:
            gv = m.take_front(g, indices, 0, c.wrap)
        return gx, gv, None, None, *(None,) * c.count


class PutInPlace(PutFront):
    """The derivative of putting values into a tensor itself; the caller writes."""

    @staticmethod
    def forward(c: Any, x: Any, v: Any, accumulate: bool, wrap: bool, *indices: Any) -> Any:
        c.accumulate, c.wrap, c.count = accumulate, wrap, len(indices)
        c.save(*indices)
