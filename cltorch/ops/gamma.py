"""The gamma function's relatives: digamma, Hurwitz' zeta function, and the incomplete gamma functions.

Sources: DLMF chapters 5, 8 and 25, https://dlmf.nist.gov/8; W. Gautschi, A computational procedure for incomplete gamma
functions, ACM TOMS 5 (1979); N. Temme, The asymptotic expansion of the incomplete gamma functions, SIAM J. Math. Anal.
10 (1979).
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.ops import fits
from cltorch.ops.series import epsilon, series

# ---- lgamma ---------------------------------------------------------------------------------------------------------
_EULER = 0.57721566490153286
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def lgamma(m: Any, x: Any) -> Any:
    low, a = x < 0, m.abs(x)
    small = a < 1
    near = m.where(small, a + 1, a)
    over = m.where(small, a, a - 1)  # near - 1, and near - 2 is one less, both without the rounding of a + 1
    value = 0 - over * (1 - over) * series(m, fits.LGAMMA_NEAR, (near - 1.75) * (4 / 3))  # whose zeros are positive
    value = m.where(small, value - m.log(a), value)  # Γ(x) = Γ(x + 1) / x
    u = 1 / a
    far = (a - 0.5) * (m.log(a) - 1) + (_HALF_LOG_2PI - 0.5 + u * series(m, fits.LGAMMA_FAR, 9 * u - 1))
    value = m.where(a < 2.5, value, m.where(a < 4.5, series(m, fits.LGAMMA_MID, a - 3.5), far))
    value = m.where(a == math.inf, a, value)
    # Γ(-a) = -π / (a sin(π a) Γ(a)), with poles at integers
    off = m.abs(a - m.round(a))
    reflected = m.where(a < 1e-8, value + (2 * _EULER) * a, m.log(math.pi / (a * m.sin(math.pi * off))) - value)
    return m.where(low & (a < math.inf), m.where(off == 0, math.inf, reflected), m.where(x == 0, math.inf, value))


# ---- digamma and zeta -----------------------------------------------------------------------------------------------
# ψ's zero as a sum: its float32, what its double is more, and what is left
_ROOT, _ROOT_DOUBLE, _ROOT_REST = 1.4616321325302124, 1.2438149843418955e-08, 9.549995429965697e-17
_SHIFT = 10  # terms that are summed one by one in front of an asymptotic expansion


def digamma(m: Any, x: Any) -> Any:
    low = x < 0.5
    y = m.where(low, 1 - x, x)  # reflected: ψ(1 - x) - ψ(x) = π cot(π x)
    # up to 3 by what is a step away from 1 to 2, around the zero: ψ(y + 1) = ψ(y) + 1 / y; farther by powers of 1 / y
    first, second = y < 1, y < 2
    u = 1 / m.where(first | (y >= 3), y, y - 1)
    z = m.where(first, y + 1, m.where(second, y, y - 1))
    beside = ((z - _ROOT) - _ROOT_DOUBLE) - _ROOT_REST  # which keeps all digits of what is small beside the zero
    near = beside * series(m, fits.DIGAMMA_ROOT, 2 * z - 3)
    near = m.where(first, near - u, m.where(second, near, near + u))
    far = m.log(y) - u * (0.5 + u * series(m, fits.DIGAMMA_FAR, 18 * (u * u) - 1))
    value = m.where(y < 3, near, far)
    off = x - m.round(x)
    twice = 2 * m.abs(off)
    turned = (1 - twice) * (1 + twice) * series(m, fits.COTANGENT, 2 * (twice * twice) - 1) / off
    value = m.where(low, value - turned, value)
    # the pole at zero takes its sign from the side, the others have none
    return m.where(x == 0, m.copysign(math.inf, -x), m.where(low & (off == 0), math.nan, value))


_BITS = 8  # of the whole part of an exponent, for which a power is a product of squares


def _falling_power(m: Any, s: Any) -> Any:
    """Return the function (b, off) -> (b + off)**-s of b > 0 for s >= 0, where ``off`` is less than b's last place.

    The whole part of s multiplies squares, each with what it lost when it was rounded (``off``, ``gone``); the built-in
    pow of CPU devices goes lane by lane. Where s is large, b is near 1 or the power is nothing or infinite, and a
    logarithm does. Numbers below the least normal one are the reciprocals of what overflows: there the largest of the
    squares is divided by as two roots.
    """
    whole = m.floor(s)
    part, left, bits = s - whole, whole, []
    for _ in range(_BITS):
        half = m.floor(0.5 * left)
        bits.append(left - 2 * half > 0.5)
        left = half

    def power(b: Any, off: Any) -> Any:
        log = m.log(b)
        exponent = part * log
        rest = m.exp(-exponent) * (1 - m.rounded_off(part, log, exponent) - part * (off / b))
        product, gone, square = m.where(bits[0], b, 1), m.where(bits[0], off, 0), b
        low, root = product, 1
        for bit in bits[1:]:
            low, root = m.where(bit, product, low), m.where(bit, square, root)
            larger = square * square
            square, off = larger, 2 * square * off + m.rounded_off(square, square, larger)
            larger = product * square
            gone = m.where(bit, product * off + square * gone + m.rounded_off(product, square, larger), gone)
            product = m.where(bit, larger, product)
        share = gone / product  # no number where there was an overflow
        rest = m.where(part > 0, rest, 1)
        found = m.where(
            product < math.inf, rest / product * m.where(m.abs(share) < 0.5, 1 - share, 1), rest / low / root / root
        )
        return m.where(s < 2**_BITS, found, m.exp(-s * log))

    return power


def _sum(m: Any, q: Any, k: Any) -> tuple[Any, Any]:
    """Return q + k and what that lost when it was rounded."""
    found = q + k
    added = found - q
    return found, (q - (found - added)) + (k - added)


def _zeta_right(m: Any, s: Any, q: Any) -> Any:
    """Return the sum of (q + k)**-s over all k >= 0 for q > 0, s > 1: ten terms, and Euler and Maclaurin's rest."""
    power = _falling_power(m, s)
    _, total = m.loop(_SHIFT, (0, 0), lambda k, _: k < _SHIFT, lambda k, total: (k + 1, total + power(*_sum(m, q, k))))
    w, off = _sum(m, q, _SHIFT)
    last = power(w, off)
    factor: Any = s / w
    rest: Any = 0.5
    for j, b in enumerate(fits.ZETA):
        rest = rest + b * factor
        factor = factor * ((s + (2 * j + 1)) / w) * ((s + (2 * j + 2)) / w)
    total = total + _falling_power(m, s - 1)(w, off) / (s - 1)
    return m.where(last > 0, total + last * rest, total)


