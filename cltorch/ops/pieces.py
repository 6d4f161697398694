"""New arrays put together of pieces of others: one launch per piece, planned once per geometry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch.device import device as Device
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array, empty, view
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.plan import specialise
from cltorch.ops.strided import BITS, COPY, copy_into, fill

_ZERO = np.zeros(1, np.uint8)

#: the shape of the result, and for every piece the number of its source, where it lies there, and where it goes
Pieces = tuple[Sequence[int], Sequence[tuple[int, Layout, Layout]]]


def assemble(
    key: Any, build: Callable[[], Pieces], sources: Sequence[Any], t: dtype, dev: Device, blank: bool = False
) -> Any:
    """Return a dense Array with pieces copied into it, converted to its dtype.

    ``build`` names the pieces; it is called once for every ``key`` and set of geometries and dtypes of the sources.
    The pieces cover the result, or the rest is zero where ``blank``.
    """
    if t.few and all(x.dtype is t for x in sources):  # by kernels that there are for other dtypes too
        raw = BITS[t.itemsize]
        found = assemble(key, build, [Array.new(x._storage, x.lay, raw) for x in sources], raw, dev, blank)
        return Array.new(found._storage, found.lay, t)
    if dev.type == "cpu":
        shape, pieces = build()
        result = empty(shape, t, dev)
        if blank:
            fill(result, 0)
        for i, part, place in pieces:
            copy_into(view(result, place), view(sources[i], part))
        return result
    context = dev.context
    if t.is_complex or any(x.dtype.is_complex for x in sources):
        return _complex_pieces(build(), sources, t, dev, blank)
    full = (key, t, *[(x.lay.key, x.dtype) for x in sources])
    plan = context.ready.get(full)
    if plan is None:
        plan = context.ready[full] = _plan(context, build(), sources, t)
    layout, steps = plan
    out = context.alloc(layout.numel * t.itemsize)
    buf = out.buf
    if blank:
        context.fill_bytes(buf, _ZERO, 0, layout.numel * t.itemsize)
    for i, kernel, size, local, leading, to, shift in steps:
        x = sources[i]
        kernel.launch(size, local, (*leading, buf, x._storage.buf, to, x.lay.offset + shift))
    return Array.new(out, layout, t)


def _complex_pieces(pieces: Pieces, sources: Sequence[Any], t: dtype, dev: Device, blank: bool) -> Any:
    """Assemble pieces of which some are complex, each by a copy that knows of complex numbers."""
    shape, parts = pieces
    result = empty(shape, t, dev)
    if blank:
        fill(result, 0)
    for i, part, place in parts:
        copy_into(view(result, place), view(sources[i], part))
    return result


def _plan(context: Any, pieces: Pieces, sources: Sequence[Any], t: dtype) -> Any:
    shape, parts = pieces
    steps = []
    for i, part, place in parts:
        x = sources[i]
        launch = specialise(context, COPY, compute_dtype(x.dtype), [(place, t)], [(part, x.dtype)])
        steps.append((i, *launch, place.offset, part.offset - x.lay.offset))
    return Layout.of(shape), steps
