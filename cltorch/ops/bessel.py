"""Bessel functions of orders 0 and 1, modified ones, and Airy's function.

Near zero power series with positive terms or polynomials, farther away the amplitudes of the asymptotic expansions
(see ci/fit.py). Sources: DLMF chapters 9 and 10, https://dlmf.nist.gov/10
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.ops import fits
from cltorch.ops.series import series

_TERMS = range(26, -1, -1)
_EULER = 0.57721566490153286
_TWO_OVER_PI, _INV_PI, _INV_SQRT_PI = 2 / math.pi, 1 / math.pi, 1 / math.sqrt(math.pi)
_HARMONIC = [sum(1 / i for i in range(1, k + 1)) for k in range(30)]
_FACTORIALS = [math.factorial(k) for k in range(30)]
# of z = x² / 4: I0, I1 / (x / 2), and what the logarithm leaves of K0 and K1 (DLMF 10.25.2, 10.31.1)
_I0 = tuple(1 / _FACTORIALS[k] ** 2 for k in _TERMS)
_I1 = tuple(1 / (_FACTORIALS[k] * _FACTORIALS[k + 1]) for k in _TERMS)
_K0 = tuple(_HARMONIC[k] / _FACTORIALS[k] ** 2 for k in range(12, -1, -1))
_K1 = tuple(
    (_HARMONIC[k] + _HARMONIC[k + 1] - 2 * _EULER) / (_FACTORIALS[k] * _FACTORIALS[k + 1]) for k in range(12, -1, -1)
)
_AT_TWO = _EULER - math.log(2)
_SHIFT = 20.0
_GROWN = math.exp(_SHIFT)
# the first two zeros of J0 as sums: a float32, what the double is more, and what is left
_J0_ZEROS = (
    (2.404825448989868, 1.087059047222283e-07, -1.176691651530894e-16),
    (5.520078182220459, -7.193414841566437e-08, 8.088597146146722e-17),
)
_FAR = (5, 8)  # from where on orders 0 and 1 are computed by amplitude and phase, as ci/fit.py has it
_TINY = 1e-37  # below it the logarithm times x is nothing beside 1 / x


# ---- modified, first kind -------------------------------------------------------------------------------------------
def _i_near(m: Any, a: Any, order: int) -> Any:
    z = a * a * 0.25
    return series(m, _I0, z, 16.0) if order == 0 else 0.5 * a * series(m, _I1, z, 16.0)


def _i_far(m: Any, a: Any, order: int) -> Any:
    """Return exp(-x) I(x) for x >= 8."""
    return series(m, fits.I0_FAR if order == 0 else fits.I1_FAR, 16 / a - 1) / m.sqrt(a)


def _i(m: Any, x: Any, order: int) -> Any:
    a = m.minimum(m.abs(x), 2000)  # infinite beyond, and no infinity times zero
    # exp(a) would overflow before the result does
    value = m.where(a <= 8, _i_near(m, a, order), _i_far(m, a, order) * m.exp(a - _SHIFT) * _GROWN)
    return value if order == 0 else m.where(x < 0, -value, value)


def _ie(m: Any, x: Any, order: int) -> Any:
    a = m.abs(x)
    value = m.where(a <= 8, _i_near(m, a, order) * m.exp(-a), _i_far(m, a, order))
    return value if order == 0 else m.where(x < 0, -value, value)


def i0(m: Any, x: Any) -> Any:
    return _i(m, x, 0)


def i1(m: Any, x: Any) -> Any:
    return _i(m, x, 1)


def i0e(m: Any, x: Any) -> Any:
    return _ie(m, x, 0)


def i1e(m: Any, x: Any) -> Any:
    return _ie(m, x, 1)


# ---- modified, second kind ------------------------------------------------------------------------------------------
def _k_near(m: Any, x: Any, order: int) -> Any:
    """Return K(x) for x <= 1."""
    z = x * x * 0.25
    if order == 0:
        return series(m, _K0, z) - (m.log(x) + _AT_TWO) * series(m, _I0[-13:], z)
    log = m.log(0.5 * m.maximum(x, _TINY))
    value = 1 / x + x * (0.5 * log * series(m, _I1[-13:], z) - 0.25 * series(m, _K1, z))
    return m.where(x < 0, math.nan, m.where(x == 0, math.inf, value))


def _k_far(m: Any, x: Any, order: int) -> Any:
    """Return exp(x) K(x) for x >= 1."""
    u = 1 / x
    mid = series(m, fits.K0_MID if order == 0 else fits.K1_MID, (u - 0.625) * (8 / 3))
    far = series(m, fits.K0_FAR if order == 0 else fits.K1_FAR, 8 * u - 1)
    return m.where(x < 4, mid, far) / m.sqrt(x)


def _k(m: Any, x: Any, order: int) -> Any:
    return m.where(x <= 1, _k_near(m, x, order), _k_far(m, x, order) * m.exp(-x))


def _ke(m: Any, x: Any, order: int) -> Any:
    return m.where(x <= 1, _k_near(m, x, order) * m.exp(x), _k_far(m, x, order))


def k0(m: Any, x: Any) -> Any:
    return _k(m, x, 0)


def k1(m: Any, x: Any) -> Any:
    return _k(m, x, 1)


def k0e(m: Any, x: Any) -> Any:
    return _ke(m, x, 0)


def k1e(m: Any, x: Any) -> Any:
    return _ke(m, x, 1)


# ---- first and second kind ------------------------------------------------------------------------------------------
def _far(m: Any, a: Any, order: int, second: bool) -> Any:
    """Return J(x) or Y(x) from ``_FAR`` on.

    The phase x - π/4 or x - 3π/4 is never formed: its cosine is a sum of sin(x) and cos(x), which are exact.
    """
    w = _FAR[order] / a
    t = 2 * w * w - 1
    p = series(m, fits.P0 if order == 0 else fits.P1, t)
    q = series(m, fits.Q0 if order == 0 else fits.Q1, t) / a
    s, c = m.sin(a), m.cos(a)
    size = m.sqrt(_INV_PI / a)
    if order == 0:
        value = p * (s - c) + q * (s + c) if second else p * (s + c) - q * (s - c)
    else:
        value = q * (s - c) - p * (s + c) if second else p * (s - c) + q * (s + c)
    return m.where(a == math.inf, 0, size * value)


def _j0_near(m: Any, a: Any, t: Any) -> Any:
    value = series(m, fits.J0_NEAR, t)
    for first, second, third in _J0_ZEROS:  # beside which all digits are kept
        value = value * (((a - first) - second) - third) * (a + (first + second))
    return value


def j0(m: Any, x: Any) -> Any:
    a = m.abs(x)
    return m.where(a <= _FAR[0], _j0_near(m, a, a * a * (2 / 25) - 1), _far(m, a, 0, False))


def j1(m: Any, x: Any) -> Any:
    a = m.abs(x)
    near = a * series(m, fits.J1_NEAR, a * a * (1 / 32) - 1)
    value = m.where(a <= _FAR[1], near, _far(m, a, 1, False))
    return m.where(x < 0, -value, value)


def y0(m: Any, x: Any) -> Any:
    t = x * x * (2 / 25) - 1
    near = series(m, fits.Y0_NEAR, t) + _TWO_OVER_PI * m.log(x) * _j0_near(m, x, t)
    return m.where(x < 0, math.nan, m.where(x <= _FAR[0], near, _far(m, x, 0, True)))


def y1(m: Any, x: Any) -> Any:
    t = x * x * (1 / 32) - 1
    log = m.log(m.maximum(x, _TINY))
    near = x * (series(m, fits.Y1_NEAR, t) + _TWO_OVER_PI * log * series(m, fits.J1_NEAR, t)) - _TWO_OVER_PI / x
    near = m.where(x == 0, -math.inf, near)
    return m.where(x < 0, math.nan, m.where(x <= _FAR[1], near, _far(m, x, 1, True)))


def spherical_j0(m: Any, x: Any) -> Any:
    away = m.sin(x) / m.where(x == 0, 1, x)
    return m.where(x == 0, 1, m.where(m.abs(x) == math.inf, 0, away))


# ---- Airy -----------------------------------------------------------------------------------------------------------
def airy_ai(m: Any, x: Any) -> Any:
    a = m.abs(x)
    root = m.sqrt(a)
    zeta = (2 / 3) * a * root
    size = m.sqrt(root)
    right = m.exp(-zeta) * series(m, fits.AI_RIGHT, (8 / 3 * math.sqrt(2)) / zeta - 1) / size
    w = (16 / 3) / zeta
    t = 2 * w * w - 1
    p, q = series(m, fits.AI_P, t), series(m, fits.AI_Q, t) / zeta
    s, c = m.sin(zeta), m.cos(zeta)
    left = (_INV_SQRT_PI * math.sqrt(0.5)) * (p * (c + s) + q * (s - c)) / size
    mid = series(m, fits.AI_MID, (x - 0.5) * (2 / 3))
    near = series(m, fits.AI_LEFT, (x + 2.5) * (2 / 3))
    outside = m.where(a == math.inf, 0, m.where(x > 0, right, left))
    return m.where(x > 2, outside, m.where(x >= -1, mid, m.where(x >= -4, near, outside)))
