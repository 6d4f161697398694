"""The normal distribution's function, its logarithm and its inverse, and the scaled complementary error function.

Source of the variable of ``erfcx``: M. Shepherd and J. Laframboise, Chebyshev approximation of (1 + 2x) exp(x²) erfc x
in 0 <= x < ∞, Math. Comp. 36 (1981). The coefficients are those of ci/fit.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.ops import fits
from cltorch.ops.series import is_single, series

_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_REST = -4.833646656726457e-17  # what the double leaves out
_INV_SQRT_PI = 1 / math.sqrt(math.pi)


def _erfcx_right(m: Any, a: Any) -> Any:
    return series(m, fits.ERFCX, 1 - 7.5 / (a + 3.75)) / (1 + 2 * a)


def erfcx(m: Any, x: Any) -> Any:
    a = m.abs(x)
    value = _erfcx_right(m, a)
    b = m.minimum(a, 30)  # where the result is infinite already
    square = b * b
    # exp tells the square's rounding many times over
    return m.where(x < 0, 2 * m.exp(square) * (1 + m.rounded_off(b, b, square)) - value, value)


def ndtr(m: Any, x: Any) -> Any:
    x = m.maximum(m.minimum(x, 40), -40)  # beyond which nothing changes
    factor = float(np.float32(_SQRT_HALF)) if is_single(m, x) else _SQRT_HALF
    t = x * -factor
    # far from the middle erfc tells the rounding of its argument many times over: its slope takes that back
    left = m.rounded_off(x, -factor, t) - x * (_SQRT_HALF - factor + _SQRT_HALF_REST)
    return 0.5 * m.erfc(t) - _INV_SQRT_PI * left * m.exp(-t * t)


def log_ndtr(m: Any, x: Any) -> Any:
    far = m.log(0.5 * _erfcx_right(m, m.maximum(x * -_SQRT_HALF, 0))) - 0.5 * x * x
    return m.where(x < -1, far, m.log1p(-ndtr(m, -x)))


def ndtri(m: Any, p: Any) -> Any:
    d = p - 0.5
    mid = d * series(m, fits.NDTRI_MID, d * d * (2 / 0.1225) - 1)
    # y = sqrt(-2 ln p); the quantile is y - ln(y) / y and a smooth rest
    y = m.sqrt(-2 * m.log(m.minimum(p, 1 - p)))
    v = m.log(y)
    tail = (v + series(m, fits.NDTRI_TAIL, (v - 2.18) / 1.52)) / y - y
    value = m.where(m.abs(d) <= 0.35, mid, m.where(d > 0, -tail, tail))
    return m.where(p == 0, -math.inf, m.where(p == 1, math.inf, value))