def zeta(m: Any, s: Any, q: Any) -> Any:
    """Return Hurwitz' zeta function; for q < 0 only an integer s has a value, at integers infinity.

    For q < 0 the terms on the left are the difference of two sums on the right, with the sign (-1)**s.
    """
    s = m.minimum(s, 1e30)  # of which infinity is not told apart, and which leaves 1**-s at 1
    down = m.floor(q)
    part = q - down
    left = (q < 0) & (part > 0) & (s == m.floor(s))
    first = m.where(q < 0, m.where(part > 0, part, 1), q)

    def add(turn: Any, value: Any, other: Any) -> tuple[Any, Any, Any]:
        # one sum on the right, or three of which the third is taken from the second
        at = m.where(turn == 0, first, m.where(turn == 1, (down + 1) - q, 1 - q))
        found = _zeta_right(m, s, at)
        return turn + 1, m.where(turn == 0, found, value), m.where(turn == 1, found, other - found)

    _, value, other = m.loop(3, (0, 0, 0), lambda turn, _, __: (turn == 0) | (left & (turn < 3)), add)
    odd = 0.5 * s != m.floor(0.5 * s)
    value = m.where(left, m.where(odd, value - other, value + other), value)
    value = m.where((q < 0) & ~left, math.nan, value)
    value = m.where((q <= 0) & (q == down), math.inf, value)
    return m.where(s > 1, value, m.where(s == 1, math.inf, math.nan))


def scaled_zeta(m: Any, x: Any, s: Any, factor: Any) -> Any:
    """Return ``factor * zeta(s, x)``, which polygamma is."""
    return factor * zeta(m, m.where(x == x, s, math.nan), x)


# ---- incomplete gamma functions -------------------------------------------------------------------------------------
_FIRST_STAR = 0.85  # from where on Γ*(a) = Γ(a) / (sqrt(2 π / a) (a / e)**a) was fitted
_LEAST_TEMME = 50.0


def _log_gamma_1p(m: Any, a: Any) -> Any:
    """Return ln Γ(1 + a) for 0 <= a <= 0.85."""
    return a * series(m, fits.LGAMMA1P, a * (2 / _FIRST_STAR) - 1)


def _log_power(m: Any, a: Any, x: Any) -> Any:
    """Return ln(x**a / Γ(1 + a)) for a < 0.85."""
    return a * m.log(x) - _log_gamma_1p(m, m.minimum(a, _FIRST_STAR))


