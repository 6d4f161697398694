"""Questions of libraries about PyTorch's fake tensors, which a tracer there runs programs with: there are none here.

The device ``meta`` has tensors with a shape and without values.
"""

from __future__ import annotations

from typing import Any

__all__ = ["is_fake", "maybe_get_fake_mode"]


def is_fake(x: object) -> bool:
    """Return False: no tensor is a fake one.

    >>> is_fake(None)
    False
    """
    return False


def maybe_get_fake_mode(t: object) -> Any:
    """Return None: no tensor belongs to a tracer."""
    return None
