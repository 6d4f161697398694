"""Whether autocast is on, for which devices and to which dtype; one state per thread.

``active`` counts the threads' regions in which it may be, so that a function asks no thread while there are none.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from cltorch import dtypes
from cltorch.dtypes import dtype

__all__ = ["State", "active", "kind_of", "state", "suspended"]

_KINDS = {"cpu": "cpu", "cl": "cl", "cuda": "cl", "opencl": "cl"}
active = [0]


class State(threading.local):
    """What autocast does in one thread, by kind of device ("cpu", "cl")."""

    def __init__(self) -> None:
        self.enabled = {"cpu": False, "cl": False}
        self.dtype: dict[str, dtype] = {"cpu": dtypes.bfloat16, "cl": dtypes.float16}
        self.off = False  # inside an operator, or a backward pass: what they consist of is not cast again
        self.nesting = 0
        self.caching = True
        self.cache: dict[Any, tuple[Any, int, Any]] = {}  # weights and what they were cast to

    def set_enabled(self, kind: str, enabled: bool) -> None:
        """Turn autocast on or off for a kind of device."""
        if self.enabled[kind] != enabled:
            self.enabled[kind] = enabled
            active[0] += 1 if enabled else -1


state = State()


def kind_of(device_type: str) -> str | None:
    """Return the kind of device that a type's name means, or None where it means none that autocast knows."""
    return _KINDS.get(device_type)


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Cast nothing for a while in this thread."""
    before, state.off = state.off, True
    try:
        yield
    finally:
        state.off = before
