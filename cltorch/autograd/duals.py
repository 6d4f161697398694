"""Forward-mode derivatives: tensors that carry tangents, and what each kind of operation makes of them.

No operator has a rule of its own for this. A pointwise row's tangent is its derivative's formula at the tangent: its
Jacobian is diagonal. Where an operator says that it is linear, the tangent goes through it; every other one's is the
derivative of ``vjp``, which is linear in the gradient handed in, with respect to that gradient (J. Townsend, A new
trick for calculating Jacobian vector products, 2017).

Each level of derivatives has a number, larger for inner ones. An operation takes the innermost level first: what it
computes then with the values and with the tangents is seen by the outer levels alone.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cltorch import dtypes
from cltorch.autograd import batches, record
from cltorch.autograd.batches import bare, expose, room
from cltorch.autograd.engine import grad
from cltorch.autograd.grad_mode import enable_grad, mode
from cltorch.autograd.graph import Saved, Settings, needs_grad, turned_values
from cltorch.autograd.layers import KINDS, active, lift
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.op import Call, Op
from cltorch.ops.turned import turns_between

_numbers = itertools.count(1)


class _State(threading.local):
    levels: tuple[int, ...] = ()  # those that operations see, the innermost last
    enabled = True


state = _State()


def enter() -> int:
    """Begin a level inside those that are there; return its number."""
    level = next(_numbers)
    state.levels = (*state.levels, level)
    active.append(level)
    return level


def leave(level: int) -> None:
    """End the innermost level: no tensor has a tangent there any more."""
    state.levels = state.levels[:-1]
    active.remove(level)


@contextmanager
def below(level: int) -> Iterator[None]:
    """Let operations see only what is outside a level."""
    before = state.levels
    state.levels = tuple(k for k in before if k < level)
    try:
        yield
    finally:
        state.levels = before


def _base_of(x: Any) -> Any:
    return x._whole if x._batch else x._base


def _apart(base: Layout, part: Layout) -> tuple[Layout, Layout]:
    """Return the layouts of a base and its view where the slices of an expanded batch, in front, do not share places.

    Their values are the same, their tangents need not be.
    """
    n = 0
    for size, other, step, its in zip(base.shape, part.shape, base.strides, part.strides, strict=False):
        if size != other or (size > 1 and (step or its)):
            break
        n += 1
    if not n:
        return base, part
    steps = [base.extent() - base.offset]
    for size in base.shape[n - 1 : 0 : -1]:
        steps.insert(0, steps[0] * size)
    lifted = (Layout.make(lay.shape, (*steps, *lay.strides[n:]), lay.offset - base.offset) for lay in (base, part))
    return next(lifted), next(lifted)


def tangents(x: Any) -> dict[int, Any] | None:
    """Return a tensor's tangents by level; a view follows what was done to its base in place."""
    base = _base_of(x)
    if base is not None and x._tangent_version != x._storage.version and base._tangents is not None:
        whole, part = _apart(base.layout, x.layout)
        gather = Settings.functions.gather_from_layout
        how = turns_between(base, x)
        x._tangents = {k: turned_values(gather(t, whole, part), how) for k, t in base._tangents.items()}
        x._tangent_version = x._storage.version
    found: dict[int, Any] | None = x._tangents
    return found


def tangent(x: Any, level: int) -> Any:
    """Return the tangent of a value at a level, or None."""
    if not isinstance(x, Array) or not state.enabled:
        return None
    found: Any = tangents(x)
    return None if found is None else found.get(level)


def top(values: Sequence[Any]) -> int:
    """Return the innermost level that operations see and at which a value has a tangent, or 0."""
    levels = state.levels
    best = 0
    if levels and state.enabled:
        for x in values:
            if isinstance(x, Array):
                found = tangents(x)
                if found is not None:
                    for k in found:
                        if k > best and k in levels:
                            best = k
    return best


def attach(y: Any, level: int, t: Any) -> None:
    """Give a tensor its tangent at a level."""
    if t._tangents is not None and any(k >= level for k in t._tangents):
        outer = {k: v for k, v in t._tangents.items() if k < level}
        t = Settings.functions.view_as(t, t)
        t._tangents = outer or None
    y._tangents = {**(y._tangents or {}), level: t}
    y._tangent_version = y._storage.version
    if y._batch:  # gradients are recorded for the whole tensor: what is kept for them needs the tangent too
        attach(y._inner, level, expose(t, y._batch, y._inner.layout.shape[0]))


