"""Recurrent layers: all steps of one direction of one layer as one operator, forward and backward.

The products of all inputs are one matrix product, and the gradients of the weights are one product each over all steps.
The steps of a CPU device are one launch, in which a core takes some sequences through all of them; on other devices,
and with large weights and few sequences, a step is one product of the state and one kernel for all its gates, and
another product and kernel for a projection. Sequences are packed, a row per sequence and step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch.dtypes import int32
from cltorch.layout import Layout
from cltorch.ops import recurrent_host as on_host
from cltorch.ops import tuning
from cltorch.ops.array import empty, from_host, host_compute, view
from cltorch.ops.evaluate import Formula, compute_dtype, run
from cltorch.ops.gemm import product
from cltorch.ops.op import Op
from cltorch.ops.reduce import SUM, reduce
from cltorch.ops.strided import copy_into, fill

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}
_FORWARD = {"lstm": "bbb", "gru": "bb", "tanh": "", "relu": "", "project": ""}
_BACKWARD = {"lstm": "bbb", "gru": "bbbb", "tanh": "b", "relu": "b", "project": ""}
_ADD = Formula("add", lambda m, a, b: a + b)


def _widened(x: Any, t: Any) -> Any:
    """Return an Array in the dtype of the arithmetic, with its elements in a row."""
    if x is None or (x.dtype is t and x.lay.contiguous):
        return x
    return _copied(x, t)


def _copied(x: Any, t: Any) -> Any:
    out = empty(x.lay.shape, t, x.device)
    copy_into(out, x)
    return out


def _transposed(x: Any) -> Any:
    """Return the transposed matrix as a copy."""
    return _copied(view(x, x.lay.transpose(0, 1)), x.dtype)


def _rows(x: Any, start: int, count: int) -> Any:
    """Return some rows of a dense matrix."""
    width = x.lay.shape[1]
    return view(x, Layout.make((count, width), (width, 1), x.lay.offset + start * width))


class _Steps:
    """Launch the kernels of single steps."""

    def __init__(self, context: Any, t: Any, variant: str) -> None:
        self.context, self.t = context, t
        self.cpu = variant == "cpu"
        self.chosen = tuning.parameters(context, f"recurrent {variant}", t.itemsize)
        self.width = max(2, self.chosen["vector_bytes"] // t.itemsize) if self.cpu else 1
        self.columns = self.chosen["tile_vectors"] * self.width if self.cpu else 1  # of a panel

    @staticmethod
    def of(context: Any, t: Any, variant: str) -> _Steps:
        """Return the launchers of a device, which are made once."""
        variant = "cpu" if (variant or context.caps.kind) == "cpu" else "gpu"
        key = ("recurrent steps", t, variant)
        found: _Steps | None = context.ready.get(key)
        if found is None:
            found = context.ready[key] = _Steps(context, t, variant)
        return found

    def kernel(self, mode: str, backward: bool) -> Any:
        key = ("recurrent", mode, backward, self.t, self.cpu)
        found = self.context.ready.get(key)
        if found is None:
            letters = f"blbbbbii{_BACKWARD[mode]}iili" if backward else f"bbbbii{_FORWARD[mode]}iili"
            found = self.context.ready[key] = self._make("ct_recurrent", letters, mode, backward)
        return found

    def _make(self, name: str, letters: str, mode: str, backward: bool, projected: bool = False) -> Any:
        p = self.chosen
        mr, nv, ahead = (p["tile_rows"], p["tile_vectors"], p["prefetch"]) if self.cpu else (1, 1, 0)
        return self.context.kernel(
            "recurrent", name, letters, mode=mode, backward=backward, projected=projected, W=self.width,
            A=self.t.ctype, mr=mr, nv=nv, ahead=ahead,
        )  # fmt: skip

    def share(self, batch: int, weights: Sequence[Any]) -> int:
        """Return how many sequences a core takes through all steps by itself; 0 where the steps go one by one.

        They do on GPUs, and where the states' weights are too large for a core's cache and the sequences too few to
        keep all cores busy.
        """
        units = self.context.caps.compute_units
        size = sum(w.lay.numel for w in weights if w is not None) * self.t.itemsize
        if not self.cpu or (batch < 8 * units and size > self.chosen["cached_bytes"]):
            return 0
        return max(8, -(-batch // units))

    def order(self, sizes: tuple[int, ...], reverse: bool) -> Any:
        """Return (first row, rows) of every step, on the device."""
        key = ("recurrent order", sizes, reverse)
        found = self.context.ready.get(key)
        if found is None:
            found = from_host(np.array(_order(sizes, reverse), np.int32), int32, self.context.device)
            self.context.ready[key] = found
        return found

    def whole(
        self, mode: str, backward: bool, batch: int, weights: Sequence[Any], args: tuple[Any, ...], order: Any
    ) -> None:
        """Launch all steps at once, a part of the batch on each core; ``weights`` are (the states', a projection's)."""
        weight, projection = weights
        projected = projection is not None
        key = ("recurrent whole", mode, backward, projected, self.t)
        found = self.context.ready.get(key)
        if found is None:
            letters = (f"blbbbbi{_BACKWARD[mode]}" if backward else f"bbbbii{_FORWARD[mode]}bli") + "bbb" * projected
            found = self.context.ready[key] = (
                self._make("ct_recurrent_all", letters + "bbiiii", mode, backward, projected),
                self._make("ct_recurrent_pack", "blbiill", mode, backward, projected),
            )
        kernel, pack = found
        packed = self._packed(pack, weight, backward)
        if projected:
            through = empty((batch, projection.lay.shape[int(backward)]), self.t, self.context.device)
            panels = self._packed(pack, projection, backward)
            args = (*args, through._storage.buf, panels.buf)
        units, share = weight.lay.shape[0] // GATES[mode], self.share(batch, weights)
        tail = (packed.buf, order._storage.buf, order.lay.shape[0], units, weight.lay.shape[1], share)
        kernel.launch((-(-batch // share), 1, 1), (1, 1, 1), (*args, *tail))

    def _packed(self, pack: Any, weight: Any, backward: bool) -> Any:
        """Return a weight in panels of columns: transposed for states, as it is for their gradients."""
        rows, columns = weight.lay.shape
        k, n, steps = (rows, columns, (columns, 1)) if backward else (columns, rows, (1, columns))
        panels = -(-n // self.columns)
        packed = self.context.alloc(panels * self.columns * k * self.t.itemsize)
        pack.launch((panels,), (1,), (weight._storage.buf, weight.lay.offset, packed.buf, k, n, *steps))
        return packed

    def launch(self, kernel: Any, lines: int, units: int, args: tuple[Any, ...]) -> None:
        if lines * units == 0:
            return
        if self.cpu:
            # a few numbers are not worth a second core
            parts = max(1, min(lines, 2 * self.context.caps.compute_units, lines * units // 512))
            chunk = -(-lines // parts)
            kernel.launch((-(-lines // chunk),), (1,), (*args, chunk))
        else:
            items = self.chosen["group_items"]
            kernel.launch((-(-lines * units // items) * items,), (items,), (*args, 1))


def _order(sizes: Sequence[int], reverse: bool) -> list[tuple[int, int]]:
    """Return (first row, rows) of every step in the order in which they are computed."""
    out, at = [], 0
    for n in sizes:
        out.append((at, n))
        at += n
    return out[::-1] if reverse else out


def _device_forward(c: Any, x: Any, h0: Any, c0: Any, w: Sequence[Any], sizes: Any, mode: str, reverse: bool) -> Any:
    t, dev, steps = x.dtype, x.device, c.steps
    w_ih, w_hh, b_ih, b_hh, w_hr = w
    width, units = h0.lay.shape[1], w_hh.lay.shape[0] // GATES[mode]
    total = x.lay.shape[0]
    first = b_ih if mode == "gru" or b_ih is None else run(_ADD, t, [b_ih, b_hh], (), [t], b_ih.lay.shape)[0]
    gx = product(x, w_ih, first, transpose_b=True)
    h, out = _copied(h0, t), empty((total, width), t, dev)
    keep, n = c.recording, total if c.recording else 0
    h_before = empty((n, width), t, dev)
    cell = kept = c_before = None
    extra: tuple[Any, ...] = ()
    if mode == "lstm":
        cell, kept, c_before = _copied(c0, t), empty((n, 4 * units), t, dev), empty((n, units), t, dev)
        extra = (cell._storage.buf, kept._storage.buf, c_before._storage.buf)
    elif mode == "gru":
        kept = empty((n, 4 * units), t, dev)
        extra = (gx._storage.buf, kept._storage.buf)
    batch = h0.lay.shape[0]
    hidden = out if w_hr is None else empty((total, units), t, dev)
    if len(sizes) > 1 and steps.share(batch, (w_hh, w_hr)):
        pre, bias = empty((batch, GATES[mode] * units), t, dev), b_hh if mode == "gru" else gx
        more = (gx, 0, 0) if bias is None else (bias, bias.lay.offset, 1)
        args = (pre._storage.buf, h._storage.buf, h_before._storage.buf, out._storage.buf, int(keep), 1, *extra)
        args += (more[0]._storage.buf, *more[1:])
        if w_hr is not None:
            args += (hidden._storage.buf,)
        steps.whole(mode, False, batch, (w_hh, w_hr), args, steps.order(tuple(sizes), reverse))
        return out, h, cell, (h_before, kept, c_before, None if w_hr is None else hidden)
    # what many steps multiply by is turned once, for that is quicker to pack
    turn = len(sizes) > 3
    weight = _transposed(w_hh) if turn else w_hh
    kernel, project = steps.kernel(mode, False), None
    if w_hr is not None:
        project, projection = steps.kernel("project", False), _transposed(w_hr) if turn else w_hr
    state = (h._storage.buf, h_before._storage.buf)
    plain = int(w_hr is None)
    for at, rows in _order(sizes, reverse):
        addend = b_hh if mode == "gru" else _rows(gx, at, rows)
        pre = product(_rows(h, 0, rows), weight, addend, transpose_b=not turn)
        args = (pre._storage.buf, *state, hidden._storage.buf, int(keep), plain, *extra, rows, units, at)
        steps.launch(kernel, rows, units, args)
        if project is not None:
            pre = product(_rows(hidden, at, rows), projection, transpose_b=not turn)
            steps.launch(
                project, rows, width, (pre._storage.buf, *state, out._storage.buf, int(keep), 1, rows, width, at)
            )
    return out, h, cell, (h_before, kept, c_before, None if w_hr is None else hidden)


def _first_state(first: Any, rec: Any, rows: int, batch: int) -> Any:
    """Return the gradient of the first states: of the sequences in the last step, and of those that ended before."""
    if rows == batch:
        return rec
    copy_into(_rows(first, 0, rows), _rows(rec, 0, rows))
    return first


def _device_backward(
    c: Any, kept: Sequence[Any], w: Sequence[Any], out: Any, grads: Sequence[Any], batch: int
) -> tuple[Any, ...]:
    """Return the gradients of (the inputs' products, the state's products, the first states, the projections)."""
    sizes, mode, reverse = c.sizes, c.mode, c.reverse
    h_before, gates, c_before, hidden = kept
    dout, dh, dc = grads
    w_hh, w_hr = w
    steps: _Steps = c.steps
    t, dev = out.dtype, out.device
    width, units, total = out.lay.shape[1], w_hh.lay.shape[0] // GATES[mode], out.lay.shape[0]
    last = empty((batch, width), t, dev)
    if dh is None:
        fill(last, 0)
    else:
        copy_into(last, dh)
    first = empty((batch, width), t, dev)
    dpre = empty((total, GATES[mode] * units), t, dev)
    extra: tuple[Any, ...] = ()
    cell = dhidden = direct = None
    if mode == "lstm":
        cell = empty((batch, units), t, dev)
        if dc is None:
            fill(cell, 0)
        else:
            copy_into(cell, dc)
        extra = (gates._storage.buf, c_before._storage.buf, cell._storage.buf)
    elif mode == "gru":
        dhidden, direct = empty((total, 3 * units), t, dev), empty((batch, units), t, dev)
        extra = (gates._storage.buf, h_before._storage.buf, dhidden._storage.buf, direct._storage.buf)
    else:
        extra = (out._storage.buf,)
    into_state = dpre if dhidden is None else dhidden
    given = int(dout is not None)
    some, some_at = (dout._storage.buf, dout.lay.offset) if dout is not None else (last._storage.buf, 0)
    dproject = None if w_hr is None else empty((total, width), t, dev)
    if len(sizes) > 1 and steps.share(batch, (w_hh, w_hr)):
        rec = empty((batch, width), t, dev)
        ends = (rec._storage.buf, last._storage.buf, first._storage.buf)
        args = (some, some_at, *ends, dpre._storage.buf, given, *extra)
        if dproject is not None:
            args += (dproject._storage.buf,)
        steps.whole(mode, True, batch, (w_hh, w_hr), args, steps.order(tuple(sizes), not reverse))
        return dpre, into_state, _first_state(first, rec, sizes[-1] if reverse else sizes[0], batch), cell, dproject
    kernel = steps.kernel(mode, True)
    project = None if w_hr is None else steps.kernel("project", True)
    rec, following = last, 0
    for at, rows in _order(sizes, not reverse):
        lines = max(rows, following)
        ends = (rec._storage.buf, last._storage.buf, first._storage.buf)
        if dproject is None:
            steps.launch(
                kernel, lines, units,
                (some, some_at, *ends, dpre._storage.buf, given, following, *extra, rows, units, at),
            )  # fmt: skip
        else:
            steps.launch(
                project, lines, width,
                (some, some_at, *ends, dproject._storage.buf, given, following, rows, width, at),
            )  # fmt: skip
            through = product(_rows(dproject, at, rows), w_hr)
            ends = (through._storage.buf, through._storage.buf, first._storage.buf)
            steps.launch(
                kernel, rows, units,
                (through._storage.buf, 0, *ends, dpre._storage.buf, 0, rows, *extra, rows, units, at),
            )  # fmt: skip
        rec = product(_rows(into_state, at, rows), w_hh, None if direct is None else _rows(direct, 0, rows))
        following = rows
    first = last if not following else _first_state(first, rec, following, batch)
    return dpre, into_state, first, cell, dproject


class Recurrent(Op):
    """All steps of one direction of one layer: (x, h0, c0, weights …) to (outputs, last h, last c of an LSTM)."""

    name = "recurrent"

    @staticmethod
    def forward(
        c: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any,
        sizes: tuple[int, ...], mode: str, reverse: bool, variant: str = "",
    ) -> Any:  # fmt: skip
        t, dev = x.dtype, x.device
        wide = compute_dtype(t)
        c.sizes, c.mode, c.reverse, c.type, c.batch = sizes, mode, reverse, t, h0.lay.shape[0]
        given = (x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
        if dev.type == "cpu":
            arrays = [None if a is None else host_compute(a) for a in given]
            *results, kept = on_host.forward(arrays, sizes, mode, reverse)
            c.kept_host = kept if c.recording else None
            c.save(*given, *(None,) * 5)
            found = tuple(from_host(r, t, dev) for r in results if r is not None)
            return found
        xs, hs, cs, *w = (_widened(a, wide) for a in given)
        c.steps = _Steps.of(dev.context, wide, variant)
        out, h, cell, kept = _device_forward(c, xs, hs, cs, w, sizes, mode, reverse)
        c.save(*given, out, *kept)
        narrow = [a if a is None or t is wide else _copied(a, t) for a in (out, h, cell)]
        if t is wide and c.recording:
            narrow[0] = view(out, out.lay)  # the kept one has no gradient of its own
        return tuple(narrow) if mode == "lstm" else tuple(narrow[:2])

    @staticmethod
    def vjp(m: Any, c: Any, *grads: Any) -> Any:
        x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, out, *kept = c.saved
        given = (x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
        if m.is_grad_enabled():
            found = m.recurrent_gradients(grads, given, c.needs, c.sizes, c.mode, c.reverse)
            return (*found, *(None,) * (len(c.needs) - 8))
        t, wide, dev = c.type, compute_dtype(c.type), x.device
        dout, dh, dc = (*grads, None)[:3]
        if dev.type == "cpu":
            arrays = [None if a is None else host_compute(a) for a in (*given, dout, dh, dc)]
            results = on_host.backward(arrays[:8], arrays[8:], c.kept_host, c.sizes, c.mode, c.reverse)
            found = [None if r is None else from_host(r, t, dev) for r in results]
            return (*found, *(None,) * (len(c.needs) - 8))
        dout, dh, dc = (_widened(g, wide) for g in (dout, dh, dc))
        xs, w1, w2, w3 = (_widened(a, wide) for a in (x, w_ih, w_hh, w_hr))
        dpre, into_state, first, cell, dproject = _device_backward(c, kept, (w2, w3), out, (dout, dh, dc), c.batch)
        h_before, _, _, hidden = kept
        needs = c.needs
        both = into_state is dpre
        found = [None] * 8
        if needs[0]:
            found[0] = product(dpre, w1)
        found[1], found[2] = first, cell
        if needs[3]:
            found[3] = product(dpre, xs, transpose_a=True)
        if needs[4]:
            found[4] = product(into_state, h_before, transpose_a=True)
        if needs[5] or (needs[6] and both):
            found[5] = reduce(SUM, dpre, (0,), wide)
        if needs[6]:
            # two gradients may be changed apart from each other later
            found[6] = _copied(found[5], wide) if both else reduce(SUM, into_state, (0,), wide)
        if needs[7]:
            found[7] = product(dproject, hidden, transpose_a=True)
        found = [a if a is None or t is wide else _copied(a, t) for a in found]
        return (*found, *(None,) * (len(needs) - 8))
