"""Views of tensors: how they are made and recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import INFERENCE, MULTI, NO_GRAD, Node, Settings, edge_of, named, needs_grad
from cltorch.autograd.layers import active, lift
from cltorch.layout import Layout
from cltorch.ops.array import Array


class ViewNode(Node):
    """A recorded view; ``adjoint(m, g)`` maps the view's gradient to its input's."""

    __slots__ = ("_adjoint",)

    def __init__(self, adjoint: Callable[[Any, Any], Any], edge: Any) -> None:
        super().__init__((edge,))
        self._adjoint = adjoint

    @property
    def into(self) -> IntoZeros | None:
        """Return where the gradient goes, if the view shows some of the elements."""
        return self._adjoint if self._adjoint.__class__ is IntoZeros else None

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return (self._adjoint(Settings.functions, grads[0]),)


class IntoZeros:
    """The adjoint of a view of some elements: it puts the gradient of ``part`` into zeros of the layout ``base``."""

    __slots__ = ("base", "part")

    def __init__(self, base: Layout, part: Layout) -> None:
        # layouts only: a tensor would live as long as the graph
        self.base, self.part = base, part

    def __call__(self, m: Any, g: Any) -> Any:
        return m.scatter_into_layout(g, self.base, self.part)


class ViewsNode(Node):
    """Several recorded views at once; ``adjoint(m, gs)`` maps their gradients (None: unused) to the input's."""

    __slots__ = ("_adjoint",)

    def __init__(self, adjoint: Callable[[Any, list[Any]], Any], edge: Any, count: int) -> None:
        super().__init__((edge,), count)
        self._adjoint = adjoint

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return (self._adjoint(Settings.functions, grads),)


def view(x: Any, layout: Any, name: str, adjoint: Callable[[Any, Any], Any], dtype: Any = None) -> Any:
    """Return a view of a tensor with another layout.

    ``name`` is the grad_fn's name ("TransposeBackward0"), ``adjoint(m, g)`` the gradient with respect to ``x``.
    ``dtype`` is another dtype of the same bytes: a complex one for pairs of its parts, or the other way round.
    Source: https://docs.pytorch.org/docs/2.13/autograd.html
    """
    if active:
        kind = lift((x,))
        if kind is not None:
            return kind.view(x, layout, name, adjoint, dtype)
    out = alias(x, layout, dtype)
    if mode.enabled:
        if needs_grad(x) and (not x._inference or Settings.transforms):
            out._grad_fn, out._requires_grad = named(ViewNode, name)(adjoint, edge_of(x)), True
    else:
        outside(out)
    return out


def views(x: Any, layouts: Sequence[Any], name: str, adjoint: Callable[[Any, list[Any]], Any]) -> tuple[Any, ...]:
    """Return several views of a tensor made at once, which must not be changed in place where that is recorded."""
    if active:
        kind = lift((x,))
        if kind is not None:
            return kind.views(x, layouts, name, adjoint)
    made = tuple(alias(x, layout) for layout in layouts)
    if mode.enabled:
        if needs_grad(x) and (not x._inference or Settings.transforms):
            node = named(ViewsNode, name)(adjoint, edge_of(x), len(made))
            for i, out in enumerate(made):
                out._grad_fn, out._output_nr, out._requires_grad = node, i, True
        for out in made:
            out._view_kind = MULTI
    else:
        for out in made:
            outside(out)
    return made


def outside(out: Any) -> None:
    """Note on a view that nothing is recorded where it is made."""
    out._view_kind = INFERENCE if mode.inference else NO_GRAD


def alias(x: Any, layout: Any, dtype: Any = None) -> Any:
    """Return a view of a tensor outside the graph."""
    out = Array.new(x._storage, layout, dtype or x.dtype)
    base = x._base
    if base is None:
        base = x
    out._base = base
    if base._grad_fn is not None:
        out._base_seq = base._grad_fn.seq
    out._view_version = x._storage.version
    if x._view_kind is not None:
        out._view_kind = x._view_kind
    if x._inference or out._inference:
        out._inference = x._inference
        if x._inference:
            out._base = out._view_kind = None  # no graph ever comes to know of it
    return out
