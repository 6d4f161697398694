"""The IDX format of MNIST and its relatives: a header of dimensions, then the numbers.

Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import lzma
import math
import os
import struct
import zlib
from typing import IO, cast

import numpy as np

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array of an IDX file, plain or compressed (.gz, .xz); raise ValueError for a damaged one."""
    with _open(os.fspath(path)) as f:
        try:
            head = f.read(4)
            if len(head) != 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 8:
                raise ValueError(f"{path} is not an IDX file: it starts with {head!r}")
            kind, ndim = np.dtype(_TYPES[head[2]]), head[3]
            sizes = f.read(4 * ndim)
            if len(sizes) != 4 * ndim:
                raise ValueError(f"{path} ends within its header")
            shape = struct.unpack(f">{ndim}I", sizes)
            wanted = math.prod(shape) * kind.itemsize
            data = f.read(wanted + 1) if wanted < 1 << 40 else b""
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    if len(data) != wanted:
        found = f"{len(data)} bytes" if len(data) < wanted else "more"
        raise ValueError(f"{path} says shape {list(shape)}, that is {wanted} bytes, but holds {found}")
    # from a bytearray, so that the tensor over it may be written to; big-endian numbers are turned round
    return np.frombuffer(bytearray(data), kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _open(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.endswith(".xz"):
        return cast("IO[bytes]", lzma.open(path, "rb"))
    return open(path, "rb")
