"""NNPACK, which is not used: torch.backends.nnpack."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from cltorch.backends.flags import assign, within

enabled: bool = True


def is_available() -> bool:
    """Return False."""
    return False


def set_flags(**changes: Any) -> dict[str, Any]:
    """Set flags and return what they were."""
    return assign(globals(), _FLAGS, changes)


def flags(**changes: Any) -> AbstractContextManager[None]:
    """Set flags inside a ``with`` block; raise TypeError for a flag that there is not."""
    return within(globals(), _FLAGS, changes)


_FLAGS = ("enabled",)
