"""What ``save`` and ``load`` do where a call does not say: torch.utils.serialization.config.

Source: https://docs.pytorch.org/docs/2.13/notes/serialization.html#utils-serialization-config
"""

from __future__ import annotations

import mmap as _mmap
from typing import Any

_PRIVATE: int | None = getattr(_mmap, "MAP_PRIVATE", None)  # Windows has none


class load:
    """Hold the defaults of ``load``: map files, byte order of files that do not say theirs, how files are mapped."""

    mmap: bool = False
    endianness: Any = None
    mmap_flags: int | None = _PRIVATE


class save:
    """Hold the defaults of ``save``: the multiple of bytes at which records start (checksums are always written)."""

    compute_crc32: bool = True
    storage_alignment: int = 64
