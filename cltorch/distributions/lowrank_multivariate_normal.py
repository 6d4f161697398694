"""Multivariate normal distribution whose covariance is of low rank but for its diagonal.

With W the factor and D the diagonal, M = I + W' D^-1 W is small; by Woodbury's identity and the lemma on determinants
its Cholesky factor is all that is needed to invert W W' + D.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.multivariate_normal import _batch_mahalanobis, _batch_mv, _half_log_det
from cltorch.distributions.utils import _standard_normal, lazy_property
from cltorch.functions import public as fn
from cltorch.linalg import cholesky, solve_triangular
from cltorch.shapes import Size, broadcast_shapes
from cltorch.tensor import Tensor

__all__ = ["LowRankMultivariateNormal"]


def _batch_capacitance_tril(w: Any, d: Any) -> Tensor:
    """Return the Cholesky factor of I + W' D^-1 W."""
    scaled = w.mT / d.unsqueeze(-2)
    return cholesky(scaled @ w + fn.eye(w.shape[-1], dtype=w.dtype, device=w.device))


def _batch_lowrank_logdet(w: Any, d: Any, factor: Any) -> Tensor:
    """Return ln det(W W' + D)."""
    return 2 * _half_log_det(factor) + d.log().sum(-1)


def _batch_lowrank_mahalanobis(w: Any, d: Any, x: Any, factor: Any) -> Tensor:
    """Return x' (W W' + D)^-1 x."""
    scaled = w.mT / d.unsqueeze(-2)
    inner = _batch_mv(scaled, x)
    return (x.pow(2) / d).sum(-1) - _batch_mahalanobis(factor, inner)


class LowRankMultivariateNormal(Distribution):
    """Describe normal vectors of mean ``loc`` and covariance cov_factor cov_factor' + diag(cov_diag).

    Shape: ``loc`` and ``cov_diag`` (*, n), ``cov_factor`` (*, n, r), the batch being (*); values (*sample_shape, *, n).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#lowrankmultivariatenormal

    >>> import cltorch as torch
    >>> normal = torch.distributions.LowRankMultivariateNormal(torch.zeros(2), torch.zeros(2, 1), torch.ones(2))
    >>> normal.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if cov_diag.shape[-1:] != loc.shape[-1:]:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {loc.shape[-1:]}")
        try:
            shape = broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag "
                             f"{cov_diag.shape}") from error  # fmt: skip
        self.loc = loc.expand((*shape, -1))
        self.cov_factor, self.cov_diag = cov_factor.expand((*shape, -1, -1)), cov_diag.expand((*shape, -1))
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = _batch_capacitance_tril(cov_factor, cov_diag)
        super().__init__(Size(shape), self.loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        dims = {"loc": 1, "cov_factor": 2, "cov_diag": 1}
        new = self._expanded(LowRankMultivariateNormal, batch_shape, _instance, " ".join(dims), dims)
        for name in ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril"):
            setattr(new, name, getattr(self, name))
        return new

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The diagonal of the covariance."""
        square = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return square.expand(self._batch_shape + self._event_shape)

    def _whole(self, matrix: Any) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        # D^1/2 K with K K' = I + D^-1/2 W W' D^-1/2, which is better conditioned
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        w = self._unbroadcasted_cov_factor / root
        k = w @ w.mT + fn.eye(w.shape[-2], dtype=w.dtype, device=w.device)
        return self._whole(root * cholesky(k))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        w = self._unbroadcasted_cov_factor
        return self._whole(w @ w.mT + fn.diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        d = self._unbroadcasted_cov_diag
        scaled = self._unbroadcasted_cov_factor.mT / d.unsqueeze(-2)
        a = solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self._whole(fn.diag_embed(d.reciprocal()) - a.mT @ a)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        rank = self.cov_factor.shape[-1:]
        eps_w = _standard_normal(shape[:-1] + rank, self.loc.dtype, self.loc.device)
        eps_d = _standard_normal(shape, self.loc.dtype, self.loc.device)
        low_rank = _batch_mv(self._unbroadcasted_cov_factor, eps_w)
        return self.loc + low_rank + self._unbroadcasted_cov_diag.sqrt() * eps_d

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        parts = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        square = _batch_lowrank_mahalanobis(*parts, value - self.loc, self._capacitance_tril)
        log_det = _batch_lowrank_logdet(*parts, self._capacitance_tril)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + log_det + square)

    def entropy(self) -> Tensor:
        log_det = _batch_lowrank_logdet(
            self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag, self._capacitance_tril
        )
        constant = self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (0.5 * (constant + log_det)).expand(self._batch_shape)
