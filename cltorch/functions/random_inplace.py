"""Tensor methods that overwrite a tensor with random numbers: uniform_, normal_, bernoulli_, random_ and the others."""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import inplace
from cltorch.functions.arguments import SCALAR_NAMES, read_int, read_number
from cltorch.functions.random import DIGITS, check_range, need_float, read_generator
from cltorch.functions.samples import check_probabilities, check_probability
from cltorch.ops import random as ops
from cltorch.ops.array import Array
from cltorch.ops.few import refuse
from cltorch.ops.generator import Generator
from cltorch.ops.overlap import check_overlap

__all__ = [
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_",
]  # fmt: skip


def _refill(name: str, x: Any, dist: str, a: float, b: float, generator: Any, source: Any = None) -> Any:
    check_overlap(x, ())
    chosen = read_generator(name + "_", generator, x.device)

    def write() -> None:
        ops.refill(x, dist, a, b, chosen, source)

    # the old values do not matter any more: their gradient is zero
    return inplace(x, ops.zero_gradient(name), x, write=write)


def _number(name: str, argument: str, position: int, value: Any) -> float:
    return read_number(name, argument, position, value)


def uniform_(self: Any, from_: float = 0, to: float = 1, *, generator: Generator | None = None, **named: float) -> Any:
    """Fill with numbers uniformly distributed in [from, to).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.uniform_.html
    """
    if "from" in named:  # a keyword of Python cannot be written as a parameter
        from_ = named.pop("from")
    if named:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(named))}'")
    low, high = _number("uniform_", "from", 1, from_), _number("uniform_", "to", 2, to)
    need_float("uniform", self.dtype)
    if not low <= high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    limit = dtypes.finfo(self.dtype).max
    for word, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(f"{word} is out of bounds for {self.dtype.name}")
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{SCALAR_NAMES[self.dtype.name]}>::max(), "
            f"but found to={high} and from={low} which result in to-from to exceed the limit"
        )
    return _refill("uniform", self, "uniform", low, high - low, generator)


def normal_(self: Any, mean: float = 0, std: float = 1, *, generator: Generator | None = None) -> Any:
    """Fill with normally distributed numbers.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.normal_.html
    """
    a, b = _number("normal_", "mean", 1, mean), _number("normal_", "std", 2, std)
    if not b >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {b}")
    need_float("normal", self.dtype)
    return _refill("normal", self, "normal", a, b, generator)


def log_normal_(self: Any, mean: float = 1, std: float = 2, *, generator: Generator | None = None) -> Any:
    """Fill with numbers whose logarithm is normally distributed with this mean and deviation.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.log_normal_.html
    """
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    need_float("log_normal", self.dtype)
    return _refill("log_normal", self, "log_normal", mean, std, generator)


def exponential_(self: Any, lambd: float = 1, *, generator: Generator | None = None) -> Any:
    """Fill with exponentially distributed numbers of rate ``lambd``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.exponential_.html
    """
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {self.dtype.name}"
        )
    return _refill("exponential", self, "exponential", 1 / lambd, 0, generator)


def cauchy_(self: Any, median: float = 0, sigma: float = 1, *, generator: Generator | None = None) -> Any:
    """Fill with numbers of the Cauchy distribution.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.cauchy_.html
    """
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {self.dtype.name}"
        )
    return _refill("cauchy", self, "cauchy", median, sigma, generator)


def geometric_(self: Any, p: float, *, generator: Generator | None = None) -> Any:
    """Fill with the number of trials of probability ``p`` until the first success.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.geometric_.html
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return _refill("geometric", self, "geometric", 1 / math.log1p(-p), 0, generator)


def bernoulli_(self: Any, p: Any = 0.5, *, generator: Generator | None = None) -> Any:
    """Fill with ones of probability ``p`` and zeros; ``p`` is a number or a tensor that broadcasts to this one.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.bernoulli_.html
    """
    if isinstance(p, Array):
        need_float("bernoulli_tensor_cpu_p_", p.dtype)
        check_probabilities(p)
        source = ops.dense(p.detach().to(self.device).expand(self.shape))
        return _refill("bernoulli", self, "bernoulli_tensor", 0, 0, generator, source)
    check_probability(p)
    return _refill("bernoulli", self, "bernoulli", p, 0, generator)


def random_(self: Any, *args: Any, generator: Generator | None = None, **named: Any) -> Any:
    """Fill with integers: ``random_()`` all that the dtype holds, ``random_(to)`` up to to - 1, ``random_(from, to)``.

    Floating types without bounds get the integers that they hold exactly, from 0 to 2 ** (digits of the mantissa).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.random_.html
    """
    given = [*args, *(named.pop(key) for key in ("from", "to") if key in named)]
    if named or len(given) > 2:
        raise TypeError("random_() received an invalid combination of arguments: expected (), (to) or (from, to)")
    bounds = [None if v is None else read_int("random_", "to", i + 1, v) for i, v in enumerate(given)]
    low, high = (None, None) if not bounds else (0, bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
    t = self.dtype
    if high is None:
        refuse("random", t)
        if t.is_floating_point:
            top = 2 ** DIGITS[t.name] + 1
        else:
            top = 2 if t is dtypes.bool_ else dtypes.iinfo(t).max + 1
        low, high = low or 0, top
    assert low is not None
    check_range(low, high, t)
    return _refill("random", self, "randint", low, high - low, generator)
