"""Indices as vectors of zeros with a one, by one kernel of a device."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.device import faults
from cltorch.ops.array import empty
from cltorch.ops.plan import by_rows
from cltorch.ops.softmax import dense


def one_hot(x: Any, classes: int, variant: str = "") -> Any:
    """Return a device's int64 Array of indices as vectors of so many classes; one out of range is noted.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    shape = x.lay.shape
    out = empty((*shape, classes), dtypes.int64, x.device)
    x, context, n = dense(x), x.device.context, x.lay.numel
    if not n:
        return out
    gpu = (variant or context.caps.kind) != "cpu"
    size, local, per_item = by_rows(context, gpu, n, n * classes)
    kernel = context.kernel("one_hot", "ct_one_hot", "illlblbe", gpu=gpu)
    site = faults.site("one_hot", (len(shape),))
    kernel.launch(size, local, (site, n, classes, per_item, x._storage.buf, x.lay.offset, out._storage.buf))
    return out
