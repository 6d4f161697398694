"""Changes in place: how they are checked and recorded, of a tensor itself and of its base through a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import (
    Node,
    Settings,
    any_needs_grad,
    check_inplace,
    edge_of,
    named,
    needs_grad,
    parts_layout,
    refresh_view,
    turned_values,
)
from cltorch.autograd.layers import active, lift
from cltorch.autograd.nodes import Flat, NotDifferentiable, OpNode, PointwiseNode, op_node
from cltorch.ops.array import Array, two_devices
from cltorch.ops.op import Call, Op
from cltorch.ops.pointwise import COMPARE
from cltorch.ops.turned import turns_between


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place on its first operand."""
    operands = [x, *rest]
    if active:
        kind = lift(operands)
        if kind is not None:
            return kind.pointwise_(row, x, rest, params)
    recording = mode.enabled and any_needs_grad(operands) and x.dtype.differentiable
    check_inplace(x, recording)
    if not recording:
        row.into(x, operands, params)
        x._storage.version += 1
        return x
    needs = tuple([isinstance(a, Array) and needs_grad(a) for a in operands])
    if row.vjp is None or any(needs[i] for i in row.opaque):
        if row.rule is COMPARE:
            refusal: Node = named(Flat, row.node)(operands, needs)
        else:
            refusal = named(NotDifferentiable, "NotImplemented")(row.name, operands)
        row.into(x, operands, params)
        x._storage.version += 1
        rebase(x, refusal, 0 if needs[0] else None)
        return x
    if not row.complex and any(isinstance(a, Array) and a.dtype.is_complex for a in operands):
        row.types(operands)  # which says that there is none of complex numbers
    if row.one_way is not None and (why := row.one_way(*params)):
        refusal = named(NotDifferentiable, row.node_in_place)(row.name, operands, why)
        row.into(x, operands, params)
        x._storage.version += 1
        rebase(x, refusal, 0 if needs[0] else None)
        return x
    # the derivative wants the value that is about to be overwritten: keep a copy, as PyTorch does, one that is part of
    # the graph, for the derivative may be differentiated by it
    used = row.saves(needs, x.dtype.is_complex)
    before = list(operands)
    mine = [i for i, a in enumerate(operands) if a is x]
    if any(i in used for i in mine):
        copy = Settings.functions.clone(x)
        before = [copy if i in used and i in mine else a for i, a in enumerate(operands)]
    edges = [edge_of(a) for a, need in zip(operands, needs, strict=True) if need]
    node = named(PointwiseNode, row.node_of(operands, True))(row, before, params, needs, None)
    node.edges = edges
    row.into(x, operands, params)
    x._storage.version += 1
    node.keep_result(x)
    rebase(x, node, 0 if needs[0] else None)
    return x


def rebase(x: Any, node: Node, at: int | None = None, nr: int = 0) -> None:
    """Give a tensor that was just changed in place its new history; through a view, its base gets one too.

    ``node.edges[at]`` leads to the tensor's old value (None: the old value does not matter); ``nr`` is the number that
    the tensor has among the node's results.
    """
    if x._base is None:
        if x._retains is not None:
            x._retains.move(x._grad_fn, node, nr)
        x._grad_fn, x._output_nr, x._requires_grad = node, nr, True
        return
    base = x._base
    slices = CopySlices(base, x, node, at, nr)
    if base._retains is not None:
        base._retains.move(base._grad_fn, slices, 0)
    base._grad_fn, base._output_nr, base._requires_grad = slices, 0, True
    refresh_view(x)


def _with(values: Sequence[Any], at: int | None) -> list[Any]:
    """Return values with None put in at a place, if there is one."""
    return list(values) if at is None else [*values[:at], None, *values[at:]]


def _without(values: Sequence[Any], at: int | None) -> list[Any]:
    """Return values but for that at a place, if there is one."""
    return list(values) if at is None else [*values[:at], *values[at + 1 :]]


