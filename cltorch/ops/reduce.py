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
from cltorch.layout import Layout, coalesce
from cltorch.ops.array import Array, check_dtype, empty, from_host, host_compute
from cltorch.ops.formula import HOST, Symbol, trace
from cltorch.ops.op import Op
from cltorch.ops.plan import _MASK, _VECTOR

_GRAIN = 16384  # reduced elements per part on a CPU device
_GROUP = 256


class Reduction:
    """Declare a reduction.

    ``map(m, x, aux, *params)`` is applied to each element, ``combine(m, a, b)`` joins two accumulators, ``identity`` is
    the accumulator of nothing, ``finish(m, acc, *params)`` makes the result. ``host(x, axes, *params)`` computes the
    same in NumPy. ``aux`` tells that map reads one value per result (a mean, a maximum).
    """

    def __init__(
        self,
        name: str,
        map: Callable[..., Any],
        combine: Callable[..., Any],
        identity: float,
        host: Callable[..., Any],
        finish: Callable[..., Any] | None = None,
        params: int = 0,
        aux: bool = False,
    ) -> None:
        self.name, self.map, self.combine, self.identity, self.host = name, map, combine, identity, host
        self.finish = finish or (lambda m, x, *p: x)
        self.params, self.aux = params, aux


def _add(m: Any, a: Any, b: Any) -> Any:
    return a + b


def _same(m: Any, x: Any, aux: Any, *p: Any) -> Any:
    return x


SUM = Reduction("sum", _same, _add, 0, lambda x, ax: x.sum(ax))
MEAN = Reduction("mean", _same, _add, 0, lambda x, ax, n: x.sum(ax) / n, lambda m, s, n: s / n, params=1)
PROD = Reduction("prod", _same, lambda m, a, b: a * b, 1, lambda x, ax: x.prod(ax))
AMAX = Reduction("amax", _same, lambda m, a, b: m.maximum(a, b), -math.inf, lambda x, ax: x.max(ax))
AMIN = Reduction("amin", _same, lambda m, a, b: m.minimum(a, b), math.inf, lambda x, ax: x.min(ax))
ANY = Reduction(
    "any", lambda m, x, a: m.where(x != 0, 1, 0), lambda m, a, b: m.maximum(a, b), 0, lambda x, ax: (x != 0).any(ax)
)
ALL = Reduction(
    "all", lambda m, x, a: m.where(x != 0, 1, 0), lambda m, a, b: m.minimum(a, b), 1, lambda x, ax: (x != 0).all(ax)
)
COUNT = Reduction(
    "count_nonzero", lambda m, x, a: m.where(x != 0, 1, 0), _add, 0, lambda x, ax: np.count_nonzero(x, axis=ax)
)
NANSUM = Reduction("nansum", lambda m, x, a: m.where(x != x, 0, x), _add, 0, lambda x, ax: np.nansum(x, ax))
SQUARES = Reduction(
    "sum_squares", lambda m, x, a: x * x, _add, 0, lambda x, ax: np.sqrt((x * x).sum(ax)), lambda m, s: m.sqrt(s)
)
ABSSUM = Reduction("sum_abs", lambda m, x, a: m.abs(x), _add, 0, lambda x, ax: np.abs(x).sum(ax))
ABSMAX = Reduction(
    "max_abs", lambda m, x, a: m.abs(x), lambda m, a, b: m.maximum(a, b), 0, lambda x, ax: np.abs(x).max(ax, initial=0)
)
ABSMIN = Reduction(
    "min_abs", lambda m, x, a: m.abs(x), lambda m, a, b: m.minimum(a, b), math.inf, lambda x, ax: np.abs(x).min(ax)
)
PNORM = Reduction(
    "p_norm", lambda m, x, a, p: m.pow(m.abs(x), p), _add, 0, lambda x, ax, p: (np.abs(x) ** p).sum(ax) ** (1 / p),
    lambda m, s, p: m.pow(s, 1 / p), params=1,
)  # fmt: skip
# centred sums: aux is the mean (var) or the maximum (logsumexp) of each result's elements
VAR = Reduction(
    "var",
    lambda m, x, mean, n: (x - mean) * (x - mean),
    _add,
    0,
    lambda x, ax, n: None,
    lambda m, s, n: s / n,
    params=1,
    aux=True,
)
EXPSUM = Reduction(
    "sum_exp", lambda m, x, hi: m.exp(x - hi), _add, 0, lambda x, ax: None, lambda m, s: m.log(s), aux=True
)


