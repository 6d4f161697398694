"""Launch plans of convolutions on CPU-class devices (kernels/conv.cl): tile sizes and division of the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import tuning
from cltorch.ops.conv_shape import Geometry, Stencil, Triple
from cltorch.ops.gemm_cpu import compute_type
from cltorch.ops.packing import Packing
from cltorch.ops.tuning import Parameters

#: what ct_conv reads from its table, in this order
INTS = (
    "reduced", "lanes", "groups", "planes", "phases", "taps", "tiles", "splits", "span", "share", "channels",
    "panel_size", "line", "first_d", "last_d", "first_h", "last_h", "ID", "IH", "IW", "OD", "OH", "OW", "step_d",
    "step_h", "step_w", "dst_step_d", "dst_step_h", "dst_step_w", "low_d", "low_h", "low_w", "block_d", "block_h",
    "block_w", "blocks_h", "blocks_w", "Ud", "Uh", "Uw",
)  # fmt: skip
LONGS = (
    "x_n", "x_c", "x_d", "x_h", "x_w", "x_end", "y_n", "y_c", "y_d", "y_h", "y_w", "w_group", "w_lane", "w_reduced",
)  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """The register tile of kernels/conv.cl, m by nv vectors of vw.

    Vectors run along lanes, or along results (``flat``).
    """

    m: int
    nv: int
    vw: int
    flat: bool = False

    @property
    def lanes(self) -> int:
        """Return the channels of the result in a tile."""
        return self.m if self.flat else self.nv * self.vw

    @property
    def run(self) -> int:
        """Return the places of the result in a tile; the end of a run takes a tile of half as many."""
        return self.nv * self.vw if self.flat else self.m


@dataclass(frozen=True)
class Division:
    """How the work is cut: results per block, channels per panel; tiles of lanes and groups per work-item."""

    block: Triple
    channels: int
    span: int
    share: int
    panel: int
    line: int


#: cycles until memory delivers, where reading or writing starts at another place
_STREAM = 100
#: columns of an image from which its rows fill tiles
_NARROW = 4


def room_for(local_mem: int, itemsize: int) -> int:
    """Return how many elements of local memory a kernel uses: what stays in a core's L2."""
    return max(min(local_mem, 393216), local_mem * 3 // 8) // itemsize // 16 * 16


def vector_width(float_width: int, itemsize: int) -> int:
    """Return the elements of a vector on a device."""
    return max(2, min(16, float_width) * 4 // itemsize)


def tiles_for(chosen: Parameters, itemsize: int) -> list[Tile]:
    """Return the tiles that parameters of "convolution cpu" name, and those along results.

    m * nv accumulators, nv vectors and one more must fit the registers: 32 on AVX-512, 16 on AVX2.
    """
    wide = chosen["vector_bytes"] >= 64
    vw = max(2, chosen["vector_bytes"] // itemsize)
    along_lanes = [Tile(chosen[name], chosen["tile_vectors"], vw) for name in ("tile_rows", "short_rows")]
    return along_lanes + [Tile(m, nv, vw, True) for m, nv in ((4, 4 if wide else 2), (1, 8))]


def divide(s: Stencil, n: int, groups: int, w: Tile, room: int, units: int) -> tuple[float, Division | None]:
    """Return the division that ends first on ``units`` cores and its cost; None where no panel fits the local memory.

    Small blocks fill all cores and stay in the caches, large ones read less of the input twice. Costs are estimated in
    cycles of a core with two multiply-add units.
    """
    tiles = -(-s.lanes // w.lanes)
    taps = sum(len(phase.taps) for phase in s.phases)
    best: float = float("inf")
    choice = None
    half = w.run // 2
    for block in blocks_of(s.steps):
        u = [b + halo for b, halo in zip(block, s.halo, strict=True)]
        each, rows = len(s.planes) * prod(u), block[0] * block[1]
        if w.flat:
            line = whole(((block[0] - 1) * u[1] + block[1] - 1) * u[2] + block[2], half)
            buf, covered = w.lanes * line, line // w.vw
            # a vector of results feeds m multiplications, but is loaded across the lines of the cache
            tile = covered * s.reduced * taps * max(w.m * 0.58, 1)
            tile += w.m * len(s.phases) * (_STREAM + rows * (8 + block[2] / w.vw))
        else:
            line, covered, tile = 0, rows * whole(block[2], half), 0.0
            buf = whole((rows * block[2] + w.m) * w.lanes, w.vw)
        channels = min(s.reduced, (room - buf - 2 * w.vw - w.run) // each)
        if channels < 1:
            continue
        if not w.flat:  # each panel of some of the channels begins with the sums that the one before has left
            each_row = s.reduced * taps + 12 * -(-s.reduced // channels)
            tile = covered * each_row * w.nv / 2 + len(s.phases) * rows * block[2] * w.nv * 6
        pack = s.reduced * panel_cost(s, u)
        weights = s.reduced * taps * w.lanes / 4  # to read them all, for each block anew
        blocks = n * prod(-(-q // b) for q, b in zip(s.steps, block, strict=True))
        for span in sorted({1, 2, 4, 8, tiles}):
            if span > tiles:
                continue
            packs = 1 if channels == s.reduced else span * len(s.phases)
            cost = packs * pack + span * (tile + weights)
            share = max(1, min(groups, int(20000 / cost)))
            items = blocks * -(-tiles // span) * -(-groups // share)
            total = (share * cost + 2000) * finish(items, units)
            if total < best:
                best = total
                choice = Division(block, channels, span, share, whole(channels * each + w.vw + w.run, w.vw), line)
    return best, choice


def panel_cost(s: Stencil, sizes: Sequence[int]) -> float:
    """Estimate the cycles to lay out one channel of a panel."""
    row = 12 + sizes[2] * {1: 0.3, 2: 0.5}.get(s.src_step[2], 1.5)
    return _STREAM + len(s.planes) * sizes[0] * sizes[1] * row


def finish(items: int, units: int) -> float:
    """Return after how many work-items' time the last of ``units`` cores ends, if one of them is disturbed a little."""
    return (-(-items // units) if items < 16 * units else items / units) + 0.2


def blocks_of(steps: Triple) -> list[Triple]:
    """Return the candidates for a block: whole rows in equal parts, or parts of one row."""
    d, h, width = steps
    found = [(-(-d // i), h, width) for i in _parts(d)]
    found += [(1, -(-h // i), width) for i in _parts(h)]
    found += [(1, 1, whole(-(-width // i), 56)) for i in _parts(width) if width > 56 * i]
    return list(dict.fromkeys(found))


def _parts(n: int) -> list[int]:
    return sorted({min(n, i) for i in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 32, 64, 128, 512, 2048, n)})


def whole(n: int, step: int) -> int:
    """Round up to a multiple."""
    return -(-n // step) * step


def table(context: Any, names: Sequence[str], values: dict[str, int], rest: Sequence[int]) -> Any:
    """Return a storage with a kernel's table: the named values, then the rest, as longs."""
    numbers = np.array([*(values[name] for name in names), *rest], np.int64)
    storage = context.alloc(numbers.nbytes)
    context.write(storage.buf, numbers.view(np.uint8), owned=True)
    return storage


def fold(n: int, s: Stencil, *layouts: Layout) -> tuple[int, Stencil, tuple[Layout, ...]]:
    """Make samples a spatial dimension where a sample is too small for a block of its own and a dimension is free."""
    at = 2 if s.single else 0
    if prod(s.steps) >= 32 or not s.free[at]:
        return n, s, layouts
    folded = []
    for x in layouts:
        shape, strides = list(x.shape), list(x.strides)
        shape[0], shape[2 + at] = 1, n
        strides[0], strides[2 + at] = 0, x.strides[0]
        folded.append(Layout(shape, strides, x.offset))
    return 1, s.along(at, n), tuple(folded)


def side_by_side(n: int, s: Stencil, narrow: int, *layouts: Layout) -> tuple[int, Stencil, tuple[Layout, ...]]:
    """Make samples the last dimension of small images with less than ``narrow`` columns; others as in ``fold``.

    The rows and columns of images are then walked one by one, so that taps outside of them cost nothing.
    """
    if s.single or not s.free[0] or prod(s.steps) >= 32 or not s.steps[2] < min(narrow, n):
        return fold(n, s, *layouts)
    turned = []
    for x in layouts:
        (_, c, _, h, w), (x_n, x_c, _, x_h, x_w) = x.shape, x.strides
        turned.append(Layout((1, c, h, w, n), (0, x_c, x_h, x_w, x_n), x.offset))
    return 1, s.turned(n), tuple(turned)


def element(t: dtype) -> int:
    """Return the bytes of the type in which a dtype is computed."""
    return 8 if compute_type(t) in ("double", "long") else 4


def correlation(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, w_strides: Triple, bias: bool
) -> Callable[..., Any] | None:
    """Return the launcher of a stencil: (x buffer, x offset, weight, its offset, bias, its offset) -> storage.

    Weight and bias come as storages.

    ``w_strides`` are the weight's steps from group to group, lane to lane and reduced channel to the next. None where
    the window is too large for the local memory.
    """
    caps = context.caps
    size = element(t)
    y = Layout.of((g.n, g.groups * s.lanes, *s.dst))
    n, s, (x, y) = side_by_side(g.n, s.live, _NARROW, x, y)
    room = room_for(caps.local_mem, size)
    tiles_here = tiles_for(tuning.parameters(context, "convolution cpu", size), size)
    found = [(*divide(s, n, g.groups, w, room, caps.compute_units), w) for w in tiles_here]
    _, cut, w = min(found, key=lambda choice: choice[0])
    if cut is None:
        return None
    tiles = -(-s.lanes // w.lanes)
    splits = -(-tiles // cut.span)
    blocks = [-(-q // b) for q, b in zip(s.steps, cut.block, strict=True)]
    ud, uh, uw = (b + halo for b, halo in zip(cut.block, s.halo, strict=True))
    values = {
        "reduced": s.reduced, "lanes": s.lanes, "groups": g.groups, "planes": len(s.planes), "phases": len(s.phases),
        "taps": sum(len(p.taps) for p in s.phases), "tiles": tiles, "splits": splits, "span": cut.span,
        "share": cut.share, "channels": cut.channels, "panel_size": cut.panel, "line": cut.line, "blocks_h": blocks[1],
        "blocks_w": blocks[2], "Ud": ud, "Uh": uh, "Uw": uw, "x_n": x.strides[0], "x_c": x.strides[1],
        "x_end": x.extent() - x.offset, "y_n": y.strides[0], "y_c": y.strides[1],
        "w_group": w_strides[0], "w_lane": w_strides[1], "w_reduced": w_strides[2],
    }  # fmt: skip
    for i, d in enumerate("dhw"):
        values |= {
            f"I{d.upper()}": s.src[i], f"O{d.upper()}": s.dst[i], f"step_{d}": s.src_step[i],
            f"dst_step_{d}": s.dst_step[i], f"low_{d}": s.low[i], f"block_{d}": cut.block[i],
            f"x_{d}": x.strides[2 + i], f"y_{d}": y.strides[2 + i],
        }  # fmt: skip
    phases: list[int] = []
    numbers: list[int] = []
    offsets: list[int] = []
    places: list[Triple] = []
    for p in s.phases:
        phases += [*p.first, len(numbers), len(p.taps)]
        for number, plane, (at_d, at_h, at_w) in p.taps:
            numbers.append(number)
            offsets.append(((plane * ud + at_d) * uh + at_h) * uw + at_w)
        places += (s.place(plane, shift) for _, plane, shift in p.taps)
    depths, heights, _ = zip(*places, strict=True) if places else ((0,),) * 3
    values |= {"first_d": min(depths), "last_d": max(depths), "first_h": min(heights), "last_h": max(heights)}
    rest = [*(i for plane in s.planes for i in plane), *phases, *numbers, *offsets, *depths, *heights]
    tab = table(context, INTS + LONGS, values, rest)
    params = {
        "ti": t.name, "m": w.m, "nv": w.nv, "vw": w.vw, "flat": w.flat, "room": room, "ints": INTS, "longs": LONGS,
        "pairs": not w.flat and cut.block[2] <= w.m // 2 and cut.block[1] > 1,
    }  # fmt: skip
    pack = context.kernel("conv", "ct_conv_pack", "bbbblliii", **params)
    kernel = context.kernel("conv", "ct_conv", "bbbbl", **params)
    packed_bytes = g.groups * tiles * (1 + s.reduced * values["taps"]) * w.lanes * size
    # the taps lie in their order, one channel after the other; those of several phases are laid out by phases
    linear = int(len(s.phases) == 1 and numbers == list(range(w_strides[2])))
    chunk = max(1, 4096 // max(1, values["taps"] * w.lanes))
    pack_size = (max(1, -(-s.reduced // chunk)), g.groups * tiles)
    size3 = (prod(blocks), n, -(-g.groups // cut.share) * splits)
    alloc, nbytes, has_bias = context.alloc, y.numel * t.itemsize, int(bias)

    def lay_out(form: Any, w_buf: Any, w_off: int, b_buf: Any, b_off: int) -> None:
        pack.launch(pack_size, (1, 1), (w_buf, b_buf, form, tab.buf, w_off, b_off, has_bias, linear, chunk))

    packing = Packing(context, packed_bytes, lay_out)

    def run(x_buf: Any, x_off: int, w: Any, w_off: int, b: Any, b_off: int) -> Any:
        packed, result = packing.of(w, w_off, b, b_off), alloc(nbytes)
        kernel.launch(size3, (1, 1, 1), (x_buf, packed.buf, result.buf, tab.buf, x_off))
        return result

    return run
