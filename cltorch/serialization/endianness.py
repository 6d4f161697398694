"""The byte order assumed for files that do not say theirs.

Source: https://docs.pytorch.org/docs/2.13/notes/serialization.html
"""

from __future__ import annotations

import enum
import sys


class LoadEndianness(enum.Enum):
    """Name a byte order for files without a record of it."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_default: LoadEndianness | None = None


def get_default_load_endianness() -> LoadEndianness | None:
    """Return the byte order assumed for files without a record of it; None means this machine's."""
    return _default


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order assumed for files without a record of it.

    >>> import cltorch as torch
    >>> torch.serialization.set_default_load_endianness(torch.serialization.LoadEndianness.LITTLE)
    >>> torch.serialization.set_default_load_endianness(None)
    """
    global _default
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _default = endianness


def missing_byteorder() -> str:
    """Return 'little' or 'big'."""
    if _default is LoadEndianness.LITTLE:
        return "little"
    return "big" if _default is LoadEndianness.BIG else sys.byteorder
