"""Matrix products of Arrays: geometry, the host's path, and the launch plans of devices, kept by shape.

``product`` is the one entry. What runs on a device is decided once per geometry (``gemm_cpu``, ``gemm_gpu``,
``gemm_vector``) and kept as a plan in the context, so that a call is one dictionary lookup and one launch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.layout import Layout, broadcast_shapes, coalesce
from cltorch.ops import gemm_cpu, gemm_gpu, gemm_vector
from cltorch.ops.array import Array, empty, from_host, host_compute

_LIMIT = 2**31


@dataclass(frozen=True)
class Problem:
    """The geometry of alpha * A @ B + beta * I with A (batch, M, K), B (batch, K, N) and a dense result.

    Strides count elements. The batch is walked as two dimensions: index z stands for (z // inner, z % inner), with
    strides (0 for a broadcast operand) in the pairs ``*_batch``. What does not fit two dimensions is in ``repeats``:
    offsets of A, B, I and C, one launch each.
    """

    m: int
    n: int
    k: int
    a_row: int
    a_k: int
    b_k: int
    b_n: int
    i_row: int
    i_col: int
    batch: int
    inner: int
    a_batch: tuple[int, int]
    b_batch: tuple[int, int]
    i_batch: tuple[int, int]
    addend: bool
    layout: Layout
    repeats: tuple[tuple[int, int, int, int], ...]

    @staticmethod
    def of(a: Layout, b: Layout, addend: Layout | None, transpose_a: bool, transpose_b: bool) -> Problem:
        """Describe the product of two layouts of at least two dimensions each."""
        if transpose_a:
            a = a.transpose(-2, -1)
        if transpose_b:
            b = b.transpose(-2, -1)
        (m, k), n = a.shape[-2:], b.shape[-1]
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        out = Layout.of((*batch, m, n))
        i = (addend if addend is not None else Layout((), ())).expand(out.shape)
        rows = [*a.expand((*batch, m, k)).strides[:-2], a.strides[-2]]
        others = [0] * len(batch)
        if b.ndim == 2 and batch and m > 0:
            # every matrix of the batch meets the same B: where A's rows follow each other evenly, it is one tall matrix
            sizes, (tall, wide) = coalesce((*batch, m), rows, i.strides[:-1])
            if len(sizes) == 1:
                return Problem._make(
                    sizes[0],
                    n,
                    k,
                    (tall[0], a.strides[-1]),
                    b.strides,
                    (wide[0], i.strides[-1]),
                    [],
                    [],
                    [],
                    [],
                    addend,
                    out,
                )
        else:
            others = list(b.expand((*batch, k, n)).strides[:-2])
        sizes, (sa, sb, si) = coalesce(batch, rows[:-1], others, i.strides[:-2])
        return Problem._make(m, n, k, a.strides[-2:], b.strides[-2:], i.strides[-2:], sizes, sa, sb, si, addend, out)

    @staticmethod
    def _make(
        m: int, n: int, k: int, a: Any, b: Any, i: Any, sizes: list[int], sa: list[int], sb: list[int], si: list[int],
        addend: Layout | None, out: Layout,
    ) -> Problem:  # fmt: skip
        for size in (m, n, k):
            if size >= _LIMIT:
                raise RuntimeError(
                    f"matrix product: a dimension of {size} is too large, at most {_LIMIT - 1} is supported"
                )
        sizes, sa, sb, si = ([fill] * (2 - len(s)) + s for fill, s in ((1, sizes), (0, sa), (0, sb), (0, si)))
        *outer, n0, n1 = sizes
        each = n0 * n1 * m * n
        repeats = tuple(
            (_offset(at, sa), _offset(at, sb), _offset(at, si), number * each)
            for number, at in enumerate(cartesian(*map(range, outer)))
        )
        return Problem(
            m,
            n,
            k,
            a[0],
            a[1],
            b[0],
            b[1],
            i[0],
            i[1],
            n0 * n1,
            n1,
            (sa[-2], sa[-1]),
            (sb[-2], sb[-1]),
            (si[-2], si[-1]),
            addend is not None,
            out,
            repeats,
        )


def _offset(at: tuple[int, ...], strides: list[int]) -> int:
    """Return the offset of a place given by the first indices of a batch."""
    return sum(x * s for x, s in zip(at, strides, strict=False))


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
    dev = a.storage.device
    if dev.type == "cpu":
        return _on_host(a, b, addend, alpha, beta, transpose_a, transpose_b)
    context = dev.context
    key = (
        "product",
        t,
        a.layout.key,
        b.layout.key,
        None if addend is None else addend.layout.key,
        transpose_a,
        transpose_b,
    )
    plan = context.ready.get(key)
    if plan is None:
        third = None if addend is None else addend.layout
        plan = context.ready[key] = make_plan(context, t, a.layout, b.layout, third, transpose_a, transpose_b)
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
    dev = context.device
    if p.layout.numel == 0:
        return lambda a, b, addend, alpha, beta: empty(p.layout.shape, t, dev)
    gpu = (variant or context.caps.kind) != "cpu"
    if p.m == 1 or p.n == 1:
        run = gemm_vector.plan(context, p, t, gpu)
    else:
        run = (gemm_gpu if gpu else gemm_cpu).plan(context, p, t)
    layout, nbytes = p.layout, p.layout.numel * t.itemsize
    alloc, new = context.alloc, Array.new
    whole = t.kind in "ui"

    def call(a: Any, b: Any, addend: Any, alpha: Any, beta: Any) -> Any:
        out = alloc(nbytes)
        if whole:
            alpha, beta = int(alpha), int(beta)
        a_buf, b_buf, a_off, b_off = a.storage.buf, b.storage.buf, a.layout.offset, b.layout.offset
        i_buf, i_off = (out.buf, 0) if addend is None else (addend.storage.buf, addend.layout.offset)
        for da, db, di, dc in p.repeats:
            run(a_buf, b_buf, out.buf, i_buf, a_off + da, b_off + db, dc, i_off + di, alpha, beta)
        return new(out, layout, t)

    return call


def _on_host(a: Any, b: Any, addend: Any, alpha: Any, beta: Any, transpose_a: bool, transpose_b: bool) -> Any:
    x, y = host_compute(a), host_compute(b)
    if transpose_a:
        x = np.swapaxes(x, -2, -1)
    if transpose_b:
        y = np.swapaxes(y, -2, -1)
    t = a.dtype
    with np.errstate(all="ignore"):
        r = np.matmul(x, y)
        scale = r.dtype.type
        if alpha != 1:
            r *= scale(alpha)
        if addend is not None:
            i = host_compute(addend)
            r += i if beta == 1 else i * scale(beta)
    return from_host(r, t, a.storage.device)
