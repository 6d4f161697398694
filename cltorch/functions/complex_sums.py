"""Reductions and scans of complex numbers, composed of differentiable functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.graph import Settings
from cltorch.ops.reduce import kept_shape

__all__: list[str] = []


def product_of(x: Any, dims: Sequence[int], keepdim: bool) -> Any:
    """Multiply elements along dimensions, halves with halves until one is left; no derivative divides by an element."""
    m, shape = Settings.functions, x.lay.shape
    kept = [d for d in range(x.lay.ndim) if d not in dims]
    n = math.prod(shape[d] for d in dims)
    rest = [shape[d] for d in kept]
    if not n:
        total = m.exp(m.sum(x, dims))  # ones that belong to the graph
    else:
        total = m.reshape(m.permute(x, [*dims, *kept]), (n, *rest))
        while n > 1:
            half = n // 2
            pairs = m.mul(m.narrow(total, 0, 0, half), m.narrow(total, 0, half, half))
            total = m.cat([pairs, m.narrow(total, 0, n - 1, 1)], 0) if n % 2 else pairs
            n = half + n % 2
    return m.reshape(total, kept_shape(shape, dims, keepdim))


def running_products(x: Any, dim: int) -> Any:
    """Multiply from the first element on along a dimension."""
    return _running(x, dim, Settings.functions.mul)


def running_logs(x: Any, dim: int) -> Any:
    """Return log(sum(exp)) of the elements from the first one on along a dimension."""
    return _running(x, dim, Settings.functions.logaddexp)


def _running(x: Any, dim: int, join: Callable[[Any, Any], Any]) -> Any:
    """Join elements from the first one on along a dimension, in as many steps as the count has binary digits.

    Source: W. D. Hillis, G. L. Steele, Data Parallel Algorithms, CACM 1986.
    """
    m = Settings.functions
    n = x.lay.shape[dim] if x.lay.ndim else 1
    if n <= 1 or not x.lay.numel:
        return m.clone(x)
    step = 1
    while step < n:
        ahead = join(m.narrow(x, dim, step, n - step), m.narrow(x, dim, 0, n - step))
        x = m.cat([m.narrow(x, dim, 0, step), ahead], dim)
        step *= 2
    return x


def log_of_sum(x: Any, dims: Sequence[int], keepdim: bool) -> Any:
    """Return log(sum(exp(x))) along dimensions: nothing overflows, for what is largest is divided out before."""
    m = Settings.functions
    if not x.lay.numel:
        return m.log(m.sum(m.exp(x), list(dims), keepdim))
    largest = m.amax(m.real(x).detach(), list(dims), True)
    largest = m.where(m.isfinite(largest), largest, 0)
    total = m.log(m.sum(m.exp(m.sub(x, largest)), list(dims), keepdim))
    return m.add(total, m.reshape(largest, total.lay.shape))


def running_sums(x: Any, dim: int) -> Any:
    """Add from the first element on along a dimension: the parts of complex numbers add up alike."""
    m = Settings.functions
    if not x.lay.ndim:
        return m.clone(x)
    return m.view_as_complex(m.contiguous(m.cumsum(m.view_as_real(m.resolve_conj(x)), dim)))


def spread_of_parts(one: Any, x: Any, root: bool) -> Any:
    """Return the variance, or (``root``) the deviation, given the function of a part: the variances of parts add up."""
    m = Settings.functions
    found = [one(m.real(x)), one(m.imag(x))]
    return m.vector_norm(m.stack(found, -1), 2, -1) if root else m.add(*found)
