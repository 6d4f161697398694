"""NVIDIA's cuSPARSELt, which is not used: torch.backends.cusparselt."""

from __future__ import annotations


def is_available() -> bool:
    """Return False."""
    return False


def version() -> int | None:
    """Return None: there is no cuSPARSELt."""
    return None
