"""What libraries ask of PyTorch's tracer of tensors: whether it runs."""

from __future__ import annotations

from typing import Any

__all__ = ["get_innermost_proxy_mode", "get_proxy_mode"]


def get_proxy_mode() -> Any:
    """Return None: nothing is traced.

    >>> get_proxy_mode() is None
    True
    """
    return None


get_innermost_proxy_mode = get_proxy_mode
