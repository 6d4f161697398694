"""Sums, means and largest values of bags of rows of a table: of one length, or where offsets say that each begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import faults
from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute
from cltorch.ops.embedding import check_rows, rows_back
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.plan import VECTOR, by_rows
from cltorch.ops.softmax import dense


def bags_of_rows(
    weight: Any,
    index: Any,
    offsets: Any,
    sample: Any,
    mode: str,
    padding: int,
    bags: int,
    keep: bool,
    variant: str = "",
) -> tuple[Any, ...]:
    """Return the bags (bags, d) of rows of weight (n, d) that index (L) names, by offsets (bags, or one more).

    Where offsets are None, all bags have one length.
    ``mode`` is "sum", whose rows ``sample`` (L) weighs unless it is None, "mean" or "max"; rows of ``padding`` do not
    count. With ``keep`` follow the place in the line of each largest value (bags, d), L for none, or the bag of every
    index (L), ``bags`` behind the last, and the number of rows of each bag, 1 at least. There is an index, an offset
    and a column. ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    if weight.device.type == "cpu":
        return _on_host(weight, index, offsets, sample, mode, padding, bags, keep)
    check_dtype(weight.dtype, weight.device)
    length, (rows, width) = index.lay.numel, weight.lay.shape
    x = weight if weight.lay.strides[1] == 1 else dense(weight)
    index = dense(index)
    begins = index if offsets is None else dense(offsets)
    given = length // bags if offsets is None else begins.lay.numel
    share = x if sample is None else dense(sample)
    out = empty((bags, width), x.dtype, x.device)
    notes: list[Any] = []
    if keep and mode == "max":
        notes = [empty((bags, width), dtypes.int64, x.device)]
    elif keep:
        notes = [empty((length,), dtypes.int64, x.device), empty((bags,), dtypes.int64, x.device)]
    context = x.device.context
    key = (
        "bags", mode, x.dtype, x.lay.key, index.dtype, length, offsets is None or begins.dtype, given, bags,
        sample is None, padding < 0, keep, variant,
    )  # fmt: skip
    plan = context.ready.get(key)
    if plan is None:
        gpu = (variant or context.caps.kind) != "cpu"
        compute = compute_dtype(x.dtype).compute
        kernel = context.kernel(
            "embedding_bag", "ct_embedding_bag", "illllllllblblblblbbbe", mode=mode, A=compute, X=x.dtype.ctype,
            xtag=x.dtype.tag, W=VECTOR[compute], I=index.dtype.ctype, O="" if offsets is None else begins.dtype.ctype,
            weighted=sample is not None, padded=padding >= 0, keep=keep, gpu=gpu,
        )  # fmt: skip
        # to look a number up takes about four times as long as to copy it
        size, local, per_item = by_rows(context, gpu, bags, bags * width if gpu else 4 * length * width)
        site = faults.site("embedding_bag")
        head = (site, rows, width, x.lay.strides[0], length, bags, given, per_item)
        plan = context.ready[key] = (kernel, size, local, head)
    kernel, size, local, head = plan
    kernel.launch(
        size, local,
        (*head, padding, x._storage.buf, x.lay.offset, index._storage.buf, index.lay.offset, begins._storage.buf,
         begins.lay.offset, share._storage.buf, share.lay.offset, out._storage.buf,
         (notes[0] if notes else out)._storage.buf, (notes[-1] if notes else out)._storage.buf),
    )  # fmt: skip
    return (out, *notes)


def _on_host(
    weight: Any, index: Any, offsets: Any, sample: Any, mode: str, padding: int, bags: int, keep: bool
) -> tuple[Any, ...]:
    check_rows(index, weight.lay.shape[0])
    line, length = host(index).astype(np.int64), index.lay.numel
    if offsets is None:
        ends = np.arange(bags + 1) * (length // bags)
    else:
        ends = np.maximum.accumulate(np.append(host(offsets).astype(np.int64), length)[: bags + 1])
    bag = np.repeat(np.arange(bags + 1), np.diff(ends, append=length))
    counted = np.arange(ends[-1])
    if padding >= 0:
        counted = counted[line[: ends[-1]] != padding]
    number = np.bincount(bag[counted], minlength=bags)[:bags]
    there = np.flatnonzero(number)
    starts = (np.cumsum(number) - number)[there]
    values = host_compute(weight)[line[counted]]
    out = np.zeros((bags, values.shape[1]), values.dtype)
    place = np.full(out.shape, length)
    with np.errstate(all="ignore"):
        if not len(there):
            pass
        elif mode == "max":
            most = np.fmax.reduceat(values, starts)
            most = np.where(np.isnan(values[starts]), values[starts], most)
            same = np.repeat(most, number[there], 0)
            same = (values == same) | (np.isnan(values) & np.isnan(same))
            out[there] = most
            place[there] = np.minimum.reduceat(np.where(same, counted[:, None], length), starts)
        else:
            if sample is not None:
                values = values * host_compute(sample)[counted, None]
            out[there] = np.add.reduceat(values, starts)
            if mode == "mean":
                out /= np.maximum(number, 1)[:, None].astype(out.dtype)
    notes = [place] if mode == "max" else [bag, np.maximum(number, 1)]
    found = from_host(out, weight.dtype, weight.device)
    return (found, *[from_host(n, dtypes.int64, weight.device) for n in notes if keep])


class EmbeddingBag(Op):
    """Bags of rows of a table; the gradient of each row is its bags', weighted, divided or picked as the rows were."""

    name = "embedding_bag"

    @staticmethod
    def forward(
        c: Any,
        weight: Any,
        index: Any,
        offsets: Any,
        sample: Any,
        mode: str,
        padding: int,
        by_frequency: bool,
        bags: int,
    ) -> Any:
        found, *notes = bags_of_rows(weight, index, offsets, sample, mode, padding, bags, c.recording)
        c.shape, c.mode, c.padding, c.by_frequency = weight.lay.shape, mode, padding, by_frequency
        c.length, c.behind = index.lay.numel, offsets is not None and offsets.lay.numel > bags
        # the rows change nothing but their weights' gradient
        c.save(index, sample, weight if c.needs[3] else None, *notes)
        return found

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        index, sample, weight, *notes = c.saved
        gx = gs = None
        if c.mode == "max":
            (place,) = notes
            found = m.lt(place, c.length)
            zeros = m.expand(m.zeros((), dtype=g.dtype, device=g.device), (c.length, c.shape[1]))
            each = m.scatter_add(zeros, 0, m.where(found, place, 0), m.where(found, g, 0))
        else:
            bag, number = notes
            if c.mode == "mean":
                g = m.div(g, m.unsqueeze(number, 1))
            if c.behind:  # what no bag has, has no gradient
                g = m.cat([g, m.zeros((1, c.shape[1]), dtype=g.dtype, device=g.device)], 0)
            each = m.take_front(g, (bag,))
        if c.needs[3]:
            gs = m.sum(m.mul(each, m.take_front(weight, (index,))), 1)
            if c.padding >= 0:
                gs = m.where(m.ne(index, c.padding), gs, 0)
        if c.needs[0]:
            if sample is not None:
                each = m.mul(each, m.unsqueeze(sample, 1))
            gx = rows_back(m, each, index, c.shape, c.padding, c.by_frequency)
        return gx, None, None, gs, None, None, None, None
