"""Results that lie in memory as the images they are made of: with their channels last.

Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#torch-memory-format
"""

from __future__ import annotations

from typing import Any

from cltorch.formats import channels_last, channels_last_3d, follows, memory_format
from cltorch.layout import Layout
from cltorch.ops.array import empty_layout
from cltorch.ops.strided import copy_into


def format_of(lay: Layout) -> memory_format | None:
    """Return the format of images whose channels come last in memory, None for all other layouts."""
    if lay.contiguous:
        return None
    return next((f for f in (channels_last, channels_last_3d) if follows(lay, f)), None)


def laid_as(out: Any, *operands: Any) -> Any:
    """Return a dense result, copied into the format of the operands if the channels of one come last in memory."""
    for x in operands:
        if not x.layout.contiguous:
            format = format_of(x.layout)
            if format is not None:
                moved = empty_layout(format.lay(out.layout.shape), out.dtype, out.device)
                copy_into(moved, out)
                return moved
    return out
