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

    base: Any = namedtuple(name, fields)  # type: ignore[misc]

    def make(cls: Any, *items: Any, **named: Any) -> Any:
        # PyTorch's classes take one sequence, and in files an empty dictionary besides
        one = len(items) == 1 or (len(items) == 2 and items[1] == {} and isinstance(items[0], tuple))
        if one and not named and (len(fields) > 1 or isinstance(items[0], (tuple, list))):
            if len(items[0]) != len(fields):
                raise TypeError(
                    f"torch.return_types.{name}() takes a {len(fields)}-sequence ({len(items[0])}-sequence given)"
                )
            items = tuple(items[0])
        return base.__new__(cls, *items, **named)

    def reduce(self: Any) -> Any:
        return type(self), (tuple(self), {})

    members = {
        "__slots__": (), "n_fields": len(fields), "n_sequence_fields": len(fields), "n_unnamed_fields": 0,
        "__new__": make, "__repr__": show, "__reduce__": reduce, "__module__": "cltorch.return_types"
    }  # fmt: skip
    KINDS[name] = type(name, (base,), members)
    return KINDS[name]
