"""Intel's MKL, which is not used: torch.backends.mkl."""

from __future__ import annotations


def is_available() -> bool:
    """Return False."""
    return False
