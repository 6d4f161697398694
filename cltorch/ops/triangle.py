"""Triangles of matrices: tril, triu and the coordinates of a triangle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.device import device as Device
from cltorch.dtypes import dtype
from cltorch.layout import coalesce
from cltorch.ops.array import empty, from_host, host
from cltorch.ops.op import Op

_RAW = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong", 16: "ulong2"}
_GROUP = 256


def keep(out: Any, x: Any, k: int, upper: bool, variant: str | None = None) -> None:
    """Fill ``out`` with the triangle of ``x`` and zeros; with ``x`` None set the rest of ``out`` to zero in place.

    ``variant`` ("cpu" or "gpu") overrides the device's kind in choosing the kernel.
    """
    lay = out.lay
    if not lay.numel:
        return
    if out.device.type == "cpu":
        rest = _mask(lay.shape[-2], lay.shape[-1], k, upper)
        if x is not None:
            host(out)[...] = host(x)
        host(out)[..., ~rest] = 0
        return
    context = out.device.context
    gpu = (variant or context.caps.kind) != "cpu"
    source = lay if x is None else x.lay
    sizes, (os, xs) = coalesce(lay.shape[:-2], lay.strides[:-2], source.strides[:-2])
    rows, columns = lay.shape[-2:]
    lines = rows * math.prod(sizes)
    name = "triangle_" + ("zero" if x is None else "copy")
    kernel = context.kernel(
        "triangle", f"ct_{name}", "l" * (9 + 3 * len(sizes)) + "bl" + ("" if x is None else "bl"),
        name=name, mode="zero" if x is None else "copy", upper=upper, U=_RAW[out.dtype.itemsize], R=len(sizes), gpu=gpu,
    )  # fmt: skip
    per_item = 0
    size: tuple[int]
    local: tuple[int]
    if gpu:
        group = min(_GROUP, context.caps.max_work_group)
        size, local = (-(-lines * columns // group) * group,), (group,)
    else:
        items = max(1, min(lines, context.caps.compute_units * 4, -(-lines * columns // 8192)))
        per_item = -(-lines // items)
        size, local = (-(-lines // per_item),), (1,)
    geometry: list[int] = []
    for n, o, s in zip(sizes, os, xs, strict=True):
        geometry += [n, o, s]
    buffers = (out._storage.buf, lay.offset, *(() if x is None else (x._storage.buf, source.offset)))
    strides = (*lay.strides[-2:], *source.strides[-2:])
    kernel.launch(size, local, (lines, rows, columns, k, per_item, *strides, *geometry, *buffers))


def _mask(rows: int, columns: int, k: int, upper: bool) -> np.ndarray:
    distance = np.arange(columns) - np.arange(rows)[:, None]
    return distance >= k if upper else distance <= k


class Triangle(Op):
    """Keep the elements on one side of a diagonal; the gradient passes through the same triangle."""

    name = "tril"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, k: int, upper: bool) -> Any:
        c.k, c.upper = k, upper
        out = empty(x.lay.shape, x.dtype, x.device)
        keep(out, x, k, upper)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return (m.triu if c.upper else m.tril)(g, c.k), None, None


class TriangleInPlace(Triangle):
    """The record of a change in place: the caller writes."""

    @staticmethod
    def forward(c: Any, x: Any, k: int, upper: bool) -> Any:
        c.k, c.upper = k, upper


def indices(rows: int, columns: int, k: int, upper: bool, t: dtype, dev: Device) -> Any:
    """Return the coordinates of a triangle's elements in row-major order, shape [2, count]."""
    if dev.type == "cpu":
        return from_host(np.stack(np.nonzero(_mask(rows, columns, k, upper))), t, dev)
    total = sum(min(max(r + k + 1, 0), columns) for r in range(rows)) if not upper else 0
    if upper:
        total = sum(columns - min(max(r + k, 0), columns) for r in range(rows))
    out = empty((2, total), t, dev)
    if total:
        context = dev.context
        kernel = context.kernel(
            "triangle", "ct_triangle_indices", "llllb",
            name="triangle_indices", mode="indices", upper=upper, U=t.ctype, R=0, gpu=False,
        )  # fmt: skip
        group = 1 if context.caps.kind == "cpu" else 64
        kernel.launch((-(-rows // group) * group,), (group,), (rows, columns, k, total, out._storage.buf))
    return out
