"""Adafactor's estimate for a list of tensors of matrices: running means by rows and by columns, in a few launches.

As in ``multi_tensor``, a table says what part of which tensor a work-group takes. Small matrices are done by one
work-item each; large ones fall into blocks of rows, whose sums over columns one more launch combines.
Source: Shazeer and Stern, "Adafactor", https://arxiv.org/abs/1804.04235, algorithm 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.ops.array import cast_host, host, two_devices
from cltorch.ops.multi_tensor import widened
from cltorch.ops.plan import GROUP, LETTER, VECTOR
from cltorch.ops.quiet import silent

__all__ = ["divide_by_factors"]

_FEW, _MOST = 16, 40  # tensors to a launch, three pointers each: 40 fill the 1024 bytes of any device
_GRAIN = {"cpu": 16384, "gpu": 4096}  # elements per entry of the table
_SMALL = 1024  # elements of a matrix that one work-item does
_BLOCKS = 256  # of rows, at most, for a matrix
_COLUMNS = 256  # columns whose sums an entry combines


def divide_by_factors(
    rows: Sequence[Sequence[Any]], out: Any, places: Sequence[int], weight: float, eps: float, kind: str = ""
) -> None:
    """Bring running means of squares nearer, and write gradients divided by the roots of their product.

    Each of ``rows`` is a gradient (..., R, C), its row means (..., R, 1) and its column means (..., 1, C), contiguous
    and of floating-point dtypes, on one device. Means move by ``weight`` towards the present ones, in place. The
    divided gradients go to ``out``, a dense 1-d Array of the dtype that is computed in (float64 if a gradient is, else
    float32), from ``places`` on. ``kind`` ("cpu", "gpu") asks for a variant of the kernels other than the device's own.
    Raises RuntimeError where the shapes or devices of a row do not belong together.
    """
    for row in rows:
        _check(row, out)
    if out.device.type == "cpu":
        for row, at in zip(rows, places, strict=True):
            _on_host(row, out, at, weight, eps)
    else:
        _on_device(out.device.context, rows, out, places, weight, eps, kind)
    for _, row_means, column_means in rows:
        row_means._storage.version += 1
        column_means._storage.version += 1


def _check(row: Sequence[Any], out: Any) -> None:
    g, *means = row
    shape = tuple(g.shape)
    for x, wanted in zip(means, ((*shape[:-1], 1), (*shape[:-2], 1, shape[-1])), strict=True):
        if tuple(x.shape) != wanted:
            raise RuntimeError(f"means of a gradient {list(shape)} must be {list(wanted)}, but are {list(x.shape)}")
    for x in row:
        if x.device is not out.device:
            raise two_devices(out.device, x.device)


# ---- an OpenCL device --------------------------------------------------------------------------------------------
def _on_device(
    context: Any, rows: Sequence[Any], out: Any, places: Sequence[int], weight: float, eps: float, kind: str
) -> None:
    key = (
        "multi_tensor_factored", kind, out.dtype, out.lay.offset, *places,
        *((x.lay.key, x.lay.offset, x.dtype) for row in rows for x in row),
    )  # fmt: skip
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, rows, out, places, kind or context.caps.kind)
    table, launches, matrices, sums = plan
    size = out.dtype.itemsize
    mids, parts = context.alloc(max(matrices, 1) * size), context.alloc(max(sums, 1) * size)
    for kernel, global_size, local_size, first, members, to_out in launches:
        buffers = [x._storage.buf for i in members for x in rows[i]]
        given = out._storage.buf if to_out else parts.buf
        kernel.launch(global_size, local_size, (table.buf, first, mids.buf, given, weight, eps, *buffers))


def _plan(context: Any, rows: Sequence[Any], out: Any, places: Sequence[int], kind: str) -> Any:
    a = out.dtype.compute
    local, width = (
        (1, VECTOR[a]) if kind == "cpu" else (1 << (min(GROUP, context.caps.max_work_group).bit_length() - 1), 4)
    )
    numbers: list[int] = []
    launches: list[Any] = []
    matrices = sums = 0
    groups: dict[tuple[dtype, ...], list[int]] = {}
    for i, row in enumerate(rows):
        if row[0].lay.numel:
            groups.setdefault(tuple(x.dtype for x in row), []).append(i)
    for types, members in groups.items():
        most = _FEW if len(members) <= _FEW else _MOST
        for start in range(0, len(members), most):
            part = members[start : start + most]
            entries: dict[str, list[list[int]]] = {"means": [], "finish": [], "divide": []}
            for slot, i in enumerate(part):
                found = _entries(slot, rows[i], matrices, sums, out.lay.offset + places[i], _GRAIN.get(kind, 4096))
                for mode, more in found[0].items():
                    entries[mode] += more
                matrices, sums = found[1:]
            part = part + part[:1] * (most - len(part))
            for mode, table in entries.items():
                if table:
                    kernel = context.kernel(
                        "multi_tensor_factored", f"ct_{mode}", "blbb" + 2 * LETTER[a] + "bbb" * most,
                        mode=mode, T=most, types=tuple((t.tag, t.ctype) for t in types), A=a, W=width,
                        groups=0 if kind == "cpu" else local,
                    )  # fmt: skip
                    size = (len(table) * local,), (local,)
                    launches.append((kernel, *size, len(numbers), part, mode == "divide"))
                    numbers += [x for entry in table for x in entry]
    whole = np.array(numbers or [0], np.int64)
    storage = context.alloc(whole.nbytes)
    context.write(storage.buf, whole, owned=True)
    return storage, launches, matrices, sums


def _entries(slot: int, row: Sequence[Any], mid: int, part: int, to: int, grain: int) -> Any:
    """Return a tensor's entries of the table by the kernels' modes, and the next places for means and for sums."""
    lay = row[0].lay
    high, wide = lay.shape[-2:]
    batch = prod(lay.shape[:-2])
    at, at_row, at_column = (x.lay.offset for x in row)
    means, finish, divide = [], [], []
    if high * wide <= _SMALL:
        each = max(1, grain // (high * wide))
        for b in range(0, batch, each):
            means.append([
                slot, 0, min(each, batch - b), high, wide, at + b * high * wide, at_row + b * high,
                at_column + b * wide, mid + b, 0,
            ])  # fmt: skip
    else:
        block = max(1, grain // wide, -(-high // _BLOCKS))
        blocks = -(-high // block)
        for b in range(batch):
            for k in range(blocks):
                r = k * block
                means.append([
                    slot, 1, min(block, high - r), high, wide, at + (b * high + r) * wide, at_row + b * high + r, 0, 0,
                    part + k * wide,
                ])  # fmt: skip
            for c in range(0, wide, _COLUMNS):
                finish.append([
                    slot, 0, min(_COLUMNS, wide - c), high, wide, blocks, 0, at_column + b * wide + c, 0, part + c,
                ])  # fmt: skip
            finish.append([slot, 1, 0, high, wide, 0, at_row + b * high, 0, mid + b, 0])
            part += blocks * wide
    some = max(1, grain // wide)
    for r in range(0, batch * high, some):
        b = r // high
        divide.append([
            slot, r - b * high, min(some, batch * high - r), high, wide, at + r * wide, at_row + r,
            at_column + b * wide, mid + b, to + r * wide,
        ])  # fmt: skip
    return {"means": means, "finish": finish, "divide": divide}, mid + batch, part


# ---- the host ----------------------------------------------------------------------------------------------------
@silent
def _on_host(row: Sequence[Any], out: Any, at: int, weight: float, eps: float) -> None:
    n = row[0].lay.numel
    if not n:
        return
    wide = out.dtype.np
    g, *means = (widened(host(x), x.dtype, wide) for x in row)
    square = g * g
    nearer = []
    for k, dim in ((0, -1), (1, -2)):
        now = square.mean(dim, keepdims=True)
        nearer.append(now - (now - means[k]) * wide.type(1 - weight))
        host(row[1 + k])[...] = cast_host(nearer[k], row[1 + k].dtype)
    rows, columns = nearer
    estimate = rows / np.maximum(rows.mean(-2, keepdims=True), wide.type(eps)) * columns
    host(out)[at : at + n] = (g / np.sqrt(np.maximum(estimate, wide.type(eps * eps)))).reshape(-1)
