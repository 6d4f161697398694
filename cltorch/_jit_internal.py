"""What libraries call of PyTorch's inner part of torch.jit, torch._jit_internal: marks on what is never compiled."""

from __future__ import annotations

from typing import TypeVar

from cltorch.jit import Final, _overload, export, ignore, is_scripting, unused

__all__ = ["Final", "export", "ignore", "is_scripting", "unused"]

T = TypeVar("T")
_overload_method = _overload


def _copy_to_script_wrapper(fn: T) -> T:
    """Return the method itself: there is no compiled module to copy it to."""
    return fn
