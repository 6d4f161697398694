"""Launch plans of pooling: which kernel suits the windows and the device, and its arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.plan import MASK, grid
from cltorch.ops.pool_windows import Windows

_GRAIN = 4096  # elements below which another work-item on a CPU device costs more than it brings


class Plan:
    """A launch of a pooling kernel for one geometry; ``table`` keeps the buffer that the arguments name alive."""

    __slots__ = ("kernel", "global_size", "local_size", "pre", "table", "lay", "dtype")

    def __init__(self, kernel: Any, sizes: Any, pre: Any, table: Any, layout: Layout, t: dtype) -> None:
        self.kernel, (self.global_size, self.local_size), self.pre = kernel, sizes, pre
        self.table, self.lay, self.dtype = table, layout, t

    def __call__(self, x: Any, out: Any, index: tuple[Any, ...] = ()) -> None:
        """Launch with an input Array, an output Array and the index's buffer, if there is one."""
        if self.lay.numel:
            buf = out._storage.buf
            self.kernel.launch(
                self.global_size, self.local_size, (*self.pre, x._storage.buf, x.lay.offset, buf, *index)
            )


def index_form(w: Windows, kind: str) -> str:
    """Return the form in which the place of a maximum is kept for the gradient: "code" where a byte will do."""
    taps = w.kernel[0] * w.kernel[1] * w.kernel[2]
    if w.adaptive or w.dilation != (1, 1, 1) or taps > 256 or (kind == "cpu" and not _vectors(w)):
        return "flat"
    return "code"


def _vectors(w: Windows) -> bool:
    """Return whether vectors can walk the rows of these windows on a CPU device."""
    return not w.adaptive and w.stride[2] in (1, 2) and w.kernel[2] >= w.stride[2]


def _tiles(w: Windows) -> bool:
    """Return whether windows of 1 x 2 or 2 x 2 tile the planes without a remainder."""
    return (
        not w.adaptive
        and w.kernel == w.stride
        and w.kernel in ((1, 1, 2), (1, 2, 2))
        and w.dilation == (1, 1, 1)
        and w.padding == (0, 0, 0)
        and all(n == o * k for n, o, k in zip(w.size, w.out, w.kernel, strict=True))
    )


def index_dtype(form: str) -> dtype:
    """Return the dtype of an index: int64 is also what PyTorch returns."""
    return dtypes.uint8 if form == "code" else dtypes.int64


def _width(interior: int, a: str) -> int:
    most = 16 if MASK[a] == "int" else 8
    return next((w for w in (16, 8, 4) if w <= most and w <= interior), 0)


