"""Matrix products of Arrays: geometry, the host's path, and the launch plans of devices, kept by shape.

``product`` is the one entry. What runs on a device is decided once per geometry (``gemm_cpu``, ``gemm_gpu``,
``gemm_vector``) and kept as a plan in the context, so that a call is one dictionary lookup and one launch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.dtypes import dtype, float32
from cltorch.layout import Layout
from cltorch.ops import gemm_cpu, gemm_gpu, gemm_vector
from cltorch.ops.array import Array, empty, from_host, host_compute, view
from cltorch.ops.complex_formula import part, real_layout
from cltorch.ops.evaluate import Formula, compute_dtype, run, run_into
from cltorch.ops.gemm_problem import Problem
from cltorch.ops.quiet import silent
from cltorch.ops.strided import cast, copy_into

# rows of each matrix of a batch, below which all of them are copied to be those of one where they meet the same matrix
_FEW = 32


def product(
    a: Any,
    b: Any,
    addend: Any = None,
    alpha: float = 1,
    beta: float = 1,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> Any:
    """Return ``alpha * a @ b + beta * addend`` as a new Array.

    ``a`` is (…, M, K) and ``b`` (…, K, N) (or each with its last two dimensions exchanged, as the flags say); leading
    dimensions broadcast, the addend broadcasts to the result. All have one dtype and one device, which the caller has
    checked. float16 and bfloat16 accumulate in float32; integers wrap.
    """
    if beta == 0:
        addend = None  # as in PyTorch, NaN and infinity in it do not matter then
    t = a.dtype
    dev = a._storage.device
    if dev.type == "cpu":
        return _on_host(a, b, addend, alpha, beta, transpose_a, transpose_b)
    if t.few:  # as the halves, by a copy of the operands
        addend = None if addend is None else cast(addend, float32)
        wide = product(cast(a, float32), cast(b, float32), addend, alpha, beta, transpose_a, transpose_b)
        return cast(wide, t)
    if t.is_complex:
        return _of_parts(a, b, addend, alpha, beta, transpose_a, transpose_b)
    context = dev.context
    key = (
        "product",
        t,
        a.lay.key,
        b.lay.key,
        None if addend is None else addend.lay.key,
        transpose_a,
        transpose_b,
    )
    plan = context.ready.get(key)
    if plan is None:
        third = None if addend is None else addend.lay
        plan = context.ready[key] = make_plan(context, t, a.lay, b.lay, third, transpose_a, transpose_b)
    return plan(a, b, addend, alpha, beta)


Plan = Callable[[Any, Any, Any, Any, Any], Any]


def make_plan(
    context: Any,
    t: dtype,
    a: Layout,
    b: Layout,
    addend: Layout | None,
    transpose_a: bool,
    transpose_b: bool,
    variant: str = "",
) -> Plan:
    """Choose and prepare the launches of a product; ``variant`` ("cpu", "gpu") overrides the device's kind."""
    p = Problem.of(a, b, addend, transpose_a, transpose_b)
    if len(b.shape) == 2 and p.m < _FEW and p.batch > 1:
        dense = Layout.of((a.transpose(-2, -1) if transpose_a else a).shape)
        if Problem.of(dense, b, addend, False, transpose_b).batch == 1:
            return _of_copy(make_plan(context, t, dense, b, addend, False, transpose_b, variant), transpose_a)
    dev = context.device
    if p.lay.numel == 0:
        return lambda a, b, addend, alpha, beta: empty(p.lay.shape, t, dev)
    gpu = (variant or context.caps.kind) != "cpu"
    if p.m == 1 or p.n == 1:
        run = gemm_vector.plan(context, p, t, gpu)
    else:
        run = (gemm_gpu if gpu else gemm_cpu).plan(context, p, t)
    layout, nbytes = p.lay, p.lay.numel * t.itemsize
    alloc, new = context.alloc, Array.new
    whole = t.family in "ui"

    def call(a: Any, b: Any, addend: Any, alpha: Any, beta: Any) -> Any:
        out = alloc(nbytes)
        if whole:
            alpha, beta = int(alpha), int(beta)
        a_buf, b_buf, a_off, b_off = a._storage.buf, b._storage.buf, a.lay.offset, b.lay.offset
        i_buf, i_off = (out.buf, 0) if addend is None else (addend._storage.buf, addend.lay.offset)
        for da, db, di, dc in p.repeats:
            run(a_buf, b_buf, out.buf, i_buf, a_off + da, b_off + db, dc, i_off + di, alpha, beta)
        return new(out, layout, t)

    return call


