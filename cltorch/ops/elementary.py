"""Elementary functions of float32 in traced formulas, by polynomials that vectors compute for all lanes at once.

The built-in ones of processors' runtimes go lane by lane or work in more digits than a result has. Each function takes
the tracer ``m`` first. The coefficients are minimax fits of the relative error in float64; the largest errors that were
seen, over millions of arguments, are told in units of the last place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# erf(x) = x + x * near(x * x) up to the split, 1 - exp(far(x)) above it
_ERF_SPLIT = 0.92
_ERF_NEAR = (0.12837915, -0.37612498, 0.11281846, -0.026767725, 0.0049948362, -0.00059994298)
_ERF_FAR = (-0.00019567342, -1.1276757, -0.63718224, -0.10393161, 0.022226928, -0.003043219, 0.00019593741)
# erfc(x) = exp(-x²) (1 + P((x - 2) / (x + 2))) / (1 + 2 x) from the split on; beyond the end it is less than any number
_ERFC_SPLIT, _ERFC_END = 0.5, 10.1
_ERFC = (
    0.276978381, -0.0927635726, -0.166030398, 0.164042329, -0.0542183063, -0.00794740821, 0.0086944386, 0.000948853089,
    -0.00131879348,
)  # fmt: skip
# erfinv(x) = x near(w - 2) for w = -log(1 - x²) up to the split, x far(sqrt(w) - 3) above it
_ERFINV_SPLIT = 4.0
_ERFINV_NEAR = (
    1.377215211, 0.2497680748, -0.001968135521, -0.001692173206, 0.0002159202935, 7.611217315e-06, -4.861770582e-06,
    3.021899188e-07, 6.554679735e-08, -9.588408685e-09,
)  # fmt: skip
_ERFINV_FAR = (
    2.832976787, 1.001674761, 0.009446035846, -0.007634399405, 0.005680711707, -0.003606563264, 0.001502224211,
    -5.049670808e-05, -0.0003243541607, 0.0001190233557,
)  # fmt: skip
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
# log(1 + f) = f - f² / 2 + f³ P(f) from sqrt(1/2) to sqrt(2); log(2) in two parts of 24 bits
_LOG = (
    0.3333333171, -0.2500082106, 0.2000122667, -0.1662335648, 0.1420176247, -0.1316019505, 0.1276155036, -0.0763442991,
)  # fmt: skip
_LOG_OF_2 = tuple(float.fromhex(part) for part in ("0x1.62e43p-1", "-0x1.05c61p-29"))
# log2(m) = a s + b s³ + s⁵ P(s²) with s = (m - 1) / (m + 1), m from sqrt(1/2) to sqrt(2); a and b in two parts of 24
# bits
_LOG2 = (0.5770782363, 0.4120652367, 0.3325401992)
_LOG2_FIRST, _LOG2_THIRD = (
    tuple(map(float.fromhex, parts))
    for parts in (("0x1.715476p+1", "0x1.4ae0cp-25"), ("0x1.ec709ep-1", "-0x1.e2fe02p-28"))
)
# 2^r = 1 + r P(r), r from -1/2 to 1/2
_EXP2 = (0.6931472062, 0.2402265133, 0.0555032786, 0.009618005503, 0.001340024878, 0.0001547587603)
_LEAST = 2.0**-126  # the least number that is not subnormal
_MOST = 160.0  # a power of two beyond all results
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


def erfc(m: Any, x: Any) -> Any:
    """Return one minus the error function, within 2.8 units where exp is within half a unit."""
    near = 1 - m.call("fma", x, _polynomial(m, _ERF_NEAR, x * x), x)
    t = m.abs(x)
    t = m.where(t > _ERFC_END, _ERFC_END, t)
    d = m.call("fma", 2, t, 1)
    r = 1 / d
    # what the sum and the quotient left out
    left = m.call("fma", -r, d, 1) - r * m.call("fma", 2, t, 1 - d)
    q = m.call("fma", r, _polynomial(m, _ERFC, (t - 2) / (t + 2)) + left, r)
    s = t * t
    y = m.call("exp", -s) * q
    y = m.call("fma", y, m.call("fma", -t, t, s), y)
    return m.where(m.abs(x) > _ERFC_SPLIT, m.where(x < 0, 2 - y, y), near)


def erfinv(m: Any, x: Any) -> Any:
    """Return the y with erf(y) = x, within 2.5 units."""
    w = -log(m, m.call("fma", -x, x, 1))
    far = _polynomial(m, _ERFINV_FAR, m.call("sqrt", w) - 3)
    y = x * m.where(w < _ERFINV_SPLIT, _polynomial(m, _ERFINV_NEAR, w - 2), far)
    return m.where(m.abs(x) == 1, x * math.inf, y)


def erfinv_on_host(x: np.ndarray) -> np.ndarray:
    """Return the y with erf(y) = x of an array of float32, within 3 units: as ``erfinv``, w in double precision."""
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        w = (-np.log((1 - wide) * (1 + wide))).astype(np.float32)
        near, far = w - np.float32(2), np.sqrt(w) - np.float32(3)
        values = []
        for table, at in ((_ERFINV_NEAR, near), (_ERFINV_FAR, far)):
            total = np.full_like(at, table[-1])
            for c in table[-2::-1]:
                total *= at
                total += np.float32(c)
            values.append(total)
        found = x * np.where(w < _ERFINV_SPLIT, values[0], values[1])
    return np.where(np.abs(x) == 1, np.copysign(np.float32(math.inf), x), found)


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


def _product(m: Any, x: Any, left: Any, by: tuple[float, ...]) -> tuple[Any, Any]:
    """Return the product of x + left and a constant in two parts, in two parts."""
    y = x * by[0]
    return y, m.call("fma", x, by[0], -y) + x * by[1] + left * by[0]


def _fraction_and_exponent(m: Any, x: Any) -> tuple[Any, Any]:
    """Return the two of an x above 0 and below infinity, with a fraction from sqrt(1/2) to sqrt(2)."""
    small = x < _LEAST
    bits = m.emit(f"CT_BITS({m.where(small, x * 2.0**24, x).text})", mask=True)
    # the exponent that leaves a fraction around 1: 0x3f3504f3 is sqrt(1/2)
    exponent = m.emit(f"({bits.text} - 0x3f3504f3) >> 23", mask=True)
    fraction = m.emit(f"CT_FLOATS({bits.text} - ({exponent.text} << 23))")
    e = m.emit(f"CT_FLOATS({exponent.text} + 0x4b400000)") - _WHOLE
    return fraction, m.where(small, e - 24, e)


def _log2_pair(m: Any, x: Any) -> tuple[Any, Any]:
    """Return log2(x) as the sum of two numbers, to about 32 bits, of an x above 0 and below infinity."""
    fraction, e = _fraction_and_exponent(m, x)
    f, g = fraction - 1, fraction + 1
    s = f / g
    # what the quotient leaves out, of which the sum g left out something too
    left = (m.call("fma", -s, g, f) - s * (fraction - (g - 1))) / g
    z = s * s
    cube = s * z
    first, first_left = _product(m, s, left, _LOG2_FIRST)
    third, third_left = _product(m, cube, m.call("fma", s, z, -cube) + s * m.call("fma", s, s, -z), _LOG2_THIRD)
    high = first + third
    low = (first - high) + third + first_left + m.call("fma", left * z, _LOG2_FIRST[0], third_left)
    low = m.call("fma", cube * z, _polynomial(m, _LOG2, z), low)
    whole = e + high
    low = (e - whole) + high + low
    y = whole + low
    return y, low - (y - whole)


def _at_the_ends(m: Any, x: Any, y: Any) -> Any:
    """Return a logarithm y of x with its values at infinity, at zero and below."""
    y = m.where(x == math.inf, x, y)
    return m.where(x > 0, y, m.where(x == 0, -math.inf, math.nan))


def log(m: Any, x: Any) -> Any:
    """Return the natural logarithm, within 0.9 units."""
    fraction, e = _fraction_and_exponent(m, x)
    f = fraction - 1
    s = f * f
    r = m.call("fma", f * s, _polynomial(m, _LOG, f), -0.5 * s)
    high, low = _LOG_OF_2
    return _at_the_ends(m, x, m.call("fma", e, high, f + m.call("fma", e, low, r)))


def log2(m: Any, x: Any) -> Any:
    """Return the logarithm to base 2, within half a unit and a little; powers of two have exact ones."""
    high, _ = _log2_pair(m, x)
    return _at_the_ends(m, x, high)


def power(m: Any, x: Any, y: Any) -> Any:
    """Return x to the power of y, within 1 unit."""
    x, y = (m.emit(m.number(v)) for v in (x, y))  # of which one may be a number
    t = m.abs(x)
    high, low = _log2_pair(m, t)
    at_end = (t == 0) | (t == math.inf)
    high, low = m.where(at_end, m.where(t == 0, -math.inf, math.inf), high), m.where(at_end, 0, low)
    product = y * high
    inside = m.abs(product) < _MOST
    turns = m.where(inside, product, m.where(product < 0, -_MOST, _MOST)) + _WHOLE
    # the product once more, for its rounding must not be told twice
    r = m.where(inside, m.call("fma", y, high, -(turns - _WHOLE)) + y * low, 0)
    value = m.call("fma", r, _polynomial(m, _EXP2, r), 1)
    bits = m.emit(f"CT_BITS({turns.text}) - 0x4b400000", mask=True)
    half = m.emit(f"{bits.text} >> 1", mask=True)
    for k in (half.text, f"({bits.text} - {half.text})"):  # in two steps, for 2^k need not be a number
        value = value * m.emit(f"CT_FLOATS(({k} + 127) << 23)")
    value = m.where(t == 1, 1, value)
    # of a negative number: an odd power is negative, that of a fraction is none
    halved = 0.5 * y
    odd = (m.call("trunc", y) == y) & (m.call("trunc", halved) != halved) & (m.abs(y) < math.inf)
    below = m.call("copysign", 1.0, x) < 0
    value = m.where(below & odd, -value, value)
    value = m.where((x < 0) & (x > -math.inf) & (m.call("trunc", y) != y), math.nan, value)
    value = m.where((x != x) | (y != y), x + y, value)
    return m.where((x == 1) | (y == 0), 1, value)
