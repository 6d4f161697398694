"""Launch plans of a convolution's weight gradient on CPU-class devices (kernels/conv_weight.cl)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import tuning
from cltorch.ops.conv_cpu import (
    blocks_of,
    element,
    finish,
    panel_cost,
    room_for,
    side_by_side,
    table,
    whole,
)
from cltorch.ops.conv_shape import Geometry, Stencil, Triple
from cltorch.ops.tuning import Parameters

#: columns of an image from which the sums over a row are long enough
_NARROW = 8
#: what ct_conv_weight reads from its table, in this order
INTS = (
    "reduced", "lanes", "groups", "planes", "phases", "taps", "tiles", "splits", "span", "share", "channels",
    "panel_size", "blocks", "per_part", "parts", "ID", "IH", "IW", "OD", "OH", "OW", "step_d", "step_h", "step_w",
    "low_d", "low_h", "low_w", "block_d", "block_h", "block_w", "blocks_d", "blocks_h", "blocks_w", "Ud", "Uh", "Uw",
    "window",
)  # fmt: skip
LONGS = ("x_n", "x_c", "x_d", "x_h", "x_w", "x_end", "g_n", "g_c", "g_d", "g_h", "g_w", "g_end")


@dataclass(frozen=True)
class Tile:
    """The register tile of kernels/conv_weight.cl, m units by nv vectors of vw.

    A vector holds lanes, or results of one lane (``flat``).
    """

    m: int
    nv: int
    vw: int
    flat: bool = False

    @property
    def lanes(self) -> int:
        """Return the output channels of a tile."""
        return self.nv if self.flat else self.nv * self.vw


@dataclass(frozen=True)
class Division:
    """How the work is cut: blocks of results, parts of the sum, tiles of lanes and channels per work-item."""

    block: Triple
    parts: int
    span: int
    share: int
    channels: int
    panel: int


def tiles_for(chosen: Parameters, itemsize: int) -> list[Tile]:
    """Return the tiles that parameters of "convolution weight cpu" name, and one for single lanes.

    m * nv accumulators, nv vectors and one more must fit the registers: 32 on AVX-512, 16 on AVX2.
    """
    vw = max(2, chosen["vector_bytes"] // itemsize)
    along_results = Tile(chosen["flat_rows"], chosen["flat_lanes"], vw, True)
    return [Tile(chosen["tile_rows"], chosen["tile_vectors"], vw), along_results, Tile(9, 1, vw, True)]


def divide(s: Stencil, n: int, groups: int, w: Tile, room: int, units: int) -> tuple[float, Division | None]:
    """Return the division that ends first on ``units`` cores, and its cost; None where no panel fits local memory."""
    tiles, taps = -(-s.lanes // w.lanes), len(s.phases[0].taps)
    best: float = float("inf")
    choice = None
    for block in blocks_of(s.steps):
        rows = block[0] * block[1]
        length = whole(block[2], w.vw) if w.flat else block[2]
        blocks = n * prod(-(-q // b) for q, b in zip(s.steps, block, strict=True))
        u = [b + halo for b, halo in zip(block, s.halo, strict=True)]
        each, row = len(s.planes) * prod(u), panel_cost(s, u)
        if w.flat:
            take = w.nv * rows * (8 + length / w.vw)
            inner = rows * (length // w.vw * w.m * max(w.nv / 2, 1) + 4)
        else:
            take = rows * length * w.nv * 8
            inner = rows * (length * w.m * w.nv / 2 + 4)
        for span in sorted({1, 2, 4, tiles}):
            spare = room - span * rows * length * w.lanes - 3 * w.vw - w.m
            if span > tiles or spare < each:
                continue
            for share in sorted({-(-s.reduced // i) for i in (1, 2, 4, 8, units)}):
                channels = min(share, spare // each)
                tile = -(-channels * taps // w.m) * (inner + 6 * w.m * w.nv)
                cost = span * take + -(-share // channels) * span * tile + share * row
                others = groups * -(-tiles // span) * -(-s.reduced // share)
                for parts in sorted({min(blocks, i * units) for i in (1, 2, 4)} | {1}):
                    join = parts * groups * tiles * s.reduced * taps * w.nv * 4 / units
                    total = (-(-blocks // parts) * cost + 2000) * finish(parts * others, units) + join
                    if total < best:
                        best = total
                        choice = Division(block, parts, span, share, channels, whole(channels * each + 2 * w.vw, w.vw))
    return best, choice


def weight_gradient(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, y: Layout, bias: bool
) -> Callable[..., Any] | None:
    """Return the launcher of a weight's gradient: (x buffer, x offset, gradient buffer, offset) -> storages of both.

    The second storage is the bias's gradient (the first again without one). None where the window is too large for the
    local memory.
    """
    caps = context.caps
    size = element(t)
    if s.live.phases[0].taps:
        s = s.live
    n, s, (x, y) = side_by_side(g.n, s, _NARROW, x, y)
    room = room_for(caps.local_mem, size)
    tiles_here = tiles_for(tuning.parameters(context, "convolution weight cpu", size), size)
    found = [(*divide(s, n, g.groups, w, room, caps.compute_units), w) for w in tiles_here]
    _, cut, w = min(found, key=lambda choice: choice[0])
    if cut is None:
        return None
    (phase,) = s.phases
    tiles, taps = -(-s.lanes // w.lanes), len(phase.taps)
    blocks = [-(-q // b) for q, b in zip(s.steps, cut.block, strict=True)]
    ud, uh, uw = (b + halo for b, halo in zip(cut.block, s.halo, strict=True))
    number = n * prod(blocks)
    per_part = -(-number // cut.parts)
    parts = -(-number // per_part)
    splits = -(-tiles // cut.span)
    values = {
        "reduced": s.reduced, "lanes": s.lanes, "groups": g.groups, "planes": len(s.planes), "phases": 1, "taps": taps,
        "tiles": tiles, "splits": splits, "span": cut.span, "share": cut.share, "channels": cut.channels,
        "panel_size": cut.panel, "blocks": number, "per_part": per_part, "parts": parts, "Ud": ud, "Uh": uh, "Uw": uw,
        "window": g.taps, "x_n": x.strides[0], "x_c": x.strides[1], "x_end": x.extent() - x.offset,
        "g_n": y.strides[0], "g_c": y.strides[1], "g_end": y.extent() - y.offset,
    }  # fmt: skip
    for i, d in enumerate("dhw"):
        values |= {
            f"I{d.upper()}": s.src[i], f"O{d.upper()}": s.dst[i], f"step_{d}": s.src_step[i], f"low_{d}": s.low[i],
            f"block_{d}": cut.block[i], f"blocks_{d}": blocks[i], f"x_{d}": x.strides[2 + i],
            f"g_{d}": y.strides[2 + i],
        }  # fmt: skip
    offsets = [((plane * ud + at[0]) * uh + at[1]) * uw + at[2] for _, plane, at in phase.taps]
    numbers = [number for number, *_ in phase.taps]
    rest = [*(i for plane in s.planes for i in plane), 0, 0, 0, 0, taps, *numbers, *offsets]
    tab = table(context, INTS + LONGS, values, rest)
    params = {
        "ti": t.name, "m": w.m, "nv": w.nv, "vw": w.vw, "flat": w.flat, "room": room, "ints": INTS, "longs": LONGS,
    }  # fmt: skip
    kernel = context.kernel("conv_weight", "ct_conv_weight", "bbbbll", **params)
    join = context.kernel("conv_weight", "ct_conv_weight_join", "bbbbii", **params)
    each = s.reduced * taps
    sums_bytes = parts * g.groups * tiles * (each + 1) * w.nv * w.vw * size
    chunk = whole(max(64, -(-each // (4 * caps.compute_units))), taps)
    size3 = (parts, splits * -(-s.reduced // cut.share), g.groups)
    join_size = (-(-each // chunk), g.groups * tiles)
    alloc, nbytes, bias_bytes = (
        context.alloc,
        g.groups * s.lanes * s.reduced * g.taps * t.itemsize,
        g.groups * s.lanes * t.itemsize,
    )

    def run(x_buf: Any, x_off: int, g_buf: Any, g_off: int) -> Any:
        sums, result = alloc(sums_bytes), alloc(nbytes)
        second = alloc(bias_bytes) if bias else result
        kernel.launch(size3, (1, 1, 1), (x_buf, g_buf, sums.buf, tab.buf, x_off, g_off))
        join.launch(join_size, (1, 1), (sums.buf, result.buf, second.buf, tab.buf, int(bias), chunk))
        return result, second

    return run
