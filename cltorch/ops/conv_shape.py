"""The geometry of convolutions: sizes, and the stencil that a kernel walks for the result or for a gradient.

Everything has three spatial dimensions (depth, height, width); convolutions of fewer have leading ones of size 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

Triple = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Geometry:
    """The sizes of a convolution; ``c`` input and ``k`` output channels per group.

    Where the window does not fill the padded input, or the padding differs on both sides, ``outs`` says so: only the
    padding in front is given. Compared by identity, so that launch plans are found quickly: keep and reuse one.
    """

    n: int
    groups: int
    c: int
    k: int
    ins: Triple
    outs: Triple
    kernel: Triple
    stride: Triple
    padding: Triple
    dilation: Triple

    @cached_property
    def taps(self) -> int:
        """Return the elements of the window."""
        return prod(self.kernel)

    @cached_property
    def pointwise(self) -> bool:
        """Return whether each result depends on the input at its own place only."""
        return self.taps == 1 and self.stride == (1, 1, 1) and self.padding == (0, 0, 0) and self.ins == self.outs


@dataclass(frozen=True)
class Phase:
    """The results ``first + step * q`` and the taps that reach them: (tap, plane of the source, shift) each."""

    first: Triple
    taps: tuple[tuple[int, int, Triple], ...]


@dataclass(frozen=True)
class Stencil:
    """A correlation that makes ``dst`` from ``src``, taken apart so that both are walked in steps of one.

    The source is read as ``planes``, one for each phase of its step: plane (a, b, c) holds the source at (a, b, c) +
    step * u. The result at first + step * q of a phase sums the source's planes at u = q + low + shift. A strided
    convolution has several planes and one phase, the gradient of its input one plane and several phases.
    """

    reduced: int
    lanes: int
    src: Triple
    dst: Triple
    src_step: Triple
    dst_step: Triple
    low: Triple
    halo: Triple
    planes: tuple[Triple, ...]
    phases: tuple[Phase, ...]

    @cached_property
    def steps(self) -> Triple:
        """Return how many q the largest phase has."""
        return _triple(-(-n // s) for n, s in zip(self.dst, self.dst_step, strict=True))

    def place(self, plane: int, shift: Triple) -> Triple:
        """Return where in the source a tap reads, counted from the source's step times the place of the result."""
        return _triple(
            step * (low + at) + first
            for step, low, at, first in zip(self.src_step, self.low, shift, self.planes[plane], strict=True)
        )

    @cached_property
    def free(self) -> tuple[bool, ...]:
        """Return which dimensions have size 1 and a window of 1 in its place."""
        return tuple(
            (src, dst, low, halo, a, b) == (1, 1, 0, 0, 1, 1)
            for src, dst, low, halo, a, b in zip(
                self.src, self.dst, self.low, self.halo, self.src_step, self.dst_step, strict=True
            )
        )

    @property
    def single(self) -> bool:
        """Return whether source and result are one value per sample and channel."""
        return all(self.free)

    @cached_property
    def live(self) -> Stencil:
        """Return this stencil without the taps that read padding for every result, as most do in tiny images."""
        kept = [
            tuple(tap for tap in phase.taps if self._reads(phase.first, self.place(*tap[1:]))) for phase in self.phases
        ]
        if all(len(taps) == len(phase.taps) for taps, phase in zip(kept, self.phases, strict=True)):
            return self
        used = list(dict.fromkeys(plane for taps in kept for _, plane, _ in taps))
        sides = list(zip(*(shift for taps in kept for *_, shift in taps), strict=True)) or [(0,)] * 3
        first = _triple(min(side) for side in sides)
        phases = tuple(
            Phase(phase.first, tuple((tap, used.index(plane), _less(shift, first)) for tap, plane, shift in taps))
            for phase, taps in zip(self.phases, kept, strict=True)
        )
        return replace(
            self,
            low=_triple(a + b for a, b in zip(self.low, first, strict=True)),
            halo=_triple(max(side) - min(side) for side in sides),
            planes=tuple(self.planes[plane] for plane in used) or ((0, 0, 0),),
            phases=phases,
        )

    def _reads(self, first: Triple, place: Triple) -> bool:
        """Return whether a tap at ``place`` is inside of the source for any result from ``first`` on."""
        for begin, size, step, at, src, stride in zip(
            first, self.dst, self.dst_step, place, self.src, self.src_step, strict=True
        ):
            q = max(0, -(at // stride))  # the first result for which the place is not before the source
            if begin + step * q >= size or stride * q + at >= src:
                return False
        return True

    def turned(self, n: int) -> Stencil:
        """Return a stencil whose depth is free as one of ``n`` images side by side: (height, width, image)."""
        phases = tuple(
            Phase(_turn(phase.first), tuple((tap, plane, _turn(shift)) for tap, plane, shift in phase.taps))
            for phase in self.phases
        )
        sizes: dict[str, Any] = {
            name: _turn(getattr(self, name)) for name in ("src", "dst", "src_step", "dst_step", "low", "halo")
        }
        return replace(self, **sizes, planes=tuple(map(_turn, self.planes)), phases=phases).along(2, n)

    def along(self, dim: int, n: int) -> Stencil:
        """Return this stencil with a free dimension filled by ``n`` independent places."""
        src, dst = list(self.src), list(self.dst)
        src[dim] = dst[dim] = n
        return replace(self, src=_triple(src), dst=_triple(dst))


def _turn(at: Triple) -> Triple:
    return at[1], at[2], at[0]


def _less(a: Triple, b: Triple) -> Triple:
    return _triple(x - y for x, y in zip(a, b, strict=True))


def _triple(values: Iterable[int]) -> Triple:
    d, h, w = values
    return d, h, w


def forward(g: Geometry) -> Stencil:
    """Return the stencil of the result: from (n, groups * c, ins) to (n, groups * k, outs)."""
    lines = [
        [(0, (r * d - p) % s, r, (r * d - p) // s) for r in range(size)]
        for size, s, p, d in zip(g.kernel, g.stride, g.padding, g.dilation, strict=True)
    ]
    return _join(g, lines, g.c, g.k, g.ins, g.outs, g.stride, (1, 1, 1))


def backward(g: Geometry) -> Stencil:
    """Return the stencil of the input's gradient: from (n, groups * k, outs) to (n, groups * c, ins)."""
    lines = []
    for size, s, p, d in zip(g.kernel, g.stride, g.padding, g.dilation, strict=True):
        reached = sorted(((r * d - p) % s, -r) for r in range(size))  # by phases: a stride may be far beyond the sizes
        lines.append([(f, 0, -r, (f + p + r * d) // s) for f, r in reached])
    return _join(g, lines, g.k, g.c, g.outs, g.ins, (1, 1, 1), g.stride)


def _join(
    g: Geometry,
    lines: Sequence[Sequence[tuple[int, int, int, int]]],
    reduced: int,
    lanes: int,
    src: Triple,
    dst: Triple,
    src_step: Triple,
    dst_step: Triple,
) -> Stencil:
    """Combine the (phase of the result, phase of the source, tap, place) of each dimension."""
    places = [[place for *_, place in line] for line in lines]
    low = _triple(min(p, default=0) for p in places)
    halo = _triple(max(p, default=0) - n for p, n in zip(places, low, strict=True))
    numbers: dict[Triple, int] = {}
    found: dict[Triple, list[tuple[int, int, Triple]]] = {}
    kd, kh, kw = g.kernel
    for (fd, sd, rd, ed), (fh, sh, rh, eh), (fw, sw, rw, ew) in product(*lines):
        plane = numbers.setdefault((sd, sh, sw), len(numbers))
        shift = (ed - low[0], eh - low[1], ew - low[2])
        found.setdefault((fd, fh, fw), []).append(((rd * kh + rh) * kw + rw, plane, shift))
    phases = tuple(
        Phase(at, tuple(found.get(at, ())))
        for at in map(_triple, product(*(range(min(s, n)) for s, n in zip(dst_step, dst, strict=True))))
    )
    return Stencil(
        reduced,
        lanes,
        src,
        dst,
        src_step,
        dst_step,
        low,
        halo,
        tuple(numbers) or ((0, 0, 0),),
        phases,
    )
