"""Host memory that is used again and again for copies to and from a device.

Fresh memory costs more than the copy itself: the system clears every page at its first use, and a driver that pins
pages talks to the kernel for each of them. So blocks go back to a free list of their size class when the last array on
them dies, views included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np

from cltorch.device.allocator import size_class
from cltorch.device.lent import Lent


class _Lease(Lent):
    """Own the arrays on one block; when the last of them is gone, the block goes back."""

    __slots__ = ("__array_interface__", "give_back")

    def __init__(self, block: np.ndarray, nbytes: int, give_back: Callable[[], None]) -> None:
        self.__array_interface__ = {**block.__array_interface__, "shape": (nbytes,)}
        self.give_back = give_back


class HostPool:
    """Hand out bytes; ``make(nbytes)`` returns new ones.

    Of each size class at most ``limit`` bytes wait to be used again, and of all together when new ones are made.
    """

    def __init__(self, make: Callable[[int], np.ndarray], limit: int) -> None:
        self._make, self._limit = make, limit
        self._free: dict[int, deque[np.ndarray]] = {}

    def take(self, nbytes: int) -> np.ndarray:
        """Return uninitialised bytes."""
        size = size_class(nbytes)
        free = self._free.get(size)
        if free is None:
            # a full deque drops a block at its other end
            free = self._free.setdefault(size, deque(maxlen=self._limit // size))
        try:
            block = free.pop()
        except IndexError:  # none, or another thread was quicker
            self._trim()
            block = self._make(size)
        return np.asarray(_Lease(block, nbytes, partial(free.append, block)))

    @property
    def cached(self) -> int:
        """Return the number of bytes that wait to be used again."""
        return sum(size * len(free) for size, free in list(self._free.items()))

    def _trim(self) -> None:
        """Let go of classes of blocks, those that were first needed earliest, until the rest is within the limit."""
        for free in list(self._free.values()):
            if self.cached <= self._limit:
                break
            free.clear()

    def empty(self) -> None:
        """Let go of the blocks that nobody uses."""
        for free in list(self._free.values()):
            free.clear()
