"""Operators that solve with matrices: solve, solve_triangular, inverse, det, slogdet, pseudo-inverse, least squares.

Source of the derivatives: Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation, 2008, https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
"""

from __future__ import annotations

from typing import Any

from cltorch.ops import lapack
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense


def flipped(m: Any, x: Any) -> Any:
    """Return matrices with rows and columns exchanged."""
    return m.transpose(x, -2, -1)


def adjoint(m: Any, x: Any) -> Any:
    """Return the transposes of matrices, of complex ones the conjugate transposes."""
    return m.conj(flipped(m, x))


def product(m: Any, a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False) -> Any:
    """Multiply matrices, either of which is taken as its conjugate transpose where a flag says so."""
    return m.matrix_product(m.conj(a) if adjoint_a else a, m.conj(b) if adjoint_b else b, adjoint_a, adjoint_b)


def imaginary(m: Any, x: Any) -> Any:
    """Return i times the imaginary parts."""
    return m.mul(m.sub(x, m.conj(x)), 0.5)


def sum_to(m: Any, g: Any, shape: Any) -> Any:
    """Return the gradient of an operand that was broadcast."""
    return g if tuple(g.lay.shape) == tuple(shape) else m.sum_to_size(g, shape)


class Solve(Op):
    """X of A X = B for batches of matrices that broadcast, and LAPACK's info."""

    name = "linalg_solve_ex"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, b: Any) -> Any:
        x, info = lapack.solve(a, b)
        c.shapes = a.lay.shape, b.lay.shape
        c.save(a, x)
        c.non_differentiable(info)
        return x, info

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        a, x = c.saved
        gb = m.solve_matrices(adjoint(m, a), g)[0]
        ga = sum_to(m, m.neg(product(m, gb, x, False, True)), c.shapes[0]) if c.needs[0] else None
        return ga, sum_to(m, gb, c.shapes[1])


class SolveTriangular(Op):
    """X of A X = B for triangular matrices A."""

    name = "linalg_solve_triangular"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, b: Any, upper: bool, unit: bool, by_rows: bool = False) -> Any:
        x = lapack.solve_triangular(a, b, upper, unit)
        if by_rows:  # what is flipped lies by columns then, as all solutions do
            x = dense(x)
        c.upper, c.unit, c.shapes = upper, unit, (a.lay.shape, b.lay.shape)
        c.save(a, x)
        return x

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, x = c.saved
        gb = m.solve_triangle(adjoint(m, a), g, not c.upper, c.unit)
        ga = None
        if c.needs[0]:
            ga = m.neg(product(m, gb, x, False, True))
            ga = m.triu(ga, int(c.unit)) if c.upper else m.tril(ga, -int(c.unit))
            ga = sum_to(m, ga, c.shapes[0])
        return ga, sum_to(m, gb, c.shapes[1]), None, None


class CholeskySolve(Op):
    """X of L Lᴴ X = B, or with ``upper`` of Lᴴ L X = B; the gradient is that of whole matrices L, as in PyTorch."""

    name = "cholesky_solve"
    complex = True
    places = (1, 0)

    @staticmethod
    def forward(c: Any, factor: Any, b: Any, upper: bool) -> Any:
        x = lapack.cholesky_solve(factor, b, upper)
        c.upper, c.shapes = upper, (factor.lay.shape, b.lay.shape)
        c.save(factor, x)
        return x

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        factor, x = c.saved
        gb = m.cholesky_solve(g, factor, c.upper)
        given = None
        if c.needs[0]:
            both = product(m, gb, x, False, True)
            both = m.neg(m.add(both, adjoint(m, both)))
            given = sum_to(m, m.matmul(factor, both) if c.upper else m.matmul(both, factor), c.shapes[0])
        return given, sum_to(m, gb, c.shapes[1]), None


class Inverse(Op):
    """The inverse of square matrices, and LAPACK's info."""

    name = "linalg_inv_ex"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any) -> Any:
        y, info = lapack.inv(a)
        c.save(y)
        c.non_differentiable(info)
        return y, info

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (y,) = c.saved
        return m.neg(product(m, product(m, y, g, True, False), y, False, True))


class Det(Op):
    """Determinants; the first derivative also holds for singular matrices, the second does not."""

    name = "linalg_det"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any) -> Any:
        d = lapack.det(a)
        c.save(a, d)
        return d

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, d = c.saved
        if m.is_grad_enabled():
            return m.mul(_spread(m, m.mul(g, m.conj(d))), adjoint(m, m.linalg_inv(a)))
        return m.mul(_spread(m, g), lapack.cofactors(a))


class Slogdet(Op):
    """The sign of determinants and the logarithm of their absolute values."""

    name = "linalg_slogdet"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any) -> Any:
        sign, log = lapack.slogdet(a)
        c.save(a, sign)
        return sign, log

    @staticmethod
    def vjp(m: Any, c: Any, g_sign: Any, g: Any) -> Any:
        a, sign = c.saved
        if g_sign is not None and a.dtype.is_complex:  # a sign turns as the determinant's angle does
            turn = imaginary(m, m.mul(m.conj(g_sign), sign))
            g = m.neg(turn) if g is None else m.sub(g, turn)
        if g is None:  # the sign of a real determinant does not move
            return m.zeros_like(a)
        return m.mul(_spread(m, g), adjoint(m, m.linalg_inv_ex(a)[0]))


def _spread(m: Any, g: Any) -> Any:
    return m.reshape(g, (*g.lay.shape, 1, 1))


class Pinv(Op):
    """The Moore-Penrose pseudo-inverse.

    Source of the derivative: Golub and Pereyra, SIAM J. Numer. Anal. 10(2), 1973, equation (4.12)
    """

    name = "linalg_pinv"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
        p = lapack.pinv(a, atol, rtol, hermitian)
        c.save(a, p)
        return p

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, p = c.saved
        return pinv_gradient(m, g, a, p), None, None, None


def pinv_gradient(m: Any, g: Any, a: Any, p: Any) -> Any:
    """Return the gradient of A where ``g`` is that of its pseudo-inverse P.

    dP = - P dA P + P Pᴴ dAᴴ (I - A P) + (I - P A) dAᴴ Pᴴ P
    """
    first = product(m, product(m, p, g, True, False), p, False, True)
    gp = product(m, g, p, True, False)  # gᴴ P, rows of A by rows of A
    second = product(m, m.sub(gp, product(m, a, product(m, p, gp))), p, False, True)
    pg = product(m, p, g, False, True)  # P gᴴ, columns of A by columns of A
    third = product(m, p, m.sub(pg, product(m, product(m, pg, p), a)), True, False)
    return m.add(m.sub(second, first), third)


class Lstsq(Op):
    """The least squares solution of A X = B, the rank of A and its singular values."""

    name = "linalg_lstsq"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, b: Any, rcond: float | None, driver: str) -> Any:
        x, rank, s = lapack.lstsq(a, b, rcond, driver)
        c.shapes = a.lay.shape, b.lay.shape
        c.save(a, b)
        c.non_differentiable(rank, s)
        return x, rank, s

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, *_: Any) -> Any:
        a, b = c.saved
        p = m.linalg_pinv(a)
        ga = gb = None
        if c.needs[0]:
            ga = sum_to(m, pinv_gradient(m, product(m, g, b, False, True), a, p), c.shapes[0])
        if c.needs[1]:
            gb = sum_to(m, product(m, p, g, True, False), c.shapes[1])
        return ga, gb, None, None
