"""A caching allocator of OpenCL buffers, with torch.cuda's statistics.

Buffers go back to a free list of their size class when their storage dies. That is safe without waiting: the queue is
in order, so a later command that reuses the buffer runs after the earlier one that still reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.errors import OutOfMemoryError

_SMALL = 512


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
    """Hand out buffers of one device and take them back."""

    def __init__(self, create: Callable[[int], Any], limit: int, max_alloc: int, name: str) -> None:
        self._create = create
        self._free: dict[int, list[Any]] = {}
        self.limit, self.max_alloc, self.name = limit, max_alloc, name
        self.allocated = self.reserved = self.allocated_peak = self.reserved_peak = 0
        self.requests = self.driver_calls = self.retries = self.failures = 0
        self.live = 0

    def take(self, nbytes: int) -> tuple[Any, int]:
        """Return a buffer of at least ``nbytes`` and its size class; raise OutOfMemoryError."""
        size = size_class(nbytes)
        free = self._free.get(size)
        try:
            buf = free.pop() if free else self._grow(size, nbytes)  # one pop: another thread may have been quicker
        except IndexError:
            buf = self._grow(size, nbytes)
        self.requests += 1
        self.live += 1
        self.allocated += size
        if self.allocated > self.allocated_peak:
            self.allocated_peak = self.allocated
        return buf, size

    def give(self, buf: Any, size: int) -> None:
        """Take a buffer back for reuse."""
        self.allocated -= size
        self.live -= 1
        free = self._free.get(size)
        if free is None:
            free = self._free.setdefault(size, [])
        free.append(buf)

    def _grow(self, size: int, nbytes: int) -> Any:
        if size > self.max_alloc:
            if nbytes > self.max_alloc:
                self.failures += 1
                raise OutOfMemoryError(
                    f"{self.name} cannot hold {readable(nbytes)} in one buffer: its limit for one allocation "
                    f"is {readable(self.max_alloc)}"
                )
            size_now = nbytes
        else:
            size_now = size
        if self.reserved + size_now > self.limit:
            self.retries += 1
            self.empty_cache()
        if self.reserved + size_now <= self.limit:
            try:
                return self._counted(size_now, size)
            except MemoryError:
                self.retries += 1
                self.empty_cache()
                try:
                    return self._counted(size_now, size)
                except MemoryError:
                    pass
        self.failures += 1
        raise OutOfMemoryError(
            f"{self.name} out of memory. Tried to allocate {readable(nbytes)}. Of its {readable(self.limit)}, "
            f"{readable(self.allocated)} is held by tensors and {readable(self.reserved - self.allocated)} is cached."
        )

    def _counted(self, nbytes: int, size: int) -> Any:
        buf = self._create(nbytes)
        self.driver_calls += 1
        self.reserved += size
        self.reserved_peak = max(self.reserved_peak, self.reserved)
        return buf

    def empty_cache(self) -> None:
        """Release every cached buffer to the driver."""
        for size, free in list(self._free.items()):
            while free:
                free.pop().release()
                self.reserved -= size

    def reset_peaks(self) -> None:
        """Start the peak statistics anew from the present values."""
        self.allocated_peak, self.reserved_peak = self.allocated, self.reserved
