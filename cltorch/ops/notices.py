"""Warnings that come once in a process, as those of PyTorch's own code do, or each time after set_warn_always."""

from __future__ import annotations

import warnings

from cltorch import settings
from cltorch.ops.fallback import callers_level

_given: set[str] = set()


def warn_once(message: str) -> None:
    """Warn the program that called this package, where it has not been told this before."""
    if message not in _given or settings.is_warn_always_enabled():
        _given.add(message)
        warnings.warn(message, UserWarning, stacklevel=callers_level())


def deprecated(old: str, new: str, instead: str = "") -> None:
    """Warn once that a function has a successor; ``instead`` shows how a call is written with it."""
    more = f"\n{instead}" if instead else ""
    warn_once(f"{old} is deprecated in favor of {new} and will be removed in a future PyTorch release.{more}")
