"""Forward-mode derivatives: what each kind of operation makes of the tangents of its operands.

No operator has a rule of its own for this. A pointwise row's tangent is its derivative's formula at the tangent: its
Jacobian is diagonal. Where an operator says that it is linear, the tangent goes through it; every other one's is the
derivative of ``vjp``, which is linear in the gradient handed in, with respect to that gradient (J. Townsend, A new
trick for calculating Jacobian vector products, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd import batch_levels, batches, record
from cltorch.autograd.adjoints import by_adjoint, recorded, unrecorded, zeros_for
from cltorch.autograd.dual_functions import function
from cltorch.autograd.dual_levels import attach, attached, base_of, below, concerns, listed, remember, tangent, top
from cltorch.autograd.grad_mode import enable_grad, mode
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings, needs_grad, turned_values
from cltorch.autograd.layers import lift
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.op import Call, Op
from cltorch.ops.turned import turns_between

__all__ = ["apply", "concerns", "function", "inplace", "pointwise", "pointwise_", "view", "views"]


def apply(op: type[Op], args: Sequence[Any]) -> Any:
    """Run a structured operator on values and tangents."""
    found = batches.composed(op, args)  # of operations that see the tangents themselves
    if found is not NotImplemented:
        return found
    level = top(args)
    ts = [tangent(a, level) for a in args]
    with below(level):
        # what a batch's rule copies of the factors needs tangents too, where gradients are recorded
        products = () if batch_levels.concerns(args) and recorded(args) else op.products
        if op.linear is not None or products:
            places = {i for i, t in enumerate(ts) if t is not None}
            linear = set(range(len(args))[op.linear] if isinstance(op.linear, slice) else op.linear or ())
            if places <= linear:
                out = record.apply(op, *args)
                return attached(out, level, listed(_linear(op, args, ts, linear)))
            if products and places <= {*products, op.offset} and places != {op.offset}:
                out = record.apply(op, *args)
                return attached(out, level, [_products(op, args, ts)])
        out, found = by_adjoint(lambda *xs: record.apply(op, *xs), args, ts, level)
        return attached(out, level, found)


def _linear(op: type[Op], args: Sequence[Any], ts: Sequence[Any], linear: set[int]) -> Any:
    zeros = Settings.functions.zeros_like
    moved = [
        (zeros(a) if t is None else t) if i in linear and isinstance(a, Array) else a
        for i, (a, t) in enumerate(zip(args, ts, strict=True))
    ]
    return record.apply(op, *moved)


def _products(op: type[Op], args: Sequence[Any], ts: Sequence[Any]) -> Any:
    """Return the sum of the operator on tangents in the place of each factor; what is added goes into the first."""
    total = None
    offset = None if op.offset is None else ts[op.offset]
    for i in op.products:
        if ts[i] is not None:
            term = list(args)
            term[i] = ts[i]
            if op.offset is not None:
                term[op.offset], offset = offset, None
            made = record.apply(op, *term)
            total = made if total is None else Settings.functions.add(total, made)
    return total


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table on values and tangents."""
    level = top(operands)
    ts = [tangent(x, level) for x in operands]
    with below(level):
        if row.vjp is not None and _any_complex((*operands, *ts)):  # the Jacobian of one element has four entries
            out, (t,) = by_adjoint(lambda *xs: record.pointwise(row, xs, params), operands, ts, level)
            attach(out, level, t)
            return out
        out = record.pointwise(row, operands, params)
        if out.dtype.differentiable and row.opaque is not None:
            if row.vjp is None or any(ts[i] is not None for i in row.opaque):
                raise NotImplementedError(
                    f"Trying to use forward AD with {row.name} that does not support it because it has not been "
                    "implemented yet."
                )
            attach(out, level, _row_tangent(row, operands, ts, out, params))
    remember([out])
    return out


def _any_complex(values: Sequence[Any]) -> bool:
    return any(x.dtype.is_complex if isinstance(x, Array) else isinstance(x, complex) for x in values)


