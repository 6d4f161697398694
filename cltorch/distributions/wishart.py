"""Wishart distribution."""

from __future__ import annotations

import math
import warnings
from numbers import Number
from typing import Any

from cltorch.autograd import is_grad_enabled
from cltorch.distributions import constraints
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.distributions.gamma import Gamma
from cltorch.distributions.multivariate_normal import CovarianceParams, _half_log_det, one_matrix
from cltorch.functions import public as fn
from cltorch.linalg import slogdet
from cltorch.shapes import Size, broadcast_shapes
from cltorch.tensor import Tensor

__all__ = ["Wishart"]

_LOG_2 = math.log(2)


def _mvdigamma(x: Any, p: int) -> Tensor:
    """Return the derivative of the multivariate log-gamma function."""
    steps = fn.arange(p, device=x.device).to(x.dtype)
    return fn.digamma(x.unsqueeze(-1) - 0.5 * steps).sum(-1)


class Wishart(CovarianceParams, ExponentialFamily):
    """Describe sums of ``df`` outer products x x' of normal vectors x of mean 0 and a given covariance.

    p(X) ∝ det(X)^((df - n - 1) / 2) · exp(-tr(Σ⁻¹ X) / 2).
    Shape: ``df`` (*), matrices (*, n, n), the batch being (*); values (*sample_shape, *, n, n).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#wishart

    >>> import cltorch as torch
    >>> torch.distributions.Wishart(torch.tensor(3.0), covariance_matrix=torch.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        name, matrix = one_matrix(
            AssertionError,
            scale_tril=scale_tril,
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
        )
        if matrix.dim() < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        number = isinstance(df, Number)
        shape = Size(matrix.shape[:-2] if number else broadcast_shapes(matrix.shape[:-2], df.shape))
        event_shape = matrix.shape[-2:]
        self.df = fn.full(shape, df, dtype=matrix.dtype, device=matrix.device) if number else df.expand(shape)
        n = event_shape[-1]
        if self.df.le(n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        self.__dict__[name] = matrix.expand((*shape, -1, -1))
        # before the checks: the constraints depend on it
        self._batch_shape, self._event_shape = shape, event_shape
        if self.df.lt(n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(shape, event_shape, validate_args=validate_args)
        self._keep_factor(name, matrix)
        self._chi2 = self._diagonal()

    def _diagonal(self) -> Gamma:
        """Return the distribution of the squared diagonal of a Bartlett factor: chi-squared of df, df - 1, …"""
        steps = fn.arange(self._event_shape[-1], device=self.df.device).to(self.df.dtype)
        return Gamma((self.df.unsqueeze(-1) - steps) * 0.5, fn.full_like(self.df.unsqueeze(-1), 0.5))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        dims = {"df": 0, "covariance_matrix": 2, "scale_tril": 2, "precision_matrix": 2}
        new = self._expanded(Wishart, batch_shape, _instance, " ".join(dims), dims)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand((*batch_shape, *self._event_shape))
        new._chi2 = new._diagonal()
        return new

    @property
    def mean(self) -> Tensor:
        return self.df.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """NaN where the degrees of freedom are not above the dimension + 1."""
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = factor.masked_fill(factor <= 0, math.nan)
        return factor.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        v = self.covariance_matrix
        d = v.diagonal(dim1=-2, dim2=-1)
        return self.df.view(self._batch_shape + (1, 1)) * (v.pow(2) + d.unsqueeze(-1) * d.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Return samples (A T)(A T)' with T a lower triangle of normal variables, its diagonal chi."""
        diagonal = self._chi2.rsample(sample_shape).sqrt()
        shape = self._extended_shape(sample_shape)
        below = fn.randn(shape, dtype=diagonal.dtype, device=diagonal.device).tril(-1)
        factor = self._unbroadcasted_scale_tril @ (below + fn.diag_embed(diagonal, 0, -2, -1))
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = Size(), max_try_correction: int | None = None) -> Tensor:  # noqa: B008
        """Draw matrices; those that rounding made singular are drawn again, ``max_try_correction`` times.

        By default that is 3 times where gradients are recorded, and 10 elsewhere.
        """
        if max_try_correction is None:
            max_try_correction = 3 if is_grad_enabled() else 10
        sample_shape = Size(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        singular = self._singular(sample)
        if self._batch_shape:  # all that share a matrix's place in the batch
            singular = singular.reshape((-1, *self._batch_shape)).any(0).expand(singular.shape)
        if not singular.any():
            return sample
        warnings.warn("Singular sample detected.", stacklevel=2)
        for _ in range(max_try_correction):
            fresh = self._bartlett_sampling(sample_shape)
            sample = fn.where(singular.unsqueeze(-1).unsqueeze(-1), fresh, sample)
            singular = singular & self._singular(sample)
            if not singular.any():
                break
        return sample

    def _singular(self, sample: Any) -> Tensor:
        """Return which matrices are not positive definite."""
        return ~self.support.check(sample.detach())

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        factor = self._unbroadcasted_scale_tril
        solved = fn.cholesky_solve(value, factor)
        return (
            -nu * (p * _LOG_2 / 2 + _half_log_det(factor)) - fn.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * slogdet(value).logabsdet - solved.diagonal(dim1=-2, dim2=-1).sum(dim=-1) / 2
        )  # fmt: skip

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * _LOG_2 / 2 + _half_log_det(self._unbroadcasted_scale_tril)) + fn.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p) + nu * p / 2
        )  # fmt: skip

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Tensor:
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return half * (p * _LOG_2 - slogdet(-2 * x).logabsdet) + fn.mvlgamma(half, p=p)
