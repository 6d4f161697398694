"""Solutions of systems of linear equations and inverses, under their names in torch.linalg and in torch.

Triangles are solved, matrices factored and inverted on the host (see ``set_host_fallback``), in float32 or float64.
Source: https://docs.pytorch.org/docs/2.13/linalg.html#solvers
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.complex_parts import conj
from cltorch.functions.create import eye
from cltorch.functions.linalg_check import (
    SINGULAR,
    UNSOLVABLE,
    also_named,
    batch_together,
    flip,
    need_fitting,
    need_full,
    need_matrix,
    need_same,
    need_square,
    raise_failure,
    store_all,
    store_one,
)
from cltorch.functions.linalg_factor import pivot_rows, take_rows
from cltorch.functions.parts import diagonal
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import expand, movedim, reshape, squeeze, unsqueeze
from cltorch.ops import linalg_factor as factor
from cltorch.ops import linalg_solve as ops
from cltorch.ops.array import values
from cltorch.ops.lapack import LinAlgError

__all__ = [
    "cholesky_inverse", "cholesky_solve", "inverse", "linalg_inv", "linalg_inv_ex", "linalg_ldl_solve",
    "linalg_lu_solve", "linalg_solve", "linalg_solve_ex", "linalg_solve_triangular", "linalg_tensorinv",
    "linalg_tensorsolve", "lu_solve", "solve_matrices", "solve_triangle", "triangular_solve",
]  # fmt: skip

solve_ex_return = result_class("linalg_solve_ex", "result", "info")
inv_ex_return = result_class("linalg_inv_ex", "inverse", "info")
triangular_solve_return = result_class("triangular_solve", "solution", "cloned_coefficient")


def solve_matrices(A: Any, B: Any) -> tuple[Any, Any]:
    """Return (X, info) of A X = B for batches of matrices that broadcast."""
    return apply(ops.Solve, A, B)


def solve_triangle(A: Any, B: Any, upper: bool, unit: bool) -> Any:
    """Return X of A X = B for triangular matrices, of which only that triangle is read."""
    return apply(ops.SolveTriangular, A, B, upper, unit)


# ---- general matrices --------------------------------------------------------------------------------------------
def is_vector(A: Any, B: Any) -> bool:
    """Return whether B is a batch of vectors to a batch of matrices A, as PyTorch decides it."""
    n = B.layout.ndim
    return n == 1 or (A.layout.ndim - 1 == n and tuple(B.layout.shape) == tuple(A.layout.shape[:-1]))


def _solve(A: Any, B: Any, left: bool) -> tuple[Any, Any]:
    name = "linalg.solve"
    need_square(name, A)
    need_array(name, "B", 2, B)
    need_same(name, A, B)
    need_full(name, A, "lu_cpu")
    vector = is_vector(A, B)
    if vector:
        B = unsqueeze(B, -1)
    need_matrix(name, B, "B")
    need_fitting(name, A, B, left)
    if left:
        X, info = solve_matrices(A, B)
    else:
        X, info = solve_matrices(flip(A), flip(B))
        X = flip(X)
    return (squeeze(X, -1) if vector else X), info


def linalg_solve(A: Any, B: Any, *, left: bool = True, out: Any = None) -> Any:
    """Return X of A X = B, or without ``left`` of X A = B, for square matrices A; B holds matrices or vectors.

    Raises LinAlgError where a matrix is singular.
    Shape: (*, n, n) and (*, n, k) or (*, n) to the second's.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.solve.html

    >>> import cltorch as torch
    >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    X, info = _solve(A, B, left)
    raise_failure("torch.linalg.solve", info, UNSOLVABLE)
    return store_one("linalg_solve", out, X)


def linalg_solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """Return (result, info); ``info`` (int32) is not zero for singular matrices, whose result is NaN.

    Shape: (*, n, n) and (*, n, k) or (*, n) to the second's, and (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.solve_ex.html

    >>> import cltorch as torch
    >>> torch.linalg.solve_ex(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.ones(2)).result
    tensor([0.5000, 0.2500])
    """
    results = _solve(A, B, left)
    if check_errors:
        raise_failure("torch.linalg.solve_ex", results[1], UNSOLVABLE)
    return store_all("linalg_solve_ex", solve_ex_return, out, results)