def _row_tangent(row: Any, operands: Sequence[Any], ts: Sequence[Any], out: Any, params: Sequence[Any]) -> Any:
    functions = Settings.functions
    values = [*operands, out]
    arrays = [x for x in (*values, *ts) if isinstance(x, Array)]
    recording = mode.enabled and any(needs_grad(x) for x in arrays)
    if not recording and lift(arrays) is None:
        return row.tangent([t is not None for t in ts], ts, values, params, out.dtype)
    tensors = [
        x if isinstance(x, Array) else functions.scalar_tensor(x, dtype=out.dtype, device=out.device) for x in values
    ]
    total: Any = None
    for i, t in enumerate(ts):
        if t is not None:
            if t.dtype is not out.dtype:
                t = t.to(out.dtype)
            parts = row.vjp(functions, t, *tensors, *params)
            part = parts[i] if isinstance(parts, tuple) else parts
            total = part if total is None else functions.add(total, part)
    if total.lay.shape != out.lay.shape:
        total = functions.expand(total, out.lay.shape)
    return total if total.dtype is out.dtype else total.to(out.dtype)


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place: compute the result with its tangents, then copy it."""
    operands = [x, *rest]
    if recorded(operands):
        copy = Settings.functions.clone(x)  # which a gradient may need after the change
        operands = [copy if a is x else a for a in operands]
    found = record.pointwise(row, operands, params)
    if found.lay.shape != x.lay.shape or not dtypes.can_cast(found.dtype, x.dtype):
        row.into(x, [x, *rest], params)  # says what is wrong
    return Settings.functions.copy_(x, found)


def view(x: Any, layout: Any, name: str, adjoint: Callable[[Any, Any], Any], dtype: Any = None) -> Any:
    """Make a view of values and tangents."""
    level = top((x,))
    t = tangent(x, level)
    with below(level):
        out = record.view(x, layout, name, adjoint, dtype)
        if dtype is None:
            attach(out, level, _view_tangent(x, t, out, layout, name, adjoint))
        else:  # layouts of parts count in other units
            attach(out, level, _adjoint_tangent(out, t, adjoint))
    return out


def _moved(layout: Layout, step: int) -> Layout:
    return Layout.make(layout.shape, layout.strides, layout.offset + step)


def _view_tangent(x: Any, t: Any, out: Any, layout: Any, name: str, adjoint: Callable[[Any, Any], Any]) -> Any:
    mine, its = x.lay, t.lay
    if mine.key == its.key:
        found = record.view(t, _moved(layout, its.offset - mine.offset), name, adjoint)
        return found if mode.enabled else unrecorded(found)
    return _adjoint_tangent(out, t, adjoint)


def _adjoint_tangent(out: Any, t: Any, adjoint: Callable[[Any, Any], Any]) -> Any:
    recording = mode.enabled and needs_grad(t)
    with enable_grad():
        u = zeros_for(out)
        (found,) = grad([adjoint(Settings.functions, u)], [u], [t], create_graph=recording)
    return found if recording else unrecorded(found)


def views(x: Any, layouts: Sequence[Any], name: str, adjoint: Callable[[Any, list[Any]], Any]) -> tuple[Any, ...]:
    """Make several views of values and tangents."""
    level = top((x,))
    t = tangent(x, level)
    with below(level):
        outs = record.views(x, layouts, name, adjoint)
        if x.lay.key == t.lay.key:
            step = t.lay.offset - x.lay.offset
            ts: Sequence[Any] = record.views(t, [_moved(layout, step) for layout in layouts], name, adjoint)
        else:
            blank: list[Any] = [None] * len(outs)

            def nth(i: int) -> Callable[[Any, Any], Any]:
                return lambda m, u: adjoint(m, [*blank[:i], u, *blank[i + 1 :]])

            ts = [_adjoint_tangent(out, t, nth(i)) for i, out in enumerate(outs)]
        for out, found in zip(outs, ts, strict=True):
            attach(out, level, found)
    return outs


def inplace(x: Any, op: type[Op] | None, args: Sequence[Any], write: Callable[[], None]) -> Any:
    """Change a tensor in place, and its tangent with it."""
    level = top((x, *args))
    ts = [tangent(a, level) for a in args]
    with below(level):
        found = None
        if op is not None and x.dtype.differentiable:
            found = _inplace_tangent(x, op, args, ts)
        record.inplace(x, op, *args, write=write)
        _replace(x, level, found)
    return x


def _inplace_tangent(x: Any, op: type[Op], args: Sequence[Any], ts: Sequence[Any]) -> Any:
    functions = Settings.functions
    if op.linear is not None:  # such an operator is a subclass of the one that makes a new tensor
        places = set(range(len(args))[op.linear] if isinstance(op.linear, slice) else op.linear)
        return _linear(op.__mro__[1], args, ts, places)
    with enable_grad():
        call = Call([t is not None for t in ts])
        op.forward(call, *[a._detached(True) if isinstance(a, Array) else a for a in args])
        kept = [k._detached(True) if isinstance(k, Array) else k for k in call.kept]
        call.unpack = lambda: kept
        u = zeros_for(x)
        results = op.vjp(functions, call, u)
        results = results if isinstance(results, tuple) else (results,)
        pairs = [(g, t) for g, t in zip(results, ts, strict=False) if t is not None and g is not None]
        pairs = [(g, t.to(g.dtype)) for g, t in pairs if needs_grad(g)]
        if not pairs:
            return None
        create = any(needs_grad(t) for _, t in pairs)
        (found,) = grad([g for g, _ in pairs], [u], [t for _, t in pairs], create_graph=create, allow_unused=True)
    return found


def _replace(x: Any, level: int, t: Any) -> None:
    """Give a tensor that was just changed in place its new tangent; through a view, its base gets one too."""
    functions = Settings.functions
    base = base_of(x)
    if t is None:
        if x._tangents is None and (base is None or base._tangents is None):
            return
        t = functions.zeros_like(x._detached())
    if base is not None:
        before = tangent(base, level)
        if before is None:
            before = functions.zeros_like(base._detached())
        if base.dtype is not x.dtype:
            raise NotImplementedError("forward AD does not follow a change in place through a view of complex parts")
        seen = turned_values(t, turns_between(base, x))
        attach(base, level, functions.replace_in_layout(before, seen, base.lay, x.lay))
    attach(x, level, t)
