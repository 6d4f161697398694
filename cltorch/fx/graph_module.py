"""GraphModule: a module whose ``forward`` is made of a graph.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.GraphModule
"""

from __future__ import annotations

import copy
import itertools
import linecache
from pathlib import Path
from typing import Any

from cltorch.fx.graph import Graph, PythonCode
from cltorch.nn import Module
from cltorch.nn.parameter import Parameter
from cltorch.serialization import save
from cltorch.tensor import Tensor

__all__ = ["GraphModule"]

_count = itertools.count()


def function_of(code: PythonCode, name: str = "forward") -> Any:
    """Return the function of generated code, whose lines tracebacks can show."""
    file = f"<eval_with_key>.{next(_count)}"
    linecache.cache[file] = (len(code.src), None, code.src.splitlines(keepends=True), file)
    space = dict(code.globals)
    exec(compile(code.src, file, "exec"), space)
    return space[name]


def _below(root: Module, path: list[str]) -> Module:
    """Return the module at a path, making empty ones on the way."""
    for part in path:
        if not hasattr(root, part):
            root.add_module(part, Module())
        root = getattr(root, part)
    return root


def _put(root: Module, target: str, value: Any) -> None:
    *path, name = target.split(".")
    at = _below(root, path)
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        at.register_buffer(name, value)
    else:
        setattr(at, name, value)


def _rebuild(kind: type, name: str, members: dict[str, Any], graph: Graph) -> GraphModule:
    """Return a pickled module: its own members, and the graph."""
    made = GraphModule.__new__(kind)
    Module.__init__(made)
    type(made).__name__ = name
    made.__dict__.update(members)
    made.graph = graph
    return made