def _inv(A: Any) -> tuple[Any, Any]:
    need_square("linalg.inv", A)
    need_full("linalg.inv", A)
    return apply(ops.Inverse, A)


def linalg_inv(A: Any, *, out: Any = None) -> Any:
    """Return the inverse of square matrices; raise LinAlgError where one is singular.

    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.inv.html

    >>> import cltorch as torch
    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    result, info = _inv(A)
    raise_failure("linalg.inv", info, SINGULAR)
    return store_one("linalg_inv", out, result)


def linalg_inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:
    """Return (inverse, info); ``info`` (int32) is not zero for singular matrices, whose inverse is NaN.

    Shape: (*, n, n) to the same and (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.inv_ex.html

    >>> import cltorch as torch
    >>> torch.linalg.inv_ex(torch.tensor([[2.0, 0.0], [0.0, 4.0]])).inverse
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    results = _inv(A)
    if check_errors:
        raise_failure("linalg.inv_ex", results[1], SINGULAR)
    return store_all("linalg_inv_ex", inv_ex_return, out, results)


def inverse(input: Any, *, out: Any = None) -> Any:
    """Return the inverse of square matrices; the other name of ``torch.linalg.inv``.

    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.inverse.html

    >>> import cltorch as torch
    >>> torch.inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return linalg_inv(input, out=out)


# ---- triangles ---------------------------------------------------------------------------------------------------
def _triangular(A: Any, B: Any, upper: bool, left: bool, unit: bool) -> Any:
    if left:
        return solve_triangle(A, B, upper, unit)
    return flip(solve_triangle(flip(A), flip(B), not upper, unit))


def linalg_solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None
) -> Any:
    """Return X of A X = B, or without ``left`` of X A = B, for triangular A, of which only that triangle is read.

    With ``unitriangular`` the diagonal counts as ones. A zero on the diagonal gives infinities and NaN.
    Shape: (*, n, n) and (*, n, k) to (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.solve_triangular.html

    >>> import cltorch as torch
    >>> torch.linalg.solve_triangular(torch.tensor([[2.0, 1.0], [0.0, 4.0]]), torch.ones(2, 1), upper=True)
    tensor([[0.3750],
            [0.2500]])
    """
    name = "linalg.solve_triangular"
    need_square(name, A)
    need_matrix(name, B, "B")
    need_same(name, A, B)
    need_full(name, A, "triangular_solve_cpu")
    need_fitting(name, A, B, left)
    return store_one("linalg_solve_triangular", out, _triangular(A, B, bool(upper), left, bool(unitriangular)))


def _copied(A: Any, X: Any) -> Any:
    """Return a copy of the matrices, as many as there are solutions."""
    return p.clone(expand(A, (*X.layout.shape[:-2], *A.layout.shape[-2:])))


@also_named(input="b")
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None
) -> Any:
    """Return (solution, a copy of A) of A X = b, or with ``transpose`` of Aᵀ X = b, for triangular A.

    The older form of ``torch.linalg.solve_triangular``.
    Shape: (*, n, k) and (*, n, n) to (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.triangular_solve.html

    >>> import cltorch as torch
    >>> torch.triangular_solve(torch.ones(2, 1), torch.tensor([[2.0, 0.0], [0.0, 4.0]])).solution
    tensor([[0.5000],
            [0.2500]])
    """
    need_array("triangular_solve", "b", 1, b)
    need_array("triangular_solve", "A", 2, A)
    for argument, x in (("b", b), ("A", A)):
        if x.layout.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {argument} to have at least 2 dimensions, but it has "
                f"{x.layout.ndim} dimensions instead"
            )
    need_square("triangular_solve", A)
    need_same("triangular_solve", b, A, "b", "A")
    need_full("triangular_solve", A, "triangular_solve_cpu")
    need_fitting("triangular_solve", A, b)
    used = flip(A) if transpose else A
    X = solve_triangle(used, b, bool(upper) != bool(transpose), bool(unitriangular))
    return store_all("triangular_solve", triangular_solve_return, out, (X, _copied(A, X)))


# ---- with factors ------------------------------------------------------------------------------------------------
def linalg_lu_solve(
    LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False, out: Any = None
) -> Any:  # fmt: skip
    """Return X of A X = B (X A = B without ``left``; Aᴴ for A with ``adjoint``) from what ``lu_factor`` gave for A.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.lu_solve.html

    >>> import cltorch as torch
    >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    >>> torch.linalg.lu_solve(LU, pivots, torch.ones(2, 1))
    tensor([[0.5000],
            [0.2500]])
    """
    need_array("linalg_lu_solve", "LU", 1, LU)
    need_array("linalg_lu_solve", "pivots", 2, pivots)
    name = "linalg.lu_solve"
    need_full(name, LU, "lu_solve_cpu")
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    need_square("torch.linalg.lu_solve", LU)
    need_matrix(name, B, "B")
    need_same(name, LU, B, "LU")
    need_fitting(name, LU, B, left)
    if pivots.layout.ndim < 1 or pivots.layout.shape[-1] != LU.layout.shape[-1]:
        raise RuntimeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix")
    if tuple(pivots.layout.shape) != tuple(LU.layout.shape[:-1]):
        raise RuntimeError(f"{name}: Batch dimensions of pivots should match batch dimensions of LU")
    order, back = (unsqueeze(x, -1) for x in pivot_rows(pivots, LU.layout.shape[-1]))
    X = B if left else flip(B)
    LU, X, order, back = batch_together(LU, X, order, back)
    if adjoint:
        LU = conj(LU)
    if bool(adjoint) == bool(left):  # the equation is Aᵀ X = B
        X = solve_triangle(flip(LU), solve_triangle(flip(LU), X, False, False), True, True)
        X = take_rows(X, squeeze(back, -1))
    else:
        X = take_rows(X, squeeze(order, -1))
        X = solve_triangle(LU, solve_triangle(LU, X, False, True), True, False)
    return store_one("linalg_lu_solve", out, X if left else flip(X))


def lu_solve(b: Any, LU_data: Any, LU_pivots: Any, *, out: Any = None) -> Any:
    """Return X of A X = b from what ``torch.linalg.lu_factor`` gave for A; the older form of ``lu_solve`` there.

    Shape: (*, n, k), (*, n, n) and (*, n) to (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.lu_solve.html

    >>> import cltorch as torch
    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(torch.tensor([[2.0, 0.0], [0.0, 4.0]])))
    tensor([[0.5000],
            [0.2500]])
    """
    need_array("lu_solve", "LU_data", 2, LU_data)
    need_array("lu_solve", "LU_pivots", 3, LU_pivots)
    return linalg_lu_solve(LU_data, LU_pivots, b, out=out)


def _fit_cholesky(B: Any, L: Any) -> None:
    for argument, x in (("b", B), ("u", L)):
        need_array("cholesky_solve", argument, 1, x)
        if x.layout.ndim < 2:
            raise RuntimeError(
                f"{argument} should have at least 2 dimensions, but has {x.layout.ndim} dimensions instead"
            )
    need_square("cholesky_solve", L)
    rows, n = B.layout.shape[-2], L.layout.shape[-1]
    if rows != n:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {n} by {n} but each b matrix is {rows} by "
            f"{B.layout.shape[-1]}"
        )
    if B.dtype is not L.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {SCALAR_NAMES[B.dtype.name]} and A of type "
            f"{SCALAR_NAMES[L.dtype.name]} instead."
        )


@also_named(input="B", input2="L")
def cholesky_solve(B: Any, L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """Return X of A X = B from Cholesky's factor of A: A = L Lᴴ, or with ``upper`` A = Lᴴ L.

    Shape: (*, n, k) and (*, n, n) to (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cholesky_solve.html

    >>> import cltorch as torch
    >>> torch.cholesky_solve(torch.ones(2, 1), torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.2500],
            [0.0625]])
    """
    _fit_cholesky(B, L)
    need_full("cholesky_solve", L, "cholesky_solve_cpu")
    lower, higher = (conj(flip(L)), L) if upper else (L, conj(flip(L)))
    X = solve_triangle(higher, solve_triangle(lower, B, False, False), True, False)
    return store_one("cholesky_solve", out, X)


@also_named(input="L")
def cholesky_inverse(L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """Return the inverse of A from its Cholesky factor; raise LinAlgError where that has a zero on its diagonal.

    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cholesky_inverse.html

    >>> import cltorch as torch
    >>> torch.cholesky_inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]])).diagonal()
    tensor([0.2500, 0.0625])
    """
    need_square("cholesky_inverse", L)
    need_full("cholesky_inverse", L, "cholesky_inverse_out_cpu")
    zero = values(diagonal(L, 0, -2, -1)) == 0
    n = L.layout.shape[-1]
    if zero.any():
        at = zero.reshape(-1, n).any(1).argmax()
        batch = f"(Batch element {at}): " if L.layout.ndim > 2 else ""
        raise LinAlgError(f"cholesky_inverse: {batch}" + SINGULAR.format(info=zero.reshape(-1, n)[at].argmax() + 1))
    unit = expand(eye(n, dtype=L.dtype, device=L.device), L.layout.shape)
    return store_one("cholesky_inverse", out, cholesky_solve(unit, L, upper))


def linalg_ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False, out: Any = None) -> Any:
    """Return X of A X = B from what ``ldl_factor`` gave for A. Needs SciPy.

    Shape: (*, n, n), (*, n) and (*, n, k) to (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.ldl_solve.html

    >>> import cltorch as torch
    >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    >>> torch.linalg.ldl_solve(LD, pivots, torch.ones(2, 1))
    tensor([[0.5000],
            [0.2500]])
    """
    need_array("linalg_ldl_solve", "pivots", 2, pivots)
    need_array("linalg_ldl_solve", "B", 3, B)
    name = "torch.linalg.ldl_solve"
    need_square(name, LD, "LD")
    if B.layout.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected B to have at least 2 dimensions, but it has {B.layout.ndim} dimensions instead"
        )
    if pivots.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {SCALAR_NAMES[pivots.dtype.name]}")
    if tuple(pivots.layout.shape) != tuple(LD.layout.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.layout.shape)} instead"
        )
    if B.layout.shape[-2] != LD.layout.shape[-1]:
        n, (rows, columns) = LD.layout.shape[-1], B.layout.shape[-2:]
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {rows} by "
            f"{columns}"
        )
    if B.dtype is not LD.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {SCALAR_NAMES[B.dtype.name]} and A of type "
            f"{SCALAR_NAMES[LD.dtype.name]} instead."
        )
    need_full(name, LD, "ldl_solve_kernel_cpu")
    return store_one("linalg_ldl_solve", out, apply(factor.LDLSolve, LD, pivots, B, bool(hermitian)))


# ---- tensors as matrices -----------------------------------------------------------------------------------------
@also_named(input="A")
def linalg_tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """Return the inverse of a tensor for ``tensordot`` over its first ``ind`` dimensions.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.tensorinv.html

    >>> import cltorch as torch
    >>> torch.linalg.tensorinv(torch.eye(4).reshape(4, 2, 2), ind=1).shape
    torch.Size([2, 2, 4])
    """
    need_array("linalg.tensorinv", "A", 1, A)
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = A.layout.shape[:ind], A.layout.shape[ind:]
    rows, columns = math.prod(first), math.prod(last)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
        )
    need_full("linalg.inv", A)
    result, info = _inv(reshape(A, (rows, columns)))
    raise_failure("inv", info, SINGULAR)
    return store_one("linalg_tensorinv", out, reshape(result, (*last, *first)))


@also_named(input="A", other="B")
def linalg_tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Any:
    """Return X of ``tensordot(A, X, X.ndim) == B``; ``dims`` of A are moved to the end first.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.tensorsolve.html

    >>> import cltorch as torch
    >>> torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)).shape
    torch.Size([6])
    """
    need_array("linalg.tensorsolve", "A", 1, A)
    need_array("linalg.tensorsolve", "B", 2, B)
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(A.layout.ndim - len(dims), A.layout.ndim)))
    n = B.layout.ndim
    last = A.layout.shape[n:]
    rows, columns = B.layout.numel, math.prod(last)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {columns} != {rows}"
        )
    X = linalg_solve(reshape(A, (rows, columns)), reshape(B, (rows,)))
    return store_one("linalg_tensorsolve", out, reshape(X, last))
