"""Launch plans of matrix products on CPU-class devices: tile sizes and division of the work (kernels/matmul.cl)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cltorch.dtypes import bfloat16, dtype
from cltorch.ops import instructions, tuning
from cltorch.ops.gemm_problem import Problem

# terms of a sum, and elements of a matrix, from which exchanging the operands pays for two programs more to compile
_LONG, _LARGE = 128, 1 << 18
# With few rows, packing B is much of the work. Its rows are read in longer stretches where several panels are packed
# together, for which the slices of K must be short.
_FEW, _WIDE, _SLICE = 96, 12, 512

# multiply-adds that one core does until the others, whose threads sleep between launches, are awake: 20 us
_LATE = 1.5e6
# elements that one core has laid out before another wakes
_LITTLE = 1 << 14

# matrices from which a kernel of their own pays for those of which no size is larger than a vector
_MANY, _TINY = 64, 8

# B is read where it lies by up to so many rows, if as many bytes of the first cache hold a panel, or if it needs no
# more than so many times the room for packed columns
_SHORT, _FIRST, _SECOND = 512, 1 << 15, 3

# elements of A from which one vector of columns pays for a program of its own
_NARROW = 1 << 20

# panels of A that are laid out together: 256 bytes of each of its columns in float32
GROUP = 8

#: letter of a scalar kernel argument by the dtype that arithmetic uses
NUMBER = {"float": "f", "double": "d", "long": "l"}


def compute_type(t: dtype) -> str:
    """Return the OpenCL type in which a dtype is multiplied: float for halves, int for narrow integers."""
    return t.compute if t.is_floating_point or t.itemsize == 8 else "int"


@dataclass(frozen=True)
class Tile:
    """The parameters of kernels/matmul.cl: mr rows by nv vectors of vw columns; room for packed columns of B.

    ``unroll`` terms of the sum make a round of the loop, ``prefetch`` rows of the panel are asked for ahead; with
    ``packed`` A is packed even where its rows could be read in place.
    """

    mr: int
    nv: int
    vw: int
    room: int
    unroll: int = 1
    prefetch: int = 8
    packed: bool = False

    @property
    def nr(self) -> int:
        """Return the columns of a panel."""
        return self.nv * self.vw

    @staticmethod
    def of(p: Mapping[str, Any], local_mem: int, itemsize: int) -> Tile:
        """Return the tile of the parameters of "matmul cpu", for elements of ``itemsize`` bytes."""
        vw, nv = p["vector_bytes"] // itemsize, p["tile_vectors"]
        room = max(nv * vw * 16, min(p["packed_bytes"], local_mem) // itemsize // vw * vw)
        return Tile(p["tile_rows"], nv, vw, room, p["unroll"], p["prefetch"], p["left"] == "packed")


def plan(context: Any, p: Problem, t: dtype, tile: Tile | None = None) -> Callable[..., None]:
    """Return the launcher of a product: (A, B, C, I buffers, their offsets, alpha, beta)."""
    ctype = compute_type(t)
    itemsize = 8 if ctype in ("double", "long") else 4
    caps = context.caps
    if (
        tile is None
        and p.b_k == 1
        and t.ctype == ctype
        and p.n >= 4 * p.m
        and p.k >= _LONG
        and p.k * p.n * p.batch >= _LARGE
    ):
        few = tuning.parameters(context, "matmul cpu few rows", itemsize)
        turned = _tile_of_few(Tile.of(few, caps.local_mem, itemsize), p.m)
        if p.m <= few["most_rows"] and turned is not None:
            return _turned(context, p, t, turned)
    if tile is None and p.batch >= _MANY and max(p.m, p.n, p.k) <= _TINY:
        return _many_tiny(context, p, t)
    w = tile or Tile.of(tuning.parameters(context, "matmul cpu", itemsize), caps.local_mem, itemsize)
    pairs = t is bfloat16 and instructions.has(context, "quick bfloat16 pairs")
    odd = p.k % 2
    if pairs:
        p = replace(p, k=-(-p.k // 2))
    direct = p.a_k == 1 and not w.packed and (not odd if pairs else t.ctype == ctype)
    panels, tiles = -(-p.n // w.nr), -(-p.m // w.mr)
    late = _LATE if "asleep_between_launches" in caps.quirks else 0.0
    kc, span, chunk = cut(p, w, caps.compute_units, itemsize, late)
    tail = _tail(p, w)
    in_place = t.ctype == ctype and t.is_floating_point and kc >= p.k and stays(p, w, tail, itemsize)
    size = (-(-panels // span), -(-tiles // chunk), p.batch)
    # a tile of few uses compiles only what it needs; both ways of reading A together compile quicker than each alone
    params = {
        "ti": t.name, "to": t.name, "mr": w.mr, "nv": w.nv, "vw": w.vw, "local_elems": w.room, "unroll": w.unroll,
        "prefetch": w.prefetch, "tail": tail, "panels": tile is None or not direct,
        "pairs": pairs, "grouped": False,
    }  # fmt: skip
    number = NUMBER.get(ctype, "i")
    letters = f"{'b' * 5}{'l' * 5}{'i' * 6}{'l' * 7}i{'l' * 8}iii{'i' * pairs}{number * 2}"
    kernel = context.kernel("matmul", "ct_gemm_rows" if direct else "ct_gemm_panel", letters, **params)
    a_row, a_batch = p.a_row, p.a_batch
    pack = None
    if not direct:
        a_row = tiles * w.mr
        each = a_row * max(p.k, 1)
        a_batch = (each * p.inner, each)
        pack = context.kernel("matmul", "ct_pack_a", f"bbliiillillli{'i' * pairs}", **params)
        pieces = -(-p.k // kc) or 1
        group = together(tiles, pieces * p.batch, p.m * p.k * p.batch, caps.compute_units, late)
        pack_size = (-(-tiles // group), pieces, p.batch)
        pack_tail = (p.m, p.k, kc, p.a_row, p.a_k, p.inner, *p.a_batch, each, group, *(odd,) * pairs)
        room = each * p.batch * itemsize
    plain = not p.addend and (t.ctype == ctype or t.is_floating_point) and p.k <= kc
    # sums over slices of K wait in C itself, or beside it where C's type is too narrow
    beside = p.m * p.n * p.batch * itemsize if p.k > kc and t.ctype != ctype else 0
    sizes = (p.m, p.n, p.k, kc, span, chunk, a_row, p.b_k, p.b_n, p.n, p.i_row, p.i_col, p.n, p.inner)
    batch = (*a_batch, *p.b_batch, *p.i_batch, p.m * p.n, p.m * p.n)
    addend = (int(p.addend), int(in_place), *(odd,) * pairs)
    one = (1, 1, 1)

    def run(
        a: Any, b: Any, c: Any, i: Any, a_off: int, b_off: int, c_off: int, i_off: int, alpha: Any, beta: Any
    ) -> None:
        if pack is not None:
            packed = context.alloc(room)
            pack.launch(pack_size, one, (a, packed.buf, a_off, *pack_tail))
            a, a_off = packed.buf, 0
        if beside:
            sums = context.alloc(beside)
            w_buf, w_off = sums.buf, 0
        else:
            w_buf, w_off = c, c_off
        head = (a, b, c, i, w_buf, a_off, b_off, c_off, i_off, w_off)
        kernel.launch(size, one, head + sizes + batch + (int(plain and alpha == 1), *addend, alpha, beta))

    return run


def _many_tiny(context: Any, p: Problem, t: dtype) -> Callable[..., None]:
    """Return the launcher of many products of matrices that vectors hold row by row."""
    number = NUMBER.get(compute_type(t), "i")
    letters = f"bbbb{'l' * 6}iii{'l' * 13}i{number * 2}"
    kernel = context.kernel("matmul_tiny", "ct_gemm_tiny", letters, t=t.name, vw=_TINY)
    steps = p.batch * (p.m * p.k + 16)  # the rest costs about as much as sixteen terms for a row
    items = max(1, min(p.batch, context.caps.compute_units * 8, steps // (2 * _LITTLE)))
    per_item = -(-p.batch // items)
    size, one = (-(-p.batch // per_item),), (1,)
    sizes = (p.batch, per_item, p.m, p.n, p.k, p.inner, p.a_row, p.a_k, p.b_k, p.b_n, p.i_row, p.i_col)
    tail = (*sizes, *p.a_batch, *p.b_batch, *p.i_batch, int(p.addend))

    def run(
        a: Any, b: Any, c: Any, i: Any, a_off: int, b_off: int, c_off: int, i_off: int, alpha: Any, beta: Any
    ) -> None:
        kernel.launch(size, one, (a, b, c, i, a_off, b_off, c_off, i_off, *tail, alpha, beta))

    return run


def together(tiles: int, others: int, elements: int, units: int, late: float) -> int:
    """Return how many panels of A a work-item lays out: all where they are little, and other cores are asleep."""
    if late and elements <= _LITTLE:
        return tiles
    return max(1, min(GROUP, tiles * others // (4 * units)))


def cut(p: Problem, w: Tile, units: int, itemsize: int, late: float = 0.0) -> tuple[int, int, int]:
    """Return the terms of a slice of K, and the panels and the row tiles of a work-item; ``late`` as in ``divide``."""
    slices = -(-p.k * w.nr // w.room) or 1
    kc = max(1, -(-p.k // slices))
    panels, tiles = -(-p.n // w.nr), -(-p.m // w.mr)
    most = min(_WIDE, panels * p.batch // (2 * units))
    if p.b_n == 1 and p.m <= _FEW and p.k > 2 * _SLICE and most > 1:

        def end(span: int) -> float:
            groups = -(-panels // span)
            return _finish_time(p.m, p.n, groups, span, 1, tiles, p.batch, _SLICE, w, units, itemsize, late)

        span = min(range(most, 1, -1), key=end)
        return min(kc, w.room // (span * w.nr), _SLICE), span, tiles
    return kc, *divide(p.m, p.n, kc, p.batch, w, units, itemsize, late)


def stays(p: Problem, w: Tile, tail: int, itemsize: int) -> bool:
    """Return whether B is read where it lies; to pack it takes as long as multiplying with 8 to 12 rows."""
    if p.b_n != 1 or p.m > _SHORT or p.n % w.vw:
        return False
    left = p.n // w.vw % w.nv
    if left not in (0, tail) and not (left == 1 and w.nv == 3 and tail == 2 and p.n > w.nr):
        return False  # the last panel would be read beyond the ends of rows
    packed = p.k * w.nr * itemsize
    # rows whose distance is a multiple of a large power of two share few sets of a cache
    taken = max(packed, p.k * (p.b_k & -p.b_k) * itemsize)
    return taken <= (_FIRST if packed <= _FIRST else _SECOND * w.room * itemsize)


def _tail(p: Problem, w: Tile) -> int:
    """Return the vectors of the narrower tile that the kernel has for the last panel: 1, or 2 where that pays.

    Another width is another program, which takes seconds to compile. Of three vectors, the last four are two tiles of
    two, for a tile of one waits for the sums to be added; so one vector is half of a tile where the product is small.
    """
    vectors = -(-p.n // w.vw)
    if w.nv == 3:
        return 1 if vectors <= 1 and p.m * p.k * p.batch > _NARROW else 2
    return 2 if vectors % w.nv == 2 and vectors <= 8 * w.nv else 1


def _tile_of_few(tile: Tile, rows: int) -> Tile | None:
    """Return the tile whose columns are ``rows`` rows, a narrower one for very few; None where it would idle much."""
    if 2 * rows <= tile.nr and tile.nv % 2 == 0:
        # the registers would hold twice the rows, which is no faster and a larger program
        return replace(tile, mr=tile.mr * 4 // 3, nv=tile.nv // 2)
    return tile if 3 * _whole(rows, tile.nr) <= 4 * rows else None


def _turned(context: Any, p: Problem, t: dtype, tile: Tile) -> Callable[..., None]:
    """Return the launcher of a product of few rows with a large matrix whose columns run along K, as a layer's weight.

    Laying out the large matrix would cost about as much as multiplying with it. With the operands exchanged it is the
    one that is read in place, the few rows are laid out, and what is small, the result, is transposed at the end.
    """
    itemsize = 8 if t.itemsize == 8 else 4
    other = replace(
        p, m=p.n, n=p.m, a_row=p.b_n, a_k=p.b_k, b_k=p.a_k, b_n=p.a_row, i_row=0, i_col=0, a_batch=p.b_batch,
        b_batch=p.a_batch, i_batch=(0, 0), addend=False,
    )  # fmt: skip
    multiply = plan(context, other, t, tile)
    letter = NUMBER.get(t.ctype, "i")
    turn = context.kernel("matmul_turn", "ct_gemm_turn", f"bbblliiillilli{letter * 2}", t=t.name, vw=tile.vw)
    vectors = -(-p.n // tile.vw)
    span = -(-vectors // (4 * context.caps.compute_units))
    size, one = (-(-vectors // span), p.batch, 1), (1, 1, 1)
    tail = (p.m, p.n, span, p.i_row, p.i_col, p.inner, *p.i_batch, int(p.addend))
    room = p.m * p.n * p.batch * itemsize
    unit = 1 if t.family in "ui" else 1.0

    def run(
        a: Any, b: Any, c: Any, i: Any, a_off: int, b_off: int, c_off: int, i_off: int, alpha: Any, beta: Any
    ) -> None:
        sums = context.alloc(room)
        multiply(b, a, sums.buf, sums.buf, b_off, a_off, 0, 0, unit, unit)
        turn.launch(size, one, (sums.buf, c, i, c_off, i_off, *tail, alpha, beta))

    return run


@cache
def divide(
    m: int, n: int, kc: int, batch: int, w: Tile, units: int, itemsize: int, late: float = 0.0
) -> tuple[int, int]:
    """Return (panels per work-item, row tiles per work-item) that finish first on ``units`` cores.

    A work-item packs its columns of B for itself, so cutting rows repeats that work; cutting columns makes A be read
    more often. The choice minimises the estimated end of the last core; all but one begin ``late`` multiply-adds later.
    """
    panels, tiles = -(-n // w.nr), -(-m // w.mr)
    widest = max(1, min(panels, (w.room // 3 if kc * w.nr * 3 < w.room else w.room) // max(kc * w.nr, 1)))
    spans = sorted({s for s in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, widest) if s <= widest})
    cuts = sorted({c for c in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, units, 2 * units, 4 * units) if c <= tiles})
    best, choice = float("inf"), (1, tiles)
    for span in spans:
        groups = -(-panels // span)
        for cut in cuts:
            chunk = -(-tiles // cut)
            cuts_made = -(-tiles // chunk)
            cost = _finish_time(m, n, groups, span, cuts_made, chunk, batch, kc, w, units, itemsize, late)
            if cost < best:
                best, choice = cost, (span, chunk)
    return choice


def _finish_time(
    m: int,
    n: int,
    groups: int,
    span: int,
    cuts: int,
    chunk: int,
    batch: int,
    kc: int,
    w: Tile,
    units: int,
    itemsize: int,
    late: float,
) -> float:
    """Estimate when the last core ends, in elements of C (times K)."""
    # packing an element of B costs as much as this many rows; reading an element of A again, as this many columns
    pack, again = 12.0 if n * kc * itemsize > 1 << 20 else 8.0, 1.0 if m * kc * itemsize > 1 << 18 else 0.25
    start = 6000.0 / max(kc, 16)
    widths = [min(n - g * span * w.nr, span * w.nr) for g in range(groups)] if groups <= 64 else [span * w.nr] * groups
    heights = [min(m - c * chunk * w.mr, chunk * w.mr) for c in range(cuts)]
    costs = [_whole(x, w.vw) * (_whole(y, w.mr) + pack) + again * y + start for y in heights for x in widths]
    if len(costs) * batch > 64 * units:
        return sum(costs) * batch / units + max(costs)
    costs *= batch
    ends = [0.0] + [late / max(kc, 1)] * (min(units, len(costs)) - 1)
    done, used = 0, 1
    while done < len(costs):
        i = ends.index(min(ends))
        # a core takes its share of what is left at once, where they come as late as this
        take = -(-(len(costs) - done) // units) if late else 1
        ends[i] += sum(costs[done : done + take])
        done, used = done + take, max(used, i + 1)
    return max(ends[:used])


def _whole(n: int, step: int) -> int:
    return -(-n // step) * step