def paired(x: Any, t: Any, level: int) -> Any:
    """Return a view of a tensor that has a tangent at a level, in its own dtype; raise where the two do not fit."""
    if x.layout.shape != t.layout.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(x.shape)} while the given forward gradient is of size {list(t.shape)}."
        )
    if tangent(t, level) is not None:
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level 0 is not supported."
        )
    if x.device is not t.device:
        raise RuntimeError(f"Expected tangent to lie on the device of the primal, {x.device}, but got {t.device}")
    with below(level):
        t = t if t.dtype is x.dtype else t.to(x.dtype)
        out = _alone(Settings.functions.view_as(x, x))
        attach(out, level, t)
    return out


def _alone(x: Any) -> Any:
    """Let a view be none of its base's tangents: what is done to one in place is not done to the other's."""
    if x._batch:
        x._whole = None
    else:
        x._base = None
    return x


def unpaired(x: Any, level: int) -> tuple[Any, Any]:
    """Return the value and the tangent of a tensor at a level."""
    t = tangent(x, level)
    if t is None:
        return x, None
    with below(level):
        return _alone(Settings.functions.view_as(x, x)), t


def _remember(results: Sequence[Any]) -> None:
    """Give the tangents also to what the results' own nodes have kept of them."""
    for r in results:
        if not isinstance(r, Array):
            continue
        r = bare(r)
        node = r._grad_fn
        if node is not None and r._tangents is not None:
            for kept in getattr(node, "_saved", None) or getattr(node, "_values", None) or ():
                if kept.__class__ is Saved and kept._node is True and kept._nr == r._output_nr:
                    kept.with_tangents(r._tangents)


def concerns(values: Sequence[Any]) -> bool:
    """Return whether some value has a tangent that operations see."""
    return bool(state.levels) and top(values) > 0


# ---- the operations of ``record`` -----------------------------------------------------------------------------------
def apply(op: type[Op], args: Sequence[Any]) -> Any:
    """Run a structured operator on values and tangents."""
    found = batches.composed(op, args)  # of operations that see the tangents themselves
    if found is not NotImplemented:
        return found
    level = top(args)
    ts = [tangent(a, level) for a in args]
    with below(level):
        # what a batch's rule copies of the factors needs tangents too, where gradients are recorded
        products = () if batches.concerns(args) and _recorded(args) else op.products
        if op.linear is not None or products:
            places = {i for i, t in enumerate(ts) if t is not None}
            linear = set(range(len(args))[op.linear] if isinstance(op.linear, slice) else op.linear or ())
            if places <= linear:
                out = record.apply(op, *args)
                return _attached(out, level, _listed(_linear(op, args, ts, linear)))
            if products and places <= {*products, op.offset} and places != {op.offset}:
                out = record.apply(op, *args)
                return _attached(out, level, [_products(op, args, ts)])
        out, found = _by_adjoint(lambda *xs: record.apply(op, *xs), args, ts, level)
        return _attached(out, level, found)


def _listed(out: Any) -> list[Any]:
    return list(out) if isinstance(out, tuple) else [out]


def _attached(out: Any, level: int, found: Sequence[Any]) -> Any:
    results = _listed(out)
    for r, t in zip(results, found, strict=True):
        if t is not None and isinstance(r, Array) and r.dtype.differentiable:
            attach(r, level, t)
    _remember(results)
    return out


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


def _by_adjoint(run: Callable[..., Any], args: Sequence[Any], ts: Sequence[Any], level: int) -> tuple[Any, list[Any]]:
    """Run an operation; return its result and the tangents of all results, by differentiating its gradient."""
    recording = mode.enabled
    keep = _recorded(args)
    hooks, mode.saved_hooks = mode.saved_hooks, ()
    try:
        with enable_grad():
            fresh = [a if t is None else _fresh(a, recording) for a, t in zip(args, ts, strict=True)]
            ends = [bare(x)._grad_fn for x in fresh if isinstance(x, Array)]
            since = max((node.seq for node in ends if node is not None), default=0)
            out = run(*fresh)
            results = _listed(out)
            create = keep or (recording and any(t is not None and needs_grad(t) for t in ts))
            found = _transposed(results, fresh, ts, create)
            copies = _kept_copies(results, since, level) if keep else []
            moved = [_transposed([k], fresh, ts, create)[0] for k in copies]
    finally:
        mode.saved_hooks = hooks
    for kept, t in zip(copies, moved, strict=True):
        if t is not None:
            attach(kept, level, t)
    if not create:
        found = [_unrecorded(t) for t in found]
    if not keep:
        results = [r._detached(True) if isinstance(r, Array) else r for r in results]
        out = tuple(results) if isinstance(out, tuple) else results[0]
    return out, found


