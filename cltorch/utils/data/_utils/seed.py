"""Generators that samplers and workers derive from the default one."""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.dtypes import int64
from cltorch.ops.generator import Generator


def draw_seed(generator: Any = None) -> int:
    """Draw a 63-bit seed from ``generator`` (default: the default generator)."""
    return int(functions.empty((), dtype=int64).random_(generator=generator).item())


def seeded_generator(seed: int) -> Any:
    """Return a new host generator with the given seed."""
    generator = Generator()
    generator.manual_seed(seed)
    return generator


def fresh_generator() -> Any:
    """Return a new host generator whose seed is drawn from the default one.

    An order drawn from its own generator stays the same whatever else draws numbers while it is being walked.
    """
    return seeded_generator(draw_seed())
