"""Proxy: what a tracer gives a program in place of tensors; whatever is done to it becomes a node.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.Proxy
"""

from __future__ import annotations

import dis
import enum
import inspect
import operator
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from cltorch.device import device
from cltorch.dtypes import dtype
from cltorch.formats import layout, memory_format
from cltorch.fx.graph import Graph
from cltorch.fx.node import Node, map_aggregate
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.torch_function import path_of

__all__ = ["Attribute", "GraphAppendingTracer", "ParameterProxy", "Proxy", "Scope", "TraceError", "TracerBase"]

_REFLECTABLE = "add sub mul floordiv truediv mod lshift rshift and_ or_ xor pow matmul".split()
_OTHERS = "eq ne lt gt le ge pos neg abs invert getitem".split()
_PLAIN = (str, int, float, bool, complex, dtype, device, layout, memory_format, enum.Enum, Node)


class TraceError(ValueError):
    """A traced program asks for a value that is not there while it is traced."""


class Scope:
    """The module in whose ``forward`` a node was made: its path and its class."""

    def __init__(self, module_path: str, module_type: Any) -> None:
        self.module_path, self.module_type = module_path, module_type


class TracerBase:
    """Make nodes of what proxies are asked to do."""

    graph: Graph
    record_stack_traces = False
    trace_asserts = False
    proxy_buffer_attributes = False
    scope = Scope("", None)

    def create_node(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Add a node to the graph."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if self.scope.module_type is not None:
            node.meta["nn_module_stack"] = {self.scope.module_path: (self.scope.module_path, self.scope.module_type)}
        return node

    def proxy(self, node: Node) -> Proxy:
        """Return a proxy for a node's result."""
        return Proxy(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str | None = None,
        type_expr: Any = None, proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:  # fmt: skip
        """Add a node whose arguments may be, or hold, proxies; return a proxy for its result."""
        own_args, own_kwargs = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, tuple(own_args), dict(own_kwargs), name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """Return a node's argument for a value; raise NotImplementedError for what no node can have."""
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return type(a)(*(self.create_arg(x) for x in a))
        if isinstance(a, (tuple, list)):
            return (
                type(a)(self.create_arg(x) for x in a) if type(a) in (tuple, list) else tuple(map(self.create_arg, a))
            )
        if isinstance(a, dict):
            return {self._key(k): self.create_arg(x) for k, x in a.items()}
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if a is None or a is ... or isinstance(a, _PLAIN):
            return a
        if callable(a) and not isinstance(a, (Tensor, Module)):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, k: Any) -> Any:
        if isinstance(k, Proxy):
            raise RuntimeError(f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {k}")
        return self.create_arg(k)

    def to_bool(self, obj: Proxy) -> bool:
        """Raise TraceError, where a program branches on a value; a subclass may know better."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """Raise TraceError, where a program goes through a value; a subclass may know how long it is."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
            "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what "
            "types of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy "
            "iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """Return what ``**value`` goes through."""
        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Make nodes at the end of a given graph: for proxies that a program makes of nodes itself."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.scope = Scope("", None)
        self.module_stack: dict[str, Any] = {}
        self.node_name_to_scope: dict[str, Any] = {}


class Proxy:
    """Stand for a value while a program is traced.

    >>> graph = Graph()
    >>> x = Proxy(graph.placeholder("x"))
    >>> (x + 1).node.args
    (x, 1)
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Any:
        if name in ("node", "tracer") or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        frame = inspect.currentframe()
        calling = None if frame is None else frame.f_back
        if calling is not None:  # ``a, b = value`` tells how many there are
            at = calling.f_lasti
            for instruction in dis.get_instructions(calling.f_code):
                if instruction.offset == at and instruction.opname == "UNPACK_SEQUENCE":
                    return (self.__getitem__(i) for i in range(instruction.argval))
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    def __contains__(self, item: Any) -> bool:
        raise TraceError("'in' cannot be traced: what a value holds is not known")

    def keys(self) -> Any:
        """Return what ``**value`` goes through, which the tracer decides."""
        return self.tracer.keys(self)

    def __deepcopy__(self, memo: Any) -> Proxy:
        raise TraceError("a proxy cannot be copied")

    @classmethod
    def __torch_function__(cls, orig_method: Any, types: Any, args: Any = None, kwargs: Any = None) -> Any:
        args, kwargs = args or (), kwargs or {}
        tracers: dict[int, TracerBase] = {}

        def find(a: Any) -> None:
            if isinstance(a, Proxy):
                tracers[id(a.tracer)] = a.tracer

        map_aggregate(tuple(args), find)
        map_aggregate(dict(kwargs), find)
        if len(tracers) > 1:
            raise RuntimeError(f"Found multiple different tracers {list(tracers.values())} while trying to trace")
        (tracer,) = tracers.values()
        path = path_of(orig_method)
        if path.startswith("torch.Tensor."):
            name = path.split(".")[2]
            if path.endswith(".__get__"):
                return tracer.create_proxy("call_function", getattr, (args[0], name), {})
            return tracer.create_proxy("call_method", name, tuple(args), kwargs)
        return tracer.create_proxy("call_function", orig_method, tuple(args), kwargs, name=path.rpartition(".")[2])

    __hash__ = object.__hash__


class Attribute(Proxy):
    """A proxy's attribute: reading it is a node, calling it another, the call of a method."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute, made when it is first needed."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A proxy for a parameter, whose shape is known while it is traced."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """The parameter's shape."""
        return self.param.shape

    def size(self, dim: int | None = None) -> Any:
        """Return the parameter's shape, or one size of it."""
        return self.param.size() if dim is None else self.param.size(dim)

    def dim(self) -> int:
        """Return the number of the parameter's dimensions."""
        return self.param.dim()

    @property
    def ndim(self) -> int:
        """The number of the parameter's dimensions."""
        return self.param.ndim

    def numel(self) -> int:
        """Return the number of the parameter's elements."""
        return self.param.numel()

    def nelement(self) -> int:
        """Return the number of the parameter's elements."""
        return self.param.nelement()


def _forward(name: str) -> FunctionType:
    target = getattr(operator, name)

    def method(self: Proxy, *args: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", target, (self, *args), {})

    return method  # type: ignore[return-value]


def _reflected(name: str) -> FunctionType:
    target = getattr(operator, name)

    def method(self: Proxy, other: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", target, (other, self), {})

    return method  # type: ignore[return-value]


for _name in (*_REFLECTABLE, *_OTHERS):
    setattr(Proxy, f"__{_name.rstrip('_')}__", _forward(_name))
for _name in _REFLECTABLE:
    setattr(Proxy, f"__r{_name.rstrip('_')}__", _reflected(_name))
