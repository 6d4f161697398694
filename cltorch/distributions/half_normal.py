"""Half-normal distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions._half import Half
from cltorch.distributions.normal import Normal
from cltorch.distributions.transforms import AbsTransform
from cltorch.tensor import Tensor

__all__ = ["HalfNormal"]


class HalfNormal(Half):
    """Describe the absolute value of a normal variable of mean 0 and standard deviation ``scale``.

    p(x) = √(2 / π) / scale · exp(-(x / scale)² / 2) for x >= 0.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#halfnormal

    >>> import cltorch as torch
    >>> torch.distributions.HalfNormal(1.0).log_prob(torch.tensor(0.0))
    tensor(-0.2258)
    """

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance=self._get_checked_instance(HalfNormal, _instance))

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale.pow(2) * (1 - 2 / math.pi)
