"""Python from the nodes of a graph: the text of ``forward``, and the names that it needs."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from cltorch.device import device
from cltorch.fx.namespace import Namespace
from cltorch.fx.node import Node, qualified_name

__all__ = ["CodeGen", "PythonCode"]

_BINARY = {
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "add": "+", "sub": "-", "mul": "*",
    "floordiv": "//", "truediv": "/", "mod": "%", "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^",
    "pow": "**", "matmul": "@",
}  # fmt: skip
_UNARY = {"pos": "+", "neg": "-", "invert": "~"}
_IN_PLACE = {
    "iadd": "+=", "iand": "&=", "ifloordiv": "//=", "ilshift": "<<=", "imod": "%=", "imul": "*=", "imatmul": "@=",
    "ior": "|=", "ipow": "**=", "irshift": ">>=", "isub": "-=", "itruediv": "/=", "ixor": "^=",
}  # fmt: skip


@dataclass
class PythonCode:
    """The source of a function, and the objects that it calls by name."""

    src: str
    globals: dict[str, Any] = field(default_factory=dict)


def _torch() -> Any:
    return sys.modules["cltorch"]


class _Names:
    """The global names of one piece of code."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.globals: dict[str, Any] = {"torch": _torch(), "device": device, "inf": float("inf"), "nan": float("nan")}
        self.globals["NoneType"] = type(None)
        self._space = Namespace()
        for node in nodes:
            self._space.create_name(node.name, node)

    def of(self, obj: Any) -> str:
        """Return the expression for a function or class: its path where that leads there, or a name of its own."""
        path = qualified_name(obj)
        if path.startswith("builtins."):
            return path.removeprefix("builtins.")
        if path.startswith("torch."):
            try:
                found = reduce(getattr, path.split(".")[1:], _torch())
            except AttributeError:
                found = None
            if found is obj or (found is not None and found == obj):
                return path
        for name, known in self.globals.items():
            if known is obj:
                return name
        name = self._space.create_name(path.replace(".", "_"), obj)
        self.globals[name] = obj
        return name

    def arg(self, a: Any) -> str:
        """Return the expression for a node's argument."""
        if isinstance(a, Node):
            return a.name
        if isinstance(a, tuple):
            items = [self.arg(x) for x in a]
            if hasattr(a, "_fields"):
                return f"{self.of(type(a))}({', '.join(items)})"
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        if isinstance(a, list):
            return f"[{', '.join(self.arg(x) for x in a)}]"
        if isinstance(a, dict):
            return "{" + ", ".join(f"{self.arg(k)}: {self.arg(x)}" for k, x in a.items()) + "}"
        if isinstance(a, slice):
            return f"slice({self.arg(a.start)}, {self.arg(a.stop)}, {self.arg(a.step)})"
        if isinstance(a, enum.Enum):
            return f"{self.of(type(a))}.{a.name}"
        if callable(a):
            return self.of(a)
        return repr(a)

    def annotation(self, kind: Any) -> str:
        """Return the expression for a type, with a space and colon before it; nothing for no type."""
        if kind is None or kind is Any or isinstance(kind, str):
            return ""
        if isinstance(kind, type) and getattr(kind, "__module__", "") == "builtins":
            return f" : {kind.__name__}"
        if kind is getattr(_torch(), "Tensor", None):
            return " : torch.Tensor"
        name = self._space.create_name(str(kind).replace(".", "_"), kind)
        self.globals[name] = kind
        return f" : {name}"


def last_uses(nodes: list[Node]) -> dict[Node, list[Node]]:
    """Return for each node those that nobody takes any more behind it."""
    done: set[Node] = set()
    last: dict[Node, list[Node]] = {}
    for node in reversed(nodes):
        for used in node.all_input_nodes:
            if used not in done:
                done.add(used)
                last.setdefault(node, []).append(used)
    return last


