"""The pointwise operators: one row each. Everything else about them is derived.

A row is Pointwise(name, dtype rule, forward, derivative, …); see ``Pointwise`` for the fields. ``m`` is the mathematics
of whoever reads the formula (a kernel, NumPy, or Tensors). In a derivative, ``g`` is the incoming gradient and
``o`` the result. Formulas and domains follow https://docs.pytorch.org/docs/2.13/torch.html#pointwise-ops.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.ops import table_activation, table_special
from cltorch.ops.formula import FORMULAS
from cltorch.ops.formula_host import HOST
from cltorch.ops.formula_kind import m_is_bool, m_is_complex, m_is_float
from cltorch.ops.pointwise import (
    ARITH,
    BITWISE,
    COMPARE,
    COMPLEX,
    FLOAT,
    FLOAT_ONLY,
    INNER,
    INTEGER,
    PARTS,
    REAL,
    SIGNED,
    Pointwise,
)

P = Pointwise
_XY = "input other"
_LN2, _LN10 = math.log(2.0), math.log(10.0)
_INV_SQRT_PI = 1 / math.sqrt(math.pi)


def _trunc_divide(x: Any, y: Any) -> Any:
    return np.trunc(x / y) if np.result_type(x, y).kind == "f" else np.sign(x) * np.sign(y) * (abs(x) // abs(y))


def _sign(x: Any) -> Any:
    return np.where(np.isnan(x), 0, np.sign(x * 1))


def _zero(m, g, *_):  # the derivative of step functions
    return g * 0


def _zero_each(m, g, *_):
    return g * 0, g * 0


def _times(m, a, y):
    """Return the product with a parameter, which on the host is mostly 1 and costs no walk through memory then."""
    return y if m is HOST and a == 1 else a * y


def _conj(m, a):
    """Return the conjugate of a parameter, which is a Python number where the formula is read on Tensors."""
    return a.conjugate() if isinstance(a, (int, float, complex)) else m.conj(a)


def _sgn_vjp(m, g, x, o):
    if not m_is_complex(m, x):
        return g * 0
    size = m.abs(x)
    turned = m.real_part(m.conj(o) * g) * o  # the part along o, which moves no point of the circle
    return m.where(size == 0, 0, (g - turned) / m.where(size == 0, 1, size))


def _angle_vjp(m, g, x, o):
    if not m_is_complex(m, x):
        return g * 0
    nothing = x == 0
    return m.where(nothing, 0, g * 1j / m.conj(m.where(nothing, 1, x)))


def _half_each(m, g, x, y, first, second):
    """Share the gradient of equal operands between both, as PyTorch does; where one is NaN both have all of it."""
    each = m.where(x == y, g * 0.5, g)
    return m.where(second, 0, each), m.where(first, 0, each)


def _pow_vjp(m, g, x, y, o):
    gx = m.where(y == 0, 0, g * _conj(m, y) * m.conj(m.pow(x, y - 1)))
    flat = (x == 0) & ((y.real if isinstance(y, complex) else m.real_part(y) if m_is_complex(m, y) else y) >= 0)
    return gx, m.where(flat, 0, g * m.conj(o * m.log(x)))


def _acosh_slope(m, x):
    # of complex numbers the product of two roots is the root of the product on one half of the plane only
    return m.rsqrt(x - 1) * m.rsqrt(x + 1) if m_is_complex(m, x) else m.rsqrt(x * x - 1)


def _isinf(m, x):
    if m_is_complex(m, x):
        return (m.abs(m.real_part(x)) == math.inf) | (m.abs(m.imag_part(x)) == math.inf)
    return m.abs(x) == math.inf if m_is_float(m, x) else x != x


def _isfinite(m, x):
    if m_is_complex(m, x):
        return (m.abs(m.real_part(x)) < math.inf) & (m.abs(m.imag_part(x)) < math.inf)
    return m.abs(x) < math.inf if m_is_float(m, x) else x == x


def _logaddexp(m, x, y):
    if m_is_complex(m, x):
        a, b = m.real_part(x), m.real_part(y)
        hi, lo = m.where(a >= b, x, y), m.where(a >= b, y, x)
        # exp(-inf) is 0, whatever angle comes with it; two infinities are not subtracted
        nothing = m.real_part(lo) == -math.inf
        endless = m.real_part(hi) == math.inf
        sum_ = m.where(
            nothing | endless, m.where(a == b, lo, hi), hi + m.log1p(m.exp(m.where(nothing | endless, 0, lo - hi)))
        )
        sum_ = m.where(endless & (a == b), m.log(m.exp(x) + m.exp(y)), sum_)
        return m.where((x != x) | (y != y), sum_ * math.nan, sum_)
    hi = m.maximum(x, y)
    return m.where(x == y, hi + _LN2, hi + m.log1p(m.exp(-m.abs(x - y))))


def _logaddexp_vjp(m, g, x, y, o):
    if m_is_complex(m, x):
        return g * m.conj(m.exp(x - o)), g * m.conj(m.exp(y - o))
    return g / (1 + m.exp(y - x)), g / (1 + m.exp(x - y))  # which hold where one of them is infinite


def _logaddexp2(m, x, y):
    hi = m.maximum(x, y)
    return m.where(x == y, hi + 1, hi + m.log1p(m.exp2(-m.abs(x - y))) / _LN2)


def _sinc_vjp(m, g, x, o):
    a = math.pi * x
    return m.where(x == 0, 0, g * m.conj((m.cos(a) * a - m.sin(a)) / m.where(x == 0, 1, a * x)))


def _at_least_one(m, x):
    return m.where(x == 0, 1, x)


def _clamp_vjp(m, g, x, lo, hi, o):
    return (
        m.where((x >= lo) & (x <= hi), g, 0),
        m.where((x < lo) & (lo < hi), g, 0),
        m.where((x > hi) | (lo > hi), g, 0),
    )


def _atan2_vjp(m, g, y, x, o):
    size = x * x + y * y
    share = m.where(size == 0, 0, g / m.where(size == 0, 1, size))  # none at the origin, as PyTorch has it
    return share * x, -share * y


# M. Giles, Approximating the erfinv function, GPU Computing Gems, 2011: in log(1 - x²), near zero and in the tails
_ERFINV_NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
                -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_ERFINV_FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
               0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def _polynomial(coefficients, x):
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _erfinv(m, x):
    a = m.abs(x)
    w = -m.log((1 - a) * (1 + a))
    far = m.where(w < 16, _polynomial(_ERFINV_FAR, m.sqrt(m.maximum(w, 5)) - 3), m.sqrt(w + 0.12 - 0.5 * m.log(w)))
    y = a * m.where(w < 5, _polynomial(_ERFINV_NEAR, w - 2.5), far)
    for _ in range(2):  # Halley's steps to double precision; erfc keeps all digits where erf is near 1
        u = m.where(a > 0.5, (1 - a) - m.erfc(y), m.erf(y) - a) * (0.5 / _INV_SQRT_PI) * m.exp(y * y)
        y = y - u / (1 + y * u)
    inside = m.where(a < 1, m.where(x < 0, -y, y), m.where(a == 1, x * math.inf, math.nan))
    return m.where(x == 0, x, inside)


FORMULAS["erfinv"] = _erfinv


def _logit(m, x):
    # around 1/2 by ln(1 + v) of the small v, and about what the rounding of 1 + v took from it
    beside = m.abs(x - 0.5) < 0.25
    v = m.where(beside, 2 * x - 1, x) / (1 - x)
    u = m.where(beside, 1 + v, v)
    return m.log(u) + m.where(beside, (v - (u - 1)) * (1.5 - 0.5 * u), 0)


def _xlogy(m, x, y):
    return m.where(y != y, y, m.where(x == 0, 0, x * m.log(y)))


ROWS = [
    # ---- arithmetic ------------------------------------------------------------------------------------------
    P("add", ARITH, lambda m, x, y, a: x + _times(m, a, y), lambda m, g, x, y, o, a: (g, g * _conj(m, a)), args=_XY,
      params={"alpha": 1}, ref="add", complex=COMPLEX),
    P("sub", SIGNED, lambda m, x, y, a: x - _times(m, a, y), lambda m, g, x, y, o, a: (g, g * -_conj(m, a)), args=_XY,
      params={"alpha": 1}, ref="subtract", complex=COMPLEX, forms={0: "RsubBackward1"}),
    P("mul", ARITH, lambda m, x, y: x * y, lambda m, g, x, y, o: (g * m.conj(y), g * m.conj(x)), args=_XY,
      ref="multiply", complex=COMPLEX),
    P("div", FLOAT, lambda m, x, y: x / y,
      lambda m, g, x, y, o: (g / m.conj(y), -g * m.conj((x / y) / y)), args=_XY, ref="true_divide", complex=COMPLEX),
    P("floor_divide", SIGNED, lambda m, x, y: m.divide_floor(x, y), args=_XY, ref="floor_divide"),
    P("trunc_divide", SIGNED, lambda m, x, y: m.divide_trunc(x, y), _zero_each, args=_XY, node="Div", forms={-1: 2},
      ref=_trunc_divide, scope=INNER),
    P("floor_quotient", SIGNED, lambda m, x, y: m.divide_floor(x, y), _zero_each, args=_XY, node="Div", forms={-1: 2},
      ref="floor_divide", scope=INNER),
    P("remainder", SIGNED, lambda m, x, y: m.remainder(x, y), lambda m, g, x, y, o: (g, -g * m.divide_floor(x, y)),
      args=_XY, forms={-1: 1, 1: 0}, ref="remainder",
      doc="Return input - floor(input / other) * other elementwise, which has the sign of the divisor."),
    P("fmod", SIGNED, lambda m, x, y: m.fmod(x, y), lambda m, g, x, y, o: (g, -g * m.divide_trunc(x, y)), args=_XY,
      forms={-1: 1, 1: 0}, ref="fmod",
      doc="Return input - trunc(input / other) * other elementwise, which has the sign of the dividend."),
    P("pow", SIGNED, lambda m, x, y: m.pow(x, y), _pow_vjp, args="input exponent", forms={-1: 1, 0: 2, 1: 0},
      ref="power", domain=(0.1, 3.0), complex=COMPLEX),
    P("gcd", INTEGER, lambda m, x, y: m.gcd(x, y), args=_XY, ref="gcd",
      doc="Return the greatest common divisor elementwise, never a negative one."),
    P("lcm", INTEGER, lambda m, x, y: m.abs(m.divide_trunc(x, _at_least_one(m, m.gcd(x, y))) * y), args=_XY, ref="lcm",
      doc="Return the least common multiple elementwise, never a negative one, 0 where an operand is 0."),
    P("neg", SIGNED, lambda m, x: -x, lambda m, g, x, o: -g, ref="negative", complex=COMPLEX),
    P("reciprocal", FLOAT, lambda m, x: m.reciprocal(x), lambda m, g, x, o: -g * m.conj(o) * m.conj(o),
      ref="reciprocal", complex=COMPLEX),
    P("square", SIGNED, lambda m, x: x * x, lambda m, g, x, o: g * (2 * m.conj(x)), ref="square", node="Pow",
      complex=COMPLEX),
    P("cube", SIGNED, lambda m, x: x * x * x, lambda m, g, x, o: g * (3 * m.conj(x) * m.conj(x)), node="Pow",
      ref=lambda x: x**3, complex=COMPLEX, scope=INNER),
    P("abs", SIGNED, lambda m, x: m.abs(x), lambda m, g, x, o: g * m.sgn(x), ref="abs", complex=PARTS),
    P("sign", ARITH, lambda m, x: m.sign(x), _zero, ref=_sign, doc="Return -1, 0 or 1 elementwise, 0 for NaN."),
    P("sgn", ARITH, lambda m, x: m.sgn(x), _sgn_vjp, ref=_sign, complex=COMPLEX,
      doc="Return the sign of real numbers, and input / |input| of complex ones, elementwise; 0 where the input is 0."),
    P("lerp", FLOAT_ONLY, lambda m, x, y, w: m.where(m.abs(w) < 0.5, x + w * (y - x), y - (y - x) * (1 - w)),
      lambda m, g, x, y, w, o: (g * (1 - m.conj(w)), g * m.conj(w), g * m.conj(y - x)), args="input end weight",
      forms={-1: 1, 2: 0}, ref=lambda x, y, w: x + w * (y - x), complex=COMPLEX,
      doc="Return input + weight * (end - input) elementwise."),
    P("addcmul", SIGNED, lambda m, x, y, z, v: x + v * y * z,
      lambda m, g, x, y, z, o, v: (g, g * _conj(m, v) * m.conj(z), g * _conj(m, v) * m.conj(y)),
      args="input tensor1 tensor2", params={"value": 1}, ref=lambda x, y, z, value: x + value * y * z, complex=COMPLEX),
    P("addcdiv", FLOAT_ONLY, lambda m, x, y, z, v: x + v * (y / z),
      lambda m, g, x, y, z, o, v: (g, g * _conj(m, v) / m.conj(z), -g * _conj(m, v) * m.conj(y / (z * z))),
      args="input tensor1 tensor2", params={"value": 1}, ref=lambda x, y, z, value: x + value * y / z, complex=COMPLEX),
    # ---- exponentials, logarithms, roots ---------------------------------------------------------------------
    P("exp", FLOAT, lambda m, x: m.exp(x), lambda m, g, x, o: g * m.conj(o), ref="exp", complex=COMPLEX),
    P("exp2", FLOAT, lambda m, x: m.exp2(x), lambda m, g, x, o: g * m.conj(o) * _LN2, ref="exp2", complex=COMPLEX,
      doc="Return 2 ** input elementwise."),
    P("expm1", FLOAT, lambda m, x: m.expm1(x), lambda m, g, x, o: g * (m.conj(o) + 1), ref="expm1", complex=COMPLEX,
      doc="Return exp(input) - 1 elementwise, without its loss of digits near 0."),
    P("log", FLOAT, lambda m, x: m.log(x), lambda m, g, x, o: g / m.conj(x),
      ref="log", domain=(0.05, 5.0), complex=COMPLEX),
    P("log2", FLOAT, lambda m, x: m.log2(x), lambda m, g, x, o: g / (m.conj(x) * _LN2),
      ref="log2", domain=(0.05, 5.0), complex=COMPLEX),
    P("log10", FLOAT, lambda m, x: m.log10(x), lambda m, g, x, o: g / (m.conj(x) * _LN10),
      ref="log10", domain=(0.05, 5.0), complex=COMPLEX),
    P("log1p", FLOAT, lambda m, x: m.log1p(x), lambda m, g, x, o: g / (m.conj(x) + 1),
      node="Log1P", ref="log1p", domain=(-0.9, 5.0), complex=COMPLEX,
      doc="Return log(1 + input) elementwise, without its loss of digits near 0."),
    P("sqrt", FLOAT, lambda m, x: m.sqrt(x), lambda m, g, x, o: g / (2 * m.conj(o)),
      ref="sqrt", domain=(0.05, 5.0), complex=COMPLEX),
    P("rsqrt", FLOAT, lambda m, x: m.rsqrt(x), lambda m, g, x, o: -0.5 * g * m.conj(o * o * o),
      ref=lambda x: 1 / np.sqrt(x), domain=(0.05, 5.0), complex=COMPLEX, doc="Return 1 / sqrt(input) elementwise."),
    P("logaddexp", FLOAT_ONLY, _logaddexp, _logaddexp_vjp, args=_XY, ref="logaddexp", complex=COMPLEX,
      doc="Return log(exp(input) + exp(other)) elementwise, without overflow."),
    P("xlogy", FLOAT, _xlogy,
      lambda m, g, x, y, o: (m.where((x == 0) & (y <= 0), 0, _xlogy(m, g, y)), g * x / y), args=_XY, ref="scipy.xlogy",
      forms={0: 1, 1: 2}, domain=(0.05, 5.0),
      doc="Return input * log(other) elementwise, 0 where the input is 0, unless other is NaN."),
    P("logaddexp2", FLOAT_ONLY, _logaddexp2, lambda m, g, x, y, o: (g / (1 + m.exp2(y - x)), g / (1 + m.exp2(x - y))),
      args=_XY, ref="logaddexp2", inplace=False,
      doc="Return log2(2 ** input + 2 ** other) elementwise, without overflow."),
    P("logit_plain", FLOAT, _logit,
      lambda m, g, x, o: m.where((x >= 0) & (x <= 1), g / (x * (1 - x)), math.nan), ref="scipy.logit",
      domain=(0.05, 0.95), node="Logit", scope=INNER),
    # ---- trigonometric and hyperbolic ------------------------------------------------------------------------
    P("sin", FLOAT, lambda m, x: m.sin(x), lambda m, g, x, o: g * m.conj(m.cos(x)), ref="sin", complex=COMPLEX),
    P("cos", FLOAT, lambda m, x: m.cos(x), lambda m, g, x, o: -g * m.conj(m.sin(x)), ref="cos", complex=COMPLEX),
    P("tan", FLOAT, lambda m, x: m.tan(x), lambda m, g, x, o: g * m.conj(1 + o * o),
      ref="tan", domain=(-1.4, 1.4), complex=COMPLEX),
    P("asin", FLOAT, lambda m, x: m.asin(x), lambda m, g, x, o: g * m.conj(m.rsqrt(1 - x * x)), ref="arcsin",
      domain=(-0.95, 0.95), complex=COMPLEX),
    P("acos", FLOAT, lambda m, x: m.acos(x), lambda m, g, x, o: -g * m.conj(m.rsqrt(1 - x * x)), ref="arccos",
      domain=(-0.95, 0.95), complex=COMPLEX),
    P("atan", FLOAT, lambda m, x: m.atan(x), lambda m, g, x, o: g / m.conj(1 + x * x), ref="arctan", complex=COMPLEX),
    P("atan2", FLOAT, lambda m, y, x: m.atan2(y, x),
      _atan2_vjp, args=_XY, ref="arctan2",
      doc="Return the angle of the point (other, input) elementwise, from -π to π."),
    P("sinh", FLOAT, lambda m, x: m.sinh(x), lambda m, g, x, o: g * m.conj(m.cosh(x)), ref="sinh", complex=COMPLEX),
    P("cosh", FLOAT, lambda m, x: m.cosh(x), lambda m, g, x, o: g * m.conj(m.sinh(x)), ref="cosh", complex=COMPLEX),
    P("tanh", FLOAT, lambda m, x: m.tanh(x), lambda m, g, x, o: g * m.conj(1 - o * o), ref="tanh", complex=COMPLEX),
    P("asinh", FLOAT, lambda m, x: m.asinh(x), lambda m, g, x, o: g * m.conj(m.rsqrt(x * x + 1)),
      ref="arcsinh", complex=COMPLEX),
    P("acosh", FLOAT, lambda m, x: m.acosh(x), lambda m, g, x, o: g * m.conj(_acosh_slope(m, x)), ref="arccosh",
      domain=(1.1, 4.0), complex=COMPLEX),
    P("atanh", FLOAT, lambda m, x: m.atanh(x), lambda m, g, x, o: g / m.conj(1 - x * x),
      ref="arctanh", domain=(-0.95, 0.95), complex=COMPLEX),
    P("hypot", FLOAT_ONLY, lambda m, x, y: m.hypot(x, y), lambda m, g, x, y, o: (g * (x / o), g * (y / o)), args=_XY,
      ref="hypot", doc="Return sqrt(input² + other²) elementwise, without overflow."),
    P("sinc", FLOAT, lambda m, x: m.where(x == 0, 1, m.sin(math.pi * x) / (math.pi * x)), _sinc_vjp, ref="sinc",
      complex=COMPLEX, sample=(-0.5, 0.0, 1.5)),
    P("deg2rad", FLOAT, lambda m, x: x * (math.pi / 180), lambda m, g, x, o: g * (math.pi / 180), node="Deg2Rad",
      ref="deg2rad"),
    P("rad2deg", FLOAT, lambda m, x: x * (180 / math.pi), lambda m, g, x, o: g * (180 / math.pi), node="Rad2Deg",
      ref="rad2deg"),
    P("conj_values", ARITH, lambda m, x: m.conj(x), lambda m, g, x, o: m.conj(g), ref="conj",
      node="ConjPhysical", scope=INNER, complex=COMPLEX),
    P("angle", FLOAT, lambda m, x: m.angle(x), _angle_vjp, inplace=False, complex=PARTS,
      ref=lambda x: np.where(np.isnan(x), x, np.where(x < 0, np.pi, 0)),
      doc="Return the angle of complex numbers in radians, elementwise: 0 or π of real ones."),
    # ---- rounding --------------------------------------------------------------------------------------------
    P("floor", REAL, lambda m, x: m.floor(x), _zero, ref="floor",
      doc="Return the largest integer that is not above the input, elementwise."),
    P("ceil", REAL, lambda m, x: m.ceil(x), _zero, ref="ceil",
      doc="Return the smallest integer that is not below the input, elementwise."),
    P("trunc", REAL, lambda m, x: m.trunc(x), _zero, ref="trunc", doc="Return the integer part elementwise."),
    P("round", REAL, lambda m, x: m.round(x), _zero, ref="round",
      sample=(-1.6, 0.5, 2.5), doc="Return the nearest integer elementwise, of two the even one."),
    P("round_places", FLOAT_ONLY, lambda m, x, up, down: m.round(x * up / down) / up * down, _zero, node="Round",
      forms={-1: 1}, params={"up": 1.0, "down": 1.0},
      ref=lambda x, up, down: np.round(x * up / down) / up * down, scope=INNER),
    P("frac", FLOAT_ONLY, lambda m, x: x - m.trunc(x), lambda m, g, x, o: g, ref=lambda x: x - np.trunc(x)),
    # ---- extremes and bounds ---------------------------------------------------------------------------------
    P("maximum", ARITH, lambda m, x, y: m.maximum(x, y),
      lambda m, g, x, y, o: _half_each(m, g, x, y, x > y, x < y), args=_XY, ref="maximum", inplace=False,
      doc="Return max(input, other) elementwise; NaN where either is."),
    P("minimum", ARITH, lambda m, x, y: m.minimum(x, y),
      lambda m, g, x, y, o: _half_each(m, g, x, y, x < y, x > y), args=_XY, ref="minimum", inplace=False,
      doc="Return min(input, other) elementwise; NaN where either is."),
    P("fmax", ARITH, lambda m, x, y: m.where(x != x, y, m.where(y != y, x, m.maximum(x, y))),
      lambda m, g, x, y, o: (m.where((x >= y) | (y != y), g, 0), m.where((x >= y) | (y != y), 0, g)), args=_XY,
      ref="fmax", inplace=False,
      sample=(1.0, math.nan, -2.0), doc="Return max(input, other) elementwise, the other one where one is NaN."),
    P("fmin", ARITH, lambda m, x, y: m.where(x != x, y, m.where(y != y, x, m.minimum(x, y))),
      lambda m, g, x, y, o: (m.where((x <= y) | (y != y), g, 0), m.where((x <= y) | (y != y), 0, g)), args=_XY,
      ref="fmin", inplace=False,
      sample=(1.0, math.nan, -2.0), doc="Return min(input, other) elementwise, the other one where one is NaN."),
    P("reached", ARITH, lambda m, x, y: m.where((x == y) | ((x != x) & (y != y)), 1, 0), _zero_each, args=_XY,
      ref=lambda x, y: ((x == y) | (np.isnan(x) & np.isnan(y))).astype(np.result_type(x, y)), inplace=False,
      scope=INNER),
    P("clamp_min", ARITH, lambda m, x, lo: m.maximum(x, lo),
      lambda m, g, x, lo, o: (m.where(x >= lo, g, 0), m.where(x < lo, g, 0)), args="input min", ref="maximum",
      forms={-1: 1, 1: 0}),
    P("clamp_max", ARITH, lambda m, x, hi: m.minimum(x, hi),
      lambda m, g, x, hi, o: (m.where(x <= hi, g, 0), m.where(x > hi, g, 0)), args="input max", ref="minimum",
      forms={-1: 1, 1: 0}),
    P("clamp_both", SIGNED, lambda m, x, lo, hi: m.minimum(m.maximum(x, lo), hi),
      _clamp_vjp,
      args="input min max", node="Clamp", forms={1: 1, 2: 1}, ref=lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi),
      scope=INNER),
    P("copysign", FLOAT, lambda m, x, y: m.copysign(x, y),
      lambda m, g, x, y, o: (m.where(x == 0, 0, g * m.sign(x) * m.sign(o)), g * 0), args=_XY, ref="copysign",
      doc="Return |input| with the sign of other, elementwise."),
    P("heaviside", ARITH, lambda m, x, v: m.where(x == 0, v, m.where(x > 0, 1, 0)),
      args="input values", ref=lambda x, v: np.where(np.isnan(x), 0, np.heaviside(x, v)), sample=(-1.5, 0.0, 2.0)),
    # ---- special ---------------------------------------------------------------------------------------------
    P("erf", FLOAT, lambda m, x: m.erf(x), lambda m, g, x, o: g * (2 * _INV_SQRT_PI) * m.exp(-x * x), ref="scipy.erf",
      doc="Return the error function 2 / √π ∫ exp(-t²) dt from 0 to the input, elementwise."),
    P("erfc", FLOAT, lambda m, x: m.erfc(x), lambda m, g, x, o: g * (-2 * _INV_SQRT_PI) * m.exp(-x * x),
      ref="scipy.erfc", doc="Return 1 - erf(input) elementwise, without its loss of digits."),
    P("erfinv", FLOAT, lambda m, x: m.erfinv(x), lambda m, g, x, o: g * (0.5 / _INV_SQRT_PI) * m.exp(o * o),
      ref="scipy.erfinv", domain=(-0.99, 0.99),
      doc="Return the y with erf(y) = input, elementwise; NaN outside of [-1, 1]."),
    # ---- comparison, logic, tests ----------------------------------------------------------------------------
    P("eq", COMPARE, lambda m, x, y: x == y, args=_XY, ref="equal", complex=COMPLEX, sample=(1.2, 0.0, 0.6)),
    P("ne", COMPARE, lambda m, x, y: x != y, args=_XY, ref="not_equal", complex=COMPLEX, sample=(1.2, 0.0, 0.6)),
    P("lt", COMPARE, lambda m, x, y: x < y, args=_XY, ref="less"),
    P("le", COMPARE, lambda m, x, y: x <= y, args=_XY, ref="less_equal"),
    P("gt", COMPARE, lambda m, x, y: x > y, args=_XY, ref="greater"),
    P("ge", COMPARE, lambda m, x, y: x >= y, args=_XY, ref="greater_equal"),
    P("logical_and", COMPARE, lambda m, x, y: (x != 0) & (y != 0), args=_XY, ref="logical_and", complex=COMPLEX,
      sample=(0.0, 1.0, 2.0)),
    P("logical_or", COMPARE, lambda m, x, y: (x != 0) | (y != 0), args=_XY, ref="logical_or", complex=COMPLEX,
      sample=(0.0, 1.0, 0.0)),
    P("logical_xor", COMPARE, lambda m, x, y: (x != 0) ^ (y != 0), args=_XY, ref="logical_xor", complex=COMPLEX,
      sample=(0.0, 1.0, 2.0), doc="Return whether one and only one of both is not 0, elementwise."),
    P("logical_not", COMPARE, lambda m, x: x == 0, ref="logical_not", complex=COMPLEX, sample=(0.0, 1.0, 2.0)),
    P("isnan", COMPARE, lambda m, x: x != x, ref="isnan", inplace=False, out=False, complex=COMPLEX,
      sample=(1.0, math.inf, math.nan)),
    P("isinf", COMPARE, _isinf, ref="isinf", inplace=False, out=False, complex=COMPLEX,
      sample=(1.0, -math.inf, math.nan),
      doc="Return whether the input is infinite, elementwise; of complex numbers, whether a part is."),
    P("isfinite", COMPARE, _isfinite, ref="isfinite", inplace=False, out=False, complex=COMPLEX,
      sample=(1.0, math.inf, math.nan), doc="Return whether the input is neither infinite nor NaN, elementwise."),
    P("isposinf", COMPARE, lambda m, x: (x == math.inf) if m_is_float(m, x) else x != x, ref="isposinf", inplace=False,
      sample=(1.0, math.inf, -math.inf)),
    P("isneginf", COMPARE, lambda m, x: (x == -math.inf) if m_is_float(m, x) else x != x, ref="isneginf",
      inplace=False, sample=(1.0, math.inf, -math.inf)),
    P("signbit", COMPARE, lambda m, x: (m.copysign(1.0, x) < 0) if m_is_float(m, x) else x < 0, ref="signbit",
      inplace=False,
      sample=(1.0, -1.0, -0.0), doc="Return whether the input's sign is negative, elementwise; that of -0.0 is."),
    P("nan_to_num_values", ARITH,
      lambda m, x, nan, hi, lo: m.where(x != x, nan, m.where(x == math.inf, hi, m.where(x == -math.inf, lo, x))),
      lambda m, g, x, o, nan, hi, lo: m.where((x != x) | (m.abs(x) == math.inf), 0, g),
      params={"nan": 0.0, "posinf": 0.0, "neginf": 0.0},
      ref=lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf), node="NanToNum",
      scope=INNER),
    P("bitwise_and", BITWISE, lambda m, x, y: x & y, args=_XY, ref="bitwise_and"),
    P("bitwise_or", BITWISE, lambda m, x, y: x | y, args=_XY, ref="bitwise_or"),
    P("bitwise_xor", BITWISE, lambda m, x, y: x ^ y, args=_XY, ref="bitwise_xor"),
    P("bitwise_not", BITWISE, lambda m, x: (x == 0) if m_is_bool(m, x) else ~x, ref="bitwise_not",
      doc="Return ~input elementwise, the logical not of bool."),
    P("bitwise_left_shift", INTEGER, lambda m, x, y: m.shift_left(x, y), args=_XY, ref="left_shift", sample=(1, 2, 3)),
    P("bitwise_right_shift", INTEGER, lambda m, x, y: m.shift_right(x, y), args=_XY, ref="right_shift",
      sample=(64, 32, 9)),
    P("where", ARITH, lambda m, c, x, y: m.where(c, x, y),
      lambda m, g, c, x, y, o: (0, m.where(c, g, 0), m.where(c, 0, g)), args="condition input other", masks=(0,),
      ref="where", inplace=False, complex=COMPLEX),
    P("masked_value", ARITH, lambda m, x, c, v: m.where(c, v, x),
      lambda m, g, x, c, v, o: (m.where(c, 0, g), 0, m.where(c, g, 0)), args="input mask value", masks=(1,),
      node="MaskedFill", forms={-1: 1, 2: 0}, ref=lambda x, c, v: np.where(c, v, x), inplace=False, scope=INNER,
      complex=COMPLEX),
    P("clone", ARITH, lambda m, x: x, lambda m, g, x, o: g, ref=lambda x: x, inplace=False, complex=COMPLEX,
      doc="Return a copy with the same values."),
]  # fmt: skip


ROWS += table_activation.ROWS
TABLE = {row.name: row for row in (*ROWS, *table_special.ROWS)}