def _recorded(values: Sequence[Any]) -> bool:
    """Return whether what is computed of values becomes part of the graph."""
    return mode.enabled and any(isinstance(x, Array) and needs_grad(x) for x in values)


def _unrecorded(t: Any) -> Any:
    """Return a tangent outside of the graph, of which it still is where it went through something unchanged."""
    return t._detached(True) if isinstance(t, Array) and needs_grad(t) else t


def _kept_copies(results: Sequence[Any], since: int, level: int) -> list[Any]:
    """Return what nodes have kept of operands that were moved or copied on the way, as rules for batches do."""
    found: list[Any] = []
    stack, seen = [bare(r)._grad_fn for r in results if isinstance(r, Array)], set()
    while stack:
        node = stack.pop()
        if node is None or node.seq <= since or node in seen:
            continue
        seen.add(node)
        stack.extend(e[0] for e in node.edges if e is not None)
        for s in getattr(node, "_saved", None) or getattr(node, "_values", None) or ():
            t = s._tensor if s.__class__ is Saved and s._hooks is None and s._node is None else None
            if t is not None and needs_grad(t) and t._grad_fn is not None and t._grad_fn.seq > since:
                shared = t._base is not None and 0 in t._base.layout.strides  # places that slices may share
                if (shared or level not in (tangents(t) or ())) and not any(t is k for k in found):
                    found.append(t)
    return found


def _transposed(results: Sequence[Any], fresh: Sequence[Any], ts: Sequence[Any], create: bool) -> list[Any]:
    """Return the tangents of results: the derivatives by u of what u becomes at the operands."""
    tracked = [i for i, r in enumerate(results) if isinstance(r, Array) and needs_grad(r)]
    us = [_zeros(results[i]) for i in tracked]
    wanted = [(x, t) for x, t in zip(fresh, ts, strict=True) if t is not None]
    found: list[Any] = [None] * len(results)
    if not us or not wanted:
        return found
    gs = grad([results[i] for i in tracked], [x for x, _ in wanted], us, create_graph=True, allow_unused=True)
    pairs = [(g, t) for g, (_, t) in zip(gs, wanted, strict=True) if g is not None and needs_grad(g)]
    if pairs:
        back = [t if t.dtype is g.dtype else t.to(g.dtype) for g, t in pairs]
        for i, t in zip(
            tracked, grad([g for g, _ in pairs], us, back, create_graph=create, allow_unused=True), strict=True
        ):
            found[i] = t
    return found


def _zeros(y: Any) -> Any:
    """Return what is handed back for a result: zeros, under vmap for every slice its own, to differentiate by."""
    return room(Settings.functions.zeros_like(y._detached()), [y])._detached()._asking()


def _fresh(x: Any, recording: bool) -> Any:
    """Return the same values as a tensor that gradients can be asked for, part of the graph where that is recorded."""
    if recording and needs_grad(x):
        return Settings.functions.view_as(x, x)
    made = x._detached(True)
    return made._asking() if x.dtype.differentiable else made


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table on values and tangents."""
    level = top(operands)
    ts = [tangent(x, level) for x in operands]
    with below(level):
        if row.vjp is not None and _any_complex((*operands, *ts)):  # the Jacobian of one element has four entries
            out, (t,) = _by_adjoint(lambda *xs: record.pointwise(row, xs, params), operands, ts, level)
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
    _remember([out])
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
    if total.layout.shape != out.layout.shape:
        total = functions.expand(total, out.layout.shape)
    return total if total.dtype is out.dtype else total.to(out.dtype)


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place: compute the result with its tangents, then copy it."""
    operands = [x, *rest]
    if _recorded(operands):
        copy = Settings.functions.clone(x)  # which a gradient may need after the change
        operands = [copy if a is x else a for a in operands]
    found = record.pointwise(row, operands, params)
    if found.layout.shape != x.layout.shape or not dtypes.can_cast(found.dtype, x.dtype):
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
    mine, its = x.layout, t.layout
    if mine.key == its.key:
        found = record.view(t, _moved(layout, its.offset - mine.offset), name, adjoint)
        return found if mode.enabled else _unrecorded(found)
    return _adjoint_tangent(out, t, adjoint)


