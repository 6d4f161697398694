"""Solutions of linear equations whose matrices are factored already.

Source: https://docs.pytorch.org/docs/2.13/linalg.html#solvers
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions.arguments import SCALAR_NAMES, also_named, need_array
from cltorch.functions.complex_parts import conj
from cltorch.functions.create import eye
from cltorch.functions.linalg_check import (
    SINGULAR,
    batch_together,
    flip,
    need_fitting,
    need_full,
    need_matrix,
    need_same,
    need_square,
    store_one,
)
from cltorch.functions.linalg_factor import pivot_rows, take_rows
from cltorch.functions.linalg_solve import solve_triangle
from cltorch.functions.parts import diagonal
from cltorch.functions.shape import expand, squeeze, unsqueeze
from cltorch.ops import linalg_factor as factor
from cltorch.ops import linalg_solve as solve
from cltorch.ops.array import values
from cltorch.ops.lapack import LinAlgError
from cltorch.ops.notices import deprecated

__all__ = ["cholesky_inverse", "cholesky_solve", "linalg_ldl_solve", "linalg_lu_solve", "lu_solve"]


def linalg_lu_solve(
    LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False, out: Any = None
) -> Any:  # fmt: skip
    """Return X of A X = B (X A = B without ``left``; Aᴴ for A with ``adjoint``) from what ``lu_factor`` gave for A.

    Shape: LU (*, n, n), pivots (*, n), B (*, n, k) to (*, n, k); B (*, k, n) without ``left``.
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
    if pivots.lay.ndim < 1 or pivots.lay.shape[-1] != LU.lay.shape[-1]:
        raise RuntimeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix")
    if tuple(pivots.lay.shape) != tuple(LU.lay.shape[:-1]):
        raise RuntimeError(f"{name}: Batch dimensions of pivots should match batch dimensions of LU")
    order, back = (unsqueeze(x, -1) for x in pivot_rows(pivots, LU.lay.shape[-1]))
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


@also_named(input="b")
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any, *, out: Any = None) -> Any:
    """Return X of A X = b from what ``torch.linalg.lu_factor`` gave for A; the older form of ``lu_solve`` there.

    Shape: (*, n, k), (*, n, n) and (*, n) to (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.lu_solve.html

    >>> import cltorch as torch
    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(torch.tensor([[2.0, 0.0], [0.0, 4.0]])))
    tensor([[0.5000],
            [0.2500]])
    """
    deprecated(
        "torch.lu_solve", "torch.linalg.lu_solve", "X = torch.linalg.lu_solve(LU, pivots, B) has its arguments reversed"
    )
    need_array("lu_solve", "LU_data", 2, LU_data)
    need_array("lu_solve", "LU_pivots", 3, LU_pivots)
    return linalg_lu_solve(LU_data, LU_pivots, b, out=out)


def _fit_cholesky(B: Any, L: Any) -> None:
    for argument, x in (("b", B), ("u", L)):
        need_array("cholesky_solve", argument, 1, x)
        if x.lay.ndim < 2:
            raise RuntimeError(f"{argument} should have at least 2 dimensions, but has {x.lay.ndim} dimensions instead")
    need_square("cholesky_solve", L)
    rows, n = B.lay.shape[-2], L.lay.shape[-1]
    if rows != n:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {n} by {n} but each b matrix is {rows} by "
            f"{B.lay.shape[-1]}"
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
    return store_one("cholesky_solve", out, apply(solve.CholeskySolve, L, B, bool(upper)))


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
    diagonals = diagonal(L, 0, -2, -1)
    zero = np.zeros(diagonals.shape, bool) if L.device.type == "meta" else values(diagonals) == 0
    n = L.lay.shape[-1]
    if zero.any():
        at = zero.reshape(-1, n).any(1).argmax()
        batch = f"(Batch element {at}): " if L.lay.ndim > 2 else ""
        raise LinAlgError(f"cholesky_inverse: {batch}" + SINGULAR.format(info=zero.reshape(-1, n)[at].argmax() + 1))
    unit = expand(eye(n, dtype=L.dtype, device=L.device), L.lay.shape)
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
    if B.lay.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected B to have at least 2 dimensions, but it has {B.lay.ndim} dimensions instead"
        )
    if pivots.dtype.family not in "iu":
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {SCALAR_NAMES[pivots.dtype.name]}")
    if tuple(pivots.lay.shape) != tuple(LD.lay.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.lay.shape)} instead"
        )
    if B.lay.shape[-2] != LD.lay.shape[-1]:
        n, (rows, columns) = LD.lay.shape[-1], B.lay.shape[-2:]
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
