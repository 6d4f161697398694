"""torch.overrides for code that asks whether a tensor brings its own functions: none does.

Source: https://docs.pytorch.org/docs/2.13/torch.overrides.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cltorch.tensor import Tensor

__all__ = [
    "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "handle_torch_function",
    "is_tensor_like", "wrap_torch_function",
]  # fmt: skip


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Return False: ``__torch_function__`` is not looked at."""
    return False


def has_torch_function_unary(x: Any) -> bool:
    """Return False: ``__torch_function__`` is not looked at."""
    return False


def has_torch_function_variadic(*args: Any) -> bool:
    """Return False: ``__torch_function__`` is not looked at."""
    return False


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Refuse: ``has_torch_function`` never asks for it."""
    raise TypeError(f"no implementation found for '{public_api.__name__}': __torch_function__ is not looked at")


def wrap_torch_function(dispatcher: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that leaves its function as it is."""
    return lambda func: func


def is_tensor_like(inp: Any) -> bool:
    """Return whether an object is a tensor or has ``__torch_function__``."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")
