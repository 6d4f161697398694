"""Pooling on the host, in NumPy: the definition of what the kernels compute."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.ops.array import from_host, host, host_compute
from cltorch.ops.pool_windows import Windows


def _planes(a: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    count = a.size // max(int(np.prod(sizes)), 1)
    return a.reshape(count, *sizes)


def _finish(a: np.ndarray, like: Any, sizes: tuple[int, ...], w: Windows, t: Any = None) -> Any:
    shape = (*like.shape[: -w.ndim], *sizes[3 - w.ndim :])
    return from_host(a.reshape(shape), t or like.dtype, like.device)


def max_pool(x: Any, w: Windows) -> tuple[Any, Any]:
    """Return (largest values, their places in the plane as int64)."""
    a = _planes(host_compute(x), w.size)
    best, index = _adaptive(a, w) if w.adaptive else _sliding(a, w)
    return _finish(best, x, w.out, w), _finish(index, x, w.out, w, dtypes.int64)


def _lowest(t: np.dtype) -> Any:
    return -np.inf if t.kind == "f" else np.iinfo(t).min


def _sliding(a: np.ndarray, w: Windows) -> tuple[np.ndarray, np.ndarray]:
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(w.out, w.stride, w.kernel, w.dilation, strict=True)]
    after = [max(r - n - p, 0) for r, n, p in zip(reach, w.size, w.padding, strict=True)]
    low = _lowest(a.dtype)
    padded = np.pad(a, [(0, 0), *zip(w.padding, after, strict=True)], constant_values=low)
    first = [np.minimum(w.inside(d)[0], w.size[d] - 1) for d in range(3)]
    index = (first[0][:, None, None] * w.size[1] + first[1][:, None]) * w.size[2] + first[2]
    best = np.full((len(a), *w.out), low, a.dtype)
    index = np.broadcast_to(index, best.shape).astype(np.int64)
    places = [np.arange(w.out[d]) * w.stride[d] - w.padding[d] for d in range(3)]
    for taps in product(*(range(k) for k in w.kernel)):
        at = [k * d for k, d in zip(taps, w.dilation, strict=True)]
        depth, height, width = (slice(f, f + (o - 1) * s + 1, s) for f, o, s in zip(at, w.out, w.stride, strict=True))
        v = padded[:, depth, height, width]
        better = (v > best) | (v != v)
        best = np.where(better, v, best)
        d, h, i = (p + f for p, f in zip(places, at, strict=True))
        index = np.where(better, (d[:, None, None] * w.size[1] + h[:, None]) * w.size[2] + i, index)
    return best, index


def _adaptive(a: np.ndarray, w: Windows) -> tuple[np.ndarray, np.ndarray]:
    best = np.empty((len(a), *w.out), a.dtype)
    index = np.empty(best.shape, np.int64)
    if not best.size:
        return best, index
    ranges = [list(zip(*w.inside(d), strict=True)) for d in range(3)]
    for od, oh, ow in product(*(range(n) for n in w.out)):
        (d0, d1), (h0, h1), (w0, w1) = ranges[0][od], ranges[1][oh], ranges[2][ow]
        box = a[:, d0:d1, h0:h1, w0:w1].reshape(len(a), -1)
        nan = box != box
        last = box.shape[1] - 1 - nan[:, ::-1].argmax(1)
        at = np.where(nan.any(1), last, box.argmax(1))
        best[:, od, oh, ow] = np.take_along_axis(box, at[:, None], 1)[:, 0]
        d, h, i = np.unravel_index(at, (d1 - d0, h1 - h0, w1 - w0))
        index[:, od, oh, ow] = ((d + d0) * w.size[1] + h + h0) * w.size[2] + i + w0
    return best, index


def spread(g: Any, index: Any, w: Windows) -> Any:
    """Return the gradient of max_pool: each element of ``g`` added where its index points."""
    a = _planes(host_compute(g), w.out)
    plane = int(np.prod(w.size))
    out = np.zeros(len(a) * plane, a.dtype)
    if a.size:
        at = host(index).reshape(len(a), -1) + np.arange(len(a))[:, None] * plane
        np.add.at(out, at.reshape(-1), a.reshape(-1))
    return _finish(out, g, w.size, w)


def pick(x: Any, index: Any, w: Windows) -> Any:
    """Return the elements of ``x`` that an index names."""
    a = _planes(host_compute(x), w.size)
    found = np.take_along_axis(a.reshape(len(a), -1), host(index).reshape(len(a), -1), 1)
    return _finish(found, x, w.out, w)


def _range_sum(a: np.ndarray, axis: int, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Return sums over ranges along an axis, each of its own elements only, so that NaN and infinity stay apart."""
    n = a.shape[axis]
    pad = [(0, 0)] * a.ndim
    pad[axis] = (0, 1)
    empty = lo >= hi
    ends = np.stack([np.where(empty, n, lo), np.where(empty, n, hi)], 1).reshape(-1)
    sums = np.add.reduceat(np.pad(a, pad), ends, axis)
    return np.take(sums, np.arange(0, len(ends), 2), axis)


def _divisor(w: Windows, include_pad: bool, override: int, t: np.dtype) -> Any:
    if override:
        return t.type(override)
    d, h, i = (w.counts(k, include_pad) for k in range(3))
    return (d[:, None, None] * h[:, None] * i).astype(t)


def _divide(a: np.ndarray, by: Any) -> np.ndarray:
    if a.dtype.kind == "f":
        return a / by
    return np.abs(a) // np.abs(by) * np.sign(a) * np.sign(by)


def avg_pool(x: Any, w: Windows, include_pad: bool, override: int) -> Any:
    """Return the averages of the windows."""
    a = _planes(host_compute(x), w.size)
    if 0 in w.out or a.size == 0:
        return _finish(np.zeros((len(a), *w.out), a.dtype), x, w.out, w)
    with np.errstate(all="ignore"):
        for d in (2, 1, 0):
            a = _range_sum(a, d + 1, *w.inside(d))
        return _finish(_divide(a, _divisor(w, include_pad, override, a.dtype)), x, w.out, w)


def avg_spread(g: Any, w: Windows, include_pad: bool, override: int) -> Any:
    """Return the gradient of avg_pool: shares of each element of ``g`` for the inputs of its window."""
    a = _planes(host_compute(g), w.out)
    if 0 in w.size or a.size == 0:
        return _finish(np.zeros((len(a), *w.size), a.dtype), g, w.size, w)
    with np.errstate(all="ignore"):
        a = _divide(a, _divisor(w, include_pad, override, a.dtype))
        for d in (2, 1, 0):
            a = _range_sum(a, d + 1, *w.holders(d))
        return _finish(a, g, w.size, w)
