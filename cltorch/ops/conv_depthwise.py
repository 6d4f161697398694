"""Launch plans of convolutions of single channels on CPU-class devices.

kernels/conv_depthwise.cl makes results and gradients of the input, kernels/conv_depthwise_weight.cl those of the
weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import tuning
from cltorch.ops.conv_cpu import element, room_for, table, whole
from cltorch.ops.conv_shape import Geometry, Stencil

#: what ct_conv_depthwise reads from its table, in this order
INTS = (
    "groups", "total", "share", "planes", "phases", "taps", "wide", "apart", "panel_size", "IH", "IW", "OH", "OW",
    "jump", "step_h", "step_w", "low_h", "low_w", "block_h", "Uh", "Uw",
)  # fmt: skip
LONGS = ("x_n", "x_c", "x_h", "x_w", "x_end")
#: what ct_conv_depthwise_weight reads from its table
WEIGHT_INTS = (
    "groups", "samples", "per_part", "blocks", "panel_size", "IH", "IW", "OH", "OW", "pad_h", "pad_w", "block_h", "Uh",
    "Uw",
)  # fmt: skip
WEIGHT_LONGS = ("x_n", "x_c", "x_h", "x_w", "x_end", "g_n", "g_c", "g_h", "g_end")
#: heights of windows that have kernels of their own
_HIGH = (3, 5, 7)


def block_rows(s: Stencil, room: int, together: int, panel: int) -> int:
    """Return how many rows of results a panel holds; 0 where not even those fit that are made ``together``.

    ``panel`` elements stay in a core's first cache.
    """
    line = len(s.planes) * (s.steps[2] + s.halo[2])
    more = s.halo[1] + together  # rows of the window's reach, and those that the last vectors read in vain
    most = max(panel // line, 2 * s.halo[1] + 2 * together) - more
    if (min(most, s.steps[1]) + more) * line > room:
        most = room // line - more
    if most < min(together, s.steps[1]):
        return 0
    return min(s.steps[1], whole(-(-s.steps[1] // -(-s.steps[1] // most)), together))


def window(g: Geometry, s: Stencil) -> tuple[int, int]:
    """Return (rows, step) of a window whose rows of the source are read for several rows of results at once.

    (0, 1) for any other window.
    """
    high = g.kernel[1]
    if high not in _HIGH or g.dilation[1] != 1 or len(s.phases) > 1:
        return 0, 1
    if s.src_step == (1, 1, 1):
        return high, 1
    return (high, 2) if s.src_step[1:] == (2, 2) and g.dilation[2] == 1 else (0, 1)


def correlation(context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, bias: bool) -> Callable[..., Any] | None:
    """Return the launcher of a stencil of one channel per group, as ``conv_cpu.correlation``'s.

    None where a few rows of the padded input do not fit the local memory.
    """
    caps = context.caps
    size = element(t)
    chosen = tuning.parameters(context, "depthwise cpu", size)
    rows, vw, room = chosen["rows_together"], max(2, chosen["vector_bytes"] // size), room_for(caps.local_mem, size)
    phases, back = s.phases, len(s.phases) > 1
    block = block_rows(s, room - 3 * vw - g.taps, rows, chosen["panel_elements"])
    if not block:
        return None
    total, blocks = g.n * g.groups, -(-s.steps[1] // block)
    ordered = [sorted(phase.taps, key=lambda tap: (tap[1], tap[2])) for phase in phases]
    taps = [tap for each in ordered for tap in each]
    high, step = window(g, s)
    planes, fill, low = s.planes, s.src_step, [n * at for n, at in zip(s.src_step, s.low, strict=True)]
    uh, uw = block + s.halo[1], s.steps[2] + s.halo[2]
    columns = sorted({shift[2] for *_, shift in taps})
    if step == 2:
        # the source as it is, in one plane
        planes, fill, low = ((0, 0, 0),), (1, 1, 1), [-n for n in g.padding]
        uh, uw = 2 * block - 2 + high, 2 * s.steps[2] - 2 + g.kernel[2]
        columns = list(range(g.kernel[2]))
        taps = [(number, 0, (0, 0, 0)) for number in range(g.taps)]
    # the rows that the last vectors reach beyond the block are read, too, but never stored
    panel = whole((len(planes) * uh + rows * step) * uw + step * vw, vw)
    cost = block * (whole(s.steps[2], vw) // vw) * (len(taps) + 3) + len(planes) * uh * (uw // vw + 6)
    share = max(1, min(-(-total // (8 * caps.compute_units)), 40000 // cost))
    values = {
        "groups": g.groups, "total": total, "share": share, "planes": len(planes), "phases": len(phases),
        "taps": len(taps), "wide": len(columns), "apart": columns[-1] // max(1, len(columns) - 1),
        "panel_size": panel, "IH": s.src[1], "IW": s.src[2], "OH": s.dst[1], "OW": s.dst[2], "jump": s.src_step[1],
        "step_h": fill[1], "step_w": fill[2], "low_h": low[1], "low_w": low[2], "block_h": block, "Uh": uh, "Uw": uw,
        "x_n": x.strides[0], "x_c": x.strides[1], "x_h": x.strides[3], "x_w": x.strides[4],
        "x_end": x.extent() - x.offset,
    }  # fmt: skip
    offsets = [(plane * uh + at_h) * uw + at_w for _, plane, (_, at_h, at_w) in taps]
    starts = [sum(map(len, ordered[:i])) for i in range(len(phases))]
    parts = [n for p, at, each in zip(phases, starts, ordered, strict=True) for n in (*p.first, at, len(each))]
    rest = [*(i for plane in planes for i in plane), *parts, *(number for number, *_ in taps), *offsets]
    tab = table(context, INTS + LONGS, values, rest)
    params = {
        "ti": t.name, "vw": vw, "rows": rows, "high": high, "step": step, "room": room, "ints": INTS, "longs": LONGS,
        "back": back,
    }  # fmt: skip
    kernel = context.kernel("conv_depthwise", f"ct_conv_depthwise{'_back' * back}", "bbbbbllli", **params)
    size2 = (-(-total // share), blocks)
    alloc, nbytes, has_bias = context.alloc, total * s.dst[1] * s.dst[2] * t.itemsize, int(bias)

    def run(x_buf: Any, x_off: int, w: Any, w_off: int, b: Any, b_off: int) -> Any:
        result = alloc(nbytes)
        kernel.launch(size2, (1, 1), (x_buf, w.buf, b.buf, result.buf, tab.buf, x_off, w_off, b_off, has_bias))
        return result

    return run


def weight_gradient(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, y: Layout, bias: bool
) -> Callable[..., Any] | None:
    """Return the launcher of the weight's gradient of such a convolution, as ``conv_cpu_weight.weight_gradient``'s.

    None for windows and steps that the kernel does not know, gradients whose rows do not lie together, and where a few
    rows of the padded input do not fit the local memory.
    """
    (_, high, wide), step = g.kernel, g.stride[2]
    usual = high in _HIGH and wide in _HIGH and g.dilation[1:] == (1, 1) and g.stride[1:] in ((1, 1), (2, 2))
    if not usual or (y.strides[4] != 1 and y.shape[4] > 1):
        return None
    caps = context.caps
    size = element(t)
    chosen = tuning.parameters(context, "depthwise weight cpu", size)
    rows, vw, room = chosen["rows_together"], max(2, chosen["vector_bytes"] // size), room_for(caps.local_mem, size)
    oh, ow = s.dst[1:]
    uw = (ow - 1) * step + wide
    least = (high + rows * step) * uw
    most = (min(room - 3 * step * vw, max(chosen["panel_elements"], least)) // uw - high) // step + 1
    if most < min(rows, oh):
        return None
    blocks = -(-oh // most)
    block = min(oh, whole(-(-oh // blocks), rows))
    blocks = -(-oh // block)
    uh = (block - 1) * step + high
    # a few work-items for each core, whatever the channels are
    per_part = -(-g.n // max(1, min(g.n, 4 * caps.compute_units // (g.groups * blocks))))
    parts = -(-g.n // per_part)
    values = {
        "groups": g.groups, "samples": g.n, "per_part": per_part, "blocks": blocks,
        "panel_size": whole(uh * uw + 2 * step * vw, vw), "IH": s.src[1], "IW": s.src[2], "OH": oh, "OW": ow,
        "pad_h": g.padding[1], "pad_w": g.padding[2], "block_h": block, "Uh": uh, "Uw": uw,
        "x_n": x.strides[0], "x_c": x.strides[1], "x_h": x.strides[3], "x_w": x.strides[4],
        "x_end": x.extent() - x.offset, "g_n": y.strides[0], "g_c": y.strides[1], "g_h": y.strides[3],
        "g_end": y.extent() - y.offset,
    }  # fmt: skip
    tab = table(context, WEIGHT_INTS + WEIGHT_LONGS, values, ())
    params = {
        "ti": t.name, "vw": vw, "rows": rows, "high": high, "wide": wide, "step": step,
        "together": wide if g.taps <= chosen["whole_taps"] else 1, "room": room, "ints": WEIGHT_INTS,
        "longs": WEIGHT_LONGS,
    }  # fmt: skip
    kernel = context.kernel("conv_depthwise_weight", "ct_conv_depthwise_weight", "bbbbbblli", **params)
    join = context.kernel("conv_depthwise_weight", "ct_conv_depthwise_weight_join", "bbbiii", **params)
    splits, has_bias, alloc = parts * blocks, int(bias), context.alloc
    sums_bytes = splits * g.groups * (g.taps + 1) * size if splits > 1 else 0
    nbytes, bias_bytes = g.groups * g.taps * t.itemsize, g.groups * t.itemsize

    def run(x_buf: Any, x_off: int, g_buf: Any, g_off: int) -> Any:
        result = alloc(nbytes)
        second = alloc(bias_bytes) if bias else result
        sums = alloc(sums_bytes) if sums_bytes else result
        buffers = x_buf, g_buf, result.buf, second.buf, sums.buf, tab.buf
        kernel.launch((g.groups, splits), (1, 1), (*buffers, x_off, g_off, has_bias))
        if sums_bytes:
            join.launch((g.groups,), (1,), (sums.buf, result.buf, second.buf, g.groups, splits, has_bias))
        return result, second

    return run
