"""Run operators and record them: structured operators, pointwise rows, views, and changes in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import Node, Saved, Settings, edge_of, needs_grad
from cltorch.ops.array import Array
from cltorch.ops.op import Call, Op, node_name


class OpNode(Node):
    """A recorded structured operator."""

    __slots__ = ("_op", "_call", "_saved", "_positions")

    def __init__(self, op: type[Op], call: Call, args: Sequence[Any], results: Sequence[Any]) -> None:
        self._positions = [i for i, need in enumerate(call.needs) if need]
        super().__init__([edge_of(args[i]) for i in self._positions], len(results))
        self._op, self._call = op, call
        # a result that carries no gradient is kept as any other value is, apart from this node
        outside = {id(x) for x in call.outside}
        numbers = {id(r): i for i, r in enumerate(results) if id(r) not in outside}
        self._saved = [
            None
            if x is None
            else Saved(x, self, numbers[id(x)])
            if id(x) in numbers
            else Saved(x)
            if isinstance(x, Array)
            else x
            for x in call.kept
        ]
        # a result kept with its node would be a cycle: the node is handed over again when it unpacks
        for s in self._saved:
            if isinstance(s, Saved) and s._node is not None:
                s._node = True
        call.kept = ()
        call.unpack = None

    def name(self) -> str:
        return node_name(self._op)

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        call = self._call
        call.unpack = lambda: [s.unpack(self) if isinstance(s, Saved) else s for s in self._saved]
        try:
            results = self._op.vjp(Settings.functions, call, *grads)
        finally:
            call.unpack = None
        if not isinstance(results, tuple):
            results = (results,)
        return [results[i] for i in self._positions]

    def release(self) -> None:
        for s in self._saved:
            if isinstance(s, Saved):
                s.release()


def apply(op: type[Op], *args: Any) -> Any:
    """Run a structured operator and record it where an argument needs a gradient."""
    if mode.enabled:
        needs = [isinstance(a, Array) and needs_grad(a) for a in args]
        if True in needs:
            call = Call(needs)
            out = op.forward(call, *args)
            single = not isinstance(out, tuple)
            results = [out] if single else list(out)
            for i, r in enumerate(results):
                if any(r is a for a in args):
                    results[i] = Array.new(r.storage, r.layout, r.dtype)
            node = OpNode(op, call, args, results)
            for i, r in enumerate(results):
                if r is not None and r.dtype.is_floating_point and not any(r is x for x in call.outside):
                    r._grad_fn, r._output_nr, r._requires_grad = node, i, True
            return results[0] if single else tuple(results)
    return op.forward(Call((False,) * len(args)), *args)


class PointwiseNode(Node):
    """A recorded row of the pointwise table; its derivative is one fused kernel."""

    __slots__ = ("_row", "_needs", "_values", "_params", "_shapes", "_dtypes")

    def __init__(
        self, row: Any, operands: Sequence[Any], params: Sequence[Any], needs: tuple[bool, ...], out: Any
    ) -> None:
        super().__init__([edge_of(x) for x, need in zip(operands, needs, strict=True) if need])
        self._row, self._needs, self._params = row, needs, params
        used = row.saves(needs)
        n = row.arity
        self._values = [
            (Saved(x) if isinstance(x, Array) else x) if i in used else None for i, x in enumerate(operands)
        ]  # fmt: skip
        if n in used:
            kept = Saved(out, self, 0)
            kept._node = True  # marks a result; the node itself is handed over when it unpacks, so there is no cycle
            self._values.append(kept)
        else:
            self._values.append(None)
        self._shapes = [x.layout.shape if isinstance(x, Array) else None for x in operands]
        self._dtypes = [x.dtype if isinstance(x, Array) else None for x in operands]

    def name(self) -> str:
        return self._row.node

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        g = grads[0]
        values = [v.unpack(self) if v.__class__ is Saved else v for v in self._values]
        functions = Settings.functions
        if mode.enabled:
            # numbers become tensors, for the formula calls functions on them; what was not kept (None) feeds only
            # gradients that nobody asked for, so that any number will do in its place
            tensors = [
                v if isinstance(v, Array) else functions.scalar_tensor(v or 0, dtype=g.dtype, device=g.device)
                for v in values
            ]
            results = self._row.vjp(functions, g, *tensors, *self._params)
            results = results if isinstance(results, tuple) else (results,)
            found = [r for r, need in zip(results, self._needs, strict=True) if need]
        else:
            found = self._row.gradients(self._needs, g, values, self._params, self._dtypes)
        out = []
        k = 0
        for need, shape, t in zip(self._needs, self._shapes, self._dtypes, strict=True):
            if need:
                r = found[k]
                k += 1
                if r.layout.shape != shape:
                    r = functions.sum_to_size(r, shape)
                out.append(r if r.dtype is t else r.to(t))
        return out

    def release(self) -> None:
        for v in self._values:
            if v.__class__ is Saved:
                v.release()


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table and record it where an operand needs a gradient."""
    out = row(*operands, params=params)
    if mode.enabled and row.vjp is not None and out.dtype.is_floating_point:
        needs = tuple(isinstance(x, Array) and needs_grad(x) for x in operands)
        if True in needs:
            out._grad_fn, out._requires_grad = PointwiseNode(row, operands, params, needs, out), True
    return out


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place on its first operand."""
    operands = [x, *rest]
    recording = mode.enabled and row.vjp is not None and any(isinstance(a, Array) and needs_grad(a) for a in operands)
    if mode.enabled:
        check_inplace(x, recording)
    if not recording:
        row.into(x, operands, params)
        x.storage.version += 1
        return x
    needs = tuple(isinstance(a, Array) and needs_grad(a) for a in operands)
    # the derivative wants the value that is about to be overwritten: keep a copy, as PyTorch does
    before = [Settings.functions.detached_copy(x) if 0 in row.saves(needs) else x, *rest]
    edges = [edge_of(a) for a, need in zip(operands, needs, strict=True) if need]
    row.into(x, operands, params)
    x.storage.version += 1
    node = PointwiseNode(row, before, params, needs, x)
    node.edges = edges
    rebase(x, node)
    return x


def check_inplace(x: Any, recording: bool) -> None:
    """Raise RuntimeError where PyTorch forbids changing a tensor in place."""
    if x._base is None:
        if x._requires_grad and x._grad_fn is None:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    elif x._base._requires_grad and x._base._grad_fn is None:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if recording and not x.dtype.is_floating_point:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")


def rebase(x: Any, node: Node) -> None:
    """Give a tensor that was just changed in place its new history; through a view, its base gets one too."""
    if x._base is None:
        x._grad_fn, x._output_nr, x._requires_grad = node, 0, True
        return
    base = x._base
    base._grad_fn, base._output_nr, base._requires_grad = CopySlices(base, x, node), 0, True
    x._view_version = -1
    needs_grad(x)


class CopySlices(Node):
    """The derivative of changing a base through a view: the view's part goes through the operation's own node."""

    __slots__ = ("_fn", "_base_layout", "_layout", "_has_base")

    def __init__(self, base: Any, x: Any, fn: Node) -> None:
        base_edge = edge_of(base)
        inner = list(fn.edges)
        # the view's own edge (first, if the old value matters) is replaced by what flows on to the base
        self._has_base = len(inner) > 0 and inner[0] is not None and _leads_to_view(inner[0], x)
        super().__init__([base_edge, *(inner[1:] if self._has_base else inner)])
        self._fn, self._base_layout, self._layout = fn, base.layout, x.layout

    def name(self) -> str:
        return "CopySlices"

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        functions = Settings.functions
        g = grads[0]
        part = functions.gather_from_layout(g, self._base_layout, self._layout)
        inner = list(self._fn.apply([part]))
        through = inner.pop(0) if self._has_base else None
        kept = functions.replace_in_layout(g, through, self._base_layout, self._layout)
        return [kept, *inner]

    def release(self) -> None:
        self._fn.release()


def _leads_to_view(edge: Any, x: Any) -> bool:
    return x._grad_fn is not None and edge[0] is x._grad_fn


class ViewNode(Node):
    """A recorded view; ``adjoint(m, g)`` maps the view's gradient to its input's."""

    __slots__ = ("_name", "_adjoint")

    def __init__(self, name: str, adjoint: Callable[[Any, Any], Any], edge: Any) -> None:
        super().__init__((edge,))
        self._name, self._adjoint = name, adjoint

    def name(self) -> str:
        return self._name

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return (self._adjoint(Settings.functions, grads[0]),)


def view(x: Any, layout: Any, name: str, adjoint: Callable[[Any, Any], Any]) -> Any:
    """Return a view of a tensor with another layout.

    ``name`` is the grad_fn's name ("TransposeBackward0"), ``adjoint(m, g)`` the gradient with respect to ``x``.
    """
    out = Array.new(x.storage, layout, x.dtype)
    base = x._base
    out._base = x if base is None else base
    if mode.enabled and needs_grad(x):
        out._grad_fn, out._requires_grad = ViewNode(name, adjoint, edge_of(x)), True
    out._view_version = x.storage.version
    return out


def inplace(x: Any, op: type[Op] | None, *args: Any, write: Callable[[], None]) -> Any:
    """Change a tensor in place by ``write()`` and record it as ``op`` on ``args`` (``x`` first).

    ``op.vjp`` gets a call record whose ``needs`` follow ``args``; whatever it must save it saves in ``op.forward``,
    which is called with the call record and ``args`` before ``write`` and returns nothing of interest.
    """
    needs = [isinstance(a, Array) and needs_grad(a) for a in args]
    recording = mode.enabled and op is not None and True in needs
    if mode.enabled:
        check_inplace(x, recording)
    if not recording:
        write()
        x.storage.version += 1
        return x
    assert op is not None
    call = Call(needs)
    op.forward(call, *args)
    node = OpNode(op, call, args, [x])
    write()
    x.storage.version += 1
    rebase(x, node)
    return x
