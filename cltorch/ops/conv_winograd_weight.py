"""Launch plans of Winograd's algorithm for a weight's gradient on CPU-class devices (kernels/conv_winograd_weight.cl).

Its error is that of ``conv_winograd``, in units of the largest sum of absolute values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import tuning
from cltorch.ops.conv_cpu import element, finish, table, vector_width
from cltorch.ops.conv_shape import Geometry, Stencil
from cltorch.ops.conv_winograd import INTS, NV, block_fields, block_for, sizes_for

#: what ct_winograd_weight reads from its table behind INTS, in this order
LONGS = (
    "x_n", "x_c", "x_h", "x_w", "x_end", "g_n", "g_c", "g_h", "g_w", "g_end", "size", "each", "v_size", "v_point",
    "m_size", "m_point",
)  # fmt: skip


def divide(c: int, k: int, groups: int, blocks: int, block: int, nr: int, units: int) -> tuple[int, int]:
    """Return (blocks of a part, tiles of lanes of a work-item) that finish first on ``units`` cores.

    Cutting lanes repeats the transform of the source, cutting blocks makes more sums to be joined.
    """
    tiles = -(-k // nr)
    best, choice = float("inf"), (blocks, tiles)
    for parts in sorted({min(blocks, i) for i in (1, 2, 3, 4, 6, 8, 12, 16)}):
        share = -(-blocks // parts)
        made = -(-blocks // share)
        for cut in sorted({min(tiles, i) for i in (1, 2, 4, 8)}):
            span = -(-tiles // cut)
            lanes = min(k, span * nr)
            cost = share * block * (18 * c + 20 * lanes + c * lanes * 36 / 32 * (1 + 8 / block))
            join = made * groups * k * c * 36 / 8 / units
            total = (cost + 2000) * finish(made * -(-tiles // span) * groups, units) + join
            if total < best:
                best, choice = total, (share, span)
    return choice


def weight_gradient(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, y: Layout, bias: bool
) -> Callable[..., Any]:
    """Return the launcher of the gradient of a 3x3 weight, as ``conv_cpu_weight.weight_gradient``'s."""
    caps = context.caps
    item = element(t)
    vw = vector_width(caps.float_width, item)
    nr = NV * vw
    th, tw = -(-s.dst[1] // 4), -(-s.dst[2] // 4)
    rows, tiles = g.n * th, -(-s.lanes // nr)
    # enough tiles to load and store the sums seldom
    want = tuning.parameters(context, "convolution weight cpu", item)["winograd_tiles"]
    high, wide = block_for(rows, tw, want)
    blocks = -(-rows // high) * -(-tw // wide)
    share, span = divide(s.reduced, s.lanes, g.groups, blocks, high * wide, nr, caps.compute_units)
    parts = -(-blocks // share)
    size = (1 + 36 * (s.reduced + 1)) * nr
    values = {
        **block_fields(g, s, x, (high, wide), vw, item), "span": span, "share": share, "g_n": y.strides[0],
        "g_c": y.strides[1], "g_h": y.strides[3], "g_w": y.strides[4], "g_end": y.extent() - y.offset, "size": size,
    }  # fmt: skip
    tab = table(context, INTS + LONGS, values, ())
    params = {
        "ti": t.name, "sizes": sizes_for(caps.float_width), "nv": NV, "vw": vw, "ints": INTS, "longs": LONGS,
    }  # fmt: skip
    kernel = context.kernel("conv_winograd_weight", "ct_winograd_weight", "bbbbbll", **params)
    join = context.kernel("conv_winograd_weight", "ct_winograd_join", "bbbbiii", **params)
    size3 = (parts, -(-tiles // span), g.groups)
    sums_bytes, room = parts * g.groups * tiles * size * item, size3[0] * size3[1] * size3[2] * values["each"] * item
    join_size = (-(-s.reduced // vw), g.groups * tiles)
    channels = g.groups * s.lanes
    alloc, nbytes, bias_bytes = context.alloc, channels * s.reduced * 9 * t.itemsize, channels * t.itemsize

    def run(x_buf: Any, x_off: int, g_buf: Any, g_off: int) -> Any:
        sums, space, result = alloc(sums_bytes), alloc(room), alloc(nbytes)
        second = alloc(bias_bytes) if bias else result
        kernel.launch(size3, (1, 1, 1), (x_buf, g_buf, sums.buf, space.buf, tab.buf, x_off, g_off))
        join.launch(join_size, (1, 1), (sums.buf, result.buf, second.buf, tab.buf, parts, g.groups, int(bias)))
        return result, second

    return run
