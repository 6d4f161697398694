"""Solutions of systems of linear equations and inverses, under their names in torch.linalg and in torch.

Triangles are solved, matrices factored and inverted on the host (see ``set_host_fallback``), in float32 or float64.
Source: https://docs.pytorch.org/docs/2.13/linalg.html#solvers
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd.record import apply
from cltorch.formats import contiguous_format
from cltorch.functions.arguments import also_named, need_array
from cltorch.functions.convert import clone
from cltorch.functions.dim_orders import movedim
from cltorch.functions.linalg_check import (
    SINGULAR,
    UNSOLVABLE,
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
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import expand, reshape, squeeze, unsqueeze
from cltorch.ops import linalg_solve as ops
from cltorch.ops.notices import deprecated

__all__ = [
    "inverse", "linalg_inv", "linalg_inv_ex", "linalg_solve", "linalg_solve_ex", "linalg_solve_triangular",
    "linalg_tensorinv", "linalg_tensorsolve", "solve_matrices", "solve_triangle", "triangular_solve",
]  # fmt: skip

solve_ex_return = result_class("linalg_solve_ex", "result", "info")
inv_ex_return = result_class("linalg_inv_ex", "inverse", "info")
triangular_solve_return = result_class("triangular_solve", "solution", "cloned_coefficient")


def solve_matrices(A: Any, B: Any) -> tuple[Any, Any]:
    """Return (X, info) of A X = B for batches of matrices that broadcast."""
    return apply(ops.Solve, A, B)


def solve_triangle(A: Any, B: Any, upper: bool, unit: bool, by_rows: bool = False) -> Any:
    """Return X of A X = B for triangular matrices, of which only that triangle is read; it lies by columns."""
    return apply(ops.SolveTriangular, A, B, upper, unit, *([True] if by_rows else ()))


# ---- general matrices --------------------------------------------------------------------------------------------
def is_vector(A: Any, B: Any) -> bool:
    """Return whether B is a batch of vectors to a batch of matrices A, as PyTorch decides it."""
    n = B.lay.ndim
    return n == 1 or (A.lay.ndim - 1 == n and tuple(B.lay.shape) == tuple(A.lay.shape[:-1]))


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

    A X = B, or without ``left`` X A = B.
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

    A⁻¹ A = I.
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

    A⁻¹ A = I.
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
    return flip(solve_triangle(flip(A), flip(B), not upper, unit, True))


@also_named(input="A")
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
    whole = flip(expand(A, (*X.lay.shape[:-2], *A.lay.shape[-2:])))
    return flip(clone(whole, memory_format=contiguous_format))


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
    deprecated(
        "torch.triangular_solve", "torch.linalg.solve_triangular",
        "X = torch.linalg.solve_triangular(A, B, upper=True) has its arguments reversed and returns no copy of A",
    )  # fmt: skip
    need_array("triangular_solve", "b", 1, b)
    need_array("triangular_solve", "A", 2, A)
    for argument, x in (("b", b), ("A", A)):
        if x.lay.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {argument} to have at least 2 dimensions, but it has "
                f"{x.lay.ndim} dimensions instead"
            )
    need_square("triangular_solve", A)
    need_same("triangular_solve", b, A, "b", "A")
    need_full("triangular_solve", A, "triangular_solve_cpu")
    if A.lay.shape[-1] != b.lay.shape[-2]:
        sizes = [f"{x.lay.shape[-2]} by {x.lay.shape[-1]}" for x in (A, b)]
        raise RuntimeError(
            f"Incompatible matrix sizes for triangular_solve: each A matrix is {sizes[0]} but each b matrix is "
            f"{sizes[1]}"
        )
    used = flip(A) if transpose else A
    X = solve_triangle(used, b, bool(upper) != bool(transpose), bool(unitriangular))
    return store_all("triangular_solve", triangular_solve_return, out, (X, _copied(A, X)))


# ---- tensors as matrices -----------------------------------------------------------------------------------------
@also_named(input="A")
def linalg_tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """Return the inverse of a tensor for ``tensordot`` over its first ``ind`` dimensions.

    tensordot(out, tensordot(A, B, A.ndim - ind), ind) = B for B of fitting sizes.
    Shape: (*a, *b) with Π a = Π b, a having ``ind`` dimensions, to (*b, *a).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.tensorinv.html

    >>> import cltorch as torch
    >>> torch.linalg.tensorinv(torch.eye(4).reshape(4, 2, 2), ind=1).shape
    torch.Size([2, 2, 4])
    """
    need_array("linalg.tensorinv", "A", 1, A)
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = A.lay.shape[:ind], A.lay.shape[ind:]
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

    Shape: A (*b, *x) with Π b = Π x and B (*b) to (*x).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.tensorsolve.html

    >>> import cltorch as torch
    >>> torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)).shape
    torch.Size([6])
    """
    need_array("linalg.tensorsolve", "A", 1, A)
    need_array("linalg.tensorsolve", "B", 2, B)
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(A.lay.ndim - len(dims), A.lay.ndim)))
    n = B.lay.ndim
    last = A.lay.shape[n:]
    rows, columns = B.lay.numel, math.prod(last)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {columns} != {rows}"
        )
    X = linalg_solve(reshape(A, (rows, columns)), reshape(B, (rows,)))
    return store_one("linalg_tensorsolve", out, reshape(X, last))
