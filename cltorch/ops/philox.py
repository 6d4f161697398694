"""Philox4x32-10 on the host: the words of a counter-based random stream, vectorised with NumPy.

J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011.
kernels/philox.cl holds the same function for OpenCL devices; both give the same words.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["philox", "stream"]

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL0, _WEYL1 = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
# Blocks to ask for at a time: the intermediate products of this many stay in a core's second-level cache.
CHUNK = 8192
# Short reads come out of a cached run of this many blocks, so that a call of rand(1) costs a slice.
RUN = 256


def philox(counter: np.ndarray, key: int) -> np.ndarray:
    """Encrypt counters: (4, n) words of 32 bits under a 64-bit key give uint32 of shape (4, n)."""
    # Words are held as 64-bit numbers: one product then gives both halves, and NumPy need not convert anything.
    words: Any = counter.astype(np.uint64)
    products: Any = np.empty((2, counter.shape[1]), np.uint64)
    (c0, c1, c2, c3), (p0, p1) = words, products  # rows, which NumPy's stubs may call numbers
    for r in range(10):
        k0 = np.uint64((key + r * _WEYL0) & 0xFFFFFFFF)
        k1 = np.uint64(((key >> 32) + r * _WEYL1) & 0xFFFFFFFF)
        np.multiply(c0, _M0, out=p0)
        np.multiply(c2, _M1, out=p1)
        np.right_shift(p1, _HALF, out=c0)
        np.bitwise_xor(c0, c1, out=c0)
        np.bitwise_xor(c0, k0, out=c0)
        np.right_shift(p0, _HALF, out=c2)
        np.bitwise_xor(c2, c3, out=c2)
        np.bitwise_xor(c2, k1, out=c2)
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)
    return np.stack((c0, c1, c2, c3)).astype(np.uint32)


def _blocks(seed: int, first: int, count: int) -> np.ndarray:
    index = np.arange(count, dtype=np.uint64) + np.uint64(first)
    counter = np.zeros((4, count), np.uint64)
    counter[0] = index & _LOW
    counter[1] = index >> _HALF
    return philox(counter, seed)


@lru_cache(maxsize=16)
def _run(seed: int, number: int) -> np.ndarray:
    return _blocks(seed, number * RUN, RUN)


def stream(seed: int, first: int, count: int) -> np.ndarray:
    """Return blocks ``first`` to ``first + count`` of a stream, one per column: uint32 of shape (4, count).

    >>> stream(0, 0, 1).ravel().tolist()
    [1713891541, 3781805453, 3159862348, 2600524760]
    """
    number, start = divmod(first, RUN)
    if start + count <= RUN:
        return _run(seed, number)[:, start : start + count]
    return _blocks(seed, first, count)
