"""How often each of the numbers 0 … n - 1 occurs, or elements lie in each of n bins, and what weights belong to each.

A device counts in several parts, each in numbers of its own, which are added up: whole numbers, so that it does not
matter in what order. Weights are sorted by their places, for the same sums from run to run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cltorch import dtypes
from cltorch.ops.array import check_dtype, empty, from_host, host
from cltorch.ops.create import full
from cltorch.ops.gather import scatter_into
from cltorch.ops.softmax import dense, lines

_PART = 32768  # elements that are worth a processor's work-item of their own
_GROUP = 256
_LOCAL = 2048  # places that a work-group counts in local memory
_ROW = 1 << 31  # elements that numbers of 32 bits may count


class Bins(NamedTuple):
    """Bins of equal width from ``lo`` to ``hi``, or if these are one and the same the only bin that is hit."""

    lo: Any
    hi: Any
    fixed: int = -1


def counted(
    x: Any, n: int, t: Any = dtypes.int64, bins: Bins | None = None, ends: bool = False, variant: str = ""
) -> tuple[Any, Any, Any]:
    """Return how many elements have each of ``n`` places, as a vector of dtype ``t``, with the least and the largest.

    An element's place is itself, or what ``bins`` say; others are not counted. ``n`` = 0 counts nothing. The extremes
    are numbers, for which a device is waited for, and None without ``ends`` or where there are no elements; NaN if an
    element is. ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    dev = x.device
    if dev.type == "cpu":
        found = (a.min().item(), a.max().item()) if ends and (a := host(x)).size else (None, None)
        return _on_host(x, n) if n else None, *found
    check_dtype(t, dev)
    if x.lay.ndim != 1:
        x = dense(x)
    context, size = dev.context, x.lay.numel
    step = x.lay.strides[0] if x.lay.ndim == 1 else 1
    gpu = (variant or context.caps.kind) != "cpu"
    group = 1 << (min(_GROUP, context.caps.max_work_group).bit_length() - 1)
    rows = 1
    if gpu:
        parts = max(1, min(context.caps.compute_units * 4, -(-size // (group * 16))))
        local = n <= _LOCAL and -(-size // parts) < _ROW
        rows = parts if local else -(-size // _ROW) or 1
    else:
        # rows that are longer than what is counted in them would be more work than they save
        parts = max(1, min(context.caps.compute_units * 4, size // _PART, size // (n or 1)))
        local, rows = False, parts
    per = -(-size // parts)
    real = x.dtype.is_floating_point
    arithmetic = dtypes.int64 if not real else dtypes.float32 if x.dtype.compute == "float" else x.dtype
    params = {
        "counts": n > 0, "binned": bins is not None, "ends": ends, "gpu": gpu, "G": group, "LOCAL": local and _LOCAL,
        "X": x.dtype.ctype, "xtag": x.dtype.tag, "A": arithmetic.ctype, "T": t.ctype, "otag": t.tag,
    }  # fmt: skip
    args, types = [size, per, n, rows, x._storage.buf, x.lay.offset, step], "llllbll"
    if bins is not None:
        args += [bins.lo, bins.hi, bins.hi - bins.lo, bins.fixed]
        types += {"long": "lll", "float": "fff", "double": "ddd"}[arithmetic.ctype] + "l"
    out: Any = None
    table: Any = None
    if n:
        out = empty((n,), t, dev)
        if not gpu and parts == 1 and t is dtypes.int64:
            table = out._storage
        else:
            table = context.alloc(rows * n * (4 if gpu else 8))
        args += [table.buf] if gpu else [table.buf, out._storage.buf]
        types += "b" if gpu else "bb"
        if gpu and not local:
            context.fill_bytes(table.buf, np.zeros(1, np.uint32), 0, rows * n * 4)
    if ends:
        extremes = context.alloc(parts * 2 * arithmetic.itemsize)
        args.append(extremes.buf)
        types += "b"
    kernel = context.kernel("counts", "ct_counts", types, **params)
    kernel.launch((parts * group,) if gpu else (parts,), (group,) if gpu else (1,), args)
    if n and (gpu or parts > 1):
        size_, local_, per_item = lines(context, n, rows)
        total = context.kernel("counts", "ct_counts_sum", "lllbb", **params)
        total.launch(size_, local_, (rows, n, per_item, table.buf, out._storage.buf))
    if not (ends and size):
        return out, None, None
    both = np.empty((parts, 2), arithmetic.np)
    context.read(extremes.buf, both.reshape(-1).view(np.uint8))
    return out, both[:, 0].min().item(), both[:, 1].max().item()


def _on_host(x: Any, n: int) -> Any:
    at = host(x).reshape(-1)
    return from_host(np.bincount(at[(at >= 0) & (at < n)].astype(np.int64), minlength=n), dtypes.int64, x.device)


def weighed(places: Any, weights: Any, n: int) -> Any:
    """Return the sum of the weights at each of ``n`` places, added in order; places out of range are left out."""
    t, dev = weights.dtype, weights.device
    if dev.type == "cpu":
        at, w = host(places), host(weights)
        inside = (at >= 0) & (at < n)
        return from_host(np.bincount(at[inside], w[inside], n), t, dev)
    out = full((n,), 0, t, dev)
    if n:
        scatter_into("add", out, 0, places, weights)
    return out
