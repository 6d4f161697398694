"""Arrays made of numbers: filled with one value, evenly spaced, the identity. Every element is written once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import device as Device
from cltorch.device import host_memory
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import strided
from cltorch.ops.array import Array, cast_host, check_dtype, empty, from_host, host_line
from cltorch.ops.few import refuse

__all__ = ["eye", "fill", "fill_memory", "full", "spaced"]

# From this size on a CPU device fills faster by a kernel on all cores than by clEnqueueFillBuffer.
_KERNEL_BYTES = 1 << 19


@lru_cache(maxsize=256)
def _pattern(value: float, t: dtype) -> np.ndarray:
    return cast_host(np.asarray(value), t).reshape(1)


def full(shape: Sequence[int], value: float, t: dtype, dev: Device) -> Any:
    """Return an array with one value in every element."""
    out = empty(shape, t, dev)
    fill(out, value)
    return out


def fill(x: Any, value: float) -> None:
    """Write one value to every element of a contiguous array."""
    t = x.dtype
    # 0.0 and -0.0 are one key of a dictionary but two values
    pattern = _pattern(value, t) if value else cast_host(np.asarray(value), t).reshape(1)
    if x.device.type == "cpu":
        host_line(x)[...] = pattern[0]
        return
    context, nbytes, start = x.device.context, x.lay.numel * t.itemsize, x.lay.offset * t.itemsize
    if nbytes >= _KERNEL_BYTES and start == 0 and t.itemsize <= 8 and context.caps.kind == "cpu":
        kernel = context.kernel("create", "ct_fill", "bLll", what="fill", dtype="", ctype="", wide="")
        vectors = nbytes // 64
        run = max(4096, -(-vectors // (context.caps.compute_units * 8)))
        repeated = int(np.tile(pattern, 8 // t.itemsize).view(np.uint64)[0])
        kernel((-(-vectors // run),), (1,), x._storage, repeated, vectors, run)
        start, nbytes = vectors * 64, nbytes - vectors * 64
    context.fill_bytes(x._storage.buf, pattern, start, nbytes)


def fill_memory(x: Any, first: int = 0) -> None:
    """Put NaN, the largest number or True into the memory behind an array, from an element of the storage on."""
    t = x.dtype
    count = x._storage.nbytes // t.itemsize - first
    if count > 0 and x.device.type != "meta":
        value = math.nan if t.differentiable else True if t is dtypes.bool_ else dtypes.iinfo(t).max
        fill(Array.new(x._storage, Layout.make((count,), (1,), first), t), value)


def _runs(n: int, context: Any) -> tuple[tuple[int], tuple[int], int]:
    """Return global size, local size and elements per work-item: long runs on CPU devices, one element on others."""
    if context.caps.kind == "cpu":
        run = max(4096, -(-n // (context.caps.compute_units * 8)))
        return (-(-n // run),), (1,), run
    local = min(256, context.caps.max_work_group)
    return (-(-n // local) * local,), (local,), 1


def spaced(
    n: int,
    start: float,
    end: float,
    step: float,
    t: dtype,
    dev: Device,
    half_way: int | None = None,
    base: float | None = None,
) -> Any:
    """Return ``start + i * step`` for ``n`` elements, from ``half_way`` on counted back from ``end``.

    A ``base`` is raised to those numbers. Integers are computed in int64, everything else in float64;
    a device without float64 gets the values from the host.
    """
    refuse("arange", t)
    Layout.of((n,))  # raises where there are too many
    whole = all(isinstance(v, int) for v in (start, step)) and half_way is None and base is None
    if half_way is None:
        half_way = n
    if dev.type == "cpu" or not (whole or dev.context.caps.fp64):
        work = partial(_spaced_host, n, start, end, step, half_way, base)
        return from_host(host_memory.attempt("spaced", work), t, dev)
    out = empty((n,), t, dev)
    if n:
        context = dev.context
        letter, wide = ("l", "long") if whole else ("d", "double")
        args = f"blll{letter * 3}l{letter}i"
        kernel = context.kernel("create", "ct_spaced", args, what="spaced", dtype=t.name, ctype=t.ctype, wide=wide)
        size, local, run = _runs(n, context)
        kernel(
            size,
            local,
            out._storage,
            0,
            n,
            run,
            start,
            end if not whole else 0,
            step,
            half_way,
            base or 0,
            base is not None,
        )
    return out


def _spaced_host(n: int, start: float, end: float, step: float, half_way: int, base: float | None) -> np.ndarray:
    i = np.arange(n)
    if isinstance(start, int) and isinstance(step, int) and half_way == n and base is None:
        return i * step + start
    up = i[:half_way] * float(step) + float(start)
    down = float(end) - (n - 1 - i[half_way:]) * float(step)
    values = np.concatenate((up, down))
    with np.errstate(over="ignore"):
        return values if base is None else np.power(float(base), values)


def eye(rows: int, columns: int, t: dtype, dev: Device) -> Any:
    """Return ones on the main diagonal and zeros elsewhere."""
    refuse("eye", t)
    Layout.of((rows, columns))  # raises where there are too many
    if dev.type == "cpu":
        return from_host(np.eye(rows, columns, dtype=t.wide), t, dev)
    check_dtype(t, dev)
    if t.is_complex or t.few:
        out = full((rows, columns), 0, t, dev)
        strided.fill(Array.new(out._storage, Layout.make((min(rows, columns),), (columns + 1,), 0), t), 1)
        return out
    out, n = empty((rows, columns), t, dev), rows * columns
    if n:
        context = dev.context
        kernel = context.kernel("create", "ct_eye", "blll", what="eye", dtype=t.name, ctype=t.ctype, wide="")
        size, local, run = _runs(n, context)
        kernel(size, local, out._storage, n, run, columns)
    return out
