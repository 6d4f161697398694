"""Elementary functions of float32 in traced formulas, by polynomials that vectors compute for all lanes at once.

The built-in ones of processors' runtimes go lane by lane or work in more digits than a result has. Each function takes
the tracer ``m`` first. The coefficients are minimax fits of the relative error in float64; the largest errors that were
seen, over millions of arguments, are told in units of the last place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# erf(x) = x + x * near(x * x) up to the split, 1 - exp(far(x)) above it
_ERF_SPLIT = 0.92
_ERF_NEAR = (0.12837915, -0.37612498, 0.11281846, -0.026767725, 0.0049948362, -0.00059994298)
_ERF_FAR = (-0.00019567342, -1.1276757, -0.63718224, -0.10393161, 0.022226928, -0.003043219, 0.00019593741)
# tanh(x) = x + x³ near(x²), expm1(x) = x + x² near(x), up to the split
_TANH_SPLIT, _EXPM1_SPLIT = 0.625, 0.7
_TANH = (-0.3333328194, 0.1333144208, -0.053739705, 0.02063905267, -0.005704946623)
_EXPM1 = (0.5000000029, 0.166666725, 0.04166661861, 0.008332601832, 0.001389048481, 0.0002010057572, 2.478080144e-05)
# sin(r) = r + r³ P(r²), cos(r) = 1 - r² / 2 + r⁴ P(r²) within a quarter of pi
_SIN = (-0.166666546, 0.008332160204, -0.0001951520585)
_COS = (0.04166664567, -0.001388731553, 2.443307298e-05)
# half of pi in three parts of 24 bits
_HALF_PI = tuple(float.fromhex(part) for part in ("0x1.921fb6p+0", "-0x1.777a5cp-25", "-0x1.ee59dap-50"))
_WHOLE = 1.5 * 2.0**23
_FAR = 1e5  # above it the number of quarter turns is no longer known exactly


def _polynomial(m: Any, coefficients: Sequence[float], x: Any) -> Any:
    value: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = m.call("fma", value, x, c)
    return value


def erf(m: Any, x: Any) -> Any:
    """Return the error function, within about 1 unit."""
    t = m.abs(x)
    near = x + x * _polynomial(m, _ERF_NEAR, x * x)
    # 1 - erfc(t), whose logarithm is smooth; from 4 on the result is 1
    far = 1 - m.call("exp", _polynomial(m, _ERF_FAR, m.where(t < 4, t, 4)))
    return m.where(t > _ERF_SPLIT, m.call("copysign", far, x), near)


def tanh(m: Any, x: Any) -> Any:
    """Return the hyperbolic tangent, within 1.4 units where exp is within half a unit."""
    t, s = m.abs(x), x * x
    near = m.call("fma", x * s, _polynomial(m, _TANH, s), x)
    far = 1 - 2 / (m.call("exp", t + t) + 1)
    return m.call("copysign", m.where(t > _TANH_SPLIT, far, near), x)


def expm1(m: Any, x: Any) -> Any:
    """Return exp(x) - 1, within 1.1 units where exp is within half a unit."""
    near = m.call("fma", x * x, _polynomial(m, _EXPM1, x), x)
    return m.call("copysign", m.where(m.abs(x) > _EXPM1_SPLIT, m.call("exp", x) - 1, near), x)


def _turned(m: Any, x: Any) -> tuple[Any, Any, Any]:
    """Return sine and cosine of what is left of an angle after whole quarter turns, and their number as bits."""
    # beside so large a number only whole numbers have room: the last bits of the sum are those of the number of turns
    t = m.call("fma", x, 2 / math.pi, _WHOLE)
    q, r = t - _WHOLE, x
    for part in _HALF_PI:
        r = m.call("fma", -q, part, r)
    s = r * r
    sine = m.call("fma", r * s, _polynomial(m, _SIN, s), r)
    cosine = m.call("fma", s * s, _polynomial(m, _COS, s), m.call("fma", -0.5, s, 1))
    return sine, cosine, m.emit(f"CT_BITS({t.text})", mask=True)


def _odd(m: Any, turns: Any) -> Any:
    return m.emit(f"({turns.text} & 1) != 0", mask=True)


def _negated(m: Any, x: Any, bits: str) -> Any:
    """Return a value with its sign turned where the second bit of a number is set."""
    return m.emit(f"CT_FLOATS(CT_BITS({x.text}) ^ (({bits} & 2) << 30))")


def _far_as_built_in(m: Any, name: str, x: Any, near: Any) -> Any:
    """Take the device's own function for large angles, where there are any."""
    far = m.abs(x) > _FAR
    m.statements.append(f"if (ANY({far.text})) {near.text} = SEL({far.text}, {name}({m.number(x)}), {near.text});")
    return near


def sin(m: Any, x: Any) -> Any:
    """Return the sine, within 1.6 units."""
    sine, cosine, turns = _turned(m, x)
    y = _negated(m, m.where(_odd(m, turns), cosine, sine), turns.text)
    return _far_as_built_in(m, "sin", x, m.where(x == 0, x, y))  # 0 keeps its sign


def cos(m: Any, x: Any) -> Any:
    """Return the cosine, within 1.6 units."""
    sine, cosine, turns = _turned(m, x)
    y = _negated(m, m.where(_odd(m, turns), sine, cosine), f"({turns.text} + 1)")
    return _far_as_built_in(m, "cos", x, y)


def tan(m: Any, x: Any) -> Any:
    """Return the tangent, within 3.6 units."""
    sine, cosine, turns = _turned(m, x)
    odd = _odd(m, turns)
    y = m.where(odd, -cosine, sine) / m.where(odd, sine, cosine)
    return _far_as_built_in(m, "tan", x, m.where(x == 0, x, y))