def accumulation(t: dtype) -> dtype:
    """Return the dtype in which values of a dtype are accumulated."""
    if t.is_floating_point:
        return dtypes.float64 if t is dtypes.float64 else dtypes.float32
    return dtypes.int64


def kept_shape(shape: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """Return the shape after reducing ``dims``."""
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)


def reduce(
    row: Reduction, x: Any, dims: Sequence[int], out_dtype: dtype, params: Sequence[Any] = (), aux: Any = None
) -> Any:
    """Return the reduction of an Array over dimensions, without them.

    ``aux`` is a dense Array of the accumulation dtype with one value per result.
    """
    shape = kept_shape(x.layout.shape, dims, False)
    acc = accumulation(
        x.dtype
        if out_dtype is dtypes.bool_
        else dtypes.promote_types(x.dtype, out_dtype)
        if out_dtype.is_floating_point
        else x.dtype
    )
    if x.device.type == "cpu":
        return _host(row, x, tuple(dims), out_dtype, acc, params, aux)
    check_dtype(acc, x.device)
    out = empty(shape, out_dtype, x.device)
    if out.layout.numel == 0:
        return out
    context = x.device.context
    key = (row, x.layout.key, x.dtype, tuple(dims), out_dtype)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, row, x.layout, x.dtype, tuple(dims), out_dtype, acc)
    first, second, partial = plan
    number = float if acc.is_floating_point else int
    numbers = [number(p) for p in params]
    kernel, size, group, pre = first
    aux_args = (aux.storage.buf,) if aux is not None else ()
    if second is None:
        kernel.launch(size, group, (*pre, x.storage.buf, x.layout.offset, *aux_args, out.storage.buf, 0, *numbers))
        return out
    scratch = context.alloc(partial)
    kernel.launch(size, group, (*pre, x.storage.buf, x.layout.offset, *aux_args, scratch.buf, 0, *numbers))
    kernel, size, group, pre = second
    kernel.launch(size, group, (*pre, scratch.buf, 0, out.storage.buf, 0, *numbers))
    return out


def _split_dims(lay: Layout, dims: Sequence[int]) -> tuple[list[int], list[int], list[int], list[int]]:
    kept = [d for d in range(lay.ndim) if d not in dims]
    # kept dimensions stay in order (it is the result's order), the reduced ones are walked in memory order
    reduced = sorted(dims, key=lambda d: -lay.strides[d])
    ks, (kst,) = coalesce([lay.shape[d] for d in kept], [lay.strides[d] for d in kept])
    rs, (rst,) = coalesce([lay.shape[d] for d in reduced], [lay.strides[d] for d in reduced])
    return ks, kst, rs, rst


