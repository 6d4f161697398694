"""Batches that a function does not see: what vmap makes of every operation.

A batched tensor looks like one slice of a tensor whose first dimension is the batch: it has the slice's layout, and
every view of it is the same view of all slices, for a layout only gains the batch's size and stride. Other operations
run on the whole tensor by a rule of ``RULES``, or slice after slice where there is none, which a warning says once.

Gradients are recorded for whole tensors, below the batch. Each level of batches has a number, larger for inner ones.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd import record
from cltorch.autograd.batch_levels import (
    OWN,
    aligned,
    concerns,
    expose,
    has_level,
    hide,
    level,
    level_of,
    outside,
    own_batches,
    state,
    top,
    wrap,
)
from cltorch.autograd.graph import Settings
from cltorch.autograd.layers import KINDS
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.op import Op

# rules of operators, put here by cltorch.functions.batch_rules: ``whole`` ones take and return tensors with the batch
# in front, given (op, size, args, batched); ``composed`` ones are made of functions on the batched tensors themselves
WHOLE: dict[type[Op], Callable[..., Any]] = {}
COMPOSED: dict[type[Op], Callable[..., Any]] = {}

_warned: set[str] = set()


def _wrapped(out: Any, number: int) -> Any:
    if isinstance(out, tuple):
        return tuple(wrap(r, number) if isinstance(r, Array) else r for r in out)
    return wrap(out, number) if isinstance(out, Array) else out


def _rule(rules: dict[type[Op], Callable[..., Any]], op: type[Op]) -> Any:
    return next((rules[c] for c in op.__mro__ if c in rules), None)


def has_rule(op: type[Op]) -> bool:
    """Return whether an operator takes batches as a whole."""
    return _rule(WHOLE, op) is not None or _rule(COMPOSED, op) is not None


def composed(op: type[Op], args: Sequence[Any]) -> Any:
    """Return what functions on the batched tensors make of an operator, NotImplemented where none are to be used."""
    rule = _rule(COMPOSED, op) if concerns(args) else None
    return NotImplemented if rule is None else rule(Settings.functions, op, *args)


def apply(op: type[Op], args: Sequence[Any]) -> Any:
    """Run a structured operator on batches."""
    found = composed(op, args)
    if found is not NotImplemented:
        return found
    number = top(args)
    batched = [level_of(a) == number for a in args]
    parts = [a._inner if b else a for a, b in zip(args, batched, strict=True)]
    size = next(p.lay.shape[0] for p, b in zip(parts, batched, strict=True) if b)
    whole = _rule(WHOLE, op)
    if whole is not None:
        found = whole(op, size, parts, batched)
        if found is not NotImplemented:
            return _wrapped(found, number)
    warn(op.name)
    return _wrapped(each(lambda *xs: record.apply(op, *xs), size, parts, batched), number)


def warn(name: str) -> None:
    """Say once for an operator that it runs slice after slice."""
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule for {name}: vmap "
            "computes the slices of a batch one after another",
            UserWarning,
            stacklevel=2,
        )


def each(run: Callable[..., Any], size: int, parts: Sequence[Any], batched: Sequence[bool]) -> Any:
    """Run something for every slice and stack the results."""
    if not size:
        raise NotImplementedError("vmap over a batch of size 0 needs a batching rule: there is no slice to try")
    m = Settings.functions
    rows = []
    for i in range(size):
        out = run(*(m.select(p, 0, i) if b else p for p, b in zip(parts, batched, strict=True)))
        rows.append(out if isinstance(out, tuple) else (out,))
    columns = [
        m.stack(list(column)) if isinstance(column[0], Array) else column[0] for column in zip(*rows, strict=True)
    ]
    return tuple(columns) if isinstance(out, tuple) else columns[0]


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table on batches."""
    number = top(operands)
    return wrap(record.pointwise(row, _operands(row, operands, number), params), number)


def _operands(row: Any, operands: Sequence[Any], number: int) -> list[Any]:
    """Return the operands with the batch in front, all of the slices' promoted dtype."""
    ndim = max(x.lay.ndim for x in operands if isinstance(x, Array))
    t = row.promoted(operands)
    found = []
    for i, x in enumerate(operands):
        if isinstance(x, Array):
            if x._batch == number:
                x = aligned(x._inner, ndim)
            if x.dtype is not t and i not in row.masks and x.lay.ndim:
                x = x.to(t)
        found.append(x)
    return found


def _need_batch(x: Any, number: int, others: Sequence[Any]) -> None:
    if x._batch != number:
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
            "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but `self` "
            "not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace arithmetic."
        )


