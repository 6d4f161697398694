"""Negative binomial distribution."""

from __future__ import annotations

from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions._binary import BinaryParams, need_one
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.gamma import Gamma
from cltorch.distributions.utils import broadcast_all, lazy_property
from cltorch.functions import public as fn
from cltorch.nn.functional import logsigmoid
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["NegativeBinomial"]


class NegativeBinomial(BinaryParams, Distribution):
    """Describe the number of successes, of probability ``probs``, before ``total_count`` failures.

    P(x) = Γ(total_count + x) / (x! Γ(total_count)) · probs^x · (1 - probs)^total_count.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#negativebinomial

    >>> import cltorch as torch
    >>> torch.distributions.NegativeBinomial(3, torch.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        need_one(probs, logits)
        count, given = broadcast_all(total_count, logits if probs is None else probs)
        self.total_count = count.type_as(given)
        self._keep("logits" if probs is None else "probs", given)
        super().__init__(given.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(NegativeBinomial, batch_shape, _instance, "total_count probs logits")
        new._is_given = self._is_given
        return new

    @property
    def mean(self) -> Tensor:
        return self.total_count * fn.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / fn.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        # a rate drawn from a gamma distribution makes of Poisson's counts these
        return Gamma(concentration=self.total_count, rate=fn.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        with no_grad():
            return fn.poisson(self._gamma.sample(sample_shape=sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        unnormalized = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        norm = -fn.lgamma(n + value) + fn.lgamma(1.0 + value) + fn.lgamma(n)
        # without any failure to wait for, 0 is certain
        return unnormalized - norm.masked_fill(n + value == 0.0, 0.0)
