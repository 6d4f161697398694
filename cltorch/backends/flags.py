"""What torch.backends has in common: flags of a module, changed within a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class Precision:
    """Hold how an operator of a library may round; nothing here asks for it."""

    def __init__(self, fp32_precision: str = "none") -> None:
        self.fp32_precision = fp32_precision


def assign(where: dict[str, Any], known: Sequence[str], changes: dict[str, Any]) -> dict[str, Any]:
    """Set flags of a module and return what they were; raise TypeError for one that there is not."""
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise TypeError(f"flags() got an unexpected keyword argument {unknown[0]!r}")
    before = {name: where[name] for name in changes}
    where.update(changes)
    return before


@contextmanager
def within(where: dict[str, Any], known: Sequence[str], changes: dict[str, Any]) -> Iterator[None]:
    """Set flags of a module for a ``with`` block."""
    before = assign(where, known, changes)
    try:
        yield
    finally:
        where.update(before)
