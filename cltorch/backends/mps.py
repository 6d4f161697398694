"""Apple's Metal, which is not used: torch.backends.mps. A Mac's GPU is reached by OpenCL."""

from __future__ import annotations


def is_available() -> bool:
    """Return False."""
    return False


def is_built() -> bool:
    """Return False: nothing of Metal is in this package."""
    return False
