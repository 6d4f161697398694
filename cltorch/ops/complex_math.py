"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions of complex numbers, by those of reals.

The branch cuts are those of C99's Annex G and NumPy, the sign of a zero telling on which side of a cut a number lies.
Source of the inverse functions: W. Kahan, Branch Cuts for Complex Elementary Functions, or Much Ado About Nothing's
Sign Bit, 1987.
"""

from __future__ import annotations

import math
from typing import Any

_LN2, _LN10 = math.log(2.0), math.log(10.0)
_FAR = 20.0  # tanh is 1 to double precision from here on


class Transcendental:
    """The functions; a heir offers ``real``, the mathematics of reals, ``of`` and ``pair``."""

    real: Any

    def of(self, x: Any) -> Any:
        raise NotImplementedError

    def pair(self, re: Any, im: Any) -> Any:
        raise NotImplementedError

    def _parts(self, x: Any) -> tuple[Any, Any]:
        """Return both parts as values of the kernel, of a constant too."""
        x, m = self.of(x), self.real
        both = (x.re, 0 if x.im is None else x.im)
        re, im = (m.where(True, v, v) if isinstance(v, (int, float)) else v for v in both)
        return re, im

    def _turned(self, x: Any, back: bool = False) -> Any:
        """Return x times i, or times -i, the signs of zeros kept."""
        re, im = self._parts(x)
        return self.pair(im, -re) if back else self.pair(-im, re)

    # ---- exponentials ------------------------------------------------------------------------------------------
    def exp(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        half = m.exp(0.5 * a)  # in two steps: a result that is finite has no part that overflows halfway
        c, s = self._circle(a, b)
        s = m.where((s != s) & (a == -math.inf), 0, s)
        return self.pair(half * c * half, m.where(s == 0, s, half * s * half))

    def exp2(self, x: Any) -> Any:
        return self.exp(self.of(x) * _LN2)

    def expm1(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        half = m.sin(0.5 * b)
        return self.pair(m.expm1(a) * m.cos(b) - 2 * (half * half), m.exp(a) * m.sin(b))

    def _product(self, large: Any, factor: Any) -> Any:
        """Return the product, which is the factor where that is zero and the other one infinite."""
        return self.real.where(factor == 0, factor, large * factor)

    def _circle(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Return cosine and sine of b; a cosine that is no number is 1 where a is infinite: then its sign is free."""
        c = self.real.cos(b)
        return self.real.where((c != c) & (self.real.abs(a) == math.inf), 1, c), self.real.sin(b)

    # ---- logarithms --------------------------------------------------------------------------------------------
    def _log_size(self, a: Any, b: Any) -> Any:
        """Return the logarithm of the absolute value: no square that overflows, and no digits lost near 1."""
        m = self.real
        p, q = m.abs(a), m.abs(b)
        large, small = m.maximum(p, q), m.minimum(p, q)
        ratio = m.where((large == 0) | (large == math.inf), 0, small / large)
        near = 0.5 * m.log1p((large - 1) * (large + 1) + small * small)
        found = m.log(large) + 0.5 * m.log1p(ratio * ratio)
        return m.where((large > 0.5) & (large < 2), near, found)

    def log(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        return self.pair(m.where(self._endless(a, b), math.inf, self._log_size(a, b)), m.atan2(b, a))

    def log2(self, x: Any) -> Any:
        return self.log(x) * (1 / _LN2)

    def log10(self, x: Any) -> Any:
        return self.log(x) * (1 / _LN10)

    def log1p(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        small = (m.abs(a) < 0.5) & (m.abs(b) < 0.5)
        near = 0.5 * m.log1p(m.where(small, a * (2 + a) + b * b, 0))
        return self.pair(m.where(small, near, self._log_size(1 + a, b)), m.atan2(b, 1 + a))

    # ---- roots and powers --------------------------------------------------------------------------------------
    def sqrt(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        size = m.abs(a)
        along = 2 * m.sqrt(0.125 * size + m.hypot(0.125 * a, 0.125 * b))  # of the eighth: nothing overflows
        across = m.where(along == 0, 0, m.abs(b) / (2 * along))
        right, endless = m.copysign(1.0, a) > 0, m.abs(b) == math.inf
        re, im = m.where(right, along, across), m.where(right, across, along)
        return self.pair(m.where(endless, math.inf, re), m.copysign(m.where(endless, math.inf, im), b))

    def rsqrt(self, x: Any) -> Any:
        return 1 / self.sqrt(x)

    def pow(self, x: Any, y: Any) -> Any:
        (a, b), (c, d) = self._parts(x), self._parts(y)
        m = self.real
        found = self.exp(self.log(x) * self.of(y))
        nothing, one = (a == 0) & (b == 0), (c == 0) & (d == 0)
        of_zero = m.where(c > 0, 0, math.nan)
        re, im = m.where(nothing, of_zero, found.re), m.where(nothing, of_zero, found.im)
        return self.pair(m.where(one, 1, re), m.where(one, 0, im))

    # ---- trigonometric and hyperbolic --------------------------------------------------------------------------
    def sinh(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        c, s = self._circle(a, b)
        re = self._product(c, m.sinh(a))
        return self.pair(m.where(s != s, m.abs(re), re), self._product(m.cosh(a), s))

    def cosh(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        c, s = self._circle(a, b)
        large = m.sinh(a)
        return self.pair(m.cosh(a) * c, m.where((large == 0) & (s != s), large, self._product(large, s)))

    def tanh(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        size = m.abs(a)
        s, t = m.sinh(m.copysign(m.minimum(size, _FAR), a)), m.tan(b)
        beta = 1 + t * t
        under = 1 + beta * (s * s)
        decay = m.exp(-2 * size)
        far = size > _FAR
        re = m.where(far, m.copysign(1.0, a), m.where(a == 0, a, beta * m.sqrt(1 + s * s) * s / under))
        tail = m.where((size == math.inf) & (t != t), 0, 4 * m.sin(b) * m.cos(b) * decay)
        return self.pair(re, m.where(b == 0, b, m.where(far, tail, t / under)))

    def sin(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        c, s = self._circle(b, a)
        im = self._product(c, m.sinh(b))
        return self.pair(self._product(m.cosh(b), s), m.where(s != s, m.abs(im), im))

    def cos(self, x: Any) -> Any:
        return self.cosh(self._turned(x))

    def tan(self, x: Any) -> Any:
        return self._turned(self.tanh(self._turned(x)), back=True)

    def asin(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        below, above = self._roots(a, b)
        re, im = m.atan2(a, below.re * above.re - below.im * above.im), below.re * above.im - below.im * above.re
        far = self._endless(a, b)
        return self.pair(
            m.where(far, m.atan2(a, m.abs(b)), m.where(a == 0, a, re)),
            m.where(far, m.copysign(math.inf, b), m.asinh(im)),
        )

    def acos(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        below, above = self._roots(a, b)
        re, im = 2 * m.atan2(below.re, above.re), m.asinh(above.re * below.im - above.im * below.re)
        far = self._endless(a, b)
        re = m.where(far, m.atan2(m.abs(b), a), m.where(a == 0, 0.5 * math.pi, re))
        return self.pair(re, m.where(far, m.copysign(math.inf, -b), im))

    def _endless(self, a: Any, b: Any) -> Any:
        """Return whether either part is infinite: then the inverse functions are those of the angle."""
        return (self.real.abs(a) == math.inf) | (self.real.abs(b) == math.inf)

    def _roots(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Return the square roots of 1 - x and 1 + x."""
        return self.sqrt(self.pair(1 - a, -b)), self.sqrt(self.pair(1 + a, b))

    def acosh(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        below, above = self.sqrt(self.pair(a - 1, b)), self.sqrt(self.pair(a + 1, b))
        re, im = m.asinh(below.re * above.re + below.im * above.im), 2 * m.atan2(below.im, above.re)
        far = self._endless(a, b)
        im = m.where(far, m.atan2(b, a), m.where(a == 0, m.copysign(0.5 * math.pi, b), im))
        return self.pair(m.where(far, math.inf, re), im)

    def asinh(self, x: Any) -> Any:
        return self._turned(self.asin(self._turned(x)), back=True)

    def atanh(self, x: Any) -> Any:
        a, b = self._parts(x)
        m = self.real
        size = m.abs(a)
        away = 1 - size
        re = m.copysign(0.25 * m.log1p(4 * size / (away * away + b * b)), a)
        # (1 - |a|)(1 + |a|) - b²: of an argument on the cut, the sign of its zero decides
        im = 0.5 * m.atan2(2 * b, away * (1 + size) - b * b)
        far = self._endless(a, b)
        quarter = m.where(b == b, m.copysign(0.5 * math.pi, b), math.nan)
        return self.pair(m.where(far | (a == 0), m.copysign(0.0, a), re), m.where(far, quarter, im))

    def atan(self, x: Any) -> Any:
        return self._turned(self.atanh(self._turned(x)), back=True)
