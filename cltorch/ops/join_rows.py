"""Small dense arrays joined along any dimension by launches that take several at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.plan import by_rows

_TAKES = (2, 4, 8)  # arrays of one launch: every argument takes its time
_ELEMENTS, _RUNS = 1 << 17, 1 << 14  # up to which a launch for each array takes longer, for all its vectors
_RAW = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}


def joined(dim: int, t: dtype, tensors: Sequence[Any], stacked: bool, variant: str = "") -> Any:
    """Return contiguous device Arrays joined along a dimension, or a new one, and None for what is not of that kind.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    if len(tensors) < 2 or t.itemsize not in _RAW:
        return None
    for x in tensors:
        if x.dtype is not t or not x.lay.contiguous:
            return None
    context = tensors[0].device.context
    key = ("join", dim, t.itemsize, stacked, variant, *[x.lay.shape for x in tensors])
    plan = context.ready.get(key)
    if plan is None:
        shapes = [x.lay.shape for x in tensors]
        plan = context.ready[key] = _plan(context, dim, t.itemsize, shapes, stacked, variant)
    layout, launches = plan
    if launches is None:
        return None
    out = context.alloc(layout.numel * t.itemsize)
    for kernel, size, local, head, to, parts in launches:
        sources: list[Any] = []
        for i, n in parts:
            sources += (tensors[i]._storage.buf, tensors[i].lay.offset, n)
        kernel.launch(size, local, (*head, out.buf, to, *sources))
    return Array.new(out, layout, t)


def _plan(
    context: Any, dim: int, itemsize: int, shapes: Sequence[Sequence[int]], stacked: bool, variant: str
) -> tuple[Any, Any]:
    first = shapes[0]
    whole = [*first[:dim], len(shapes), *first[dim:]] if stacked else list(first)
    if not stacked:
        whole[dim] = sum(shape[dim] for shape in shapes)
    layout, rows = Layout.of(whole), math.prod(first[:dim])
    runs = [(i, math.prod(shape[dim:])) for i, shape in enumerate(shapes)]
    runs = [(i, n) for i, n in runs if n]
    if not layout.numel or layout.numel > _ELEMENTS or rows * len(runs) > _RUNS:
        return layout, None
    gpu = (variant or context.caps.kind) != "cpu"
    total, to, launches = layout.numel // rows, 0, []
    for start in range(0, len(runs), _TAKES[-1]):
        some = runs[start : start + _TAKES[-1]]
        K = next(n for n in _TAKES if n >= len(some))
        kernel = context.kernel(
            "join", f"ct_join_{K}", "lllilbl" + "bll" * K, U=_RAW[itemsize], takes=_TAKES, gpu=gpu
        )  # fmt: skip
        part = sum(n for _, n in some)
        size, local, per_item = by_rows(context, gpu, rows, rows * part)
        # some buffer must be given for those that are none
        given = [*some, *[(some[0][0], 0)] * (K - len(some))]
        launches.append((kernel, size, local, (rows, total, part, len(some), per_item), to, given))
        to += part
    return layout, launches
