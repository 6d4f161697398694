"""Tangents: the levels of forward-mode derivatives, and the tensors that carry a tangent at some of them.

Each level of derivatives has a number, larger for inner ones. An operation takes the innermost level first: what it
computes then with the values and with the tangents is seen by the outer levels alone.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cltorch.autograd.batch_levels import bare, expose
from cltorch.autograd.graph import Settings, turned_values
from cltorch.autograd.layers import active
from cltorch.autograd.saved import Saved
from cltorch.autograd.threads import carried
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.turned import turns_between

_numbers = itertools.count(1)


class _State(threading.local):
    levels: tuple[int, ...] = ()  # those that operations see, the innermost last
    enabled = True


state = carried(_State())


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


def base_of(x: Any) -> Any:
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
    base = base_of(x)
    if base is not None and x._tangent_version != x._storage.version and base._tangents is not None:
        whole, part = _apart(base.lay, x.lay)
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
        attach(y._inner, level, expose(t, y._batch, y._inner.lay.shape[0]))


def paired(x: Any, t: Any, level: int) -> Any:
    """Return a view of a tensor that has a tangent at a level, in its own dtype; raise where the two do not fit."""
    if x.lay.shape != t.lay.shape:
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


def remember(results: Sequence[Any]) -> None:
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


def listed(out: Any) -> list[Any]:
    return list(out) if isinstance(out, tuple) else [out]


def attached(out: Any, level: int, found: Sequence[Any]) -> Any:
    results = listed(out)
    for r, t in zip(results, found, strict=True):
        if t is not None and isinstance(r, Array) and r.dtype.differentiable:
            attach(r, level, t)
    remember(results)
    return out
