"""Transforms of vectors and matrices: onto the simplex, and onto Cholesky factors."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.transforms.elementwise import Plain
from cltorch.distributions.transforms.events import need_dims
from cltorch.distributions.utils import tril_matrix_to_vec, vec_to_tril_matrix
from cltorch.dtypes import finfo
from cltorch.functions import public as fn
from cltorch.linalg import cholesky
from cltorch.nn.functional import pad, softmax, softplus

__all__ = [
    "CorrCholeskyTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform", "SoftmaxTransform",
    "StickBreakingTransform",
]  # fmt: skip


class CorrCholeskyTransform(Plain):
    """Map vectors of D (D - 1) / 2 numbers to Cholesky factors of D x D correlation matrices.

    The tanh of each number is what a row has left of its length 1, in that direction, after those before it.
    Shape: (*, n (n - 1) / 2) to (*, n, n).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms;
    https://mc-stan.org/docs/reference-manual/transforms.html, Cholesky factors of correlation matrices.

    >>> import cltorch as torch
    >>> torch.distributions.transforms.CorrCholeskyTransform()(torch.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain, codomain = constraints.real_vector, constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        x = fn.tanh(x)
        eps = finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.clamp(min=-1 + eps, max=1 - eps), diag=-1)
        # what is left of the length after columns 0 … j
        rest = (1 - r * r).sqrt().cumprod(-1)
        r = r + fn.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * pad(rest[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        left = (1 - fn.cumsum(y * y, dim=-1))[..., :-1]
        shares = tril_matrix_to_vec(pad(left, [1, 0], value=1), diag=-1)
        t = tril_matrix_to_vec(y, diag=-1) / shares.sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Any:
        left = tril_matrix_to_vec(1 - (y * y).cumsum(dim=-1), diag=-2) if y.shape[-1] > 2 else y.new_zeros(0)
        lengths = 0.5 * left.log().sum(-1)
        slopes = -2 * (x + softplus(-2 * x) - math.log(2.0)).sum(dim=-1)
        return lengths + slopes

    def forward_shape(self, shape: Any) -> Any:
        need_dims(shape, 1)
        size = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (size, size)

    def inverse_shape(self, shape: Any) -> Any:
        need_dims(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class SoftmaxTransform(Plain):
    """Map vectors to probabilities by softmax; the inverse is the logarithm. Not bijective.

    y[i] = exp(x[i]) / Σ_j exp(x[j]).
    Shape: (*, K) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.transforms.SoftmaxTransform()(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x: Any) -> Any:
        return softmax(x, dim=-1)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        need_dims(shape, 1)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        need_dims(shape, 1)
        return shape


class StickBreakingTransform(Plain):
    """Map vectors of n numbers to probabilities of n + 1 events, each a share of what those before it have left.

    y[i] = z[i] · Π_j (1 - z[j]) over j < i with z[i] = σ(x[i] - log(n - i)), i from 0; y[n] is what is left.
    Shape: (*, n) to (*, n + 1).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms;
    https://mc-stan.org/docs/reference-manual/transforms.html, unit simplex.

    >>> import cltorch as torch
    >>> torch.distributions.transforms.StickBreakingTransform()(torch.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain, codomain = constraints.real_vector, constraints.simplex
    bijective = True

    @staticmethod
    def _shift(x: Any, size: int) -> Any:
        """Return the log-odds by which n zeros give n + 1 equal shares."""
        return fn.arange(size, 0, -1, device=x.device).to(x.dtype).log()

    def _call(self, x: Any) -> Any:
        z = fn.sigmoid(x - self._shift(x, x.shape[-1]))
        return pad(z, [0, 1], value=1) * pad((1 - z).cumprod(-1), [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        shares = y[..., :-1]
        left = fn.clamp(1 - shares.cumsum(-1), min=finfo(y.dtype).tiny)
        return shares.log() - left.log() + self._shift(y, shares.shape[-1])

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        x = x - self._shift(x, x.shape[-1])
        return (-x - softplus(-x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        need_dims(shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape: Any) -> Any:
        need_dims(shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


class LowerCholeskyTransform(Plain):
    """Map matrices to lower triangular ones with a positive diagonal, the exponential of theirs. Not bijective.

    y = tril(x, -1) + diag(exp(diag(x))).
    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.transforms.LowerCholeskyTransform()(torch.zeros(1, 1))
    tensor([[1.]])
    """

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Plain):
    """Map matrices to positive definite ones, by way of their Cholesky factors. Not bijective.

    y = L Lᵀ with L = tril(x, -1) + diag(exp(diag(x))).
    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.transforms.PositiveDefiniteTransform()(torch.zeros(1, 1))
    tensor([[1.]])
    """

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x: Any) -> Any:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform().inv(cholesky(y))
