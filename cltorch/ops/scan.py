"""Running totals along a dimension: one template makes the kernels of sums, products, extremes and recurrences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense

SUM, PROD, LSE, MAX, MIN, REC = "sum", "prod", "lse", "max", "min", "rec"

_LANES = 8
_LANES_EXP = {4: 16, 8: 8}  # by the value's size: exp and log of full vectors are the fast ones
_GROUP = 256
_PART = 2048  # elements that a part of a line has at least
_VECTOR = {"float": 16, "double": 8, "int": 16, "long": 8}
_INTEGER = {"float": "int", "double": "long", "int": "int", "long": "long"}


def _accumulator(op: str, t: dtype, out: dtype) -> dtype:
    """Return the dtype of a state's value: float32 at least, int64 for sums, what fits for extremes."""
    if t.is_floating_point or out.is_floating_point:
        return dtypes.float64 if dtypes.float64 in (t, out) else dtypes.float32
    return dtypes.int64 if op in (SUM, PROD) or t is dtypes.int64 else dtypes.int32


def scan(
    op: str, x: Any, dim: int, out_dtype: dtype, reverse: bool = False, a: Any = None, lag: int = 0,
    variant: str | None = None,
) -> Any:  # fmt: skip
    """Return the running totals of an Array along a dimension, for MAX and MIN a pair with their positions (int64).

    ``reverse`` goes from the last element to the first (not for MAX and MIN). REC computes
    ``out[j] = a[j - lag] * out[j - 1] + x[j]`` in that order. ``variant`` ("cpu" or "gpu") overrides the device's kind
    in choosing kernels.
    """
    shape = x.lay.shape
    if x.device.type == "cpu":
        return _host(op, x, dim, out_dtype, reverse, a, lag)
    acc = _accumulator(op, x.dtype, out_dtype)
    for t in (acc, out_dtype):
        check_dtype(t, x.device)
    out = empty(shape, out_dtype, x.device)
    indices = empty(shape, dtypes.int64, x.device) if op in (MAX, MIN) else None
    if x.lay.numel:
        context = x.device.context
        x = dense(x)
        a = dense(a) if op == REC else None
        key = ("scan", op, x.lay.key, x.dtype, dim, out_dtype, reverse, lag, variant)
        plan = context.ready.get(key)
        if plan is None:
            plan = context.ready[key] = _plan(context, op, x.lay, x.dtype, dim, out_dtype, acc, reverse, lag, variant)
        launches, totals_bytes, second_bytes = plan
        inputs = [x._storage.buf, x.lay.offset]
        if a is not None:
            inputs += [a._storage.buf, a.lay.offset]
        results = [out._storage.buf] if indices is None else [out._storage.buf, indices._storage.buf]
        totals = [context.alloc(n) for n in (totals_bytes, second_bytes) if n]
        partial = [s.buf for s in totals]
        for kernel, size, local, geometry, phase in launches:
            ends = partial if phase == "totals" else results + partial
            kernel.launch(size, local, (*geometry, *inputs, *ends))
    return out if indices is None else (out, indices)


