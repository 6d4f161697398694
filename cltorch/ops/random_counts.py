"""Poisson and binomial random numbers, which are drawn by rejection: every element has a stream of its own.

The device's kernel is kernels/random_counts.cl; the host follows the same steps, on all elements that are left at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.ops.array import cast_host, empty, host, host_compute
from cltorch.ops.generator import Generator
from cltorch.ops.philox import philox

__all__ = ["binomial", "poisson"]

_TABLE = np.array(
    [
        0,
        0.0810614668,
        0.0413406959,
        0.0276779257,
        0.0207906721,
        0.0166446912,
        0.0138761288,
        0.0118967099,
        0.0104112653,
        0.00925546218,
    ],
    np.float32,
)
_ATTEMPTS = 1000


def poisson(rate: Any, generator: Generator) -> Any:
    """Return counts with the Poisson distribution of every element of a contiguous array of rates."""
    return _counts("poisson", rate, rate, generator)


def binomial(count: Any, prob: Any, generator: Generator) -> Any:
    """Return numbers of successes in ``count`` trials of probability ``prob`` (contiguous, of one shape and dtype)."""
    return _counts("binomial", count, prob, generator)


def _counts(dist: str, x: Any, y: Any, generator: Generator) -> Any:
    out, n, t = empty(x.shape, x.dtype, x.device), x.lay.numel, x.dtype
    seed, block = generator.reserve(4 * n)
    if n and x.device.type != "cpu":
        context = x.device.context
        kernel = context.kernel(
            "random_counts", "ct_counts", "blblbllIIL", dist=dist, dtype=t.name, ctype=t.ctype, lanes=1
        )
        places = (out._storage, 0, x._storage, x.lay.offset, y._storage, y.lay.offset)
        local = 1 if context.caps.kind == "cpu" else min(256, context.caps.max_work_group)
        kernel((-(-n // local) * local,), (local,), *places, n, seed & 0xFFFFFFFF, seed >> 32, block)
    elif n:
        stream = _Streams(seed, block)
        given = [host_compute(v).reshape(-1).astype(np.float32) for v in (x, y)]
        with np.errstate(all="ignore"):
            drawn = _poisson(given[0], stream) if dist == "poisson" else _binomial(given[0], given[1], stream)
        host(out)[...] = cast_host(drawn, t).reshape(x.shape)
    return out


class _Streams:
    """The words of one stream per element: block number of the element, attempt number."""

    def __init__(self, seed: int, block: int) -> None:
        self.seed, self.block = seed, np.uint64(block)

    def __call__(self, elements: np.ndarray, attempt: int) -> np.ndarray:
        """Return four numbers in (0, 1) for each of some elements, as (4, n)."""
        index = elements.astype(np.uint64) + self.block
        counter = np.zeros((4, index.size), np.uint64)
        counter[0], counter[1], counter[2] = index & np.uint64(0xFFFFFFFF), index >> np.uint64(32), attempt
        return ((philox(counter, self.seed) >> np.uint32(8)).astype(np.float32) + np.float32(0.5)) * np.float32(
            2.0**-24
        )


def _stirling(k: np.ndarray) -> np.ndarray:
    """Return ln k! minus Stirling's formula (C. Loader, Fast and accurate binomial probabilities, 2000)."""
    r = 1 / np.maximum(k, np.float32(1))
    s = r * r
    tail = r * (np.float32(0.0833333333) - s * (np.float32(0.00277777778) - s * np.float32(0.000793650794)))
    return np.where(k < 10, _TABLE[np.clip(k, 0, 9).astype(np.int64)], tail)


