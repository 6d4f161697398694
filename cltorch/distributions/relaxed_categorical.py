"""A continuous relaxation of one-hot vectors; see relaxed_bernoulli for the sources."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.categorical import Categorical
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.distributions.transforms import ExpTransform
from cltorch.distributions.utils import broadcast_all, clamp_probs
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """Describe the logarithms of relaxed one-hot vectors: Gumbel variables over a temperature, normalised.

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.relaxed_categorical
    """

    arg_constraints = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(
            self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args
        )  # fmt: skip

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(ExpRelaxedCategorical, batch_shape, _instance, "")
        new.temperature, new._categorical = self.temperature, self._categorical.expand(batch_shape)
        return new

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._categorical._new(*args, **kwargs)

    @property
    def param_shape(self) -> Size:
        """The shape of the probabilities."""
        return self._categorical.param_shape

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(fn.rand(shape, dtype=self.logits.dtype, device=self.logits.device))
        scores = (self.logits - (-(u.log())).log()) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k = self._categorical._num_events
        logits, value = broadcast_all(self.logits, value)
        temperature = fn.as_tensor(self.temperature, dtype=logits.dtype, device=logits.device)
        scale = math.lgamma(k) + (k - 1) * temperature.log()
        score = logits - value.mul(temperature)
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Describe probability vectors that for a small temperature are nearly one-hot, with gradients.

    x = softmax((logits + g) / temperature) with g = -log(-log u), u ~ U(0, 1).
    Shape: parameters (*, K), the batch being (*); values (*sample_shape, *, K).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#relaxedonehotcategorical

    >>> import cltorch as torch
    >>> torch.distributions.RelaxedOneHotCategorical(torch.tensor(0.5), probs=torch.ones(3)).rsample().sum()
    tensor(1.)
    """

    arg_constraints = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.simplex
    has_rsample = True
    base_dist: ExpRelaxedCategorical

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance=self._get_checked_instance(RelaxedOneHotCategorical, _instance))

    @property
    def temperature(self) -> Tensor:
        """The temperature: the smaller, the nearer to one-hot vectors."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.base_dist.probs