class CodeGen:
    """Make the text of a function of a graph; a subclass may write another head, or take and give other things."""

    def __init__(self) -> None:
        self.transform: Callable[[list[str]], list[str]] | None = None

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """Return the first line."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def forward({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any) -> str:
        """Return the last line, for the text of the result."""
        return f"return {output_args}"

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Return pairs of a name and an object for the function's globals."""
        return []

    def process_inputs(self, *args: Any) -> Any:
        """Return arguments of the function as the graph's inputs."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """Return the graph's result as the function gives it."""
        return outputs

    def generate(self, nodes: Iterable[Node], root: str) -> PythonCode:
        """Return the code of nodes; attributes are those of ``root``."""
        nodes = list(nodes)
        names = _Names(nodes)
        names.globals.update(self.additional_globals())
        last = last_uses(nodes)
        free: list[str] = []
        body: list[str] = []
        returns = ""
        for node in nodes:
            if node.op == "placeholder":
                self._input(node, names, free, body)
                continue
            if node.op == "output":
                if node.type is not None:
                    returns = names.annotation(node.type).replace(" : ", " -> ", 1)
                body.append(self.generate_output(names.arg(node.args[0])))
                continue
            over = [n.name for n in last.get(node, ()) if n.op != "placeholder" or not str(n.target).startswith("*")]
            if not node.users:
                over.append(node.name)
            tail = f";  {' = '.join([*over, 'None'])}" if over else ""
            body.append(self._statement(node, names, root) + tail)
        if self.transform is not None:
            body = [line.rstrip("\n") for line in self.transform([f"{line}\n" for line in body])]
        head = self.gen_fn_def(free, returns)
        text = "\n".join(f"    {line}" for line in body or ["pass"])
        return PythonCode(f"\n\n\n{head}\n{text}\n", names.globals)

    @staticmethod
    def _input(node: Node, names: _Names, free: list[str], body: list[str]) -> None:
        default = f" = {names.arg(node.args[0])}" if node.args else ""
        free.append(f"{node.target}{names.annotation(node.type)}{default}")
        raw = str(node.target).lstrip("*")
        if raw != node.name:
            body.append(f"{node.name} = {raw}")

    @staticmethod
    def _statement(node: Node, names: _Names, root: str) -> str:
        start = f"{node.name}{names.annotation(node.type)} = "
        args = [names.arg(a) for a in node.args]
        call = ", ".join([*args, *(f"{k} = {names.arg(a)}" for k, a in node.kwargs.items())])
        target: Any = node.target
        if node.op == "get_attr":
            return start + _path(root, target)
        if node.op == "call_module":
            return f"{start}{_path(root, target)}({call})"
        if node.op == "call_method":
            rest = ", ".join([*args[1:], *(f"{k} = {names.arg(a)}" for k, a in node.kwargs.items())])
            receiver = args[0] if isinstance(node.args[0], Node) else f"({args[0]})"
            return f"{start}{receiver}.{target}({rest})"
        if getattr(target, "__module__", None) == "_operator" and not node.kwargs:
            name = target.__name__
            if name in _BINARY and len(args) == 2:
                return f"{start}{args[0]} {_BINARY[name]} {args[1]}"
            if name in _UNARY:
                return f"{start}{_UNARY[name]}{args[0]}"
            if name in _IN_PLACE and isinstance(node.args[0], Node):
                return f"{args[0]} {_IN_PLACE[name]} {args[1]};  {start}{args[0]}"
            if name == "getitem" and isinstance(node.args[0], Node):
                return f"{start}{args[0]}[{args[1]}]"
        if target is getattr and len(args) == 2 and isinstance(node.args[0], Node) and str(node.args[1]).isidentifier():
            return f"{start}{args[0]}.{node.args[1]}"
        return f"{start}{names.of(target)}({call})"


def _path(root: str, target: str) -> str:
    """Return the expression for a dotted name below the root, whose parts may be numbers."""
    text = root
    for part in target.split("."):
        text = f"{text}.{part}" if part.isidentifier() else f'getattr({text}, "{part}")'
    return text
