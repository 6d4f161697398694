"""torch.ops: operators by the names that PyTorch's dispatcher has for them, as far as there are functions behind them.

``torch.ops.aten.mm.default`` is a value that can be compared, printed and called. One operator here serves all
overloads of a name: what runs is known as ``OpOverload.any_of(name)``, which equals each of them. Layers above say what
functions there are (``resolvers``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "HigherOrderOperator", "Namespace", "OpOverload", "OpOverloadPacket", "Schema", "aten", "higher_order", "listers",
    "namespaces", "packet", "resolvers", "watchers",
]  # fmt: skip

# each tells the function of (namespace, name), or None; the name of an overload stands behind a point
resolvers: list[Callable[[str, str], Any]] = []
# each tells the overloads of (namespace, name), or none where it does not know the operator
listers: list[Callable[[str, str], list[str]]] = []
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


def _overloads(namespace: str, name: str) -> list[str]:
    return next((found for found in (find(namespace, name) for find in listers) if found), [])


#: Each is asked before an operator runs: ``(operator, args, kwargs) -> (result,)``, or None where it says nothing.
watchers: list[Callable[[Any, Any, Any], tuple[Any] | None]] = []


class Schema(NamedTuple):
    """What of an operator's schema is known: its name."""

    name: str
    overload_name: str

    @property
    def is_mutable(self) -> bool:
        """Whether the operator changes an argument."""
        return self.name.endswith("_") and not self.name.endswith("__") or self.overload_name == "out"


class _Named:
    def __init__(self, namespace: str, name: str) -> None:
        self.namespace, self._opname, self.__name__ = namespace, name, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for watcher in watchers:
            told = watcher(self, args, kwargs)
            if told is not None:
                return told[0]
        found = self._function()
        if found is None:
            raise NotImplementedError(f"torch.ops.{self} cannot be called in cltorch: call the function that uses it")
        return found(*args, **kwargs)

    def _function(self) -> Any:
        return _function(self.namespace, self._opname)

    def __str__(self) -> str:
        return f"{self.namespace}.{self._opname}"


class OpOverload(_Named):
    """One overload of an operator."""

    def __init__(self, namespace: str, name: str, overload: str = "default") -> None:
        super().__init__(namespace, name)
        self.__name__ = f"{name}.{overload}"
        self._overloadname = overload
        self._any = False

    def _function(self) -> Any:
        own = _function(self.namespace, self.__name__)
        return super()._function() if own is None else own

    @classmethod
    def any_of(cls, namespace: str, name: str) -> OpOverload:
        """Return what equals every overload of a name."""
        made = cls(namespace, name)
        made._any = True
        return made

    def name(self) -> str:
        """Return the operator's name in the dispatcher."""
        tail = "" if self._overloadname == "default" else f".{self._overloadname}"
        return f"{self.namespace}::{self._opname}{tail}"

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        """Return what all overloads of the name belong to."""
        return packet(self.namespace, self._opname)

    _overloadpacket = overloadpacket

    @property
    def _schema(self) -> Schema:
        return Schema(f"{self.namespace}::{self._opname}", self._overloadname.replace("default", ""))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, OpOverload)
            and (self.namespace, self._opname) == (other.namespace, other._opname)
            and (self._any or other._any or self._overloadname == other._overloadname)
        )

    def __hash__(self) -> int:
        return hash((self.namespace, self._opname))

    def __str__(self) -> str:
        return f"{super().__str__()}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.namespace}.{self._opname}', overload='{self._overloadname}')>"


class OpOverloadPacket(_Named):
    """All overloads of an operator; an attribute is one of them."""

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("_"):
            raise AttributeError(overload)
        listed = _overloads(self.namespace, self._opname)
        if listed and overload not in listed:
            raise AttributeError(f"The underlying op of '{self}' has no overload name '{overload}'")
        found = self.__dict__[overload] = OpOverload(self.namespace, self._opname, overload)
        return found

    def overloads(self) -> list[str]:
        """Return the names of the overloads; raise NotImplementedError for an operator of PyTorch's own."""
        listed = _overloads(self.namespace, self._opname)
        if not listed:
            raise NotImplementedError(f"{self}: overloads of PyTorch's own operators are not listed in cltorch")
        return listed

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"


_packets: dict[tuple[str, str], OpOverloadPacket] = {}


def packet(namespace: str, name: str) -> OpOverloadPacket:
    """Return the overloads of a name: one object for each, whether something can be called by it or not."""
    key = namespace, name
    found = _packets.get(key)
    if found is None:
        found = _packets[key] = OpOverloadPacket(namespace, name)
    return found


class HigherOrderOperator(_Named):
    """An operator that takes functions."""

    def __str__(self) -> str:
        return self._opname

    def __repr__(self) -> str:
        return f"<{self._opname}>"


class Namespace:
    """The operators of one library; raises AttributeError for a name that is none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not (_function(self.name, name) or (self.name == "aten" and name in _INNER)):
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        kind = HigherOrderOperator if self.name == "higher_order" else packet
        found = self.__dict__[name] = kind(self.name, name)
        return found


aten, higher_order = Namespace("aten"), Namespace("higher_order")
#: All by their names, also by one that a module of this package has.
namespaces = {"aten": aten, "higher_order": higher_order}
