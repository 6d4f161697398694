"""torch.fx for programs that merely mark functions for a tracer: there is none.

Source: https://docs.pytorch.org/docs/2.13/fx.html
"""

from __future__ import annotations

from typing import Any

__all__ = ["has_side_effect", "wrap"]


def wrap(fn_or_name: Any) -> Any:
    """Return the function or the name itself.

    >>> wrap(len) is len
    True
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    return fn_or_name


def has_side_effect(fn: Any) -> Any:
    """Return the function itself."""
    return fn
