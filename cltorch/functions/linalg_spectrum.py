"""Eigenvalues, singular values and what follows from them, under their names in torch.linalg and torch.

Decompositions run on the host (see ``set_host_fallback``), in float32 or float64.
Source: https://docs.pytorch.org/docs/2.13/linalg.html#matrix-decompositions
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import SCALAR_NAMES, also_named, need_array
from cltorch.functions.create import empty, full, zeros
from cltorch.functions.extremes import amax
from cltorch.functions.linalg_check import (
    adjoint,
    check_cast,
    need_floating,
    need_full,
    need_matrix,
    need_square,
    store_all,
    store_one,
)
from cltorch.functions.linalg_solve import is_vector
from cltorch.functions.matmul import matmul
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import squeeze, unsqueeze
from cltorch.ops import linalg_solve as solve
from cltorch.ops import linalg_spectrum as ops
from cltorch.ops.array import Array
from cltorch.shapes import broadcast_shapes

__all__ = [
    "linalg_eig", "linalg_eigh", "linalg_eigvals", "linalg_eigvalsh", "linalg_lstsq", "linalg_matrix_rank",
    "linalg_pinv", "linalg_svd", "linalg_svdvals", "pinverse", "svd",
]  # fmt: skip

eig_return = result_class("linalg_eig", "eigenvalues", "eigenvectors")
eigh_return = result_class("linalg_eigh", "eigenvalues", "eigenvectors")
svd_return, old_svd_return = result_class("linalg_svd", "U", "S", "Vh"), result_class("svd", "U", "S", "V")
_FULL = (dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)
lstsq_return = result_class("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


# ---- eigenvalues -------------------------------------------------------------------------------------------------
def _eigh(A: Any, UPLO: str, vectors: bool) -> tuple[Any, Any]:
    need_square("linalg.eigh", A)
    uplo = UPLO.upper() if isinstance(UPLO, str) else UPLO
    if uplo not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    need_full("linalg.eigh", A, "linalg_eigh_cpu")
    return apply(ops.Eigh, A, uplo, vectors)


@also_named(input="A")
def linalg_eigh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """Return (eigenvalues, eigenvectors) of symmetric matrices, whose lower or upper triangle is read.

    A = V diag(λ) Vᴴ.
    Eigenvalues come in ascending order, eigenvectors are columns. Derivatives of vectors to equal values are infinite.
    Shape: (*, n, n) to (*, n) and (*, n, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.eigh.html

    >>> import cltorch as torch
    >>> torch.linalg.eigh(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues.round(decimals=3)
    tensor([1., 3.])
    """
    return store_all("linalg_eigh", eigh_return, out, _eigh(A, UPLO, True))


@also_named(input="A")
def linalg_eigvalsh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """Return the eigenvalues of symmetric matrices in ascending order.

    det(A - λ I) = 0.
    Shape: (*, n, n) to (*, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.eigvalsh.html

    >>> import cltorch as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor([2., 3.])
    """
    return store_one("linalg_eigvalsh", out, _eigh(A, UPLO, False)[0])


def _eig(A: Any, vectors: bool) -> tuple[Any, Any]:
    need_square("linalg.eig" if vectors else "linalg.eigvals", A)
    if not A.dtype.differentiable:
        raise RuntimeError(f"Unknown Complex ScalarType for {SCALAR_NAMES[A.dtype.name]}")
    need_full("linalg.eig", A, "linalg_eig_out_cpu")
    return apply(ops.Eig, A, vectors)


@also_named(input="A")
def linalg_eig(A: Any, *, out: Any = None) -> Any:
    """Return (eigenvalues, eigenvectors) of general square matrices, complex both and in no order.

    A V = V diag(λ).
    Eigenvectors are columns of length 1. Derivatives of vectors to equal values are infinite; a loss that depends on
    their phases raises RuntimeError. Elements that are not finite raise RuntimeError.
    Shape: (*, n, n) to complex (*, n) and (*, n, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.eig.html

    >>> import cltorch as torch
    >>> torch.linalg.eig(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues
    tensor([0.+1.j, 0.-1.j])
    """
    results = _eig(A, True)
    if isinstance(out, (tuple, list)):
        for what, place, result in zip(("eigenvalues", "eigenvectors"), out, results, strict=False):
            check_cast("torch.linalg.eig", what, p.need_out("linalg_eig", place), result)
    return store_all("linalg_eig", eig_return, out, results)


@also_named(input="A")
def linalg_eigvals(A: Any, *, out: Any = None) -> Any:
    """Return the eigenvalues of general square matrices, complex and in no order.

    det(A - λ I) = 0.
    Shape: (*, n, n) to complex (*, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.eigvals.html

    >>> import cltorch as torch
    >>> torch.linalg.eigvals(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor([2.+0.j, 3.+0.j])
    """
    result = _eig(A, False)[0]
    if out is not None:
        check_cast("torch.linalg.eigvals", "eigenvalues", p.need_out("linalg_eigvals", out), result)
    return store_one("linalg_eigvals", out, result)


# ---- singular values ---------------------------------------------------------------------------------------------
def _svd(A: Any, full_matrices: bool, vectors: bool, driver: Any = None) -> Any:
    need_matrix("linalg.svd", A)
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )
    need_floating("linalg.svd", A)
    need_full("linalg.svd", A, "linalg_svd_cpu")
    return apply(ops.Svd, A, bool(full_matrices), vectors)


def linalg_svd(A: Any, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """Return (U, S, Vh) of A = U diag(S) Vh with singular values in descending order.

    U is m × m and Vh n × n, or without ``full_matrices`` m × k and k × n, k = min(m, n). Raises LinAlgError for
    elements that are not finite, RuntimeError for a ``driver``, which CUDA alone has.
    Shape: (*, m, n) to (*, m, m), (*, k) and (*, n, n), k = min(m, n); (*, m, k) and (*, k, n) without
    ``full_matrices``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.svd.html

    >>> import cltorch as torch
    >>> torch.linalg.svd(torch.tensor([[0.0, 2.0], [3.0, 0.0]])).S
    tensor([3., 2.])
    """
    return store_all("linalg_svd", svd_return, out, _svd(A, full_matrices, True, driver))


def linalg_svdvals(A: Any, *, driver: str | None = None, out: Any = None) -> Any:
    """Return the singular values of matrices in descending order.

    A = U diag(σ) Vᴴ, of which σ is returned.
    Shape: (*, m, n) to (*, min(m, n)).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.svdvals.html

    >>> import cltorch as torch
    >>> torch.linalg.svdvals(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    return store_one("linalg_svdvals", out, _svd(A, False, False, driver)[1])


def svd(input: Any, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """Return (U, S, V) of A = U diag(S) Vᴴ; the older form of ``torch.linalg.svd``.

    Without ``some`` the matrices are full; without ``compute_uv`` they are zeros.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.svd.html

    >>> import cltorch as torch
    >>> torch.svd(torch.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    U, S, Vh = _svd(input, not some, compute_uv)
    if not compute_uv:
        *batch, m, n = input.lay.shape
        U, V = (zeros((*batch, k, k), dtype=input.dtype, device=S.device) for k in (m, n))
    else:
        V = adjoint(Vh)
    return store_all("svd", old_svd_return, out, (U, S, V))


# ---- rank, pseudo-inverse, least squares -------------------------------------------------------------------------
@also_named(input="A")
def linalg_matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """Return how many singular values (eigenvalues with ``hermitian``) exceed max(atol, rtol * the largest), int64.

    ``rtol`` is max(m, n) times the dtype's precision, or 0 where ``atol`` (or the older ``tol``) is positive.
    Shape: (*, m, n) to (*), int64.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.matrix_rank.html

    >>> import cltorch as torch
    >>> torch.linalg.matrix_rank(torch.ones(2, 3))
    tensor(1)
    """
    need_matrix("torch.linalg.matrix_rank", A, "input")
    if A.dtype not in _FULL:
        raise RuntimeError("This function doesn't handle types other than float and double")
    if tol is not None:  # the older form: an absolute tolerance, be it zero
        atol, rtol = tol, 0.0
    _check_tolerances("torch.linalg.matrix_rank", A, atol=atol, rtol=rtol)
    A = A.detach()
    if not A.lay.numel:
        return store_one("linalg_matrix_rank", out, zeros(A.lay.shape[:-2], dtype=dtypes.int64, device=A.device))
    S = p.abs(_eigh(A, "L", False)[0]) if hermitian else _svd(A, False, False)[1]
    least = unsqueeze(_tolerance(A, amax(S, -1), atol, rtol), -1)
    return store_one("linalg_matrix_rank", out, r.sum(p.gt(S, least), -1))


def _check_tolerances(name: str, A: Any, **given: Any) -> None:
    """Raise RuntimeError for tolerances that are complex, or not one for each matrix."""
    for what, x in given.items():
        if isinstance(x, Array):
            if x.dtype.is_complex:
                raise RuntimeError(
                    f"{name}: {what} tensor of complex type is not supported. Got {SCALAR_NAMES[x.dtype.name]}"
                )
            broadcast_shapes(x.lay.shape, A.lay.shape[:-2])


def _tolerance(A: Any, largest: Any, atol: Any, rtol: Any) -> Any:
    """Return the tolerances that count singular values as zero, on A's device."""
    default = dtypes.finfo(A.dtype).eps * max(A.lay.shape[-2:])
    if rtol is None:
        if isinstance(atol, Array):
            rtol = p.where(p.gt(atol, 0), 0.0, full((), default, dtype=A.dtype.to_real(), device=A.device))
        else:
            rtol = 0.0 if atol else default
    least = p.mul(largest, rtol)
    if atol is None:
        return least
    atol = atol if isinstance(atol, Array) else full((), atol, dtype=A.dtype.to_real(), device=A.device)
    return p.maximum(least, atol)


@also_named(input="A")
def linalg_pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """Return the pseudo-inverses (Moore-Penrose), with singular values up to max(atol, rtol * the largest) as zeros.

    V diag(1 / σ) Uᴴ for A = U diag(σ) Vᴴ, zeros standing for 1 / σ where σ counts as zero.
    ``rtol`` (or the older ``rcond``) is max(m, n) times the dtype's precision, or 0 where ``atol`` is positive.
    Shape: (*, m, n) to (*, n, m).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.pinv.html

    >>> import cltorch as torch
    >>> torch.linalg.pinv(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    need_array("linalg.pinv", "A", 1, A)
    if A.lay.ndim < 2 or A.dtype not in _FULL:
        raise RuntimeError(
            f"linalg.pinv({SCALAR_NAMES[A.dtype.name]}{{{list(A.lay.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        need_square("linalg.eigh", A)
    rtol = rcond if rcond is not None else rtol
    _check_tolerances("torch.linalg.pinv", A, atol=atol, rtol=rtol)
    return store_one("linalg_pinv", out, apply(solve.Pinv, A, atol, rtol, bool(hermitian)))


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """Return the pseudo-inverses; the older form of ``torch.linalg.pinv``.

    Shape: (*, m, n) to (*, n, m).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.pinverse.html

    >>> import cltorch as torch
    >>> torch.pinverse(torch.tensor([[2.0, 0.0]]))
    tensor([[0.5000],
            [0.0000]])
    """
    return linalg_pinv(input, rcond)


@also_named(input="A", b="B")
def linalg_lstsq(
    A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None, out: Any = None
) -> Any:  # fmt: skip
    """Return (solution, residuals, rank, singular_values) of the X for which A X - B is least.

    Of several solutions it is the smallest. The residuals are sums of squares, empty where A does not have full rank
    or not more rows than columns, and for the driver "gelsy" (the default). The rank is empty for "gels", the singular
    values for all but "gelsd" and "gelss". All drivers compute by singular values; "gels" demands full rank.
    Shape: (*, m, n) and (*, m, k) to a solution of (*, n, k).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.lstsq.html

    >>> import cltorch as torch
    >>> torch.linalg.lstsq(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [2.0]])).solution.round(decimals=3)
    tensor([[1.5000]])
    """
    name = "torch.linalg.lstsq"
    need_array(name, "A", 1, A)
    need_array(name, "B", 2, B)
    if A.lay.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.lay.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        have = [SCALAR_NAMES[x.dtype.name] for x in (A, B)]
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {have[0]} and other's "
            f"dtype {have[1]}"
        )
    if not A.dtype.differentiable:
        raise RuntimeError("This function doesn't handle types other than float and double")
    need_full(name, A, "linalg_lstsq_cpu")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    driver = driver or "gelsy"
    vector = is_vector(A, B)
    if vector:
        B = unsqueeze(B, -1)
    rows, columns = A.lay.shape[-2:]
    if B.lay.shape[-2] != rows:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-2)")
    broadcast_shapes(A.lay.shape[:-2], B.lay.shape[:-2])
    X, rank, S = apply(solve.Lstsq, A, B, rcond, driver)
    none = empty(0, dtype=A.dtype.to_real(), device=A.device)
    residuals = none
    if rows > columns and driver != "gelsy" and _full_rank(rank, columns):
        residuals = r.sum(p.square(p.abs(p.sub(matmul(A, X), B))), -2)
    found = (
        squeeze(X, -1) if vector else X,
        residuals,  # of a vector too they keep a dimension, as PyTorch's
        empty(0, dtype=dtypes.int64, device=A.device) if driver == "gels" else rank,
        S if driver in ("gelsd", "gelss") else none,
    )
    return lstsq_return(*(found if out is None else p.into_outs("linalg_lstsq", out, found)))


def _full_rank(rank: Any, columns: int) -> bool:
    return rank.lay.numel > 0 and bool(p.eq(rank, columns).all())
