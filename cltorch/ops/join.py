"""Joining arrays, and moving their parts about: cat, block_diag, flip, roll."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product as cartesian
from typing import Any

import numpy as np

from cltorch.device import Storage
from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce
from cltorch.ops import join_rows
from cltorch.ops.array import Array, empty, view
from cltorch.ops.channels import in_memory_order, in_turn, suggested, turned, turned_back, turned_dim
from cltorch.ops.multi_tensor_moves import copy_each
from cltorch.ops.op import Op
from cltorch.ops.pieces import Pieces, assemble

_SOME, _MANY = 4, 16  # arrays that are joined by launches which take several, if they have so many elements or always
_LARGE = 1 << 18
_SEGMENT = 16384  # elements of a reversed line that one work-item copies at a time
_RAW = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}


class Cat(Op):
    """Join arrays along a dimension, each copied once; the gradients are parts of the incoming one."""

    name = "cat"
    complex = True
    linear = slice(2, None)

    @staticmethod
    def forward(c: Any, dim: int, t: dtype, *tensors: Any) -> Any:
        if c.recording:
            c.dim, c.parts = dim, [(x.lay.shape[dim], x.dtype) for x in tensors]
        return _joined_as_laid(dim, t, tensors)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        grads: list[Any] = []
        at = 0
        for (n, t), need in zip(c.parts, c.needs[2:], strict=True):
            grads.append(m.to_copy(m.narrow(g, c.dim, at, n), t, g.device) if need else None)
            at += n
        return None, None, *grads


def _joined_as_laid(dim: int, t: dtype, tensors: Sequence[Any]) -> Any:
    if _channels_last(tensors):
        dim = turned_dim(dim, tensors[0].lay.ndim)
        return turned_back(_joined(dim, t, [turned(x) for x in tensors]))
    return _joined(dim, t, tensors)


def _channels_last(tensors: Sequence[Any]) -> bool:
    format = suggested(tensors[0].lay)
    return format is not None and all(suggested(x.lay) is format for x in tensors)


def _joined(dim: int, t: dtype, tensors: Sequence[Any]) -> Any:
    if dim == 0 and tensors[0]._storage.array is not None:
        whole = _host_bytes(tensors, t)
        if whole is not None:
            n = sum([x.lay.shape[0] for x in tensors])
            return Array.new(Storage.wrap(whole), Layout.of((n, *tensors[0].lay.shape[1:])), t)
    if _joined_in_lists(dim, t, tensors):
        return _in_lists(t, tensors, tuple([x.lay.shape for x in tensors]))
    if tensors[0].device.type != "cpu":
        together = join_rows.joined(dim, t, tensors, False)
        if together is not None:
            return together
    key = ("cat", dim)
    return assemble(key, lambda: _in_a_row([x.lay for x in tensors], dim), tensors, t, tensors[0].device)


def _in_lists(t: dtype, tensors: Sequence[Any], shapes: tuple[tuple[int, ...], ...], stacked: bool = False) -> Any:
    """Return contiguous tensors one after the other, by launches that take several, stacked or joined."""
    shape, places = _rows(shapes, stacked)
    out = empty(shape, t, tensors[0].device)
    parts = [view(out, place) for _, place in places]
    copy_each(parts, tensors if len(places) == len(tensors) else [tensors[i] for i, _ in places])
    out._storage.version = 0
    return out


@lru_cache(maxsize=256)
def _rows(shapes: tuple[tuple[int, ...], ...], stacked: bool) -> tuple[Sequence[int], list[tuple[int, Layout]]]:
    """Return the shape of tensors one after the other, and where each that has elements lies."""
    shape, at, places = (len(shapes), *shapes[0]), 0, []
    if not stacked:
        shape = (sum(s[0] for s in shapes), *shapes[0][1:])
    for i, s in enumerate(shapes):
        lay = Layout.of(s)
        if lay.numel:
            places.append((i, Layout.make(s, lay.strides, at)))
        at += lay.numel
    return shape, places


def _joined_in_lists(dim: int, t: dtype, tensors: Sequence[Any]) -> bool:
    """Return whether launches that take several tensors are quicker: for many runs of memory, or large ones."""
    if len(tensors) <= _SOME or dim or t.few or tensors[0].device.type == "cpu":
        return False
    if any(x.dtype is not t or not x.lay.contiguous for x in tensors):
        return False
    return len(tensors) > _MANY or sum(x.lay.numel for x in tensors) >= _LARGE


def _host_bytes(tensors: Sequence[Any], t: dtype) -> np.ndarray | None:
    """Return the bytes of host tensors one after the other, None where some are not dense or of another dtype.

    Joined along their first dimension tensors lie in memory just so, and one copy does for all of a batch's samples.
    """
    n, parts = t.itemsize, []
    for x in tensors:
        layout = x.lay
        if x.dtype is not t or not layout.contiguous:
            return None
        start = layout.offset * n
        parts.append(x._storage.array[start : start + layout.numel * n])
    whole: np.ndarray = np.concatenate(parts)
    return whole


def _in_a_row(layouts: Sequence[Layout], dim: int) -> Pieces:
    shape = list(layouts[0].shape)
    shape[dim] = sum(lay.shape[dim] for lay in layouts)
    out, at, pieces = Layout.of(shape), 0, []
    for i, lay in enumerate(layouts):
        n = lay.shape[dim]
        if lay.numel:
            pieces.append((i, lay, out.slice(dim, at, at + n)))
        at += n
    return shape, pieces


class Stack(Op):
    """Join arrays of one shape along a new dimension; the gradients are slices of the incoming one."""

    name = "stack"
    complex = True
    linear = slice(2, None)

    @staticmethod
    def forward(c: Any, dim: int, t: dtype, *tensors: Any) -> Any:
        if c.recording:
            c.dim, c.dtypes = dim, [x.dtype for x in tensors]
        if dim == 0 and tensors[0]._storage.array is not None:
            whole = _host_bytes(tensors, t)
            if whole is not None:
                return Array.new(Storage.wrap(whole), Layout.of((len(tensors), *tensors[0].lay.shape)), t)
        if dim < tensors[0].lay.ndim and _channels_last(tensors):
            whole = _joined_as_laid(dim, t, tensors)
            shape = tensors[0].lay.shape
            return view(whole, whole.lay.view((*shape[:dim], len(tensors), *shape[dim:])))

        if _joined_in_lists(dim, t, tensors):
            return _in_lists(t, tensors, (tensors[0].lay.shape,) * len(tensors), True)
        if tensors[0].device.type != "cpu":
            together = join_rows.joined(dim, t, tensors, True)
            if together is not None:
                return together

        def build() -> Pieces:
            return _in_a_row([x.lay.unsqueeze(dim) for x in tensors], dim)

        return assemble(("stack", dim), build, tensors, t, tensors[0].device)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return (
            None,
            None,
            *(
                m.to_copy(m.select(g, c.dim, i), t, g.device) if need else None
                for i, (t, need) in enumerate(zip(c.dtypes, c.needs[2:], strict=True))
            ),
        )


class BlockDiag(Op):
    """Put matrices on the diagonal of zeros, one after the other."""

    name = "block_diag"
    complex = True
    linear = slice(1, None)

    @staticmethod
    def forward(c: Any, t: dtype, *matrices: Any) -> Any:
        c.parts = [(*x.lay.shape, x.dtype) for x in matrices]
        shape = [sum(x.lay.shape[d] for x in matrices) for d in (0, 1)]

        def build() -> Pieces:
            out, row, column, pieces = Layout.of(shape), 0, 0, []
            for i, x in enumerate(matrices):
                h, w = x.lay.shape
                if h and w:
                    pieces.append((i, x.lay, out.slice(0, row, row + h).slice(1, column, column + w)))
                row, column = row + h, column + w
            return shape, pieces

        return assemble("block_diag", build, matrices, t, matrices[0].device, blank=True)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        grads: list[Any] = []
        row = column = 0
        for (h, w, t), need in zip(c.parts, c.needs[1:], strict=True):
            part = m.narrow(m.narrow(g, 0, row, h), 1, column, w) if need else None
            grads.append(m.to_copy(part, t, g.device) if need else None)
            row, column = row + h, column + w
        return None, *grads


class Repeat(Op):
    """Copy a tensor ``outer[d]`` times along each dimension, and every element ``inner[d]`` times; new ones in front.

    One copy that reads along strides of 0; the gradient adds up over the copies.
    """

    name = "repeat"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, outer: tuple[int, ...], inner: tuple[int, ...]) -> Any:
        lay = x.lay
        lead = len(outer) - lay.ndim
        sizes, steps = (1,) * lead + lay.shape, (0,) * lead + lay.strides
        shape = [a * n * b for a, n, b in zip(outer, sizes, inner, strict=True)]
        c.shape, c.spread = lay.shape, [k for three in zip(outer, sizes, inner, strict=True) for k in three]

        def build() -> Pieces:
            strides = [s for step in steps for s in (0, step, 0)]
            out = Layout.of(c.spread)
            return shape, [(0, Layout(c.spread, strides, lay.offset), out)] if out.numel else []

        return assemble(("repeat", outer, inner), build, (x,), x.dtype, x.device)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        copies = tuple(d for d, k in enumerate(c.spread) if d % 3 != 1 and k != 1)
        g = m.reshape(g, c.spread)
        return m.reshape(m.sum(g, copies) if copies else g, c.shape), None, None


class Flip(Op):
    """Reverse the order of elements along dimensions: one copy that reads with negative strides."""

    name = "flip"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...]) -> Any:
        c.dims = dims
        return in_memory_order(x, _flipped, dims)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.flip(g, c.dims), None


def _flipped(x: Any, dims: Sequence[int]) -> Any:
    lay = x.lay
    strides = [-s if d in dims else s for d, s in enumerate(lay.strides)]
    last = lay.offset + sum((lay.shape[d] - 1) * lay.strides[d] for d in dims)
    if lay.numel and dims and strides[-1] == -1:
        if x.device.type == "cl" and x.device.context.caps.kind == "cpu" and x.dtype.itemsize <= 8:
            return _mirror(x, strides, last)

    def build() -> Pieces:
        # not a layout of a tensor (views never have negative strides), only one to read by
        return lay.shape, [(0, Layout(lay.shape, strides, last), Layout.of(lay.shape))] if lay.numel else []

    return assemble(("flip", *dims), build, (x,), x.dtype, x.device)


def _mirror(x: Any, strides: Sequence[int], last: int) -> Any:
    """Copy with an innermost stride of -1: whole vectors are loaded and reversed."""
    context = x.device.context
    out = empty(x.lay.shape, x.dtype, x.device)
    n = out.lay.shape[-1]
    lines = out.lay.numel // n
    sizes, (steps,) = coalesce(out.lay.shape[:-1], strides[:-1])
    kernel = context.kernel(
        "reverse", "ct_reverse", "lllll" + "ll" * len(sizes) + "blb",
        name="reverse", U=_RAW[x.dtype.itemsize], W=16 if x.dtype.itemsize < 8 else 8, R=len(sizes),
    )  # fmt: skip
    segments = -(-n // _SEGMENT)
    units = lines * segments
    items = max(1, min(units, context.caps.compute_units * 4, -(-out.lay.numel // 8192)))
    per_item = -(-units // items)
    geometry: list[int] = []
    for size, step in zip(sizes, steps, strict=True):
        geometry += [size, step]
    kernel.launch(
        (-(-units // per_item),), (1,),
        (units, n, _SEGMENT, segments, per_item, *geometry, x._storage.buf, last, out._storage.buf),
    )  # fmt: skip
    return out


class Roll(Op):
    """Rotate along dimensions: every dimension falls into two parts that change places."""

    name = "roll"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
        c.shifts, c.dims = shifts, dims
        return in_turn(x, lambda y, along: _rolled(y, shifts, along), dims)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.roll(g, tuple(-s for s in c.shifts), c.dims), None, None


def _rolled(x: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    lay = x.lay

    def build() -> Pieces:
        pieces = []
        for box in cartesian(*(_halves(lay.shape[d], s) for s, d in zip(shifts, dims, strict=True))):
            source, target = lay, Layout.of(lay.shape)
            for d, (start, to, n) in zip(dims, box, strict=True):
                source, target = source.slice(d, start, start + n), target.slice(d, to, to + n)
            if source.numel:
                pieces.append((0, source, target))
        return lay.shape, pieces

    return assemble(("roll", shifts, dims), build, (x,), x.dtype, x.device)


def _halves(n: int, shift: int) -> Sequence[tuple[int, int, int]]:
    """Return (start, target, length) of the parts that a rotation moves as wholes."""
    shift = shift % n if n else 0
    return ((0, shift, n - shift), (n - shift, 0, shift)) if shift else ((0, 0, n),)
