"""Activations, and losses before their reduction: rows of the pointwise table.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.ops.formula_kind import m_is_complex
from cltorch.ops.pointwise import (
    ARITH,
    COMPLEX,
    FLOAT,
    FLOAT_ONLY,
    FUNCTIONAL,
    INNER,
    PARTS,
    SIGNED,
    Pointwise,
)

P = Pointwise
_XT = "input target"
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI, _SQRT_2_PI = 1 / math.sqrt(2 * math.pi), math.sqrt(2 / math.pi)
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _ndtr(x: Any) -> Any:
    return np.vectorize(lambda v: 0.5 * math.erfc(-v * _SQRT_HALF), otypes=[float])(x)


def _gelu_tanh_share(m, x):
    # (1 + tanh(u)) / 2 = sigmoid(2 u), which loses no digits where tanh is near -1
    return _sigmoid(m, (2 * _SQRT_2_PI) * (x + 0.044715 * (x * x * x)))


def _gelu_tanh_vjp(m, g, x, o):
    s = _gelu_tanh_share(m, x)
    return g * (s + x * s * (1 - s) * (2 * _SQRT_2_PI * (1 + 3 * 0.044715 * (x * x))))


def _sigmoid(m, x):
    return 1 / (1 + m.exp(-x))


def _softsign_vjp(m, g, x, o):
    share = 1 / (1 + m.abs(x))
    if not m_is_complex(m, x):
        return g * (share * share)
    return g * share - m.real_part(m.conj(g) * x) * (share * share) * m.sgn(x)


def _logistic(m, x):
    low = m.real_part(x) < 0
    z = m.exp(m.where(low, x, -x))  # of what is not above zero, so that it cannot overflow
    return m.where(low, z, 1) / (1 + z)


def _one_way(name, slope):
    """Say why an activation in place cannot be turned round: below zero its result has the sign of both halves."""
    if slope >= 0:
        return ""
    return (
        f"In-place {name} backward calculation is triggered with a negative slope which is not supported. This is "
        "caused by calling in-place forward function with a negative slope, please call out-of-place version instead."
    )


def _softplus(m, x, beta, threshold):
    return m.where(x * beta > threshold, x, m.log1p(m.exp(m.minimum(x * beta, threshold))) / beta)


def _mish_vjp(m, g, x, o):
    s = _softplus(m, x, 1, 20)
    z = m.exp(-2 * s)  # 1 - tanh(s)**2 is made of it, as x multiplies what a tanh that is not quite one leaves over
    return g * (m.tanh(s) + x * _sigmoid(m, x) * (4 * z / ((1 + z) * (1 + z))))


def _root_vjp(m, g, x, y, o):
    slope = m.where(o == 0, 0, g / (2 * m.where(o == 0, 1, o)))
    return slope, slope


def _smooth_l1_vjp(m, g, x, y, o, beta):
    slope = m.where(m.abs(x - y) >= beta, g * m.sign(x - y), g * (x - y) / beta)
    return slope, -slope


def _huber_vjp(m, g, x, y, o, delta):
    slope = m.where(m.abs(x - y) >= delta, g * m.sign(x - y) * delta, g * (x - y))
    return slope, -slope


def _softplus_of_minus(m, x):
    """Return log(1 + exp(-x)), which is -log(sigmoid(x))."""
    return m.maximum(-x, 0) + m.log1p(m.exp(-m.abs(x)))


def _weighted_logits_vjp(m, g, x, y, w, o):
    below = _softplus_of_minus(m, x)
    return g * ((1 - y) - (1 + (w - 1) * y) * _sigmoid(m, -x)), g * ((w - 1) * below - x), g * y * below


#: PyTorch counts the form in place as one of its own
_IN_PLACE: dict[int | str, int | str] = {"_": 1}

ROWS = [
    # ---- activations -----------------------------------------------------------------------------------------
    P("relu", SIGNED, lambda m, x: m.maximum(x, 0), lambda m, g, x, o: m.where(o <= 0, 0, g),
      ref=lambda x: np.maximum(x, 0), flat=True),
    P("relu6", SIGNED, lambda m, x: m.minimum(m.maximum(x, 0), 6),
      lambda m, g, x, o: m.where((x <= 0) | (x >= 6), 0, g), node="Hardtanh", ref=lambda x: np.clip(x, 0, 6),
      domain=(-3, 9), scope=FUNCTIONAL, flat=True),
    P("sigmoid", FLOAT, _logistic, lambda m, g, x, o: g * m.conj(o * (1 - o)), ref="scipy.expit", complex=COMPLEX,
      doc="Return 1 / (1 + exp(-input)) elementwise."),
    P("logsigmoid", FLOAT_ONLY, lambda m, x: m.minimum(x, 0) - m.log1p(m.exp(-m.abs(x))),
      lambda m, g, x, o: g * _sigmoid(m, -x), node="LogSigmoid", ref="scipy.log_expit", scope=FUNCTIONAL,
      doc="Return log(1 / (1 + exp(-input))) elementwise, without overflow."),
    P("silu", FLOAT_ONLY, lambda m, x: x / (1 + m.exp(-x)),
      lambda m, g, x, o: g * m.conj(_sigmoid(m, x) * (1 + x * (1 - _sigmoid(m, x)))),
      ref=lambda x: x / (1 + np.exp(-x)), scope=FUNCTIONAL, complex=COMPLEX),
    P("mish", FLOAT_ONLY, lambda m, x: x * m.tanh(_softplus(m, x, 1, 20)),
      _mish_vjp,
      ref=lambda x: x * np.tanh(np.log1p(np.exp(x))), scope=FUNCTIONAL,
      doc="Return input * tanh(log(1 + exp(input))) elementwise."),
    P("gelu_erf", FLOAT_ONLY, lambda m, x: 0.5 * x * (1 + m.erf(x * _SQRT_HALF)),
      lambda m, g, x, o: g * (0.5 * (1 + m.erf(x * _SQRT_HALF)) + x * m.exp(-0.5 * x * x) * _INV_SQRT_2PI), node="Gelu",
      inplace=False, ref=lambda x: x * _ndtr(x), scope=INNER),
    P("gelu_tanh", FLOAT_ONLY, lambda m, x: x * _gelu_tanh_share(m, x), _gelu_tanh_vjp, node="Gelu",
      inplace=False, ref=lambda x: 0.5 * x * (1 + np.tanh(_SQRT_2_PI * (x + 0.044715 * x**3))), scope=INNER),
    P("leaky_relu", FLOAT_ONLY, forms=_IN_PLACE, fwd=lambda m, x, a: m.where(x > 0, x, x * a),
      vjp=lambda m, g, x, o, a: m.where(x > 0, g, g * a), params={"negative_slope": 0.01},
      ref=lambda x, negative_slope: np.where(x > 0, x, x * negative_slope),
      scope=FUNCTIONAL, flat=True, one_way=lambda a: _one_way("leakyReLu", a)),
    P("elu", FLOAT_ONLY, lambda m, x, a: m.where(x > 0, x, a * m.expm1(m.minimum(x, 0))),
      lambda m, g, x, o, a: m.where(x <= 0, g * (a * m.exp(m.minimum(x, 0))), g), params={"alpha": 1.0},
      ref=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), scope=FUNCTIONAL,
      one_way=lambda a: _one_way("elu", a), forms=_IN_PLACE,
      doc="Return input where input > 0, else alpha * (exp(input) - 1), elementwise."),
    P("celu", FLOAT_ONLY, lambda m, x, a: m.where(x > 0, x, a * m.expm1(m.minimum(x, 0) / a)),
      lambda m, g, x, o, a: m.where(x <= 0, g * m.exp(m.minimum(x, 0) / a), g), params={"alpha": 1.0},
      ref=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)), one_way=lambda a: _one_way("elu", a),
      forms=_IN_PLACE,
      doc="Return input where input > 0, else alpha * (exp(input / alpha) - 1), elementwise."),
    P("selu", FLOAT_ONLY, node="Elu", forms=_IN_PLACE,
      fwd=lambda m, x: m.where(x > 0, _SELU_SCALE * x, _SELU_SCALE * _SELU_ALPHA * m.expm1(m.minimum(x, 0))),
      vjp=lambda m, g, x, o: m.where(x <= 0, g * (_SELU_SCALE * _SELU_ALPHA) * m.exp(m.minimum(x, 0)), g * _SELU_SCALE),
      ref=lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(x)),
      doc="Return 1.0507 * (input where input > 0, else 1.6733 * (exp(input) - 1)) elementwise."),
    P("hardtanh", SIGNED, lambda m, x, lo, hi: m.minimum(m.maximum(x, lo), hi),
      lambda m, g, x, o, lo, hi: m.where((x <= lo) | (x >= hi), 0, g), params={"min_val": -1.0, "max_val": 1.0},
      ref=lambda x, min_val, max_val: np.clip(x, min_val, max_val), scope=FUNCTIONAL, flat=True),
    P("hardsigmoid", FLOAT_ONLY, lambda m, x: m.minimum(m.maximum(x + 3, 0), 6) / 6,
      lambda m, g, x, o: m.where((x > -3) & (x < 3), g / 6, 0), domain=(-5, 5), ref=lambda x: np.clip(x + 3, 0, 6) / 6,
      scope=FUNCTIONAL, sample=(-4.0, 0.5, 4.0)),
    P("hardswish", FLOAT_ONLY, lambda m, x: x * (m.minimum(m.maximum(x + 3, 0), 6) / 6), domain=(-5, 5),
      vjp=lambda m, g, x, o: m.where(x <= -3, 0, m.where(x < 3, g * (x / 3 + 0.5), g)),
      ref=lambda x: x * np.clip(x + 3, 0, 6) / 6, scope=FUNCTIONAL, sample=(-4.0, 0.5, 4.0)),
    P("softplus", FLOAT_ONLY, _softplus, params={"beta": 1.0, "threshold": 20.0}, inplace=False,
      vjp=lambda m, g, x, o, beta, threshold: m.where(x * beta > threshold, g, g * _sigmoid(m, x * beta)),
      ref=lambda x, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta),
      scope=FUNCTIONAL,
      doc="Return log(1 + exp(input * beta)) / beta elementwise, the input itself where input * beta > threshold."),
    P("softshrink", FLOAT_ONLY,
      lambda m, x, a: m.where(x > a, x - a, m.where(x < -a, x + a, m.where(x == x, 0 * x, x))),
      lambda m, g, x, o, a: m.where((x >= -a) & (x <= a), 0, g), params={"lambd": 0.5}, inplace=False,
      ref=lambda x, lambd: np.sign(x) * np.maximum(abs(x) - lambd, 0), scope=FUNCTIONAL, flat=True,
      doc="Return the input moved towards 0 by ``lambd``, elementwise; 0 where |input| <= lambd."),
    P("hardshrink", FLOAT_ONLY, lambda m, x, a: m.where((x >= -a) & (x <= a), 0, x),
      lambda m, g, x, o, a: m.where((x >= -a) & (x <= a), 0, g), params={"lambd": 0.5}, inplace=False,
      ref=lambda x, lambd: np.where(abs(x) <= lambd, 0, x), flat=True,
      doc="Return 0 where |input| <= lambd, else input, elementwise."),
    P("threshold", ARITH, lambda m, x, t, v: m.where(x <= t, v, x), lambda m, g, x, o, t, v: m.where(x <= t, 0, g),
      params={"threshold": 0.0, "value": 0.0}, ref=lambda x, threshold, value: np.where(x <= threshold, value, x),
      flat=True, twice=True, forms=_IN_PLACE),
    P("prelu_kernel", FLOAT_ONLY, lambda m, x, w: m.where(x > 0, x, x * w),
      lambda m, g, x, w, o: (m.where(x > 0, g, g * w), m.where(x > 0, 0, g * x)), args="input weight", inplace=False,
      ref=lambda x, w: np.where(x > 0, x, x * w), scope=INNER, flat=True),
    P("softsign", FLOAT, lambda m, x: x / (1 + m.abs(x)), _softsign_vjp, inplace=False,
      ref=lambda x: x / (1 + abs(x)), scope=FUNCTIONAL, complex=COMPLEX),
    P("tanhshrink", FLOAT, lambda m, x: x - m.tanh(x), lambda m, g, x, o: g * m.conj(m.tanh(x) * m.tanh(x)),
      inplace=False, ref=lambda x: x - np.tanh(x), scope=FUNCTIONAL, complex=COMPLEX),
    P("gated", FLOAT_ONLY, lambda m, x, y: x * _sigmoid(m, y),
      lambda m, g, x, y, o: (g * _sigmoid(m, y), g * x * _sigmoid(m, y) * _sigmoid(m, -y)), args="input gate",
      node="Glu", inplace=False, ref=lambda x, y: x / (1 + np.exp(-y)), scope=INNER),
    # the root of what may be a little below zero for rounding, without a slope there
    P("root_of_sum", FLOAT_ONLY, lambda m, x, y: m.where(x + y <= 0, 0, m.sqrt(x + y)), _root_vjp, args="input other",
      node="EuclideanDist", inplace=False, ref=lambda x, y: np.sqrt(np.maximum(x + y, 0)), domain=(0.05, 5.0),
      scope=INNER),
    # ---- losses before their reduction -----------------------------------------------------------------------
    P("squared_error", FLOAT_ONLY, lambda m, x, y: (x - y) * (x - y),
      lambda m, g, x, y, o: (g * (2 * (x - y)), g * (2 * (y - x))), args=_XT, node="MseLoss", inplace=False,
      ref=lambda x, y: (x - y) ** 2, scope=INNER),
    P("absolute_error", SIGNED, lambda m, x, y: m.abs(x - y),
      lambda m, g, x, y, o: (g * m.sgn(x - y), g * m.sgn(y - x)), args=_XT, node="Abs", inplace=False,
      ref=lambda x, y: abs(x - y), scope=INNER, complex=PARTS),
    P("smooth_l1_error", FLOAT_ONLY,
      lambda m, x, y, b: m.where(m.abs(x - y) < b, 0.5 * (x - y) * (x - y) / b, m.abs(x - y) - 0.5 * b), _smooth_l1_vjp,
      args=_XT, params={"beta": 1.0}, node="SmoothL1Loss", inplace=False, scope=INNER,
      ref=lambda x, y, beta: np.where(abs(x - y) < beta, (x - y) ** 2 / (2 * beta), abs(x - y) - beta / 2)),
    P("huber_error", FLOAT_ONLY,
      lambda m, x, y, d: m.where(m.abs(x - y) < d, 0.5 * (x - y) * (x - y), d * (m.abs(x - y) - 0.5 * d)), _huber_vjp,
      args=_XT, params={"delta": 1.0}, node="HuberLoss", inplace=False, scope=INNER,
      ref=lambda x, y, delta: np.where(abs(x - y) < delta, (x - y) ** 2 / 2, delta * (abs(x - y) - delta / 2))),
    P("binary_cross_entropy_error", FLOAT_ONLY,
      lambda m, x, y: (y - 1) * m.maximum(m.log1p(-x), -100) - y * m.maximum(m.log(x), -100),
      lambda m, g, x, y, o: (g * (x - y) / m.maximum((1 - x) * x, 1e-12), g * (m.log1p(-x) - m.log(x))), args=_XT,
      node="BinaryCrossEntropy", inplace=False, scope=INNER, domain=(0.05, 0.95),
      ref=lambda x, y: -y * np.log(x) - (1 - y) * np.log(1 - x)),
    P("logits_error", FLOAT_ONLY, lambda m, x, y: (1 - y) * x + _softplus_of_minus(m, x),
      lambda m, g, x, y, o: (g * (_sigmoid(m, x) - y), -g * x), args=_XT, node="BinaryCrossEntropyWithLogits",
      inplace=False, scope=INNER, ref=lambda x, y: (1 - y) * x + np.log1p(np.exp(-x))),
    P("weighted_logits_error", FLOAT_ONLY,
      lambda m, x, y, w: (1 - y) * x + (1 + (w - 1) * y) * _softplus_of_minus(m, x), _weighted_logits_vjp,
      args=_XT + " pos_weight", node="BinaryCrossEntropyWithLogits", inplace=False, scope=INNER,
      ref=lambda x, y, w: (1 - y) * x + (1 + (w - 1) * y) * np.log1p(np.exp(-x))),
    P("divergence", FLOAT_ONLY, lambda m, x, y: m.where(y == 0, 0, y * m.log(y)) - y * x,
      lambda m, g, x, y, o: (-g * y, g * (m.log(y) + y / y - x)), args=_XT, node="KlDiv", inplace=False, scope=INNER,
      domain=(0.05, 5.0), ref=lambda x, y: y * (np.log(y) - x)),
    P("log_divergence", FLOAT_ONLY, lambda m, x, y: m.exp(y) * (y - x),
      lambda m, g, x, y, o: (-g * m.exp(y), g * m.exp(y) * (y - x + 1)), args=_XT, node="KlDiv", inplace=False,
      scope=INNER, ref=lambda x, y: np.exp(y) * (y - x)),
    P("soft_margin_error", FLOAT_ONLY, lambda m, x, y: _softplus_of_minus(m, x * y),
      lambda m, g, x, y, o: (-g * y * _sigmoid(m, -x * y), -g * x * _sigmoid(m, -x * y)), args=_XT,
      node="SoftMarginLoss", inplace=False, scope=INNER, ref=lambda x, y: np.log1p(np.exp(-x * y))),
]  # fmt: skip
