"""Node: one operation of a Graph, with what it takes and who uses it.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.Node
"""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from cltorch.fx.immutable_collections import immutable_dict, immutable_list
from cltorch.torch_function import PATHS

if TYPE_CHECKING:
    from cltorch.fx.graph import Graph

__all__ = ["Node", "has_side_effect", "map_aggregate", "map_arg"]

Target = Callable[..., Any] | str
Argument = Any
OPS = {"placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root"}
_side_effects: set[Any] = {operator.setitem, print}


def has_side_effect(fn: Any) -> Any:
    """Keep calls of a function whose result nobody uses; return the function, so that this is a decorator.

    >>> has_side_effect(print) is print
    True
    """
    _side_effects.add(fn)
    return fn


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """Return an argument with ``fn`` applied to what is neither tuple, list, dict nor slice in it.

    >>> map_aggregate((1, [2, {"a": 3}]), lambda x: x + 1)
    (2, [3, {'a': 4}])
    """
    if isinstance(a, tuple):
        made = (map_aggregate(x, fn) for x in a)
        return type(a)(*made) if hasattr(a, "_fields") else tuple(made)
    if isinstance(a, list):
        return immutable_list(map_aggregate(x, fn) for x in a)
    if isinstance(a, dict):
        return immutable_dict({k: map_aggregate(x, fn) for k, x in a.items()})
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """Return an argument with ``fn`` applied to each Node in it."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def qualified_name(func: Callable[..., Any]) -> str:
    """Return the dotted name by which code calls a function, as ``torch.nn.functional.relu``."""
    found = PATHS.get(func) if isinstance(func, Hashable) else None
    if found is not None:
        return found
    name = getattr(func, "__name__", None) or type(func).__name__
    if getattr(builtins, name, None) is func:
        return f"builtins.{name}"
    module = getattr(func, "__module__", None) or ""
    module = {"_operator": "operator"}.get(module, module)
    if module == "cltorch" or module.startswith("cltorch."):
        module = module[2:]
    return f"{module}.{name}" if module else name


@functools.total_ordering
class Node:
    """An operation of a graph: ``op`` says of which kind, ``target`` what is called, ``args`` and ``kwargs`` with what.

    The kinds are placeholder, get_attr, call_function, call_method, call_module and output. ``users`` are the nodes
    that take this one, ``all_input_nodes`` those that it takes, ``meta`` is for whoever transforms the graph.

    >>> import cltorch as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    >>> [(n.op, n.name, n.args) for n in traced.graph.nodes][1:3]
    [('call_function', 'relu', (x,)), ('call_function', 'add', (relu, 1))]
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any],
        return_type: Any = None,
    ) -> None:  # fmt: skip
        if op not in OPS:
            raise AssertionError(f"{op!r} is no kind of node")
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} "
                    "but a Callable is expected"
                )
        elif not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a str is expected"
            )
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._prev = self._next = self
        self._erased = False
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._take(args, kwargs)

    # ---- arguments -------------------------------------------------------------------------------------------
    def _take(self, args: Any, kwargs: Any) -> None:
        for node in self._input_nodes:
            node.users.pop(self, None)
        self._input_nodes = {}

        def used(node: Node) -> Node:
            self._input_nodes[node] = None
            node.users[self] = None
            return node

        self._args, self._kwargs = map_arg(tuple(args), used), map_arg(dict(kwargs), used)

    @property
    def args(self) -> tuple[Any, ...]:
        """What the node takes by place; nodes stand for their results."""
        return self._args

    @args.setter
    def args(self, args: tuple[Any, ...]) -> None:
        self._take(args, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the node takes by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any]) -> None:
        self._take(self._args, kwargs)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Replace the argument at a place."""
        args = list(self._args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Put an argument before the one at a place."""
        if not 0 <= idx <= len(self._args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Replace, or add, an argument by its name."""
        self.kwargs = {**self._kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Take ``new_input`` wherever the arguments have ``old_input``."""

        def other(node: Node) -> Node:
            return new_input if node is old_input else node

        self._take(map_arg(self._args, other), map_arg(self._kwargs, other))

    def replace_all_uses_with(
        self, replace_with: Node, delete_user_cb: Callable[[Node], bool] = lambda user: True, *,
        propagate_meta: bool = False,
    ) -> list[Node]:  # fmt: skip
        """Let the users for which ``delete_user_cb`` is true take another node instead; return them."""
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), but replace_with already "
                    "has .meta keys"
                )
            replace_with.meta.update(self.meta)
        changed = [user for user in self.users if delete_user_cb(user)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    # ---- place in the graph ----------------------------------------------------------------------------------
    @property
    def next(self) -> Node:
        """The node behind this one; behind the last stands the graph's root."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one; before the first stands the graph's root."""
        return self._prev

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Move a node before this one."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._unlink()
        x._prev, x._next = self._prev, self
        self._prev._next = x
        self._prev = x

    def append(self, x: Node) -> None:
        """Move a node behind this one."""
        self._next.prepend(x)

    def __lt__(self, other: Node) -> bool:
        return self._place() < other._place()

    def _place(self) -> int:
        return next(i for i, node in enumerate(self.graph.nodes) if node is self)

    # ---- what it is ------------------------------------------------------------------------------------------
    def is_impure(self, impure_random: bool = True) -> bool:
        """Return whether the node does something else than give a result, so that it stays where nobody uses it."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _side_effects
        if self.op == "call_module":
            if self.graph.owning_module is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            module = self.graph.owning_module.get_submodule(self.target)
            return getattr(module, "_is_impure", False)
        return False

    def format_node(self, *args: Any, **kwargs: Any) -> str | None:
        """Return the node as a line, as printed graphs have it; None for placeholders and outputs within a list."""
        typed = "" if self.type is None else f"{_type_name(self.type)} "
        start = f"%{self.name} : {typed}[num_users={len(self.users)}] = {self.op}[target="
        if self.op == "placeholder":
            return f"{start}{self.target}]" + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return f"{start}{self.target}]"
        if self.op == "output":
            return f"return {self.args[0]}"
        target = self.target if isinstance(self.target, str) else qualified_name(self.target)
        return f"{start}{target}](args = {_text(self.args)}, kwargs = {_text(self.kwargs)})"

    @property
    def stack_trace(self) -> str | None:
        """Where in the traced program the operation stands, if that was kept."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def __repr__(self) -> str:
        return self.name


def _type_name(kind: Any) -> str:
    if isinstance(kind, type):
        module = {"builtins": "", "cltorch.tensor": "torch."}.get(kind.__module__, f"{kind.__module__}.")
        return f"{module}{kind.__qualname__}"
    return str(kind)


def _text(a: Any) -> str:
    """Return an argument as printed graphs have it: nodes with a percent sign, texts bare."""
    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, tuple):
        items = [_text(x) for x in a]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(a, list):
        return f"[{', '.join(map(_text, a))}]"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k}: {_text(x)}" for k, x in a.items()) + "}"
    return str(a)
