"""Decompositions and solvers of matrices on the host: NumPy's LAPACK, with SciPy's where NumPy has no counterpart.

All functions take batches of matrices. Where LAPACK would report a failure in ``info``, so do these, per matrix.
Source: https://netlib.org/lapack/explore-html/
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np

from cltorch.ops import lapack_forms
from cltorch.ops.fallback import on_host
from cltorch.shapes import broadcast_shapes


class LinAlgError(RuntimeError):
    """Raise when a decomposition or a solver of torch.linalg fails on the values of its input."""


_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_BLOCK = 32  # rows that substitution solves before it updates all others by one product
_BY_COLUMNS = 64  # the size up to which elimination over a whole batch at once beats LAPACK matrix by matrix


@functools.cache
def _scipy() -> Any:
    try:
        return importlib.import_module("scipy.linalg.lapack")
    except ImportError:
        return None


def _need_scipy(name: str) -> Any:
    found = _scipy()
    if found is None:
        raise RuntimeError(f"{name}: needs SciPy on the host, which is not installed (pip install scipy)")
    return found


def _routine(name: str, routine: str, t: np.dtype) -> Any:
    return getattr(_need_scipy(name), _LETTERS[t.name] + routine)


def _broadcast(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two batches of matrices with one batch shape."""
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])


def _stack(a: np.ndarray) -> np.ndarray:
    return a.reshape(math.prod(a.shape[:-2]), *a.shape[-2:])


def _size(a: np.ndarray) -> Any:
    """Return what pivots are chosen by: absolute values, of complex numbers the sums of those of their parts."""
    return np.abs(a.real) + np.abs(a.imag) if np.iscomplexobj(a) else np.abs(a)


def _adjoint(a: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(a, -2, -1))


