"""The package opt_einsum, which is not used: torch.backends.opt_einsum. ``einsum`` orders its products itself."""

from __future__ import annotations

from typing import Any

enabled: bool = False
strategy: str | None = None


def is_available() -> bool:
    """Return False."""
    return False


def get_opt_einsum() -> Any:
    """Return None: the package is not asked."""
    return None
