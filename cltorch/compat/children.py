"""Let the processes that a program spawns find cltorch as ``torch`` too.

A spawned process gets data that prepare it, and then runs the program's file again. An object among these data, which
is unpickled first, installs the finder in time; forked processes have it anyway.
"""

from __future__ import annotations

import importlib
from multiprocessing import spawn
from typing import Any

from cltorch.device import set_default_device

__all__ = ["follow", "inherit", "leave"]

_prepared = spawn.get_preparation_data
_device: str | None = None


class _Arrival:
    """Install the finder where this is unpickled."""

    def __reduce__(self) -> Any:
        return _arrive, (_device,)


def _arrive(device: str | None) -> None:
    importlib.import_module("cltorch.compat").install()
    if device is not None:
        set_default_device(device)
        inherit(device)


def _with_arrival(name: str) -> dict[str, Any]:
    return {"cltorch": _Arrival(), **_prepared(name)}


def follow() -> None:
    """Prepare the processes that are spawned from here on."""
    spawn.get_preparation_data = _with_arrival


def inherit(device: str) -> None:
    """Give spawned processes a default device."""
    global _device
    _device = device


def leave() -> None:
    """Undo ``follow`` and ``inherit``."""
    global _device
    spawn.get_preparation_data, _device = _prepared, None
