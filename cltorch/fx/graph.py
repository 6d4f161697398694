"""Graph: operations in the order in which they run, to be looked at, changed, and made Python again.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.Graph
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cltorch.fx.codegen import CodeGen, PythonCode
from cltorch.fx.namespace import Namespace, snake_case
from cltorch.fx.node import Node, map_arg

__all__ = ["CodeGen", "Graph", "PythonCode"]


class _Nodes:
    """The nodes of a graph in their order, which may change while one goes through them."""

    def __init__(self, graph: Graph, backwards: bool = False) -> None:
        self.graph, self.backwards = graph, backwards

    def __len__(self) -> int:
        return self.graph._len

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        step = "_prev" if self.backwards else "_next"
        node = getattr(root, step)
        while node is not root:
            if not node._erased:
                yield node
            node = getattr(node, step)

    def __reversed__(self) -> _Nodes:
        return _Nodes(self.graph, not self.backwards)


class _InsertPoint:
    """Where new nodes go within a ``with`` block (or from here on)."""

    def __init__(self, graph: Graph, insert: Callable[[Node], None]) -> None:
        self.graph, self.before = graph, graph._insert
        graph._insert = insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self.graph._insert = self.before


class _Place:
    """Stand for a node by its place, in what is pickled."""

    def __init__(self, at: int) -> None:
        self.at = at


def _refer(a: Any, env: list[Any]) -> Any:
    if isinstance(a, _Place):
        return env[a.at]
    if isinstance(a, tuple):
        items = [_refer(x, env) for x in a]
        return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
    if isinstance(a, list):
        return [_refer(x, env) for x in a]
    if isinstance(a, dict):
        return {k: _refer(x, env) for k, x in a.items()}
    if isinstance(a, slice):
        return slice(_refer(a.start, env), _refer(a.stop, env), _refer(a.step, env))
    return a


def _rebuild(nodes: list[Any], tracer_cls: Any, codegen: CodeGen) -> Graph:
    """Return a pickled graph, of its nodes one by one."""
    graph = Graph(tracer_cls=tracer_cls)
    graph.set_codegen(codegen)
    env: list[Any] = []
    for op, target, args, kwargs, name, kind in nodes:
        env.append(graph.create_node(op, target, _refer(args, env), _refer(kwargs, env), name, kind))
    return graph


class Graph:
    """A sequence of nodes: inputs (placeholder), operations, and an output.

    >>> import operator
    >>> graph = Graph()
    >>> x = graph.placeholder("x")
    >>> doubled = graph.call_function(operator.mul, (x, 2))
    >>> _ = graph.output(doubled)
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %mul : [num_users=1] = call_function[target=operator.mul](args = (%x, 2), kwargs = {})
        return mul
    """

    def __init__(self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: Any = None) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._len = 0
        self._insert: Callable[[Node], None] = self._root.prepend
        self._namespace = Namespace()
        self._codegen = CodeGen()
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras
        self.owning_module = owning_module

    # ---- nodes -----------------------------------------------------------------------------------------------
    @property
    def nodes(self) -> _Nodes:
        """The nodes in their order; ``reversed`` goes backwards."""
        return _Nodes(self)

    def output_node(self) -> Node:
        """Return the output, which is the last node."""
        node = self._root._prev
        if node.op != "output":
            raise RuntimeError("the graph has no output yet")
        return node

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """Return the nodes of a kind, and of a target where one is given."""
        if op == "call_function" and target is None:
            raise AssertionError("target must be given for nodes of kind call_function")
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def create_node(
        self, op: str, target: Any, args: tuple[Any, ...] | None = None, kwargs: dict[str, Any] | None = None,
        name: str | None = None, type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Add a node at the insertion point, which is the end until it is moved."""
        args, kwargs = () if args is None else args, {} if kwargs is None else kwargs
        if not isinstance(args, tuple):
            raise AssertionError("args must be a tuple")
        if not isinstance(kwargs, dict):
            raise AssertionError("kwargs must be a dict")
        candidate = name if name is not None else self._target_to_str(target)
        node = Node(self, self._namespace.create_name(candidate), op, target, args, kwargs, type_expr)
        self._insert(node)
        self._len += 1
        return node

    @staticmethod
    def _target_to_str(target: Any) -> str:
        name = getattr(target, "__name__", type(target).__name__) if callable(target) else target
        if name.startswith("__") and name.endswith("__"):
            name = name[2:-2]
        return snake_case(name)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """Add an input, which may have a default."""
        return self.create_node(
            "placeholder", name, () if default_value is ... else (default_value,), None, None, type_expr
        )

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """Add the reading of a parameter, buffer or other attribute of the module, by its dotted name."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(self, module_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None) -> Node:
        """Add the call of a submodule, by its dotted name."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(self, method_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None) -> Node:
        """Add the call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self, the_function: Callable[..., Any], args: Any = None, kwargs: Any = None, type_expr: Any = None,
        name: str | None = None,
    ) -> Node:  # fmt: skip
        """Add the call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """Add the output, of which there is one, the last node."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """Add a copy of another graph's node; ``arg_transform`` gives this graph's nodes for its arguments."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        made = self.create_node(node.op, node.target, args, dict(kwargs), node.name, node.type)
        made.meta = copy.copy(node.meta)
        return made

    def graph_copy(self, g: Graph, val_map: dict[Node, Any], return_output_node: bool = False) -> Any:
        """Add copies of all nodes of a graph but its output, whose argument in this graph is returned.

        ``val_map`` maps that graph's nodes to this one's: those in it are not copied, the others are added to it.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: Any = None) -> Graph:
        memo = {} if memo is None else memo
        made = Graph(tracer_cls=self._tracer_cls)
        made._codegen = copy.deepcopy(self._codegen)
        val_map: dict[Node, Any] = {}
        result = made.graph_copy(self, val_map, return_output_node=True)
        if result is not None:
            value, old = result
            made.output(value, type_expr=old.type).meta = copy.copy(old.meta)
        return made

    def __reduce__(self) -> Any:
        places = {node: _Place(i) for i, node in enumerate(self.nodes)}

        def placed(a: Any) -> Any:
            return map_arg(a, lambda n: places[n])

        nodes = [(n.op, n.target, placed(n.args), dict(placed(n.kwargs)), n.name, n.type) for n in self.nodes]
        tracer = self._tracer_cls
        lasting = None if tracer is None or "<locals>" in tracer.__qualname__ else tracer
        return _rebuild, (nodes, lasting, self._codegen)

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node that nobody uses; raise RuntimeError for one that is used."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                f"{to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        to_erase._take((), {})
        to_erase._unlink()
        to_erase._erased = True
        self._len -= 1

    # ---- the insertion point ---------------------------------------------------------------------------------
    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """Add nodes before one (or, for None, before all others) within a ``with`` block."""
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """Add nodes behind one (or, for None, behind all others) within a ``with`` block."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        at = [n]

        def insert(node: Node) -> None:  # several of them stay in the order in which they are made
            at[0].append(node)
            at[0] = node

        return _InsertPoint(self, insert)

    # ---- the whole -------------------------------------------------------------------------------------------
    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Remove nodes that nobody uses and that do nothing else; return whether there were some."""
        self.lint()
        impure = is_impure_node or Node.is_impure
        changed = False
        for node in reversed(self.nodes):
            if not node.users and node.op != "output" and not impure(node):
                self.erase_node(node)
                changed = True
        return changed

    def lint(self) -> None:
        """Check that nodes come before their users, names are different, and modules have what is asked of them.

        Raises RuntimeError or ValueError for what does not hold.
        """
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for used in node.all_input_nodes:
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check that "
                        "Nodes in the graph are topologically ordered"
                    )
            seen.add(node)
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            names.add(node.name)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                at = self.owning_module
                for atom in str(node.target).split("."):
                    if not hasattr(at, atom):
                        raise RuntimeError(
                            f"Node {node} target {node.target} references nonexistent attribute {atom} of {at}"
                        )
                    at = getattr(at, atom)

    def python_code(self, root_module: str) -> PythonCode:
        """Return the graph as Python; attributes are those of ``root_module``, as ``self``."""
        return self._codegen.generate(self.nodes, root_module)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Make Python of the graph in another way."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer: Callable[[Any], Any]) -> _OnGenerate:
        """Let ``make_transformer(the one before)`` return a function that changes the lines of generated code.

        What is returned undoes it at the end of a ``with`` block.
        """
        return _OnGenerate(self, make_transformer)

    def process_inputs(self, *args: Any) -> Any:
        """Return the arguments as the graph takes them, which its code generator says."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """Return the result as the graph's function gives it, which its code generator says."""
        return self._codegen.process_outputs(out)

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        rows: list[Iterable[str]] = [("opcode", "name", "target", "args", "kwargs")]
        rows += [[n.op, n.name, str(n.target), str(n.args), str(n.kwargs)] for n in self.nodes]
        texts = [list(row) for row in rows]
        widths = [max(len(row[i]) for row in texts) for i in range(5)]
        texts.insert(1, ["-" * w for w in widths])
        print("\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in texts))

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *(str(n.format_node()) for n in self.nodes)])

    __repr__ = object.__repr__


class _OnGenerate:
    def __init__(self, graph: Graph, make: Callable[[Any], Any]) -> None:
        self.codegen = graph._codegen
        self.before = self.codegen.transform
        self.codegen.transform = make(self.before)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self.codegen.transform = self.before
