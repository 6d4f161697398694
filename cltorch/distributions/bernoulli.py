"""Bernoulli distribution."""

from __future__ import annotations

from numbers import Number
from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions._binary import BinaryParams, need_one
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.distributions.utils import broadcast_all, negative_cross_entropy
from cltorch.functions import public as fn
from cltorch.nn.functional import softplus
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Bernoulli"]


class Bernoulli(BinaryParams, ExponentialFamily):
    """Describe variables that are 1 with probability ``probs``, or log-odds ``logits``, and else 0.

    P(x) = probs^x · (1 - probs)^(1 - x), probs = σ(logits).
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#bernoulli

    >>> import cltorch as torch
    >>> torch.distributions.Bernoulli(0.25).log_prob(torch.tensor(1.0))
    tensor(-1.3863)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        need_one(probs, logits)
        given = logits if probs is None else probs
        self._keep("logits" if probs is None else "probs", broadcast_all(given)[0])
        shape = Size() if isinstance(given, Number) else self._param.size()
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(Bernoulli, batch_shape, _instance, "probs logits")
        new._is_given = self._is_given
        return new

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The likelier value; NaN where both are equally likely."""
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return mode.masked_fill(self.probs == 0.5, float("nan"))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        with no_grad():
            return fn.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return negative_cross_entropy(logits, value)

    def entropy(self) -> Tensor:
        return -negative_cross_entropy(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = fn.arange(2, device=self._param.device).to(self._param.dtype)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (fn.logit(self.probs),)

    def _log_normalizer(self, x: Any) -> Tensor:
        return softplus(x)
