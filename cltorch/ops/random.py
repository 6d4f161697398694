"""Random numbers: fill an array with a distribution, flip coins, drop out, permute.

Word ``i`` of the generator's Philox stream makes element ``i`` (in float64, and for wide integer ranges, words
``2i`` and ``2i + 1``), on every device by the same formula: kernels/random.cl and ``_elements`` below.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.dtypes import bfloat16, float16, float64, int64
from cltorch.ops.array import Array, cast_host, empty, from_host, host, host_compute, host_line
from cltorch.ops.channels import laid_like
from cltorch.ops.complex_formula import as_real
from cltorch.ops.evaluate import Formula, run
from cltorch.ops.few import refuse
from cltorch.ops.generator import Generator, default_generator
from cltorch.ops.op import Op
from cltorch.ops.philox import CHUNK, stream
from cltorch.ops.sort import sort
from cltorch.ops.strided import cast, copy_into

__all__ = ["Draw", "Dropout", "dense", "draw", "permutation", "place", "refill", "zero_gradient"]

# Coins are tossed with one word each whatever the dtype, so that a dropout mask does not depend on it.
_COINS = ("bernoulli", "bernoulli_tensor", "dropout")
_UNIT_BITS = {float16: 11, bfloat16: 8}
_MASK64 = (1 << 64) - 1
# Ranges up to this size are drawn from 32 bits; the bias of the multiplication is below one part in 65536 then.
_NARROW = 1 << 16


def draw(x: Any, dist: str, a: float = 0, b: float = 0, generator: Generator | None = None, source: Any = None) -> Any:
    """Fill a contiguous array from the next words of a generator and return it.

    ``dist`` and its parameters: uniform (a, width b), normal (mean a, deviation b), log_normal (same), exponential
    (1 / rate), geometric (1 / log(1 - p)), cauchy (median a, scale b), randint (low a, size b; 0 is 2**64), bernoulli
    (p), bernoulli_tensor (p from ``source``), dropout (probability a to keep, factor b, input ``source``).
    """
    refuse(dist, x.dtype)
    if generator is None:
        generator = default_generator(x.device)
    elif generator.device.type != x.device.type and x.device.type != "meta":
        raise RuntimeError(
            f"Expected a '{x.device.type}' device type for generator but found '{generator.device.type}'"
        )
    if x.dtype.is_complex:  # both parts are drawn; together they have the variance that was asked for
        draw(as_real(x), dist, a, b * math.sqrt(0.5) if dist == "normal" else b, generator, source)
        return x
    n = x.lay.numel
    place(x, dist, a, b, generator.reserve(n * _words(dist, x.dtype, b)), source)
    return x


def _words(dist: str, dtype: Any, b: float) -> int:
    if dist == "randint":
        return 1 if 0 < b <= _NARROW else 2
    return 2 if dtype is float64 and dist not in _COINS else 1


def place(x: Any, dist: str, a: float, b: float, at: tuple[int, int], source: Any = None) -> None:
    """Fill a contiguous array from a given place (seed, block) of a stream."""
    if x.lay.numel:
        words = _words(dist, x.dtype, b)
        if dist == "randint":
            a, b = int(a) & _MASK64, int(b) & _MASK64
        if x.device.type != "cpu":
            _launch(x, dist, a, b, at, source, words)
        else:
            _fill_host(x, dist, a, b, at, source, words)


def _launch(x: Any, dist: str, a: float, b: float, at: tuple[int, int], source: Any, words: int) -> None:
    context, dtype, n = x.device.context, x.dtype, x.lay.numel
    caps = context.caps
    lanes = 16 if caps.kind == "cpu" else 1
    key = ("random", dist, dtype, words, source.dtype if source is not None else None)
    kernel = context.ready.get(key)
    if kernel is None:
        number = "LL" if dist == "randint" else "dd" if dtype is float64 and words == 2 else "ff"
        of = (None, None) if source is None else (source.dtype.name, source.dtype.ctype)
        kernel = context.ready[key] = context.kernel(
            "random", "ct_random", f"bllIIL{number}l" + ("" if source is None else "bl"), dist=dist, lanes=lanes,
            dtype=dtype.name, ctype=dtype.ctype, words=words, source=of[0], source_ctype=of[1],
        )  # fmt: skip
    blocks = -(-n * words // 4)
    if lanes == 16:
        # a few runs per core, none shorter than 32 tiles (2048 words), which is about what a launch costs
        tiles = -(-blocks // 16)
        run = max(32, -(-tiles // (caps.compute_units * 8)))
        size, local = -(-tiles // run), 1
    else:
        run, local = 1, min(256, caps.max_work_group)
        size = -(-blocks // local) * local
    seed, block = at
    tail = () if source is None else (source._storage, source.lay.offset)
    key0, key1 = seed & 0xFFFFFFFF, seed >> 32
    kernel((size,), (local,), x._storage, x.lay.offset, n, key0, key1, block, a, b, run, *tail)


# ---- the host ----------------------------------------------------------------------------------------------------
def _fill_host(x: Any, dist: str, a: float, b: float, at: tuple[int, int], source: Any, words: int) -> None:
    out = host_line(x)
    given = None if source is None else host_compute(source).reshape(-1)
    count = 4 // words  # elements per block
    seed, first = at
    blocks = -(-out.size // count)

    def fill(start: int) -> None:
        size = min(CHUNK, blocks - start)
        values = _elements(dist, x.dtype, stream(seed, first + start, size), words, a, b)
        # NumPy reads transposed, so element j of every block lands beside element j - 1
        flat = np.stack(values, axis=1).reshape(-1)[: out.size - start * count]
        part = slice(start * count, start * count + flat.size)
        out[part] = cast_host(_finish(dist, flat, a, b, None if given is None else given[part]), x.dtype)

    _in_threads(fill, range(0, blocks, CHUNK))


def _in_threads(fill: Callable[[int], None], starts: range) -> None:
    """Call for every start, on several threads where that pays: NumPy lets go of the interpreter while it works."""
    workers = min(os.cpu_count() or 1, len(starts) // 4)
    errors: list[BaseException] = []

    def work(mine: range) -> None:
        try:
            for start in mine:
                fill(start)
        except BaseException as error:
            errors.append(error)

    if workers < 2:
        work(starts)
    else:
        # the standard library's pools of threads take 4 ms to import, which every program would wait for
        threads = [threading.Thread(target=work, args=(starts[k::workers],)) for k in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def _unit(w: Any, dtype: Any) -> Any:
    """Return numbers in [0, 1) with as many bits as the dtype holds; ``w`` is two arrays of words for float64."""
    if len(w) == 2:
        return ((w[0] >> 5) * 67108864.0 + (w[1] >> 6)) * 2.0**-53
    bits = _UNIT_BITS.get(dtype, 24)
    return (w[0] >> np.uint32(32 - bits)).astype(np.float32) * np.float32(2.0**-bits)


def _open(w: Any) -> Any:
    """Return numbers in (0, 1] with all bits near 0, where the logarithm needs them."""
    if len(w) == 2:
        return 1.0 - _unit(w, float64)
    return w[0].astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)


def _elements(dist: str, dtype: Any, w: np.ndarray, words: int, a: float, b: float) -> list[np.ndarray]:
    """Return the elements that a run of blocks makes: element j of every block in the j-th array."""
    real = np.float64 if words == 2 else np.float32
    groups = [w[i : i + words] for i in range(0, 4, words)]
    if dist in ("normal", "log_normal"):
        out = []
        for first, second in zip(groups[0::2], groups[1::2], strict=True):
            radius = np.sqrt(real(-2) * np.log(_open(first)))
            turn = _unit(second, dtype) * 2.0 - 1.0 if words == 2 else second[0].view(np.int32) * real(2.0**-31)
            angle = turn.astype(real) * real(np.pi)
            out += [radius * np.cos(angle) * real(b) + real(a), radius * np.sin(angle) * real(b) + real(a)]
        with np.errstate(over="ignore"):
            return [np.exp(z) for z in out] if dist == "log_normal" else out
    if dist == "uniform":
        return [_scaled(_unit(g, dtype), real(a), real(b)) for g in groups]
    if dist == "exponential":
        least = real(2.0 ** (-54 if words == 2 else -33))
        return [np.maximum(-np.log(_open(g)), least) * real(a) for g in groups]
    if dist == "geometric":
        return [np.maximum(np.ceil(np.log(_open(g)) * real(a)), real(1)) for g in groups]
    if dist == "cauchy":
        return [(_tan_turns(_centred(g)) * b + a).astype(real) for g in groups]
    if dist == "randint":
        return [_integers(g, np.uint64(a), np.uint64(b)) for g in groups]
    return [_unit(g, None) for g in groups]


def _centred(w: np.ndarray) -> np.ndarray:
    """Return float64 numbers in (-1/2, 1/2) that miss both ends."""
    if len(w) == 2:
        return _unit(w, float64) - (0.5 - 2.0**-54)
    return ((w[0] >> 8).astype(np.float64) - 8388607.5) * 2.0**-24


def _tan_turns(v: np.ndarray) -> np.ndarray:
    """Return tan(pi v) for v in (-1/2, 1/2), near the poles by the cotangent of what is left to them."""
    steep = np.abs(v) > 0.25
    t = np.tan(np.pi * np.where(steep, 0.5 - np.abs(v), v))
    return np.where(steep, np.sign(v) / t, t)


def _scaled(u: np.ndarray, low: Any, width: Any) -> np.ndarray:
    """Return low + u * width rounded once, as the device's fma does; what reaches the upper end goes to the lower."""
    if low == 0 and width == 1:
        return u
    if u.dtype == np.float32:
        product = u.astype(np.float64) * np.float64(width)  # exact: 48 bits
        total = product + np.float64(low)
        # What the addition lost decides ties of the second rounding: it is kept in the last bit (rounding to odd).
        part = total - product
        lost = (product - (total - part)) + (np.float64(low) - part)
        bits = total.view(np.int64)
        away = np.where((lost > 0) == (total > 0), np.int64(0), np.int64(-1))
        total = np.where((lost != 0) & (bits & 1 == 0), bits + away | 1, bits).view(np.float64)
        value = total.astype(np.float32)
    else:
        value = u * width + low
    return np.where(value < low + width, value, low)


