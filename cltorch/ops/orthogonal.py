"""Orthogonal polynomials by their recurrences, of a degree that is an operand too.

Source: DLMF 18.9, https://dlmf.nist.gov/18.9
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

_LONG = 2**31 - 1
_MANY = 256  # degree from which on the trigonometric forms of Chebyshev's polynomials are taken between -1 and 1


def _degree(m: Any, first: Any, step: Callable[[Any, Any, Any], Any], n: Any, last: Any = None) -> Any:
    """Return the polynomial of degree n, given that of degree 1 and ``p(k + 1) = step(k, p(k), p(k - 1))``."""
    whole = m.trunc(n)
    stop = whole if last is None else last(whole)
    k, _, value = m.loop(
        _LONG,
        (1, 1, first),
        lambda k, before, p: (k < stop) & (m.abs(p) < math.inf),
        lambda k, before, p: (k + 1, p, step(k, p, before)),
    )
    return whole, _signed(m, first, stop - k, value)


def _signed(m: Any, first: Any, left: Any, value: Any) -> Any:
    """Give a value that became infinite before the last degree the sign of the highest power."""
    odd = left - 2 * m.floor(0.5 * left) > 0.5
    return m.where((m.abs(value) == math.inf) & (first < 0) & odd & (left > 0), -value, value)


def _ends(m: Any, whole: Any, value: Any) -> Any:
    return m.where(whole < 1, m.where(whole < 0, 0, 1), value)


def _chebyshev(first: Callable[[Any], Any], waves: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    def f(m: Any, x: Any, n: Any) -> Any:
        inner = m.abs(x) < 1
        whole, value = _degree(
            m, first(x), lambda k, p, before: 2 * x * p - before, n, lambda w: m.where(inner & (w > _MANY), 0, w)
        )
        return _ends(m, whole, m.where(inner & (whole > _MANY), waves(m, m.acos(x), whole), value))

    return f


def _shifted(f: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    return lambda m, x, n: f(m, 2 * x - 1, n)


chebyshev_t = _chebyshev(lambda x: x, lambda m, a, n: m.cos(n * a))
chebyshev_u = _chebyshev(lambda x: 2 * x, lambda m, a, n: m.sin((n + 1) * a) / m.sin(a))
chebyshev_v = _chebyshev(lambda x: 2 * x - 1, lambda m, a, n: m.cos((n + 0.5) * a) / m.cos(0.5 * a))
chebyshev_w = _chebyshev(lambda x: 2 * x + 1, lambda m, a, n: m.sin((n + 0.5) * a) / m.sin(0.5 * a))
shifted_t, shifted_u, shifted_v, shifted_w = map(_shifted, (chebyshev_t, chebyshev_u, chebyshev_v, chebyshev_w))


def hermite_h(m: Any, x: Any, n: Any) -> Any:
    return _ends(m, *_degree(m, 2 * x, lambda k, p, before: 2 * (x * p - k * before), n))


def hermite_he(m: Any, x: Any, n: Any) -> Any:
    return _ends(m, *_degree(m, x, lambda k, p, before: x * p - k * before, n))


def laguerre_l(m: Any, x: Any, n: Any) -> Any:
    # by differences, which lose nothing near zero
    whole = m.trunc(n)
    k, _, value = m.loop(
        _LONG,
        (1, -x, 1 - x),
        lambda k, rise, p: (k < whole) & (m.abs(p) < math.inf),
        lambda k, rise, p: (k + 1, (k * rise - x * p) / (k + 1), p + (k * rise - x * p) / (k + 1)),
    )
    return _ends(m, whole, _signed(m, 1 - x, whole - k, value))


def legendre_p(m: Any, x: Any, n: Any) -> Any:
    return _ends(m, *_degree(m, x, lambda k, p, before: ((2 * k + 1) * x * p - k * before) / (k + 1), n))
