"""The special functions: rows of the pointwise table whose formulas stand in files of their own.

Source: https://docs.pytorch.org/docs/2.13/special.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.ops import bessel, gamma, normal, orthogonal
from cltorch.ops.formula import FORMULAS
from cltorch.ops.pointwise import FLOAT, FLOAT_ONLY, INNER, SPECIAL, Pointwise

P = Pointwise
_INV_SQRT_2PI, _TWO_INV_SQRT_PI, _SQRT_HALF = 1 / math.sqrt(2 * math.pi), 2 / math.sqrt(math.pi), math.sqrt(0.5)


def _entr(m, x):
    return m.where(x > 0, -x * m.log(x), m.where(x == 0, 0, m.where(x < 0, -math.inf, x)))


def _xlog1py(m, x, y):
    return m.where(y != y, y, m.where(x == 0, 0, x * m.log1p(y)))


def _xlog1py_vjp(m, g, x, y, o):
    return m.where((x == 0) & (y <= -1), 0, _xlog1py(m, g, y)), g * x / (y + 1)


def _i1_vjp(m, g, x, o):
    return g * m.where(x == 0, 0.5, m.i0(x) - o / m.where(x == 0, 1, x))


def _i1e_vjp(m, g, x, o):
    return g * m.where(x == 0, 0.5, m.i0e(x) - o * (m.sign(x) + 1 / m.where(x == 0, 1, x)))


def _scaled_zeta_vjp(m, g, x, o, s, factor):
    return g * m.scaled_zeta(x, s + 1, -s * factor)


def _density(m, a, x):
    """Return the derivative of igamma by x."""
    return m.exp((a - 1) * m.log(x) - x - m.lgamma(a))


def _spherical(x: Any) -> Any:
    return np.where(x == 0, 1, np.where(np.isinf(x), 0, np.sin(x) / x))


def _unrecorded(name: str, fwd: Any, **fields: Any) -> Pointwise:
    """Return a row whose results never require a gradient, as PyTorch has it."""
    return P(name, FLOAT, fwd, inplace=False, scope=SPECIAL, opaque=None, **fields)


_POLYNOMIALS = {
    "t": "cos(n · arccos x)", "u": "sin((n + 1) θ) / sin θ, θ = arccos x",
    "v": "cos((n + 1/2) θ) / cos(θ / 2), θ = arccos x", "w": "sin((n + 1/2) θ) / sin(θ / 2), θ = arccos x",
    "h": "(-1)ⁿ exp(x²) dⁿ/dxⁿ exp(-x²)", "he": "(-1)ⁿ exp(x² / 2) dⁿ/dxⁿ exp(-x² / 2)",
    "l": "exp(x) / n! · dⁿ/dxⁿ (xⁿ exp(-x))", "p": "1 / (2ⁿ n!) · dⁿ/dxⁿ (x² - 1)ⁿ",
}  # fmt: skip


def _polynomial(name: str, fwd: Any, ref: Any, at: str = "input") -> Pointwise:
    family, kind = name.removeprefix("shifted_").split("_polynomial_")
    words = (
        f"Return {family.capitalize()}'s polynomial {kind.capitalize()} of degree n at {at} elementwise.\n\n"
        f"{_POLYNOMIALS[kind]} for x = {at}."
    )
    return _unrecorded(name, fwd, ref=ref, args="input n", domain=(-1.5, 1.5), accuracy=(8, 8), doc=words)


_XY = "input other"
_WAVE = (4, 3)  # of functions that oscillate, around their zeros


ROWS = [
    # ---- logarithms and exponentials -------------------------------------------------------------------------
    P("entr", FLOAT, _entr, lambda m, g, x, o: -g * (m.log(x) + 1), node="SpecialEntr", ref="scipy.entr", scope=SPECIAL,
      inplace=False, domain=(0.05, 3.0),
      doc="Return the entropy -input * log(input) elementwise, 0 at 0 and -inf below."),
    P("xlog1py", FLOAT, _xlog1py, _xlog1py_vjp, args=_XY, node="SpecialXlog1Py", ref="scipy.xlog1py",
      scope=SPECIAL, inplace=False, domain=(-0.9, 3.0),
      doc="Return input * log1p(other) elementwise, 0 where the input is 0, unless other is NaN."),
    # ---- normal distribution ---------------------------------------------------------------------------------
    P("erfcx", FLOAT, normal.erfcx, lambda m, g, x, o: g * (2 * x * o - _TWO_INV_SQRT_PI), node="SpecialErfcx",
      ref="scipy.erfcx", scope=SPECIAL, inplace=False, accuracy=(6, 0),
      doc="Return exp(input²) * erfc(input) elementwise, without overflow."),
    P("ndtr", FLOAT, normal.ndtr, lambda m, g, x, o: g * _INV_SQRT_2PI * m.exp(-0.5 * x * x), node="SpecialNdtr",
      ref="scipy.ndtr", scope=SPECIAL, inplace=False, accuracy=(6, 0),
      doc="Return the standard normal distribution function (1 + erf(input / √2)) / 2 elementwise."),
    P("ndtri", FLOAT, normal.ndtri, lambda m, g, x, o: g / _INV_SQRT_2PI * m.exp(0.5 * o * o), node="SpecialNdtri",
      ref="scipy.ndtri", scope=SPECIAL, inplace=False, domain=(0.05, 0.95), accuracy=(6, 0),
      doc="Return the y with ndtr(y) = input, elementwise; NaN outside of [0, 1]."),
    P("log_ndtr", FLOAT, normal.log_ndtr,
      lambda m, g, x, o: g * (2 * _INV_SQRT_2PI) / m.erfcx(x * -_SQRT_HALF), node="SpecialLogNdtr",
      ref="scipy.log_ndtr", scope=SPECIAL, inplace=False, accuracy=(6, 0),
      doc="Return log(ndtr(input)) elementwise, without underflow."),
    # ---- gamma and its relatives -----------------------------------------------------------------------------
    P("lgamma", FLOAT, gamma.lgamma, lambda m, g, x, o: g * m.digamma(x), ref="scipy.gammaln",
      domain=(0.3, 5.0), accuracy=(6, 4), sample=(0.5, 2.5, 4.0), doc="Return log |Γ(input)| elementwise."),
    P("digamma", FLOAT, gamma.digamma, lambda m, g, x, o: g * m.scaled_zeta(x, 2.0, 1.0), ref="scipy.digamma",
      domain=(0.3, 5.0), accuracy=(6, 4), doc="Return Γ'(input) / Γ(input), the derivative of log Γ, elementwise."),
    P("scaled_zeta", FLOAT, gamma.scaled_zeta, _scaled_zeta_vjp, params={"s": 2.0, "factor": 1.0}, node="Polygamma",
      scope=INNER, domain=(0.5, 4.0), accuracy=(8, 0)),
    P("zeta", FLOAT, gamma.zeta, lambda m, g, s, q, o: (g, -g * s * m.zeta(s + 1, q)), args=_XY,
      node="SpecialZeta", ref="scipy.zeta", scope=SPECIAL, inplace=False, domain=(1.5, 4.0), opaque=(0,),
      accuracy=(8, 0), doc="Return Hurwitz's zeta function Σ 1 / (k + other) ** input over k = 0, 1, …, elementwise."),
    P("igamma", FLOAT_ONLY, gamma.igamma, lambda m, g, a, x, o: (g, g * _density(m, a, x)), args=_XY,
      ref="scipy.gammainc", domain=(0.3, 4.0), opaque=(0,), accuracy=(8, 0),
      doc="Return ∫ t^(a - 1) exp(-t) dt / Γ(a) from 0 to other with a = input, elementwise."),
    P("igammac", FLOAT_ONLY, gamma.igammac, lambda m, g, a, x, o: (g, -g * _density(m, a, x)), args=_XY,
      ref="scipy.gammaincc", domain=(0.3, 4.0), opaque=(0,), accuracy=(12, 0),
      doc="Return 1 - igamma(input, other) elementwise, without its loss of digits."),
    # ---- Bessel and Airy -------------------------------------------------------------------------------------
    P("i0", FLOAT, bessel.i0, lambda m, g, x, o: g * m.i1(x), ref="scipy.i0",
      doc="Return the modified Bessel function of the first kind and order 0 elementwise.\n\n∫ exp(input · cos "
          "t) dt / π from 0 to π."),
    P("i0e", FLOAT, bessel.i0e, lambda m, g, x, o: g * (m.i1e(x) - m.sign(x) * o), node="SpecialI0E", ref="scipy.i0e",
      scope=SPECIAL, inplace=False, accuracy=(6, 0), doc="Return exp(-|input|) * i0(input) elementwise."),
    P("i1", FLOAT, bessel.i1, _i1_vjp, node="SpecialI1", ref="scipy.i1", scope=SPECIAL, inplace=False,
      doc="Return the modified Bessel function of the first kind and order 1 elementwise.\n\n∫ exp(input · cos "
          "t) cos t dt / π from 0 to π."),
    P("i1e", FLOAT, bessel.i1e, _i1e_vjp, node="SpecialI1E", ref="scipy.i1e",
      scope=SPECIAL, inplace=False, accuracy=(6, 0), doc="Return exp(-|input|) * i1(input) elementwise."),
    _unrecorded("modified_bessel_k0", bessel.k0, ref="scipy.k0", accuracy=(6, 0),
      sample=(0.5, 1.0, 2.0),
      doc="Return the modified Bessel function of the second kind and order 0 elementwise.\n\n∫ exp(-input · "
          "cosh t) dt from 0 to ∞."),
    _unrecorded("modified_bessel_k1", bessel.k1, ref="scipy.k1",
      sample=(0.5, 1.0, 2.0),
      doc="Return the modified Bessel function of the second kind and order 1 elementwise.\n\n∫ exp(-input · "
          "cosh t) cosh t dt from 0 to ∞."),
    _unrecorded("scaled_modified_bessel_k0", bessel.k0e, ref="scipy.k0e", accuracy=(6, 0),
      sample=(0.5, 1.0, 2.0), doc="Return exp(input) * modified_bessel_k0(input) elementwise."),
    _unrecorded("scaled_modified_bessel_k1", bessel.k1e, ref="scipy.k1e",
      sample=(0.5, 1.0, 2.0), doc="Return exp(input) * modified_bessel_k1(input) elementwise."),
    _unrecorded("bessel_j0", bessel.j0, ref="scipy.j0", accuracy=_WAVE,
      doc="Return the Bessel function of the first kind and order 0 elementwise.\n\n∫ cos(input · sin t) dt / π "
          "from 0 to π."),
    _unrecorded("bessel_j1", bessel.j1, ref="scipy.j1", accuracy=_WAVE,
      doc="Return the Bessel function of the first kind and order 1 elementwise.\n\n∫ cos(t - input · sin t) dt "
          "/ π from 0 to π."),
    _unrecorded("bessel_y0", bessel.y0, ref="scipy.y0", accuracy=_WAVE,
      sample=(0.5, 1.0, 2.0),
      doc="Return the Bessel function of the second kind and order 0 elementwise.\n\n-2 / π · ∫ cos(input · "
          "cosh t) dt from 0 to ∞."),
    _unrecorded("bessel_y1", bessel.y1, ref="scipy.y1", accuracy=_WAVE,
      sample=(0.5, 1.0, 2.0),
      doc="Return the Bessel function of the second kind and order 1, -d/dx bessel_y0(x) at x = input, "
          "elementwise."),
    _unrecorded("spherical_bessel_j0", bessel.spherical_j0, ref=_spherical,
      doc="Return sin(input) / input elementwise, 1 at 0."),
    _unrecorded("airy_ai", bessel.airy_ai, ref="scipy.airy", accuracy=_WAVE,
      doc="Return Airy's function Ai elementwise.\n\n∫ cos(t³ / 3 + input · t) dt / π from 0 to ∞."),
    # ---- orthogonal polynomials ------------------------------------------------------------------------------
    _polynomial("chebyshev_polynomial_t", orthogonal.chebyshev_t, "scipy.eval_chebyt"),
    _polynomial("chebyshev_polynomial_u", orthogonal.chebyshev_u, "scipy.eval_chebyu"),
    _polynomial("chebyshev_polynomial_v", orthogonal.chebyshev_v, None),
    _polynomial("chebyshev_polynomial_w", orthogonal.chebyshev_w, None),
    _polynomial("shifted_chebyshev_polynomial_t", orthogonal.shifted_t, "scipy.eval_sh_chebyt", "2 * input - 1"),
    _polynomial("shifted_chebyshev_polynomial_u", orthogonal.shifted_u, "scipy.eval_sh_chebyu", "2 * input - 1"),
    _polynomial("shifted_chebyshev_polynomial_v", orthogonal.shifted_v, None, "2 * input - 1"),
    _polynomial("shifted_chebyshev_polynomial_w", orthogonal.shifted_w, None, "2 * input - 1"),
    _polynomial("hermite_polynomial_h", orthogonal.hermite_h, "scipy.eval_hermite"),
    _polynomial("hermite_polynomial_he", orthogonal.hermite_he, "scipy.eval_hermitenorm"),
    _polynomial("laguerre_polynomial_l", orthogonal.laguerre_l, "scipy.eval_laguerre"),
    _polynomial("legendre_polynomial_p", orthogonal.legendre_p, "scipy.eval_legendre"),
    # ---- neighbours of numbers -------------------------------------------------------------------------------
    P("nextafter", FLOAT_ONLY, lambda m, x, y: m.nextafter(x, y),
      lambda m, g, x, y, o: (m.where(x == y, 0, g), g * 0), args=_XY, ref="nextafter", accuracy=(0, 0),
      doc="Return the next number that the dtype has from input towards other, elementwise."),
]  # fmt: skip

# what derivatives and other formulas call by name; nextafter is each reader's own
FORMULAS.update({row.name: row.fwd for row in ROWS if row.name != "nextafter"})
