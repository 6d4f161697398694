"""What may stand around an operation besides the graph: dual numbers, and batches that ``vmap`` hides.

While nothing is entered in any thread, ``active`` is empty and an operation asks no further. Otherwise the operands
tell whether one of the kinds takes the operation over: first forward-mode derivatives, then batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

active: list[Any] = []
KINDS: list[Any] = []  # modules with ``concerns(values)`` and the operations of ``record``


def lift(values: Sequence[Any]) -> Any:
    """Return the kind that takes an operation on these operands over, or None."""
    for kind in KINDS:
        if kind.concerns(values):
            return kind
    return None
