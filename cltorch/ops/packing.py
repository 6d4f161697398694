"""Weights in the form in which a kernel reads them, kept as long as nobody changes them.

Where a convolution has few places, laying its weight out takes as long as its multiplications. The form stays with the
contents of the weight's storage, which whatever writes there empties, and goes with them. It is kept from the second
time on that the same contents are asked for: a training step, which asks once and then changes them, keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.device import Storage

#: bytes of all kept forms on a device: no more than this, nor than this part of its memory
MOST, PART = 256 << 20, 16


class _Total:
    """Count the bytes of the kept forms on a device."""

    def __init__(self) -> None:
        self.nbytes = 0


class _Kept:
    """Hold the form of a weight, or only the note that it was asked for; ``mark`` tells the bias of that time."""

    def __init__(self, mark: Any, total: _Total) -> None:
        self.mark, self._total = mark, total
        self.form: Storage | None = None

    def keep(self, form: Storage) -> None:
        self.form = form
        self._total.nbytes += form.nbytes

    def __del__(self) -> None:
        if self.form is not None:
            self._total.nbytes -= self.form.nbytes


class Packing:
    """How a plan lays a weight and its bias out: ``pack(form, weight, its offset, bias, its offset)``, of buffers."""

    def __init__(self, context: Any, nbytes: int, pack: Callable[[Any, Any, int, Any, int], None]) -> None:
        self._alloc, self._nbytes, self._pack = context.alloc, nbytes, pack
        self._total: _Total = context.ready.setdefault("bytes of packed weights", _Total())
        self._limit = min(MOST, context.caps.global_mem // PART)

    def of(self, w: Any, w_off: int, b: Any, b_off: int) -> Storage:
        """Return the form of a weight, made anew where it is not kept; ``b`` is ``w`` where there is no bias."""
        if isinstance(w, Storage) and isinstance(b, Storage):
            here, other = w.contents, b.contents
            if here.seen and other.seen:
                return self._known(here, None if other is here else (other, other.changes), w, w_off, b, b_off)
        return self._made(w, w_off, b, b_off)

    def _known(self, here: Any, mark: Any, w: Any, w_off: int, b: Any, b_off: int) -> Storage:
        place = (self, w_off, b_off)
        found = here.kept.get(place)
        if found is not None and found.mark == mark:
            form: Storage | None = found.form
            if form is None:
                form = self._made(w, w_off, b, b_off)
                if self._total.nbytes + self._nbytes <= self._limit:
                    found.keep(form)
            return form
        here.kept[place] = _Kept(mark, self._total)
        return self._made(w, w_off, b, b_off)

    def _made(self, w: Any, w_off: int, b: Any, b_off: int) -> Storage:
        form: Storage = self._alloc(self._nbytes)
        self._pack(form.buf, w.buf, w_off, b.buf, b_off)
        return form
