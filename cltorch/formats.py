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
            step *= shape[d]  # nothing where the shape is empty, as PyTorch has it
        return Layout.make(shape, strides, 0)


#: Of sparse tensors: the places of values, and the values.
sparse_coo = layout("sparse_coo")
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
    n = lay.ndim
    if n not in (4, 5) or lay.strides[1] == 0 or 0 in lay.shape:
        return contiguous_format
    least = 0
    for d in (1, *range(n - 1, 1, -1), 0):
        step = lay.strides[d]
        if step < least or (d == 0 and least == lay.strides[1]):
            return contiguous_format
        least = step * lay.shape[d]
    return channels_last if n == 4 else channels_last_3d


def follows(lay: Layout, wanted: memory_format) -> bool:
    """Return whether a layout is densely packed in the order of a format (dimensions of size 1 do not count)."""
    need_format(wanted)
    if wanted._ndim is None:
        return lay.contiguous
    if lay.ndim != wanted._ndim:
        return False
    have = wanted.lay(lay.shape)
    return all(n == 1 or s == w for n, s, w in zip(lay.shape, lay.strides, have.strides, strict=True))
