"""Intel's oneDNN, which is not used: torch.backends.mkldnn."""

from __future__ import annotations


def is_available() -> bool:
    """Return False."""
    return False
