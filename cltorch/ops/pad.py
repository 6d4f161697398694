"""Padding by a constant or by the tensor's own elements: reflected, repeated or taken round the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array, cast_host, check_dtype, empty, from_host, host, host_compute, view
from cltorch.ops.channels import in_format, suggested, turned, turned_back
from cltorch.ops.complex_formula import as_real
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense
from cltorch.ops.strided import copy_into

Pads = tuple[tuple[int, int], ...]  # (before, after) for every dimension; negative numbers cut off

_COPIED = {1: ("uchar", np.int8), 2: ("ushort", np.int16), 4: ("uint", np.int32), 8: ("ulong", np.int64)}
_GROUP = 128


def merge(shape: Sequence[int], pads: Pads, mode: str) -> list[tuple[int, int, int]]:
    """Return (size, before, after) of as few dimensions as describe the same padding."""
    out: list[tuple[int, int, int]] = []
    for n, (before, after) in zip(shape, pads, strict=True):
        if out and before == after == 0:
            last, b, a = out[-1]
            if b == a == 0 or mode == "constant":
                out[-1] = (last * n, b * n, a * n)
                continue
        out.append((n, before, after))
    return out or [(1, 0, 0)]


def padded_shape(shape: Sequence[int], pads: Pads) -> tuple[int, ...]:
    """Return the shape of the result."""
    return tuple(n + before + after for n, (before, after) in zip(shape, pads, strict=True))


def plan(
    context: Any, t: dtype, shape: tuple[int, ...], pads: Pads, mode: str, adjoint: bool, kind: str
) -> tuple[Any, ...]:
    """Return (kernel, global size, local size, count, elements per work-item, sizes of the dimensions).

    ``kind`` chooses between whole rows per work-item ("cpu") and single elements.
    """
    dims = merge(shape, pads, mode)
    unpadded, padded = math.prod(shape), math.prod(padded_shape(shape, pads))
    total = unpadded if adjoint else padded
    width = dims[-1][0] if adjoint else sum(dims[-1])
    rows = kind == "cpu"
    index, letter = ("long", "l") if rows or max(unpadded, padded) >= 2**31 - _GROUP else ("int", "i")
    name = "pad_adjoint" if adjoint else "pad"
    kernel = context.kernel(
        "pad",
        f"ct_{name}",
        2 * letter + "blbl" + 3 * letter * len(dims),
        name=name,
        adjoint=adjoint,
        mode=mode,
        padded=tuple(before != 0 or after != 0 for _, before, after in dims),
        rows=rows,
        X=t.ctype if adjoint else _COPIED[t.itemsize][0],
        xtag=t.tag if adjoint else "",
        A=compute_dtype(t).compute,
        I=index,
    )
    sizes = tuple(v for n, before, after in dims for v in (n, n + before + after, before))
    if rows:
        count = total // width
        items = max(1, min(count, context.caps.compute_units * 4, -(-total // 8192)))
        per_item = -(-count // items)
        return kernel, (-(-count // per_item),), (1,), count, per_item, sizes
    group = min(_GROUP, context.caps.max_work_group)
    return kernel, (-(-total // group) * group,), (group,), total, 1, sizes


def _around_complex(x: Any, shape: Sequence[int], pads: Pads, value: complex, kind: str | None) -> Any:
    """Return a complex Array with a number that is not zero around it: real and imaginary parts one by one."""
    out = empty(padded_shape(shape, pads), x.dtype, x.device)
    source, target = as_real(x), as_real(out)
    for i, part in enumerate((value.real, value.imag)):
        padded = run(view(source, source.lay.select(-1, i)), shape, pads, "constant", part, False, kind)
        copy_into(view(target, target.lay.select(-1, i)), padded)
    return out


def run(x: Any, shape: Sequence[int], pads: Pads, mode: str, value: Any, adjoint: bool, kind: str | None = None) -> Any:
    """Return the padded Array, or with ``adjoint`` the sums over copies; ``shape`` is that of the unpadded one."""
    t = x.dtype
    check_dtype(t, x.device)
    if t.is_complex:
        if value and not adjoint:
            return _around_complex(x, shape, pads, complex(value), kind)
        both = run(as_real(x), (*shape, 2), (*pads, (0, 0)), mode, 0, adjoint, kind)
        return Array.new(both._storage, Layout.of(both.lay.shape[:-1]), t)
    x = dense(x)
    out = empty(shape if adjoint else padded_shape(shape, pads), t, x.device)
    if out.lay.numel == 0:
        return out
    context = x.device.context
    key = ("pad", t, shape, pads, mode, adjoint, kind)
    found = context.ready.get(key)
    if found is None:
        found = context.ready[key] = plan(context, t, tuple(shape), pads, mode, adjoint, kind or context.caps.kind)
    kernel, size, group, count, per_item, sizes = found
    bits = int(cast_host(np.asarray(value), t).reshape(1).view(_COPIED[t.itemsize][1])[0]) if value else 0
    kernel.launch(size, group, (count, per_item, x._storage.buf, x.lay.offset, out._storage.buf, bits, *sizes))
    return out


def sources(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """Return which element of a dimension of size ``n`` each element of the padded dimension shows."""
    i = np.arange(-before, n + after)
    if mode == "reflect":
        return np.where(i < 0, -i, np.where(i >= n, 2 * (n - 1) - i, i))
    return i.clip(0, n - 1) if mode == "replicate" else i % n


def _host_pad(x: Any, pads: Pads, mode: str, value: Any) -> Any:
    a = host(x)
    if mode == "constant":
        out = empty(padded_shape(a.shape, pads), x.dtype, x.device)
        o = host(out)
        o[...] = cast_host(np.asarray(value), x.dtype)
        take = tuple(slice(max(-b, 0), n + min(e, 0)) for n, (b, e) in zip(a.shape, pads, strict=True))
        put = tuple(
            slice(max(b, 0), max(b, 0) + max(n + min(e, 0) - max(-b, 0), 0))
            for n, (b, e) in zip(a.shape, pads, strict=True)
        )
        o[put] = a[take]
        return out
    for axis, (before, after) in enumerate(pads):
        if before or after:
            a = a.take(sources(a.shape[axis], before, after, mode), axis)
    out = empty(a.shape, x.dtype, x.device)
    host(out)[...] = a
    return out


def _host_adjoint(g: Any, shape: Sequence[int], pads: Pads, mode: str) -> Any:
    a = host_compute(g)
    for axis, (before, after) in enumerate(pads):
        if before or after:
            total = np.zeros((shape[axis], *np.delete(a.shape, axis)), a.dtype)
            np.add.at(total, sources(shape[axis], before, after, mode), np.moveaxis(a, axis, 0))
            a = np.moveaxis(total, 0, axis)
    return from_host(np.ascontiguousarray(a), g.dtype, g.device)


def _padded(x: Any, pads: Pads, mode: str, value: Any) -> Any:
    if x.device.type == "cpu":
        return _host_pad(x, pads, mode, value)
    return run(x, x.lay.shape, pads, mode, value, False)


def _summed(g: Any, shape: Sequence[int], pads: Pads, mode: str) -> Any:
    if g.device.type == "cpu":
        return _host_adjoint(g, shape, pads, mode)
    return run(g, shape, pads, mode, 0, True)


class Pad(Op):
    """Put elements before and after those of each dimension."""

    name = "pad"
    complex = True

    @staticmethod
    def forward(c: Any, x: Any, pads: Pads, mode: str, value: Any) -> Any:
        c.shape, c.pads, c.mode = x.lay.shape, pads, mode
        c.flat = mode in ("reflect", "replicate")
        c.format = None if mode == "circular" else suggested(x.lay)  # which PyTorch's does not keep
        if c.format is not None:
            return turned_back(_padded(turned(x), (pads[0], *pads[2:], pads[1]), mode, value))
        return _padded(x, pads, mode, value)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        if c.mode == "constant":
            return m.pad_dims(g, tuple((-before, -after) for before, after in c.pads), "constant", 0), None, None, None
        gx = m.pad_adjoint(g, c.shape, c.pads, c.mode)
        return in_format(m, c.format, gx), None, None, None


class PadAdjoint(Op):
    """Sum over the copies that padding has made of each element."""

    name = "pad_adjoint"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, shape: Sequence[int], pads: Pads, mode: str) -> Any:
        c.pads, c.mode = pads, mode
        if mode != "circular" and suggested(g.lay) is not None:
            shape, pads = (shape[0], *shape[2:], shape[1]), (pads[0], *pads[2:], pads[1])
            return turned_back(_summed(turned(g), shape, pads, mode))
        return _summed(g, shape, pads, mode)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.pad_dims(g, c.pads, c.mode, 0), None, None, None
