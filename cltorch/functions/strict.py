"""Operands that PyTorch takes as tensors only, where formulas and derivatives here give numbers too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cltorch.ops.array import Array

__all__: list[str] = []

# functions whose operands are all tensors, with the name of the second one
_ALL = dict.fromkeys(
    """
    arctan2 atan2 fmax fmin gcd hypot igamma igammac lcm ldexp logaddexp logaddexp2 logical_and logical_or logical_xor
    maximum minimum nextafter
    """.split(),
    "other",
) | {"heaviside": "values"}
# functions whose second operand may be a number
_FIRST = frozenset(
    "clamp_max clamp_min copysign rsub eq fmod ge greater greater_equal gt le less less_equal lt ne not_equal".split()
)

_made: dict[Callable[..., Any], Callable[..., Any]] = {}  # one for a function, under however many names


def strict(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """Return the public function of this name, which raises TypeError for a number in the place of a tensor."""
    second = _ALL.get(name.removesuffix("_"))
    if second is None and name not in _FIRST:
        return f
    if f in _made:
        return _made[f]

    name = f.__name__

    @functools.wraps(f)
    def g(input: Any, *rest: Any, **named: Any) -> Any:
        if not isinstance(input, Array):
            raise _refusal(name, "input", 1, input)
        if second is not None:
            other = rest[0] if rest else named.get(second, input)
            if not isinstance(other, Array):
                raise _refusal(name, second, 2, other)
        return f(input, *rest, **named)

    _made[f] = g
    return g


def _refusal(name: str, argument: str, position: int, value: Any) -> TypeError:
    return TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}"
    )