def make_plan(
    context: Any,
    name: str,
    w: Windows,
    lead: Sequence[int],
    t: dtype,
    form: str = "",
    include_pad: bool = True,
    override: int = 0,
    variant: str = "",
) -> Plan:
    """Prepare a kernel: ``name`` is "max", "avg", "pick" (forward) or "max_backward", "avg_backward".

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    backward = name.endswith("backward")
    mode = "avg" if name.startswith("avg") else "max"
    a = t.compute if t.is_floating_point or t is dtypes.int64 else "int"
    gpu = (variant or context.caps.kind) != "cpu"
    shape = (*lead, *(w.size if backward else w.out)[3 - w.ndim :])
    layout = Layout.of(shape)
    planes = math.prod(lead)
    plane = w.size[0] * w.size[1] * w.size[2]
    if not gpu and _tiles(w) and name != "pick" and form != "flat":
        return _tiled(context, name, w, layout, t, a, form, override)
    if not gpu and mode == "max" and backward and form == "flat":
        # where no two windows share an input, nothing is added, so that the halves lose nothing either
        alone = (
            not w.adaptive and w.dilation == (1, 1, 1) and all(k <= s for k, s in zip(w.kernel, w.stride, strict=True))
        )
        if (t.compute == t.ctype or alone) and planes >= context.caps.compute_units:
            return _scattered(context, w, layout, t, form, planes, alone)
    if plane >= 2**31:
        raise RuntimeError(f"pooling of planes of {plane} elements is not supported, at most {2**31 - 1}")
    lo = hi = width = 0
    stride = w.stride[2]
    if not gpu and name != "pick" and _vectors(w):
        lo, hi = _groups(w, mode) if backward else w.whole(2)
        width = _width(hi - lo, a)
    table = w.backward_table(include_pad) if backward else w.forward_table(include_pad)
    storage = context.alloc(table.nbytes)
    context.write(storage.buf, table.view(np.uint8), owned=True)
    kernel = context.kernel(
        "pool_backward" if backward else "pool",
        f"ct_{name}_pool",
        "ll" + "i" * 19 + "lbblb" + ("b" if form else ""),
        name=f"{name}_pool",
        mode=mode,
        variant="items" if gpu else "rows",
        index=form,
        I=index_dtype(form).ctype,
        X=t.ctype,
        xtag=t.tag,
        A=a,
        M=MASK[a],
        low="-INFINITY" if t.is_floating_point else _lowest(t),
        W=width,
        S=stride if width else 0,
        L="int" if layout.numel < 2**30 else "long",
        **({"single": False} if backward else {"pick": name == "pick", "U": 1 if gpu else 8}),
    )
    per_item = 0
    count = layout.numel
    if gpu:
        sizes: Any = grid(context, count)
    else:
        row = max(shape[-1], 1)
        count //= row
        per_item, sizes = _stretches(context, count, planes * plane)
    pre = (
        count, per_item, *w.size, *w.out, *w.kernel[1:], *w.stride, *w.padding, *w.dilation, lo, hi, override,
        storage.buf,
    )  # fmt: skip
    return Plan(kernel, sizes, pre, storage, layout, t)


def _stretches(context: Any, count: int, work: int) -> tuple[int, Any]:
    """Return (units per work-item, launch size) for a CPU device."""
    items = max(1, min(context.caps.compute_units * 4, -(-work // _GRAIN), count))
    per_item = max(1, -(-count // items))
    return per_item, ((max(1, -(-count // per_item)),), (1,))


def _tiled(context: Any, name: str, w: Windows, layout: Layout, t: dtype, a: str, form: str, override: int) -> Plan:
    row, taps = w.out[2], w.kernel[1] * 2
    large = layout.numel if name.endswith("backward") else layout.numel * taps
    rows = large // max(row * taps, 1)
    most = 16 if MASK[a] == "int" else 8
    kernel = context.kernel(
        "pool_tiles",
        f"ct_{name}_tiles",
        "llilblb" + ("b" if form else ""),
        name=f"{name}_tiles",
        mode="avg" if name.startswith("avg") else "max",
        backward=name.endswith("backward"),
        index=form,
        X=t.ctype,
        xtag=t.tag,
        A=a,
        M=MASK[a],
        KH=w.kernel[1],
        W=next(v for v in (4, 8, 16) if v >= row or v == most),
    )
    per_item, sizes = _stretches(context, rows, large)
    return Plan(kernel, sizes, (rows, per_item, row, override or taps), None, layout, t)


def _scattered(context: Any, w: Windows, layout: Layout, t: dtype, form: str, planes: int, alone: bool) -> Plan:
    inputs, outputs = math.prod(w.size), math.prod(w.out)
    kernel = context.kernel(
        "pool_backward",
        "ct_max_scatter_pool",
        "llllblbb",
        name="max_scatter_pool",
        mode="max",
        variant="planes",
        index=form,
        I=index_dtype(form).ctype,
        X="ushort" if t.itemsize == 2 else t.ctype,  # the halves are only moved
        xtag=t.tag,
        A=t.compute,
        M=MASK[t.compute],
        W=1,
        S=0,
        single=alone,
        L="long",
    )
    per_item, sizes = _stretches(context, planes, planes * (inputs + outputs))
    return Plan(kernel, sizes, (planes, per_item, inputs, outputs), None, layout, t)


def _lowest(t: dtype) -> str:
    low = dtypes.iinfo(t).min
    return "LONG_MIN" if t is dtypes.int64 else "INT_MIN" if t is dtypes.int32 else str(low)


def _groups(w: Windows, mode: str) -> tuple[int, int]:
    """Return the range of q for which the inputs q * stride - padding … are held by existing windows alone.

    The windows that may hold them are q - reach … q; an average also needs them to have one divisor.
    """
    stride, padding = w.stride[2], w.padding[2]
    first, last = w.whole(2) if mode == "avg" else (0, w.out[2])
    reach = (w.kernel[2] - 1) * w.dilation[2] // stride
    lo = max(-(-padding // stride), first + reach)
    hi = min((w.size[2] - stride + padding) // stride, last - 1) + 1
    return lo, max(lo, hi)
