"""Generalized Pareto distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Describe excesses over a threshold ``loc``: 1 - cdf is (1 + concentration z)**(-1 / concentration).

    z is (x - loc) / scale; a concentration of 0 gives an exponential distribution, a negative one an upper end.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#generalizedpareto

    >>> import cltorch as torch
    >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: Any = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(GeneralizedPareto, batch_shape, _instance, "loc scale concentration")

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return self.icdf(fn.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def _z(self, x: Any) -> Tensor:
        return (x - self.loc) / self.scale

    def _exponential(self) -> tuple[Tensor, Tensor]:
        """Return where the concentration is nearly 0, and the concentrations with 1 in these places.

        There the first two terms of a series in the concentration give the value and its derivative.
        """
        zero = fn.isclose(self.concentration, fn.zeros_like(self.concentration))
        return zero, fn.where(zero, 1.0, self.concentration)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, k = self._exponential()
        return -self.scale.log() - fn.where(
            zero, z + self.concentration * (z - 0.5 * z * z), (1 + 1 / k) * fn.log1p(k * z)
        )

    def log_survival_function(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of larger values."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, k = self._exponential()
        return fn.where(zero, 0.5 * self.concentration * z * z - z, -fn.log1p(k * z) / k)

    def log_cdf(self, value: Any) -> Tensor:
        """Return the logarithm of the cumulative distribution."""
        return fn.log1p(-fn.exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Tensor:
        return fn.exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Tensor:
        zero, k = self._exponential()
        log = fn.log1p(-fn.as_tensor(value, dtype=self.loc.dtype, device=self.loc.device))
        return self.loc + self.scale * fn.where(
            zero, 0.5 * self.concentration * log * log - log, fn.expm1(-k * log) / k
        )

    @property
    def mean(self) -> Tensor:
        """NaN from a concentration of 1 on."""
        k = self.concentration
        return fn.where(k < 1, self.loc + self.scale / (1 - k), math.nan)

    @property
    def variance(self) -> Tensor:
        """NaN from a concentration of one half on."""
        k = self.concentration
        return fn.where(k < 0.5, self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k)), math.nan)

    def entropy(self) -> Tensor:
        return (fn.log(self.scale) + self.concentration + 1).expand(self._batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, fn.where(self.concentration < 0, end, math.inf))
