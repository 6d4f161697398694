"""What layers within a network return.

PyTorch traces a network into a graph, whose nodes are modules and functions alike. Here a node is a module, found by
hooks while the network runs; functions between modules have no names.
Source: https://docs.pytorch.org/vision/0.28/feature_extraction.html
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, NoReturn

from cltorch import nn

__all__ = ["create_feature_extractor", "get_graph_node_names"]


class _Found(Exception):
    """Everything that was asked for is there: the rest of the network need not run."""


class _Extractor:
    """The forward pass of a network that returns what some of its modules do; see ``create_feature_extractor``."""

    _wanted: dict[bool, dict[str, str]]

    def forward(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Any]:
        """Return the outputs by their new names, in the order in which they were asked for."""
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

        hooks = [modules[name].register_forward_hook(note(name)) for name in {_module(n, modules) for n in wanted}]
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
        return OrderedDict((new, found[name]) for name, new in wanted.items())

    def __reduce__(self) -> Any:
        return _of_class, (type(self).__mro__[2], vars(self))


def _of_class(kind: Any, values: dict[str, Any]) -> Any:
    """Return an extractor whose forward pass is that of a class of networks."""
    mixed: Any = type(kind.__name__, (_Extractor, kind), {"__module__": __name__})
    made = mixed.__new__(mixed)
    made.__dict__.update(values)
    return made


def _module(node: str, modules: dict[str, nn.Module]) -> str:
    """Return the module of a node; raise ValueError where there is none."""
    again = re.fullmatch(r"(.+)_[1-9]\d*", node)
    for name in (node, again[1] if again else ""):
        if name and name in modules:
            return name
    raise ValueError(
        f"node: '{node}' is not present in model: nodes are the names that named_modules() gives, with _1, _2, … for "
        "later calls of the same module; functions between modules cannot be named"
    )


def _names(nodes: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in (nodes.items() if isinstance(nodes, dict) else zip(nodes, nodes, strict=True))}


def create_feature_extractor(
    model: nn.Module, return_nodes: list[str] | dict[str, str] | None = None,
    train_return_nodes: list[str] | dict[str, str] | None = None,
    eval_return_nodes: list[str] | dict[str, str] | None = None, tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False, concrete_args: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Return a network that shares the modules of ``model`` and returns a dict of what some of them do.

    ``return_nodes`` are names of modules, as a list or as a dict to the names in the result: those of
    ``named_modules()``, with _1, _2, … for the second call of one and later ones. ``train_return_nodes`` and
    ``eval_return_nodes`` give different ones for each mode. The network runs up to the last of them; modules that it
    does not reach stay in it, since which they are shows only in a run. The other arguments, which are about tracing,
    do nothing. Raises ValueError for a name that is no module's, functions between modules among them, and unless
    either ``return_nodes`` or both others are given.

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
    for names in wanted.values():
        if not names:
            raise ValueError("no nodes to return were given")
        for name in names:
            _module(name, modules)
    values = {k: v.copy() if isinstance(v, dict) else v for k, v in vars(model).items()}
    return _of_class(type(model), values | {"_wanted": wanted})


def get_graph_node_names(
    model: nn.Module, tracer_kwargs: dict[str, Any] | None = None, suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> NoReturn:  # fmt: skip
    """Raise NotImplementedError: without a tracer there is no graph; ``named_modules()`` gives the names there are."""
    raise NotImplementedError(
        "a network is not traced into a graph here: create_feature_extractor takes the names that "
        "model.named_modules() gives"
    )
