"""What ``save`` and ``load`` do where a call does not say: torch.utils.serialization.config.

Source: https://docs.pytorch.org/docs/2.13/notes/serialization.html#utils-serialization-config
"""

from __future__ import annotations

import mmap as _mmap
from typing import Any

_PRIVATE: int | None = getattr(_mmap, "MAP_PRIVATE", None)  # Windows has none


class _Settings(type):
    """Refuse settings that there are not: one that is misspelt would change nothing."""

    def __setattr__(cls, name: str, value: Any) -> None:
        if name not in vars(cls):
            raise AttributeError(f"torch.utils.serialization.config.{cls.__name__}.{name} does not exist")
        super().__setattr__(name, value)


class load(metaclass=_Settings):
    """Hold the defaults of ``load``: map files, byte order of files that do not say theirs, how files are mapped.

    ``calculate_storage_offsets`` changes nothing: where a storage lies is looked up in the archive's directory.
    """

    mmap: bool = False
    endianness: Any = None
    mmap_flags: int | None = _PRIVATE
    calculate_storage_offsets: bool = False


class save(metaclass=_Settings):
    """Hold the defaults of ``save``: the multiple of bytes at which records start (checksums are always written).

    ``use_pinned_memory_for_d2h`` changes nothing: storages on a device are read back one by one.
    """

    compute_crc32: bool = True
    storage_alignment: int = 64
    use_pinned_memory_for_d2h: bool = False