def _incomplete(m: Any, a: Any, x: Any, upper: bool) -> Any:
    eps = epsilon(m, x)
    inside = (a > 0) & (x > 0) & (a < math.inf) & (x < math.inf)
    a_, x_ = m.where(inside, a, 1), m.where(inside, x, 1)
    mu = (x_ - a_) / a_
    close = m.abs(mu) < 0.3
    rest = series(m, fits.LOG1P_REST, m.where(close, mu, 0) / 0.3)
    phi = m.where(close, mu * mu * rest, mu - m.log(x_ / a_))  # x - a - a ln(x / a), in units of a
    star = series(m, fits.GAMMA_STAR, 1.6 / m.maximum(a_, _FIRST_STAR) - 1)
    fall = m.exp(-a_ * phi)
    small = a_ < _FIRST_STAR
    log_power = _log_power(m, a_, x_)
    # x**a exp(-x) / Γ(1 + a)
    front = m.where(small, m.exp(log_power - x_), fall / (m.sqrt((2 * math.pi) * a_) * star))
    temme = close & (a_ >= _LEAST_TEMME)
    tiny_x = x_ <= 1.1
    # Γ(a, x) by its own series where a is so small that nearly all lies above x
    few = tiny_x & (((x_ <= 0.5) & (a_ * m.log(x_) > -0.4)) | ((x_ > 0.5) & (a_ <= 0.75 * x_)))
    by_series = tiny_x & ~few if upper else tiny_x
    by_series = (by_series | (~tiny_x & (x_ <= a_))) & ~temme
    by_fraction = ~tiny_x & (x_ > a_) & ~temme

    # Σ x**n / ((a + 1) … (a + n))
    _, term, below = m.loop(
        4000,
        (m.where(by_series, a_, -1), 1, 1),
        lambda r, term, total: (r > 0) & (term > 0.25 * eps * total),
        lambda r, term, total: (r + 1, term * (x_ / (r + 1)), total + term * (x_ / (r + 1))),
    )
    below = front * below

    # the continued fraction of Γ(a, x) x**-a exp(x), by Lentz's method (DLMF 8.9.2)
    b = x_ + 1 - a_

    def further(n: Any, b: Any, c: Any, d: Any, h: Any, _: Any) -> tuple[Any, ...]:
        up = n * (a_ - n)
        d = 1 / (up * d + b)
        c = b + up / c
        return n + 1, b + 2, c, d, h * (c * d), c * d

    first = 1 / m.where(by_fraction, b, 1)
    *_, above, _ = m.loop(
        4000,
        (m.where(by_fraction, 1, -1), b + 2, 1e30, first, first, 0),
        lambda n, b, c, d, h, change: (n > 0) & (m.abs(change - 1) > eps),
        further,
    )
    above = front * a_ * above

    # Temme's uniform expansion around x = a
    eta = mu * m.sqrt(2 * rest)
    inverse = 1 / a_
    terms: Any = 0
    for row in reversed(fits.TEMME):
        terms = terms * inverse + series(m, row, eta)
    sign = 1 if upper else -1
    spread = fall / m.sqrt((2 * math.pi) * a_) * terms
    uniform = 0.5 * m.erfc(sign * eta * m.sqrt(0.5 * a_)) + sign * spread

    if upper:
        _, term, total = m.loop(
            60,
            (m.where(few, 1, -1), 1, 0),
            lambda n, term, total: (n > 0) & (m.abs(term) > 0.1 * eps),
            lambda n, term, total: (n + 1, -term * x_ / n, total - term * x_ / (n * (a_ + n))),
        )
        tail = -m.expm1(log_power) - a_ * m.exp(log_power) * total
        value = m.where(temme, uniform, m.where(few, tail, m.where(by_fraction, above, 1 - below)))
    else:
        value = m.where(temme, uniform, m.where(by_fraction, 1 - above, below))
    ends: Any = (x == math.inf) | (a == 0)  # all lies below x, or above it where a is infinite or x is 0
    value = m.where(inside, value, m.where(ends, 0 if upper else 1, 1 if upper else 0))
    refused = ~((a >= 0) & (x >= 0)) | ((a == 0) & (x == 0)) | ((a == math.inf) & (x == math.inf))
    return m.where(refused, math.nan, value)


def igamma(m: Any, a: Any, x: Any) -> Any:
    return _incomplete(m, a, x, False)


def igammac(m: Any, a: Any, x: Any) -> Any:
    return _incomplete(m, a, x, True)
