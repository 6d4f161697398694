"""Binary search in sorted sequences: searchsorted, isin, and the positions that counts expand to."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute, view
from cltorch.ops.create import full
from cltorch.ops.few import refuse
from cltorch.ops.index import dense_index
from cltorch.ops.softmax import dense, lines
from cltorch.ops.sort import key_params, sort


def place(sequence: Any, x: Any, right: bool, t: dtype, sorter: Any = None) -> Any:
    """Return where values would be inserted into sorted sequences, in the integer dtype ``t``.

    Both Arrays have one dtype; the sequence is a vector, or has x's leading dimensions and then a sequence per line.
    """
    refuse("searchsorted", x.dtype)
    if x.device.type == "cpu":
        return _place_host(sequence, x, right, t, sorter)
    check_dtype(x.dtype, x.device)
    n = sequence.lay.shape[-1]
    if not n:  # the kernel looks at one element at least
        return full(x.lay.shape, 0, t, x.device)
    out = empty(x.lay.shape, t, x.device)
    if out.lay.numel:
        context = x.device.context
        sequence, x = dense(sequence), dense(x)
        shared = sequence.lay.ndim == 1
        sorter = None if sorter is None else dense_index(sorter)
        order = () if sorter is None else (sorter._storage.buf, 0)
        name = "searchsorted" + ("_right" if right else "") + ("_by" if order else "")
        kernel = context.kernel(
            "search", f"ct_{name}", "llllblbl" + ("bl" if order else "") + "b",
            name=name, mode="place", right=right, sorter=bool(order), lanes=_lanes(context), A=x.dtype.compute,
            X=x.dtype.ctype, xtag=x.dtype.tag, O=t.ctype,
        )  # fmt: skip
        size, local, per_item = lines(context, x.lay.numel, 64)
        kernel.launch(
            size, local,
            (x.lay.numel, per_item, n, 0 if shared else x.lay.shape[-1], sequence._storage.buf,
             sequence.lay.offset, x._storage.buf, x.lay.offset, *order, out._storage.buf),
        )  # fmt: skip
    return out


def _lanes(context: Any) -> int:
    """Return how many searches a work-item does side by side: other work-items hide the waits of a GPU."""
    return 8 if context.caps.kind == "cpu" else 1


def _place_host(sequence: Any, x: Any, right: bool, t: dtype, sorter: Any) -> Any:
    a, v = host_compute(sequence), host_compute(x)
    if sorter is not None:
        a = np.take_along_axis(a, host(sorter), -1)
    lo, hi = np.zeros(v.shape, np.int64), np.full(v.shape, a.shape[-1], np.int64)
    while (lo < hi).any():
        open_ = lo < hi
        c = (lo + hi) // 2
        at = np.minimum(c, a.shape[-1] - 1)
        found = a[at] if a.ndim == 1 else np.take_along_axis(a, at, -1)
        up = open_ & ~(found > v if right else found >= v)
        lo, hi = np.where(up, c + 1, lo), np.where(open_ & ~up, c, hi)
    return from_host(lo, t, x.device)


def expand_counts(ends: Any, total: int, t: dtype) -> Any:
    """Return position i as often as ``ends[i] - ends[i - 1]`` says (running sums, int64), ``total`` in all.

    Raises RuntimeError on the host where the total is another one; a device then fills up with a position out of range.
    """
    n = ends.lay.numel
    if ends.device.type == "cpu":
        counts = np.diff(host(ends), prepend=0)
        if counts.sum() != total:
            raise RuntimeError("allocated size does not match required size")
        return from_host(np.repeat(np.arange(n), counts), t, ends.device)
    out = empty((total,), t, ends.device)
    if total:
        context = ends.device.context
        ends = dense(ends)
        kernel = context.kernel(
            "search", "ct_expand_counts", "llllblb",
            name="expand_counts", mode="counts", right=True, sorter=False, lanes=1, A="long", X="long", xtag="i64",
            O=t.ctype,
        )  # fmt: skip
        size, local, per_item = lines(context, total, 64)
        kernel.launch(size, local, (total, per_item, n, 0, ends._storage.buf, ends.lay.offset, out._storage.buf))
    return out


def member(x: Any, tests: Any, invert: bool) -> Any:
    """Return which elements occur among the tests (an Array of the same dtype) as bool, or which do not."""
    refuse("isin", x.dtype)
    if x.device.type == "cpu":
        return from_host(np.isin(host_compute(x), host_compute(tests), invert=invert), dtypes.bool_, x.device)
    out = empty(x.lay.shape, dtypes.bool_, x.device)
    if out.lay.numel:
        context = x.device.context
        tests, x = dense(tests), dense(x)
        n = tests.lay.numel
        values, _ = sort(view(tests, Layout.make((n,), (1,), tests.lay.offset)), 0, False)
        name = "member" + ("_not" if invert else "")
        kernel = context.kernel(
            "search_member", f"ct_{name}", "lllblblb", name=name, invert=invert, **key_params(x.dtype, False)
        )
        size, local, per_item = lines(context, x.lay.numel, 64)
        kernel.launch(
            size, local,
            (x.lay.numel, per_item, n, values._storage.buf, values.lay.offset, x._storage.buf, x.lay.offset,
             out._storage.buf),
        )  # fmt: skip
    return out
