"""Tracer and symbolic_trace: run a program with proxies and keep what it does as a graph.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.symbolic_trace
"""

from __future__ import annotations

import builtins
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from cltorch.checks import assert_
from cltorch.fx._compatibility import compatibility
from cltorch.fx.graph import Graph
from cltorch.fx.graph_module import GraphModule
from cltorch.fx.node import Node, has_side_effect
from cltorch.fx.patching import _autowrap_check, _patch_wrapped_functions, _Patcher, wrap
from cltorch.fx.proxy import ParameterProxy, Proxy, Scope, TracerBase
from cltorch.nn import Module, Sequential
from cltorch.nn.parameter import Parameter
from cltorch.ops.generator import Generator
from cltorch.tensor import Tensor

__all__ = ["ScriptObject", "Tracer", "compatibility", "is_fx_tracing", "symbolic_trace", "wrap"]

_tracing = [0]
_VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_orig_module_call, _orig_module_getattr = Module.__call__, Module.__getattr__


class ScriptObject:
    """Stand for TorchScript's objects, which tracers of other libraries ask for: nothing is an instance."""


def is_fx_tracing() -> bool:
    """Return whether a tracer runs.

    >>> is_fx_tracing()
    False
    """
    return _tracing[0] > 0


class Tracer(TracerBase):
    """Make a graph of a module or function by running it with proxies.

    Functions of ``autowrap_modules`` and those of ``autowrap_functions`` are not traced into. A subclass says which
    modules are leaves (``is_leaf_module``), and may make proxies and nodes of other kinds.

    >>> import cltorch as torch
    >>> class All(Tracer):
    ...     def is_leaf_module(self, m, module_qualified_name):
    ...         return False
    >>> graph = All().trace(torch.nn.Sequential(torch.nn.ReLU()))
    >>> [n.op for n in graph.nodes]
    ['placeholder', 'call_function', 'output']
    """

    def __init__(
        self, autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (), param_shapes_constant: bool = False,
    ) -> None:  # fmt: skip
        self._autowrap_function_ids = {
            id(value)
            for module in autowrap_modules
            for name, value in module.__dict__.items()
            if not name.startswith("_") and callable(value)
        }
        self._autowrap_function_ids.update(id(f) for f in autowrap_functions)
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.scope = Scope("", None)
        self.module_stack: dict[str, Any] = {}
        self.node_name_to_scope: dict[str, Any] = {}

    # ---- what a subclass may decide --------------------------------------------------------------------------
    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Return whether a module is one node: those of ``torch.nn`` are, but for Sequential."""
        return type(m).__module__.startswith(("cltorch.nn", "torch.nn")) and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """Return a submodule's dotted name; raise NameError for a module that is not the root's."""
        if self.submodule_paths:
            path = self.submodule_paths.get(mod)
            if path is None:
                raise NameError("module is not installed as a submodule")
            return path
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make a node of a leaf's call, and call ``forward`` of another module."""
        path = self.path_of_module(m)
        before, self.scope = self.scope, Scope(path, type(m))
        try:
            self.module_stack[path] = (path, type(m))
            if self.is_leaf_module(m, path):
                return self.create_proxy("call_module", path, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self.module_stack.pop(path, None)
            self.scope = before

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Return what reading a module's attribute gives: a proxy for a parameter, and the value for others."""
        kinds: list[tuple[type, Callable[[], Iterator[tuple[str, Any]]]]] = [(Parameter, self.root.named_parameters)]
        if self.proxy_buffer_attributes:
            kinds.append((Tensor, self.root.named_buffers))
        for kind, entries in kinds:
            if not builtins.isinstance(attr_val, kind):
                continue
            for name, value in entries():
                if value is attr_val:
                    if name not in parameter_proxy_cache:
                        make = self._parameter_proxy(name, value) if self.param_shapes_constant else None
                        parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {}, proxy_factory_fn=make)
                    return parameter_proxy_cache[name]
        return attr_val

    def _parameter_proxy(self, name: str, value: Any) -> Callable[[Node], Proxy]:
        return lambda node: ParameterProxy(self, node, name, value)

    def create_node(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> Node:
        """Add a node to the graph, and note in which module."""
        node = super().create_node(kind, target, *args, **kwargs)
        self.node_name_to_scope[node.name] = (self.scope.module_path, self.scope.module_type)
        if self.module_stack:
            node.meta["nn_module_stack"] = dict(self.module_stack)
        return node

    def create_arg(self, a: Any) -> Any:
        """Return a node's argument for a value; tensors and generators become nodes that read them from the module.

        Raises NameError for a parameter that is not the root's.
        """
        if isinstance(a, Parameter):
            for name, value in self.root.named_parameters():
                if a is value:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, Tensor):
            for name, buffer in self.root.named_buffers():
                if a is buffer:
                    return self.create_node("get_attr", name, (), {})
            return self._constant(a, "_tensor_constant")
        if isinstance(a, Generator):
            return self._constant(a, "_opaque_obj")
        if isinstance(a, Module):
            for name, module in self.root.named_modules():
                if module is a:
                    return self.create_node("get_attr", name, (), {})
        return super().create_arg(a)

    def _constant(self, value: Any, stem: str) -> Node:
        """Return a node that reads a value from the module, which is given it unless it has it."""
        if value not in self.tensor_attrs:
            i = 0
            while hasattr(self.root, f"{stem}{i}"):
                i += 1
            self.tensor_attrs[value] = f"{stem}{i}"
            setattr(self.root, f"{stem}{i}", value)
        return self.create_node("get_attr", self.tensor_attrs[value], (), {})

    # ---- the run ---------------------------------------------------------------------------------------------
    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Return the function with arguments for it: proxies, but for those that are given.

        Raises RuntimeError for a module's ``forward`` without ``self``.
        """
        fn: Any = inspect.unwrap(root_fn)
        code = fn.__code__
        named = code.co_argcount + code.co_kwonlyargcount
        names = list(code.co_varnames[:named])
        self._concrete = 0
        args: list[Any] = []
        if is_module:
            if named == 0:
                raise RuntimeError("``self`` argument cannot be part of *args expansion!")
            args.append(self.root)
            names.pop(0)
        parameters = inspect.signature(fn).parameters
        if isinstance(concrete_args, tuple):
            if len(names) != len(concrete_args):
                raise RuntimeError(
                    f"Tracing expected {len(names)} arguments but got {len(concrete_args)} concrete arguments"
                )
            concrete_args = dict(zip(names, concrete_args, strict=True))
        for name in names:
            args.append(self._root_argument(fn, name, parameters[name].default, concrete_args or {}))
        if not code.co_kwonlyargcount and not code.co_flags & _VARIADIC:
            return root_fn, args
        at = named
        for flag, star in ((inspect.CO_VARARGS, "*"), (inspect.CO_VARKEYWORDS, "**")):
            if code.co_flags & flag:
                args.append(self.create_proxy("placeholder", star + code.co_varnames[at], (), {}))
                at += 1
        flat = code.replace(
            co_flags=code.co_flags & ~_VARIADIC, co_argcount=len(args), co_posonlyargcount=0, co_kwonlyargcount=0
        )
        own = FunctionType(flat, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
        own.__annotations__ = fn.__annotations__
        return own, args

    def _root_argument(self, fn: Any, name: str, default: Any, concrete: dict[str, Any]) -> Any:
        given = () if default is inspect.Parameter.empty else (default,)
        if name not in concrete:
            return self.create_proxy("placeholder", name, given, {}, type_expr=fn.__annotations__.get(name))
        value = concrete[name]
        self._concrete += 1
        made = self.create_proxy("placeholder", f"{name}_{self._concrete}", given, {})
        # the graph holds for this value alone, and says so when it is run with another one
        message = f"{name} has been specialized to have value {value} but got another value"
        if value is None:
            self.create_proxy("call_function", _assert_is_none, (made, message), {})
        elif isinstance(value, (bool, int, float, str)):
            self.create_proxy("call_function", assert_, (made == value, message), {}, "_assert")
        return value

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> Graph:
        """Return the graph of a module or function; arguments in ``concrete_args`` have those values in it.

        Raises TraceError where the program asks for a value that only an input would tell.
        """
        if isinstance(root, Module):
            self.root = root
            if not hasattr(type(root), "forward"):
                raise AssertionError(f"traced_func_name='forward' doesn't exist in {type(root).__name__}")
            fn: Any = type(root).forward
            self.root_module_name = type(root).__name__
            self.submodule_paths = {module: name for name, module in root.named_modules()}
        else:
            self.root, fn, self.submodule_paths = Module(), root, None
        self.graph = Graph(tracer_cls=type(self))
        self.scope, self.module_stack, self.node_name_to_scope = Scope("", None), {}, {}
        self.tensor_attrs: dict[Any, str] = {}
        for prefix, module in self.root.named_modules():
            for name, value in module.__dict__.items():
                if isinstance(value, Tensor):
                    self.tensor_attrs[value] = f"{prefix}.{name}" if prefix else name
        if not callable(fn) or not hasattr(inspect.unwrap(fn), "__code__"):
            raise TypeError(f"{fn!r} has no Python code to be traced")
        spaces = inspect.unwrap(fn).__globals__
        fn, args = self.create_args_for_root(fn, isinstance(root, Module), concrete_args)
        with _Patcher() as patcher, self._counted():
            self._patch(patcher, spaces)
            result = fn(*args)
        self.create_node(
            "output",
            "output",
            (self.create_arg(result),),
            {},
            type_expr=getattr(fn, "__annotations__", {}).get("return"),
        )
        self.submodule_paths = None
        return self.graph

    @contextmanager
    def _counted(self) -> Iterator[None]:
        _tracing[0] += 1
        try:
            yield
        finally:
            _tracing[0] -= 1

    def _patch(self, patcher: _Patcher, spaces: dict[str, Any]) -> None:
        cache: dict[str, Any] = {}

        def read(mod: Module, name: str) -> Any:
            return self.getattr(name, _orig_module_getattr(mod, name), cache)

        def called(mod: Module, *args: Any, **kwargs: Any) -> Any:
            def forward(*a: Any, **k: Any) -> Any:
                return _orig_module_call(mod, *a, **k)

            space = getattr(getattr(mod, "forward", mod), "__globals__", {})
            _autowrap_check(patcher, space, self._autowrap_function_ids)
            return self.call_module(mod, forward, args, kwargs)

        patcher.patch_method(Module, "__getattr__", read)
        patcher.patch_method(Module, "__call__", called)
        _patch_wrapped_functions(patcher)
        for space in (spaces, *(module.__dict__ for module in self._autowrap_search)):
            _autowrap_check(patcher, space, self._autowrap_function_ids)


def _assert_is_none(value: Any, message: str) -> None:
    """Raise AssertionError where a graph that was traced for None is run with something else."""
    if value is not None:
        raise AssertionError(message)


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """Return a module whose graph is what ``root``, a module or function, does with its arguments.

    Arguments in ``concrete_args`` have those values. Raises TraceError where control flow depends on a value.

    >>> import cltorch as torch
    >>> print(symbolic_trace(lambda x, y: torch.relu(x + y).sum(dim=0)).code.strip())
    def forward(self, x, y):
        add = x + y;  x = y = None
        relu = torch.relu(add);  add = None
        sum_1 = relu.sum(dim = 0);  relu = None
        return sum_1
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else getattr(root, "__name__", "GraphModule")
    return GraphModule(tracer.root, graph, name)


has_side_effect(_assert_is_none)
has_side_effect(assert_)