def _integers(w: np.ndarray, low: np.uint64, size: np.uint64) -> np.ndarray:
    """Return low + floor(size * random / 2**bits), modulo 2**64, as int64."""
    if len(w) == 1:
        value = w[0].astype(np.uint64) * size >> np.uint64(32)
    else:
        high, rest = w[0].astype(np.uint64), w[1].astype(np.uint64)
        if size == 0:
            value = high << np.uint64(32) | rest
        else:
            # the upper half of a product of two 64-bit numbers, by halves
            s1, s0, half = size >> np.uint64(32), size & np.uint64(0xFFFFFFFF), np.uint64(32)
            middle = (rest * s0 >> half) + (high * s0 & np.uint64(0xFFFFFFFF)) + (rest * s1 & np.uint64(0xFFFFFFFF))
            value = high * s1 + (high * s0 >> half) + (rest * s1 >> half) + (middle >> half)
    return (value + low).view(np.int64)


def _finish(dist: str, u: np.ndarray, a: float, b: float, given: np.ndarray | None) -> np.ndarray:
    if dist == "bernoulli":
        return u < np.float32(a)
    if dist == "bernoulli_tensor":
        assert given is not None
        return u < given.astype(np.float32)
    if dist == "dropout":
        assert given is not None
        with np.errstate(invalid="ignore"):  # an infinity that is dropped is nan, as on the device
            return given * np.where(u < np.float32(a), np.float32(b), np.float32(0))
    return u


