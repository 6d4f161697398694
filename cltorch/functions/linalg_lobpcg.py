"""A few eigenvalues of a large symmetric matrix by iteration: lobpcg.

Products with the large matrix run on its device, the small problems of each step on the host.
Source: Knyazev, Toward the optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23(2), 2001; the basis of each step
is that of Stathopoulos and Wu, A block orthogonalization procedure with constant synchronization requirements, 2002
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import no_grad
from cltorch.autograd.graph import needs_grad
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import need_array
from cltorch.functions.create import eye
from cltorch.functions.join import cat, stack
from cltorch.functions.linalg_check import flip, need_full
from cltorch.functions.linalg_norm import linalg_matrix_norm
from cltorch.functions.linalg_solve import solve_matrices
from cltorch.functions.linalg_spectrum import linalg_eigh
from cltorch.functions.matmul import matmul
from cltorch.functions.norms import vector_norm
from cltorch.functions.parts import diagonal, narrow
from cltorch.functions.random import randn
from cltorch.functions.shape import reshape, squeeze, unsqueeze

__all__ = ["lobpcg"]


def lobpcg(
    A: Any,
    k: int | None = None,
    B: Any = None,
    X: Any = None,
    n: int | None = None,
    iK: Any = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Any = None,
    ortho_iparams: Any = None,
    ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Any, Any]:
    """Return (E, X), the ``k`` largest or smallest eigenvalues of A X = B X diag(E) and their vectors.

    A is (…, m, m), symmetric and positive definite like B (None: the identity); X (…, m, n) holds first vectors, iK a
    preconditioner. At most ``niter`` (1000; -1: any number of) steps are made, until residuals relative to the norms
    are below ``tol`` (the root of the dtype's precision). Both methods, "basic" and "ortho", keep the basis
    orthonormal. Gradients go to A where B is None. Raises ValueError for fewer than 3 n rows and for another method.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.lobpcg.html

    >>> import cltorch as torch
    >>> E, X = torch.lobpcg(torch.diag(torch.arange(1.0, 10.0)), k=2)
    >>> E.round(decimals=2)
    tensor([9., 8.])
    """
    need_array("lobpcg", "A", 1, A)
    need_full("lobpcg", A)
    m = A.lay.shape[-1]
    if A.lay.ndim < 2 or A.lay.shape[-2] != m:
        raise ValueError(f"lobpcg: A must be (batches of) square matrices, but has the shape {list(A.lay.shape)}")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg: method must be 'basic' or 'ortho', but got {method!r}")
    if tracker is not None:
        raise NotImplementedError("lobpcg: a tracker is not supported")
    if B is not None and needs_grad(B):
        raise ValueError("lobpcg: gradients are not supported where B is given")
    k = (1 if X is None else X.lay.shape[-1]) if k is None else k
    n = X.lay.shape[-1] if X is not None else k if n is None else n
    if m < 3 * n:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of "
            f"requested eigenpairs (={n})"
        )
    tol = dtypes.finfo(A.dtype).eps ** 0.5 if tol is None else tol
    steps = 1000 if niter is None else niter
    sign = -1.0 if largest or largest is None else 1.0
    batch = A.lay.shape[:-2]
    with no_grad():
        first = X if X is not None else randn(*batch, m, n, dtype=A.dtype, device=A.device)
        found = [
            _iterate(a, b, x, i, steps, tol, sign)
            for a, b, x, i in zip(*(_each(y, batch) for y in (A.detach(), B, first, iK)), strict=True)
        ]
        E = reshape(stack([e for e, _ in found]), (*batch, n))
        V = reshape(stack([v for _, v in found]), (*batch, m, n))
        E, V = narrow(E, -1, 0, k), narrow(V, -1, 0, k)
    if needs_grad(A):
        if B is not None:
            raise ValueError("lobpcg: gradients are not supported where B is given")
        return _differentiable(A, E, V)
    return E, V


def _each(x: Any, batch: Any) -> list[Any]:
    """Return the matrices of a batch, None for none."""
    count = 1
    for size in batch:
        count *= size
    if x is None:
        return [None] * count
    if x.lay.ndim == 2:
        return [x] * count
    flat = reshape(x, (count, *x.lay.shape[-2:]))
    return [flat[i] for i in range(count)]


def _basis(S: Any, BS: Any) -> Any:
    """Return the combinations of columns that make an orthonormal basis, without the directions that are lost."""
    gram = matmul(flip(S), BS)
    scale = p.rsqrt(p.clamp_min(diagonal(gram), 1e-30))
    w, U = linalg_eigh(p.mul(p.mul(gram, unsqueeze(scale, 1)), unsqueeze(scale, 0)))
    lost = int(r.sum(p.le(w, 10 * dtypes.finfo(w.dtype).eps * w[-1])).item())
    w, U = narrow(w, 0, lost, w.lay.numel - lost), narrow(U, 1, lost, w.lay.numel - lost)
    return p.mul(p.mul(U, unsqueeze(scale, 1)), p.rsqrt(w))


def _iterate(A: Any, B: Any, X: Any, iK: Any, steps: int, tol: float, sign: float) -> tuple[Any, Any]:
    """Return eigenvalues and vectors of one matrix; ``sign`` -1 seeks the largest ones, 1 the smallest."""
    n = X.lay.shape[-1]
    size = linalg_matrix_norm(A)
    size_b = 1.0 if B is None else linalg_matrix_norm(B)

    def times_b(x: Any) -> Any:
        return x if B is None else matmul(B, x)

    S, P, step = X, None, 0
    while True:
        for _ in range(2):  # the second time takes away what rounding left
            S = matmul(S, _basis(S, times_b(S)))
        w, Z = linalg_eigh(p.mul(matmul(flip(S), matmul(A, S)), sign))
        E, before = p.mul(narrow(w, 0, 0, n), sign), X
        X = matmul(S, narrow(Z, 1, 0, n))
        residual = p.sub(matmul(A, X), p.mul(times_b(X), E))
        error = p.div(vector_norm(residual, 2, 0), p.mul(vector_norm(X, 2, 0), p.add(p.mul(p.abs(E), size_b), size)))
        if step == steps or p.lt(error, tol).all().item():
            return E, X
        step += 1
        # what the last step changed, across the vectors themselves
        P = p.sub(before, matmul(X, matmul(flip(times_b(X)), before))) if step > 1 else None
        W = residual if iK is None else matmul(iK, residual)
        S = cat([X, W] if P is None else [X, W, P], 1)


def _differentiable(A: Any, E: Any, V: Any) -> tuple[Any, Any]:
    """Return the eigenpairs as functions of A: dE = vᵀ dA v and dv = (E - A)⁺ dA v, for symmetric dA."""
    A = p.mul(p.add(A, flip(A)), 0.5)
    still = A.detach()
    product = matmul(A, V)
    change = p.sub(product, matmul(still, V))
    values = p.add(E, r.sum(p.mul(V, change), -2))
    columns = unsqueeze(flip(V), -1)  # (…, k, m, 1)
    projector = matmul(columns, flip(columns))
    unit = eye(A.lay.shape[-1], dtype=A.dtype, device=A.device)
    shifted = p.sub(p.mul(unsqueeze(unsqueeze(E, -1), -1), unit), unsqueeze(still, -3))
    across = matmul(p.sub(unit, projector), unsqueeze(flip(change), -1))
    turn = solve_matrices(p.add(shifted, projector), across)[0]
    return values, p.add(V, flip(squeeze(turn, -1)))
