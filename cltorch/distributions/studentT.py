"""Student's t distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.chi2 import Chi2
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import _standard_normal, broadcast_all
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Describe ratios of a normal variable and the root mean square of ``df`` others, scaled and moved.

    x = loc + scale · z √(df / v) with z ~ N(0, 1) and v ~ Chi2(df).
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#studentt

    >>> import cltorch as torch
    >>> torch.distributions.StudentT(1.0).log_prob(torch.tensor(0.0))
    tensor(-1.1447)
    """

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The location; NaN up to one degree of freedom."""
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Infinite up to two degrees of freedom, NaN up to one."""
        df = self.df.masked_fill(self.df <= 2, math.inf)
        finite = self.scale.pow(2) * self.df / (df - 2)
        return finite.masked_fill(self.df <= 2, math.inf).masked_fill(self.df <= 1, math.nan)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(StudentT, batch_shape, _instance, "df loc scale")
        new._chi2 = self._chi2.expand(batch_shape)
        return new

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        y = x * fn.rsqrt(self._chi2.rsample(sample_shape) / self.df)
        return self.loc + self.scale * y

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z, half = (value - self.loc) / self.scale, 0.5 * self.df
        norm = (
            self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + fn.lgamma(half) - fn.lgamma(half + 0.5)
        )
        return -(half + 0.5) * fn.log1p(z * z / self.df) - norm

    def entropy(self) -> Tensor:
        half = 0.5 * self.df
        log_beta = fn.lgamma(half) + math.lgamma(0.5) - fn.lgamma(half + 0.5)
        spread = (half + 0.5) * (fn.digamma(half + 0.5) - fn.digamma(half))
        return self.scale.log() + spread + 0.5 * self.df.log() + log_beta
