"""Stand-ins for what PyTorch has and cltorch has not: importing one is fine, using it says what is missing."""

from __future__ import annotations

import typing
from typing import Any, NoReturn

from cltorch.compat import reference


class NotAvailable(NotImplementedError, AttributeError):
    """A name of PyTorch that cltorch does not have was used."""


class Missing:
    """Stand in for a class or function of PyTorch that is not there; any use but naming it raises NotAvailable.

    Nothing is an instance of it, and it may be part of a type annotation.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = name.rpartition(".")[0]

    def _refuse(self) -> NoReturn:
        module, _, name = self.__name__.rpartition(".")
        kind = reference.not_planned(module, name)
        why = "" if kind is None else f"; not planned: {reference.families()[kind]}"
        raise NotAvailable(f"{self.__name__} is not available in cltorch{why}")

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise NotAvailable(f"{self.__name__}.{name} is not available in cltorch")

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __subclasscheck__(self, cls: type) -> bool:
        return False

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """Let a class be derived from it, which refuses to be instantiated."""
        refuse = self._refuse

        def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:
            refuse()

        return (type(self.__name__.rpartition(".")[2], (), {"__new__": __new__}),)

    def __or__(self, other: Any) -> Any:
        return typing.Union[self, other]  # noqa: UP007 (this is what | means for types, and self is none)

    def __ror__(self, other: Any) -> Any:
        return typing.Union[other, self]  # noqa: UP007

    def __getitem__(self, item: Any) -> Any:
        return self  # a generic type in an annotation

    def __repr__(self) -> str:
        return f"<{self.__name__}, which cltorch does not have>"
