"""ShapeProp: run a graph and note the shape and dtype of each result.

Source: https://docs.pytorch.org/docs/2.13/fx.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cltorch.dtypes import dtype
from cltorch.formats import contiguous_format
from cltorch.fx.interpreter import Interpreter
from cltorch.fx.node import Node, map_aggregate
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is noted of a tensor."""

    shape: Size
    dtype: dtype
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Tensor, include_contiguity: bool = True) -> TensorMetadata:
    packed = contiguous_format if include_contiguity and result.is_contiguous() else None
    return TensorMetadata(result.shape, result.dtype, result.requires_grad, tuple(result.stride()), packed, False, {})


class ShapeProp(Interpreter):
    """Run a graph with inputs, and note in ``meta["tensor_meta"]`` of each node what its result is.

    >>> import cltorch as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: torch.relu(x)[0])
    >>> _ = ShapeProp(traced).propagate(torch.ones(2, 3))
    >>> [tuple(n.meta["tensor_meta"].shape) for n in traced.graph.nodes]
    [(2, 3), (2, 3), (3,), (3,)]
    """

    def run_node(self, n: Node) -> Any:
        """Run a node and note what its result is."""
        result = super().run_node(n)
        found = False

        def note(x: Any) -> Any:
            nonlocal found
            if not isinstance(x, Tensor):
                return x
            found = True
            return _extract_tensor_metadata(x)

        meta = map_aggregate(result, note)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph and return its result."""
        return super().run(*args)
