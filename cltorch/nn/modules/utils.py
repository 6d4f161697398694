"""Small helpers of the layers: sizes repeated to a tuple, names of types, indented text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from cltorch.tensor import Tensor


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    parse.__name__ = f"_ntuple_{n}"
    return parse


_single, _pair, _triple, _quadruple = _ntuple(1), _ntuple(2), _ntuple(3), _ntuple(4)


def reverse_repeat(t: tuple[int, ...], n: int) -> tuple[int, ...]:
    """Return the elements from last to first, each ``n`` times: the order in which ``pad`` wants them."""
    return tuple(x for x in reversed(t) for _ in range(n))


def typename(x: Any) -> str:
    """Return the name of a value's type as PyTorch's messages have it ("torch.FloatTensor", "int")."""
    if isinstance(x, Tensor):
        return x.type()
    kind = type(x)
    return (
        kind.__qualname__
        if kind.__module__ in ("builtins", "__builtin__")
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def indent(text: str, spaces: int, blank: bool = False) -> str:
    """Indent every line but the first; empty lines stay empty unless ``blank``."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line if blank or line.strip() else "" for line in rest)])
