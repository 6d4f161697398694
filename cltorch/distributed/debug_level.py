"""How much PyTorch is asked to check of collectives: the variable TORCH_DISTRIBUTED_DEBUG.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch-distributed-debug
"""

from __future__ import annotations

import os
from enum import Enum

__all__ = ["DebugLevel", "get_debug_level", "set_debug_level", "set_debug_level_from_env"]


class DebugLevel(Enum):
    """OFF, INFO or DETAIL; between the processes of a group of one there is nothing to check."""

    OFF = 0
    INFO = 1
    DETAIL = 2


def _from_environment() -> DebugLevel:
    given = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if given not in DebugLevel.__members__:
        raise RuntimeError(f"The value of TORCH_DISTRIBUTED_DEBUG must be OFF, INFO, or DETAIL, not {given}.")
    return DebugLevel[given]


class _Level:
    now: DebugLevel | None = None


def get_debug_level() -> DebugLevel:
    """Return the level, that of the environment unless it has been set."""
    return _from_environment() if _Level.now is None else _Level.now


def set_debug_level(level: DebugLevel) -> None:
    """Set the level."""
    _Level.now = level


def set_debug_level_from_env() -> None:
    """Set the level to that of the environment."""
    _Level.now = _from_environment()
