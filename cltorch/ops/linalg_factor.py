"""Operators that factor matrices: Cholesky, LU, QR, LDL, and their derivatives.

Source of the derivatives: Murray, Differentiation of the Cholesky decomposition, 2016,
https://arxiv.org/abs/1602.07527; Walter and Lehmann, Algorithmic differentiation of linear algebra functions with
application in optimum experimental design, 2010, https://arxiv.org/abs/1001.1654
"""

from __future__ import annotations

from typing import Any

from cltorch.ops import lapack
from cltorch.ops.linalg_solve import adjoint, product
from cltorch.ops.op import Op


class Cholesky(Op):
    """L of A = L Lᴴ or U of A = Uᴴ U, and LAPACK's info; the gradient is that of A's lower triangle, spread evenly."""

    name = "linalg_cholesky_ex"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, upper: bool) -> Any:
        x, info = lapack.cholesky(a, upper)
        c.upper = upper
        c.save(x)
        c.non_differentiable(info)
        return x, info

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (x,) = c.saved
        if c.upper:
            x, g = adjoint(m, x), adjoint(m, g)
        phi = m.tril(product(m, x, g, True, False))
        # as in PyTorch the diagonal of complex matrices need not be real, though L's always is
        phi = m.mul(m.add(phi, adjoint(m, m.tril(phi, -1))), 0.5)
        once = m.solve_triangle(adjoint(m, x), phi, True, False)
        return adjoint(m, m.solve_triangle(adjoint(m, x), adjoint(m, once), True, False)), None


def _hermitian(m: Any, x: Any) -> Any:
    """Return the Hermitian matrices that have x's upper triangles, with real diagonals."""
    above = m.triu(x, 1)
    both = m.add(above, adjoint(m, above))
    return m.add(both, m.diag_embed(m.real_part(m.diagonal(x, 0, -2, -1))))


class LU(Op):
    """Both factors of A = P L U in one matrix, the pivots, and LAPACK's info."""

    name = "linalg_lu_factor_ex"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, pivot: bool) -> Any:
        lu, pivots, info = lapack.lu_factor(a, pivot)
        c.save(lu, pivots)
        c.non_differentiable(pivots, info)
        return lu, pivots, info

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, *_: Any) -> Any:
        lu, pivots = c.saved
        rows, columns = lu.lay.shape[-2:]
        k = min(rows, columns)
        if columns > k:  # A = P L (U1 | U2)
            first, rest = m.narrow(lu, -1, 0, k), m.narrow(lu, -1, k, columns - k)
            g_rest = m.solve_triangle(adjoint(m, first), m.narrow(g, -1, k, columns - k), True, True)
            g_lower = m.sub(m.narrow(g, -1, 0, k), m.tril(product(m, g_rest, rest, False, True), -1))
            ga = m.cat([_square(m, first, g_lower), g_rest], -1)
        elif rows > k:  # A = P (L1; L2) U
            first, rest = m.narrow(lu, -2, 0, k), m.narrow(lu, -2, k, rows - k)
            g_rest = _over_upper(m, m.narrow(g, -2, k, rows - k), first)
            g_upper = m.sub(m.narrow(g, -2, 0, k), m.triu(product(m, rest, g_rest, True, False)))
            ga = m.cat([_square(m, first, g_upper), g_rest], -2)
        else:
            ga = _square(m, lu, g)
        return m.take_rows(ga, m.pivot_rows(pivots, rows)[1]), None


def _square(m: Any, lu: Any, g: Any) -> Any:
    """Return L⁻ᴴ (strict lower part of Lᴴ gL + upper part of gU Uᴴ) U⁻ᴴ."""
    n = lu.lay.shape[-1]
    lower = m.add(m.tril(lu, -1), m.eye(n, dtype=lu.dtype, device=lu.device))
    inside = m.add(
        m.tril(product(m, lower, m.tril(g, -1), True, False), -1),
        m.triu(product(m, m.triu(g), m.triu(lu), False, True)),
    )
    return _over_upper(m, m.solve_triangle(adjoint(m, lu), inside, True, True), lu)


