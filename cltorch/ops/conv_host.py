"""Convolution of host Arrays in NumPy: windows as columns, then matrix products, some samples at a time."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cltorch.ops.conv_shape import Geometry

_ALL = (slice(None),) * 3  # samples, groups and channels
_COLUMNS = 1 << 23  # elements of the copied windows that are alive at once


def _batches(g: Geometry) -> Iterator[slice]:
    each = max(1, g.groups * g.c * g.taps * prod(g.outs))
    step = max(1, _COLUMNS // each)
    for first in range(0, g.n, step):
        yield slice(first, min(g.n, first + step))


def _extent(g: Geometry) -> tuple[int, ...]:
    """Return the sizes that all windows together reach, counted from the start of the padding."""
    return tuple(
        (o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(g.outs, g.stride, g.kernel, g.dilation, strict=True)
    )


def _overlap(g: Geometry, extent: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where the input's used part lies in the padded input, and where in the input itself."""
    inner, outer = [], []
    for size, pad, n in zip(g.ins, g.padding, extent, strict=True):
        used = max(0, min(size, n - pad))
        inner.append(slice(min(pad, n), min(pad, n) + used))
        outer.append(slice(0, used))
    return _ALL + tuple(inner), _ALL + tuple(outer)


def _windows(x: np.ndarray, g: Geometry) -> np.ndarray:
    """Return the input under the windows as (n, groups, c * taps, results), a copy."""
    n = x.shape[0]
    extent = _extent(g)
    padded = np.zeros((n, g.groups, g.c, *extent), x.dtype)
    inner, outer = _overlap(g, extent)
    padded[inner] = x.reshape(n, g.groups, g.c, *g.ins)[outer]
    steps = padded.strides[3:]
    view = as_strided(
        padded,
        (n, g.groups, g.c, *g.kernel, *g.outs),
        (
            *padded.strides[:3],
            *(s * d for s, d in zip(steps, g.dilation, strict=True)),
            *(s * d for s, d in zip(steps, g.stride, strict=True)),
        ),
        writeable=False,
    )
    return view.reshape(n, g.groups, g.c * g.taps, prod(g.outs))


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, g: Geometry) -> np.ndarray:
    """Return the convolution of x (n, channels, ins) as (n, channels, outs), flat in its last dimensions."""
    out = np.empty((g.n, g.groups, g.k, prod(g.outs)), x.dtype)
    matrix = w.reshape(g.groups, g.k, g.c * g.taps)
    for part in _batches(g):
        out[part] = matrix @ _windows(x[part], g)
    if b is not None:
        out += b.reshape(g.groups, g.k, 1)
    return out


def input_gradient(y: np.ndarray, w: np.ndarray, b: np.ndarray | None, g: Geometry) -> np.ndarray:
    """Return what the gradient y of the result means for the input (plus a bias per channel, for transposed ones)."""
    extent = _extent(g)
    out = np.zeros((g.n, g.groups, g.c, *g.ins), y.dtype)
    matrix = np.ascontiguousarray(w.reshape(g.groups, g.k, g.c * g.taps).swapaxes(1, 2))
    inner, outer = _overlap(g, extent)
    for part in _batches(g):
        n = part.stop - part.start
        columns = matrix @ y[part].reshape(n, g.groups, g.k, prod(g.outs))
        columns = columns.reshape(n, g.groups, g.c, *g.kernel, *g.outs)
        padded = np.zeros((n, g.groups, g.c, *extent), y.dtype)
        for at in np.ndindex(*g.kernel):
            place = tuple(
                slice(i * d, i * d + (o - 1) * s + 1, s)
                for i, d, o, s in zip(at, g.dilation, g.outs, g.stride, strict=True)
            )
            padded[_ALL + place] += columns[_ALL + at]
        out[part][outer] = padded[inner]
    if b is not None:
        out += b.reshape(g.groups, g.c, 1, 1, 1)
    return out


def weight_gradient(x: np.ndarray, y: np.ndarray, g: Geometry) -> np.ndarray:
    """Return what the gradient y of the result means for the weight, (groups, k, c * taps)."""
    out = np.zeros((g.groups, g.k, g.c * g.taps), x.dtype)
    for part in _batches(g):
        n = part.stop - part.start
        columns = _windows(x[part], g)
        rows = y[part].reshape(n, g.groups, g.k, prod(g.outs))
        # one product per group over all samples and results
        columns = columns.transpose(1, 0, 3, 2).reshape(g.groups, -1, g.c * g.taps)
        out += rows.transpose(1, 2, 0, 3).reshape(g.groups, g.k, -1) @ columns
    return out
