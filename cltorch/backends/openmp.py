"""OpenMP, which is not used: torch.backends.openmp."""

from __future__ import annotations


def is_available() -> bool:
    """Return False."""
    return False
