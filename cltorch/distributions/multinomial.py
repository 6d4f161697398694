"""Multinomial distribution."""

from __future__ import annotations

from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions.binomial import Binomial
from cltorch.distributions.categorical import Categorical
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """Describe how often each of K categories comes in ``total_count`` draws.

    P(x) = total_count! · Π_i probs[i]^x[i] / x[i]!.
    Shape: parameters (*, K), the batch being (*); values (*sample_shape, *, K).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#multinomial

    >>> import cltorch as torch
    >>> torch.distributions.Multinomial(2, torch.ones(2)).log_prob(torch.tensor([1.0, 1.0]))
    tensor(-0.6931)
    """

    arg_constraints = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    total_count: int

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        super().__init__(
            self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args
        )  # fmt: skip

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(Multinomial, batch_shape, _instance, "")
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        new._binomial = Binomial(total_count=self.total_count, probs=new.probs, validate_args=False)
        return new

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._categorical._new(*args, **kwargs)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Size:
        """The shape of the probabilities."""
        return self._categorical.param_shape

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        with no_grad():
            drawn = self._categorical.sample(Size((self.total_count, *sample_shape)))
            # the draws come first: moved last, and counted there
            drawn = drawn.permute(*range(1, drawn.dim()), 0)
            counts = fn.zeros(self._extended_shape(sample_shape), dtype=drawn.dtype, device=drawn.device)
            counts.scatter_add_(-1, drawn, fn.ones_like(drawn))
            return counts.to(self.probs.dtype)

    def entropy(self) -> Tensor:
        """Return the entropy, whose last part sums ln x! over all counts of each category."""
        n = fn.tensor(float(self.total_count), dtype=self.probs.dtype, device=self.probs.device)
        counts = self._binomial.enumerate_support(expand=False)[1:]
        weights = fn.exp(self._binomial.log_prob(counts))
        rest = (weights * fn.lgamma(counts + 1)).sum([0, -1])
        return self.total_count * self._categorical.entropy() - fn.lgamma(n + 1) + rest

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        # an impossible category that did not come counts for nothing
        logits = logits.masked_fill((value == 0) & (logits == -float("inf")), 0)
        return fn.lgamma(value.sum(-1) + 1) - fn.lgamma(value + 1).sum(-1) + (logits * value).sum(-1)
