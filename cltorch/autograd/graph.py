"""The graph: nodes with edges to the nodes of their inputs, and tensors kept for a derivative."""

from __future__ import annotations

import itertools
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from cltorch.ops.array import Array

_serial = itertools.count(1)
_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True "
    "if you need to backward through the graph a second time or if you need to access saved tensors after "
    "calling backward."
)


class Settings:
    """Hold what layers above hand down: the differentiable functions, and switches of the graph."""

    functions: Any = None  # the module cltorch.functions, put here when it is imported
    anomaly = False
    check_nan = True
    saved_hooks: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []


class RemovableHandle:
    """Take a hook away again with ``remove()``."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks
        self.id = next(_serial)

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


class Node:
    """One recorded operation. ``edges[i]`` leads to where the gradient of the i-th tensor input goes.

    An edge is ``(node, output number)`` or None. Nodes are numbered as they are made, so a node's number is larger
    than those of all nodes that its gradients go to: processing by falling number is a topological order.
    """

    __slots__ = ("seq", "edges", "outputs", "prehooks", "posthooks", "trace", "metadata", "__weakref__")

    def __init__(self, edges: Sequence[Any], outputs: int = 1) -> None:
        self.edges = edges
        self.outputs = outputs
        self.prehooks: dict[int, Any] | None = None
        self.posthooks: dict[int, Any] | None = None
        self.seq = next(_serial)
        self.trace = traceback.format_stack()[:-2] if Settings.anomaly else None

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        """Return the gradients for the edges."""
        raise NotImplementedError

    def release(self) -> None:
        """Free the tensors kept for the derivative."""

    def name(self) -> str:
        """Return the name that printing shows."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return the nodes that gradients go to, with the number of their output."""
        return tuple((None, 0) if e is None else e for e in self.edges)

    def register_prehook(self, hook: Callable[[tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before this node runs; what it returns replaces them."""
        if self.prehooks is None:
            self.prehooks = {}
        handle = RemovableHandle(self.prehooks)
        self.prehooks[handle.id] = hook
        return handle

    def register_hook(self, hook: Callable[[tuple[Any, ...], tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node ran; what it returns replaces grad_inputs."""
        if self.posthooks is None:
            self.posthooks = {}
        handle = RemovableHandle(self.posthooks)
        self.posthooks[handle.id] = hook
        return handle

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds to its ``grad``."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        super().__init__(())
        self.variable = variable


class Saved:
    """Keep one tensor for a derivative, and notice when it was changed in place meanwhile.

    A node's own result is kept without its history (it would be a reference cycle) and gets it back when unpacked.
    """

    __slots__ = ("_tensor", "_version", "_node", "_nr", "_hooks")

    def __init__(self, tensor: Any, node: Any = None, nr: int = 0) -> None:
        self._hooks = Settings.saved_hooks[-1] if Settings.saved_hooks else None
        self._node, self._nr = node, nr
        self._version = tensor.storage.version
        if self._hooks is not None:
            self._tensor = self._hooks[0](tensor)
        elif node is not None:
            self._tensor = Array.new(tensor.storage, tensor.layout, tensor.dtype)
        else:
            self._tensor = tensor

    def unpack(self, node: Any) -> Any:
        """Return the tensor; raise RuntimeError if it was changed in place or freed."""
        t = self._tensor
        if t is None:
            raise RuntimeError(_FREED)
        if self._hooks is not None:
            return self._hooks[1](t)
        if t.storage.version != self._version:
            where = t._grad_fn.name() if t._grad_fn is not None else (node.name() if self._node is not None else None)
            origin = f", which is output {self._nr} of {where}," if where else ""
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"[{t.type()} {list(t.shape)}]{origin} is at version {t.storage.version}; expected version "
                f"{self._version} instead. "
                "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
                "torch.autograd.set_detect_anomaly(True)."
            )
        if self._node is not None:
            out = Array.new(t.storage, t.layout, t.dtype)
            out._grad_fn, out._output_nr, out._requires_grad = node, self._nr, True
            return out
        return t

    def release(self) -> None:
        """Let the tensor go."""
        self._tensor = None


def edge_of(x: Any) -> Any:
    """Return the edge to which a gradient of a tensor goes, or None if it needs none."""
    if x._base is not None:
        refresh_view(x)
    if x._grad_fn is not None:
        return (x._grad_fn, x._output_nr)
    if x._requires_grad:
        found = x._accumulate
        node = found() if found is not None else None
        if node is None:
            node = accumulator(x)
        return (node, 0)
    return None


def accumulator(x: Any) -> AccumulateGrad:
    """Return the leaf's node, made at its first use and kept alive by the graph alone."""
    node = AccumulateGrad(x)
    x._accumulate = weakref.ref(node)
    return node


def needs_grad(x: Any) -> bool:
    """Return whether a gradient of a tensor is wanted (a view's answer may have changed with its base)."""
    if x._base is not None and x._view_version != x.storage.version:
        refresh_view(x)
    return x._requires_grad


def refresh_view(x: Any) -> None:
    """Give a view the history that its base got by an in-place operation since the view was made."""
    if x._view_version == x.storage.version:
        return
    x._view_version = x.storage.version
    base = x._base
    edge = edge_of(base)
    if edge is not None and base._grad_fn is not None:
        x._grad_fn, x._output_nr, x._requires_grad = ViewOfBase(base, x.layout, edge), 0, True


class ViewOfBase(Node):
    """The derivative of any view, by its strides within its base: put the gradient into zeros of the base's shape."""

    __slots__ = ("_layout", "_base_layout")

    def __init__(self, base: Any, layout: Any, edge: Any) -> None:
        super().__init__((edge,))
        self._base_layout, self._layout = base.layout, layout

    def name(self) -> str:
        return "AsStridedBackward0"

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        m = Settings.functions
        return (m.as_strided_back(m, grads[0], self._base_layout, self._layout),)
