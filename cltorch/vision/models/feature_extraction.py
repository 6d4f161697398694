"""What layers within a network return.

Nodes are modules and, where the network can be traced into a graph, the functions between them. Modules are found by
hooks while the network runs as it is, so that networks whose way depends on values serve as well; a graph is made only
where a name is no module's.
Source: https://docs.pytorch.org/vision/0.28/feature_extraction.html
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from typing import Any

from cltorch import fx, nn
from cltorch.vision import ops

__all__ = ["create_feature_extractor", "get_graph_node_names"]


class _Found(Exception):
    """Everything that was asked for is there: the rest of the network need not run."""


class _Extractor:
    """The forward pass of a network that returns what some of its modules do; see ``create_feature_extractor``."""

    _wanted: dict[bool, dict[str, str]]

    def forward(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Any]:
        """Return the outputs by their new names, in the order in which they are computed."""
        wanted = self._wanted[self.training]  # type: ignore[attr-defined]
        found: dict[str, Any] = {}
        calls: dict[str, int] = {}
        modules = dict(self.named_modules())  # type: ignore[attr-defined]

        def note(name: str) -> Any:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                call = calls[name] = calls.get(name, -1) + 1
                node = f"{name}_{call}" if call else name
                if node in wanted and node not in found:
                    found[node] = output
                    if len(found) == len(wanted):
                        raise _Found

            return hook

        hooks = [modules[name].register_forward_hook(note(name)) for name in {_module(n, modules) or n for n in wanted}]
        try:
            super().forward(*args, **kwargs)  # type: ignore[misc]
        except _Found:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        missing = [name for name in wanted if name not in found]
        if missing:
            raise RuntimeError(f"the network did not call {', '.join(missing)} with this input")
        return OrderedDict((wanted[name], output) for name, output in found.items())

    def __reduce__(self) -> Any:
        return _of_class, (type(self).__mro__[2], vars(self))


def _of_class(kind: Any, values: dict[str, Any]) -> Any:
    """Return an extractor whose forward pass is that of a class of networks."""
    mixed: Any = type(kind.__name__, (_Extractor, kind), {"__module__": __name__})
    made = mixed.__new__(mixed)
    made.__dict__.update(values)
    return made


def _module(node: str, modules: dict[str, nn.Module]) -> str | None:
    """Return the module of a node; None where it is none's."""
    again = re.fullmatch(r"(.+)_[1-9]\d*", node)
    for name in (node, again[1] if again else ""):
        if name and name in modules:
            return name
    return None


def _names(nodes: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in (nodes.items() if isinstance(nodes, dict) else zip(nodes, nodes, strict=True))}


