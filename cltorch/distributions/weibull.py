"""Weibull distribution."""

from __future__ import annotations

from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.exponential import Exponential
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.distributions.transforms import AffineTransform, PowerTransform
from cltorch.distributions.utils import broadcast_all, euler_constant
from cltorch.functions import public as fn
from cltorch.tensor import Tensor

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """Describe positive variables with cdf 1 - exp(-(x / scale)**concentration).

    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#weibull

    >>> import cltorch as torch
    >>> torch.distributions.Weibull(1.0, 1.0).log_prob(torch.tensor(1.0))
    tensor(-1.)
    """

    arg_constraints = {
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(fn.ones_like(self.scale), validate_args=validate_args)
        transforms = [
            PowerTransform(exponent=self.concentration_reciprocal),
            AffineTransform(loc=0, scale=self.scale),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Weibull, _instance)
        for name in ("scale", "concentration", "concentration_reciprocal"):
            setattr(new, name, getattr(self, name).expand(batch_shape))
        return super().expand(batch_shape, _instance=new)

    @property
    def mean(self) -> Tensor:
        return self.scale * fn.exp(fn.lgamma(1 + self.concentration_reciprocal))

    @property
    def mode(self) -> Tensor:
        """The most likely value; NaN where the density has no peak, for a concentration below 1."""
        k = self.concentration
        return self.scale * ((k - 1) / k).pow(self.concentration_reciprocal)

    @property
    def variance(self) -> Tensor:
        inverse = self.concentration_reciprocal
        return self.scale.pow(2) * (fn.exp(fn.lgamma(1 + 2 * inverse)) - fn.exp(2 * fn.lgamma(1 + inverse)))

    def entropy(self) -> Tensor:
        inverse = self.concentration_reciprocal
        return euler_constant * (1 - inverse) + fn.log(self.scale * inverse) + 1
