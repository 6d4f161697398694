"""Transforms of each element by itself."""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.transforms.base import Transform
from cltorch.distributions.utils import _sum_rightmost, broadcast_all, lazy_property
from cltorch.dtypes import finfo
from cltorch.functions import public as fn
from cltorch.nn.functional import softplus
from cltorch.shapes import broadcast_shapes

__all__ = [
    "AbsTransform", "AffineTransform", "CumulativeDistributionTransform", "ExpTransform", "PowerTransform",
    "SigmoidTransform", "SoftplusTransform", "TanhTransform",
]  # fmt: skip


class Plain(Transform):
    """A transform without parameters: any two of one class are equal."""

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, type(self))

    __hash__ = None


class ExpTransform(Plain):
    """Map x to exp(x).

    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.transforms.ExpTransform()(torch.zeros(2))
    tensor([1., 1.])
    """

    domain, codomain = constraints.real, constraints.positive
    bijective, sign = True, 1

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


def _clipped_sigmoid(x: Any) -> Any:
    limits = finfo(x.dtype)
    return fn.clamp(fn.sigmoid(x), min=limits.tiny, max=1.0 - limits.eps)


class SigmoidTransform(Plain):
    """Map x to 1 / (1 + exp(-x)).

    The result keeps away from 0 and 1 by the least that the dtype can tell, so that its inverse is finite.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.SigmoidTransform()(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain, codomain = constraints.real, constraints.unit_interval
    bijective, sign = True, 1

    def _call(self, x: Any) -> Any:
        return _clipped_sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        limits = finfo(y.dtype)
        y = y.clamp(min=limits.tiny, max=1.0 - limits.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x) - softplus(x)


class SoftplusTransform(Plain):
    """Map x to ln(1 + exp(x)), which for x > 20 is x.

    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.SoftplusTransform()(torch.zeros(1))
    tensor([0.6931])
    """

    domain, codomain = constraints.real, constraints.positive
    bijective, sign = True, 1

    def _call(self, x: Any) -> Any:
        return softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x)


class TanhTransform(Plain):
    """Map x to tanh(x); prefer a cache (``cache_size=1``), since the inverse is not finite where tanh rounds to 1.

    y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.TanhTransform()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """

    domain, codomain = constraints.real, constraints.interval(-1.0, 1.0)
    bijective, sign = True, 1

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return fn.atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        # ln(1 - tanh(x)**2) without the cancellation
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(Plain):
    """Map x to |x|; the inverse is the non-negative one.

    y = |x|.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.AbsTransform()(torch.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """

    domain, codomain = constraints.real, constraints.positive

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class AffineTransform(Transform):
    """Map x to loc + scale * x; ``event_dim`` of the last dimensions make one event.

    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.transforms.AffineTransform(1.0, -2.0).log_abs_det_jacobian(torch.zeros(1), None)
    tensor([0.6931])
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.real if self.event_dim == 0 else constraints.independent(constraints.real, self.event_dim)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return self.domain

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other: Any) -> bool:
        return (
            isinstance(other, AffineTransform) and _same(self.loc, other.loc) and _same(self.scale, other.scale)
        )  # fmt: skip

    __hash__ = None

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Number):
            return 1 if float(self.scale) > 0 else -1 if float(self.scale) < 0 else 0  # type: ignore[arg-type]
        return self.scale.sign()

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        shape, scale = x.shape, self.scale
        if isinstance(scale, Number):
            result = fn.full_like(x, math.log(abs(scale)))  # type: ignore[arg-type]
        else:
            result = fn.abs(scale).log()
        if self.event_dim:
            result = _sum_rightmost(result.expand(broadcast_shapes(result.shape, shape)), self.event_dim)
            shape = shape[: len(shape) - self.event_dim]
        return result.expand(shape)

    def forward_shape(self, shape: Any) -> Any:
        return broadcast_shapes(shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))

    def inverse_shape(self, shape: Any) -> Any:
        return self.forward_shape(shape)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Number) and isinstance(b, Number):
        return a == b
    return bool((fn.eq(a, b) if not isinstance(a, Number) else fn.eq(b, a)).all())


class PowerTransform(Transform):
    """Map x > 0 to x ** exponent.

    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> torch.distributions.transforms.PowerTransform(2.0)(torch.tensor([1.0, 3.0]))
    tensor([1., 9.])
    """

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size=cache_size)

    @lazy_property
    def sign(self) -> Any:
        return self.exponent.sign()

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, PowerTransform) and bool(self.exponent.eq(other.exponent).all())

    __hash__ = None

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        return broadcast_shapes(shape, self.exponent.shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.forward_shape(shape)


class CumulativeDistributionTransform(Transform):
    """Map x to the cumulative distribution of a distribution of numbers, as a copula does.

    y = F(x), x = F⁻¹(y).
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms

    >>> import cltorch as torch
    >>> from cltorch.distributions import Normal, transforms
    >>> transforms.CumulativeDistributionTransform(Normal(0.0, 1.0))(torch.zeros(1))
    tensor([0.5000])
    """

    bijective, sign = True, 1
    codomain = constraints.unit_interval

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return self.distribution.support

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)