class GraphModule(Module):
    """A module that runs a graph, with the submodules and parameters that the graph names.

    ``root`` is a module that has them, or a dict from their dotted names. After changes of ``graph`` call
    ``recompile``. Raises RuntimeError where a dict lacks a name.

    >>> import cltorch as torch
    >>> traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()))
    >>> print(traced.code.strip())
    def forward(self, input):
        input_1 = input
        _0 = getattr(self, "0")(input_1);  input_1 = None
        _1 = getattr(self, "1")(_0);  _0 = None
        return _1
    """

    _graph: Graph
    _code: str

    def __new__(cls: type[GraphModule], *args: Any, **kwargs: Any) -> GraphModule:
        for base in cls.__mro__:  # a class of its own for each module, whose forward is set; copies do not nest
            if base.__qualname__.rpartition(".")[2] != "GraphModuleImpl":
                cls = base
                break

        class GraphModuleImpl(cls):  # type: ignore[misc, valid-type]
            pass

        return object.__new__(GraphModuleImpl)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        type(self).__name__ = class_name
        super().__init__()
        targets = [str(n.target) for n in graph.nodes if n.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self.training = root.training
            for target in targets:
                self._take_from(root, target)
        elif isinstance(root, dict):
            missing = [t for t in targets if t not in root]
            if missing:
                raise RuntimeError(f"Node referenced target {missing[0]} but that target was not provided in `root`!")
            for target in sorted(set(targets), key=lambda t: t.count(".")):
                _put(self, target, root[target])
        else:
            raise RuntimeError(f"Unsupported type {root} passed for root!")
        self.meta: dict[str, Any] = dict(getattr(root, "meta", None) or {})
        tracer = graph._tracer_cls
        self._tracer_cls = None if tracer is None or "<locals>" in tracer.__qualname__ else tracer
        self.graph = graph

    def _take_from(self, root: Module, target: str) -> None:
        *path, name = target.split(".")
        source: Any = root
        own: Module = self
        for part in path:
            source = getattr(source, part)
            if own is source:  # the graph's module is the root's own, shared
                return
            if not hasattr(own, part):
                own.add_module(part, Module())
            own = getattr(own, part)
        if own is source:
            return
        value = getattr(source, name)
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            lasting = name not in getattr(source, "_non_persistent_buffers_set", ())
            own.register_buffer(name, value, persistent=lasting)
        elif name in own._modules and isinstance(value, Module):
            kept = own._modules[name]
            for child, module in () if kept is None else kept._modules.items():
                if not hasattr(value, child):
                    value.add_module(child, module)
            own._modules[name] = value
        else:
            setattr(own, name, value)

    @property
    def graph(self) -> Graph:
        """The graph; setting another one makes the code anew."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self.__dict__["_graph"] = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The Python that the graph has become."""
        return self._code

    def recompile(self) -> PythonCode:
        """Make ``forward`` of the graph anew, after it was changed; return its code."""
        code = self._graph.python_code("self")
        self.__dict__["_code"] = code.src
        type(self).forward = function_of(code)
        return code

    # ---- submodules ------------------------------------------------------------------------------------------
    def add_submodule(self, target: str, m: Module) -> bool:
        """Put a module at a dotted name, with empty ones on the way; return False where something else is there."""
        *path, name = target.split(".")
        at: Module = self
        for part in path:
            if not hasattr(at, part):
                at.add_module(part, Module())
            at = getattr(at, part)
            if not isinstance(at, Module):
                return False
        at.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove the module at a dotted name; return False where there is none."""
        *path, name = target.split(".")
        at: Any = self
        for part in path:
            at = getattr(at, part, None)
            if not isinstance(at, Module):
                return False
        if not isinstance(getattr(at, name, None), Module):
            return False
        delattr(at, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove the modules that the graph neither calls nor reads from, and that hold none of those."""
        used: set[str] = set()
        for node in self._graph.nodes:
            if node.op not in ("call_module", "get_attr"):
                continue
            path = str(node.target).split(".")
            used.update(".".join(path[:i]) for i in range(1, len(path) + 1))
            if node.op == "call_module":
                inner = self.get_submodule(str(node.target))
                used.update(f"{node.target}.{name}" for name, _ in inner.named_modules() if name)
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    # ---- text ------------------------------------------------------------------------------------------------
    def print_readable(self, print_output: bool = True, *args: Any, **kwargs: Any) -> str:
        """Print the code as a class, with those of graph modules within; return the text."""
        body = self._code.strip("\n").replace("\n", "\n    ")
        text = f"class {type(self).__name__}(torch.nn.Module):\n    {body}\n"
        for child in self._modules.values():
            if isinstance(child, GraphModule):
                inner = child.print_readable(print_output=False)
                text += "\n" + "".join(f"    {line}" for line in inner.splitlines(keepends=True))
        if print_output:
            print(text)
        return text

    def to_folder(self, folder: Any, module_name: str = "FxModule") -> None:
        """Write a package: ``module.py`` with a class of this code, and ``state_dict.pt`` beside it.

        Submodules are written whole, each to a file of its own. Raises NotImplementedError where the code calls
        objects that neither torch nor Python has under a name.
        """
        code = self._graph.python_code("self")
        known = {"torch", "device", "inf", "nan", "NoneType"}
        foreign = {k: v for k, v in code.globals.items() if k not in known}
        imports = ["import torch", "from math import inf, nan", "from torch import device, nn", "NoneType = type(None)"]
        for name, obj in foreign.items():
            module = getattr(obj, "__module__", None)
            if module in (None, "__main__") or "<" in getattr(obj, "__qualname__", "<"):
                raise NotImplementedError(f"{obj!r} cannot be imported by code in a file")
            imports.append(f"from {module} import {obj.__qualname__} as {name}")
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        save(self.state_dict(), path / "state_dict.pt")
        lines = ["", "", f"class {module_name}(nn.Module):", "    def __init__(self):", "        super().__init__()"]
        for name, child in self._modules.items():
            save(child, path / f"{name}.pt")
            lines.append(f"        self.add_module({name!r}, torch.load(r'{path / name}.pt', weights_only=False))")
        for name, param in self._parameters.items():
            if param is not None:
                lines.append(
                    f"        self.{name} = nn.Parameter(torch.empty({list(param.shape)}, dtype={param.dtype}))"
                )
        for name, buffer in self._buffers.items():
            if buffer is not None:
                lines.append(
                    f"        self.register_buffer({name!r}, torch.empty({list(buffer.shape)}, dtype={buffer.dtype}))"
                )
        lines.append(f"        self.load_state_dict(torch.load(r'{path / 'state_dict.pt'}'))")
        body = "\n".join(f"    {line}" if line else "" for line in code.src.strip("\n").splitlines())
        (path / "module.py").write_text("\n".join([*imports, *lines, "", body, ""]))
        (path / "__init__.py").write_text("from .module import *\n")

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, hint])

    # ---- copies ----------------------------------------------------------------------------------------------
    def __deepcopy__(self, memo: Any) -> GraphModule:
        made = type(self).__new__(type(self))
        Module.__init__(made)
        type(made).__name__ = type(self).__name__
        memo[id(self)] = made
        graph = copy.deepcopy(self._graph, {})
        members = {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}
        made.__dict__.update(copy.deepcopy(members, memo))
        made.graph = graph
        return made

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, copy.deepcopy(self._graph, {}), type(self).__name__)
        made.meta = dict(self.meta)
        return made

    def __reduce__(self) -> Any:
        members = {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}
        return _rebuild, (type(self).__mro__[1], type(self).__name__, members, self._graph)
