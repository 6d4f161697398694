"""Moving elements between a tensor and a part of another given by strides: the adjoints of views."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import CPU
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array, check_dtype, empty, empty_layout, host, view
from cltorch.ops.complex_formula import as_real
from cltorch.ops.evaluate import Formula, compute_dtype, planned, run_into
from cltorch.ops.host_plan import READY, HostPlan
from cltorch.ops.op import Op
from cltorch.ops.overlap import same_bytes
from cltorch.ops.plan import Plan, like_layout
from cltorch.ops.quiet import quietly

COPY = Formula("copy", lambda m, x: x)
_LARGE = 1 << 20  # bytes from which on a kernel's launch costs less than commands that use one thread only
BITS = {1: dtypes.uint8, 2: dtypes.int16, 4: dtypes.int32, 8: dtypes.int64}


def copy_into(out: Any, x: Any) -> None:
    """Copy values elementwise between Arrays of one device, converting the dtype; ``x`` broadcasts to ``out``."""
    if out.lay.numel == 0:
        return
    if out.device.type == "cpu" and out.dtype is x.dtype:
        host(out)[...] = host(x)
        return
    if (
        x.dtype is out.dtype
        and (
            x.lay.numel == out.lay.numel
            if x.lay.contiguous and out.lay.contiguous
            else x.lay.key == out.lay.key and x.lay.packed()
        )
        and out.device.type != "cpu"
    ):
        if x.lay.offset == out.lay.offset and same_bytes(x._storage, out._storage):
            return  # onto itself, which a driver refuses
        n = x.dtype.itemsize
        context, count = out.device.context, x.lay.numel
        if count * n >= _LARGE and n in BITS and "serial_copies" in context.caps.quirks:
            run_into(COPY, BITS[n], [_run(x, count)], (), [_run(out, count)], True)
            return
        context.copy_bytes(x._storage.buf, out._storage.buf, x.lay.offset * n, out.lay.offset * n, count * n)
        return
    if x.dtype is out.dtype and x.dtype.few:
        x, out = (Array.new(a._storage, a.lay, BITS[a.dtype.itemsize]) for a in (x, out))
    if x.dtype.is_complex and out.dtype.is_complex and out.device.type != "cpu":
        x, out = as_real(x), as_real(out)
    run_into(COPY, compute_dtype(x.dtype), [x], (), [out], True)


def cast(x: Any, t: dtype) -> Any:
    """Return a copy of an Array in a dtype, with its dimensions in the same order in memory."""
    if x.dtype is t and t.form is not None:  # all its codes, of NaN too, stay what they are
        copied = cast(Array.new(x._storage, x.lay, dtypes.uint8), dtypes.uint8)
        return Array.new(copied._storage, copied.lay, t)
    dev = x._storage.device
    key = ("cast", x.lay.key, x.dtype, t)
    ready = READY if dev is CPU else dev.context.ready
    plan = ready.get(key)
    if plan is not None:
        return plan.run((x,), ())
    compute, layout = compute_dtype(x.dtype), like_layout(x.lay)
    if dev is CPU:
        plan = ready[key] = HostPlan(COPY, compute, (x,), (t,), layout)
        return plan.run((x,), ())
    check_dtype(t, dev)
    out = empty_layout(layout, t, dev)
    copy_into(out, x)
    if layout.numel and x.dtype is not t and not (x.dtype.is_complex or t.is_complex):
        ready[key] = Plan(dev.context, planned(COPY, compute, [x], [out], True), layout, t)
    return out


def fill(out: Any, value: float) -> None:
    """Set every element of an Array (of any strides) to a number."""
    if out.lay.numel == 0:
        return
    if out.device.type == "cpu":
        one = Array()
        one._storage, one.lay, one.dtype = out._storage, out.lay, out.dtype
        host(one)[...] = _bits(value, out.dtype)
        return
    context, n = out.device.context, out.dtype.itemsize
    serial = out.lay.numel * n >= _LARGE and "serial_copies" in context.caps.quirks
    if out.lay.contiguous and not (serial and out.dtype.family in "fi"):
        pattern = np.asarray(_bits(value, out.dtype)).reshape(1)
        context.fill_bytes(out._storage.buf, pattern, out.lay.offset * n, out.lay.numel * n)
        return
    run_into(_FILL, compute_dtype(out.dtype), [], (value,), [out], True)


_FILL = Formula("fill", lambda m, v: v, params=1)


def _run(x: Any, count: int) -> Any:
    """Return the elements of an Array as they lie in memory, as integers of their size."""
    return Array.new(x._storage, Layout.make((count,), (1,), x.lay.offset), BITS[x.dtype.itemsize])


def _bits(value: float, t: Any) -> Any:
    from_bits = np.float32(value) if t.family == "f" and t.itemsize < 8 else value
    return quietly(t.round, from_bits) if t.opaque else quietly(np.asarray(from_bits).astype, t.np)


def relative(base: Layout, part: Layout) -> Layout:
    """Return a part's layout within a fresh copy of its base (same strides, offset 0)."""
    return Layout.make(part.shape, part.strides, part.offset - base.offset)


def fresh(base: Layout, t: Any, dev: Any) -> Any:
    """Return an uninitialised Array with the strides of ``base``."""
    return (
        empty_layout(Layout.make(base.shape, base.strides, 0), t, dev)
        if not base.contiguous
        else empty(base.shape, t, dev)
    )


class ScatterIntoLayout(Op):
    """Put a tensor at a strided place of zeros: the adjoint of taking a view."""

    name = "as_strided_scatter_zeros"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, base: Layout, part: Layout) -> Any:
        c.base, c.part = base, part
        out = fresh(base, g.dtype, g.device)
        if part.numel != base.numel:
            fill(Array.new(out._storage, Layout.of((out.lay.extent(),)), out.dtype), 0)
        copy_into(view(out, relative(base, part)), g)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.gather_from_layout(g, c.base, c.part), None, None


class GatherFromLayout(Op):
    """Take the elements of a strided place, from a tensor of the base's shape."""

    name = "as_strided_gather"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, base: Layout, part: Layout) -> Any:
        c.base, c.part = base, part
        if g.lay.strides != base.strides:
            dense = fresh(base, g.dtype, g.device)
            copy_into(dense, g)
            g = dense
        at = relative(base, part)
        out = empty(part.shape, g.dtype, g.device)
        copy_into(out, view(g, Layout.make(at.shape, at.strides, at.offset + g.lay.offset)))
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.scatter_into_layout(g, c.base, c.part), None, None


class ReplaceInLayout(Op):
    """Replace a strided place of a tensor by another tensor, or by zeros for None."""

    name = "as_strided_replace"
    complex = True
    linear = slice(2)

    @staticmethod
    def forward(c: Any, g: Any, part: Any, base: Layout, at: Layout) -> Any:
        c.base, c.at, c.has_part = base, at, part is not None
        out = fresh(base, g.dtype, g.device)
        copy_into(out, g)
        place = view(out, relative(base, at))
        if part is None:
            fill(place, 0)
        else:
            copy_into(place, part)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return (
            m.replace_in_layout(g, None, c.base, c.at),
            m.gather_from_layout(g, c.base, c.at) if c.has_part else None,
            None,
            None,
        )
