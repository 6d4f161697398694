"""The modules that classes say they are of: PyTorch's, while ``import torch`` gives cltorch.

Programs ask a class's module whether an object is PyTorch's (``type(x).__module__``), and tracers so tell layers from
modules of the program.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from cltorch.compat import reference

__all__ = ["restore", "settle"]

_former: dict[type, str] = {}


def settle(facade: str, members: Iterable[Any], counterpart: Callable[[str], str], find: Callable[[str], Any]) -> None:
    """Let the classes that a module of PyTorch's name shows say that they are of the module PyTorch has them in."""
    for cls in [member for member in members if isinstance(member, type)]:
        if cls.__module__.partition(".")[0] == "cltorch":
            for home in (_of_the_same_name(cls.__module__, counterpart), facade):
                if home is not None and getattr(find(home), cls.__qualname__, None) is cls:
                    _former[cls] = cls.__module__
                    _evaluate_annotations(cls)
                    cls.__module__ = home
                    break


def _of_the_same_name(module: str, counterpart: Callable[[str], str]) -> str | None:
    vision = "cltorch.vision"
    name = f"torchvision{module[len(vision) :]}" if f"{module}.".startswith(f"{vision}.") else module[2:]
    known = reference.has_module(name) or reference.has_inner_module(name)
    return name if known and counterpart(name) == module else None


def _evaluate_annotations(cls: type) -> None:
    """Put values in the place of annotations' text, which has its names from the module where the class is written."""
    try:
        values = inspect.get_annotations(cls, eval_str=True)
    except Exception:  # names that only a type checker imports: nobody could read them before either
        return
    if values:
        cls.__annotations__ = values


def restore() -> None:
    """Let the classes name cltorch's modules again."""
    while _former:
        cls, module = _former.popitem()
        cls.__module__ = module