def create_feature_extractor(
    model: nn.Module, return_nodes: list[str] | dict[str, str] | None = None,
    train_return_nodes: list[str] | dict[str, str] | None = None,
    eval_return_nodes: list[str] | dict[str, str] | None = None, tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False, concrete_args: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Return a network that shares the modules of ``model`` and returns a dict of what some of them do, first to last.

    ``return_nodes`` are names of modules, as a list or as a dict to the names in the result: those of
    ``named_modules()``, with _1, _2, … for the second call of one and later ones; layers with such a number in their
    own name are numbered anew, as ``get_graph_node_names`` has them. ``train_return_nodes`` and
    ``eval_return_nodes`` give different ones for each mode. The network runs up to the last of them. Functions between
    modules have the names of ``get_graph_node_names``; where one is asked for, the network is traced (with
    ``tracer_kwargs`` and ``concrete_args``), and the result is a GraphModule with what leads to the nodes. Raises
    ValueError for a name that there is not, and unless either ``return_nodes`` or both others are given.

    >>> import cltorch as torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    >>> found = create_feature_extractor(model, {"1": "positive"})(torch.ones(4, 2, 3))
    >>> [(name, tuple(x.shape)) for name, x in found.items()]
    [('positive', (4, 6))]
    """
    if return_nodes is not None:
        if train_return_nodes is not None or eval_return_nodes is not None:
            raise ValueError("either `return_nodes` or both of the other two say what is returned, not all three")
        train_return_nodes = eval_return_nodes = return_nodes
    if train_return_nodes is None or eval_return_nodes is None:
        raise ValueError("`train_return_nodes` and `eval_return_nodes` must both be given, or `return_nodes` alone")
    wanted = {True: _names(train_return_nodes), False: _names(eval_return_nodes)}
    modules = dict(model.named_modules())
    if not all(wanted.values()):
        raise ValueError("no nodes to return were given")
    asked = [name for names in wanted.values() for name in names]
    called = [name for name in asked if not isinstance(modules.get(name), (nn.ModuleList, nn.ModuleDict))]
    by_hooks = len(called) == len(asked) and all(_module(name, modules) for name in asked)
    if not by_hooks or _renumbered(asked, modules, tracer_kwargs):
        graphs = {mode: _reduced(model, mode, names, tracer_kwargs, concrete_args) for mode, names in wanted.items()}
        return _Dual(model, graphs)
    values = {k: v.copy() if isinstance(v, dict) else v for k, v in vars(model).items()}
    return _of_class(type(model), values | {"_wanted": wanted})


def _unnumbered(name: str) -> str:
    """Return a name without a number at its end: nodes are numbered anew, in the order in which they run."""
    return re.sub(r"(?<=.)_\d+$", "", name)


def _renumbered(names: Any, modules: dict[str, nn.Module], tracer_kwargs: Any) -> bool:
    """Return whether a name is one of a numbered module: ``norm_2`` is called norm_1 where norm_1 runs before it."""
    tracer = _PathTracer(**(tracer_kwargs or {}))
    bases = {
        _unnumbered(key) for key, m in modules.items() if _unnumbered(key) != key and tracer.is_leaf_module(m, key)
    }
    return any(_unnumbered(name) in bases for name in names)


class _PathTracer(fx.Tracer):
    """Trace a network, and give each node a name: that of its module, or of the function within one."""

    def __init__(self, leaf_modules: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leaves = (*leaf_modules, *_OPS)
        self.names: dict[fx.Node, str] = {}
        self._module = ""
        self._seen: dict[str, int] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.leaves) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        before, self._module = self._module, self.path_of_module(m)
        try:
            return super().call_module(m, forward, args, kwargs)
        finally:
            self._module = before

    def create_node(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(kind, target, *args, **kwargs)
        if kind == "output":
            return node
        name = self._module
        if kind != "call_module":
            name = f"{name}.{node.name}" if name else node.name
        name = _unnumbered(name)
        count = self._seen[name] = self._seen.get(name, -1) + 1
        self.names[node] = f"{name}_{count}" if count else name
        return node


_OPS = tuple(v for v in vars(ops).values() if isinstance(v, type) and issubclass(v, nn.Module))


def _traced(
    model: nn.Module, mode: bool, tracer_kwargs: Any, concrete_args: Any
) -> tuple[fx.Graph, dict[fx.Node, str]]:
    """Return a network's graph in training or evaluation, and the names of its nodes."""
    before = [(m, m.training) for m in model.modules()]
    tracer = _PathTracer(**(tracer_kwargs or {}))
    try:
        graph = tracer.trace(model.train(mode), concrete_args)
    finally:
        for module, training in before:
            module.training = training
    return graph, tracer.names


def _reduced(
    model: nn.Module, mode: bool, wanted: dict[str, str], tracer_kwargs: Any, concrete_args: Any
) -> fx.Graph:  # fmt: skip
    """Return the graph that ends in the wanted nodes; raise ValueError for one that it has not."""
    graph, names = _traced(model, mode, tracer_kwargs, concrete_args)
    nodes = [n for n in graph.nodes if n.op not in ("placeholder", "output")]
    found: dict[str, fx.Node] = {}
    for name, new in wanted.items():
        ends = [n for n in nodes if names[n] == name or names[n].startswith(f"{name}.")]
        if not ends:
            raise ValueError(
                f"node: '{name}' is not present in model. Hint: use `get_graph_node_names` to make sure the "
                "`return_nodes` you specified are present"
            )
        found[new] = ends[-1]
    graph.erase_node(graph.output_node())
    order = {node: place for place, node in enumerate(graph.nodes)}
    graph.output(dict(sorted(found.items(), key=lambda item: order[item[1]])))
    graph.owning_module = model
    graph.eliminate_dead_code()
    return graph


class _Dual(fx.GraphModule):
    """A module with a graph for training and one for evaluation."""

    def __init__(self, model: nn.Module, graphs: dict[bool, fx.Graph]) -> None:
        super().__init__(model, graphs[True], type(model).__name__)
        for node in graphs[False].nodes:
            if node.op in ("get_attr", "call_module"):
                self._take_from(model, str(node.target))
        self.graphs = graphs
        self.graph = graphs[model.training]

    def train(self, mode: bool = True) -> Any:
        """Take the graph of the mode."""
        super().train(mode)
        if "graphs" in self.__dict__:
            self.graph = self.graphs[mode]
        return self


def get_graph_node_names(
    model: nn.Module, tracer_kwargs: dict[str, Any] | None = None, suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Return the names of a network's nodes in training and in evaluation, in the order in which they run.

    A module's node has its dotted name, a function's that of the module around it and its own; _1, _2, … are later
    calls. Warns where the two differ, unless ``suppress_diff_warning``. Raises TraceError for a network whose way
    depends on values; its modules have their names all the same.

    >>> import cltorch as torch
    >>> get_graph_node_names(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2)))[0]
    ['input', '0', '1']
    """
    train, evaluation = (list(_traced(model, mode, tracer_kwargs, concrete_args)[1].values()) for mode in (True, False))
    if train != evaluation and not suppress_diff_warning:
        warnings.warn(
            "The nodes of the network in training differ from those in evaluation: ask for nodes of each mode by "
            "`train_return_nodes` and `eval_return_nodes`",
            stacklevel=2,
        )
    return train, evaluation
