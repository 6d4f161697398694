"""Arm's KleidiAI, which is not used: torch.backends.kleidiai."""

from __future__ import annotations


def is_available() -> bool:
    """Return False."""
    return False
