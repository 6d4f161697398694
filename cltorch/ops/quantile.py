"""Quantiles of lines on a device: sorted, and looked up by one kernel, where no gradient is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch.device import faults
from cltorch.ops.array import empty
from cltorch.ops.softmax import lines
from cltorch.ops.sort import sort

#: ways between two elements, by the kernel's numbers
MODES = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(name: str, x: Any, q: Any, dim: int, kept: Sequence[int], mode: str, skip_nan: bool) -> Any:
    """Return quantiles of an Array of float32 or float64 along a dimension, one after the other.

    ``q`` is a number or an Array of at most one dimension, which stands in front of the dimensions ``kept`` in the
    result; ``name`` says who notes a level that is no place in a line.
    """
    shape = x.lay.shape
    n, inner = shape[dim], math.prod(shape[dim + 1 :])
    number = isinstance(q, (int, float))
    levels, step = (1, 0) if number else (q.lay.numel, q.lay.strides[0] if q.lay.ndim else 0)
    ordered, _ = sort(x, dim, False)
    out = empty(kept if number else (*q.lay.shape, *kept), x.dtype, x.device)
    count = out.lay.numel
    if not count:
        return out
    context, A = x.device.context, x.dtype.ctype
    kernel = context.kernel("quantile", "ct_quantile", "iiiilllllb" + A[0] + "bllbe", A=A)
    size, local, per_item = lines(context, count, 64)
    head = (faults.site(name, (dim,)), MODES.index(mode), int(skip_nan), int(number))
    places = (count, count // levels, n, inner, per_item, ordered._storage.buf)
    # some buffer must be given
    given = (float(q), ordered._storage.buf, 0, 0) if number else (0.0, q._storage.buf, q.lay.offset, step)
    kernel.launch(size, local, (*head, *places, *given, out._storage.buf))
    return out
