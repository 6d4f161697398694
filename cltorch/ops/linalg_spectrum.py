"""Operators of eigenvalues and singular values, and their derivatives.

Source of the derivatives: Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation, 2008, https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf; Townsend, Differentiating the singular
value decomposition, 2016, https://j-towns.github.io/papers/svd-derivative.pdf
"""

from __future__ import annotations

from typing import Any

from cltorch.ops import lapack
from cltorch.ops.linalg_solve import flipped
from cltorch.ops.op import Op


def _over_gaps(m: Any, x: Any, s: Any) -> Any:
    """Return x[i, j] / (s[j] - s[i]) with zeros on the diagonal."""
    eye = m.eye(s.layout.shape[-1], dtype=s.dtype, device=s.device)
    gaps = m.add(m.sub(m.unsqueeze(s, -2), m.unsqueeze(s, -1)), eye)
    return m.div(m.sub(x, m.mul(x, eye)), gaps)


class Eigh(Op):
    """Eigenvalues in ascending order and eigenvectors of symmetric matrices, of which one triangle is read."""

    name = "linalg_eigh"

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
            inside = _over_gaps(m, m.matrix_product(v, gv, True, False), w)
        if gw is not None:
            if inside is None:
                return m.matrix_product(m.mul(v, m.unsqueeze(gw, -2)), v, False, True), None, None
            inside = m.add(inside, m.diag_embed(gw))
        return m.matrix_product(m.matrix_product(v, inside), v, False, True), None, None


class Svd(Op):
    """Singular values in descending order, and the singular vectors of A = U diag(S) Vh."""

    name = "linalg_svd"

    @staticmethod
    def forward(c: Any, a: Any, full_matrices: bool, vectors: bool) -> Any:
        # the derivative of the values alone takes the vectors too
        u, s, vh = lapack.svd(a, full_matrices and vectors, vectors or c.recording)
        c.shape = a.layout.shape
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
        product = m.matrix_product
        if gu is None and gvh is None:
            return product(m.mul(u, m.unsqueeze(gs, -2)), vh), None, None
        squares = m.mul(s, s)
        inside = None
        if gu is not None:
            skew = _skew(m, product(u, gu, True, False))
            inside = m.mul(_over_gaps(m, skew, squares), m.unsqueeze(s, -2))
        if gvh is not None:
            term = m.mul(m.unsqueeze(s, -1), _over_gaps(m, _skew(m, product(vh, gvh, False, True)), squares))
            inside = term if inside is None else m.add(inside, term)
        if gs is not None:
            inside = m.add(inside, m.diag_embed(gs))
        ga = product(product(u, inside), vh)
        if rows > k and gu is not None:
            left = m.div(gu, m.unsqueeze(s, -2))
            left = m.sub(left, product(u, product(u, left, True, False)))
            ga = m.add(ga, product(left, vh))
        if columns > k and gvh is not None:
            right = m.div(gvh, m.unsqueeze(s, -1))
            right = m.sub(right, product(product(right, vh, False, True), vh))
            ga = m.add(ga, product(u, right))
        return ga, None, None


def _narrow(m: Any, x: Any, dim: int, k: int) -> Any:
    return x if x.layout.shape[dim] == k else m.narrow(x, dim, 0, k)


def _skew(m: Any, x: Any) -> Any:
    return m.sub(x, flipped(m, x))