def _over_upper(m: Any, x: Any, lu: Any) -> Any:
    """Return x U⁻ᴴ."""
    return adjoint(m, m.solve_triangle(lu, adjoint(m, x), True, False))


class QR(Op):
    """Q and R of A = Q R in NumPy's modes reduced, complete and r."""

    name = "linalg_qr"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, mode: str) -> Any:
        q, r = lapack.qr(a, mode)
        c.mode, c.shape = mode, a.lay.shape
        c.save(q, r)
        if mode == "r":
            c.non_differentiable(q)
        return q, r

    @staticmethod
    def vjp(m: Any, c: Any, gq: Any, gr: Any) -> Any:
        q, r = c.saved
        rows, columns = c.shape[-2:]
        if c.mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
            )
        if c.mode == "complete" and rows > columns:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
            )  # fmt: skip
        if columns <= rows:
            return _thin(m, q, r, gq, gr), None
        # A = Q (R1 | R2): R2 = Qᴴ A2 adds to the gradient of Q
        first, rest = m.narrow(r, -1, 0, rows), m.narrow(r, -1, rows, columns - rows)
        g_first = g_rest = None
        if gr is not None:
            g_first, g_rest = m.narrow(gr, -1, 0, rows), m.narrow(gr, -1, rows, columns - rows)
            more = product(m, q, product(m, rest, g_rest, False, True))
            gq = more if gq is None else m.add(gq, more)
        g_first = _thin(m, q, first, gq, g_first)
        g_rest = m.zeros_like(rest) if g_rest is None else product(m, q, g_rest)
        return m.cat([g_first, g_rest], -1), None


def _thin(m: Any, q: Any, r: Any, gq: Any, gr: Any) -> Any:
    """Return the gradient of A with no more columns than rows: (gQ + Q sym(triu(gR Rᴴ - Qᴴ gQ))) R⁻ᴴ."""
    inside = None
    if gr is not None:
        inside = product(m, gr, r, False, True)
    if gq is not None:
        term = product(m, q, gq, True, False)
        inside = m.neg(term) if inside is None else m.sub(inside, term)
    g = product(m, q, _hermitian(m, inside))
    if gq is not None:
        g = m.add(g, gq)
    return adjoint(m, m.solve_triangle(r, adjoint(m, g), True, False))


class LDL(Op):
    """L and D of A = L D Lᵀ or L D Lᴴ in one matrix, the pivots, and LAPACK's info; PyTorch gives it no derivative."""

    name = "linalg_ldl_factor_ex"
    complex = True
    node = "NotImplemented"

    @staticmethod
    def forward(c: Any, a: Any, hermitian: bool) -> Any:
        ld, pivots, info = lapack.ldl_factor(a, hermitian)
        c.non_differentiable(pivots, info)
        return ld, pivots, info

    @staticmethod
    def vjp(m: Any, c: Any, *_: Any) -> Any:
        raise RuntimeError("derivative for aten::linalg_ldl_factor_ex is not implemented")


class LDLSolve(Op):
    """X of A X = B from the factors L and D of A."""

    name = "linalg_ldl_solve"
    complex = True
    node = "NotImplemented"

    @staticmethod
    def forward(c: Any, ld: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
        return lapack.ldl_solve(ld, pivots, b, hermitian)

    @staticmethod
    def vjp(m: Any, c: Any, *_: Any) -> Any:
        raise RuntimeError("derivative for aten::linalg_ldl_solve is not implemented")


class Geqrf(Op):
    """R over the vectors of Householder's reflectors, and their factors tau; PyTorch gives it no derivative."""

    name = "geqrf"
    complex = True
    node = "NotImplemented"

    @staticmethod
    def forward(c: Any, a: Any) -> Any:
        return lapack.geqrf(a)

    @staticmethod
    def vjp(m: Any, c: Any, *_: Any) -> Any:
        raise RuntimeError("derivative for aten::geqrf is not implemented")
