"""Polynomials in the formulas of special functions, read as a kernel or on NumPy arrays.

Formulas evaluate every range and choose between the results, so that vectors of elements take one path.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

_SINGLE = 2.0**-27  # what is dropped from a sum in float32, as a share of it


@cache
def _enough(coefficients: tuple[float, ...], reach: float) -> tuple[float, ...]:
    """Return the coefficients without the highest powers that float32 cannot tell from none for ``|t| <= reach``."""
    last = len(coefficients) - 1
    sizes = [abs(c) * reach ** (last - k) for k, c in enumerate(coefficients)]
    whole, dropped, first = sum(sizes) if reach > 1 else sizes[-1], 0.0, 0
    while first < last and dropped + sizes[first] < _SINGLE * whole:
        dropped += sizes[first]
        first += 1
    return coefficients[first:]


def is_single(m: Any, t: Any) -> bool:
    """Return whether a formula is read for float32."""
    compute = getattr(m, "compute", None)
    return compute.itemsize == 4 if compute is not None else np.result_type(t) == np.float32


def series(m: Any, coefficients: tuple[float, ...], t: Any, reach: float = 1.0) -> Any:
    """Return a polynomial of t, its highest power first, by Horner's scheme; ``|t|`` is at most ``reach``."""
    first, *rest = _enough(coefficients, reach) if is_single(m, t) else coefficients
    total: Any = first
    for c in rest:
        total = total * t + c
    return total


def epsilon(m: Any, t: Any) -> float:
    """Return the distance from 1 to the next number of the dtype in which a formula computes."""
    return 2.0**-23 if is_single(m, t) else 2.0**-52
