"""Sorting along a dimension, always stable: which way to go on a device, and the host's path.

Devices sort keys made of the elements' bits (kernels/sort_key.cl) together with positions. Ways of CPU devices:

- "lanes": short lines, eight side by side in vectors, through a network of comparisons
- "rows": longer lines, each by one work-item, digit by digit
- "tiles": few long lines, cut into tiles, digit by digit

and of GPUs: "local", short lines in local memory, and "merge", tiles sorted in local memory and merged in passes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute
from cltorch.ops.channels import in_memory_order
from cltorch.ops.few import refuse
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense

_INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000, "float64": 0x7FF0000000000000}
_LANES_MOST = 512  # elements of a line up to which the network beats the digits
_ROWS_MOST = 32768  # elements of a line up to which cutting it into tiles does not pay
_TILE, _GROUP = 1024, 256
_RESULTS = 8  # per work-item of a merge


def key_params(t: dtype, descending: bool, vector: int = 0) -> dict[str, Any]:
    """Return the template parameters of kernels/sort_key.cl for a dtype."""
    return {
        "bits": t.itemsize * 8,
        "kind": t.family,
        "infinity": _INFINITY.get(t.name, 0),
        "descending": descending,
        "vector": vector,
    }


def choose(context: Any, lines: int, n: int) -> str:
    """Return the way to sort ``lines`` lines of ``n`` elements on a device."""
    if context.caps.kind != "cpu":
        return "local" if n <= _TILE else "merge"
    if n <= _LANES_MOST:
        return "lanes"
    return "rows" if n <= _ROWS_MOST or lines >= 2 * context.caps.compute_units else "tiles"


def sort(x: Any, dim: int, descending: bool, way: str | None = None) -> tuple[Any, Any]:
    """Return the elements of an Array in order along a dimension, and where they were (int64).

    Equal elements keep their order; NaN counts as largest. ``way`` overrides the choice of kernels.
    """
    refuse("sort", x.dtype)
    if x.device.type == "cpu":
        return _host(x, dim, descending)
    check_dtype(x.dtype, x.device)
    shape = x.lay.shape
    values, indices = empty(shape, x.dtype, x.device), empty(shape, dtypes.int64, x.device)
    if not x.lay.numel:
        return values, indices
    n = shape[dim] if shape else 1
    if n >= 2**32:
        raise RuntimeError(f"sort: a dimension of {n} is too large, at most {2**32 - 1} is supported")
    inner = math.prod(shape[dim + 1 :])
    lines = x.lay.numel // n
    way = way or choose(x.device.context, lines, n)
    _WAYS[way](x.device.context, dense(x), lines, n, inner, key_params(x.dtype, descending), values, indices)
    return values, indices


def _by_items(name: str, per_line: int) -> Any:
    """Return the launch of a kernel whose work-items take whole lines; ``per_line``: ct_e of scratch per element."""

    def run(context: Any, x: Any, lines: int, n: int, inner: int, keys: Any, values: Any, indices: Any) -> None:
        kernel = context.kernel(f"sort_{name}", f"ct_sort_{name}", "llllblbbb", name=f"sort_{name}", **keys)
        items = max(1, min(-(-lines // 8), context.caps.compute_units * 4, -(-lines * n // 4096)))
        per_item = -(-lines // items)
        if name == "lanes":
            per_item = -(-per_item // 8) * 8
        items = -(-lines // per_item)
        scratch = context.alloc(items * per_line * n * (16 if keys["bits"] == 64 else 8))
        kernel.launch(
            (items,), (1,),
            (lines, n, inner, per_item, x._storage.buf, x.lay.offset, scratch.buf, values._storage.buf,
             indices._storage.buf),
        )  # fmt: skip

    return run


def _tiles(context: Any, x: Any, lines: int, n: int, inner: int, keys: Any, values: Any, indices: Any) -> None:
    bits = keys["bits"]
    ranged = keys["kind"] in "ui" and bits >= 32  # large numbers are rare among integers: their zeros need no passes
    per = min(n, max(1024, -(-n * lines // (context.caps.compute_units * 4))))
    tiles = -(-n // per)
    even = context.alloc(lines * n * (16 if bits == 64 else 8))
    odd = context.alloc(lines * n * (16 if bits == 64 else 8)) if bits > 8 else even
    counts = context.alloc(lines * tiles * 1024)
    ranges = context.alloc(lines * tiles * bits // 4) if ranged else counts  # the kernels ignore it where not ranged
    head = (n, inner, tiles, per, x._storage.buf, x.lay.offset, ranges.buf)
    size, one = (lines * tiles,), (1,)

    def kernel(name: str, args: str) -> Any:
        return context.kernel("sort_tiles", f"ct_sort_{name}", "llllblb" + args, ranged=ranged, **keys)

    if ranged:
        kernel("range", "").launch(size, one, head)
    for k in range(bits // 8):
        first = "" if k else "_first"
        source, target = (even, odd) if k % 2 else (odd, even)
        kernel("count" + first, "ibb").launch(size, one, (*head, 8 * k, source.buf, counts.buf))
        kernel("move" + first, "ibbb").launch(size, one, (*head, 8 * k, source.buf, counts.buf, target.buf))
    ends = (even.buf, odd.buf, values._storage.buf, indices._storage.buf)
    kernel("finish", "bbbb").launch(size, one, (*head, *ends))


def _local(context: Any, x: Any, lines: int, n: int, inner: int, keys: Any, values: Any, indices: Any) -> None:
    group = min(_GROUP, context.caps.max_work_group)
    kernel = context.kernel(
        "sort_local", "ct_sort_local", "lllblbb", name="sort_local", packed=False, T=_TILE, G=group, **keys
    )
    groups = -(-lines // (_TILE // n))
    kernel.launch(
        (groups * group,), (group,),
        (lines, n, inner, x._storage.buf, x.lay.offset, values._storage.buf, indices._storage.buf),
    )  # fmt: skip


def _merge(context: Any, x: Any, lines: int, n: int, inner: int, keys: Any, values: Any, indices: Any) -> None:
    group = min(_GROUP, context.caps.max_work_group)
    a, b = (context.alloc(lines * n * (16 if keys["bits"] == 64 else 8)) for _ in range(2))
    kernel = context.kernel(
        "sort_local", "ct_sort_packed", "lllblb", name="sort_packed", packed=True, T=_TILE, G=group, **keys
    )
    tiles = lines * -(-n // _TILE)
    kernel.launch((tiles * group,), (group,), (lines, n, inner, x._storage.buf, x.lay.offset, a.buf))
    kernel = context.kernel("sort_merge", "ct_sort_merge", "lllbb", K=_RESULTS, **keys)
    width = _TILE
    while width < n:
        items = lines * -(-n // _RESULTS)
        kernel.launch((-(-items // group) * group,), (group,), (lines, n, width, a.buf, b.buf))
        a, b, width = b, a, width * 2
    kernel = context.kernel("sort_merge", "ct_sort_finish", "lllblbbb", K=_RESULTS, **keys)
    kernel.launch(
        (-(-lines * n // group) * group,), (group,),
        (lines, n, inner, x._storage.buf, x.lay.offset, a.buf, values._storage.buf, indices._storage.buf),
    )  # fmt: skip


_WAYS = {
    "lanes": _by_items("lanes", 8),
    "rows": _by_items("rows", 2),
    "tiles": _tiles,
    "local": _local,
    "merge": _merge,
}


def _host(x: Any, dim: int, descending: bool) -> tuple[Any, Any]:
    a, bits = host_compute(x), host(x)
    if not a.ndim:
        return from_bits(bits, x), from_host(np.zeros((), np.int64), dtypes.int64, x.device)
    if descending:
        # equal elements must keep their order: sort the reversed line and read the result from its end
        order = a.shape[dim] - 1 - np.flip(np.argsort(np.flip(a, dim), dim, kind="stable"), dim)
    else:
        order = np.argsort(a, dim, kind="stable")
    return from_bits(np.take_along_axis(bits, order, dim), x), from_host(order, dtypes.int64, x.device)


def from_bits(bits: np.ndarray, like: Any) -> Any:
    """Return stored bits as a host Array of the dtype of ``like``."""
    out = empty(bits.shape, like.dtype, like.device)
    host(out)[...] = bits
    return out


def sort_as_laid(x: Any, dim: int, descending: bool) -> tuple[Any, Any]:
    """Do what ``sort`` does, with results whose dimensions are in memory in the order of the input's."""
    found: tuple[Any, Any] = in_memory_order(x, lambda y, dims: sort(y, dims[0], descending), (dim,))
    return found


class Sort(Op):
    """Elements in order and their positions; the gradient goes back to the positions."""

    name = "sort"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, descending: bool) -> Any:
        values, indices = sort_as_laid(x, dim, descending)
        c.dim, c.shape = dim, x.lay.shape
        c.save(indices)
        c.non_differentiable(indices)
        return values, indices

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (indices,) = c.saved
        return m.scatter_back(g, indices, c.dim, c.shape), None, None
