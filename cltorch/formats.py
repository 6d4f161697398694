"""The values of ``layout=`` and ``memory_format=``: how the elements of a tensor are ordered in memory.

Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#torch-memory-format
"""

from __future__ import annotations

from collections.abc import Sequence

from cltorch.layout import Layout
from cltorch.layout import layout as layout
from cltorch.layout import strided as strided


class memory_format:
    """Name an order of the dimensions in memory.

    Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html
    """

    def __init__(self, name: str, ndim: int | None = None) -> None:
        self._name, self._ndim = name, ndim

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name

    def lay(self, shape: Sequence[int]) -> Layout:
        """Return the dense layout of a shape in this order; raise RuntimeError where the rank does not fit."""
        if self._ndim is None:
            return Layout.of(shape)
        if len(shape) != self._ndim:
            raise RuntimeError(f"required rank {self._ndim} tensor to use {self._name} format")
        order = (0, *range(2, self._ndim), 1)
        strides, step = [0] * self._ndim, 1
        for d in reversed(order):
            strides[d] = step
            step *= max(shape[d], 1)
        return Layout.make(shape, strides, 0)


contiguous_format = memory_format("contiguous_format")
legacy_contiguous_format = contiguous_format
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", 4)
channels_last_3d = memory_format("channels_last_3d", 5)


def need_format(wanted: object) -> memory_format:
    """Return a memory format; raise TypeError for anything else."""
    if not isinstance(wanted, memory_format):
        raise TypeError(f"argument 'memory_format' must be torch.memory_format, not {type(wanted).__name__}")
    return wanted


def suggested(lay: Layout) -> memory_format:
    """Return the format whose order a layout's strides have; contiguous where dimensions of size 1 leave it open.

    Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#torch-memory-format
    """
    for wanted in (channels_last, channels_last_3d):
        if lay.ndim == wanted._ndim and _ascending(lay, (1, *range(lay.ndim - 1, 1, -1), 0)):
            return wanted
    return contiguous_format


def _ascending(lay: Layout, order: Sequence[int]) -> bool:
    """Return whether strides grow along an order of dimensions by at least what each one spans."""
    least, shape = 0, tuple(lay.shape)
    if not lay.strides[order[0]]:
        return False
    for d in order:
        step = lay.strides[d]
        if not shape[d] or step < least or (d == order[-1] and least == lay.strides[order[0]]):
            return False
        least = step * max(shape[d], 1)
    return True


def follows(lay: Layout, wanted: memory_format) -> bool:
    """Return whether a layout is densely packed in the order of a format (dimensions of size 1 do not count)."""
    need_format(wanted)
    if wanted._ndim is None:
        return lay.contiguous
    if lay.ndim != wanted._ndim:
        return False
    have = wanted.lay(lay.shape)
    return all(n == 1 or s == w for n, s, w in zip(lay.shape, lay.strides, have.strides, strict=True))
