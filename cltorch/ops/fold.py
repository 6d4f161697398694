"""Windows of images as columns, and the sum of columns over the windows: each is the other's adjoint.

The sums go through the windows that hold an element in the order of the kernel's elements, so that they have the same
bits in every run.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.plan import GRAIN, grid
from cltorch.ops.softmax import dense

Pair = tuple[int, int]
_COPIED = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}


class Blocks(NamedTuple):
    """The geometry of sliding windows over images of a size."""

    size: Pair
    kernel: Pair
    dilation: Pair
    padding: Pair
    stride: Pair

    @property
    def out(self) -> Pair:
        """Return how many windows there are along height and width."""
        h, w = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, d, p, s in zip(self.size, self.kernel, self.dilation, self.padding, self.stride, strict=True)
        )
        return h, w

    def shape(self, columns: bool) -> tuple[int, ...]:
        """Return the sizes behind (planes,) of the columns or of the images."""
        return (*self.kernel, *self.out) if columns else self.size


def run(x: Any, lead: tuple[int, ...], b: Blocks, fold: bool, variant: str = "") -> Any:
    """Return the columns of an Array of images or with ``fold`` the images of an Array of columns.

    ``lead`` are the dimensions before those of one image. ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    t = x.dtype
    check_dtype(t, x.device)
    x = dense(x)
    planes = math.prod(lead)
    sizes = b.shape(not fold)
    # columns of one sample: (C, kh, kw) are one dimension, (oh, ow) another
    kh, kw = b.kernel
    out = empty((*lead, *b.size) if fold else (*lead[:-1], lead[-1] * kh * kw, math.prod(b.out)), t, x.device)
    if out.lay.numel == 0:
        return out
    context = x.device.context
    key = ("fold", t, planes, b, fold, variant)
    plan = context.ready.get(key)
    if plan is None:
        gpu = (variant or context.caps.kind) != "cpu"
        kernel = context.kernel(
            "fold", "ct_fold" if fold else "ct_unfold", "ll" + "i" * 12 + "blb", name="fold" if fold else "unfold",
            fold=fold, mode="items" if gpu else "rows", X=t.ctype if fold else _COPIED[t.itemsize],
            xtag=t.tag if fold else "", A=compute_dtype(t).compute,
        )  # fmt: skip
        count, per_item = out.lay.numel, 0
        if gpu:
            launch: Any = grid(context, count)
        else:
            rows = count // sizes[-1]
            work = planes * max(math.prod(b.shape(True)), math.prod(b.size))
            items = max(1, min(rows, context.caps.compute_units * 4, -(-work // GRAIN)))
            count, per_item = rows, -(-rows // items)
            launch = (-(-rows // per_item),), (1,)
        head = (count, per_item, *b.size, *b.kernel, *b.out, *b.dilation, *b.padding, *b.stride)
        plan = context.ready[key] = kernel, launch, head
    kernel, launch, head = plan
    kernel.launch(*launch, (*head, x._storage.buf, x.lay.offset, out._storage.buf))
    return out


def _windows(b: Blocks, i: int, j: int) -> tuple[slice, slice]:
    """Return the part of the padded image that one element of the kernel reads, window by window."""
    y, x = i * b.dilation[0], j * b.dilation[1]
    (oh, ow), (sh, sw) = b.out, b.stride
    return slice(y, y + (oh - 1) * sh + 1, sh), slice(x, x + (ow - 1) * sw + 1, sw)


def _host(x: Any, lead: tuple[int, ...], b: Blocks, fold: bool) -> Any:
    (kh, kw), (ph, pw), (h, w) = b.kernel, b.padding, b.size
    planes = math.prod(lead)
    taps = list(product(range(kh), range(kw)))
    if fold:
        a = host_compute(x).reshape(planes, len(taps), *b.out)
        out = np.zeros((planes, h + 2 * ph, w + 2 * pw), a.dtype)
        for k, (i, j) in enumerate(taps):
            at = (slice(None), *_windows(b, i, j))
            out[at] += a[:, k]
        return from_host(out[:, ph : ph + h, pw : pw + w].reshape(*lead, h, w).copy(), x.dtype, x.device)
    padded = np.pad(host(x).reshape(planes, h, w), ((0, 0), (ph, ph), (pw, pw)))
    result = empty((*lead[:-1], lead[-1] * kh * kw, math.prod(b.out)), x.dtype, x.device)
    columns = host(result).reshape(planes, len(taps), *b.out)
    for k, (i, j) in enumerate(taps):
        at = (slice(None), *_windows(b, i, j))
        columns[:, k] = padded[at]
    return result


class Im2Col(Op):
    """The windows of images as columns: (…, C, H, W) to (…, C kh kw, windows)."""

    name = "im2col"
    linear = slice(1)
    node = "Im2Col"

    @staticmethod
    def forward(c: Any, x: Any, b: Blocks) -> Any:
        c.blocks = b
        lead = tuple(x.lay.shape[:-2])
        return _host(x, lead, b, False) if x.device.type == "cpu" else run(x, lead, b, False)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.col2im_blocks(g, c.blocks), None


class Col2Im(Op):
    """The sums over the windows that hold each element: (…, C kh kw, windows) to (…, C, H, W)."""

    name = "col2im"
    linear = slice(1)
    node = "Col2Im"

    @staticmethod
    def forward(c: Any, x: Any, b: Blocks) -> Any:
        c.blocks = b
        shape = x.lay.shape
        lead = (*shape[:-2], shape[-2] // math.prod(b.kernel))
        return _host(x, lead, b, True) if x.device.type == "cpu" else run(x, lead, b, True)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.im2col_blocks(g, c.blocks), None
