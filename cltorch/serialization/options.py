"""Settings of ``save`` and ``load``: byte order, checksums, mapping, and files without their data.

Source: https://docs.pytorch.org/docs/2.13/notes/serialization.html
"""

from __future__ import annotations

import enum
import mmap
import sys
import threading
from typing import Any

from cltorch.serialization import config


class LoadEndianness(enum.Enum):
    """Name a byte order for files without a record of it."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """Return the byte order assumed for files without a record of it; None means this machine's."""
    found: LoadEndianness | None = config.load.endianness
    return found


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order assumed for files without a record of it.

    >>> import cltorch as torch
    >>> torch.serialization.set_default_load_endianness(torch.serialization.LoadEndianness.LITTLE)
    >>> torch.serialization.set_default_load_endianness(None)
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    config.load.endianness = endianness


def missing_byteorder() -> str:
    """Return 'little' or 'big'."""
    chosen = get_default_load_endianness()
    if chosen is LoadEndianness.LITTLE:
        return "little"
    return "big" if chosen is LoadEndianness.BIG else sys.byteorder


def get_crc32_options() -> bool:
    """Return what ``set_crc32_options`` was told, True at first."""
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Say whether ``save`` need compute checksums; it does so in any case, which every reader of zip files accepts."""
    config.save.compute_crc32 = bool(compute_crc32)


def get_default_mmap_options() -> int | None:
    """Return how ``load(mmap=True)`` maps files: ``mmap.MAP_PRIVATE`` (the default) or ``mmap.MAP_SHARED``."""
    return config.load.mmap_flags


class set_default_mmap_options:
    """Set how ``load(mmap=True)`` maps files, for good or within a ``with`` block.

    ``flags`` is ``mmap.MAP_PRIVATE``, which leaves the file alone, or ``mmap.MAP_SHARED``, by which changes to the
    tensors are written to it. Raises RuntimeError on Windows, ValueError for other flags.

    >>> import cltorch as torch, mmap
    >>> with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
    ...     torch.serialization.get_default_mmap_options() == mmap.MAP_SHARED
    True
    """

    def __init__(self, flags: int) -> None:
        if sys.platform == "win32":
            raise RuntimeError("Changing the default mmap options is currently not supported for Windows")
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                f"Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self._before = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        config.load.mmap_flags = self._before


def mapped_shared() -> bool:
    """Return whether changes to mapped tensors go to the file."""
    return sys.platform != "win32" and config.load.mmap_flags == mmap.MAP_SHARED


_state = threading.local()


class skip_data:
    """Leave out the bytes of storages within a ``with`` block.

    ``save`` writes a file of full size with zeros in their place, to be filled in later; ``load`` makes tensors without
    reading their values. For files in the zip format. ``materialize_fake_tensors`` is without effect.

    >>> import cltorch as torch, io
    >>> f = io.BytesIO()
    >>> with torch.serialization.skip_data():
    ...     torch.save(torch.ones(2), f)
    >>> _ = f.seek(0)
    >>> torch.load(f)
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> skip_data:
        _state.depth = getattr(_state, "depth", 0) + 1
        return self

    def __exit__(self, *exc: Any) -> None:
        _state.depth -= 1


def skipping() -> bool:
    """Return whether this thread is within ``skip_data``."""
    return getattr(_state, "depth", 0) > 0