class CopySlices(Node):
    """The derivative of changing a base through a view: the view's part goes through the operation's own node."""

    __slots__ = ("_fn", "_base_layout", "_layout", "_at", "_nr", "_types", "_turns")

    def __init__(self, base: Any, x: Any, fn: Node, at: int | None, nr: int) -> None:
        # the edge to the view's old value is replaced by what flows on to the base
        others = [e for i, e in enumerate(fn.edges) if i != at]
        super().__init__([edge_of(base), *others])
        self._fn, self._base_layout, self._layout, self._at, self._nr = fn, base.lay, x.lay, at, nr
        self._types, self._turns = (base.dtype, x.dtype), turns_between(base, x)
        if base.dtype is not x.dtype:  # one is a view of the other's parts: both are seen as parts
            self._base_layout, self._layout = parts_layout(base), parts_layout(x)

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return where gradients go to: to the base, then where the operation's go, but for the old value's."""
        return (self.edges[0] or (None, 0), *_without(self._fn.next_functions, self._old()))

    def _old(self) -> int | None:
        """Return the place of the tensor's old value among the inputs of the operation's own node, if it has one."""
        return 0 if isinstance(self._fn, (OpNode, PointwiseNode)) else self._at

    def all_inputs(self, results: Sequence[Any]) -> tuple[Any, ...]:
        inner = self._fn.all_inputs(_with(results[1:], self._at))
        return (results[0], *_without(inner, self._old()))

    def of_edges(self, grads: Sequence[Any]) -> Sequence[Any]:
        inner = self._fn.of_edges(_with(grads[1:], self._old()))
        return [grads[0], *_without(inner, self._at)]

    @property
    def flat(self) -> bool:  # type: ignore[override]
        return self._fn.flat

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        functions = Settings.functions
        g = grads[0]
        base, mine = self._types
        mixed = base is not mine
        if mixed and base.is_complex:
            g = functions.view_as_real(functions.resolve_conj(g))
        parts: list[Any] = [None] * self._fn.outputs
        parts[self._nr] = functions.gather_from_layout(g, self._base_layout, self._layout)
        if mixed and mine.is_complex:
            parts[self._nr] = functions.view_as_complex(parts[self._nr])
        parts[self._nr] = turned_values(parts[self._nr], self._turns)
        inner = list(self._fn.apply(parts))
        through = inner.pop(self._at) if self._at is not None else None
        kept = None
        if self.edges[0] is not None:
            if through is not None:
                through = turned_values(through, self._turns)
            if mixed and mine.is_complex and through is not None:
                through = functions.view_as_real(functions.resolve_conj(through))
            kept = functions.replace_in_layout(g, through, self._base_layout, self._layout)
            if mixed and base.is_complex:
                kept = functions.view_as_complex(kept)
        return [kept, *inner]

    def release(self) -> None:
        self._fn.release()


def inplace(x: Any, op: type[Op] | None, *args: Any, write: Callable[[], None]) -> Any:
    """Change a tensor in place by ``write()`` and record it as ``op`` on ``args`` (``x`` first).

    ``op.vjp`` gets a call record whose ``needs`` follow ``args``; whatever it must save it saves in ``op.forward``,
    which is called with the call record and ``args`` before ``write`` and returns nothing of interest.
    Source: https://docs.pytorch.org/docs/2.13/autograd.html
    """
    if active:
        kind = lift((x, *args))
        if kind is not None:
            return kind.inplace(x, op, args, write)
    if op is not None and op.one_device:
        for a in args:
            if isinstance(a, Array) and a._storage.device is not x._storage.device:
                raise two_devices(x._storage.device, a._storage.device, op.name)
    needs = [
        mode.enabled and needs_grad(a) if isinstance(a, Array) and a.dtype.differentiable else None for a in args
    ]  # fmt: skip
    recording = op is not None and True in needs and x.dtype.differentiable
    check_inplace(x, recording)
    if not recording:
        write()
        x._storage.version += 1
        return x
    assert op is not None
    call = Call(needs)
    op.forward(call, *args)
    node = op_node(op)(op, call, args, [x])
    write()
    x._storage.version += 1
    rebase(x, node, 0 if needs[0] else None)
    return x