# ---- operators ---------------------------------------------------------------------------------------------------
def dense(x: Any) -> Any:
    """Return an array with its elements in a row: itself, or a copy."""
    if x.lay.contiguous:
        return x
    out = empty(x.shape, x.dtype, x.device)
    copy_into(out, x)
    return out


def refill(
    x: Any, dist: str, a: float = 0, b: float = 0, generator: Generator | None = None, source: Any = None
) -> None:
    """Fill an array of any layout; ``source`` must be dense and of its shape."""
    if x.lay.contiguous:
        draw(x, dist, a, b, generator, source)
    else:
        copy_into(x, draw(empty(x.shape, x.dtype, x.device), dist, a, b, generator, source))


class Dropout(Op):
    """Zero elements with probability 1 - keep and multiply the others by ``scale``.

    The mask is no tensor: both passes draw it anew from the same place of the stream.
    """

    name = "native_dropout"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, keep: float, scale: float, at: tuple[int, int]) -> Any:
        c.keep, c.scale, c.at = keep, scale, at
        out = empty(x.shape, x.dtype, x.device)
        place(out, "dropout", keep, scale, at, dense(x))
        return laid_like(out, x)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> tuple[Any, ...]:
        # dropout is linear: its derivative is the same operator on the gradient
        return m.dropout_at(g, c.keep, c.scale, c.at), None, None, None