def _plan(
    context: Any, op: str, lay: Layout, t: dtype, dim: int, out_dtype: dtype, acc: dtype, reverse: bool, lag: int,
    variant: str | None,
) -> Any:  # fmt: skip
    """Return the launches (kernel, sizes, leading arguments, phase) and the bytes of the parts' totals."""
    n = lay.shape[dim] if lay.ndim else 1
    inner = math.prod(lay.shape[dim + 1 :])
    outer = lay.numel // (n * inner)
    if op in (MAX, MIN) and acc.itemsize < 8 and n >= 2**31:
        raise RuntimeError(f"cum{op}: a dimension of {n} is too large, at most {2**31 - 1} is supported")
    units = context.caps.compute_units
    gpu = (variant or context.caps.kind) != "cpu"
    width, group = _VECTOR[acc.compute], min(_GROUP, context.caps.max_work_group)
    wanted, least = 1, _PART
    if inner == 1:
        mode = "groups" if gpu else "rows"
        wanted = -(-units * 16 // outer)
        if gpu:
            least = group * 8
    else:
        mode = "items" if gpu else "columns"
        if gpu:
            wanted, least = -(-units * 1024 // (outer * inner)), 64
        else:
            wanted = -(-units * 4 // (outer * -(-inner // (4 * width))))
            least = max(64, 16384 // min(inner, 4 * width))
    lanes = _LANES_EXP[acc.itemsize] if op == LSE else _LANES
    parts = max(1, min(wanted, n // least, 256))
    per = n // parts
    per_item = 0
    size: tuple[int]
    local: tuple[int]
    if mode == "groups":
        size, local = (outer * parts * group,), (group,)
    elif mode == "items":
        size, local = (-(-outer * parts * inner // group) * group,), (group,)
    else:
        blocks = -(-outer * parts // lanes) if mode == "rows" else outer * parts * -(-inner // (4 * width))
        items = max(1, min(blocks, units * 8, -(-lay.numel // 8192)))
        per_item = -(-blocks // items)
        size, local = (-(-blocks // per_item),), (1,)
        per_item *= lanes if mode == "rows" else 1
    launches = []
    for phase in ("whole",) if parts == 1 else ("totals", "final"):
        name = f"scan_{op}_{phase}"
        letters = "l" * 6 + "bl" * (2 if op == REC else 1)
        if phase != "totals":
            letters += "bb" if op in (MAX, MIN) else "b"
        if phase != "whole":
            letters += "bb" if op in (MAX, MIN, REC) else "b"
        kernel = context.kernel(
            "scan", f"ct_{name}", letters,
            name=name, op=op, mode=mode, phase=phase, reverse=reverse, lag=lag, A=acc.compute,
            I=_INTEGER[acc.compute], X=t.ctype, xtag=t.tag, T=out_dtype.ctype, otag=out_dtype.tag,
            floating=acc.is_floating_point, L=lanes, W=width, G=group,
        )  # fmt: skip
        launches.append((kernel, size, local, (outer, n, inner, parts, per, per_item), phase))
    states = outer * parts * inner * acc.itemsize if parts > 1 else 0
    return launches, states, states if op in (MAX, MIN, REC) else 0


def _host(op: str, x: Any, dim: int, out_dtype: dtype, reverse: bool, a: Any, lag: int) -> Any:
    v = host_compute(x).astype(_accumulator(op, x.dtype, out_dtype).wide, copy=False)
    scalar = v.ndim == 0
    v = v.reshape(1) if scalar else v
    order = (slice(None),) * dim + (slice(None, None, -1),)
    if reverse:
        v = v[order]
    indices = None
    with np.errstate(all="ignore"):
        if op == SUM:
            r = np.cumsum(v, dim, dtype=v.dtype)
        elif op == PROD:
            r = np.cumprod(v, dim, dtype=v.dtype)
        elif op == LSE:
            r = np.logaddexp.accumulate(v, dim)
        elif op == REC:
            f = host_compute(a).reshape(v.shape)
            r = _recurrence(f[order] if reverse else f, v, dim, lag)
        else:
            r = (np.maximum if op == MAX else np.minimum).accumulate(v, dim)
            line = np.arange(v.shape[dim]).reshape([-1 if d == dim else 1 for d in range(v.ndim)])
            indices = np.maximum.accumulate(np.where((v == r) | (v != v), line, 0), dim)
    if reverse:
        r = r[order]
    found = from_host(r.reshape(x.lay.shape), out_dtype, x.device)
    return found if indices is None else (found, from_host(indices.reshape(x.lay.shape), dtypes.int64, x.device))


def _recurrence(a: np.ndarray, b: np.ndarray, dim: int, lag: int) -> np.ndarray:
    """Compute the recurrence in two levels, so that a long line takes about 2 sqrt(n) steps of NumPy."""
    a, b = np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0)
    n = b.shape[0]
    if not b.size:
        return np.moveaxis(b.copy(), 0, dim)
    per = max(1, math.isqrt(n))
    parts = -(-n // per)
    factor = np.zeros((parts * per, *b.shape[1:]), b.dtype)
    out = np.zeros_like(factor)
    factor[1:n] = a[1 - lag : n - lag]
    out[:n] = b
    factor, out = (f.reshape(parts, per, *b.shape[1:]) for f in (factor, out))
    for i in range(1, per):
        out[:, i] += factor[:, i] * out[:, i - 1]
        factor[:, i] *= factor[:, i - 1]
    for p in range(1, parts):
        carry = out[p - 1, -1]
        out[p] += np.where((carry == 0) & (factor[p] == factor[p]), 0, factor[p] * carry)
    return np.moveaxis(out.reshape(parts * per, *b.shape[1:])[:n], 0, dim)


class CumSum(Op):
    """Running sums; the gradient is the running sum from the other end."""

    name = "cumsum"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, dim: int, t: dtype, reverse: bool) -> Any:
        c.dim, c.dtype, c.reverse = dim, x.dtype, reverse
        return scan(SUM, x, dim, t, reverse)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.to_copy(m.running_sum(g, c.dim, not c.reverse), c.dtype, g.device), None, None, None


class CumProd(Op):
    """Running products.

    The derivative of out[j] by x[k] is the product of all x[i], i <= j, but x[k]. So the gradient at k is
    (product of x before k) times r[k], where r[k] = g[k] + x[k + 1] r[k + 1]: no division, so zeros need no care.
    """

    name = "cumprod"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, t: dtype) -> Any:
        out = scan(PROD, x, dim, t)
        c.dim, c.dtype = dim, x.dtype
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        x = m.to_copy(x, out.dtype, out.device)
        rest = m.recurrence(x, g, c.dim, True, 1)
        gx = m.mul(m.shifted(out, c.dim, 1.0, False), rest)
        return m.to_copy(gx, c.dtype, g.device), None, None


class LogCumSumExp(Op):
    """Running log(sum(exp)).

    The gradient at k is the sum over j >= k of g[j] exp(x[k] - out[j]), that is exp(x[k] - out[k]) r[k] with
    r[k] = g[k] + exp(out[k] - out[k + 1]) r[k + 1]: all exponents are negative, nothing overflows.
    """

    name = "logcumsumexp"

    @staticmethod
    def forward(c: Any, x: Any, dim: int) -> Any:
        out = scan(LSE, x, dim, x.dtype)
        c.dim = dim
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        if not x.lay.ndim:
            return g, None
        # where nothing but -inf came before, the difference of infinities would be NaN
        nothing = m.eq(out, -math.inf)
        floor = m.where(nothing, 0.0, out)
        decay = m.where(nothing, 0.0, m.exp(m.sub(floor, m.shifted(floor, c.dim, None, True))))
        decay = m.where(m.eq(out, math.inf), 1.0, decay)
        rest = m.recurrence(decay, g, c.dim, True, 0)
        return m.mul(m.exp(m.sub(x, floor)), rest), None


class CumExtreme(Op):
    """Running maxima or minima with their positions; the gradient adds up at the positions."""

    name = "cummax"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, op: str) -> Any:
        values, indices = scan(op, x, dim, x.dtype)
        c.dim, c.shape = dim, x.lay.shape
        c.save(indices)
        c.non_differentiable(indices)
        return values, indices

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (indices,) = c.saved
        zeros = m.expand(m.zeros((), dtype=g.dtype, device=g.device), c.shape)
        return m.scatter_add(zeros, c.dim, indices, g), None, None


class Recurrence(Op):
    """out[j] = a[j - lag] * out[j - 1] + b[j], from either end; its gradient is a recurrence from the other end."""

    name = "recurrence"

    @staticmethod
    def forward(c: Any, a: Any, b: Any, dim: int, reverse: bool, lag: int) -> Any:
        out = scan(REC, b, dim, b.dtype, reverse, a, lag)
        c.dim, c.reverse, c.lag = dim, reverse, lag
        c.save(a, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, out = c.saved
        gb = m.recurrence(a, g, c.dim, not c.reverse, 1 - c.lag)
        ga = None
        if c.needs[0]:
            # a[j - lag] meets out[j - 1] in out[j]
            if c.lag:
                ga = m.mul(m.shifted(gb, c.dim, 0.0, not c.reverse), out)
            else:
                ga = m.mul(gb, m.shifted(out, c.dim, 0.0, c.reverse))
        return ga, gb, None, None, None
