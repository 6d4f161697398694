"""Operators as modes see them below the graph: ``__torch_dispatch__`` of torch.utils._python_dispatch.

While a mode is entered, each operation of ``record`` is handed to it as an operator of torch.ops with plain arguments,
those of backward passes too. Calling the operator with these very arguments runs what was about to run; any other call
of it goes to the function of its name. The graph keeps what the mode returned. Tables that the functions fill say what
operator of PyTorch's an operation is; one that PyTorch has not is of the namespace ``cltorch``, with its own arguments.

Source: https://docs.pytorch.org/docs/2.13/notes/extending.html#extending-all-torch-api-with-modes
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from cltorch.autograd import graph, record
from cltorch.autograd.grad_mode import Switch, mode, no_grad
from cltorch.autograd.graph import edge_of, needs_grad
from cltorch.autograd.layers import KINDS, active
from cltorch.autograd.threads import carried
from cltorch.autograd.views import ViewNode, alias, outside
from cltorch.ops.array import Array
from cltorch.ops.op import Call, Op
from cltorch.ops.overloads import OpOverload, packet, watchers

__all__ = [
    "DERIVATIVES", "OPERATORS", "ROWS", "ROW_DERIVATIVES", "VIEWS", "Told", "aside", "need", "pop", "push", "seen",
    "state",
]  # fmt: skip


class _State(threading.local):
    def __init__(self) -> None:
        self.modes: list[Any] = []  # those that operators to come are handed to, the innermost last
        self.pending: list[_Pending] = []  # calls that modes are looking at
        self.running: list[Any] = []  # the modes of the operation that is being recorded


state = carried(_State())


class Told(NamedTuple):
    """An operation as an operator's call: ``after`` makes its results of the operation's, ``before`` the way back."""

    name: str
    overload: str = "default"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # which nobody changes
    after: Callable[[Any], Any] | None = None
    before: Callable[[Any], Any] | None = None


class _Pending(NamedTuple):
    func: OpOverload
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    run: Callable[[], Any]


#: What operators, rows, and their derivatives are for PyTorch; None says that this call is nothing that it has.
OPERATORS: dict[type[Op], Callable[..., Told | None]] = {}
ROWS: dict[str, Callable[..., Told | None]] = {}
DERIVATIVES: dict[type[Op], Callable[..., Told | None]] = {}
ROW_DERIVATIVES: dict[str, Callable[..., Told | None]] = {}
#: What a view and several views at once are: functions of the tensor, the layouts, the node's name and the dtype.
VIEWS: dict[str, Callable[..., Told]] = {}


def push(entered: Any) -> None:
    """Enter a mode."""
    active.append(entered)
    state.modes = [*state.modes, entered]


def pop() -> Any:
    """Leave the innermost mode and return it."""
    found = state.modes[-1]
    state.modes = state.modes[:-1]
    active.remove(found)
    return found


@contextmanager
def aside() -> Iterator[list[Any]]:
    """Hand operators to nobody."""
    modes, running = state.modes, state.running
    state.modes, state.running = [], modes
    try:
        yield modes
    finally:
        state.modes, state.running = modes, running


@contextmanager
def _among(modes: list[Any]) -> Iterator[None]:
    before, state.modes = state.modes, modes
    try:
        yield
    finally:
        state.modes = before


def seen(modes: list[Any], told: Told, run: Callable[[], Any]) -> Any:
    """Return what the innermost of some modes makes of an operator's call, of which ``run`` is what would happen."""
    namespace, _, name = told.name.rpartition("::")
    func = getattr(packet(namespace or "aten", name), told.overload)
    return _hand_on(modes, _Pending(func, told.args, told.kwargs, run))


def _hand_on(modes: list[Any], call: _Pending) -> Any:
    if not modes:
        with _among([]):
            return call.run()
    asked = modes[-1]
    state.pending.append(call)
    try:
        with _among(modes[:-1]), no_grad():
            return asked.__torch_dispatch__(call.func, (), call.args, dict(call.kwargs))
    finally:
        state.pending.pop()


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, Array) or isinstance(b, Array) or type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(x, b[k]) for k, x in a.items())
    return bool(a == b)


