"""Positions of the elements that are not zero; their number is read back, so that the device is waited for."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.ops.array import empty, from_host, host_compute, view
from cltorch.ops.few import refuse
from cltorch.ops.softmax import dense

_GROUP = 256
_CHUNK = 32768  # elements of a processor's work-item: for fewer a second thread is not worth waking


def nonzero(x: Any, flat: bool = False, variant: str = "") -> Any:
    """Return the coordinates of the nonzero elements in row-major order, int64 [count, ndim].

    They lie in memory one dimension after the other, as PyTorch's do.
    With ``flat`` their positions in the flattened tensor instead, [count]. ``variant`` ("cpu", "gpu") overrides the
    device's kind.
    """
    refuse("nonzero", x.dtype)
    lay = x.lay
    if x.device.type == "cpu":
        a = host_compute(x)
        if flat:
            return from_host(np.flatnonzero(a), dtypes.int64, x.device)
        found = np.stack(np.nonzero(a)).astype(np.int64) if lay.ndim else np.zeros((0, int(bool(a))), np.int64)
        return _by_dimension(from_host(found, dtypes.int64, x.device))
    ndim = 0 if flat else lay.ndim
    n = lay.numel
    if n == 0:
        none = empty((0,) if flat else (ndim, 0), dtypes.int64, x.device)
        return none if flat else _by_dimension(none)
    x = dense(x)
    context = x.device.context
    gpu = (variant or context.caps.kind) != "cpu"
    group = 1 << (min(_GROUP, context.caps.max_work_group).bit_length() - 1)
    chunk = max(group * 8 if gpu else _CHUNK, -(-n // 1024))
    chunks = -(-n // chunk)
    size, local = ((chunks * group,), (group,)) if gpu else ((chunks,), (1,))
    counts = context.alloc(chunks * 8)
    types = {"X": x.dtype.ctype, "xtag": x.dtype.tag, "gpu": gpu, "G": group}
    count = context.kernel("nonzero", "ct_nonzero_count", "llblb", name="nonzero_count", mode="count", ndim=0, **types)
    count.launch(size, local, (n, chunk, x._storage.buf, x.lay.offset, counts.buf))
    found = np.empty(chunks, np.int64)
    context.read(counts.buf, found.view(np.uint8))
    total = int(found.sum())
    out = empty((total,) if flat else (ndim, total), dtypes.int64, x.device)
    if total and out.lay.numel:
        write = context.kernel(
            "nonzero",
            "ct_nonzero_write",
            "llblbb" + "l" * (ndim and ndim + 1),
            name="nonzero_write",
            mode="write",
            ndim=ndim,
            **types,
        )
        shape = () if not ndim else (total, *lay.shape)
        write.launch(size, local, (n, chunk, x._storage.buf, x.lay.offset, counts.buf, out._storage.buf, *shape))
    return out if flat else _by_dimension(out)


def _by_dimension(x: Any) -> Any:
    """Return coordinates, one row for each dimension, as one row for each element."""
    return view(x, x.lay.transpose(0, 1))
