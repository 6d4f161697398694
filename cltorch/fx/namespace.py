"""Names for the nodes of a graph: each once, each good for Python."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import Any

#: Names that generated code has for itself.
RESERVED = {"torch", "device", "inf", "nan", "NoneType", "self"}


def snake_case(s: str) -> str:
    """Return ``BatchNorm`` as ``batch_norm``.

    >>> snake_case("BatchNorm2d"), snake_case("relu_")
    ('batch_norm2d', 'relu_')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", s).lower() if s != s.lower() else s


class Namespace:
    """Give names that have not been given before."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any = None) -> str:
        """Return a name like ``candidate``, with a number at its end where that is taken or means something else."""
        candidate = re.sub("[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        split = re.match(r"(.*)_(\d+)$", candidate)
        base, number = (split[1], int(split[2])) if split else (candidate, None)
        if candidate in self._used:
            number = max(self._counts.get(base, 0), number or 0)
        while candidate in self._used or self._illegal(candidate, obj):
            number = 1 if number is None else number + 1
            candidate = f"{base}_{number}"
        self._used.add(candidate)
        self._counts[base] = max(self._counts.get(base, 0), number or 0)
        return candidate

    def _illegal(self, name: str, obj: Any) -> bool:
        if keyword.iskeyword(name) or name in RESERVED:
            return True
        return hasattr(builtins, name) and getattr(builtins, name) is not obj
