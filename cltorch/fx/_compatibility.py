"""torch.fx._compatibility: the decorator by which libraries mark what they derive from torch.fx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["compatibility"]

F = TypeVar("F", bound=Callable[..., Any])


def compatibility(is_backward_compatible: bool) -> Callable[[F], F]:
    """Return a decorator that returns what it is given.

    >>> compatibility(is_backward_compatible=True)(len) is len
    True
    """
    return lambda fn: fn
