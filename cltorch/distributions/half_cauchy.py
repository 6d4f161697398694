"""Half-Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions._half import Half
from cltorch.distributions.cauchy import Cauchy
from cltorch.distributions.transforms import AbsTransform
from cltorch.functions import public as fn
from cltorch.tensor import Tensor

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """Describe the absolute value of a Cauchy variable of median 0 and scale ``scale``.

    p(x) = 2 / (π scale (1 + (x / scale)²)) for x >= 0.
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#halfcauchy

    >>> import cltorch as torch
    >>> torch.distributions.HalfCauchy(1.0).log_prob(torch.tensor(0.0))
    tensor(-0.4516)
    """

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance=self._get_checked_instance(HalfCauchy, _instance))

    @property
    def mean(self) -> Tensor:
        return fn.full(self._extended_shape(), math.inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance
