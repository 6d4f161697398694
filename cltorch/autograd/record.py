"""Run operators and record them: structured operators, pointwise rows, views, and changes in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch.autograd.grad_mode import enable_grad, mode
from cltorch.autograd.graph import (
    FREED,
    INFERENCE,
    MULTI,
    NO_GRAD,
    OF_THE_GRAPH,
    Node,
    Saved,
    Settings,
    check_inplace,
    edge_of,
    named,
    needs_grad,
    parts_layout,
    refresh_view,
    turned_values,
)
from cltorch.autograd.layers import active, lift
from cltorch.device import host_memory
from cltorch.ops.array import Array, two_devices
from cltorch.ops.few import refuse_operand
from cltorch.ops.op import Call, Op, node_name
from cltorch.ops.pointwise import COMPARE, COMPLEX_TYPES
from cltorch.ops.turned import turns_between


class OpNode(Node):
    """A recorded structured operator."""

    __slots__ = ("_op", "_call", "_saved", "_positions")

    def __init__(self, op: type[Op], call: Call, args: Sequence[Any], results: Sequence[Any]) -> None:
        self._positions = [i for i, need in enumerate(call.needs) if need]
        super().__init__([edge_of(args[i]) for i in self._positions], len(results))
        self._op, self._call = op, call
        self._saved: list[Any] = []
        for x in call.kept:
            if isinstance(x, Array):
                nr = _place(x, results)
                # a result that carries no gradient is kept as any other value is, apart from this node
                if nr is None or _place(x, call.outside) is not None:
                    x = Saved(x)
                else:
                    x = Saved(x, self, nr)
                    x._node = True  # a result kept with its node is a cycle: it is handed over again when it unpacks
            self._saved.append(x)
        call.kept = ()

    @property
    def flat(self) -> bool:  # type: ignore[override]
        return self._call.flat

    def _places(self) -> Sequence[int]:
        """Return the arguments that count as PyTorch's node counts them, whether they need gradients or not."""
        return self._op.places or [i for i, need in enumerate(self._call.needs) if need is not None]

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return where gradients go to, with (None, 0) for operands without one."""
        edges = dict(zip(self._positions, self.edges, strict=True))
        return tuple(edges.get(i) or (None, 0) for i in self._places())

    def all_inputs(self, results: Sequence[Any]) -> tuple[Any, ...]:
        found = dict(zip(self._positions, results, strict=True))
        return tuple(found.get(i) for i in self._places())

    def of_edges(self, grads: Sequence[Any]) -> Sequence[Any]:
        found = dict(zip(self._places(), grads, strict=True))
        return [found.get(i) for i in self._positions]

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        call = self._call
        kept: list[Any] = []

        def unpack() -> list[Any]:
            if not kept:  # once in a run: what hooks give back they may give only once
                kept.extend([s.unpack(self) if isinstance(s, Saved) else s for s in self._saved])
            return kept

        call.unpack = unpack
        try:
            if active and not mode.enabled and (kind := lift((*grads, *call.unpack()))) is not None:
                results = self._under(kind, call, grads)
            else:
                results = self._op.vjp(Settings.functions, call, *grads)
        finally:
            call.unpack = None
        if not isinstance(results, tuple):
            results = (results,)
        return [results[i] for i in self._positions]

    def _under(self, kind: Any, call: Call, grads: list[Any]) -> Any:
        """Return gradients under what stands around operations: dual numbers, batches, modes."""

        def vjp() -> Any:
            return self._op.vjp(Settings.functions, call, *grads)

        whole = getattr(kind, "derivative", None)  # what sees a derivative as one operator
        found = None if whole is None else whole(self._op, call, grads, vjp)
        if whole is not None:
            return vjp() if found is None else found[0]
        with enable_grad():  # by functions, which know what stands around their operands: no fused shortcuts
            return _quiet(vjp())

    def apply_to(self, grads: list[Any], wanted: Sequence[bool]) -> Sequence[Any]:
        call = self._call
        needs = call.needs
        chosen = {i for i, want in zip(self._positions, wanted, strict=True) if want}
        call.needs = tuple(need and i in chosen for i, need in enumerate(needs))
        try:
            return self.apply(grads)
        finally:
            call.needs = needs

    def release(self) -> None:
        for s in self._saved:
            if isinstance(s, Saved):
                s.release()


def _quiet(results: Any) -> Any:
    """Return gradients without the graph that was recorded on the way."""
    if isinstance(results, tuple):
        return tuple(map(_quiet, results))
    return results._detached(True) if isinstance(results, Array) and needs_grad(results) else results


def _place(x: Any, among: Sequence[Any]) -> int | None:
    """Return which of some values is this very object."""
    for i, y in enumerate(among):
        if y is x:
            return i
    return None


_op_nodes: dict[type[Op], type[OpNode]] = {}


def _op_node(op: type[Op]) -> type[OpNode]:
    found = _op_nodes.get(op)
    if found is None:
        found = _op_nodes[op] = named(OpNode, op.node if op.node in OF_THE_GRAPH else node_name(op))
    return found


def apply(op: type[Op], *args: Any) -> Any:
    """Run a structured operator and record it where an argument needs a gradient.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html
    """
    dev = None
    wanted = False
    for a in args:
        if isinstance(a, Array):
            here = a._storage.device
            if here is not dev and dev is not None:
                raise two_devices(dev, here, op.name)
            dev = here
            if a.dtype.rare:
                refuse_operand(op, a.dtype)
            if a._requires_grad or (a._base is not None and needs_grad(a)):
                wanted = True
    if active:
        kind = lift(args)
        if kind is not None:
            return kind.apply(op, args)
    if wanted and mode.enabled:
        needs = [needs_grad(a) if isinstance(a, Array) and a.dtype.differentiable else None for a in args]
        call: Any = Call(needs)
        try:
            out = op.forward(call, *args)
        except MemoryError:
            call = None
        if call is None:
            call = Call(needs)
            out = host_memory.again(op.name, partial(op.forward, call, *args))
        single = not isinstance(out, tuple)
        results = [out] if single else list(out)
        for i, r in enumerate(results):
            if _place(r, args) is not None:
                results[i] = Array.new(r._storage, r.layout, r.dtype)
        node = _op_node(op)(op, call, args, results)
        for i, r in enumerate(results):
            if r is not None and r.dtype.differentiable and _place(r, call.outside) is None:
                r._grad_fn, r._output_nr, r._requires_grad = node, i, True
        return results[0] if single else tuple(results)
    none = (False,) * len(args)
    try:
        return op.forward(Call(none), *args)
    except MemoryError:
        pass
    return host_memory.again(op.name, partial(op.forward, Call(none), *args))


class PointwiseNode(Node):
    """A recorded row of the pointwise table; its derivative is one fused kernel."""

    __slots__ = ("_row", "_needs", "_values", "_params", "_shapes", "_dtypes", "_complex")

    def __init__(
        self, row: Any, operands: Sequence[Any], params: Sequence[Any], needs: tuple[bool, ...], out: Any
    ) -> None:
        # one loop, for this runs at each operation: building the node costs as much as launching a small kernel
        edges: list[Any] = []
        shapes: list[Any] = []
        types: list[Any] = []
        for x, need in zip(operands, needs, strict=True):
            if isinstance(x, Array):
                shapes.append(x.layout.shape)
                types.append(x.dtype)
                if need:
                    edges.append(edge_of(x))
            else:
                shapes.append(None)
                types.append(None)
        super().__init__(edges)
        self._row, self._needs, self._params, self._shapes, self._dtypes = row, needs, params, shapes, types
        self._complex = not COMPLEX_TYPES.isdisjoint(types)
        used = row.saves(needs, self._complex)
        self._values: list[Any]
        if used:
            self._values = [
                (Saved(x) if isinstance(x, Array) else x) if i in used else None for i, x in enumerate(operands)
            ]  # fmt: skip
        else:
            self._values = [None] * len(types)
        if out is not None:
            self._keep(out, used)

    def keep_result(self, out: Any) -> None:
        """Keep the result for the derivative where it is needed."""
        self._keep(out, self._row.saves(self._needs, self._complex))

    def _keep(self, out: Any, used: frozenset[int]) -> None:
        if self._row.arity in used:
            kept = Saved(out, self, 0)
            kept._node = True  # marks a result; the node itself is handed over when it unpacks, so there is no cycle
            self._values.append(kept)
        else:
            self._values.append(None)

    @property
    def flat(self) -> bool:  # type: ignore[override]
        return self._row.flat

    def _operands(self) -> list[bool]:
        """Return what ``_needs`` says of operands that count: no masks, and no numbers in a form that takes them."""
        row = self._row
        apart = set(row.masks)
        apart.update(i for i, _ in row.forms if self._dtypes[i] is None)
        return [need for i, need in enumerate(self._needs) if i not in apart]

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return where gradients go to, with (None, 0) for operands without one."""
        edges = iter(self.edges)
        return tuple(next(edges) if need else (None, 0) for need in self._operands())

    def _places(self) -> dict[str, int]:
        """Return where what PyTorch calls ``_saved_NAME`` stands among the values."""
        places = {"self" if a == "input" else a: i for i, a in enumerate(self._row.args)}
        return {**places, "result": self._row.arity}

    def __dir__(self) -> list[str]:
        names = list(super().__dir__())
        for what, at in self._places().items():
            if at < len(self._values) and self._values[at] is not None:
                names.append(f"_saved_{what}")
                if self._values[at].__class__ is Saved:
                    names.append(f"_raw_saved_{what}")
        return names

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_saved_", "_raw_saved_")):
            raw, what = name.startswith("_raw"), name.removeprefix("_raw").removeprefix("_saved_")
            at = self._places().get(what, len(self._values))
            kept = self._values[at] if at < len(self._values) else None
            if kept.__class__ is Saved:
                return kept if raw else kept.unpack(self)
            if kept is not None and not raw:
                return kept
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def all_inputs(self, results: Sequence[Any]) -> tuple[Any, ...]:
        found = iter(results)
        return tuple(next(found) if need else None for need in self._operands())

    def of_edges(self, grads: Sequence[Any]) -> Sequence[Any]:
        return [g for g, need in zip(grads, self._operands(), strict=True) if need]

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        g = grads[0]
        values = [v.unpack(self) if v.__class__ is Saved else v for v in self._values]
        functions = Settings.functions
        kind = lift((g, *values)) if active else None
        whole = getattr(kind, "gradients", None)  # what sees a derivative as one operator
        found = None
        if whole is not None and not mode.enabled:
            found = whole(self._row, self._needs, g, values, self._params, self._dtypes)
        if found is not None:
            pass
        elif mode.enabled or kind is not None:
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
                out.append(r if r.dtype is t else functions.gradient_cast(r, t))
        return out

    def release(self) -> None:
        for v in self._values:
            if v.__class__ is Saved:
                v.release()
        if self._row.name in _NUMBERS_KEPT:
            self._values = [None if v is None else FREED for v in self._values]


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


#: rows whose operands that are numbers PyTorch keeps as it does tensors, so that they too can be freed
_NUMBERS_KEPT = frozenset(("mul", "div"))


class NotDifferentiable(Node):
    """A recorded operation that has no derivative: it says so when a gradient comes."""

    __slots__ = ("_kind", "_why")

    def __init__(self, operation: str, operands: Sequence[Any], why: str = "") -> None:
        super().__init__([edge_of(x) for x in operands if isinstance(x, Array) and needs_grad(x)])
        self._kind = NotImplementedError if why else RuntimeError
        self._why = why or f"derivative for aten::{operation} is not implemented"

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        raise self._kind(self._why)


class Flat(Node):
    """A recorded comparison in place: what is everywhere of derivative zero, as PyTorch says of it."""

    __slots__ = ("_likes",)

    def __init__(self, operands: Sequence[Any], needs: Sequence[bool]) -> None:
        wanted = [x for x, need in zip(operands, needs, strict=True) if need]
        super().__init__([edge_of(x) for x in wanted])
        self._likes = [(x.layout.shape, x.dtype, x.device) for x in wanted]

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        zeros = Settings.functions.zeros
        return [zeros(shape, dtype=t, device=device) for shape, t, device in self._likes]


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table and record it where an operand needs a gradient."""
    if active:
        kind = lift(operands)
        if kind is not None:
            return kind.pointwise(row, operands, params)
    return noted(row, operands, params, row.compute(operands, params))


def noted(row: Any, operands: Sequence[Any], params: Sequence[Any], out: Any) -> Any:
    """Record a row's result where an operand needs a gradient; return it."""
    if mode.enabled and _wanted(operands) and out.dtype.differentiable and row.opaque is not None:
        needs = tuple([isinstance(x, Array) and needs_grad(x) for x in operands])
        if row.vjp is None or any(needs[i] for i in row.opaque):
            node: Node = named(NotDifferentiable, "NotImplemented")(row.name, operands)
        else:
            name = row.node_of(operands) if row.forms else row.node
            node = named(PointwiseNode, name)(row, operands, params, needs, out)
        out._grad_fn, out._requires_grad = node, True
    return out


def _wanted(operands: Sequence[Any]) -> bool:
    """Return whether any operand needs a gradient."""
    for x in operands:  # for most operations this is all that is asked, so no call but for views
        if isinstance(x, Array) and (x._requires_grad or (x._base is not None and needs_grad(x))):
            return True
    return False


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place on its first operand."""
    operands = [x, *rest]
    if active:
        kind = lift(operands)
        if kind is not None:
            return kind.pointwise_(row, x, rest, params)
    recording = mode.enabled and _wanted(operands) and x.dtype.differentiable
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
        self._fn, self._base_layout, self._layout, self._at, self._nr = fn, base.layout, x.layout, at, nr
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


class ViewNode(Node):
    """A recorded view; ``adjoint(m, g)`` maps the view's gradient to its input's."""

    __slots__ = ("_adjoint",)

    def __init__(self, adjoint: Callable[[Any, Any], Any], edge: Any) -> None:
        super().__init__((edge,))
        self._adjoint = adjoint

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        return (self._adjoint(Settings.functions, grads[0]),)


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
        if needs_grad(x):
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
        if needs_grad(x):
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
    node = _op_node(op)(op, call, args, [x])
    write()
    x._storage.version += 1
    rebase(x, node, 0 if needs[0] else None)
    return x