def pointwise_(row: Any, x: Any, rest: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row in place on batches."""
    number = top((x, *rest))
    _need_batch(x, number, rest)
    ndim = x.lay.ndim
    parts = [aligned(y._inner, ndim) if level_of(y) == number else y for y in rest]
    record.pointwise_(row, x._inner, parts, params)
    return x


def _lifted(layout: Layout, inner: Layout, units: tuple[int, int] = (1, 1)) -> Layout:
    step = inner.strides[0] * units[0] // units[1]
    return Layout.make((inner.shape[0], *layout.shape), (step, *layout.strides), layout.offset)


def view(x: Any, layout: Layout, name: str, adjoint: Callable[[Any, Any], Any], dtype: Any = None) -> Any:
    """Make the same view of every slice."""
    inner = x._inner
    size = inner.lay.shape[0]

    def back(m: Any, g: Any) -> Any:
        with level(size) as number:
            return expose(adjoint(m, hide(g, number)), number, size)

    units = (1, 1) if dtype is None else (x.dtype.itemsize, dtype.itemsize)
    return _part_of(x, record.view(inner, _lifted(layout, inner.lay, units), name, back, dtype))


def _part_of(x: Any, inner: Any) -> Any:
    out = wrap(inner, x._batch)
    out._whole = x if x._whole is None else x._whole
    return out


def views(x: Any, layouts: Sequence[Layout], name: str, adjoint: Callable[[Any, list[Any]], Any]) -> tuple[Any, ...]:
    """Make the same views of every slice."""
    inner = x._inner
    size = inner.lay.shape[0]

    def back(m: Any, gs: list[Any]) -> Any:
        with level(size) as number:
            return expose(adjoint(m, [None if g is None else hide(g, number) for g in gs]), number, size)

    made = record.views(inner, [_lifted(layout, inner.lay) for layout in layouts], name, back)
    return tuple(_part_of(x, y) for y in made)


def inplace(x: Any, op: type[Op] | None, args: Sequence[Any], write: Callable[[], None]) -> Any:
    """Change a batch in place: by the operator that makes a new tensor, whose result is copied."""
    number = top((x, *args))
    _need_batch(x, number, args)
    m = Settings.functions
    if op is None or op.name not in ("copy", "fill", "zero"):
        if op is None or op.linear is None:
            raise NotImplementedError("vmap: this change in place has no batching rule")
        # such an operator is a subclass of the one that makes a new tensor
        return m.copy_(x, record.apply(op.__mro__[1], *args))
    if op.name == "copy":
        src = args[1]
        m.copy_(x._inner, aligned(src._inner, x.lay.ndim) if src._batch == number else src)
    else:
        m.fill_(x._inner, args[1])
    return x


def below_batches(
    run: Any, outs: Sequence[Any], ins: Sequence[Any], grads: Sequence[Any], keep: bool, create: bool, unused: bool,
    zeros: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """Return gradients at batches: gradients are recorded for the whole tensors of the innermost level."""
    number = max(x._batch for x in (*outs, *ins))
    size = next(x._inner.lay.shape[0] for x in (*outs, *ins) if x._batch == number)
    m = Settings.functions
    filled = [m.ones_like(o) if g is None and o.lay.numel == 1 else g for o, g in zip(outs, grads, strict=True)]
    vs = [g if g is None or o._batch != number else expose(g, number, size) for o, g in zip(outs, filled, strict=True)]
    found = run(
        [o._inner if o._batch == number else o for o in outs], [x._inner if x._batch == number else x for x in ins], vs,
        keep, create, True, unused, False, zeros,
    )  # fmt: skip
    return tuple(g if g is None or x._batch != number else hide(g, number) for g, x in zip(found, ins, strict=True))


def for_batches(
    run: Any, outs: Sequence[Any], ins: Sequence[Any], grads: Sequence[Any], keep: bool, create: bool, unused: bool,
    zeros: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """Return the gradients for each of a batch of vectors, stacked."""
    size = next(g.lay.shape[0] for g in grads if g is not None)
    with level(size, OWN) as number:
        vs = [None if g is None else hide(g, number) for g in grads]
        found = run(outs, ins, vs, keep, create, True, unused, False, zeros)
        return tuple(None if g is None else expose(g, number, size) for g in found)


def function(cls: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    """Run a user's Function on batches, by the rule that it brings or that is made of its own functions."""
    number = top(args)
    batched = [level_of(a) == number for a in args]
    if not cls.generate_vmap_rule and own_batches() and cls.setup_context is Settings.function.setup_context:
        return cls._recorded(args, kw)[0]
    own = cls.vmap is not Settings.function.vmap
    if cls.generate_vmap_rule and own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid "
            "ambiguity."
        )
    if not cls.generate_vmap_rule and not own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement "
            "the vmap staticmethod or set generate_vmap_rule=True."
        )
    taken = [k for k, v in kw.items() if isinstance(v, Array)]
    if taken:
        raise NotImplementedError(
            "Run vmap on autograd.Function with kwarg-only Tensor args. Please do not pass kwarg-only Tensors to "
            f"autograd.Function. Got: {', '.join(taken)}"
        )
    parts = [a._inner if b else a for a, b in zip(args, batched, strict=True)]
    size, randomness = next(
        ((s, r) for n, s, r in state.levels if n == number),
        (next(p.lay.shape[0] for p, b in zip(parts, batched, strict=True) if b), "error"),
    )
    if own:
        with outside(number):
            info = Settings.vmap_info(size, randomness)
            dims = tuple(_each(lambda a: a._dim if level_of(a) == number else None, a) for a in args)

            def whole(a: Any) -> Any:
                return a if level_of(a) != number else Settings.functions.movedim(a._inner, 0, a._dim)

            returned = cls.vmap(info, dims, *(_each(whole, a) for a in args))
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise RuntimeError(
                "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure "
                f"compatible with the output. Got a {type(returned)} instead"
            )
        m = Settings.functions

        def placed(r: Any, d: Any) -> Any:
            if isinstance(d, (list, tuple)):
                if type(r) is not type(d) or len(r) != len(d):
                    raise RuntimeError(
                        "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. "
                        f"Expected out_dims={d} to be compatible with the structure of `output`. out_dims has {len(d)} "
                        f"places but output is a {type(r).__name__}. For more details, please see "
                        "https://pytorch.org/docs/main/notes/extending.func.html"
                    )
                return type(d)(placed(x, k) for x, k in zip(r, d, strict=True))
            if isinstance(r, (list, tuple)):
                return type(r)(placed(x, d) for x in r)
            return r if d is None or not isinstance(r, Array) else wrap(m.movedim(r, d, 0), number)

        return placed(*returned)
    return _wrapped(_generated(cls, size, batched).apply(*parts), number)


