"""Conditions that a program states, as torch._assert and torch._check: errors in Python's ways where one is false."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.torch_function import PATHS, handle_torch_function, has_torch_function_unary


def assert_(condition: Any, message: str) -> Any:
    """Raise AssertionError with a message unless a condition, maybe a tensor of one value, is true.

    Objects that are no tensors, as a tracer's, may make of it what they like.
    """
    if has_torch_function_unary(condition):
        return handle_torch_function(assert_, (condition,), condition, message)
    if not condition:
        raise AssertionError(message)
    return None


PATHS[assert_] = "torch._assert"


def assert_async(input: Any, assert_msg: str = "Expected Tensor with single nonzero value, but got zero") -> None:
    """Raise RuntimeError unless a tensor of one value is not zero; a device is waited for."""
    if not input.is_nonzero():
        raise RuntimeError(assert_msg)


def _checker(error: type[Exception]) -> Callable[..., None]:
    def check(cond: Any, message: Callable[[], Any] | None = None) -> None:
        if not isinstance(cond, bool):
            raise TypeError(f"cond must be a bool, but got {type(cond)}")
        if cond:
            return
        if message is None:
            raise error("Expected cond to be True, but got False.")
        if not callable(message):
            raise TypeError("message must be a callable")
        raise error(str(message()))

    check.__doc__ = f"Raise {error.__name__}, with the text that ``message()`` returns, unless a bool is true."
    return check


check = _checker(RuntimeError)
check_index = _checker(IndexError)
check_value = _checker(ValueError)
check_type = _checker(TypeError)
check_not_implemented = _checker(NotImplementedError)


def check_is_size(i: Any, message: Callable[[], Any] | None = None, *, max: Any = None) -> None:
    """Raise RuntimeError unless a number can be a size.

    >>> check_is_size(0)
    """
    check(bool(i >= 0) and (max is None or bool(i <= max)), message)
