"""Conjugates and negatives that are views: a storage that shows another one's numbers with signs turned.

Such a view has the strides of what it is a view of, and the same address; what differs is its storage. When an
operator, on the host or on a device, asks that storage for its memory, it gets the elements with their signs turned,
computed once and again after the memory was changed. After a change in place, which counts the version, they are
turned once more on their way back. So no operator needs to know, and operators on plain tensors ask nothing more.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.conj.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch.device import Storage
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.table import TABLE

_CONJ, _NEG = TABLE["conj_values"], TABLE["neg"]


class Turned:
    """Show the elements that a layout has in a storage as their conjugates (``conj``), negatives (``neg``) or both."""

    __slots__ = ("base", "lay", "dtype", "conj", "neg", "_made", "_seen", "__weakref__")

    def __init__(self, base: Storage, layout: Layout, t: dtype, conj: bool, neg: bool) -> None:
        self.base, self.lay, self.dtype, self.conj, self.neg = base, layout, t, conj, neg
        self._made: Storage | None = None
        self._seen = 0  # the version that was turned

    @property
    def device(self) -> Any:
        """Return the device."""
        return self.base.device

    @property
    def nbytes(self) -> int:
        """Return the size of the memory that this is a view of."""
        return self.base.nbytes

    @property
    def memory(self) -> Any:
        """Return what stands for the bytes: operators read and write others than the base's."""
        return self

    @property
    def _owner(self) -> Any:
        return self.base._owner

    @property
    def version(self) -> int:
        """Return how often the memory was changed, through this view or otherwise."""
        return self.base.version

    @version.setter
    def version(self, value: int) -> None:
        base, made = self.base, self._made
        if made is not None and self._seen == base.version:
            self._turn(made, base)
            self._seen = value
        base.version = value

    @property
    def array(self) -> Any:
        """Return the turned elements as bytes of the host, None on a device."""
        return None if self.base.buf is not None or self.base.array is None else self._turned().array

    @property
    def buf(self) -> Any:
        """Return the turned elements as a buffer of the device, None on the host."""
        return self.base.buf if self.base.buf is None else self._turned().buf

    def _turned(self) -> Storage:
        base, made = self.base, self._made
        if made is None or self._seen != base.version:
            # memory of its own each time, for what was read before may be in use
            made = self._made = self._packed() or self._spread()
            self._seen = base.version
        return made

    def _packed(self) -> Storage | None:
        """Return the elements as an operator returns them, where they lie as they should then."""
        lay = self.lay
        if lay.offset or not lay.numel or not lay.packed():
            return None
        found = Array.new(self.base, lay, self.dtype)
        if self.conj:
            found = _CONJ.compute((found,), ())
        if self.neg:
            found = _NEG.compute((found,), ())
        made: Storage = found._storage
        return made if found.lay.strides == lay.strides else None

    def _spread(self) -> Storage:
        made = Storage.allocate(self.base.nbytes, self.base.device)
        self._turn(self.base, made)
        return made

    def _turn(self, source: Storage, target: Storage) -> None:
        lay = self.lay
        if not lay.numel:
            return
        # an element that several indices mean is turned once
        sizes = [1 if step == 0 else n for n, step in zip(lay.shape, lay.strides, strict=True)]
        once = Layout.make(sizes, lay.strides, lay.offset)
        out, x = Array.new(target, once, self.dtype), Array.new(source, once, self.dtype)
        if self.conj:
            _CONJ.into(out, (x,), ())
            x = out
        if self.neg:
            _NEG.into(out, (x,), ())

    def alias(self) -> Turned:
        """Return the same view of the same bytes, whose version is counted apart."""
        return Turned(self.base.alias(), self.lay, self.dtype, self.conj, self.neg)

    def data_ptr(self) -> int:
        """Return the address of the memory that this is a view of."""
        return self.base.data_ptr()

    def bytes(self) -> np.ndarray:
        """Return the turned elements as bytes of the host."""
        return self._turned().bytes()

    def resize(self, nbytes: int) -> None:
        """Grow or shrink the memory that this is a view of; all of it is seen turned then."""
        self.base.resize(nbytes)
        self._made, self.lay = None, Layout.of((nbytes // self.dtype.itemsize,))

    def __len__(self) -> int:
        return self.base.nbytes

    def __reduce__(self) -> Any:
        lay = self.lay
        return _again, (self.base, tuple(lay.shape), lay.strides, lay.offset, self.dtype, self.conj, self.neg)


def _again(base: Storage, shape: Any, strides: Any, offset: int, t: dtype, conj: bool, neg: bool) -> Turned:
    return Turned(base, Layout.make(shape, strides, offset), t, conj, neg)


def turns(x: Any) -> tuple[bool, bool]:
    """Return whether a tensor shows its memory conjugated, and whether negated."""
    storage = x._storage
    if storage.__class__ is Turned:
        return storage.conj, storage.neg
    return False, False


def plain(storage: Any) -> Any:
    """Return the storage that another one shows with signs turned, or the storage itself."""
    return storage.base if storage.__class__ is Turned else storage


def turned(x: Any, conj: bool = False, neg: bool = False) -> Any:
    """Return the storage that shows a tensor's elements turned, in addition to how it shows them already."""
    before = turns(x)
    conj, neg = conj != before[0], neg != before[1]
    base = plain(x._storage)
    return Turned(base, x.lay, x.dtype, conj, neg) if conj or neg else base


def turns_between(base: Any, part: Any) -> tuple[bool, bool]:
    """Return how a view's elements are turned against those of what it is a view of."""
    if base._storage is part._storage:
        return False, False
    (conj, neg), (conj_part, neg_part) = turns(base), turns(part)
    if part.dtype.is_complex:
        return conj != conj_part, neg != neg_part
    # of a complex base's parts the imaginary ones, at odd places, are turned by its conjugate
    return False, neg_part != (neg != (conj and bool(part.lay.offset % 2)))
