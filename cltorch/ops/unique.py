"""Distinct slices of an array, of all or of neighbours only."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.layout import Layout
from cltorch.ops import scan
from cltorch.ops.array import empty, from_host, host, host_compute, view
from cltorch.ops.create import spaced
from cltorch.ops.evaluate import Formula, run
from cltorch.ops.few import refuse
from cltorch.ops.index import take
from cltorch.ops.softmax import dense, lines
from cltorch.ops.sort import key_params, sort
from cltorch.ops.strided import copy_into, fill

_DISTANCE = Formula("distance", lambda m, end, start: end - start)


def unique(x: Any, ordered: bool) -> tuple[Any, Any, Any]:
    """Return (distinct slices, which of them every slice is, how often each occurs) of an Array [n] or [n, m].

    ``ordered`` brings slices in lexicographic order; else only equal neighbours are joined. NaN differs from
    everything. Waits for the device, since the number of results depends on the data.
    """
    refuse("sort", x.dtype)
    n = x.lay.shape[0]
    dev = x.device
    if not n:
        none = empty((0,), dtypes.int64, dev)
        return empty(x.lay.shape, x.dtype, dev), none, empty((0,), dtypes.int64, dev)
    if dev.type == "cpu":
        return _host(x, ordered)
    x = dense(x)
    context = dev.context
    m = x.lay.numel // n
    rows = x.lay.ndim > 1
    keys = key_params(x.dtype, False)
    order = None
    if ordered and rows:
        order = _slices(x, n, m)
    elif ordered:
        x, order = sort(x, 0, False)
    size, local, per_item = lines(context, n, 4 + m)
    flags = empty((n,), dtypes.int64, dev)
    positions = (flags if order is None else order)._storage.buf  # some buffer must be given
    # sorted elements lie in order already, sorted slices are only named in order
    head = (n, m, per_item, rows and ordered, x._storage.buf, x.lay.offset)
    context.kernel("unique", "ct_unique_flags", "llliblbb", **keys).launch(
        size, local, (*head, positions, flags._storage.buf)
    )
    sums = scan.scan(scan.SUM, flags, 0, dtypes.int64)
    last = np.empty(1, np.int64)
    context.read(sums._storage.buf, last.view(np.uint8), (n - 1) * 8)
    count = int(last[0]) + 1
    starts, inverse = empty((count,), dtypes.int64, dev), empty((n,), dtypes.int64, dev)
    context.kernel("unique", "ct_unique_write", "llibbbb", **keys).launch(
        size, local,
        (n, per_item, ordered, sums._storage.buf, positions, starts._storage.buf, inverse._storage.buf),
    )  # fmt: skip
    chosen = take(order, [starts]) if rows and ordered else starts
    return take(x, [chosen]), inverse, _lengths(starts, n)


def _slices(x: Any, n: int, m: int) -> Any:
    """Return the positions that bring the slices of x [n, m] in lexicographic order."""
    context = x.device.context
    order, other = spaced(n, 0, 0, 1, dtypes.int64, x.device), empty((n,), dtypes.int64, x.device)
    kernel = context.kernel("unique", "ct_unique_merge", "llllblbb", **key_params(x.dtype, False))
    size, local, per_item = lines(context, n, 4 + m)
    width = 1
    while width < n:
        kernel.launch(
            size, local,
            (n, m, per_item, width, x._storage.buf, x.lay.offset, order._storage.buf, other._storage.buf),
        )  # fmt: skip
        order, other, width = other, order, width * 2
    return order


def _lengths(starts: Any, n: int) -> Any:
    """Return the distances between starts, the last one up to ``n``."""
    count = starts.lay.numel
    ends = empty((count,), dtypes.int64, starts.device)
    copy_into(view(ends, Layout.make((count - 1,), (1,), 0)), view(starts, Layout.make((count - 1,), (1,), 1)))
    fill(view(ends, Layout.make((1,), (1,), count - 1)), n)
    (found,) = run(_DISTANCE, dtypes.int64, [ends, starts], (), (dtypes.int64,), (count,))
    return found


def _host(x: Any, ordered: bool) -> tuple[Any, Any, Any]:
    a, bits = host_compute(x), host(x)
    n = a.shape[0]
    rows = a.reshape(n, -1)
    order = np.arange(n)
    if ordered:
        # lexsort takes the last key first, and puts NaN last
        order = np.lexsort(rows.T[::-1]) if a.ndim > 1 and rows.shape[1] else np.argsort(rows[:, 0], kind="stable")
    walked = rows[order]
    flags = np.zeros(n, np.int64)
    flags[1:] = (walked[1:] != walked[:-1]).any(1)
    sums = np.cumsum(flags)
    starts = np.flatnonzero(np.diff(sums, prepend=-1))
    inverse = np.empty(n, np.int64)
    inverse[order] = sums
    chosen = bits[order[starts]]
    out = empty(chosen.shape, x.dtype, x.device)
    host(out)[...] = chosen
    counts = np.diff(starts, append=n)
    return out, *(from_host(v, dtypes.int64, x.device) for v in (inverse, counts))
