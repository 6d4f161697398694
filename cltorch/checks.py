"""Conditions that a program states, as torch._assert and torch._check: errors in Python's ways where one is false."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.dtypes import bool_
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


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "is_nonzero")  # this layer knows no class of them


def check_with(error_type: type[Exception], cond: Any, message: Callable[[], Any] | None) -> None:
    """Raise an error of a type, with the text that ``message()`` returns, unless a bool is true.

    Raises AssertionError for a type that is a warning, TypeError for a condition that is no bool.
    """
    if not isinstance(cond, bool):
        if _is_tensor(cond):
            raise TypeError(
                "cond must be a bool, but got a Tensor. For tensor conditions, use torch._check_tensor_all() to "
                "assert that all elements are true."
            )
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if not issubclass(error_type, Exception) or issubclass(error_type, Warning):
        raise AssertionError(f"error_type must be a subclass of Exception but not Warning, got {error_type}")
    if message is None:
        raise error_type("Expected cond to be True, but got False.")
    if not callable(message):
        raise TypeError("message must be a callable")
    raise error_type(str(message()))


def check_tensor_all_with(error_type: type[Exception], cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise an error of a type unless all elements of a tensor of bools are true; a device is waited for.

    Raises TypeError for what is no tensor of bools.

    >>> import cltorch as torch
    >>> check_tensor_all_with(ValueError, torch.tensor([True, True]))
    """
    if not _is_tensor(cond):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype is not bool_:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    check_with(error_type, cond.all().item(), message)


def check_tensor_all(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise RuntimeError unless all elements of a tensor of bools are true; a device is waited for.

    >>> import cltorch as torch
    >>> check_tensor_all(torch.tensor([True, True]))
    """
    check_tensor_all_with(RuntimeError, cond, message)


def _checker(error: type[Exception]) -> Callable[..., None]:
    def check(cond: Any, message: Callable[[], Any] | None = None) -> None:
        check_with(error, cond, message)

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
