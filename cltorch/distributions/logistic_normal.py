"""Logistic-normal distribution."""

from __future__ import annotations

from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.normal import Normal
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.distributions.transforms import StickBreakingTransform
from cltorch.tensor import Tensor

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """Describe probability vectors made of normal variables by breaking a stick; one entry longer than they are.

    x[i] = z[i] · Π_j (1 - z[j]) over j < i with z[i] = σ(y[i] - log(K - i)), y = loc + scale · N(0, 1); the last is
    what is left.
    Shape: parameters (*, K), the batch being (*); values (*sample_shape, *, K + 1).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#logisticnormal

    >>> import cltorch as torch
    >>> torch.distributions.LogisticNormal(torch.zeros(2), torch.ones(2)).sample().shape
    torch.Size([3])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance=self._get_checked_instance(LogisticNormal, _instance))

    @property
    def loc(self) -> Tensor:
        """The mean of the normal variables."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the normal variables."""
        return self.base_dist.base_dist.scale
