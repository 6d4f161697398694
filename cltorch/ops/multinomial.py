"""Draw categories with replacement from unnormalised probabilities.

kernels/random_multinomial.cl is the device's part.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from cltorch.device import CPU, host_memory
from cltorch.dtypes import float32, int64
from cltorch.layout import Layout
from cltorch.ops.array import empty, from_host, host_compute
from cltorch.ops.generator import Generator
from cltorch.ops.philox import stream

__all__ = ["multinomial"]

# Categories added up at a time: about the square root of a large vocabulary, so that both walks of a draw are short.
SEGMENT = 256


def multinomial(p: Any, samples: int, generator: Generator) -> Any:
    """Return ``samples`` indices per row of dense probabilities (rows, categories), each row with a positive sum."""
    rows, categories = p.shape
    seed, block = generator.reserve(rows * samples)
    if p.device.type == "cpu":
        Layout.of((rows, samples))  # raises where there are too many
        work = partial(_host, host_compute(p).astype(np.float32), samples, seed, block)
        return from_host(host_memory.attempt("multinomial", work), int64, CPU)
    context, segments = p.device.context, -(-categories // SEGMENT)
    params = {"dtype": p.dtype.name, "ctype": p.dtype.ctype, "lanes": 1}
    add = context.kernel("random_multinomial", "ct_segments", "bblllli", **params)
    draw = context.kernel("random_multinomial", "ct_multinomial", "bbbllllliIIL", **params)
    sums, out = empty((rows, segments), float32, p.device), empty((rows, samples), int64, p.device)
    local = 1 if context.caps.kind == "cpu" else min(64, context.caps.max_work_group)

    def size(n: int) -> tuple[int]:
        return (-(-n // local) * local,)

    offset = p.lay.offset
    if rows:
        add(size(rows * segments), (local,), sums._storage, p._storage, offset, rows, categories, segments, SEGMENT)
        shape = (rows, samples, categories, segments, SEGMENT)
        key = (seed & 0xFFFFFFFF, seed >> 32, block)
        draw(size(rows * samples), (local,), out._storage, sums._storage, p._storage, offset, *shape, *key)
    return out


def _host(p: np.ndarray, samples: int, seed: int, block: int) -> np.ndarray:
    rows, categories = p.shape
    segments = -(-categories // SEGMENT)
    padded = np.zeros((rows, segments * SEGMENT), np.float32)
    padded[:, :categories] = p
    parts = padded.reshape(rows, segments, SEGMENT)
    # cumsum adds one by one, as the kernel does; sum() would add in pairs
    running = np.cumsum(np.cumsum(parts, axis=2)[:, :, -1], axis=1)
    before = np.concatenate((np.zeros((rows, 1), np.float32), running[:, :-1]), axis=1)
    words = stream(seed, block, -(-rows * samples // 4)).T.reshape(-1)[: rows * samples].reshape(rows, samples)
    unit = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    out = np.empty((rows, samples), np.int64)
    for row in range(rows):
        target = unit[row] * running[row, -1]
        segment = np.minimum(np.searchsorted(running[row], target, side="right"), segments - 1)
        for s in np.unique(segment):
            mine = segment == s
            inside = np.cumsum(np.concatenate((before[row, s : s + 1], parts[row, s])))[1:]
            possible = np.flatnonzero(parts[row, s] > 0)
            if not possible.size:  # rounding put the target behind the last category that is possible
                possible = np.flatnonzero(padded[row, : s * SEGMENT] > 0)[-1:] - s * SEGMENT
                out[row, mine] = possible + s * SEGMENT
                continue
            found = np.searchsorted(inside[possible], target[mine], side="right")
            out[row, mine] = possible[np.minimum(found, possible.size - 1)] + s * SEGMENT
    return out
