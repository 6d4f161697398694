"""Gamma distribution."""

from __future__ import annotations

from typing import Any

from cltorch import functions as fn
from cltorch.distributions import constraints
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.distributions.utils import broadcast_all
from cltorch.dtypes import finfo
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Describe positive variables with density proportional to x**(concentration - 1) exp(-rate x).

    Samples carry gradients to both parameters.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#gamma

    >>> import cltorch as torch
    >>> torch.distributions.Gamma(1.0, 2.0).log_prob(torch.tensor(1.0))
    tensor(-1.3069)
    """

    arg_constraints = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.pow(2)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(Gamma, batch_shape, _instance, "concentration rate")

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        value = fn.standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        # what a large rate makes too small for its logarithm is raised, without a change of the gradient
        return value + (value.detach().clamp(min=finfo(value.dtype).tiny) - value.detach())

    def log_prob(self, value: Any) -> Tensor:
        value = fn.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        if self._validate_args:
            self._validate_sample(value)
        a, rate = self.concentration, self.rate
        return fn.xlogy(a, rate) + fn.xlogy(a - 1, value) - rate * value - fn.lgamma(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - fn.log(self.rate) + fn.lgamma(a) + (1.0 - a) * fn.digamma(a)

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return (self.concentration - 1, -self.rate)

    def _log_normalizer(self, x: Any, y: Any) -> Tensor:
        return fn.lgamma(x + 1) + (x + 1) * fn.log(-y.reciprocal())

    def cdf(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return fn.igamma(self.concentration, self.rate * value)