def _called(func: Any, args: Any, kwargs: Any) -> tuple[Any] | None:
    """Run what a mode is looking at where it calls it as it was told of it."""
    if not state.pending:
        return None
    call = state.pending[-1]
    if func is not call.func or not _same(tuple(args), call.args) or not _same(kwargs, call.kwargs):
        return None
    state.pending.append(_NOTHING)  # what runs now is not what is looked at
    try:
        return (_hand_on(state.modes, call),)
    finally:
        state.pending.pop()


_NOTHING = _Pending(OpOverload("cltorch", "nothing"), (), {}, lambda: None)
watchers.append(_called)


def _rule(rules: dict[Any, Any], op: type[Op]) -> Any:
    """Return the rule of an operator or of the nearest class that it derives from."""
    return next((rules[c] for c in op.__mro__ if c in rules), None)


def need(modes: list[Any], name: str, out: Any) -> Any:
    """Return a mode's result; raise TypeError where it is no tensor."""
    if not isinstance(out, Array):
        raise TypeError(
            f"__torch_dispatch__ of {modes[-1]} returned a {type(out).__name__} for {name}, whose result is a Tensor"
        )
    return out


# ---- the operations of ``record`` -----------------------------------------------------------------------------------
_seen_ops: dict[type[Op], type[Op]] = {}


def _seen(op: type[Op]) -> type[Op]:
    if op not in _seen_ops:

        def forward(call: Any, *args: Any) -> Any:
            return _forward(op, call, args)

        _seen_ops[op] = type(op.__name__, (op,), {"forward": staticmethod(forward)})
    return _seen_ops[op]


def _forward(op: type[Op], call: Call, args: Sequence[Any]) -> Any:
    """Let modes handle an operator's forward; the call keeps what they returned in place of its own results."""
    modes = state.running
    rule = _rule(OPERATORS, op)
    told = None if rule is None else rule(op, *args)
    if told is None:
        told = Told(f"cltorch::{op.name}", args=tuple(args))
    ran: list[Any] = []

    def run() -> Any:
        ran[:] = [op.forward(call, *args)]
        return ran[0] if told.after is None else told.after(ran[0])

    out = seen(modes, told, run)
    if told.before is not None:
        out = told.before(out)
    if not ran and call.recording:
        ran.append(op.forward(call, *args))  # which says what the derivative needs
    many = isinstance(ran[0], tuple) if ran else isinstance(out, (tuple, list))
    found = tuple(out) if many and isinstance(out, (tuple, list)) else out
    own = (ran[0] if many else (ran[0],)) if ran else ()
    results = found if isinstance(found, tuple) else (found,)
    if not many:
        need(modes, told.name, found)
    if ran and len(own) != len(results):
        raise TypeError(
            f"{told.name} has {len(own)} results, and __torch_dispatch__ of {modes[-1]} gave {len(results)}"
        )
    if any(x is not y for x, y in zip(own, results, strict=False)):
        instead = {id(x): y for x, y in zip(own, results, strict=True)}
        call.kept = tuple(instead.get(id(x), x) for x in call.kept)
        call.outside = tuple(instead.get(id(x), x) for x in call.outside)
    return found


def concerns(values: Sequence[Any]) -> bool:
    """Return whether modes see operators."""
    return bool(state.modes)


def apply(op: type[Op], args: Sequence[Any]) -> Any:
    """Run a structured operator under the eyes of the modes."""
    with aside():
        return record.apply(_seen(op), *args)


