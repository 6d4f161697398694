"""Graphs of modules for TensorBoard: what functions a model calls in which of its modules, found by one run of it.

A node is a function's call, an input or an output of the model, or a parameter of it that a function takes; its name is
the path of modules around it, as ``Net/Conv2d[first]/convolution``. Values other than tensors are its attributes.

Source: https://docs.pytorch.org/docs/2.13/tensorboard.html#torch.utils.tensorboard.writer.SummaryWriter.add_graph
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cltorch.autograd import no_grad
from cltorch.nn.modules.module import Module, register_module_forward_hook, register_module_forward_pre_hook
from cltorch.tensor import Tensor
from cltorch.torch_function import entered, path_of
from cltorch.utils._pytree import tree_leaves
from cltorch.utils.tensorboard import package

__all__ = ["graph"]


def graph(model: Any, args: Any, verbose: bool = False, use_strict_trace: bool = True) -> tuple[Any, Any]:
    """Return the messages that ``FileWriter.add_graph`` writes: of a model's graph, and of a run that took no time.

    The model is run in its mode for evaluation, outside of any gradient. Raises what the run raises.
    """
    run = _Run(model)
    run.of(args if isinstance(args, tuple) else (args,))
    made = run.messages()
    if verbose:
        print(made[0])
    return made


class _Run:
    """See the functions that a model calls."""

    def __init__(self, model: Module) -> None:
        self._model = model
        self._nodes: list[dict[str, Any]] = []
        self._of: dict[int, str] = {}  # the node that gives a tensor
        self._kept: list[Any] = []  # tensors whose numbers are keys
        self._names: Counter[str] = Counter()
        modules = list(_paths(model, type(model).__name__))
        self._paths = {id(m): path for m, path in modules}
        self._around: list[str] = []
        self._parameters: dict[int, tuple[str, str]] = {}
        for m, path in modules:
            for name, x in (*m.named_parameters(recurse=False), *m.named_buffers(recurse=False)):
                self._parameters.setdefault(id(x), (path, name))

    def of(self, args: tuple[Any, ...]) -> None:
        """Run the model once."""
        given = list(inspect.signature(self._model.forward).parameters) or ["input"]
        for i, x in enumerate(args):
            for y in _tensors(x):
                self._give(y, self._add(f"input/{given[min(i, len(given) - 1)]}", "IO Node", [], [y]))
        training = [(m, m.training) for m in self._model.modules()]
        handles = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        try:
            self._model.eval()
            with no_grad(), entered(self):
                found = self._model(*args)
        finally:
            for handle in handles:
                handle.remove()
            for m, mode in training:
                m.training = mode
        for y in _tensors(found):
            self._add("output/output", "IO Node", [self._source(y)], [y])

    def _enter(self, module: Any, args: Any) -> None:
        inside = self._around[-1] + "/" if self._around else ""
        self._around.append(self._paths.get(id(module), inside + type(module).__name__))

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        self._around.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        known = {id(x) for x in given}
        out = func(*args, **kwargs)
        name = path_of(func)
        results = _tensors(out)
        if name.endswith((".__get__", ".__set__")) or not results:
            return out
        written = name.endswith("_") and not name.endswith("__")
        if not written and all(id(y) in known for y in results):
            return out  # as it was: ``contiguous`` of what is that already
        operands = [self._source(x) for x in given]
        kind = _operator(name.rpartition(".")[2], args)
        stem = f"{self._around[-1] if self._around else type(self._model).__name__}/{kind.strip('_')}"
        node = self._add(stem, f"aten::{kind}", operands, results, _told(args, kwargs))
        for y in results:
            self._give(y, node)
        return out

    def _give(self, x: Any, node: str) -> None:
        self._of[id(x)] = node
        self._kept.append(x)

    def _source(self, x: Any) -> str:
        """Return the node that gives a tensor, which one of the model's own, or a constant, gets when it is used."""
        if id(x) not in self._of:
            where = self._around[-1] if self._around else type(self._model).__name__
            owner = self._parameters.get(id(x))
            path, op, told = (
                (f"{where}/constant", "prim::Constant", "")
                if owner is None
                else ("/".join(owner), "prim::GetAttr", f"{{ name : {owner[1]}}}")
            )
            self._give(x, self._add(path, op, [], [x], told))
        return self._of[id(x)]

    def _add(self, stem: str, op: str, inputs: list[str], results: list[Any], told: str = "") -> str:
        self._names[stem] += 1
        name = stem if self._names[stem] == 1 else f"{stem}_{self._names[stem] - 1}"
        shapes = [tuple(y.shape) for y in results]
        node = {"name": name, "op": op, "input": list(dict.fromkeys(inputs)), "shapes": shapes, "told": told}
        self._nodes.append(node)
        return name

    def messages(self) -> tuple[Any, Any]:
        """Return the graph and what a run took, as messages of the package that writes files."""
        attr = package.message("attr_value").AttrValue
        size = package.message("tensor_shape").TensorShapeProto
        nodes = []
        for n in self._nodes:
            shapes = [size(dim=[size.Dim(size=k) for k in shape]) for shape in n["shapes"]]
            more = {"attr": attr(s=n["told"].encode()), "_output_shapes": attr(list=attr.ListValue(shape=shapes))}
            nodes.append(package.message("node_def").NodeDef(name=n["name"], op=n["op"], input=n["input"], attr=more))
        version = package.message("versions").VersionDef(producer=22)
        return package.message("graph").GraphDef(node=nodes, versions=version), package.no_times()


def _tensors(tree: Any) -> list[Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, Tensor)]


def _paths(module: Module, path: str) -> Iterator[tuple[Module, str]]:
    """Return a module and those within, each with the path of classes and names that leads to it."""
    yield module, path
    for name, part in module.named_children():
        yield from _paths(part, f"{path}/{type(part).__name__}[{name}]")


def _operator(name: str, args: Any) -> str:
    """Return what PyTorch's own tracer calls a function."""
    if re.fullmatch(r"conv(_transpose)?[123]d", name):
        return "_convolution"
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        if any(isinstance(i, (Tensor, list)) for i in index):
            return "index"
        return "select" if isinstance(index[0], int) else "slice"
    if name.startswith("__"):
        bare = name.strip("_")
        known = {"truediv": "div", "rtruediv": "div", "radd": "add", "rmul": "mul", "rpow": "pow", "rmatmul": "matmul"}
        return known.get(bare, bare)
    return name


def _told(args: Any, kwargs: Any) -> str:
    """Return the values of a call that are no tensors, as text."""
    plain = [str(x) for x in args if not _tensors(x)]
    plain += [f"{k} : {x}" for k, x in kwargs.items() if not _tensors(x)]
    return "{" + ", ".join(plain) + "}"