def _deviance(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return x ln(x / m) + m - x, by a series where x is close to m (the same paper)."""
    d = x - m
    v = d / (x + m)
    s = v * v
    series = np.float32(1 / 3) + s * (np.float32(0.2) + s * (np.float32(1 / 7) + s * np.float32(1 / 9)))
    near = d * v + 2 * x * v * s * series
    return np.where(x == 0, m, np.where(np.abs(d) < np.float32(0.1) * (x + m), near, x * np.log(x / m) + m - x))


def _reject(left: np.ndarray, stream: _Streams, out: np.ndarray, step: Callable[..., Any], *params: np.ndarray) -> None:
    """Call ``step(u, v, *params)`` -> (values, accepted) until every element in ``left`` has a value."""
    for attempt in range(_ATTEMPTS):
        if not left.size:
            break
        words = stream(left, attempt)
        for j in (0, 2):
            values, accepted = step(words[j], words[j + 1], *(p[left] for p in params))
            out[left[accepted]] = values[accepted]
            left, words = left[~accepted], words[:, ~accepted]


def _poisson(rate: np.ndarray, stream: _Streams) -> np.ndarray:
    out = np.zeros_like(rate)
    f = np.float32

    # Knuth: how many uniform numbers can be multiplied before the product falls below exp(-rate)
    left = np.flatnonzero((rate > 0) & (rate < 10))
    product = np.ones(left.size, f)
    bound = np.exp(-rate[left])
    for attempt in range(_ATTEMPTS):
        if not left.size:
            break
        words = stream(left, attempt)
        for j in range(4):
            product = product * words[j]
            more = product > bound
            out[left[~more]] = 4 * attempt + j
            left, product, bound, words = left[more], product[more], bound[more], words[:, more]

    def log_mass(k: np.ndarray, rate: np.ndarray) -> np.ndarray:
        half_log = np.where(k == 0, f(0), f(0.5) * np.log(f(2 * np.pi) * k))
        return -_stirling(k) - _deviance(k, rate) - half_log

    def step(u: np.ndarray, v: np.ndarray, rate: np.ndarray) -> Any:
        b = f(0.931) + f(2.53) * np.sqrt(rate)
        a = f(-0.059) + f(0.02483) * b
        u = u - f(0.5)
        us = f(0.5) - np.abs(u)
        k = np.floor((2 * a / us + b) * u + rate + f(0.43))
        quick = (us >= f(0.07)) & (v <= f(0.9277) - f(3.6224) / (b - 2))
        refused = (k < 0) | ((us < f(0.013)) & (v > us))
        level = np.log(v * (f(1.1239) + f(1.1328) / (b - f(3.4))) / (a / (us * us) + b))
        return k, quick | (~refused & (level <= log_mass(k, rate)))

    # W. Hoermann, The transformed rejection method for generating Poisson random variables, 1993
    _reject(np.flatnonzero(rate >= 10), stream, out, step, rate)
    return out


def _binomial(count: np.ndarray, prob: np.ndarray, stream: _Streams) -> np.ndarray:
    f = np.float32
    n = np.floor(count)
    p = np.where(prob > f(0.5), 1 - prob, prob)
    open_ = (n > 0) & (prob > 0) & (prob < 1)
    out = np.zeros_like(n)

    # the gaps between successes are geometric
    left = np.flatnonzero(open_ & (n * p < 10))
    trials, found = np.zeros(left.size, f), np.full(left.size, -1, f)
    for attempt in range(_ATTEMPTS):
        if not left.size:
            break
        words = stream(left, attempt)
        for j in range(4):
            trials = trials + np.ceil(np.log(words[j]) / np.log1p(-p[left]))
            found = found + 1
            more = trials <= n[left]
            out[left[~more]] = found[~more]
            left, trials, found, words = left[more], trials[more], found[more], words[:, more]

    def log_mass(k: np.ndarray, n: np.ndarray, p: np.ndarray) -> np.ndarray:
        rest = n - k
        spread = np.where((k == 0) | (rest == 0), f(0), f(0.5) * np.log(f(2 * np.pi) * k * (rest / n)))
        parts = _stirling(n) - _stirling(k) - _stirling(rest)
        return parts - _deviance(k, n * p) - _deviance(rest, n * (1 - p)) - spread

    def step(u: np.ndarray, v: np.ndarray, n: np.ndarray, p: np.ndarray) -> Any:
        deviation = np.sqrt(n * p * (1 - p))
        b = f(1.15) + f(2.53) * deviation
        a = f(-0.0873) + f(0.0248) * b + f(0.01) * p
        u = u - f(0.5)
        us = f(0.5) - np.abs(u)
        k = np.floor((2 * a / us + b) * u + n * p + f(0.5))
        inside = (k >= 0) & (k <= n)
        quick = (us >= f(0.07)) & (v <= f(0.92) - f(4.2) / b)
        level = np.log(v * (f(2.83) + f(5.1) / b) * deviation / (a / (us * us) + b))
        top = log_mass(np.floor((n + 1) * p), n, p)
        return k, inside & (quick | (level <= log_mass(k, n, p) - top))

    # W. Hoermann, The generation of binomial random variates, 1993 (BTRS)
    _reject(np.flatnonzero(open_ & (n * p >= 10)), stream, out, step, n, p)
    return np.where((prob >= 1) & (n > 0), n, np.where(open_ & (prob > f(0.5)), n - out, out))
