"""Host memory that is used again and again for copies to and from a device.

Fresh memory costs more than the copy itself: the system clears every page at its first use, and a driver that pins
pages talks to the kernel for each of them. So blocks go back to a free list of their size class when the last array on
them dies, views included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.device.allocator import size_class


class _Lease:
    """Own the arrays on one block; when the last of them is gone, the block goes back."""

    __slots__ = ("__array_interface__", "_block", "_pool")

    def __init__(self, pool: HostPool, block: np.ndarray, nbytes: int) -> None:
        self._pool, self._block = pool, block
        self.__array_interface__ = {**block.__array_interface__, "shape": (nbytes,)}

    def __del__(self) -> None:
        self._pool._give(self._block)


class HostPool:
    """Hand out bytes; ``make(nbytes)`` returns new ones, of which at most ``limit`` wait to be used again."""

    def __init__(self, make: Callable[[int], np.ndarray], limit: int) -> None:
        self._make, self._limit = make, limit
        self._free: dict[int, list[np.ndarray]] = {}
        self.cached = 0

    def take(self, nbytes: int) -> np.ndarray:
        """Return uninitialised bytes."""
        size = size_class(nbytes)
        block: Any = None
        free = self._free.get(size)
        try:
            if free:
                block = free.pop()
                self.cached -= size
        except IndexError:  # another thread was quicker
            pass
        if block is None:
            block = self._make(size)
        return np.asarray(_Lease(self, block, nbytes))

    def _give(self, block: np.ndarray) -> None:
        if self.cached + block.nbytes <= self._limit:
            self._free.setdefault(block.nbytes, []).append(block)
            self.cached += block.nbytes

    def empty(self) -> None:
        """Let go of the blocks that nobody uses."""
        self._free, self.cached = {}, 0
