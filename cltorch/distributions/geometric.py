"""Geometric distribution."""

from __future__ import annotations

from numbers import Number
from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions._binary import BinaryParams, need_one
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all, negative_cross_entropy
from cltorch.dtypes import finfo
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Geometric"]


class Geometric(BinaryParams, Distribution):
    """Describe the number of failures before the first success, which has probability ``probs``.

    P(x) = (1 - probs)^x · probs.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#geometric

    >>> import cltorch as torch
    >>> torch.distributions.Geometric(0.25).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        need_one(probs, logits)
        given = logits if probs is None else probs
        self._keep("logits" if probs is None else "probs", broadcast_all(given)[0])
        shape = Size() if isinstance(given, Number) else self._param.size()
        super().__init__(shape, validate_args=validate_args)
        if self._validate_args and probs is not None:
            positive = self.probs > 0
            if not positive.all():
                raise ValueError(
                    f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                    f"distribution {self!r} to be positive but found invalid values:\n{self.probs[~positive]}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(Geometric, batch_shape, _instance, "probs logits")
        new._is_given = self._is_given
        return new

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return fn.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape, tiny = self._extended_shape(sample_shape), finfo(self.probs.dtype).tiny
        with no_grad():
            u = fn.rand(shape, dtype=self.probs.dtype, device=self.probs.device).clamp(min=tiny)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        # 0 failures before a certain success, of which ln(1 - p) has none
        probs = fn.where((probs == 1) & (value == 0), 0, probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return -negative_cross_entropy(self.logits, self.probs) / self.probs