def _each(fn: Callable[[Any], Any], x: Any) -> Any:
    """Return what a function makes of a value, of those in lists and tuples one by one."""
    return type(x)(_each(fn, y) for y in x) if type(x) in (list, tuple) else fn(x)


def _generated(cls: Any, size: int, batched: Sequence[bool]) -> Any:
    """Return the Function on whole batches that runs a Function's own functions on batched tensors."""

    def forward(ctx: Any, *args: Any) -> Any:
        with level(size) as number:
            given = [hide(a, number) if b else a for a, b in zip(args, batched, strict=True)]
            out, inner = cls._unrecorded(tuple(given), {}, tuple(ctx.needs_input_grad))
            kept = inner._to_save
            ctx.inner = inner
            ctx.places = [isinstance(t, Array) and has_level(t, number) for t in kept]
            ctx.save_for_backward(*(expose(t, number, size) if p else t for t, p in zip(kept, ctx.places, strict=True)))
            shapes = [a.lay.shape if isinstance(a, Array) else None for a in given]
            ctx.shapes = shapes
            if isinstance(out, tuple):
                return tuple(expose(r, number, size) if isinstance(r, Array) else r for r in out)
            return expose(out, number, size)

    def backward(ctx: Any, *grads: Any) -> Any:
        saved = ctx.saved_tensors
        with level(size) as number:
            inner = ctx.inner
            inner._saved = [hide(t, number) if p else t for t, p in zip(saved, ctx.places, strict=True)]
            fn = cls.backward if cls.backward is not Settings.function.backward else cls.vjp
            found = fn(inner, *(None if g is None else hide(g, number) for g in grads))
            inner._saved = []
            found = found if isinstance(found, tuple) else (found,)
            out = []
            for g, b, shape in zip(found, batched, ctx.shapes, strict=False):
                if g is not None:
                    g = Settings.functions.sum_to_size(g, shape) if g.lay.shape != shape else g
                    g = expose(g, number, size)
                    g = g if b else Settings.functions.sum(g, 0)
                out.append(g)
            return tuple(out)

    return type(
        cls.__name__, (Settings.function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    )


KINDS.append(sys.modules[__name__])