def _row(row: Any, operands: Sequence[Any], params: Sequence[Any], in_place: bool = False) -> Told:
    rule = ROWS.get(row.name)
    told = None if rule is None else rule(row, operands, params)
    if told is None:
        told = Told(f"cltorch::{row.name}", args=(*operands, *params))
    return told._replace(name=told.name + "_") if in_place else told


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table under the eyes of the modes."""
    with aside() as modes:
        out = seen(modes, _row(row, operands, params), lambda: row.compute(operands, params))
        return record.noted(row, operands, params, need(modes, row.name, out))


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place under the eyes of the modes."""
    recording = Switch(mode.enabled)

    def run() -> Any:
        with recording:
            return record.pointwise_(row, x, rest, params)

    with aside() as modes:
        seen(modes, _row(row, (x, *rest), params, True), run)
        return x


def inplace(x: Any, op: type[Op] | None, args: Sequence[Any], write: Callable[[], None]) -> Any:
    """Run a change in place under the eyes of the modes."""
    rule = None if op is None else _rule(OPERATORS, op)
    told = None if rule is None else rule(op, *args)
    name = "change" if op is None else op.name
    told = Told(f"cltorch::{name}_", args=tuple(args)) if told is None else told
    recording = Switch(mode.enabled)

    def run() -> Any:
        with recording:
            return record.inplace(x, op, *args, write=write)

    with aside() as modes:
        seen(modes, told, run)
        return x


def view(x: Any, layout: Any, name: str, adjoint: Callable[[Any, Any], Any], dtype: Any = None) -> Any:
    """Make a view under the eyes of the modes."""
    own: list[Any] = []

    def run() -> Any:
        own[:] = [alias(x, layout, dtype)]
        return own[0]

    with aside() as modes:
        told = VIEWS["view"](x, layout, name, dtype)
        out = need(modes, told.name, seen(modes, told, run))
        if not own or out is not own[0]:
            out = Array.new(out._storage, out.lay, out.dtype)
        if not mode.enabled:
            outside(out)
        elif needs_grad(x):
            out._grad_fn, out._requires_grad = graph.named(ViewNode, name)(adjoint, edge_of(x)), True
        return out


def views(x: Any, layouts: Sequence[Any], name: str, adjoint: Callable[[Any, list[Any]], Any]) -> tuple[Any, ...]:
    """Make several views under the eyes of the modes, which cannot return others: NotImplementedError."""
    own: list[Any] = []

    def run() -> Any:
        own[:] = [alias(x, layout) for layout in layouts]
        return list(own)

    with aside() as modes:
        told = VIEWS["views"](x, layouts, name, None)
        out = seen(modes, told, run)
        if len(out) != len(own) or any(a is not b for a, b in zip(out, own, strict=True)):
            raise NotImplementedError(f"{told.name}: a mode cannot return other tensors than its views in cltorch")
        return record.views(x, layouts, name, adjoint)


def function(cls: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    """Run a user's Function, whose operators modes see."""
    return cls._recorded(args, kw)[0]


# ---- derivatives ----------------------------------------------------------------------------------------------------
def derivative(op: type[Op], call: Call, grads: Sequence[Any], vjp: Callable[[], Any]) -> tuple[Any] | None:
    """Return the gradients of an operator whose derivative is an operator too, None where it is made of others."""
    rule = _rule(DERIVATIVES, op)
    told = None if rule is None else rule(op, call, *grads)
    if told is None:
        return None
    with aside() as modes:
        out = seen(modes, told, lambda: vjp() if told.after is None else told.after(vjp()))
    return (out if told.before is None else told.before(out),)


def gradients(
    row: Any, needs: tuple[bool, ...], g: Any, values: Sequence[Any], params: Sequence[Any], types: Sequence[Any]
) -> list[Any] | None:
    """Return the gradients of a row whose derivative is an operator, None where it is made of others."""
    rule = ROW_DERIVATIVES.get(row.name)
    told = None if rule is None else rule(g, *values, *params)
    if told is None:
        return None
    with aside() as modes:
        return [need(modes, told.name, seen(modes, told, lambda: row.gradients(needs, g, values, params, types)[0]))]


KINDS.append(sys.modules[__name__])
