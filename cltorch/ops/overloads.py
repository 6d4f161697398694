"""torch.ops: operators by the names that PyTorch's dispatcher has for them, as far as there are functions behind them.

``torch.ops.aten.mm.default`` is a value that can be compared, printed and called. One operator here serves all
overloads of a name: what runs is known as ``OpOverload.any_of(name)``, which equals each of them. Layers above say what
functions there are (``resolvers``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["HigherOrderOperator", "Namespace", "OpOverload", "OpOverloadPacket", "aten", "higher_order", "resolvers"]

# each tells the function of (namespace, name), or None
resolvers: list[Callable[[str, str], Any]] = []
# operators of PyTorch's that programs name in tables, and which other functions stand for here
_INNER = frozenset(
    """
    convolution convolution_backward _scaled_dot_product_cudnn_attention _scaled_dot_product_efficient_attention
    _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_backward
    _scaled_dot_product_flash_attention_for_cpu _softmax _log_softmax
    """.split()
)


def _function(namespace: str, name: str) -> Any:
    return next((f for f in (find(namespace, name) for find in resolvers) if f is not None), None)


class _Named:
    def __init__(self, namespace: str, name: str) -> None:
        self.namespace, self.__name__ = namespace, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = _function(self.namespace, self.__name__)
        if found is None:
            raise NotImplementedError(f"torch.ops.{self} cannot be called in cltorch: call the function that uses it")
        return found(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.namespace}.{self.__name__}"


class OpOverload(_Named):
    """One overload of an operator."""

    def __init__(self, namespace: str, name: str, overload: str = "default") -> None:
        super().__init__(namespace, name)
        self._overloadname = overload
        self._any = False

    @classmethod
    def any_of(cls, namespace: str, name: str) -> OpOverload:
        """Return what equals every overload of a name."""
        made = cls(namespace, name)
        made._any = True
        return made

    def name(self) -> str:
        """Return the operator's name in the dispatcher."""
        tail = "" if self._overloadname == "default" else f".{self._overloadname}"
        return f"{self.namespace}::{self.__name__}{tail}"

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        """Return what all overloads of the name belong to."""
        return OpOverloadPacket(self.namespace, self.__name__)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, OpOverload)
            and (self.namespace, self.__name__) == (other.namespace, other.__name__)
            and (self._any or other._any or self._overloadname == other._overloadname)
        )

    def __hash__(self) -> int:
        return hash((self.namespace, self.__name__))

    def __str__(self) -> str:
        return f"{super().__str__()}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.namespace}.{self.__name__}', overload='{self._overloadname}')>"


class OpOverloadPacket(_Named):
    """All overloads of an operator; an attribute is one of them."""

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("_"):
            raise AttributeError(overload)
        return OpOverload(self.namespace, self.__name__, overload)

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"


class HigherOrderOperator(_Named):
    """An operator that takes functions."""

    def __str__(self) -> str:
        return self.__name__

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


class Namespace:
    """The operators of one library; raises AttributeError for a name that is none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not (_function(self.name, name) or (self.name == "aten" and name in _INNER)):
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        kind = HigherOrderOperator if self.name == "higher_order" else OpOverloadPacket
        found = self.__dict__[name] = kind(self.name, name)
        return found


aten, higher_order = Namespace("aten"), Namespace("higher_order")
