"""Huge pages for large buffers of devices that are the host's processor.

Where Linux gives huge pages only to memory for which a program asks (``madvise`` in
/sys/kernel/mm/transparent_hugepage/enabled, as most distributions have it), a driver's buffers have pages of 4 KB. A
core that reads such a buffer looks up an address for each of them, and its prefetching ends with each of them. NumPy
asks for its own large arrays, so that tensors on the host have them.

Source: https://docs.kernel.org/admin-guide/mm/transhuge.html
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable

#: bytes from which a buffer gets huge pages, as NumPy's arrays do: smaller ones would waste too much of the last page
LEAST = 4 << 20
_ADVICE = getattr(mmap, "MADV_HUGEPAGE", None)


def _madvise() -> Callable[..., int] | None:
    if _ADVICE is None:  # not Linux
        return None
    try:
        call = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
    call.argtypes, call.restype = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int), ctypes.c_int
    return call


_call = _madvise()


def ask(address: int, nbytes: int) -> bool:
    """Ask for huge pages for the whole pages of a stretch of memory; return whether the system agreed."""
    first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    size = (address + nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
    return _call is not None and size > 0 and _call(first, size, _ADVICE) == 0
