"""Generator: the state of a random number stream, and the default one of every device.

The stream is counter-based: block ``k`` of the stream with seed ``s`` is Philox4x32-10 of counter ``k`` under key
``s``, so a generator is no more than two numbers, and every device, the host included, draws the same words from them.
"""

from __future__ import annotations

import os
import struct
import threading
from typing import Any

import numpy as np

from cltorch.device import CPU, resolve
from cltorch.device import device as Device
from cltorch.dtypes import uint8
from cltorch.ops.array import from_host, to_numpy

__all__ = ["Generator", "default_generator", "manual_seed_all", "manual_seed_cl"]

# The seed of a Generator that was never seeded, as in PyTorch.
DEFAULT_SEED = 67280421310721
MASK64 = (1 << 64) - 1
_STATE = struct.Struct("<QQ")


def checked_seed(seed: Any) -> int:
    """Return a seed as 64 bits (negative ones count back from the top); raise ValueError beyond 64 bits."""
    if not isinstance(seed, (int, np.integer)):
        raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
    if not -(1 << 63) <= seed <= MASK64:
        raise ValueError(f"Overflow when unpacking long long: the seed must lie in [-2**63, 2**64 - 1], but is {seed}")
    return int(seed) & MASK64


class Generator:
    """Hold a seed and a position in its stream of random numbers.

    ``device`` is where the numbers are drawn ('cpu' or 'cl'); the numbers themselves do not depend on it.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Generator.html

    >>> import cltorch as torch
    >>> g = torch.Generator().manual_seed(1)
    >>> g.initial_seed()
    1
    """

    __slots__ = ("__weakref__", "_block", "_lock", "_seed", "device")

    device: Device

    def __init__(self, device: Any = "cpu") -> None:
        self.device = resolve(device)
        self._seed, self._block = DEFAULT_SEED, 0
        self._lock = threading.Lock()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of a seed from its beginning and return self."""
        with self._lock:
            self._seed, self._block = checked_seed(seed), 0
        return self

    def seed(self) -> int:
        """Seed with a random number from the operating system and return it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """Return the seed of the stream."""
        return self._seed

    def get_offset(self) -> int:
        """Return the position in the stream, in words of 32 bits."""
        return self._block * 4

    def set_offset(self, offset: int) -> None:
        """Move to a position in the stream, counted in words of 32 bits; it must be a multiple of 4."""
        if offset < 0 or offset % 4:
            raise RuntimeError(f"offset must be a non-negative multiple of 4, but got {offset}")
        with self._lock:
            self._block = offset // 4

    def get_state(self) -> Any:
        """Return seed and position as a ByteTensor on the host."""
        with self._lock:
            state = _STATE.pack(self._seed, self._block)
        return from_host(np.frombuffer(state, np.uint8).copy(), uint8, CPU)

    def set_state(self, new_state: Any) -> Generator:
        """Go back to a state that get_state returned, and return self.

        Raises TypeError where it is no ByteTensor on the host, RuntimeError where it has another size.
        """
        if getattr(new_state, "dtype", None) is not uint8 or new_state.device is not CPU:
            raise TypeError("RNG state must be a torch.ByteTensor")
        raw = to_numpy(new_state).tobytes()
        if len(raw) != _STATE.size:
            raise RuntimeError(f"RNG state is wrong size: expected {_STATE.size} bytes, but got {len(raw)}")
        with self._lock:
            self._seed, self._block = _STATE.unpack(raw)
        return self

    def clone_state(self) -> Generator:
        """Return a new generator at the same place of the same stream."""
        twin = Generator(self.device)
        with self._lock:
            twin._seed, twin._block = self._seed, self._block
        return twin

    def reserve(self, words: int) -> tuple[int, int]:
        """Take the next ``words`` 32-bit words out of the stream; return the seed and the first block of four.

        >>> import cltorch as torch
        >>> torch.Generator().manual_seed(7).reserve(5), torch.Generator().manual_seed(7).get_offset()
        ((7, 0), 0)
        """
        with self._lock:
            first = self._block
            self._block = (first + (words + 3) // 4) & MASK64
            return self._seed, first

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.device, self._seed, self._block)

    def __repr__(self) -> str:
        return f"<torch.Generator device={self.device} seed={self._seed}>"


def _restored(device: Any, seed: int, block: int) -> Generator:
    g = Generator(device)
    g._seed, g._block = seed, block
    return g


_defaults: dict[Device, Generator] = {}
_pending: int | None = None


def default_generator(dev: Device) -> Generator:
    """Return the generator that a device uses when none is named, made at its first use.

    It starts from a random seed unless ``manual_seed`` was called before.
    """
    found = _defaults.get(dev)
    if found is None:
        found = Generator(dev)
        if dev.type == "cl" and _pending is not None:
            found.manual_seed(_pending)
        else:
            found.seed()
        found = _defaults.setdefault(dev, found)
    return found


def snapshot() -> dict[Device, Generator]:
    """Return copies of the default generators as they stand."""
    return {dev: generator.clone_state() for dev, generator in _defaults.items()}


def restore(saved: dict[Device, Generator], dev: Device) -> None:
    """Put a device's default generator back where it stood; one that was not there then is forgotten."""
    before = saved.get(dev)
    if before is None:
        _defaults.pop(dev, None)
    elif dev in _defaults:
        _defaults[dev].set_state(before.get_state())


def manual_seed_cl(seed: int) -> None:
    """Seed the default generators of all OpenCL devices, those not yet used included."""
    global _pending
    _pending = checked_seed(seed)
    for dev, generator in list(_defaults.items()):
        if dev.type == "cl":
            generator.manual_seed(_pending)


def manual_seed_all(seed: int) -> Generator:
    """Seed the default generators of the host and of all OpenCL devices; return the host's."""
    manual_seed_cl(seed)
    return default_generator(CPU).manual_seed(seed)
