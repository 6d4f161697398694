"""Nodes of operations: of structured operators, of rows of the pointwise table, and of what has no derivative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.grad_mode import enable_grad, mode
from cltorch.autograd.graph import OF_THE_GRAPH, Node, Settings, edge_of, named, needs_grad
from cltorch.autograd.layers import active, lift
from cltorch.autograd.saved import FREED, Saved
from cltorch.ops.array import Array
from cltorch.ops.op import Call, Op, node_name
from cltorch.ops.pointwise import COMPLEX_TYPES


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
                nr = place(x, results)
                # a result that carries no gradient is kept as any other value is, apart from this node
                if nr is None or place(x, call.outside) is not None:
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


def place(x: Any, among: Sequence[Any]) -> int | None:
    """Return which of some values is this very object."""
    for i, y in enumerate(among):
        if y is x:
            return i
    return None


_op_nodes: dict[type[Op], type[OpNode]] = {}


def op_node(op: type[Op]) -> type[OpNode]:
    found = _op_nodes.get(op)
    if found is None:
        found = _op_nodes[op] = named(OpNode, op.node if op.node in OF_THE_GRAPH else node_name(op))
    return found


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
                shapes.append(x.lay.shape)
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
                if r.lay.shape != shape:
                    r = functions.gradient_sum(r, shape)
                out.append(r if r.dtype is t else functions.gradient_cast(r, t))
        return out

    def release(self) -> None:
        for v in self._values:
            if v.__class__ is Saved:
                v.release()
        if self._row.name in _NUMBERS_KEPT:
            self._values = [None if v is None else FREED for v in self._values]


#: rows whose operands that are numbers PyTorch keeps as it does tensors, so that they too can be freed
_NUMBERS_KEPT = frozenset(("mul", "div"))


class NotDifferentiable(Node):
    """A recorded operation that has no derivative: it says so when a gradient comes."""

    __slots__ = ("_kind", "_why")

    def __init__(
        self, operation: str, operands: Sequence[Any], why: str = "", kind: type[Exception] = RuntimeError
    ) -> None:
        super().__init__([edge_of(x) for x in operands if isinstance(x, Array) and needs_grad(x)])
        self._kind = kind
        self._why = why or f"derivative for aten::{operation} is not implemented"

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        raise self._kind(self._why)


class Flat(Node):
    """A recorded comparison in place: what is everywhere of derivative zero, as PyTorch says of it."""

    __slots__ = ("_likes",)

    def __init__(self, operands: Sequence[Any], needs: Sequence[bool]) -> None:
        wanted = [x for x, need in zip(operands, needs, strict=True) if need]
        super().__init__([edge_of(x) for x in wanted])
        self._likes = [(x.lay.shape, x.dtype, x.device) for x in wanted]

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        zeros = Settings.functions.zeros
        return [zeros(shape, dtype=t, device=device) for shape, t, device in self._likes]
