"""Shapes and kinds of what decompositions and solvers of matrices return, for tensors on the meta device.

Each takes what its namesake in ``lapack.py`` takes, Arrays in place of NumPy's, and returns a pair for every result
(see ``on_host``). The shape (0,) is that of results which nobody asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.shapes import broadcast_shapes

Forms = list[tuple[Sequence[int], str]]


def same(a: Any, *_: Any) -> Forms:
    """Return the form of one result like the operand."""
    return [(a.shape, "x")]


def same_and_info(a: Any, *_: Any) -> Forms:
    """Return the forms of a result like the operand, and of one number for each matrix."""
    return [(a.shape, "x"), (a.shape[:-2], "i")]


def _batch(a: Any, b: Any) -> Sequence[int]:
    return broadcast_shapes(a.shape[:-2], b.shape[:-2])


def solved(a: Any, b: Any, *_: Any) -> Forms:
    """Return the form of X in A X = B."""
    return [((*_batch(a, b), *b.shape[-2:]), "x")]


def solve(a: Any, b: Any) -> Forms:
    """Return those of X and of one number for each matrix."""
    return [*solved(a, b), (a.shape[:-2], "i")]


def ldl_solve(ld: Any, pivots: Any, b: Any, hermitian: bool) -> Forms:
    """Return the form of X, before which the pivots stand."""
    return solved(ld, b)


def lu_factor(a: Any, pivot: bool) -> Forms:
    """Return those of LU, the pivots and one number for each matrix."""
    batch = a.shape[:-2]
    return [(a.shape, "x"), ((*batch, min(a.shape[-2:])), "i"), (batch, "i")]


def permutation(pivots: Any, rows: int) -> Forms:
    """Return those of two orders of rows."""
    return [((*pivots.shape[:-1], rows), "l")] * 2


def det(a: Any) -> Forms:
    """Return the form of one number for each matrix."""
    return [(a.shape[:-2], "x")]


def slogdet(a: Any) -> Forms:
    """Return those of signs and logarithms."""
    return [(a.shape[:-2], "x"), (a.shape[:-2], "f")]


def eigh(a: Any, uplo: Any, vectors: bool) -> Forms:
    """Return those of real eigenvalues and of eigenvectors."""
    return [(a.shape[:-1], "f"), (a.shape if vectors else (0,), "x")]


def eig(a: Any, vectors: bool) -> Forms:
    """Return those of complex eigenvalues and eigenvectors."""
    return [(a.shape[:-1], "c"), (a.shape if vectors else (0,), "c")]


def ldl_factor(a: Any, hermitian: bool) -> Forms:
    """Return those of LD, the pivots and one number for each matrix."""
    return [(a.shape, "x"), (a.shape[:-1], "i"), (a.shape[:-2], "i")]


def qr(a: Any, mode: Any) -> Forms:
    """Return those of Q and R."""
    *batch, m, n = a.shape
    k = m if mode == "complete" else min(m, n)
    return [((0,) if mode == "r" else (*batch, m, k), "x"), ((*batch, k, n), "x")]


def geqrf(a: Any) -> Forms:
    """Return those of R over the reflectors and of their factors."""
    return [(a.shape, "x"), ((*a.shape[:-2], min(a.shape[-2:])), "x")]


def svd(a: Any, full_matrices: bool, vectors: bool) -> Forms:
    """Return those of U, S and Vh."""
    *batch, m, n = a.shape
    k = min(m, n)
    left, right = (m, n) if full_matrices else (k, k)
    none = (0,)
    return [
        ((*batch, m, left) if vectors else none, "x"),
        ((*batch, k), "f"),
        ((*batch, right, n) if vectors else none, "x"),
    ]


def pinv(a: Any, *_: Any) -> Forms:
    """Return the form of transposed matrices."""
    *batch, m, n = a.shape
    return [((*batch, n, m), "x")]


def lstsq(a: Any, b: Any, rcond: float | None, driver: str) -> Forms:
    """Return those of X, the ranks and the singular values."""
    batch = _batch(a, b)
    none = 0 in (*batch, *a.shape[-2:])
    k = 0 if none else min(a.shape[-2:])
    return [((*batch, a.shape[-1], b.shape[-1]), "x"), (batch, "l"), ((*batch, k), "f")]
