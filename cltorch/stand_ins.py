"""Attributes that others stand in for during a while: how a profiler or a counter sees calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class StandIns:
    """Set attributes of modules and classes, and put back what was there, in reverse order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute; one that the owner only inherits is deleted at the end."""
        had, before = name in vars(owner), vars(owner).get(name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before) if had else delattr(owner, name))

    def end(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()
