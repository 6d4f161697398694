"""Functions that are not traced into, and the names that are others while a program is traced.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.wrap
"""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable
from typing import Any

from cltorch.fx.node import map_aggregate
from cltorch.fx.proxy import Proxy

__all__ = ["wrap"]

_wrapped: dict[tuple[int, str], dict[str, Any]] = {}  # globals of modules, and the names in them that are leaves
_NOT_THERE = object()


def wrap(fn_or_name: Any) -> Any:
    """Let calls of a function of the calling module be one node each, and not be traced into; return what is given.

    It is called at a module's top, with a function's name, or decorates the function. Raises RuntimeError for what is
    neither, NotImplementedError elsewhere than at a module's top.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__code__.co_name
    frame = inspect.currentframe()
    calling = None if frame is None else frame.f_back
    if calling is None or calling.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped[id(calling.f_globals), name] = calling.f_globals
    return fn_or_name


def _leaf(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that becomes a node where an argument is a proxy."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        found: list[Proxy] = []

        def look(a: Any) -> None:
            if isinstance(a, Proxy):
                found.append(a)

        map_aggregate(args, look)
        map_aggregate(kwargs, look)
        if not found:
            return fn(*args, **kwargs)
        return found[0].tracer.create_proxy("call_function", fn, args, kwargs)

    return call


class _Patcher:
    """Attributes and names that are others for a while."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []

    def patch(self, frame_dict: dict[str, Any], name: str, new_fn: Any, deduplicate: bool = True) -> None:
        """Give a name in a namespace another value."""
        before = frame_dict.get(name, _NOT_THERE)
        frame_dict[name] = new_fn
        self.undo.append(
            lambda: frame_dict.pop(name, None) if before is _NOT_THERE else frame_dict.update({name: before})
        )

    def patch_method(self, cls: Any, name: str, new_fn: Any, deduplicate: bool = True) -> None:
        """Give a class another method."""
        own, before = name in vars(cls), getattr(cls, name)
        setattr(cls, name, new_fn)
        self.undo.append(lambda: setattr(cls, name, before) if own else delattr(cls, name))

    def __enter__(self) -> _Patcher:
        return self

    def __exit__(self, *error: Any) -> None:
        for undo in reversed(self.undo):
            undo()


def _autowrap_check(patcher: _Patcher, frame_dict: dict[str, Any], function_ids: set[int]) -> None:
    """Make leaves of the functions in a namespace that are among those to be wrapped."""
    for name, value in list(frame_dict.items()):
        if not name.startswith("_") and callable(value) and id(value) in function_ids:
            patcher.patch(frame_dict, name, _leaf(value))


def _patch_wrapped_functions(patcher: _Patcher) -> None:
    """Make leaves of the functions that were given to ``wrap``."""
    for (_, name), space in list(_wrapped.items()):
        original = space.get(name, getattr(builtins, name, None))
        if original is not None:
            patcher.patch(space, name, _leaf(original))