def _adjoint_tangent(out: Any, t: Any, adjoint: Callable[[Any, Any], Any]) -> Any:
    recording = mode.enabled and needs_grad(t)
    with enable_grad():
        u = _zeros(out)
        (found,) = grad([adjoint(Settings.functions, u)], [u], [t], create_graph=recording)
    return found if recording else _unrecorded(found)


def views(x: Any, layouts: Sequence[Any], name: str, adjoint: Callable[[Any, list[Any]], Any]) -> tuple[Any, ...]:
    """Make several views of values and tangents."""
    level = top((x,))
    t = tangent(x, level)
    with below(level):
        outs = record.views(x, layouts, name, adjoint)
        if x.layout.key == t.layout.key:
            step = t.layout.offset - x.layout.offset
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
        u = _zeros(x)
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
    base = _base_of(x)
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
        attach(base, level, functions.replace_in_layout(before, seen, base.layout, x.layout))
    attach(x, level, t)


def _of_batches(cls: Any, args: Sequence[Any], kw: dict[str, Any]) -> tuple[Any, Any]:
    """Run a user's Function on batches; return the result by its rule for them, and a context for its ``jvp``."""
    out = cls.apply(*args, **kw)
    twin, ctx = cls._unrecorded(args, kw, [isinstance(a, Array) and needs_grad(a) for a in args])
    if ctx._dirty:
        raise RuntimeError(f"{cls.__name__} changes its input in place, which forward AD does not follow under vmap")
    same = {id(t): r for t, r in zip(_listed(twin), _listed(out), strict=True)}
    ctx._forward = tuple(same.get(id(x), x) for x in ctx._forward)
    ctx.marked = tuple(i for i, r in enumerate(_listed(twin)) if any(r is x for x in ctx._outside))
    return out, ctx


def _check_alias(r: Any, t: Any, args: Sequence[Any], ts: Sequence[Any], versions: Sequence[int]) -> None:
    """Raise RuntimeError where a result is an input, or a view of one, and its tangent is not so of that's tangent."""
    if not isinstance(r, Array) or t is None:
        return
    for a, of, version in zip(args, ts, versions, strict=True):
        if not isinstance(a, Array) or of is None:
            continue
        if a is r:
            if t is not of or t._storage.version == version:
                raise RuntimeError(
                    "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is "
                    "modifying an input inplace, then the jvp function must modify the corresponding gradient inplace."
                )
            return
        if r._base is not None and r._base is (a if a._base is None else a._base):
            if t._base is None:
                raise RuntimeError(
                    "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning "
                    "a view."
                )
            if t._base is not (of if of._base is None else of._base):
                whose = "the given grad input" if of._base is None else "the same base as the given grad input"
                raise RuntimeError(
                    f"A custom Function is returning a view but the jvp is not returning a view of {whose}."
                )
            return


def function(cls: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    """Run a user's Function, and its ``jvp`` on the tangents."""
    level = top(args)
    ts = [tangent(a, level) for a in args]
    with below(level):
        if any(isinstance(a, Array) and a._batch for a in args):
            out, ctx = _of_batches(cls, args, kw)
        else:
            out, ctx = cls._recorded(args, kw)
        if ctx._materialize:
            zeros = Settings.functions.zeros_like
            ts = [
                zeros(a._detached()) if t is None and isinstance(a, Array) and a.dtype.differentiable else t
                for a, t in zip(args, ts, strict=True)
            ]
        ctx._pushing = True
        versions = [0 if t is None else t._storage.version for t in ts]
        try:
            found = cls.jvp(ctx, *ts)
        finally:
            ctx._pushing = False
            ctx._forward = ()
        results, found = _listed(out), list(found) if isinstance(found, (tuple, list)) else [found]
        if len(results) != len(found):
            raise RuntimeError(
                f"{cls.__name__}.jvp returned an incorrect number of gradients (expected {len(results)}, got "
                f"{len(found)})"
            )
        for i, (r, t) in enumerate(zip(results, found, strict=True)):
            if isinstance(r, Array) and t is not None and i in ctx.marked:
                raise RuntimeError(
                    f"Function's jvp returned a gradient at position {i}, but  the corresponding forward output is not "
                    "a differentiable Tensor.You should return None at that position instead."
                )
            _check_alias(r, t, args, ts, versions)
            if isinstance(r, Array) and t is not None and t.layout.shape != r.layout.shape:
                raise RuntimeError(
                    f"{cls.__name__}.jvp returned a tangent of shape {list(t.shape)} for a result of shape "
                    f"{list(r.shape)}"
                )
        return _attached(out, level, found)


KINDS.insert(0, sys.modules[__name__])
