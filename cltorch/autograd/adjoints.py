"""Tangents of results by differentiating an operation's gradient, which is linear in the one handed in.

J. Townsend, A new trick for calculating Jacobian vector products, 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.batch_levels import bare, room
from cltorch.autograd.dual_levels import attach, listed, tangents
from cltorch.autograd.grad_mode import enable_grad, mode
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings, needs_grad
from cltorch.autograd.saved import Saved
from cltorch.ops.array import Array


def by_adjoint(run: Callable[..., Any], args: Sequence[Any], ts: Sequence[Any], level: int) -> tuple[Any, list[Any]]:
    """Run an operation; return its result and the tangents of all results, by differentiating its gradient."""
    recording = mode.enabled
    keep = recorded(args)
    hooks, mode.saved_hooks = mode.saved_hooks, ()
    try:
        with enable_grad():
            fresh = [a if t is None else _fresh(a, recording) for a, t in zip(args, ts, strict=True)]
            ends = [bare(x)._grad_fn for x in fresh if isinstance(x, Array)]
            since = max((node.seq for node in ends if node is not None), default=0)
            out = run(*fresh)
            results = listed(out)
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
        found = [unrecorded(t) for t in found]
    if not keep:
        results = [r._detached(True) if isinstance(r, Array) else r for r in results]
        out = tuple(results) if isinstance(out, tuple) else results[0]
    return out, found


def recorded(values: Sequence[Any]) -> bool:
    """Return whether what is computed of values becomes part of the graph."""
    return mode.enabled and any(isinstance(x, Array) and needs_grad(x) for x in values)


def unrecorded(t: Any) -> Any:
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
                shared = t._base is not None and 0 in t._base.lay.strides  # places that slices may share
                if (shared or level not in (tangents(t) or ())) and not any(t is k for k in found):
                    found.append(t)
    return found


def _transposed(results: Sequence[Any], fresh: Sequence[Any], ts: Sequence[Any], create: bool) -> list[Any]:
    """Return the tangents of results: the derivatives by u of what u becomes at the operands."""
    tracked = [i for i, r in enumerate(results) if isinstance(r, Array) and needs_grad(r)]
    us = [zeros_for(results[i]) for i in tracked]
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


def zeros_for(y: Any) -> Any:
    """Return what is handed back for a result: zeros, under vmap for every slice its own, to differentiate by."""
    return room(Settings.functions.zeros_like(y._detached()), [y])._detached()._asking()


def _fresh(x: Any, recording: bool) -> Any:
    """Return the same values as a tensor that gradients can be asked for, part of the graph where that is recorded."""
    if recording and needs_grad(x):
        return Settings.functions.view_as(x, x)
    made = x._detached(True)
    return made._asking() if x.dtype.differentiable else made
