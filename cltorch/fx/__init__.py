"""torch.fx: programs as graphs, to be looked at, changed, and run again.

A tracer runs a module or function with proxies and keeps what is done to them; see ``symbolic_trace``.

Source: https://docs.pytorch.org/docs/2.13/fx.html
"""

from cltorch.fx._symbolic_trace import Tracer, symbolic_trace, wrap
from cltorch.fx.graph import CodeGen, Graph
from cltorch.fx.graph_module import GraphModule
from cltorch.fx.interpreter import Interpreter, Transformer
from cltorch.fx.node import Node, has_side_effect, map_arg
from cltorch.fx.proxy import Proxy
from cltorch.fx.subgraph_rewriter import replace_pattern

__all__ = [
    "CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer", "has_side_effect",
    "map_arg", "replace_pattern", "symbolic_trace", "wrap",
]  # fmt: skip
