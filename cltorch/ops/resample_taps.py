"""Which inputs a resampling along one dimension reads for each output, and with what weights.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.interpolate.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np


class Taps:
    """Hold for each output the first input, the number of inputs and their weights; compared by identity.

    ``weight`` has a row for each output, filled up with zeros; whole weights count 2 to the power of -``bits``.
    """

    __slots__ = ("size", "start", "count", "weight", "bits", "_adjoint", "__weakref__")

    def __init__(self, size: int, start: np.ndarray, count: np.ndarray, weight: np.ndarray, bits: int = 0) -> None:
        self.size, self.start, self.count, self.weight, self.bits = size, start, count, weight, bits
        self._adjoint: Taps | None = None

    @property
    def adjoint(self) -> Taps:
        """Return the taps of the transposed map: for each input the outputs that read it."""
        if self._adjoint is None:
            outputs, width = self.weight.shape
            places = self.start[:, None] + np.arange(width)
            o, k = np.nonzero(np.arange(width) < self.count[:, None])
            i, w = places[o, k], self.weight[o, k]
            # the outputs that read an input follow each other, because starts and ends never go back
            first: np.ndarray
            first, last = np.full(self.size, outputs, np.int64), np.full(self.size, -1, np.int64)
            np.minimum.at(first, i, o)
            np.maximum.at(last, i, o)
            count = np.maximum(last - first + 1, 0)
            first = np.where(count > 0, first, 0)
            weight = np.zeros((self.size, max(int(count.max(initial=0)), 1)), self.weight.dtype)
            np.add.at(weight, (i, o - first[i]), w)
            self._adjoint = Taps(outputs, first.astype(np.int32), count.astype(np.int32), weight)
            self._adjoint._adjoint = self
        return self._adjoint


@lru_cache(maxsize=512)
def taps(mode: str, size: int, out: int, align: bool, factor: float, double: bool) -> Taps:
    """Return the taps of a mode: nearest, nearest-exact, linear, cubic; linear-aa, cubic-aa, lanczos-aa (antialiased).

    ``factor`` is the scale that was asked for, 0 for that of the sizes. Positions are computed in float32 unless
    ``double``, as PyTorch does, for their rounding decides which input is nearest.
    """
    f: Any = np.float64 if double else np.float32
    scale = _scale(mode, size, out, align, factor, f)
    o = np.arange(out).astype(f)
    if mode in ("nearest", "nearest-exact"):
        at = np.floor((o + f(0.5)) * scale if mode == "nearest-exact" else o * scale)
        start = np.clip(at, 0, size - 1).astype(np.int32)
        return Taps(size, start, np.ones(out, np.int32), np.ones((out, 1), f))
    if mode.endswith("-aa"):
        return _antialiased(mode[:-3], size, out, scale, f)
    if mode == "linear":
        if size == out and factor in (0, 1):
            return Taps(size, np.arange(out, dtype=np.int32), np.ones(out, np.int32), np.ones((out, 1), f))
        at = scale * o if align else np.maximum(scale * (o + f(0.5)) - f(0.5), f(0))
        low = np.minimum(at.astype(np.int64), size - 1)
        rest = np.clip(at - low.astype(f), f(0), f(1))
        weight = np.stack([f(1) - rest, rest], 1)
    else:
        at = scale * o if align else scale * (o + f(0.5)) - f(0.5)
        low = np.clip(np.floor(at).astype(np.int64), -(2**31), 2**31)
        weight = _cubic_weights(np.clip(at - low.astype(f), f(0), f(1)), f)
        low -= 1
    return _clamped(size, low, weight)


@lru_cache(maxsize=512)
def whole_taps(mode: str, size: int, out: int, align: bool, factor: float) -> Taps:
    """Return taps with weights of 16 bits, by which PyTorch resamples bytes: as many bits as the largest leaves."""
    exact = taps(mode, size, out, align, factor, True)
    most, bits = exact.weight.max(initial=0.0), 0
    while bits < 22 and int(0.5 + most * 2 ** (bits + 1)) < 2**15:
        bits += 1
    weight = exact.weight * 2**bits
    return Taps(size, exact.start, exact.count, (weight + np.copysign(0.5, weight)).astype(np.int32), bits)


def _scale(mode: str, size: int, out: int, align: bool, factor: float, f: Any) -> Any:
    if align:
        return f(size - 1) / f(out - 1) if out > 1 else f(0)
    return f(1.0 / factor) if factor > 0 else f(size) / f(max(out, 1))


def _cubic_weights(t: np.ndarray, f: Any) -> np.ndarray:
    """Return the four weights of the cubic convolution with a = -0.75 at a distance t behind the second."""
    a = f(-0.75)

    def near(x: np.ndarray) -> np.ndarray:
        return ((a + f(2)) * x - (a + f(3))) * x * x + f(1)

    def far(x: np.ndarray) -> np.ndarray:
        return ((a * x - f(5) * a) * x + f(8) * a) * x - f(4) * a

    return np.stack([far(t + f(1)), near(t), near(f(1) - t), far(f(2) - t)], 1)


def _clamped(size: int, low: np.ndarray, weight: np.ndarray) -> Taps:
    """Return taps whose places outside the input count as its first or last element."""
    out, width = weight.shape
    places = np.clip(low[:, None] + np.arange(width), 0, size - 1)
    start = places[:, 0]
    merged = np.zeros((out, min(width, size)), weight.dtype)
    # one column at a time: the same sum as in a loop over the taps
    for k in range(width):
        np.add.at(merged, (np.arange(out), places[:, k] - start), weight[:, k])
    return Taps(size, start.astype(np.int32), (places[:, -1] - start + 1).astype(np.int32), merged)


def _linear(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1
    far = ((-0.5 * x + 0.5 * 5) * x - 0.5 * 8) * x + 0.5 * 4
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


_FILTERS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "linear": (2, _linear),
    "cubic": (4, _cubic),
    "lanczos": (6, _lanczos),
}


def _antialiased(kind: str, size: int, out: int, scale: Any, f: Any) -> Taps:
    """Return taps of a filter that widens with the step, so that shrinking averages."""
    width, form = _FILTERS[kind]
    half = f(width * 0.5) * scale if scale >= 1 else f(width * 0.5)
    inverse = f(1) / scale if scale >= 1 else f(1)
    center = scale * (np.arange(out).astype(f) + f(0.5))
    start = np.maximum((center - half + f(0.5)).astype(np.int64), 0)
    count = np.minimum((center + half + f(0.5)).astype(np.int64), size) - start
    k = np.arange(max(int(count.max(initial=1)), 1))
    weight = form(((k + start[:, None]).astype(f) - center[:, None] + f(0.5)) * inverse).astype(f)
    weight = np.where(k < count[:, None], weight, f(0))
    total = weight.sum(1, keepdims=True)
    weight = np.where(total != 0, weight / np.where(total != 0, total, f(1)), weight).astype(f)
    return Taps(size, start.astype(np.int32), np.maximum(count, 0).astype(np.int32), weight)
