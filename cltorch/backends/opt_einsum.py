"""The package opt_einsum, which says in which order einsum multiplies: torch.backends.opt_einsum.

``enabled`` is whether it is asked, True where it is installed, and ``strategy`` how long it may search: "auto",
"greedy" or "optimal". Without it operands are multiplied from left to right.
Source: https://docs.pytorch.org/docs/2.13/backends.html#torch-backends-opt-einsum
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from cltorch.functions import einsum_order
from cltorch.functions.einsum_order import State

_STRATEGIES = ("auto", "greedy", "optimal")


def is_available() -> bool:
    """Return whether opt_einsum is installed."""
    return einsum_order.package() is not None


def get_opt_einsum() -> Any:
    """Return the package, or None where it is not installed."""
    return einsum_order.package()


def _get_enabled() -> bool:
    return is_available() if State.enabled is None else State.enabled


def _set_enabled(on: bool) -> None:
    if on and not is_available():
        raise ValueError(
            "opt_einsum is not available, so setting `enabled` to True will not reap the benefits of calculating an "
            "optimal path for einsum. torch.einsum will fall back to contracting from left to right. To enable this "
            "optimal path calculation, please install opt-einsum."
        )
    State.enabled = on


def _set_strategy(strategy: str) -> None:
    if not is_available() or not _get_enabled():
        what = "available" if not is_available() else "enabled"
        raise ValueError(
            f"opt_einsum is not {what}, so setting `strategy` to {strategy} will not be meaningful. torch.einsum will "
            "bypass path calculation and simply contract from left to right."
        )
    if strategy not in _STRATEGIES:
        raise ValueError(f"`strategy` must be one of the following: [{', '.join(_STRATEGIES)}] but is {strategy}")
    State.strategy = strategy


def set_flags(_enabled: bool | None = None, _strategy: str | None = None) -> tuple[bool, str | None]:
    """Set both and return what they were."""
    before = _get_enabled(), State.strategy if is_available() else None
    if _enabled is not None:
        _set_enabled(_enabled)
    if _strategy is not None:
        _set_strategy(_strategy)
    return before


@contextmanager
def flags(enabled: bool | None = None, strategy: str | None = None) -> Iterator[None]:
    """Set both for a ``with`` block; raise ValueError for what cannot be."""
    before = State.enabled, State.strategy
    set_flags(enabled, strategy)
    try:
        yield
    finally:
        State.enabled, State.strategy = before


class _OptEinsum(ModuleType):
    """The module, with what it holds as attributes to read and to write."""

    @property
    def enabled(self) -> bool:
        """Return whether the package is asked."""
        return _get_enabled()

    @enabled.setter
    def enabled(self, on: bool) -> None:
        _set_enabled(on)

    @property
    def strategy(self) -> str | None:
        """Return how the package searches, None where it is not installed."""
        return State.strategy if is_available() else None

    @strategy.setter
    def strategy(self, strategy: str) -> None:
        _set_strategy(strategy)


sys.modules[__name__].__class__ = _OptEinsum