# ---- elimination -------------------------------------------------------------------------------------------------
def eliminate(a: np.ndarray, pivot: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (LU, pivots from 1, info) of matrices by Gaussian elimination, column by column over the whole batch."""
    m, n = a.shape[-2:]
    lu = _stack(np.array(a))
    count, k = len(lu), min(m, n)
    pivots, info, every = np.empty((count, k), np.int32), np.zeros(count, np.int32), np.arange(count)
    with np.errstate(all="ignore"):
        for j in range(k):
            at = j + np.argmax(_size(lu[:, j:, j]), 1) if pivot else np.full(count, j)
            chosen = lu[every, at]
            lu[every, at] = lu[:, j]
            lu[:, j] = chosen
            pivots[:, j] = at + 1
            zero = chosen[:, j] == 0
            info[zero & (info == 0)] = j + 1
            lu[:, j + 1 :, j] /= np.where(zero, 1, chosen[:, j])[:, None]
            lu[:, j + 1 :, j + 1 :] -= lu[:, j + 1 :, j, None] * lu[:, j, None, j + 1 :]
    batch = a.shape[:-2]
    return lu.reshape(a.shape), pivots.reshape(*batch, k), info.reshape(batch)


@on_host("linalg_lu_factor", lapack_forms.lu_factor, by_columns=(0,))
def lu_factor(a: np.ndarray, pivot: bool) -> Any:
    """Return (LU, pivots from 1, info)."""
    k = min(a.shape[-2:])
    if k <= _BY_COLUMNS or not pivot or _scipy() is None:
        return eliminate(a, pivot)
    getrf = _routine("linalg.lu_factor", "getrf", a.dtype)
    lu, pivots, info = np.empty_like(a, order="C"), np.empty((*a.shape[:-2], k), np.int32), _no_info(a)
    for i in np.ndindex(a.shape[:-2]):
        lu[i], at, info[i] = getrf(a[i])
        pivots[i] = at + 1
    return lu, pivots, info


@on_host("lu_unpack", lapack_forms.permutation)
def permutation(pivots: np.ndarray, rows: int) -> Any:
    """Return the order of rows that pivots make, LU[i] = A[order[i]], and its inverse."""
    flat = pivots.reshape(-1, pivots.shape[-1]) - 1 if pivots.shape[-1] else pivots.reshape(pivots.size, 0)
    if not pivots.shape[-1]:
        flat = np.empty((math.prod(pivots.shape[:-1]), 0), np.int64)
    if flat.size and not 0 <= flat.min() <= flat.max() < rows:
        raise RuntimeError(
            "pivots must be between 1 and LU.size(-2) inclusive. Did you properly pass the result of lu_factor?"
        )
    order = np.tile(np.arange(rows), (len(flat), 1))
    every = np.arange(len(flat))
    for j in range(flat.shape[1]):
        at = flat[:, j]
        order[every, at], order[:, j] = order[:, j].copy(), order[every, at].copy()
    order = order.reshape(*pivots.shape[:-1], rows)
    return order, np.argsort(order, -1)


@on_host("linalg_solve_triangular", lapack_forms.solved, by_columns=(0,))
def solve_triangular(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> Any:
    """Return X of A X = B for triangular A, of which only that triangle is read."""
    a, b = _broadcast(a, b)
    x = np.array(b, order="C")
    n = a.shape[-1]
    starts = range(0, n, _BLOCK)
    with np.errstate(all="ignore"):
        for s in reversed(starts) if upper else starts:
            e = min(s + _BLOCK, n)
            for i in range(e - 1, s - 1, -1) if upper else range(s, e):
                known = slice(i + 1, e) if upper else slice(s, i)
                row = x[..., i, :]
                row -= (a[..., i, None, known] @ x[..., known, :])[..., 0, :]
                if not unit:
                    row /= a[..., i, i, None]
            rest = slice(0, s) if upper else slice(e, n)
            x[..., rest, :] -= a[..., rest, s:e] @ x[..., s:e, :]
    return x


@on_host("cholesky_solve", lapack_forms.solved, by_columns=(0,))
def cholesky_solve(factor: np.ndarray, b: np.ndarray, upper: bool) -> Any:
    """Return X of L Lᴴ X = B, or with ``upper`` of Lᴴ L X = B; only that triangle of L is read."""
    lower, higher = (_adjoint(factor), factor) if upper else (factor, _adjoint(factor))
    substitute = solve_triangular.__wrapped__  # type: ignore[attr-defined]
    return substitute(higher, substitute(lower, b, False, False), True, False)


def _no_info(a: np.ndarray) -> np.ndarray:
    return np.zeros(a.shape[:-2], np.int32)


def _singular(a: np.ndarray) -> np.ndarray:
    """Return the info of matrices of which at least one is singular."""
    info = _no_info(a)
    for i in np.ndindex(a.shape[:-2]):
        try:
            np.linalg.inv(a[i])
        except np.linalg.LinAlgError:
            # rounding may differ between the two eliminations: one that failed has an info other than zero
            info[i] = eliminate(a[i])[2] or a.shape[-1]
    return info


@on_host("linalg_solve", lapack_forms.solve, by_columns=(0,))
def solve(a: np.ndarray, b: np.ndarray) -> Any:
    """Return (X, info) of A X = B; X is NaN where A is singular."""
    wide, b = _broadcast(a, b)
    with np.errstate(all="ignore"):
        try:
            return np.linalg.solve(wide, b), _no_info(a)
        except np.linalg.LinAlgError:
            info = _singular(a)
            bad = np.broadcast_to(info != 0, wide.shape[:-2])[..., None, None]
            x = np.linalg.solve(np.where(bad, np.eye(a.shape[-1], dtype=a.dtype), wide), b)
            return np.where(bad, math.nan, x), info


@on_host("linalg_inv", lapack_forms.same_and_info, by_columns=(0,))
def inv(a: np.ndarray) -> Any:
    """Return (inverse, info); the inverse is NaN where A is singular."""
    with np.errstate(all="ignore"):
        try:
            return np.linalg.inv(a), _no_info(a)
        except np.linalg.LinAlgError:
            info = _singular(a)
            bad = (info != 0)[..., None, None]
            return np.where(bad, math.nan, np.linalg.inv(np.where(bad, np.eye(a.shape[-1], dtype=a.dtype), a))), info


@on_host("linalg_det", lapack_forms.det)
def det(a: np.ndarray) -> Any:
    """Return the determinants."""
    with np.errstate(all="ignore"):
        return np.asarray(np.linalg.det(a))


@on_host("linalg_slogdet", lapack_forms.slogdet)
def slogdet(a: np.ndarray) -> Any:
    """Return (signs, logarithms of the absolute values) of the determinants."""
    with np.errstate(all="ignore"):
        return tuple(np.asarray(x) for x in np.linalg.slogdet(a))


@on_host("linalg_det_backward", lapack_forms.same)
def cofactors(a: np.ndarray) -> Any:
    """Return the gradients of the determinants, also where they are zero: det(U)* det(V)* U diag(s without s_i) Vᴴ."""
    if not np.isfinite(a).all():
        return np.full_like(a, math.nan)
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    one = np.ones((*s.shape[:-1], 1), s.dtype)
    if not n:
        return np.zeros_like(a)
    before = np.concatenate([one, np.cumprod(s, -1)[..., :-1]], -1)
    after = np.concatenate([np.cumprod(s[..., ::-1], -1)[..., ::-1][..., 1:], one], -1)
    sign = np.conj(np.linalg.det(u) * np.linalg.det(vh))
    return (u * (before * after * sign[..., None])[..., None, :]) @ vh


# ---- symmetric matrices ------------------------------------------------------------------------------------------
def _lower_factor(a: np.ndarray) -> tuple[np.ndarray, int]:
    """Return Cholesky's factor of one matrix as far as it goes, and the order of the first bad minor."""
    x = np.tril(a)
    for j in range(len(x)):
        d = (x[j, j] - x[j, :j] @ np.conj(x[j, :j])).real
        if not d > 0:
            x[j, j] = d
            return x, j + 1
        x[j, j] = np.sqrt(d)
        x[j + 1 :, j] = (x[j + 1 :, j] - x[j + 1 :, :j] @ np.conj(x[j, :j])) / x[j, j]
    return x, 0


@on_host("linalg_cholesky", lapack_forms.same_and_info, by_columns=(0,))
def cholesky(a: np.ndarray, upper: bool) -> Any:
    """Return (factor, info), reading and returning the lower or the upper triangle."""
    a = _adjoint(a) if upper else a
    info = _no_info(a)
    try:
        x = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        x = np.empty(a.shape, a.dtype)
        for i in np.ndindex(a.shape[:-2]):
            try:
                x[i] = np.linalg.cholesky(a[i])
            except np.linalg.LinAlgError:
                x[i], info[i] = _lower_factor(a[i])
                info[i] = info[i] or a.shape[-1]
    return _adjoint(x) if upper else x, info


@on_host("linalg_eigh", lapack_forms.eigh, by_columns=(1,))
def eigh(a: np.ndarray, uplo: Any, vectors: bool) -> Any:
    """Return (eigenvalues in ascending order, eigenvectors or None's stand-in of no elements)."""
    bad = ~np.isfinite(a).all((-2, -1))
    a = np.where(bad[..., None, None], 0, a)
    try:
        w, v = np.linalg.eigh(a, uplo) if vectors else (np.linalg.eigvalsh(a, uplo), np.empty(0, a.dtype))
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or has too "
            "many repeated eigenvalues."
        ) from None
    w = np.where(bad[..., None], math.nan, w)
    return w, np.where(bad[..., None, None], math.nan, v) if vectors else v


