"""The windows of a pooling: how many there are, which inputs each one holds, and which windows hold an input.

Source of the sizes: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxPool2d.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch.layout import Layout

_MOST = 2**31 - 1


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Return the number of windows along a dimension."""
    rest = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (rest + (stride - 1 if ceil_mode else 0)) // stride + 1
    # the last window must start inside the input or its left padding
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return out


class Windows:
    """Describe the windows of a pooling over one to three dimensions; compared by identity, as a key of plans.

    ``ndim`` counts the dimensions; every other field holds three numbers (depth, height, width), and missing leading
    dimensions have size 1. ``adaptive`` windows divide the input as evenly as possible, and then kernel, stride,
    padding and dilation mean nothing.
    """

    __slots__ = ("ndim", "size", "out", "kernel", "stride", "padding", "dilation", "adaptive", "__weakref__")

    def __init__(
        self,
        size: Sequence[int],
        out: Sequence[int],
        kernel: Sequence[int] = (),
        stride: Sequence[int] = (),
        padding: Sequence[int] = (),
        dilation: Sequence[int] = (),
    ) -> None:
        self.ndim = len(size)
        self.size, self.out = _three(size, 1), _three(out, 1)
        self.kernel, self.stride = _three(kernel, 1), _three(stride, 1)
        self.padding, self.dilation = _three(padding, 0), _three(dilation, 1)
        self.adaptive = not kernel
        if max(self.kernel + self.stride + self.padding + self.dilation) > _MOST:
            raise RuntimeError("value cannot be converted to type int without overflow")
        Layout.of(self.out)  # raises RuntimeError where a plane has more elements than can be counted

    def reach(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where the windows along a dimension start and end, padding included."""
        o = np.arange(self.out[d], dtype=np.int64)
        if self.adaptive:
            n, m = self.size[d], max(self.out[d], 1)
            return o * n // m, -(-(o + 1) * n // m)
        start = o * self.stride[d] - self.padding[d]
        return start, start + (self.kernel[d] - 1) * self.dilation[d] + 1

    def inside(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first input of each window and one past its last, both inside the input."""
        start, end = self.reach(d)
        step = self.dilation[d]
        return np.where(start < 0, start + -(start // step) * step, start), np.minimum(end, self.size[d])

    def holders(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first window that reaches over each input and one past the last.

        With a dilation some of the windows between have the input in a gap.
        """
        start, end = self.reach(d)
        i = np.arange(self.size[d], dtype=np.int64)
        return np.searchsorted(end, i, "right"), np.searchsorted(start, i, "right")

    def counts(self, d: int, include_pad: bool) -> np.ndarray:
        """Return how many elements along a dimension an average divides by, window by window."""
        start, end = self.reach(d)
        if include_pad and not self.adaptive:
            return np.minimum(end, self.size[d] + self.padding[d]) - start
        lo, hi = self.inside(d)
        return np.maximum(hi - lo, 0)

    def whole(self, d: int) -> tuple[int, int]:
        """Return the range of windows that lie wholly inside the input."""
        start, end = self.reach(d)
        good = np.flatnonzero((start >= 0) & (end <= self.size[d]))
        return (int(good[0]), int(good[-1]) + 1) if good.size else (0, 0)

    def forward_table(self, include_pad: bool = True) -> np.ndarray:
        """Return first inputs, ends and counts of the windows of each dimension, one after the other."""
        parts: list[Any] = []
        for d in range(3):
            parts += [*self.inside(d), self.counts(d, include_pad)]
        return np.concatenate(parts).astype(np.int32)

    def backward_table(self, include_pad: bool = True) -> np.ndarray:
        """Return first windows and ends for the inputs of each dimension, then the windows' counts per dimension."""
        parts: list[Any] = []
        for d in range(3):
            parts += self.holders(d)
        parts += [self.counts(d, include_pad) for d in range(3)]
        return np.concatenate(parts).astype(np.int32)


def _three(given: Sequence[int], fill: int) -> tuple[int, int, int]:
    return (*(fill for _ in range(3 - len(given))), *given)  # type: ignore[return-value]
