"""Storage: the bytes behind tensors: a NumPy array on the host, a buffer on an OpenCL device, none on ``meta``."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.device import host_memory
from cltorch.device.device import CPU
from cltorch.device.device import device as Device
from cltorch.device.lent import NOTHING, Lent

_BYTE = np.dtype(np.uint8)
PINNED = object()  # the owner of bytes that a driver copies without a detour


#: how many eras have begun: who must tell older storages from newer ones begins another
eras = [0]


class Contents:
    """What is known of some bytes, for all storages that share them.

    ``changes`` counts what all of them count as versions. ``kept`` holds what was made of the bytes, by who made it;
    each change empties it. ``seen`` is False once somebody may change them who tells no storage.
    """

    __slots__ = ("changes", "kept", "seen")

    def __init__(self) -> None:
        self.changes = 0
        self.kept: dict[Any, Any] = {}
        self.seen = True


class Storage:
    """Hold ``nbytes`` bytes on one device, shared by all views.

    ``buf`` is the OpenCL buffer (None on the host), ``array`` the uint8 host array (None on a device), ``version``
    counts in-place changes, ``era`` is the one it was made in. An alias (``alias()``) shares the bytes and has a
    version count of its own.
    """

    __slots__ = ("device", "nbytes", "buf", "array", "_version", "era", "_owner", "_contents", "__weakref__")

    device: Device
    nbytes: int
    buf: Any
    array: Any

    def __init__(self, dev: Device, nbytes: int, buf: Any = None, array: Any = None) -> None:
        self.device, self.nbytes, self.buf, self.array = dev, nbytes, buf, array
        self._version = 0
        self.era = eras[0]
        self._owner: Any = None  # what the bytes are borrowed from, and kept alive by
        self._contents: Contents | None = None

    @staticmethod
    def allocate(nbytes: int, dev: Device) -> Storage:
        """Return uninitialised bytes on a device; raise OutOfMemoryError."""
        if dev.type != "cpu":
            made: Storage = dev.context.alloc(nbytes)
            return made
        return Storage(CPU, nbytes, array=host_memory.empty(nbytes))

    @staticmethod
    def wrap(array: np.ndarray) -> Storage:
        """Return a host storage that shares the memory of a contiguous NumPy array."""
        nbytes = array.nbytes
        return Storage(CPU, nbytes, array=np.ndarray(nbytes, _BYTE, array))

    def alias(self) -> Storage:
        """Return a storage of the same bytes whose version is counted apart."""
        other = Storage(self.device, self.nbytes, self.buf, self.array)
        other._owner = self._owner or self
        other.era = self.era
        other._contents = self.contents
        return other

    @property
    def version(self) -> int:
        """Return how many in-place changes were counted."""
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        self._version = value
        contents = self._contents
        if contents is not None:
            contents.changes += 1
            if contents.kept:
                contents.kept = {}

    @property
    def contents(self) -> Contents:
        """Return what is known of the bytes, which all aliases share."""
        if self._contents is None:
            self._contents = Contents()
        return self._contents

    @property
    def memory(self) -> Any:
        """Return the object that stands for the bytes, the same for all aliases; None where there are none."""
        return self.array if self.buf is None else self.buf

    def data_ptr(self) -> int:
        """Return an address that is the same for all views of these bytes and for nothing else alive."""
        if self.array is not None:
            return int(self.array.ctypes.data)
        self.contents.seen = False  # who has the buffer may write to it
        return int(self.buf.int_ptr)

    def bytes(self) -> np.ndarray:
        """Return the bytes as a host array: the array itself on the host, a copy (which waits) from a device."""
        if self.array is not None:
            return self.array
        out = host_memory.empty(self.nbytes)
        self.device.context.read(self.buf, out)
        return out

    def resize(self, nbytes: int) -> None:
        """Grow or shrink in place, keeping the leading bytes."""
        new = Storage.allocate(nbytes, self.device)
        keep = min(nbytes, self.nbytes)
        if self.array is not None:
            new.array[:keep] = self.array[:keep]
        elif keep:
            self.device.context.copy_bytes(self.buf, new.buf, 0, 0, keep)
        self._become(new)

    def _become(self, new: Storage) -> None:
        """Take over the bytes of another storage, so that every view of this one sees them."""
        self.buf, self.array, self.nbytes = new.buf, new.array, new.nbytes
        self._owner = new if isinstance(new, LentStorage) else None
        self._contents = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.device.type == "meta":
            return Storage.allocate, (self.nbytes, self.device)
        return _from_bytes, (self.bytes().tobytes(), self.device)

    def __len__(self) -> int:
        return self.nbytes


class LentStorage(Lent, Storage):
    """Hold a buffer that goes back to the allocator of its device."""

    __slots__ = ("give_back",)

    def __init__(self, dev: Device, nbytes: int, buf: Any, give_back: Callable[[], None]) -> None:
        self.device, self.nbytes, self.buf, self.array = dev, nbytes, buf, None
        self._version = 0
        self.era = eras[0]
        self._owner = self._contents = None
        self.give_back = give_back

    def alias(self) -> Storage:
        """Return a storage of the same bytes, which outlive this one's by then: it may get others (``resize``)."""
        if self._owner is None:
            self._owner = LentStorage(self.device, self.nbytes, self.buf, self.give_back)
            self.give_back = NOTHING
        return super().alias()

    def _become(self, new: Any) -> None:
        # the other one dies with the bytes that were this one's, unless aliases have them
        self.buf, self.nbytes, self.give_back, new.give_back = new.buf, new.nbytes, new.give_back, self.give_back
        self._owner = self._contents = None


def owner_of(storage: Storage) -> Any:
    """Return what the bytes of a storage belong to, None for memory of their own."""
    owner = storage._owner
    while isinstance(owner, Storage):  # an alias belongs to what it is an alias of
        owner = owner._owner
    return owner


def mapping_of(storage: Storage) -> mmap.mmap | None:
    """Return the shared memory in which a host storage lies, None for memory of its own."""
    view = storage.array.base
    source = view.obj if isinstance(view, memoryview) else None
    return source if isinstance(source, mmap.mmap) else None


def _from_bytes(raw: bytes, dev: Device) -> Storage:
    made = Storage.allocate(len(raw), dev)
    data = np.frombuffer(raw, np.uint8)
    if made.array is not None:
        made.array[:] = data
    else:
        dev.context.write(made.buf, data)
    return made
