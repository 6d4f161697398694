"""Reductions are rows: map each element, combine, finish. One template makes their kernels.

Source of the rules: https://docs.pytorch.org/docs/2.13/torch.html#reduction-ops
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce_few
from cltorch.ops import tuning
from cltorch.ops.array import Array, check_dtype, empty, from_host, host_compute
from cltorch.ops.complex_formula import as_real
from cltorch.ops.formula import Symbol, trace
from cltorch.ops.formula_host import HOST
from cltorch.ops.plan import MASK, VECTOR, counter, grid
from cltorch.ops.quiet import silent

_GRAIN = 16384  # reduced elements per part on a CPU device
_GROUP = 256
_SHORT = 32  # reduced elements that one work-item of a GPU walks by itself
_RUN_BYTES = 8192  # accumulators of the columns that a CPU's work-item walks down together: a quarter of a first cache
_LINES = 8  # rows whose columns are read together
_STREAMS = 4  # runs that a CPU's work-item reads at the same time where they come from memory and
_LONG_RUN = 65536  # have so many bytes: with rows of 4 to 16 KB it takes longer
_AHEAD = 4096  # bytes ahead that a run in memory is asked for: a processor's own prefetching ends with each page
_FEW_ROWS = 64  # fewer reduced elements per part are not worth a second launch

# what a row accumulates in
SUMS = "sums"  # float32 for the halves and itself, float64, int64 for integers
EXTREMES = "extremes"  # as SUMS, but int32 for integers that fit
LOGICAL = "logical"  # int32, whatever the elements are
COUNTS = "counts"  # int64, whatever the elements are


class Reduction:
    """Declare a reduction.

    ``map(m, x, aux, *params)`` is applied to each element, ``combine(m, a, b)`` joins two accumulators, ``identity`` is
    the accumulator of nothing, ``finish(m, acc, aux, *params)`` makes the result. ``host(x, axes, *params)`` computes
    the same in NumPy. ``aux`` tells that map and finish read one value per result (a mean, a maximum). ``kind`` says
    in which type values are accumulated.
    """

    def __init__(
        self,
        name: str,
        map: Callable[..., Any],
        combine: Callable[..., Any],
        identity: float,
        host: Callable[..., Any] | None,
        finish: Callable[..., Any] | None = None,
        params: int = 0,
        aux: bool = False,
        kind: str = SUMS,
    ) -> None:
        self.name, self.map, self.combine, self.identity, self.host = name, map, combine, identity, host
        self.finish = finish or _as_is
        self.params, self.aux, self.kind = params, aux, kind

    def accumulator(self, t: dtype, out: dtype) -> dtype:
        """Return the dtype in which elements of a dtype are accumulated for a result of another."""
        if self.kind is LOGICAL:
            return dtypes.int32
        if self.kind is COUNTS:
            return dtypes.int64
        common = dtypes.promote_types(t, out) if out.differentiable else t
        if self.kind is EXTREMES and not common.is_floating_point and common.itemsize <= 4:
            return dtypes.int32
        return accumulation(common)


def _add(m: Any, a: Any, b: Any) -> Any:
    return a + b


def _larger(m: Any, a: Any, b: Any) -> Any:
    return m.maximum(a, b)


def _smaller(m: Any, a: Any, b: Any) -> Any:
    return m.minimum(a, b)


def _same(m: Any, x: Any, aux: Any, *p: Any) -> Any:
    return x


def _as_is(m: Any, acc: Any, aux: Any, *p: Any) -> Any:
    return acc


def _truth(m: Any, x: Any, aux: Any) -> Any:
    return m.where(x != 0, 1, 0)


def _finite(m: Any, hi: Any) -> Any:
    """Return a maximum to subtract before exp: 0 for an infinite one, so that inf - inf does not arise."""
    return m.where(m.abs(hi) == math.inf, 0, hi)


def _sum(x: np.ndarray, axes: Any) -> Any:
    # NumPy adds pairwise along the last axis only: long sums along others would lose digits
    return x.sum(axes, dtype=_FINER.get(x.dtype) if x.size > 1024 else None)


_FINER = {np.dtype("float32"): np.dtype("float64"), np.dtype("complex64"): np.dtype("complex128")}


SUM = Reduction("sum", _same, _add, 0, _sum)
MEAN = Reduction("mean", _same, _add, 0, lambda x, ax, n: _sum(x, ax) / n, lambda m, s, q, n: s / n, params=1)
PROD = Reduction("prod", _same, lambda m, a, b: a * b, 1, lambda x, ax: x.prod(ax))
AMAX = Reduction("amax", _same, _larger, -math.inf, lambda x, ax: x.max(ax), kind=EXTREMES)
AMIN = Reduction("amin", _same, _smaller, math.inf, lambda x, ax: x.min(ax), kind=EXTREMES)
ANY = Reduction("any", _truth, _larger, 0, lambda x, ax: (x != 0).any(ax), kind=LOGICAL)
ALL = Reduction("all", _truth, _smaller, 1, lambda x, ax: (x != 0).all(ax), kind=LOGICAL)
COUNT = Reduction("count_nonzero", _truth, _add, 0, lambda x, ax: np.count_nonzero(x, axis=ax), kind=COUNTS)
NANSUM = Reduction(
    "nansum",
    lambda m, x, a: m.where(x != x, 0, x),
    _add,
    0,
    lambda x, ax: _sum(np.where(x != x, x.dtype.type(0), x), ax),
)
SQUARES = Reduction(
    "sum_squares", lambda m, x, a: x * x, _add, 0, lambda x, ax: np.sqrt(_sum(x * x, ax)), lambda m, s, q: m.sqrt(s)
)
ABSSUM = Reduction("sum_abs", lambda m, x, a: m.abs(x), _add, 0, lambda x, ax: _sum(np.abs(x), ax))
ABSMAX = Reduction("max_abs", lambda m, x, a: m.abs(x), _larger, 0, lambda x, ax: np.abs(x).max(ax, initial=0))
ABSMIN = Reduction("min_abs", lambda m, x, a: m.abs(x), _smaller, math.inf, lambda x, ax: np.abs(x).min(ax))
PNORM = Reduction(
    "p_norm", lambda m, x, a, p: m.pow(m.abs(x), p), _add, 0, lambda x, ax, p: _sum(np.abs(x) ** p, ax) ** (1 / p),
    lambda m, s, q, p: m.pow(s, 1 / p), params=1,
)  # fmt: skip
# around aux: the mean of each result's elements, or their maximum
VAR = Reduction(
    "var", lambda m, x, mean, n: (x - mean) * (x - mean), _add, 0, None, lambda m, s, q, n: s / n, params=1, aux=True,
)  # fmt: skip
STD = Reduction(
    "std", VAR.map, _add, 0, None, lambda m, s, q, n: m.sqrt(s / n), params=1, aux=True,
)  # fmt: skip
LOGSUM = Reduction("log_sum", _same, _add, 0, lambda x, ax: np.log(_sum(x, ax)), lambda m, s, q: m.log(s))
EXPSUM = Reduction(
    "sum_exp", lambda m, x, hi: m.exp(x - _finite(m, hi)), _add, 0, None, lambda m, s, hi: m.log(s) + _finite(m, hi),
    aux=True,
)  # fmt: skip


def accumulation(t: dtype) -> dtype:
    """Return the dtype in which sums of a dtype are accumulated."""
    if t.is_complex:
        return t
    if t.is_floating_point:
        return dtypes.float64 if t is dtypes.float64 else dtypes.float32
    return dtypes.int64


def kept_shape(shape: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """Return the shape after reducing ``dims``."""
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)


def reduce(
    row: Reduction,
    x: Any,
    dims: Sequence[int],
    out_dtype: dtype,
    params: Sequence[Any] = (),
    aux: Any = None,
    variant: str = "",
) -> Any:
    """Return the reduction of an Array over dimensions, without them.

    ``aux`` is a dense Array of the accumulation dtype with one value per result. ``variant`` ("cpu", "gpu") overrides
    the device's kind.
    """
    dims = tuple(dims)
    dev = x._storage.device
    if x.dtype.is_complex and dev.type != "cpu":
        return _complex(row, x, dims, out_dtype, params)
    if dev.type == "cpu":
        return _host(row, x, dims, out_dtype, row.accumulator(x.dtype, out_dtype), params, aux)
    context = dev.context
    key = (row, x.lay.key, x.dtype, dims, out_dtype, variant)
    plan = context.ready.get(key)
    if plan is None:
        acc = row.accumulator(x.dtype, out_dtype)
        check_dtype(acc, dev)
        layout = Layout.of(kept_shape(x.lay.shape, dims, False))
        if layout.numel == 0:
            return empty(layout.shape, out_dtype, dev)
        number = float if acc.is_floating_point else int
        plan = layout, number, *_plan(context, row, x.lay, x.dtype, dims, out_dtype, acc, variant)
        context.ready[key] = plan
    layout, number, (kernel, size, group, pre), second, partial = plan
    out = Array.new(context.alloc(layout.numel * out_dtype.itemsize), layout, out_dtype)
    numbers = [number(p) for p in params]
    aux_args = (aux._storage.buf,) if row.aux else ()
    if second is None:
        kernel.launch(size, group, (*pre, x._storage.buf, x.lay.offset, *aux_args, out._storage.buf, 0, *numbers))
        return out
    scratch = context.alloc(partial)
    kernel.launch(size, group, (*pre, x._storage.buf, x.lay.offset, *aux_args, scratch.buf, 0, *numbers))
    kernel, size, group, pre = second
    kernel.launch(size, group, (*pre, scratch.buf, 0, *aux_args, out._storage.buf, 0, *numbers))
    return out


def _complex(row: Reduction, x: Any, dims: tuple[int, ...], out_dtype: dtype, params: Sequence[Any]) -> Any:
    """Return a reduction of complex numbers that treats their parts alike."""
    if row not in (SUM, MEAN):
        raise NotImplementedError(f"{row.name} is not implemented for complex tensors on an OpenCL device")
    both = reduce(row, as_real(x), dims, out_dtype.to_real(), params)
    return Array.new(both._storage, Layout.of(kept_shape(x.lay.shape, dims, False)), out_dtype)


def run_of_columns(kept: int, row: int, reduced: int, room: int, vector: int, target: int) -> int:
    """Return how many neighbouring columns a CPU's work-item walks down together, of ``room`` at most.

    There are as many parts of the columns as it takes until all cores have work, beside parts of the rows.
    """
    outer = kept // row or 1
    pieces = -(-target // (outer * max(1, reduced // _FEW_ROWS)))
    pieces = max(-(-row // room), min(pieces, -(-row // (4 * vector))))
    return -(-row // (pieces * vector)) * vector or vector


class _Walk:
    """How one launch walks its operand: kept and reduced sizes and strides, and the shape of kernel that suits them."""

    __slots__ = ("ks", "kst", "rs", "rst", "kept", "reduced", "mode", "columns", "width", "room", "gpu", "target")

    def __init__(self, ks: Any, kst: Any, rs: Any, rst: Any, gpu: bool, acc: dtype, cores: int) -> None:
        self.ks, self.kst, self.rs, self.rst, self.gpu = ks, kst, rs, rst, gpu
        self.width, self.room = VECTOR[acc.compute], _RUN_BYTES // acc.itemsize
        self.target = cores * (16 if gpu else 4)
        self.kept, self.reduced = math.prod(ks), math.prod(rs)
        neighbours = kst[-1] == 1 and rst[-1] != 1
        if gpu:
            if self.reduced <= _SHORT and self.kept >= _SHORT:
                self.mode = "items"
            else:
                self.mode = "group_columns" if neighbours and ks[-1] >= 16 else "groups"
            self.columns = 32 if ks[-1] >= 32 else 16
        else:
            self.mode = "columns" if neighbours and ks[-1] >= 4 else "rows"
            self.columns = run_of_columns(self.kept, ks[-1], self.reduced, self.room, self.width, self.target)

    @property
    def by_columns(self) -> bool:
        """Return whether partial results come as [parts, kept]."""
        return self.mode in ("columns", "group_columns")

    @property
    def units(self) -> int:
        """Return the independent pieces of work before the reduced range is cut."""
        return self.kept // self.ks[-1] * -(-self.ks[-1] // self.columns) if self.by_columns else self.kept

    def cut(self) -> tuple[int, int]:
        """Return (parts, elements per part) of the reduced range, so that every core has work."""
        grain = _GROUP * 8 if self.gpu else max(_FEW_ROWS, _GRAIN // self.columns) if self.by_columns else _GRAIN
        parts = 1
        if self.units < self.target and self.reduced > grain and self.mode != "items":
            parts = max(1, min(-(-self.target // self.units), -(-self.reduced // grain), 1024))
        per_part = -(-self.reduced // parts)
        return max(1, -(-self.reduced // max(per_part, 1))), per_part


def _plan(
    context: Any,
    row: Reduction,
    lay: Layout,
    t: dtype,
    dims: tuple[int, ...],
    out_dtype: dtype,
    acc: dtype,
    variant: str,
) -> Any:
    gpu = (variant or context.caps.kind) != "cpu"
    kept = [d for d in range(lay.ndim) if d not in dims]
    # kept dimensions stay in order (it is the result's order), the reduced ones are walked in memory order
    reduced = sorted(dims, key=lambda d: -lay.strides[d])
    ks, (kst,) = coalesce_few([lay.shape[d] for d in kept], [lay.strides[d] for d in kept])
    rs, (rst,) = coalesce_few([lay.shape[d] for d in reduced], [lay.strides[d] for d in reduced])
    cores = context.caps.compute_units
    walk = _Walk(ks, kst, rs, rst, gpu, acc, cores)
    if walk.mode == "rows" and context.caps.outgrown(walk.kept * walk.reduced * t.itemsize):
        walk.target *= _STREAMS  # so that a work-item has several parts to read at the same time
    parts, per_part = walk.cut()
    if parts == 1:
        return _launch(context, row, acc, t, out_dtype, walk, 1, per_part, row.map, row.finish), None, 0
    first = _launch(context, row, acc, t, acc, walk, parts, per_part, row.map, _as_is)
    n = walk.kept
    if walk.by_columns:
        again = _Walk([n], [1], [parts], [n], gpu, acc, cores)
    else:
        again = _Walk([n], [parts], [parts], [1], gpu, acc, cores)
    second = _launch(context, row, acc, acc, out_dtype, again, 1, parts, _same, row.finish)
    return first, second, n * parts * acc.itemsize


def _launch(
    context: Any,
    row: Reduction,
    acc: dtype,
    t: dtype,
    out_t: dtype,
    walk: _Walk,
    parts: int,
    per_part: int,
    map_fn: Callable[..., Any],
    finish: Callable[..., Any],
) -> tuple[Any, ...]:
    caps = context.caps
    group = tuning.group_items(context, "reduction gpu") if walk.gpu else 0
    truth = row.kind in (LOGICAL, COUNTS) and map_fn is not _same
    # a test against zero happens in the elements' own type: a conversion would make 0.5 a zero
    inner = (dtypes.float32 if t.compute == "float" else t) if truth else acc
    mode, ctype, width = walk.mode, acc.compute, walk.width
    unit = mode == "rows" and (walk.rst[-1] == 1 or walk.rs[-1] == 1)
    several = unit and len(walk.rs) == 1 and per_part * t.itemsize >= _LONG_RUN
    large = caps.outgrown(walk.kept * walk.reduced * t.itemsize)
    several = several and large
    # what lies ahead of a row's end must be the next row
    joined = len(walk.ks) == len(walk.rs) == 1 and walk.kst[0] in (0, walk.rs[0])
    ahead = _AHEAD // t.itemsize if unit and large and not several and joined else 0
    params = {
        "name": f"reduce_{row.name}", "mode": mode, "W": width, "A": ctype, "M": MASK[ctype],
        "B": inner.compute, "N": MASK[inner.compute], "X": t.ctype, "xtag": t.tag, "T": out_t.ctype, "otag": out_t.tag,
        "map": _text(map_fn, inner, 2, row.params), "combine": _text(row.combine, acc, 2, 0),
        "finish": _text(finish, acc, 2, row.params), "identity": _literal(row.identity, acc), "aux": row.aux,
        "params": row.params, "P": ctype if acc.is_floating_point else "long",
        "unit": unit, "KR": len(walk.ks), "RR": len(walk.rs),
        "G": group, "TX": walk.columns if mode == "group_columns" else 0,
        "RUN": walk.room if mode == "columns" else 0, "LINES": _LINES if mode == "columns" else 0,
        "streams": _STREAMS if several else 1, "ahead": ahead, "I": counter(walk.reduced) if walk.gpu else "long",
    }  # fmt: skip
    geometry: list[int] = [walk.columns] if mode == "columns" else []
    for n, s in (*zip(walk.ks, walk.kst, strict=True), *zip(walk.rs, walk.rst, strict=True)):
        geometry += [n, s]
    units = walk.units * parts
    per_item = 1
    size: tuple[int, ...]
    if mode == "items":
        size, local = grid(context, walk.kept)
    elif walk.gpu:
        size, local = (units * group,), (group,)
    else:
        work = units * max(1, per_part) * (walk.columns if walk.by_columns else 1)
        items = max(1, min(units, caps.compute_units * 8, -(-work // 4096)))
        per_item = -(-units // items)
        if several:
            per_item = -(-per_item // _STREAMS) * _STREAMS
        size, local = (-(-units // per_item),), (1,)
    letter = {"float": "f", "double": "d"}.get(ctype, "l")
    letters = "l" * (5 + len(geometry)) + "bl" + ("b" if row.aux else "") + "bl" + letter * row.params
    kernel = context.kernel("reduce", f"ct_reduce_{row.name}", letters, **params)
    return kernel, size, local, (walk.kept, walk.reduced, parts, per_part, per_item, *geometry)


def _text(fn: Callable[..., Any], acc: dtype, operands: int, params: int) -> tuple[tuple[str, ...], str, bool]:
    statements, results, tracer = trace(fn, acc, [False] * operands, params)
    r = results[0]
    return tuple(statements), r.text if isinstance(r, Symbol) else tracer.literal(r), isinstance(r, Symbol) and r.mask


def _literal(value: float, acc: dtype) -> str:
    if acc.is_floating_point:
        if math.isinf(value):
            return "INFINITY" if value > 0 else "-INFINITY"
        return f"{float(value)!r}" + ("f" if acc.itemsize == 4 else "")
    if math.isinf(value):
        return f"{'INT' if acc.itemsize == 4 else 'LONG'}_{'MAX' if value > 0 else 'MIN'}"
    return f"{int(value)}" + ("L" if acc.itemsize == 8 else "")


@silent
def _host(
    row: Reduction, x: Any, dims: tuple[int, ...], out_dtype: dtype, acc: dtype, params: Sequence[Any], aux: Any
) -> Any:
    a = host_compute(x)
    if row.kind in (SUMS, EXTREMES):
        a = a.astype(acc.wide, copy=False)
    if row.host is None:
        q = host_compute(aux)
        mapped = row.map(HOST, a, q.reshape(kept_shape(x.lay.shape, dims, True)), *params)
        value = row.finish(HOST, _sum(mapped, dims), q, *params)
    else:
        value = row.host(a, dims, *params)
    return from_host(np.asarray(value), out_dtype, x.device)
