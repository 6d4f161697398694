"""A caching allocator of OpenCL buffers, with torch.cuda's statistics.

Buffers go back to a free list of their size class when their storage dies. That is safe without waiting: the queue is
in order, so a later command that reuses the buffer runs after the earlier one that still reads it.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from cltorch.errors import OutOfMemoryError

_SMALL = 512
_REMEMBERED = 4096  # sizes whose class is looked up instead of computed


_has_gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)


def size_class(nbytes: int) -> int:
    """Return the size really allocated: multiples of 512 B, from 4 KB on eight classes per power of two."""
    if nbytes <= 4096:
        return (nbytes + _SMALL - 1) // _SMALL * _SMALL or _SMALL
    step = 1 << ((nbytes - 1).bit_length() - 4)
    return (nbytes + step - 1) // step * step


def readable(nbytes: int) -> str:
    """Return a byte count as PyTorch's messages print it."""
    value, units = float(nbytes), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{nbytes} bytes" if units[0] == "bytes" else f"{value:.2f} {units[0]}"


class Allocator:
    """Hand out buffers of one device and take them back.

    ``create(nbytes)`` makes a buffer or raises MemoryError; ``settle()`` waits until released memory is free again.

    A buffer that comes back is only noted, by code in C alone (see Lent); it is counted and sorted in where the next
    one is taken, or where somebody asks for the figures.

    ``take`` is on the path of every operator and holds no lock: CPython switches threads only where a call or a loop
    ends, so a list's ``pop`` and each ``+=`` below is done in one piece. What spans several of them tolerates another
    thread in between. Without the GIL that is not so, and there it locks.
    """

    def __init__(
        self, create: Callable[[int], Any], limit: int, max_alloc: int, name: str, settle: Callable[[], None]
    ) -> None:
        self._create, self._settle = create, settle
        self._free: dict[int, list[Any]] = {}
        self._came_back: deque[tuple[Any, int]] = deque()
        self._note = self._came_back.append
        self._sizes: dict[int, int] = {}
        self.limit, self.max_alloc, self.name = limit, max_alloc, name
        self._allocated = self._returns = 0
        self.reserved = self.allocated_peak = self.reserved_peak = 0
        self.requests = self.driver_calls = self.retries = self.failures = 0
        self._lock = threading.RLock()
        if not _has_gil():
            self.take = self._locked(self.take)  # type: ignore[method-assign]
            self._sort = self._locked(self._sort)  # type: ignore[method-assign]

    def take(self, nbytes: int) -> tuple[Any, Callable[[], None]]:
        """Return a buffer of at least ``nbytes`` and what gives it back for reuse; raise OutOfMemoryError."""
        if self._came_back:
            self._sort()
        size = self._sizes.get(nbytes) or self._size(nbytes)
        free = self._free.get(size)
        try:
            buf = free.pop() if free else None
        except IndexError:  # another thread was quicker
            buf = None
        if buf is None:
            buf, size = self._grow(nbytes, size)
        self.requests += 1
        self._allocated += size
        if self._allocated > self.allocated_peak:
            self.allocated_peak = self._allocated
        return buf, partial(self._note, (buf, size))

    def _sort(self) -> None:
        """Count the buffers that came back, and put them where ``take`` finds them."""
        came_back = self._came_back
        while came_back:
            try:
                buf, size = came_back.popleft()
            except IndexError:  # another thread was quicker
                break
            self._allocated -= size
            self._returns += 1
            free = self._free.get(size)
            if free is None:
                free = self._free.setdefault(size, [])
            free.append(buf)

    @property
    def allocated(self) -> int:
        """Return the number of bytes that storages hold."""
        self._sort()
        return self._allocated

    @property
    def returns(self) -> int:
        """Return the number of buffers that came back so far."""
        self._sort()
        return self._returns

    @property
    def live(self) -> int:
        """Return the number of buffers that storages hold."""
        return self.requests - self.returns

    def _size(self, nbytes: int) -> int:
        size = size_class(nbytes)
        if size > self.max_alloc:
            size = nbytes  # not rounded up beyond what one buffer may hold
        if len(self._sizes) >= _REMEMBERED:
            self._sizes.clear()
        self._sizes[nbytes] = size
        return size

    def _grow(self, nbytes: int, size: int) -> tuple[Any, int]:
        """Return a new buffer and its size; release the cached buffers where there is no room, then try again."""
        if nbytes > self.max_alloc:
            self.failures += 1
            raise OutOfMemoryError(
                f"{self.name} cannot hold {readable(nbytes)} in one buffer: its limit for one allocation "
                f"is {readable(self.max_alloc)}"
            )
        with self._lock:
            buf = self._made(size)
            if buf is None:
                self.retries += 1
                self._settle()
                self.empty_cache()
                self._settle()
                buf = self._made(size)
            if buf is None and size > nbytes > 0:
                size = self._sizes[nbytes] = nbytes
                buf = self._made(size)
            if buf is not None:
                return buf, size
            self.failures += 1
        raise OutOfMemoryError(f"{self.name} out of memory. Tried to allocate {readable(nbytes)}. {self.usage()}")

    def usage(self) -> str:
        """Return a sentence about who holds the memory, for messages."""
        return (
            f"Of its {readable(self.limit)}, {readable(self.allocated)} is held by tensors and "
            f"{readable(self.reserved - self.allocated)} is cached."
        )

    def _made(self, size: int) -> Any:
        if self.reserved + size > self.limit:
            return None
        try:
            buf = self._create(size)
        except MemoryError:
            return None
        self.driver_calls += 1
        self.reserved += size
        self.reserved_peak = max(self.reserved_peak, self.reserved)
        return buf

    def empty_cache(self) -> None:
        """Release every cached buffer to the driver."""
        with self._lock:
            self._sort()
            for size, free in list(self._free.items()):
                while free:
                    try:
                        buf = free.pop()
                    except IndexError:  # another thread took the last one
                        break
                    buf.release()
                    self.reserved -= size

    def reset_peaks(self) -> None:
        """Start the peak statistics anew from the present values."""
        self.allocated_peak, self.reserved_peak = self.allocated, self.reserved

    def _locked(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            with self._lock:
                return method(*args)

        return call
