"""Operators of eigenvalues and singular values, and their derivatives.

Source of the derivatives: Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation, 2008, https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf; Townsend, Differentiating the singular
value decomposition, 2016, https://j-towns.github.io/papers/svd-derivative.pdf
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch.ops import lapack
from cltorch.ops.array import values
from cltorch.ops.linalg_solve import adjoint, product
from cltorch.ops.op import Op


def _over_gaps(m: Any, x: Any, s: Any) -> Any:
    """Return x[i, j] / (s[j] - s[i]) with zeros on the diagonal."""
    eye = m.eye(s.lay.shape[-1], dtype=s.dtype, device=s.device)
    gaps = m.add(m.sub(m.unsqueeze(s, -2), m.unsqueeze(s, -1)), eye)
    return m.div(m.sub(x, m.mul(x, eye)), gaps)


class Eigh(Op):
    """Eigenvalues in ascending order and eigenvectors of symmetric matrices, of which one triangle is read."""

    name = "linalg_eigh"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, uplo: str, vectors: bool) -> Any:
        w, v = lapack.eigh(a, uplo, vectors or c.recording)
        c.save(w, v)
        return w, v

    @staticmethod
    def vjp(m: Any, c: Any, gw: Any, gv: Any) -> Any:
        w, v = c.saved
        inside = None
        if gv is not None:
            inside, _ = _turned(m, "linalg_eigh_backward", v, gv)
            # rotations have a skew derivative: without the other part the gradient is symmetric, whatever was not read
            turned = m.transpose(inside, -2, -1)
            inside = m.mul(m.sub(inside, m.conj(turned) if v.dtype.is_complex else turned), 0.5)
            inside = _over_gaps(m, inside, w)
        if gw is not None:
            if inside is None:
                return product(m, m.mul(v, m.unsqueeze(gw, -2)), v, False, True), None, None
            inside = m.add(inside, m.diag_embed(gw))
        return product(m, product(m, v, inside), v, False, True), None, None


def _need_phase_free(subject: str, turn: Any) -> None:
    """Raise where a loss depends on the phases of vectors, which can be any."""
    size = np.abs(values(turn).imag)
    if size.size and not size.max() <= 1e-2:
        raise RuntimeError(
            f"{subject} in the complex case are specified up to multiplication by e^{{i phi}}. The specified loss "
            "function depends on this quantity, so it is ill-defined."
        )


def _turned(m: Any, name: str, v: Any, gv: Any) -> tuple[Any, Any]:
    """Return the gradient of eigenvectors in their own basis, and its diagonal, which says how they would turn."""
    inside = product(m, v, gv, True, False)
    along = m.diagonal(inside, 0, -2, -1)
    if v.dtype.is_complex:
        _need_phase_free(f"{name}: The eigenvectors", along)
    return inside, along


class Eig(Op):
    """Eigenvalues and eigenvectors of general matrices, complex both.

    Source of the derivative: Boeddeker et al., On the computation of complex-valued gradients with application to
    statistically optimum beamforming, 2017, https://arxiv.org/abs/1701.00392, equation (4.77)
    """

    name = "linalg_eig"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, vectors: bool) -> Any:
        w, v = lapack.eig(a, vectors or c.recording)
        c.real = not a.dtype.is_complex
        c.save(w, v)
        return w, v

    @staticmethod
    def vjp(m: Any, c: Any, gw: Any, gv: Any) -> Any:
        w, v = c.saved
        inside = None
        if gv is not None:
            inside, along = _turned(m, "linalg_eig_backward", v, gv)
            # the vectors keep their length
            inside = m.sub(inside, m.mul(product(m, v, v, True, False), m.unsqueeze(m.real_part(along), -2)))
            inside = _over_gaps(m, inside, m.conj(w))
        if gw is not None:
            inside = m.diag_embed(gw) if inside is None else m.add(inside, m.diag_embed(gw))
        ga = m.solve_matrices(adjoint(m, v), product(m, inside, v, False, True))[0]
        return m.real_part(ga) if c.real else ga, None


class Svd(Op):
    """Singular values in descending order, and the singular vectors of A = U diag(S) Vh."""

    name = "linalg_svd"
    complex = True

    @staticmethod
    def forward(c: Any, a: Any, full_matrices: bool, vectors: bool) -> Any:
        # the derivative of the values alone takes the vectors too
        u, s, vh = lapack.svd(a, full_matrices and vectors, vectors or c.recording)
        c.shape = a.lay.shape
        c.save(u, s, vh)
        return u, s, vh

    @staticmethod
    def vjp(m: Any, c: Any, gu: Any, gs: Any, gvh: Any) -> Any:
        u, s, vh = c.saved
        rows, columns = c.shape[-2:]
        k = min(rows, columns)
        # vectors beyond the k-th, which full matrices have, can be any: nothing flows through them
        u, vh = _narrow(m, u, -1, k), _narrow(m, vh, -2, k)
        gu, gvh = (None if gu is None else _narrow(m, gu, -1, k)), (None if gvh is None else _narrow(m, gvh, -2, k))
        if gu is None and gvh is None:
            return product(m, m.mul(u, m.unsqueeze(gs, -2)), vh), None, None
        squares = m.mul(s, s)
        inside = None
        if gu is not None:
            skew = _skew(m, product(m, u, gu, True, False))
            inside = m.mul(_over_gaps(m, skew, squares), m.unsqueeze(s, -2))
            if u.dtype.is_complex:  # the phases of the vectors turn together
                turn = m.div(m.diagonal(skew, 0, -2, -1), m.mul(s, 2.0))
                inside = m.add(inside, m.diag_embed(turn))
        if gvh is not None:
            term = m.mul(m.unsqueeze(s, -1), _over_gaps(m, _skew(m, product(m, vh, gvh, False, True)), squares))
            inside = term if inside is None else m.add(inside, term)
        if gs is not None:
            inside = m.add(inside, m.diag_embed(gs))
        ga = product(m, product(m, u, inside), vh)
        if rows > k and gu is not None:
            left = m.div(gu, m.unsqueeze(s, -2))
            left = m.sub(left, product(m, u, product(m, u, left, True, False)))
            ga = m.add(ga, product(m, left, vh))
        if columns > k and gvh is not None:
            right = m.div(gvh, m.unsqueeze(s, -1))
            right = m.sub(right, product(m, product(m, right, vh, False, True), vh))
            ga = m.add(ga, product(m, u, right))
        return ga, None, None


def _narrow(m: Any, x: Any, dim: int, k: int) -> Any:
    return x if x.lay.shape[dim] == k else m.narrow(x, dim, 0, k)


def _skew(m: Any, x: Any) -> Any:
    return m.sub(x, adjoint(m, x))
