"""Joining arrays, and moving their parts about: cat, block_diag, flip, roll."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce
from cltorch.ops.array import Array, empty, view
from cltorch.ops.op import Op
from cltorch.ops.strided import copy_into, fill

_SEGMENT = 16384  # elements of a reversed line that one work-item copies at a time
_RAW = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}


class Cat(Op):
    """Join arrays along a dimension, each copied once; the gradients are parts of the incoming one."""

    name = "cat"

    @staticmethod
    def forward(c: Any, dim: int, t: dtype, *tensors: Any) -> Any:
        shape = list(tensors[0].layout.shape)
        shape[dim] = sum(x.layout.shape[dim] for x in tensors)
        out = empty(shape, t, tensors[0].device)
        at = 0
        places = []
        for x in tensors:
            n = x.layout.shape[dim]
            if x.layout.numel:
                copy_into(view(out, out.layout.slice(dim, at, at + n)), x)
            places.append((at, n, x.dtype))
            at += n
        c.dim, c.places = dim, places
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return (
            None,
            None,
            *(
                m.to_copy(m.narrow(g, c.dim, at, n), t, g.device) if need else None
                for (at, n, t), need in zip(c.places, c.needs[2:], strict=True)
            ),
        )


class BlockDiag(Op):
    """Put matrices on the diagonal of zeros, one after the other."""

    name = "block_diag"

    @staticmethod
    def forward(c: Any, t: dtype, *matrices: Any) -> Any:
        shapes = [x.layout.shape for x in matrices]
        out = empty((sum(s[0] for s in shapes), sum(s[1] for s in shapes)), t, matrices[0].device)
        fill(out, 0)
        row = column = 0
        places = []
        for x, (h, w) in zip(matrices, shapes, strict=True):
            if h and w:
                copy_into(view(out, out.layout.slice(0, row, row + h).slice(1, column, column + w)), x)
            places.append((row, column, h, w, x.dtype))
            row, column = row + h, column + w
        c.places = places
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return None, *(
            m.to_copy(m.narrow(m.narrow(g, 0, row, h), 1, column, w), t, g.device) if need else None
            for (row, column, h, w, t), need in zip(c.places, c.needs[1:], strict=True)
        )


class Flip(Op):
    """Reverse the order of elements along dimensions: one copy that reads with negative strides."""

    name = "flip"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...]) -> Any:
        lay = x.layout
        out = empty(lay.shape, x.dtype, x.device)
        c.dims = dims
        if lay.numel:
            strides = [-s if d in dims else s for d, s in enumerate(lay.strides)]
            last = lay.offset + sum((lay.shape[d] - 1) * lay.strides[d] for d in dims)
            if dims and strides[-1] == -1 and x.device.type == "cl" and x.device.context.caps.kind == "cpu":
                _mirror(x, strides, last, out)
            else:
                # not a layout of a tensor (views never have negative strides), only one to read by
                copy_into(out, Array.new(x.storage, Layout(lay.shape, strides, last), x.dtype))
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.flip(g, c.dims), None


def _mirror(x: Any, strides: Sequence[int], last: int, out: Any) -> None:
    """Copy with an innermost stride of -1: whole vectors are loaded and reversed."""
    context = x.device.context
    n = out.layout.shape[-1]
    lines = out.layout.numel // n
    sizes, (steps,) = coalesce(out.layout.shape[:-1], strides[:-1])
    kernel = context.kernel(
        "reverse", "ct_reverse", "lllll" + "ll" * len(sizes) + "blb",
        name="reverse", U=_RAW[x.dtype.itemsize], W=16 if x.dtype.itemsize < 8 else 8, R=len(sizes),
    )  # fmt: skip
    segments = -(-n // _SEGMENT)
    units = lines * segments
    items = max(1, min(units, context.caps.compute_units * 4, -(-out.layout.numel // 8192)))
    per_item = -(-units // items)
    geometry: list[int] = []
    for size, step in zip(sizes, steps, strict=True):
        geometry += [size, step]
    kernel.launch(
        (-(-units // per_item),), (1,),
        (units, n, _SEGMENT, segments, per_item, *geometry, x.storage.buf, last, out.storage.buf),
    )  # fmt: skip


class Roll(Op):
    """Rotate along dimensions: every dimension falls into two parts that change places."""

    name = "roll"

    @staticmethod
    def forward(c: Any, x: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
        lay = x.layout
        c.shifts, c.dims = shifts, dims
        out = empty(lay.shape, x.dtype, x.device)
        for box in product(*(_halves(lay.shape[d], s) for s, d in zip(shifts, dims, strict=True))):
            source, target = lay, out.layout
            for d, (start, to, n) in zip(dims, box, strict=True):
                source, target = source.slice(d, start, start + n), target.slice(d, to, to + n)
            if source.numel:
                copy_into(view(out, target), view(x, source))
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.roll(g, tuple(-s for s in c.shifts), c.dims), None, None


def _halves(n: int, shift: int) -> Sequence[tuple[int, int, int]]:
    """Return (start, target, length) of the parts that a rotation moves as wholes."""
    shift = shift % n if n else 0
    return ((0, shift, n - shift), (n - shift, 0, shift)) if shift else ((0, 0, n),)