def _ldl_kind(a: np.ndarray, hermitian: bool) -> str:
    return "he" if hermitian and np.iscomplexobj(a) else "sy"


@on_host("linalg_ldl_factor", lapack_forms.ldl_factor, by_columns=(0,))
def ldl_factor(a: np.ndarray, hermitian: bool) -> Any:
    """Return (LD, pivots as LAPACK gives them, info) of the lower triangle."""
    factor = _routine("linalg.ldl_factor", _ldl_kind(a, hermitian) + "trf", a.dtype)
    ld, pivots, info = np.empty(a.shape, a.dtype), np.empty(a.shape[:-1], np.int32), _no_info(a)
    if a.size:
        for i in np.ndindex(a.shape[:-2]):
            ld[i], pivots[i], info[i] = factor(a[i], lower=1)
    return np.tril(ld), pivots, info


@on_host("linalg_ldl_solve", lapack_forms.ldl_solve, by_columns=(0,))
def ldl_solve(ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> Any:
    """Return X of A X = B from the factors of A."""
    solver = _routine("linalg.ldl_solve", _ldl_kind(ld, hermitian) + "trs", ld.dtype)
    if pivots.size and abs(pivots).max() > ld.shape[-1]:
        raise RuntimeError(
            "Pivots given to ldl_solve must all satisfy |pivot| <= LD.size(-2). Did you properly pass the result of "
            "ldl_factor?"
        )
    pivots = np.broadcast_to(pivots, ld.shape[:-1])
    batch = broadcast_shapes(ld.shape[:-2], b.shape[:-2])
    pivots = np.broadcast_to(pivots, batch + ld.shape[-1:])
    ld, b = _broadcast(ld, b)
    x = np.empty(b.shape, b.dtype)
    if b.size:
        for i in np.ndindex(batch):
            x[i], _ = solver(ld[i], pivots[i], b[i], lower=1)
    return x


@on_host("linalg_eig", lapack_forms.eig, by_columns=(1,))
def eig(a: np.ndarray, vectors: bool) -> Any:
    """Return (eigenvalues, eigenvectors of length 1 or their stand-in of no elements) of general matrices, complex."""
    t = np.result_type(a.dtype, np.complex64)
    if not np.isfinite(a).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    try:
        w, v = np.linalg.eig(a) if vectors else (np.linalg.eigvals(a), np.empty(0))
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eig: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
            "repeated eigenvalues."
        ) from None
    return w.astype(t), v.astype(t)


