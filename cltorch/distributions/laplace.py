"""Laplace distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all
from cltorch.dtypes import finfo
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Laplace"]


class Laplace(Distribution):
    """Describe variables with density proportional to exp(-|x - loc| / scale).

    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#laplace

    >>> import cltorch as torch
    >>> torch.distributions.Laplace(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.6931)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(Laplace, batch_shape, _instance, "loc scale")

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape, dtype = self._extended_shape(sample_shape), self.loc.dtype
        u = fn.rand(shape, dtype=dtype, device=self.loc.device) * 2 - 1
        # -1 itself, which rand gives once in a while, would become infinite
        u = u.clamp(min=finfo(dtype).eps - 1)
        return self.loc - self.scale * u.sign() * fn.log1p(-u.abs())

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -fn.log(2 * self.scale) - fn.abs(value - self.loc) / self.scale

    def cdf(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = value - self.loc
        return 0.5 - 0.5 * z.sign() * fn.expm1(-z.abs() / self.scale)

    def icdf(self, value: Any) -> Tensor:
        d = value - 0.5
        return self.loc - self.scale * d.sign() * fn.log1p(-2 * d.abs())

    def entropy(self) -> Tensor:
        return 1 + fn.log(2 * self.scale)
