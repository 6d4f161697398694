"""What libraries ask of PyTorch's dispatch in Python, torch.utils._python_dispatch: no tensor wraps another here."""

from __future__ import annotations

from typing import Any

__all__ = ["is_traceable_wrapper_subclass", "is_traceable_wrapper_subclass_type"]


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Return False: a tensor holds its values itself."""
    return False


def is_traceable_wrapper_subclass_type(t: Any) -> bool:
    """Return False: a tensor holds its values itself."""
    return False
