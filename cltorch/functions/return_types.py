"""Tuples with names for functions of several results, as in torch.return_types."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any

#: Every class of results, by the name of its function.
KINDS: dict[str, Any] = {}


@cache
def result_class(name: str, *fields: str) -> Any:
    """Return a class of tuples whose items have names, printed as PyTorch prints them.

    >>> from cltorch.functions.return_types import result_class
    >>> result_class("sort", "values", "indices")(1, 2)
    torch.return_types.sort(
    values=1,
    indices=2)
    """

    def show(self: Any) -> str:
        items = ",\n".join(f"{field}={x!r}" for field, x in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{items})"

    def reduce(self: Any) -> Any:
        return _rebuilt, (name, fields, tuple(self))

    base: Any = namedtuple(name, fields)  # type: ignore[misc]
    members = {"__slots__": (), "__repr__": show, "__reduce__": reduce, "__module__": __name__}
    KINDS[name] = type(name, (base,), members)
    return KINDS[name]


def _rebuilt(name: str, fields: tuple[str, ...], items: tuple[Any, ...]) -> Any:
    return result_class(name, *fields)(*items)
