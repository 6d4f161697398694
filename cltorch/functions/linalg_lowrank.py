"""Few singular values of large matrices by random projections: svd_lowrank, pca_lowrank.

Source: Halko, Martinsson and Tropp, Finding structure with randomness, 2009, https://arxiv.org/abs/0909.4061
"""

from __future__ import annotations

from typing import Any

from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import need_array
from cltorch.functions.linalg_check import flip, need_matrix
from cltorch.functions.linalg_factor import linalg_qr
from cltorch.functions.linalg_spectrum import linalg_svd
from cltorch.functions.matmul import matmul
from cltorch.functions.random import randn
from cltorch.functions.shape import broadcast_to

__all__ = ["pca_lowrank", "svd_lowrank"]


def _basis(A: Any, q: int, niter: int) -> Any:
    """Return an orthonormal basis of nearly the range of A, of q columns (algorithms 4.3 and 4.4)."""
    x = matmul(A, randn(A.lay.shape[-1], q, dtype=A.dtype, device=A.device))
    Q = linalg_qr(x).Q
    for _ in range(niter):
        Q = linalg_qr(matmul(flip(A), Q)).Q
        Q = linalg_qr(matmul(A, Q)).Q
    return Q


def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple[Any, Any, Any]:
    """Return (U, S, V) with about the ``q`` largest singular values of A - M, from random projections.

    ``niter`` steps of subspace iteration make them more exact. A may be a batch of matrices, M broadcasts to it.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.svd_lowrank.html

    >>> import cltorch as torch
    >>> torch.svd_lowrank(torch.ones(4, 3), q=2)[1].shape
    torch.Size([2])
    """
    need_matrix("svd_lowrank", A)
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        A = p.sub(A, broadcast_to(M, A.lay.shape))
    m, n = A.lay.shape[-2:]
    wide = m < n
    A = flip(A) if wide else A
    Q = _basis(A, q, niter)
    U, S, Vh = linalg_svd(matmul(flip(Q), A), full_matrices=False)
    U, V = matmul(Q, U), flip(Vh)
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Any, Any, Any]:
    """Return (U, S, V) of principal components: ``svd_lowrank`` of A without the means of its columns.

    ``q`` is min(6, m, n) by default. Raises ValueError for a ``q`` that is negative or larger than a side of A.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.pca_lowrank.html

    >>> import cltorch as torch
    >>> torch.pca_lowrank(torch.ones(5, 3))[2].shape
    torch.Size([3, 3])
    """
    need_array("pca_lowrank", "A", 1, A)
    m, n = A.lay.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if not niter >= 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if center:
        A = p.sub(A, r.mean(A, -2, True))
    return svd_lowrank(A, q, niter=niter)
