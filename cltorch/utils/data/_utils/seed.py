"""Generators that samplers and workers derive from the default one."""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.dtypes import int64
from cltorch.ops.generator import Generator


def home(generator: Any) -> Any:
    """Return the device that a generator draws on; None, for the default one, where there is no generator.

    An order is drawn there whatever the default device is: the generators of programs are the host's.
    """
    return None if generator is None else generator.device


def draw_seed(generator: Any = None) -> int:
    """Draw a 63-bit seed from ``generator`` (default: the default generator)."""
    return int(functions.empty((), dtype=int64, device=home(generator)).random_(generator=generator).item())


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
