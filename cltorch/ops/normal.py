"""The normal distribution's function, its logarithm and its inverse, and the scaled complementary error function.

Source of the variable of ``erfcx``: M. Shepherd and J. Laframboise, Chebyshev approximation of (1 + 2x) exp(x²) erfc x
in 0 <= x < ∞, Math. Comp. 36 (1981). The coefficients are those of ci/fit.py.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.ops import fits
from cltorch.ops.series import series

_SQRT_HALF = math.sqrt(0.5)


def erfcx(m: Any, x: Any) -> Any:
    a = m.abs(x)
    value = series(m, fits.ERFCX, 1 - 7.5 / (a + 3.75)) / (1 + 2 * a)
    return m.where(x < 0, 2 * m.exp(x * x) - value, value)


def ndtr(m: Any, x: Any) -> Any:
    return 0.5 * m.erfc(x * -_SQRT_HALF)


def log_ndtr(m: Any, x: Any) -> Any:
    t = x * -_SQRT_HALF
    far = m.log(0.5 * erfcx(m, m.maximum(t, 0))) - 0.5 * x * x
    return m.where(x < -1, far, m.log1p(-0.5 * m.erfc(-t)))


def ndtri(m: Any, p: Any) -> Any:
    d = p - 0.5
    mid = d * series(m, fits.NDTRI_MID, d * d * (2 / 0.1225) - 1)
    # y = sqrt(-2 ln p); the quantile is y - ln(y) / y and a smooth rest
    y = m.sqrt(-2 * m.log(m.minimum(p, 1 - p)))
    v = m.log(y)
    tail = (v + series(m, fits.NDTRI_TAIL, (v - 2.18) / 1.52)) / y - y
    value = m.where(m.abs(d) <= 0.35, mid, m.where(d > 0, -tail, tail))
    return m.where(p == 0, -math.inf, m.where(p == 1, math.inf, value))
