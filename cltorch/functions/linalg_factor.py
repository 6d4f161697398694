"""Factorisations of matrices: Cholesky, QR, LU and LDL, under their names in torch.linalg and in torch.

All run on the host (see ``set_host_fallback``), in float32 or float64.
Source: https://docs.pytorch.org/docs/2.13/linalg.html#matrix-decompositions
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import also_named, need_array
from cltorch.functions.create import empty, eye
from cltorch.functions.gather import gather
from cltorch.functions.linalg_check import (
    NOT_POSITIVE,
    ZERO_PIVOT,
    need_floating,
    need_full,
    need_matrix,
    need_square,
    raise_failure,
    store_all,
    store_one,
)
from cltorch.functions.parts import narrow
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import expand, unsqueeze
from cltorch.functions.triangle import tril, triu
from cltorch.ops import lapack
from cltorch.ops import linalg_factor as ops
from cltorch.ops.notices import deprecated

__all__ = [
    "cholesky", "geqrf", "linalg_cholesky", "linalg_cholesky_ex", "linalg_ldl_factor", "linalg_ldl_factor_ex",
    "linalg_lu", "linalg_lu_factor", "linalg_lu_factor_ex", "linalg_qr", "lu", "lu_unpack", "pivot_rows", "qr",
    "take_rows",
]  # fmt: skip

cholesky_ex_return = result_class("linalg_cholesky_ex", "L", "info")
qr_return, old_qr_return = (result_class(name, "Q", "R") for name in ("linalg_qr", "qr"))
geqrf_return = result_class("geqrf", "a", "tau")
lu_return, lu_unpack_return = (result_class(name, "P", "L", "U") for name in ("linalg_lu", "lu_unpack"))
lu_factor_return = result_class("linalg_lu_factor", "LU", "pivots")
lu_factor_ex_return = result_class("linalg_lu_factor_ex", "LU", "pivots", "info")
ldl_factor_return = result_class("linalg_ldl_factor", "LD", "pivots")
ldl_factor_ex_return = result_class("linalg_ldl_factor_ex", "LD", "pivots", "info")


# ---- Cholesky ----------------------------------------------------------------------------------------------------
def _cholesky(A: Any, upper: bool, name: str = "linalg.cholesky") -> Any:
    need_square(name, A)
    need_floating(name, A)
    need_full(name, A, "cholesky_cpu")
    return apply(ops.Cholesky, A, bool(upper))


@also_named(input="A")
def linalg_cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:
    """Return the lower triangular L of A = L Lᵀ, or with ``upper`` the upper triangular U of A = Uᵀ U.

    Only that triangle of A is read. Raises LinAlgError where a matrix is not positive-definite.
    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.cholesky.html

    >>> import cltorch as torch
    >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    L, info = _cholesky(A, upper)
    raise_failure("linalg.cholesky", info, NOT_POSITIVE)
    return store_one("linalg_cholesky", out, L)


@also_named(input="A")
def linalg_cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """Return (L, info); ``info`` (int32) is the order of the first minor that is not positive-definite, else 0.

    A = L Lᵀ, or with ``upper`` A = Uᵀ U.
    Shape: (*, n, n) to the same and (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.cholesky_ex.html

    >>> import cltorch as torch
    >>> torch.linalg.cholesky_ex(torch.tensor([[4.0, 0.0], [0.0, 9.0]])).L
    tensor([[2., 0.],
            [0., 3.]])
    """
    L, info = _cholesky(A, upper)
    if check_errors:
        raise_failure("linalg.cholesky_ex", info, NOT_POSITIVE)
    return store_all("linalg_cholesky_ex", cholesky_ex_return, out, (L, info))


