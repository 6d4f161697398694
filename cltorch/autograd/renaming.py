"""Nodes called as PyTorch calls them, where it has one operator for what is several here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import Node, Settings, any_needs_grad, edge_of, named, needs_grad
from cltorch.autograd.layers import active
from cltorch.autograd.nodes import OpNode, PointwiseNode
from cltorch.autograd.saved import Saved
from cltorch.autograd.views import ViewNode


class Joined(Node):
    """Two nodes as one, of which the later has the earlier one as its only operand: PyTorch's one operator for both."""

    __slots__ = ("_later", "_earlier")

    def __init__(self, later: Node, earlier: Node) -> None:
        super().__init__(earlier.edges)
        self._later, self._earlier = later, earlier

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return where gradients go to."""
        return self._earlier.next_functions

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_saved_", "_raw_saved_")):
            return getattr(self._earlier, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def all_inputs(self, results: Sequence[Any]) -> tuple[Any, ...]:
        return self._earlier.all_inputs(results)

    def of_edges(self, grads: Sequence[Any]) -> Sequence[Any]:
        return self._earlier.of_edges(grads)

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return self._earlier.apply(list(self._later.apply(grads)))

    def release(self) -> None:
        self._later.release()
        self._earlier.release()


def joined(out: Any, of: Any) -> Any:
    """Return a result with one node for its own operation and for the row that made ``of``, its only operand."""
    if out._batch:  # what is recorded belongs to the whole tensor, whose nodes nobody sees
        return out
    later, earlier = out._grad_fn, of._grad_fn
    if isinstance(earlier, PointwiseNode) and later is not earlier and list(later.edges) == [(earlier, 0)]:
        out._grad_fn = named(Joined, earlier.name())(later, earlier)
    return out


def called(result: Any, name: str, out: Any = None) -> Any:
    """Return an operator's result; its node is called ``name``, unless it is ``out`` with a history of its own."""
    node = result._grad_fn
    if node is not None and result is not out:
        for kind in (OpNode, PointwiseNode, ViewNode):
            if isinstance(node, kind):
                node.__class__ = named(kind, name)
    return result


def uncopied(result: Any, name: str) -> Any:
    """Return what was made by a change in place of a new copy, as one operator of that name of what was copied."""
    node = result._grad_fn
    if isinstance(node, OpNode) and node._positions[0] == 0 and node.edges[0] is not None:
        copy = node.edges[0][0]
        if copy.name() == "CloneBackward0":
            node.edges = [*copy.edges, *node.edges[1:]]
    return called(result, name)


class Whole(Node):
    """Several operations as one; ``back(m, g, *operands)`` gives the gradients of all operands, None where not kept."""

    __slots__ = ("_back", "_saved", "_needs")

    def __init__(self, back: Callable[..., Sequence[Any]], operands: Sequence[Any], keeps: Sequence[int]) -> None:
        self._needs = [needs_grad(x) for x in operands]
        super().__init__([edge_of(x) for x, need in zip(operands, self._needs, strict=True) if need])
        self._back = back
        self._saved = [Saved(x) if i in keeps else None for i, x in enumerate(operands)]

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return where gradients go to, with (None, 0) for operands without one."""
        return tuple((None, 0) if e is None else e for e in self.all_inputs(self.edges))

    def all_inputs(self, results: Sequence[Any]) -> tuple[Any, ...]:
        found = iter(results)
        return tuple(next(found) if need else None for need in self._needs)

    def of_edges(self, grads: Sequence[Any]) -> Sequence[Any]:
        return [g for g, need in zip(grads, self._needs, strict=True) if need]

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        operands = [None if s is None else s.unpack(self) for s in self._saved]
        return self.of_edges(self._back(Settings.functions, grads[0], *operands))

    def release(self) -> None:
        for s in self._saved:
            if s is not None:
                s.release()


def as_one(
    name: str, run: Callable[..., Any], back: Callable[..., Sequence[Any]], *operands: Any, keeps: Sequence[int] = ()
) -> Any:
    """Return ``run(*operands)``, in memory of its own, recorded as one node where its gradient is wanted.

    ``back(m, g, *operands)`` gives the operands' gradients, of functions m; it sees the operands whose places ``keeps``
    names. Under derivatives of other kinds, batches and modes the operations are seen as they are.
    """
    if active:
        return run(*operands)
    with no_grad():
        out = run(*operands)
        if any(out._storage is x._storage for x in operands):  # where sizes of 1 make of a copy a view
            out = Settings.functions.clone(out)
    out._base = out._view_kind = None  # what it may be a view of was made on the way
    if mode.enabled and any_needs_grad(operands) and out.dtype.differentiable:
        out._grad_fn, out._requires_grad = named(Whole, name)(back, operands, keeps), True
    return out
