"""Nodes that no operation makes: those that tie a gradient to operands, copy it, or refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import Node, Settings, edge_of, named, needs_grad
from cltorch.ops.array import Array


class Tied(Node):
    """Make a gradient part of the graph of operands that it does not change with: they get zeros."""

    __slots__ = ("_like",)

    def __init__(self, g: Any, edges: Sequence[Any], like: Sequence[Any]) -> None:
        super().__init__([edge_of(g) if needs_grad(g) else None, *edges])
        self._like = like

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return self.apply_to(grads, [True] * len(self.edges))

    def apply_to(self, grads: list[Any], wanted: Sequence[bool]) -> Sequence[Any]:
        zeros = Settings.functions.zeros
        likes = zip(self._like, wanted[1:], strict=True)
        return [grads[0], *(zeros(s, dtype=d, device=at) if want else None for (s, d, at), want in likes)]


def tied(results: Sequence[Any], edges: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
    """Return a node's gradients as part of its operands' graph: PyTorch differentiates them once more, to zeros."""
    pairs = [(e, r) for e, r in zip(edges, results, strict=True) if e is not None and r is not None]
    like = [(r.lay.shape, r.dtype, r.device) for _, r in pairs]
    ends = [e for e, _ in pairs]
    found = []
    for r in results:
        if r is not None and r.dtype.differentiable:
            node = Tied(r, ends, like)
            if r._base is not None or any(r is g for g in grads):
                r = Array.new(r._storage, r.lay, r.dtype)
            r._grad_fn, r._output_nr, r._requires_grad = node, 0, True
        found.append(r)
    return found


class Copied(Node):
    """A copy into other memory: the gradient goes on as it is, and what was there before gets none."""

    __slots__ = ()

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return (None, grads[0])


def copied(g: Any, leaf: Any) -> Any:
    """Return a copy of a gradient that is part of its graph, laid out as the leaf that it is for."""
    with no_grad():
        out = Settings.functions.gradient_copy(g, leaf)
    if mode.enabled and needs_grad(g):
        out._grad_fn, out._requires_grad = named(Copied, "CopyBackwards")((None, edge_of(g))), True
    return out


class Refusal(Node):
    """Say that no gradient goes on from here; PyTorch's name for it is DelayedError."""

    __slots__ = ("_why",)

    def __init__(self, why: str, edges: Sequence[Any], outputs: int) -> None:
        super().__init__(edges, outputs)
        self._why = why

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        raise RuntimeError(self._why)


def refusing(why: str, tensors: Sequence[Any]) -> list[Any]:
    """Return tensors of the same memory from which a gradient raises RuntimeError."""
    node: Any = None
    if mode.enabled and any(x is not None and needs_grad(x) for x in tensors):
        edges = [edge_of(x) if x is not None and needs_grad(x) else None for x in tensors]
        node = named(Refusal, "Error")(why, edges, len(tensors))
    out = []
    for i, x in enumerate(tensors):
        if x is not None:
            x = Array.new(x._storage, x.lay, x.dtype)
            if node is not None and x.dtype.differentiable:
                x._grad_fn, x._output_nr, x._requires_grad = node, i, True
        out.append(x)
    return out