def _of_copy(plan: Plan, transpose_a: bool) -> Plan:
    """Return a plan that copies ``a``, so that the few rows of each of its matrices are rows of one tall matrix."""

    def call(a: Any, b: Any, addend: Any, alpha: Any, beta: Any) -> Any:
        rows = view(a, a.lay.transpose(-2, -1)) if transpose_a else a
        tall = empty(rows.lay.shape, a.dtype, a._storage.device)
        copy_into(tall, rows)
        return plan(tall, b, addend, alpha, beta)

    return call


_ROTATED = Formula("complex_rotated", lambda m, re, im: (re, im, -im, re))
_SCALED = Formula("complex_scaled", lambda m, r, i, alpha, beta: r * alpha + i * beta, params=2)


def _of_parts(a: Any, b: Any, addend: Any, alpha: Any, beta: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """Return a product of complex numbers: one of real matrices.

    The first is ``a`` as it lies in memory, with both parts of a number next to each other; in the second each row of
    ``b`` is followed by i times that row. (Three products of parts would be fewer operations, but their sums and
    differences lose digits of the smaller part.)
    """
    a, b = (view(x, x.lay.transpose(-2, -1)) if flag else x for x, flag in ((a, transpose_a), (b, transpose_b)))
    if a.lay.strides[-1] != 1:
        rows = empty(a.lay.shape, a.dtype, a.device)
        copy_into(rows, a)
        a = rows
    t, (*batch, k, n) = a.dtype.to_real(), b.lay.shape
    rotated = empty((*batch, k, 2, n, 2), t, a.device)
    steps, two_n = rotated.lay.strides, 2 * n
    quarters = [
        view(rotated, Layout.make(b.lay.shape, (*steps[:-4], steps[-4], 2), two_n * turn + which))
        for turn in (0, 1)
        for which in (0, 1)
    ]
    run_into(_ROTATED, compute_dtype(t), [part(b, 0), part(b, 1)], (), quarters, True)
    lay = real_layout(a.lay)
    rows = view(rotated, Layout.of((*batch, 2 * k, two_n)))
    pairs = Layout.make((*lay.shape[:-2], 2 * lay.shape[-2]), lay.strides[:-2] + (1,), lay.offset)
    r = product(Array.new(a._storage, pairs, t), rows)
    r = Array.new(r._storage, Layout.of((*r.lay.shape[:-1], n)), a.dtype)
    if addend is not None:
        return run(_SCALED, a.dtype, [r, addend], [alpha, beta], [a.dtype], r.lay.shape)[0]
    if alpha != 1:
        return run(_SCALED, a.dtype, [r, 0], [alpha, 0], [a.dtype], r.lay.shape)[0]
    return r


@silent
def _on_host(a: Any, b: Any, addend: Any, alpha: Any, beta: Any, transpose_a: bool, transpose_b: bool) -> Any:
    x, y = host_compute(a), host_compute(b)
    if transpose_a:
        x = x.swapaxes(-2, -1)
    if transpose_b:
        y = y.swapaxes(-2, -1)
    t = a.dtype
    r = np.matmul(x, y)
    scale = r.dtype.type
    if alpha != 1:
        r *= scale(alpha)
    if addend is not None:
        i = host_compute(addend)
        r += i if beta == 1 else i * scale(beta)
    return from_host(r, t, a._storage.device)
