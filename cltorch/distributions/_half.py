"""The absolute value of a symmetric variable around 0."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.functions import public as fn
from cltorch.tensor import Tensor


class Half(TransformedDistribution):
    """Describe |x| by the distribution of x, which lies in ``base_dist`` and has a ``scale``."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    @property
    def scale(self) -> Tensor:
        """The scale of the variable whose absolute value this is."""
        return self.base_dist.scale

    @property
    def mode(self) -> Tensor:
        return fn.zeros_like(self.scale)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = fn.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        return fn.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: Any) -> Tensor:
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)
