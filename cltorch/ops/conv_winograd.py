"""Launch plans of Winograd's convolution F(4x4, 3x3) on CPU-class devices (kernels/conv_winograd.cl).

It rounds more than a plain sum: the error against float64 stays below ``ERROR`` units of 2**-24 of the largest
convolution of absolute values, where a plain sum stays below about 3. An infinity or NaN in the source spreads to the
results of the tiles that read it, at most 3 places further than a plain sum would let it.

Sources: Lavin and Gray, https://arxiv.org/abs/1509.09308; on its error, Barabasz and others,
https://arxiv.org/abs/1803.10986
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.conv_cpu import element, table, vector_width, whole
from cltorch.ops.conv_shape import Geometry, Stencil, Triple
from cltorch.ops.packing import Packing

#: what ct_winograd reads from its table, in this order
INTS = (
    "reduced", "lanes", "tiles", "span", "share", "blocks", "blocks_w", "block_h", "block_w", "rows", "depth", "TH",
    "TW", "IH", "IW", "OH", "OW", "low_h", "low_w",
)  # fmt: skip
LONGS = (
    "x_n", "x_c", "x_h", "x_w", "x_end", "y_n", "y_c", "w_group", "w_lane", "w_reduced", "w_end", "each", "v_size",
    "v_point", "m_size", "m_point",
)  # fmt: skip
#: vectors of lanes in a register tile
NV = 2
#: tiles of a block: enough to read the weight seldom, few enough for the second cache
WANT = 28
#: bytes of a transformed weight that stay in the last cache; a larger one is made and used in slices of the second
KEEP, SLICE = 16 << 20, 8 << 20
#: bound of the error, see above
ERROR = 100


def sizes_for(float_width: int) -> tuple[int, ...]:
    """Return the tiles of a register tile, the largest first; see ``conv_cpu.tiles_for``."""
    return (14, 8, 4) if float_width >= 16 else (6, 3)


def block_for(rows: int, width: int, want: int) -> tuple[int, int]:
    """Return (rows, columns) of a block of about ``want`` tiles."""
    if width >= 2 * want:
        return 1, -(-width // -(-width // want))
    high = max(1, min(rows, round(want / width)))
    return -(-rows // -(-rows // high)), width


def even_block(rows: int, width: int, want: int, units: int, sizes: tuple[int, ...]) -> tuple[int, int]:
    """Return ``block_for`` with as many rows, from half to one and a half times so many, as let all cores end together.

    The last register tile of a block is rarely full, which counts too.
    """
    middle, wide = block_for(rows, width, want)
    best, choice = float("inf"), middle
    for high in range(max(1, middle // 2), min(rows, middle * 3 // 2) + 1):
        blocks = -(-rows // high) * -(-width // wide)
        share = -(-blocks // min(blocks, 4 * units))
        covered = whole(high * wide, sizes[-1]) + 4
        items = -(-blocks // share)
        cost = (-(-items // units) * share + abs(high - middle) / (8 * middle)) * covered
        if cost < best:
            best, choice = cost, high
    return choice, wide


def block_fields(g: Geometry, s: Stencil, x: Layout, block: tuple[int, int], vw: int, size: int) -> dict[str, int]:
    """Return what the table says of the source, its tiles, blocks of them, and the memory of a work-item.

    The forward pass and the gradient of the weight transform their source alike; values have ``size`` bytes.
    """
    high, wide = block
    th, tw = -(-s.dst[1] // 4), -(-s.dst[2] // 4)
    rows, nr = g.n * th, NV * vw
    blocks_w = -(-tw // wide)
    # rows and planes are a little apart from round numbers, so that they do not meet in the same sets of a cache
    depth, most = whole(s.reduced, vw), high * wide
    if depth * size >= 1024:
        depth += vw
    v_point, m_point = most * depth + vw, most * nr + vw
    plane = (4 * min(high, th) + 2) * (4 * wide + 2) * vw
    return {
        "reduced": s.reduced, "lanes": s.lanes, "tiles": -(-s.lanes // nr), "blocks": -(-rows // high) * blocks_w,
        "blocks_w": blocks_w, "block_h": high, "block_w": wide, "rows": rows, "depth": depth, "TH": th, "TW": tw,
        "IH": s.src[1], "IW": s.src[2], "OH": s.dst[1], "OW": s.dst[2], "low_h": s.low[1], "low_w": s.low[2],
        "x_n": x.strides[0], "x_c": x.strides[1], "x_h": x.strides[3], "x_w": x.strides[4],
        "x_end": x.extent() - x.offset, "each": 36 * (v_point + m_point) + plane, "v_size": 36 * v_point,
        "v_point": v_point, "m_size": 36 * m_point, "m_point": m_point,
    }  # fmt: skip


def correlation(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, w_strides: Triple, bias: bool
) -> Callable[..., Any]:
    """Return the launcher of a stencil with a 3x3 window, as ``conv_cpu.correlation``'s."""
    caps = context.caps
    size = element(t)
    vw = vector_width(caps.float_width, size)
    nr = NV * vw
    th, tw = -(-s.dst[1] // 4), -(-s.dst[2] // 4)
    rows, tiles = g.n * th, -(-s.lanes // nr)
    high, wide = even_block(rows, tw, WANT, caps.compute_units, sizes_for(caps.float_width))
    blocks = -(-rows // high) * -(-tw // wide)
    items = min(blocks, 4 * caps.compute_units)
    share = -(-blocks // items)
    items = -(-blocks // share)
    each_lanes = (1 + 36 * (s.reduced + 1)) * nr * size
    packed_all = g.groups * tiles * each_lanes
    slices = max(1, min(-(-packed_all // SLICE), tiles // 2)) if packed_all > KEEP else 1
    slice_tiles = -(-tiles // slices)
    span = -(-slice_tiles // min(slice_tiles, -(-caps.compute_units // (items * g.groups))))
    values = {
        **block_fields(g, s, x, (high, wide), vw, size), "span": span, "share": share,
        "y_n": g.groups * s.lanes * s.dst[1] * s.dst[2], "y_c": s.dst[1] * s.dst[2], "w_group": w_strides[0],
        "w_lane": w_strides[1], "w_reduced": w_strides[2], "w_end": g.groups * s.lanes * s.reduced * 9,
    }  # fmt: skip
    (phase,) = s.phases
    numbers = [number for number, *_ in sorted(phase.taps, key=lambda tap: tap[2])]
    tab = table(context, INTS + LONGS, values, numbers)
    params = {
        "ti": t.name, "sizes": sizes_for(caps.float_width), "nv": NV, "vw": vw, "ints": INTS, "longs": LONGS,
    }  # fmt: skip
    pack = context.kernel("conv_winograd", "ct_winograd_pack", "bbbblliiii", **params)
    kernel = context.kernel("conv_winograd", "ct_winograd", "bbbbblii", **params)
    chunk = max(1, min(s.reduced, 64))
    pack_chunks = -(-s.reduced // chunk)
    packed_bytes = g.groups * slice_tiles * each_lanes
    cuts = [(first, min(slice_tiles, tiles - first)) for first in range(0, tiles, slice_tiles)]
    room = items * -(-slice_tiles // span) * g.groups * values["each"] * size
    alloc, has_bias = context.alloc, int(bias)
    nbytes = g.n * g.groups * s.lanes * s.dst[1] * s.dst[2] * t.itemsize

    def lay_out(form: Any, w_buf: Any, w_off: int, b_buf: Any, b_off: int, first: int = 0, count: int = tiles) -> None:
        head = (w_buf, b_buf, form, tab.buf, w_off, b_off, has_bias, chunk)
        pack.launch((pack_chunks, g.groups * count), (1, 1), (*head, first, count))

    packing = Packing(context, packed_bytes, lay_out)

    def run(x_buf: Any, x_off: int, w: Any, w_off: int, b: Any, b_off: int) -> Any:
        space, result = alloc(room), alloc(nbytes)
        form = packing.of(w, w_off, b, b_off) if slices == 1 else alloc(packed_bytes)
        for first, count in cuts:
            if slices > 1:
                lay_out(form.buf, w.buf, w_off, b.buf, b_off, first, count)
            size3 = (items, -(-count // span), g.groups)
            kernel.launch(size3, (1, 1, 1), (x_buf, form.buf, result.buf, space.buf, tab.buf, x_off, first, count))
        return result

    return run
