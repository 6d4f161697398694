"""The geometry of a matrix product, as the launch plans of every kind of device read it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

from cltorch.layout import Layout, coalesce
from cltorch.shapes import broadcast_shapes

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
    lay: Layout
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
