"""The first elements in order along a dimension: by selection for few of them, else by sorting."""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.ops.array import check_dtype, empty, view
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense
from cltorch.ops.sort import key_params, sort
from cltorch.ops.strided import copy_into

_LIST_MOST, _ROUNDS_MOST = 128, 16
_GROUP = 256


def topk(x: Any, k: int, dim: int, largest: bool, way: str | None = None) -> tuple[Any, Any]:
    """Return the ``k`` largest or smallest elements of an Array along a dimension, in order, and their positions.

    Of equal elements the first ones count; NaN is the largest. ``way`` ("list", "rounds" or "sort") overrides the
    choice of kernels.
    """
    shape = list(x.lay.shape)
    n = shape[dim] if shape else 1
    out_shape = [k if d == dim else size for d, size in enumerate(shape)]
    if x.device.type == "cpu":
        return tuple(_first(found, dim, k) for found in sort(x, dim, largest))
    check_dtype(x.dtype, x.device)
    context = x.device.context
    gpu = context.caps.kind != "cpu"
    if way is None:
        way = "sort"
        if k * 8 <= n and k <= (_ROUNDS_MOST if gpu else _LIST_MOST):
            way = "rounds" if gpu else "list"
    if way == "sort":
        return tuple(_first(found, dim, k) for found in sort(x, dim, largest))
    values, indices = empty(out_shape, x.dtype, x.device), empty(out_shape, dtypes.int64, x.device)
    if not values.lay.numel:
        return values, indices
    x = dense(x)
    inner = math.prod(shape[dim + 1 :])
    lines = x.lay.numel // n
    unit = inner == 1 and way == "list"
    group = min(_GROUP, context.caps.max_work_group)
    kernel = context.kernel(
        "topk", "ct_topk", "llli" + ("l" if way == "list" else "") + "blbb",
        name="topk", mode=way, most=_LIST_MOST, G=group, unit=unit,
        **key_params(x.dtype, largest, (8 if x.dtype.itemsize == 8 else 16) if unit else 0),
    )  # fmt: skip
    ends = (x._storage.buf, x.lay.offset, values._storage.buf, indices._storage.buf)
    if way == "rounds":
        kernel.launch((lines * group,), (group,), (lines, n, inner, k, *ends))
    else:
        items = max(1, min(lines, context.caps.compute_units * 4, -(-lines * n // 4096)))
        per_item = -(-lines // items)
        kernel.launch((-(-lines // per_item),), (1,), (lines, n, inner, k, per_item, *ends))
    return values, indices


def _first(x: Any, dim: int, k: int) -> Any:
    if not x.lay.ndim:
        return x
    part = view(x, x.lay.narrow(dim, 0, k))
    out = empty(part.lay.shape, x.dtype, x.device)
    copy_into(out, part)
    return out


class TopK(Op):
    """The first elements in order and their positions; the gradient goes back to the positions."""

    name = "topk"

    @staticmethod
    def forward(c: Any, x: Any, k: int, dim: int, largest: bool) -> Any:
        values, indices = topk(x, k, dim, largest)
        c.dim, c.shape = dim, x.lay.shape
        c.save(indices)
        c.non_differentiable(indices)
        return values, indices

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (indices,) = c.saved
        return m.scatter_back(g, indices, c.dim, c.shape), None, None, None
