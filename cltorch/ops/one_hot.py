"""Indices as vectors of zeros with a one, by one kernel of a device."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.device import faults
from cltorch.ops.array import empty
from cltorch.ops.plan import grid
from cltorch.ops.softmax import dense

_PART = 32768  # elements that are worth a processor's work-item of their own


def one_hot(x: Any, classes: int, variant: str = "") -> Any:
    """Return a device's int64 Array of indices as vectors of so many classes; one out of range is noted.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    shape = x.layout.shape
    out = empty((*shape, classes), dtypes.int64, x.device)
    x, context, n = dense(x), x.device.context, x.layout.numel
    if not n:
        return out
    gpu = (variant or context.caps.kind) != "cpu"
    size: tuple[int, ...]
    local: tuple[int, ...]
    if gpu:
        per_item = 1
        size, local = grid(context, n * classes)
    else:
        items = max(1, min(n, context.caps.compute_units * 4, n * classes // _PART))
        per_item = -(-n // items)
        size, local = (-(-n // per_item),), (1,)
    kernel = context.kernel("one_hot", "ct_one_hot", "illlblbe", gpu=gpu)
    site = faults.site("one_hot", (len(shape),))
    kernel.launch(size, local, (site, n, classes, per_item, x._storage.buf, x.layout.offset, out._storage.buf))
    return out
