"""How many bytes of host tensors are alive, counted while a profiler asks for it."""

from __future__ import annotations

import weakref
from typing import Any

from cltorch.device.storage import Storage
from cltorch.stand_ins import StandIns


class HostMemory:
    """Count the bytes of the host's storages that were made since ``watch`` and are alive.

    What NumPy takes besides for a moment is not seen; what was there before counts neither while it is there nor when
    it goes.
    """

    def __init__(self) -> None:
        self.held = 0
        self._alive: dict[int, Any] = {}  # by its place: one array may be behind several storages

    def watch(self, stand_ins: StandIns) -> None:
        """Count from now on, until the stand-ins end."""
        make = Storage.__init__

        def made(storage: Storage, *args: Any, **kwargs: Any) -> None:
            make(storage, *args, **kwargs)
            if storage.array is not None:
                self._count(storage.array)

        stand_ins.set(Storage, "__init__", made)

    def _count(self, array: Any) -> None:
        place, size = id(array), int(array.nbytes)
        if place in self._alive:
            return

        def gone(_: Any) -> None:
            del self._alive[place]
            self.held -= size

        self._alive[place] = weakref.ref(array, gone)
        self.held += size
