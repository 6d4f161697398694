"""Continuous Bernoulli distribution.

Source: G. Loaiza-Ganem and J. Cunningham, The continuous Bernoulli, NeurIPS 2019.
"""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions._binary import BinaryParams, need_one
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.distributions.utils import broadcast_all, clamp_probs, negative_cross_entropy
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(BinaryParams, ExponentialFamily):
    """Describe variables in [0, 1] with density proportional to probs**x (1 - probs)**(1 - x).

    Between ``lims``, around a probability of one half, where the formulas divide 0 by 0, Taylor's series are used.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#continuousbernoulli

    >>> import cltorch as torch
    >>> torch.distributions.ContinuousBernoulli(0.5).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    _mean_carrier_measure = 0
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        need_one(probs, logits)
        given = logits if probs is None else probs
        (value,) = broadcast_all(given)
        if probs is not None:
            if validate_args is not None and validate_args and not self.arg_constraints["probs"].check(value).all():
                raise ValueError("The parameter probs has invalid values")
            value = clamp_probs(value)
        self._keep("logits" if probs is None else "probs", value)
        self._lims = lims
        super().__init__(Size() if isinstance(given, Number) else value.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(ContinuousBernoulli, batch_shape, _instance, "probs logits")
        new._is_given, new._lims = self._is_given, self._lims
        return new

    def _outside_unstable_region(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Tensor:
        """Return the probabilities, those in the unstable region replaced by its lower end."""
        return fn.where(self._outside_unstable_region(), self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        """Return the logarithm of 2 atanh(1 - 2 p) / (1 - 2 p)."""
        cut = self._cut_probs()
        low, high = fn.where(cut <= 0.5, cut, 0), fn.where(cut >= 0.5, cut, 1)
        span = fn.where(cut <= 0.5, fn.log1p(-2.0 * low), fn.log(2.0 * high - 1.0))
        exact = fn.log(fn.abs(fn.log1p(-cut) - fn.log(cut))) - span
        x = (self.probs - 0.5).pow(2)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return fn.where(self._outside_unstable_region(), exact, series)

    @property
    def mean(self) -> Tensor:
        cut = self._cut_probs()
        exact = cut / (2.0 * cut - 1.0) + 1.0 / (fn.log1p(-cut) - fn.log(cut))
        x = self.probs - 0.5
        return fn.where(self._outside_unstable_region(), exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def stddev(self) -> Tensor:
        return fn.sqrt(self.variance)

    @property
    def variance(self) -> Tensor:
        cut = self._cut_probs()
        exact = cut * (cut - 1.0) / (1.0 - 2.0 * cut).pow(2) + 1.0 / (fn.log1p(-cut) - fn.log(cut)).pow(2)
        x = (self.probs - 0.5).pow(2)
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x
        return fn.where(self._outside_unstable_region(), exact, series)

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return self.icdf(fn.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return negative_cross_entropy(logits, value) + self._cont_bern_log_norm()

    def cdf(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut_probs()
        exact = (fn.pow(cut, value) * fn.pow(1.0 - cut, 1.0 - value) + cut - 1.0) / (2.0 * cut - 1.0)
        inside = fn.where(self._outside_unstable_region(), exact, value)
        return fn.where(value <= 0.0, 0.0, fn.where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Any) -> Tensor:
        cut = self._cut_probs()
        exact = (fn.log1p(-cut + value * (2.0 * cut - 1.0)) - fn.log1p(-cut)) / (fn.log(cut) - fn.log1p(-cut))
        return fn.where(self._outside_unstable_region(), exact, value)

    def entropy(self) -> Tensor:
        log_0, log_1 = fn.log1p(-self.probs), fn.log(self.probs)
        return self.mean * (log_0 - log_1) - self._cont_bern_log_norm() - log_0

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Tensor:
        """Return ln((exp(x) - 1) / x), by Taylor's series where the probability lies in the unstable region."""
        out = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = fn.where(out, x, self._lims[0] - 0.5)
        exact = fn.log(fn.abs(fn.expm1(cut))) - fn.log(fn.abs(cut))
        return fn.where(out, exact, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
