"""How often each of the numbers 0 … n - 1 occurs in a vector, and what weights belong to each.

A device sorts the numbers and looks for the first of each: no atomics, and the same sums from run to run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.ops.array import from_host, host
from cltorch.ops.create import full, spaced
from cltorch.ops.gather import scatter_into
from cltorch.ops.search import place
from cltorch.ops.sort import sort


def ends_of(places: Any, n: int) -> Any:
    """Return how many elements of an integer vector are smaller than 0, 1, … n, as int64."""
    ordered, _ = sort(places, 0, False)
    return place(ordered, spaced(n + 1, 0, 0, 1, places.dtype, places.device), False, dtypes.int64)


def weighed(places: Any, weights: Any, n: int) -> Any:
    """Return the sum of the weights at each of ``n`` places, added in order; places out of range are left out."""
    t, dev = weights.dtype, weights.device
    if dev.type == "cpu":
        at, w = host(places), host(weights)
        inside = (at >= 0) & (at < n)
        return from_host(np.bincount(at[inside], w[inside], n), t, dev)
    out = full((n,), 0, t, dev)
    if n:
        scatter_into("add", out, 0, places, weights)
    return out
