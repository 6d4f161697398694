"""Binomial distribution."""

from __future__ import annotations

from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions._binary import BinaryParams, need_one
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all
from cltorch.functions import public as fn
from cltorch.nn.functional import softplus
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Binomial"]


class Binomial(BinaryParams, Distribution):
    """Describe the number of successes in ``total_count`` trials of probability ``probs``, or log-odds ``logits``.

    P(x) = total_count! / (x! (total_count - x)!) · probs^x · (1 - probs)^(total_count - x).
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#binomial

    >>> import cltorch as torch
    >>> torch.distributions.Binomial(2, torch.tensor(0.5)).log_prob(torch.tensor(1.0))
    tensor(-0.6931)
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        need_one(probs, logits)
        given = logits if probs is None else probs
        count, given = broadcast_all(total_count, given)
        self.total_count = count.type_as(given)
        self._keep("logits" if probs is None else "probs", given)
        super().__init__(given.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(Binomial, batch_shape, _instance, "total_count probs logits")
        new._is_given = self._is_given
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return fn.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        log_choices = fn.lgamma(n + 1) - fn.lgamma(value + 1) - fn.lgamma(n - value + 1)
        # value ln p + (n - value) ln(1 - p), with ln(1 - p) = -softplus(logits)
        return value * self.logits - n * softplus(self.logits) + log_choices

    def entropy(self) -> Tensor:
        """Return the entropy, a sum over all values; raises NotImplementedError unless all counts are the same."""
        top = int(self.total_count.max())
        if top != self.total_count.min():
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        logs = self.log_prob(self.enumerate_support(False))
        return -(fn.exp(logs) * logs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        top = int(self.total_count.max())
        if top != self.total_count.min():
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = fn.arange(1 + top, device=self._param.device).to(self._param.dtype)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
