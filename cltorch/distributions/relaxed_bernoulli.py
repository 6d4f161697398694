"""A continuous relaxation of the Bernoulli distribution.

Sources: C. Maddison, A. Mnih and Y. Teh, The concrete distribution, ICLR 2017; E. Jang, S. Gu and B. Poole, Categorical
reparameterization with Gumbel-softmax, ICLR 2017.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions._binary import BinaryParams, need_one
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.distributions.transforms import SigmoidTransform
from cltorch.distributions.utils import broadcast_all, clamp_probs
from cltorch.functions import public as fn
from cltorch.nn.functional import softplus
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(BinaryParams, Distribution):
    """Describe the log-odds of a relaxed Bernoulli variable: logistic variables over a temperature.

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#logitrelaxedbernoulli
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        need_one(probs, logits)
        given = logits if probs is None else probs
        self._keep("logits" if probs is None else "probs", broadcast_all(given)[0])
        shape = Size() if isinstance(given, Number) else self._param.size()
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(LogitRelaxedBernoulli, batch_shape, _instance, "probs logits")
        new._is_given, new.temperature = self._is_given, self.temperature
        return new

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(fn.rand(shape, dtype=self._param.dtype, device=self._param.device))
        return (u.log() - (-u).log1p() + self.logits.expand(shape)) / self.temperature

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        d = logits - value.mul(self.temperature)
        return fn.log(fn.as_tensor(self.temperature, dtype=d.dtype, device=d.device)) + d - 2 * softplus(d)


class RelaxedBernoulli(TransformedDistribution):
    """Describe variables in (0, 1) that for a small temperature are nearly 0 or 1, with gradients.

    x = σ((logits + log u - log(1 - u)) / temperature) with u ~ U(0, 1).
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#relaxedbernoulli

    >>> import cltorch as torch
    >>> torch.distributions.RelaxedBernoulli(torch.tensor(0.5), probs=torch.tensor([0.1, 0.9])).rsample().shape
    torch.Size([2])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    base_dist: LogitRelaxedBernoulli

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance=self._get_checked_instance(RelaxedBernoulli, _instance))

    @property
    def temperature(self) -> Tensor:
        """The temperature: the smaller, the nearer to 0 and 1."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The log-odds of 1."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self.base_dist.probs
