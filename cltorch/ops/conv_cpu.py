"""Launch plans of convolutions on CPU-class devices (kernels/conv.cl, kernels/conv_weight.cl)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.conv_shape import Geometry, Stencil, Triple

#: what ct_conv reads from its table, in this order
INTS = (
    "reduced", "lanes", "groups", "planes", "phases", "taps", "tiles", "splits", "span", "channels", "panel_size",
    "ID", "IH", "IW", "OD", "OH", "OW", "step_d", "step_h", "step_w", "dst_step_d", "dst_step_h", "dst_step_w",
    "low_d", "low_h", "low_w", "block_d", "block_h", "block_w", "blocks_h", "blocks_w", "Ud", "Uh", "Uw",
)  # fmt: skip
LONGS = ("x_n", "x_c", "x_d", "x_h", "x_w", "x_end", "y_c", "w_group", "w_lane", "w_reduced")


@dataclass(frozen=True)
class Tile:
    """The parameters of kernels/conv.cl: m results by nv vectors of vw lanes; room is the local memory's elements."""

    m: int
    nv: int
    vw: int
    room: int

    @property
    def nr(self) -> int:
        """Return the lanes of a tile."""
        return self.nv * self.vw


def tile_for(float_width: int, local_mem: int, itemsize: int, row: int) -> Tile:
    """Return the tile of a device class for rows of a length: m of them, or m / 2 at the end of a row.

    m * nv accumulators, nv vectors of weights and one of values must fit the registers: 32 on AVX-512, 16 on AVX2.
    """
    vw = max(2, min(16, float_width) * 4 // itemsize)
    sizes = (14, 8) if float_width >= 16 else (6, 4)
    m = min(sizes, key=lambda m: (-(-row // (m // 2)) * (m // 2), -m))
    return Tile(m, 2, vw, min(local_mem, 393216) // itemsize // vw * vw)


@dataclass(frozen=True)
class Division:
    """How the work is cut: results per block, channels per panel, tiles of lanes per work-item."""

    block: Triple
    channels: int
    span: int
    panel: int


def divide(s: Stencil, n: int, groups: int, w: Tile, units: int) -> Division | None:
    """Return the division that ends first on ``units`` cores; None where no panel fits the local memory.

    Small blocks fill all cores and stay in the caches, large ones read less of the input twice. Costs are estimated in
    cycles of a core with two multiply-add units.
    """
    tiles = -(-s.lanes // w.nr)
    taps = sum(len(phase.taps) for phase in s.phases)
    best, choice = float("inf"), None
    for block in _blocks(s.steps):
        u = [b + halo for b, halo in zip(block, s.halo, strict=True)]
        each = len(s.planes) * prod(u)
        results = prod(block)
        spare = w.room - _whole(results * w.nr, w.vw) - w.m * w.nr - 2 * (w.vw + w.m)
        channels = min(s.reduced, spare // each)
        if channels < 1:
            continue
        row = 12 + u[2] * (0.3 if s.src_step[2] == 1 else 1.5)
        pack = s.reduced * len(s.planes) * u[0] * u[1] * row
        covered = results // block[2] * _whole(block[2], w.m // 2)
        tile = covered * (s.reduced * taps + 12) * w.nv / 2 + len(s.phases) * results * w.nv * 6
        blocks = n * groups * prod(-(-q // b) for q, b in zip(s.steps, block, strict=True))
        for span in sorted({1, 2, 4, 8, tiles}):
            if span > tiles:
                continue
            packs = 1 if channels == s.reduced else span * len(s.phases)
            items = blocks * -(-tiles // span)
            cost = (packs * pack + span * tile + 2000) * max(-(-items // units), items / units + 0.5)
            if cost < best:
                best = cost
                choice = Division(block, channels, span, _whole(channels * each + w.vw + w.m, w.vw))
    return choice


def _blocks(steps: Triple) -> list[Triple]:
    """Return the candidates for a block: whole rows in equal parts, or parts of one row."""
    d, h, width = steps
    found = [(-(-d // i), h, width) for i in _parts(d)]
    found += [(1, -(-h // i), width) for i in _parts(h)]
    found += [(1, 1, _whole(-(-width // i), 56)) for i in _parts(width) if width > 112 * i]
    return list(dict.fromkeys(found))


def _parts(n: int) -> list[int]:
    return sorted({min(n, i) for i in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 32, 64, 128, 512, 2048, n)})


def _whole(n: int, step: int) -> int:
    return -(-n // step) * step


def table(context: Any, names: Sequence[str], values: dict[str, int], rest: Sequence[int]) -> Any:
    """Return a storage with a kernel's table: the named values, then the rest, as longs."""
    numbers = np.array([*(values[name] for name in names), *rest], np.int64)
    storage = context.alloc(numbers.nbytes)
    context.write(storage.buf, numbers.view(np.uint8), owned=True)
    return storage


def correlation(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, w_strides: tuple[int, int, int], bias: bool
) -> Callable[..., Any] | None:
    """Return the launcher of a stencil: (x buffer, x offset, weight buffer, offset, bias buffer, offset) -> storage.

    ``w_strides`` are the weight's steps from group to group, lane to lane and reduced channel to the next.
    """
    caps = context.caps
    size = 8 if t.itemsize == 8 else 4
    w = tile_for(caps.float_width, caps.local_mem, size, s.steps[2])
    cut = divide(s, g.n, g.groups, w, caps.compute_units)
    if cut is None:
        return None
    tiles = -(-s.lanes // w.nr)
    splits = -(-tiles // cut.span)
    blocks = [-(-q // b) for q, b in zip(s.steps, cut.block, strict=True)]
    ud, uh, uw = (b + halo for b, halo in zip(cut.block, s.halo, strict=True))
    out = prod(s.dst)
    values = {
        "reduced": s.reduced, "lanes": s.lanes, "groups": g.groups, "planes": len(s.planes), "phases": len(s.phases),
        "taps": sum(len(p.taps) for p in s.phases), "tiles": tiles, "splits": splits, "span": cut.span,
        "channels": cut.channels, "panel_size": cut.panel, "blocks_h": blocks[1], "blocks_w": blocks[2],
        "Ud": ud, "Uh": uh, "Uw": uw, "x_n": x.strides[0], "x_c": x.strides[1], "x_end": x.extent() - x.offset,
        "y_c": out, "w_group": w_strides[0], "w_lane": w_strides[1], "w_reduced": w_strides[2],
    }  # fmt: skip
    for i, d in enumerate("dhw"):
        values |= {
            f"I{d.upper()}": s.src[i], f"O{d.upper()}": s.dst[i], f"step_{d}": s.src_step[i],
            f"dst_step_{d}": s.dst_step[i], f"low_{d}": s.low[i], f"block_{d}": cut.block[i],
            f"x_{d}": x.strides[2 + i],
        }  # fmt: skip
    phases: list[int] = []
    numbers: list[int] = []
    offsets: list[int] = []
    for p in s.phases:
        phases += [*p.first, len(numbers), len(p.taps)]
        for number, plane, (at_d, at_h, at_w) in p.taps:
            numbers.append(number)
            offsets.append(((plane * ud + at_d) * uh + at_h) * uw + at_w)
    rest = [*(i for plane in s.planes for i in plane), *phases, *numbers, *offsets]
    tab = table(context, INTS + LONGS, values, rest)
    params = {"ti": t.name, "m": w.m, "nv": w.nv, "vw": w.vw, "room": w.room, "ints": INTS, "longs": LONGS}
    pack = context.kernel("conv", "ct_conv_pack", "bbbbllii", **params)
    kernel = context.kernel("conv", "ct_conv", "bbbbl", **params)
    room = g.groups * tiles * (1 + s.reduced * values["taps"]) * w.nr * size
    chunk = max(1, 4096 // max(1, values["taps"] * w.nr))
    pack_size = (-(-s.reduced // chunk), g.groups * tiles)
    size3 = (prod(blocks), g.n, g.groups * splits)
    alloc, nbytes, has_bias = context.alloc, g.n * g.groups * s.lanes * out * t.itemsize, int(bias)

    def run(x_buf: Any, x_off: int, w_buf: Any, w_off: int, b_buf: Any, b_off: int) -> Any:
        packed, result = alloc(room), alloc(nbytes)
        pack.launch(pack_size, (1, 1), (w_buf, b_buf, packed.buf, tab.buf, w_off, b_off, has_bias, chunk))
        kernel.launch(size3, (1, 1, 1), (x_buf, packed.buf, result.buf, tab.buf, x_off))
        return result

    return run


#: what ct_conv_weight reads from its table, in this order
WEIGHT_INTS = (
    "reduced", "lanes", "groups", "planes", "phases", "taps", "tiles", "splits", "span", "share", "channels",
    "panel_size", "blocks", "per_part", "parts", "ID", "IH", "IW", "OD", "OH", "OW", "step_d", "step_h", "step_w",
    "low_d", "low_h", "low_w", "block_d", "block_h", "block_w", "blocks_d", "blocks_h", "blocks_w", "Ud", "Uh", "Uw",
)  # fmt: skip
WEIGHT_LONGS = ("x_n", "x_c", "x_d", "x_h", "x_w", "x_end", "g_n", "g_c", "g_d", "g_h", "g_w")


def weight_tile_for(float_width: int, local_mem: int, itemsize: int) -> Tile:
    """Return the tile of a weight's gradient: m units (9 are a window of 3x3) by nv vectors of lanes."""
    vw = max(2, min(16, float_width) * 4 // itemsize)
    m = 9 if float_width >= 16 else 5
    return Tile(m, 2, vw, min(local_mem, 393216) // itemsize // vw * vw)


@dataclass(frozen=True)
class WeightDivision:
    """How the work is cut: blocks of results, parts of the sum, tiles of lanes and channels per work-item."""

    block: Triple
    parts: int
    span: int
    share: int
    channels: int
    panel: int


def divide_weight(s: Stencil, n: int, groups: int, w: Tile, units: int) -> WeightDivision | None:
    """Return the division that ends first on ``units`` cores; None where no panel fits the local memory."""
    tiles, taps = -(-s.lanes // w.nr), len(s.phases[0].taps)
    best, choice = float("inf"), None
    for block in _blocks(s.steps):
        results = prod(block)
        blocks = n * prod(-(-q // b) for q, b in zip(s.steps, block, strict=True))
        u = [b + halo for b, halo in zip(block, s.halo, strict=True)]
        each = len(s.planes) * prod(u)
        row = len(s.planes) * u[0] * u[1] * (12 + u[2] * (0.3 if s.src_step[2] == 1 else 1.5))
        for span in sorted({1, 2, 4, tiles}):
            spare = w.room - span * results * w.nr - 2 * (w.vw + w.m)
            if span > tiles or spare < each:
                continue
            for share in sorted({-(-s.reduced // i) for i in (1, 2, 4, 8, units)}):
                channels = min(share, spare // each)
                take = results * w.nv * 8 * span
                tile = -(-channels * taps // w.m) * span * (results * w.m * w.nv / 2 + 6 * w.m * w.nv)
                cost = take + -(-share // channels) * tile + share * row
                others = groups * -(-tiles // span) * -(-s.reduced // share)
                for parts in sorted({min(blocks, i * units) for i in (1, 2, 3, 4)} | {1}):
                    items = parts * others
                    each_item = -(-blocks // parts) * cost + 2000
                    join = parts * groups * tiles * s.reduced * taps * w.nv * 4 / units
                    total = each_item * max(-(-items // units), items / units + 0.5) + join
                    if total < best:
                        best = total
                        panel = _whole(channels * each + w.vw + w.m, w.vw)
                        choice = WeightDivision(block, parts, span, share, channels, panel)
    return choice


def weight_gradient(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, y: Layout, bias: bool
) -> Callable[..., Any] | None:
    """Return the launcher of a weight's gradient: (x buffer, x offset, gradient buffer, offset) -> storages of both."""
    caps = context.caps
    size = 8 if t.itemsize == 8 else 4
    w = weight_tile_for(caps.float_width, caps.local_mem, size)
    cut = divide_weight(s, g.n, g.groups, w, caps.compute_units)
    if cut is None:
        return None
    tiles, taps = -(-s.lanes // w.nr), g.taps
    blocks = [-(-q // b) for q, b in zip(s.steps, cut.block, strict=True)]
    ud, uh, uw = (b + halo for b, halo in zip(cut.block, s.halo, strict=True))
    number = g.n * prod(blocks)
    per_part = -(-number // cut.parts)
    parts = -(-number // per_part)
    splits = -(-tiles // cut.span)
    values = {
        "reduced": s.reduced, "lanes": s.lanes, "groups": g.groups, "planes": len(s.planes), "phases": 1, "taps": taps,
        "tiles": tiles, "splits": splits, "span": cut.span, "share": cut.share, "channels": cut.channels,
        "panel_size": cut.panel, "blocks": number, "per_part": per_part, "parts": parts, "Ud": ud, "Uh": uh, "Uw": uw,
        "x_n": x.strides[0], "x_c": x.strides[1], "x_end": x.extent() - x.offset,
        "g_n": y.strides[0], "g_c": y.strides[1],
    }  # fmt: skip
    for i, d in enumerate("dhw"):
        values |= {
            f"I{d.upper()}": s.src[i], f"O{d.upper()}": s.dst[i], f"step_{d}": s.src_step[i], f"low_{d}": s.low[i],
            f"block_{d}": cut.block[i], f"blocks_{d}": blocks[i], f"x_{d}": x.strides[2 + i],
            f"g_{d}": y.strides[2 + i],
        }  # fmt: skip
    (phase,) = s.phases
    offsets = [((plane * ud + at[0]) * uh + at[1]) * uw + at[2] for _, plane, at in phase.taps]
    rest = [*(i for plane in s.planes for i in plane), 0, 0, 0, 0, taps, *range(taps), *offsets]
    tab = table(context, WEIGHT_INTS + WEIGHT_LONGS, values, rest)
    params = {
        "ti": t.name,
        "m": w.m,
        "nv": w.nv,
        "vw": w.vw,
        "room": w.room,
        "ints": WEIGHT_INTS,
        "longs": WEIGHT_LONGS,
    }
    kernel = context.kernel("conv_weight", "ct_conv_weight", "bbbbll", **params)
    join = context.kernel("conv_weight", "ct_conv_weight_join", "bbbbii", **params)
    each = s.reduced * taps
    room = parts * g.groups * tiles * (each + 1) * w.nr * size
    chunk = max(64, -(-each // (4 * caps.compute_units)))
    size3 = (parts, splits * -(-s.reduced // cut.share), g.groups)
    join_size = (-(-each // chunk), g.groups * tiles)
    alloc, nbytes, bias_bytes = context.alloc, g.groups * s.lanes * each * t.itemsize, g.groups * s.lanes * t.itemsize

    def run(x_buf: Any, x_off: int, g_buf: Any, g_off: int) -> Any:
        sums, result = alloc(room), alloc(nbytes)
        second = alloc(bias_bytes) if bias else result
        kernel.launch(size3, (1, 1, 1), (x_buf, g_buf, sums.buf, tab.buf, x_off, g_off))
        join.launch(join_size, (1, 1), (sums.buf, result.buf, second.buf, tab.buf, int(bias), chunk))
        return result, second

    return run
