"""Single random numbers as Python has them, from the host's stream: what ``rand(1)`` and ``randint`` would hold.

A transform of one image draws a handful of them, for which arrays would be too much ado.
"""

from __future__ import annotations

from cltorch.device import CPU
from cltorch.ops.generator import default_generator
from cltorch.ops.philox import stream

__all__ = ["below", "unit"]

_NARROW = 1 << 16  # as in ops/random.py


def unit() -> float:
    """Draw a float32 in [0, 1) from the default generator of the host."""
    seed, block = default_generator(CPU).reserve(1)
    return (int(stream(seed, block, 1)[0, 0]) >> 8) * 2.0**-24


def below(n: int) -> int:
    """Draw an integer from 0 to ``n`` - 1 from the default generator of the host."""
    narrow = n <= _NARROW
    seed, block = default_generator(CPU).reserve(1 if narrow else 2)
    words = stream(seed, block, 1)
    high = int(words[0, 0])
    return high * n >> 32 if narrow else (high << 32 | int(words[1, 0])) * n >> 64
