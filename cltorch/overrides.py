"""torch.overrides: functions that subclasses of Tensor, other objects and modes may handle by ``__torch_function__``.

Source: https://docs.pytorch.org/docs/2.13/torch.overrides.html
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from cltorch import public_forms, torch_function
from cltorch.operators import SILENT
from cltorch.ops.overloads import OpOverload, OpOverloadPacket
from cltorch.tensor import Tensor
from cltorch.torch_function import (
    PATHS,
    handle_torch_function,
    has_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
)

__all__ = [
    "get_ignored_functions", "get_overridable_functions", "get_testing_overrides", "handle_torch_function",
    "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like",
    "is_tensor_method_or_property", "redispatch_function", "resolve_name", "wrap_torch_function",
]  # fmt: skip


class TorchFunctionMode:
    """Handle every function that is called within a ``with`` block, those that make tensors among them.

    A mode defines ``__torch_function__(self, func, types, args=(), kwargs=None)``. While that runs the mode is left, so
    that what it calls goes to the mode around it.

    >>> import cltorch as torch
    >>> class Count(TorchFunctionMode):
    ...     calls = 0
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         self.calls += 1
    ...         return func(*args, **(kwargs or {}))
    >>> with Count() as count:
    ...     _ = torch.ones(2) + 1
    >>> count.calls
    2
    """

    inner: TorchFunctionMode

    def __init__(self) -> None:
        pass

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        torch_function.push(self)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        torch_function.pop()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """Return a mode: an old way to write ``cls(*args, **kwargs)``."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """Call every function as it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> Any:
    """Return the innermost mode, or None."""
    modes = torch_function.state.modes
    return modes[-1] if modes else None


def _get_current_function_mode_stack() -> list[Any]:
    """Return the modes, the innermost last."""
    return list(torch_function.state.modes)


_push_mode, _pop_mode = torch_function.push, torch_function.pop


@contextmanager
def _pop_mode_temporarily() -> Iterator[Any]:
    """Leave the innermost mode within a ``with`` block, which gets it."""
    mode = torch_function.pop()
    try:
        yield mode
    finally:
        torch_function.push(mode)


@contextmanager
def _enable_torch_function() -> Iterator[None]:
    """Ask classes and modes within a ``with`` block, whatever is switched off around it."""
    with torch_function.without(0):
        yield


def redispatch_function(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Call a function without asking who handles it; the functions that it calls ask again."""
    return torch_function.redispatch(func, args, kwargs or {})


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that lets a function be overridden by those arguments that ``dispatcher`` returns.

    >>> import cltorch as torch
    >>> @wrap_torch_function(lambda x: (x,))
    ... def double(x):
    ...     return 2 * x
    >>> double(torch.ones(1))
    tensor([2.])
    """

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return f(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Return whether an object is a tensor or has ``__torch_function__``.

    >>> is_tensor_like(6)
    False
    """
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def get_default_nowrap_functions() -> set[Any]:
    """Return the functions whose results ``Tensor.__torch_function__`` leaves in the class that they have."""
    return set(torch_function.AS_THEY_ARE)


def _namespaces() -> dict[str, Any]:
    names = ("", ".functional", ".nn.functional", ".nn.init", ".linalg", ".fft", ".special")
    found = {"torch" + name: import_module("cltorch" + name) for name in names if name != ".functional"}
    return found | {"torch.Tensor": Tensor}


def get_overridable_functions() -> dict[Any, list[Any]]:
    """Return the functions and methods that can be overridden by arguments, by their modules and by Tensor.

    The getters of properties have their property as key. Names that start or end with an underscore are left out.
    """
    found: dict[Any, list[Any]] = {}
    spaces = _namespaces()
    for func, path in PATHS.items():
        space, _, name = path.rpartition(".")
        if name == "__get__":
            found[func.__self__] = [func]
        elif space in spaces and name != "__set__" and name not in public_forms.MODES_ONLY:
            if space == "torch.Tensor" or not (name.endswith("_") or name.startswith("_")):
                found.setdefault(spaces[space], []).append(func)
    return found


def get_ignored_functions() -> set[Any]:
    """Return the functions of torch that arguments cannot override; modes see those of them that make tensors."""
    space: Any = import_module("cltorch")
    public = {getattr(space, name) for name in dir(space) if name[0] != "_" and name[0].islower()} - {None}
    found = {f for f in public if inspect.isroutine(f) and (f not in PATHS or f.__name__ in public_forms.MODES_ONLY)}
    return found | {getattr(Tensor, name) for name in ("__new__", "__init__", "__hash__", "__iter__", "as_subclass")}


def get_testing_overrides() -> dict[Any, Callable[..., Any]]:
    """Return, for each function that can be overridden, one of its signature that returns -1."""
    return {f: _dummy(f) for functions in get_overridable_functions().values() for f in functions}


def _dummy(func: Any) -> Callable[..., Any]:
    def dummy(*args: Any, **kwargs: Any) -> int:
        return -1

    try:
        dummy.__signature__ = inspect.signature(func)  # type: ignore[attr-defined]
    except (TypeError, ValueError):  # the getter of a property
        pass
    return dummy


def resolve_name(f: Any) -> str | None:
    """Return the path by which a program reaches a function, None for what cannot be overridden.

    >>> import cltorch as torch
    >>> resolve_name(torch.Tensor.add), resolve_name(torch.linalg.norm)
    ('torch.Tensor.add', 'torch.linalg.norm')
    """
    if isinstance(f, (OpOverload, OpOverloadPacket)):
        return str(f)
    name = getattr(f, "__name__", "")
    if name[:2] == "__" and vars(Tensor).get(name) is f:  # operators call a method that is told of instead
        return f"torch.Tensor.{name}"
    return PATHS.get(f)


def is_tensor_method_or_property(func: Any) -> bool:
    """Return whether a function is a method of Tensor, or gets or sets one of its properties.

    >>> import cltorch as torch
    >>> is_tensor_method_or_property(torch.Tensor.add), is_tensor_method_or_property(torch.add)
    (True, False)
    """
    return (resolve_name(func) or "").startswith("torch.Tensor.") and func.__name__ not in SILENT