class Draw(Op):
    """Draw numbers whose distribution depends on tensors; the numbers have no derivative, so gradients are zero.

    ``sample()`` makes the result; for a draw in place there is none, and ``inputs`` is the tensor to be overwritten.
    """

    name = "draw"

    @staticmethod
    def forward(c: Any, *args: Any) -> Any:
        c.like = [(x.shape, x.dtype, x.device) if isinstance(x, Array) else None for x in args]
        return args[0]() if callable(args[0]) else None

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> tuple[Any, ...]:
        return tuple(None if of is None else m.zeros(of[0], dtype=of[1], device=of[2]) for of in c.like)


def zero_gradient(name: str) -> type[Op]:
    """Return the operator to record for a draw of this name, so that its node is called after it."""
    found = _DRAWS.get(name)
    if found is None:
        found = _DRAWS[name] = type(name, (Draw,), {"name": name, "__doc__": Draw.__doc__})
    return found


_DRAWS: dict[str, type[Op]] = {}


# unsigned numbers in the order of signed ones
_SIGNED = Formula("signed_keys", lambda m, key, digits, least: (key & digits) ^ least, params=2)


def permutation(n: int, dtype: Any, dev: Any, generator: Generator | None = None) -> Any:
    """Return a random permutation of 0 … n - 1.

    The numbers are sorted by random keys, of which the digits count that n has no use for; equal keys keep their order.
    On the host key and number share one word of 64 bits, which NumPy sorts faster than pairs.
    """
    if generator is None:
        generator = default_generator(dev)
    at = generator.reserve(2 * n)
    if n < 2:
        return from_host(np.arange(n), dtype, dev)
    keys = empty((n,), int64, dev)
    place(keys, "randint", 0, 0, at)
    low = (1 << (n - 1).bit_length()) - 1
    if dev.type != "cpu":
        (signed,) = run(_SIGNED, int64, [keys], [~low, -(1 << 63)], [int64], (n,))
        return cast(sort(signed, 0, False)[1], dtype)
    mixed = (host(keys).view(np.uint64) & ~np.uint64(low)) | np.arange(n, dtype=np.uint64)
    mixed.sort()
    return from_host((mixed & np.uint64(low)).view(np.int64), dtype, dev)