def _plan(
    context: Any, row: Reduction, lay: Layout, t: dtype, dims: tuple[int, ...], out_dtype: dtype, acc: dtype
) -> Any:
    ks, kst, rs, rst = _split_dims(lay, dims)
    kept, reduced = math.prod(ks), math.prod(rs)
    gpu = context.caps.kind != "cpu"
    columns = kst[-1] == 1 and ks[-1] >= 4 and rst[-1] != 1 and not gpu
    width = _VECTOR[acc.compute]
    mode = "columns" if columns else "groups" if gpu else "rows"
    units = kept // ks[-1] * -(-ks[-1] // (4 * width)) if columns else kept
    target = context.caps.compute_units * (4 if not gpu else 16)
    grain = _GRAIN // (4 * width) if columns else _GRAIN if not gpu else _GROUP * 8
    parts = 1
    if units < target and reduced > grain:
        parts = max(1, min(-(-target // units), -(-reduced // grain), 1024))
    per_part = -(-reduced // parts)
    parts = max(1, -(-reduced // per_part)) if reduced else 1
    identity_first = parts > 1
    args = (context, row, acc, t, out_dtype, mode, width, ks, kst, rs, rst)
    if not identity_first:
        return _launch(*args, kept, reduced, 1, reduced, units, row.map, row.finish, row.aux, False), None, 0
    # the partial results are [parts, kept] for columns and [kept, parts] for rows
    first = _launch(*args, kept, reduced, parts, per_part, units * parts, row.map, None, row.aux, True)
    shape2 = ([kept], [1], [parts], [kept]) if columns else ([kept], [parts], [parts], [1])
    mode2 = "columns" if columns and kept >= 4 else "groups" if gpu else "rows"
    units2 = -(-kept // (4 * width)) if mode2 == "columns" else kept
    second = _launch(
        context,
        row,
        acc,
        acc,
        out_dtype,
        mode2,
        width,
        *shape2,
        kept,
        parts,
        1,
        parts,
        units2,
        None,
        row.finish,
        False,
        False,
    )
    return first, second, kept * parts * acc.itemsize


def _launch(
    context: Any,
    row: Reduction,
    acc: dtype,
    t: dtype,
    out_dtype: dtype,
    mode: str,
    width: int,
    ks: list[int],
    kst: list[int],
    rs: list[int],
    rst: list[int],
    kept: int,
    reduced: int,
    parts: int,
    per_part: int,
    units: int,
    map_fn: Any,
    finish: Any,
    aux: bool,
    to_partial: bool,
) -> Any:
    ctype = acc.compute
    out_t = acc if to_partial else out_dtype
    params = {
        "name": f"reduce_{row.name}",
        "mode": mode,
        "W": width,
        "A": ctype,
        "M": _MASK[ctype],
        "X": t.ctype,
        "xtag": t.tag,
        "T": out_t.ctype,
        "otag": out_t.tag,
        "map": _text(map_fn or _same, acc, 2, row.params),
        "combine": _text(row.combine, acc, 2, 0),
        "finish": _text(finish or (lambda m, x, *p: x), acc, 1, row.params),
        "identity": _literal(row.identity, acc),
        "aux": aux,
        "params": row.params,
        "P": "long" if not acc.is_floating_point else ctype,
        "unit": rst[-1] == 1 or rs[-1] == 1,
        "KR": len(ks),
        "RR": len(rs),
        "G": min(_GROUP, context.caps.max_work_group),
    }
    geometry: list[int] = []
    for n, s in (*zip(ks, kst, strict=True), *zip(rs, rst, strict=True)):
        geometry += [n, s]
    per_item = 1
    size: tuple[int, ...]
    if mode == "groups":
        size, group = (units * params["G"],), (params["G"],)
    else:
        work = units * max(1, per_part) * (4 * width if mode == "columns" else 1)
        items = max(1, min(units, context.caps.compute_units * 8, -(-work // 4096)))
        per_item = -(-units // items)
        size, group = (-(-units // per_item),), (1,)
    letter = {"float": "f", "double": "d"}.get(ctype, "l")
    letters = "l" * (5 + len(geometry)) + "bl" + ("b" if aux else "") + "bl" + letter * row.params
    kernel = context.kernel("reduce", f"ct_reduce_{row.name}", letters, **params)
    return kernel, size, group, (kept, reduced, parts, per_part, per_item, *geometry)


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
        return "LONG_MAX" if value > 0 else "LONG_MIN"
    return f"{int(value)}L"


def _host(
    row: Reduction, x: Any, dims: tuple[int, ...], out_dtype: dtype, acc: dtype, params: Sequence[Any], aux: Any
) -> Any:
    a = host_compute(x).astype(acc.wide, copy=False)
    with np.errstate(all="ignore"):
        if row.aux:
            q = host_compute(aux).reshape(kept_shape(x.layout.shape, dims, True))
            value = row.finish(HOST, row.map(HOST, a, q, *params).sum(dims), *params)
        else:
            value = row.host(a, dims, *params)
    return from_host(np.asarray(value), out_dtype, x.device)


class Reduce(Op):
    """Run a row of this table; ``vjp(m, c, g, x, out)`` of the caller gives the gradient."""

    name = "reduce"

    @staticmethod
    def forward(
        c: Any, x: Any, row: Reduction, dims: tuple[int, ...], keepdim: bool, out_dtype: dtype, params: tuple[Any, ...]
    ) -> Any:
        out = reduce(row, x, dims, out_dtype, params)
        if keepdim:
            out = Array.new(out.storage, Layout.of(kept_shape(x.layout.shape, dims, True)), out.dtype)
        return out
