"""Make networks faster by changing their graphs: batch normalisation into convolutions, dropout away.

Source: https://docs.pytorch.org/docs/2.13/fx.html
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from cltorch import nn
from cltorch.fx._symbolic_trace import symbolic_trace
from cltorch.fx.graph_module import GraphModule
from cltorch.fx.interpreter import Transformer
from cltorch.fx.node import Node
from cltorch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]


def _parent_name(target: str) -> tuple[str, str]:
    """Return the name of a module's parent, and its own within."""
    parent, _, name = target.rpartition(".")
    return parent, name


def matches_module_pattern(pattern: Iterable[type], node: Node, modules: dict[str, Any]) -> bool:
    """Return whether a node calls a module of the second class with the result of one of the first."""
    if not node.args or not isinstance(node.args[0], Node):
        return False
    for kind, current in zip(pattern, (node.args[0], node), strict=False):
        if current.op != "call_module" or type(modules.get(str(current.target))) is not kind:
            return False
    return True


def replace_node_module(node: Node, modules: dict[str, Any], new_module: nn.Module) -> None:
    """Let a node call another module, which takes the place of the one that it calls."""
    if not isinstance(node.target, str):
        raise AssertionError(f"Expected str target, got {type(node.target)}")
    parent, name = _parent_name(node.target)
    modules[node.target] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model: nn.Module, inplace: bool = False, no_trace: bool = False) -> nn.Module:
    """Return a network for evaluation, with batch normalisation directly behind a convolution made part of it.

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).eval()
    >>> [n.name for n in fuse(net).graph.nodes if n.op == "call_module"]
    ['_0']
    """
    if not inplace:
        model = copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    modules = dict(traced.named_modules())
    pairs = [(nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d)]
    for pair in pairs:
        for node in list(traced.graph.nodes):
            if not matches_module_pattern(pair, node, modules) or len(node.args[0].users) > 1:
                continue
            conv, norm = modules[str(node.args[0].target)], modules[str(node.target)]
            if not norm.track_running_stats:
                continue
            replace_node_module(node.args[0], modules, fuse_conv_bn_eval(conv, norm))
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    return GraphModule(traced, traced.graph)


def remove_dropout(model: nn.Module) -> nn.Module:
    """Return a network without its dropout modules."""

    class Remover(Transformer):
        def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if isinstance(self.submodules[target], nn.Dropout):
                return args[0]
            return super().call_module(target, args, kwargs)

    return Remover(symbolic_trace(model)).transform()
