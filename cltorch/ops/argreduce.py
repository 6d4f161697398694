"""Positions of extremes: argmax, argmin, and max and min along a dimension with their indices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce_few
from cltorch.ops.array import Array, check_dtype, empty, from_host, host_compute
from cltorch.ops.few import refuse
from cltorch.ops.op import Op
from cltorch.ops.plan import MASK, VECTOR, grid
from cltorch.ops.reduce import kept_shape, run_of_columns

_GRAIN = 16384  # reduced elements per part on a CPU device
_RUN_BYTES = 4096  # extremes of the columns that a CPU's work-item walks down together; their places take as much
_LINES = 4  # rows whose columns are read together
_GROUP = 256
_SHORT = 32  # reduced elements that one work-item of a GPU walks by itself


def extreme(x: Any, dim: int | None, less: bool, want_values: bool, variant: str = "") -> tuple[Any, Any]:
    """Return (values or None, indices) of the extremes along a dimension (None: of all elements, flattened).

    The dimension must not be empty. ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    refuse("argmin" if less else "argmax", x.dtype)
    lay, dev = x.lay, x._storage.device
    shape = kept_shape(lay.shape, (dim,), False) if dim is not None else ()
    if dev.type == "cpu":
        return _host(x, dim, less, want_values, shape)
    check_dtype(x.dtype, dev)
    indices = empty(shape, dtypes.int64, dev)
    values = empty(shape, x.dtype, dev) if want_values else None
    if indices.lay.numel == 0:
        return values, indices
    context = dev.context
    key = ("extreme", lay.key, x.dtype, dim, less, want_values, variant)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, lay, x.dtype, dim, less, want_values, variant)
    (kernel, size, group, pre), join, partial = plan
    results = (indices._storage.buf,) if values is None else (indices._storage.buf, values._storage.buf)
    if join is None:
        kernel.launch(size, group, (*pre, x._storage.buf, lay.offset, *results))
        return values, indices
    places, bests = context.alloc(partial * 8), context.alloc(partial * x.dtype.itemsize)
    kernel.launch(size, group, (*pre, x._storage.buf, lay.offset, places.buf, bests.buf))
    kernel, size, group, pre = join
    kernel.launch(size, group, (*pre, bests.buf, places.buf, *results))
    return values, indices


def _plan(context: Any, lay: Layout, t: dtype, dim: int | None, less: bool, values: bool, variant: str) -> Any:
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    group = 1 << (min(_GROUP, caps.max_work_group).bit_length() - 1)
    reduced_dims = range(lay.ndim) if dim is None else (dim,)
    kept_dims = [d for d in range(lay.ndim) if d not in reduced_dims]
    ks, (kst,) = coalesce_few([lay.shape[d] for d in kept_dims], [lay.strides[d] for d in kept_dims])
    rs, (rst,) = coalesce_few([lay.shape[d] for d in reduced_dims], [lay.strides[d] for d in reduced_dims])
    kept, reduced = math.prod(ks), math.prod(rs)
    compare = t if t.is_floating_point or t.itemsize == 8 else dtypes.int32
    ctype = compare.compute
    width = VECTOR[ctype]
    neighbours = kst[-1] == 1 and rst[-1] != 1
    if gpu:
        mode = "items" if reduced <= _SHORT or (neighbours and kept >= 2048) else "groups"
    else:
        mode = "columns" if neighbours and ks[-1] >= 4 and reduced < 2**31 else "rows"
    target = caps.compute_units * (16 if gpu else 4)
    room = _RUN_BYTES // compare.itemsize
    columns = run_of_columns(kept, ks[-1], reduced, room, width, target) if mode == "columns" else 1
    units = kept // ks[-1] * -(-ks[-1] // columns) if mode == "columns" else kept
    grain = group * 8 if gpu else _GRAIN // columns
    parts = 1
    if units < target and reduced > grain:
        parts = max(1, min(-(-target // units), -(-reduced // grain), 256))
    per_part = -(-reduced // parts)
    parts = -(-reduced // per_part)
    params = {
        "less": less, "X": t.ctype, "xtag": t.tag, "A": ctype, "M": MASK[ctype], "W": width,
        "floating": t.is_floating_point, "KR": len(ks), "RR": len(rs), "G": group,
        "RUN": room if mode == "columns" else 0, "LINES": _LINES if mode == "columns" else 0,
    }  # fmt: skip
    geometry: list[int] = [columns] if mode == "columns" else []
    for n, s in (*zip(ks, kst, strict=True), *zip(rs, rst, strict=True)):
        geometry += [n, s]
    name = "argmin" if less else "argmax"
    with_values = values or parts > 1
    kernel = context.kernel(
        "argreduce", f"ct_{name}", "l" * (5 + len(geometry)) + "blb" + "b" * with_values, name=name, mode=mode,
        values=with_values, **params,
    )  # fmt: skip
    units *= parts
    per_item = 1
    size: tuple[int, ...]
    local: tuple[int, ...]
    if mode == "items":
        size, local = grid(context, units)
    elif gpu:
        size, local = (units * group,), (group,)
    else:
        items = max(1, min(units, caps.compute_units * 8, -(-units * per_part * columns // 4096)))
        per_item = -(-units // items)
        size, local = (-(-units // per_item),), (1,)
    first = (kernel, size, local, (kept, reduced, parts, per_part, per_item, *geometry))
    if parts == 1:
        return first, None, 0
    joiner = context.kernel(
        "argreduce", f"ct_{name}_join", "llllbbb" + "b" * values, name=f"{name}_join", mode="join", values=values,
        **{**params, "KR": 1, "RR": 1},
    )  # fmt: skip
    steps = (1, kept) if mode == "columns" else (parts, 1)
    size, local = grid(context, kept) if gpu else ((min(kept, caps.compute_units),), (1,))
    return first, (joiner, size, local, (kept, parts, *steps)), kept * parts


def _host(x: Any, dim: int | None, less: bool, want_values: bool, shape: Any) -> tuple[Any, Any]:
    a = host_compute(x)
    find = np.argmin if less else np.argmax  # NumPy, too, lets the first NaN win
    at = find(a if a.dtype != bool else a.astype(np.uint8), axis=dim)
    indices = from_host(np.asarray(at, np.int64).reshape(shape), dtypes.int64, x.device)
    if not want_values:
        return None, indices
    if dim is None or a.ndim == 0:
        taken = a.reshape(-1)[at]
    else:
        taken = np.take_along_axis(a, np.expand_dims(at, dim), dim).squeeze(dim)
    return from_host(np.asarray(taken).reshape(shape), x.dtype, x.device), indices


class MaxDim(Op):
    """Values and indices of the extremes along a dimension; the gradient goes to the chosen elements."""

    name = "max"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, keepdim: bool, less: bool) -> Any:
        values, indices = extreme(x, dim, less, True)
        if keepdim:
            lay = Layout.of(kept_shape(x.lay.shape, (dim,), True))
            values, indices = (
                Array.new(values._storage, lay, values.dtype),
                Array.new(indices._storage, lay, indices.dtype),
            )
        c.dim, c.keepdim, c.shape = dim, keepdim, x.lay.shape
        c.save(indices)
        c.non_differentiable(indices)
        return values, indices

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (indices,) = c.saved
        if not c.keepdim and c.shape:
            g, indices = m.unsqueeze(g, c.dim), m.unsqueeze(indices, c.dim)
        return m.scatter_chosen(g, indices, c.dim, c.shape), None, None, None


class MinDim(MaxDim):
    """The same for the smallest elements."""

    name = "min"