# ---- orthogonal factors ------------------------------------------------------------------------------------------
@on_host("linalg_qr", lapack_forms.qr, by_columns=(0, 1))
def qr(a: np.ndarray, mode: Any) -> Any:
    """Return (Q, R); Q has no elements in the mode "r"."""
    if mode == "r":
        return np.empty(0, a.dtype), np.asarray(np.linalg.qr(a, "r"))
    q, r = np.linalg.qr(a, mode)
    return q, r


@on_host("geqrf", lapack_forms.geqrf, by_columns=(0,))
def geqrf(a: np.ndarray) -> Any:
    """Return (R over the reflectors' vectors, their factors tau)."""
    h, tau = np.linalg.qr(a, "raw")
    return np.swapaxes(h, -2, -1), tau


@on_host("linalg_svd", lapack_forms.svd, by_columns=(0, 2))
def svd(a: np.ndarray, full_matrices: bool, vectors: bool) -> Any:
    """Return (U, S, Vh); U and Vh have no elements without ``vectors``."""
    finite = np.isfinite(a).all((-2, -1))
    if not finite.all():
        raise LinAlgError(
            f"linalg.svd: {in_batch(~finite)}The algorithm failed to converge because the input matrix contained "
            "non-finite values."
        )
    try:
        if vectors:
            u, s, vh = np.linalg.svd(a, full_matrices)
            return u, s, vh
        none = np.empty(0, a.dtype)
        return none, np.linalg.svd(a, compute_uv=False), none
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
            "repeated singular values."
        ) from None


def in_batch(failed: np.ndarray) -> str:
    """Return how messages name the first failed matrix of a batch."""
    return f"(Batch element {int(np.argmax(failed))}): " if failed.ndim else ""


def tolerance(s_max: Any, atol: Any, rtol: Any, default: float) -> Any:
    """Return the size below which singular values count as zero; ``rtol`` is 0 where only ``atol`` is given."""
    if rtol is None:
        rtol = default if atol is None else np.where(np.asarray(atol) > 0, 0.0, default)
    return np.maximum(0.0 if atol is None else atol, rtol * s_max)


@on_host("linalg_pinv", lapack_forms.pinv)
def pinv(a: np.ndarray, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """Return the pseudo-inverses; values of size ``tolerance`` and below count as zero."""
    if not np.isfinite(a).all():
        svd.__wrapped__(a, False, False)  # type: ignore[attr-defined]
    if not a.size:
        return np.empty((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    default = np.finfo(a.dtype).eps * max(a.shape[-2:])
    if hermitian:
        s, u = np.linalg.eigh(a)
        vh = _adjoint(u)
    else:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
    size = np.abs(s)
    keep = size > np.asarray(tolerance(size.max(-1), atol, rtol, default))[..., None]
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0)
    return ((_adjoint(vh) * inverse[..., None, :]) @ _adjoint(u)).astype(a.dtype)


@on_host("linalg_lstsq", lapack_forms.lstsq, by_columns=(0,))
def lstsq(a: np.ndarray, b: np.ndarray, rcond: float | None, driver: str) -> Any:
    """Return (solution of least norm, rank, singular values); "gels" demands full rank."""
    a, b = _broadcast(a, b)
    if not a.size:
        batch = a.shape[:-2]
        return (
            np.zeros((*batch, a.shape[-1], b.shape[-1]), a.dtype),
            np.zeros(batch, np.int64),
            np.zeros((*batch, 0), a.real.dtype),
        )
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    eps = float(np.finfo(a.dtype).eps)
    cut = eps if driver == "gels" else eps * max(a.shape[-2:]) if rcond is None else rcond
    keep = s > np.asarray(cut * s[..., 0])[..., None]
    rank = keep.sum(-1)
    failed = rank < s.shape[-1]
    if driver == "gels" and failed.any():
        raise LinAlgError(
            f"torch.linalg.lstsq: {in_batch(failed)}The least squares solution could not be computed because the input "
            f"matrix does not have full rank (error code: {int(rank.reshape(-1)[np.argmax(failed)]) + 1})."
        )
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(a.dtype)
    x = _adjoint(vh) @ (inverse[..., None] * (_adjoint(u) @ b))
    return x, np.asarray(rank, np.int64), s