def cholesky(input: Any, upper: bool = False, *, out: Any = None) -> Any:
    """Return Cholesky's factor of matrices; the older name of ``torch.linalg.cholesky``.

    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cholesky.html

    >>> import cltorch as torch
    >>> torch.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    deprecated("torch.cholesky", "torch.linalg.cholesky", "U = torch.linalg.cholesky(A).mH is the upper factor")
    L, info = _cholesky(input, upper, "cholesky")
    raise_failure("cholesky", info, NOT_POSITIVE)
    return store_one("cholesky", out, L)


# ---- QR ----------------------------------------------------------------------------------------------------------
def _qr(name: str, A: Any, mode: str) -> tuple[Any, Any]:
    need_matrix(name, A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    need_floating(name, A)
    need_full(name, A, "geqrf_cpu")
    return apply(ops.QR, A, mode)


def linalg_qr(A: Any, mode: str = "reduced", *, out: Any = None) -> Any:
    """Return (Q, R) of A = Q R, where Q has orthonormal columns and R is upper triangular.

    Q is m × min(m, n) in the mode "reduced", m × m in the mode "complete", and empty in the mode "r".
    Shape: (*, m, n) to (*, m, k) and (*, k, n), k = min(m, n), or m in the mode "complete".
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.qr.html

    >>> import cltorch as torch
    >>> Q, R = torch.linalg.qr(torch.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> (Q @ R).round(decimals=3)
    tensor([[3., 1.],
            [4., 2.]])
    """
    return store_all("linalg_qr", qr_return, out, _qr("linalg.qr", A, mode))


def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """Return (Q, R); the older form of ``torch.linalg.qr``, "reduced" or (without ``some``) "complete".

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.qr.html

    >>> import cltorch as torch
    >>> Q, R = torch.qr(torch.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> Q @ R
    tensor([[3.0000, 1.0000],
            [4.0000, 2.0000]])
    """
    deprecated(
        "torch.qr",
        "torch.linalg.qr",
        "Q, R = torch.linalg.qr(A, 'reduced' if some else 'complete') is torch.qr(A, some)",
    )
    return store_all("qr", old_qr_return, out, _qr("linalg.qr", input, "reduced" if some else "complete"))


def geqrf(input: Any, *, out: Any = None) -> Any:
    """Return (a, tau): R in the upper triangle of a, the vectors of Householder's reflectors below it, their factors.

    Shape: (*, m, n) to the same and (*, min(m, n)).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.geqrf.html

    >>> import cltorch as torch
    >>> [x.shape for x in torch.geqrf(torch.ones(3, 2))]
    [torch.Size([3, 2]), torch.Size([2])]
    """
    need_array("geqrf", "input", 1, input)
    if input.lay.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    need_full("torch.geqrf", input, "geqrf_cpu")
    results = apply(ops.Geqrf, input)
    return geqrf_return(*(results if out is None else p.into_outs("geqrf", out, results)))


# ---- LU ----------------------------------------------------------------------------------------------------------
def _lu(name: str, A: Any, pivot: bool) -> Any:
    if A.lay.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.lay.shape)} instead")
    if not pivot and A.device.type == "cpu":
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    need_full(name, A, "lu_cpu")
    return apply(ops.LU, A, bool(pivot))


def linalg_lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """Return (LU, pivots, info); ``info`` (int32) is the first zero on U's diagonal, counted from 1, or 0.

    A = P L U.
    Shape: (*, m, n) to the same, (*, min(m, n)) and (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.lu_factor_ex.html

    >>> import cltorch as torch
    >>> torch.linalg.lu_factor_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    need_array("linalg_lu_factor_ex", "A", 1, A)
    results = _lu("torch.lu_factor", A, pivot)
    if check_errors:
        raise_failure("torch.linalg.lu_factor_ex", results[2], ZERO_PIVOT, RuntimeError)
    return store_all("linalg_lu_factor_ex", lu_factor_ex_return, out, results)


def linalg_lu_factor(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """Return (LU, pivots): both factors of A = P L U in one matrix, and the rows (from 1) each row was exchanged with.

    Raises RuntimeError where U has a zero on its diagonal.
    Shape: (*, m, n) to the same and (*, min(m, n)).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.lu_factor.html

    >>> import cltorch as torch
    >>> torch.linalg.lu_factor(torch.tensor([[1.0, 2.0], [2.0, 2.0]]))
    torch.return_types.linalg_lu_factor(
    LU=tensor([[2.0000, 2.0000],
            [0.5000, 1.0000]]),
    pivots=tensor([2, 2], dtype=torch.int32))
    """
    need_array("linalg_lu_factor", "A", 1, A)
    results = _lu("torch.lu_factor", A, pivot)
    raise_failure("torch.linalg.lu_factor", results[2], ZERO_PIVOT, RuntimeError)
    return store_all("linalg_lu_factor", lu_factor_return, out, results[:2])


def pivot_rows(pivots: Any, rows: int) -> tuple[Any, Any]:
    """Return the order of rows that pivots make, LU[i] = A[order[i]], and its inverse."""
    return lapack.permutation(pivots, rows)


def take_rows(x: Any, order: Any) -> Any:
    """Return the rows of matrices in another order, one for each matrix."""
    return gather(x, x.lay.ndim - 2, expand(unsqueeze(order, -1), x.lay.shape))


def _permutation(LU: Any, pivots: Any) -> Any:
    rows = LU.lay.shape[-2]
    unit = eye(rows, dtype=LU.dtype, device=LU.device)
    inverse = pivot_rows(pivots, rows)[1]
    return take_rows(expand(unit, (*inverse.lay.shape, rows)), inverse)


def _factors(LU: Any) -> tuple[Any, Any]:
    rows, columns = LU.lay.shape[-2:]
    k = min(rows, columns)
    unit = eye(rows, k, dtype=LU.dtype, device=LU.device)
    return p.add(tril(narrow(LU, -1, 0, k), -1), unit), triu(narrow(LU, -2, 0, k))


def linalg_lu(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """Return (P, L, U) of A = P L U: a permutation, a unit lower and an upper triangular matrix.

    Shape: (*, m, n) to (*, m, m), (*, m, k) and (*, k, n), k = min(m, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.lu.html

    >>> import cltorch as torch
    >>> torch.linalg.lu(torch.tensor([[1.0, 2.0], [2.0, 2.0]])).U
    tensor([[2., 2.],
            [0., 1.]])
    """
    need_array("linalg_lu", "A", 1, A)
    LU, pivots, _ = _lu("linalg.lu", A, pivot)
    P = _permutation(LU, pivots) if pivot else empty(0, dtype=LU.dtype, device=LU.device)
    return store_all("linalg_lu", lu_return, out, (P, *_factors(LU)))


def lu_unpack(
    LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None
) -> Any:
    """Return (P, L, U) of what ``torch.linalg.lu_factor`` gave; what is not asked for is empty.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.lu_unpack.html

    >>> import cltorch as torch
    >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[2.0, 1.0], [4.0, 3.0]])))
    >>> P @ L @ U
    tensor([[2., 1.],
            [4., 3.]])
    """
    need_array("lu_unpack", "LU_data", 1, LU_data)
    need_array("lu_unpack", "LU_pivots", 2, LU_pivots)
    if unpack_pivots and LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    if unpack_pivots and LU_pivots.lay.shape[:-1] != LU_data.lay.shape[:-2]:
        raise RuntimeError("torch.lu_unpack: LU_data and LU_pivots must have the same batch dimensions")
    none = empty(0, dtype=LU_data.dtype, device=LU_data.device)
    P = _permutation(LU_data, LU_pivots) if unpack_pivots else none
    L, U = _factors(LU_data) if unpack_data else (none, none)
    return store_all("lu_unpack", lu_unpack_return, out, (P, L, U))


def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """Return (LU, pivots), or (LU, pivots, infos); the older form of ``torch.linalg.lu_factor_ex``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.lu.html

    >>> import cltorch as torch
    >>> [x.shape for x in torch.lu(torch.eye(2))]
    [torch.Size([2, 2]), torch.Size([2])]
    """
    need_array("lu", "A", 1, A)
    deprecated("torch.lu", "torch.linalg.lu_factor / torch.linalg.lu_factor_ex")
    results = _lu("torch.lu_factor", A, pivot)
    results = results if get_infos else results[:2]
    return store_all("lu", lambda *x: tuple(x), out, results)


# ---- LDL ---------------------------------------------------------------------------------------------------------
def _ldl(A: Any, hermitian: bool) -> Any:
    need_square("torch.linalg.ldl_factor_ex", A)
    need_floating("torch.linalg.ldl_factor_ex", A)
    need_full("torch.linalg.ldl_factor_ex", A, "ldl_factor_kernel_cpu")
    return apply(ops.LDL, A, bool(hermitian))


@also_named(input="A")
def linalg_ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """Return (LD, pivots, info) of symmetric matrices A = L D Lᵀ, of which the lower triangle is read.

    D may hold blocks of 2 × 2; the pivots (int32) are LAPACK's, negative for those. Needs SciPy.
    Shape: (*, n, n) to the same, (*, n) and (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.ldl_factor_ex.html

    >>> import cltorch as torch
    >>> torch.linalg.ldl_factor_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    results = _ldl(A, hermitian)
    if check_errors:
        raise_failure("torch.linalg.ldl_factor_ex", results[2], _ZERO_BLOCK, RuntimeError)
    return store_all("linalg_ldl_factor_ex", ldl_factor_ex_return, out, results)


_ZERO_BLOCK = (
    "D[{info},{info}] is zero. The factorization has been completed, but the block diagonal matrix is singular"
)


@also_named(input="A")
def linalg_ldl_factor(A: Any, *, hermitian: bool = False, out: Any = None) -> Any:
    """Return (LD, pivots); see ``ldl_factor_ex``. Raises RuntimeError where D is singular.

    A = L D Lᵀ, or with ``hermitian`` A = L D Lᴴ.
    Shape: (*, n, n) to the same and (*, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.ldl_factor.html

    >>> import cltorch as torch
    >>> torch.linalg.ldl_factor(torch.eye(2)).LD
    tensor([[1., 0.],
            [0., 1.]])
    """
    results = _ldl(A, hermitian)
    raise_failure("torch.linalg.ldl_factor", results[2], _ZERO_BLOCK, RuntimeError)
    return store_all("linalg_ldl_factor", ldl_factor_return, out, results[:2])
