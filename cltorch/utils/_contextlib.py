"""Context managers that are decorators too, which libraries derive their own from: torch.utils._contextlib."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.autograd.grad_mode import decorated

__all__ = ["context_decorator"]


def context_decorator(ctx: Any, func: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs within a context manager, or within a new one for each call where ``ctx`` makes them.

    Raises AssertionError for what is callable and a context manager as well: it is not told which is meant.
    """
    if callable(ctx) and hasattr(ctx, "__enter__"):
        raise AssertionError(
            f"Passed in {ctx} is both callable and also a valid context manager (has __enter__), making it ambiguous "
            "which interface to use. If you intended to pass a context manager factory, rewrite your call as "
            "context_decorator(lambda: ctx()); if you intended to pass a context manager directly, rewrite your call "
            "as context_decorator(lambda: ctx)"
        )
    return decorated(func, ctx if callable(ctx) else lambda: ctx)


class _DecoratorContextManager:
    """Let a context manager be used as a decorator: each call of the function has a ``clone`` of its own."""

    def __call__(self, orig_func: Callable[..., Any]) -> Callable[..., Any]:
        return decorated(orig_func, self.clone)

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        raise NotImplementedError

    def clone(self) -> Any:
        """Return another manager of the same settings; a class with arguments has a method of its own."""
        return type(self)()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """Let a manager without arguments be a decorator without parentheses as well."""

    def __new__(cls, orig_func: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if orig_func is None else cls()(orig_func)
