"""torch.ops: PyTorch's registry of compiled operators, of which there are only those with a function behind them.

Programs name the others in tables of what to do for which operator; a name is a value of its own, and calling it is an
error.
"""

from __future__ import annotations

from typing import Any

from cltorch.compat.missing import Missing
from cltorch.ops.overloads import namespaces

#: The namespaces that PyTorch fills itself. Others belong to extensions, and are empty until one is loaded.
OWN = frozenset("aten prim prims quantized c10d _c10d_functional inductor rngprims higher_order".split())


class Operator(Missing):
    """Stand for an operator or one of its overloads."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        found = self.__dict__[name] = Operator(f"{self.__name__}.{name}")
        return found


class Namespace:
    """Hold the operators of one library."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(namespaces.get(self.name), name, None)
        if found is None:
            if self.name not in OWN or (name.startswith("__") and name.endswith("__")):
                raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
            found = Operator(f"torch.ops.{self.name}.{name}")
        self.__dict__[name] = found
        return found


_namespaces: dict[str, Namespace] = {}


def load_library(path: Any) -> None:
    """Raise OSError, as for a library that does not fit: those compiled for PyTorch cannot be loaded."""
    raise OSError(f"Could not load this library: {path} (it is compiled for PyTorch, not for cltorch)")


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _namespaces.setdefault(name, Namespace(name))
