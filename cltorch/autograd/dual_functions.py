"""A program's own Function on tensors that carry tangents: its ``jvp`` makes the results' ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.dual_levels import attached, below, listed, tangent, top
from cltorch.autograd.graph import Settings, needs_grad
from cltorch.ops.array import Array


def _of_batches(cls: Any, args: Sequence[Any], kw: dict[str, Any]) -> tuple[Any, Any]:
    """Run a user's Function on batches; return the result by its rule for them, and a context for its ``jvp``."""
    out = cls.apply(*args, **kw)
    twin, ctx = cls._unrecorded(args, kw, [isinstance(a, Array) and needs_grad(a) for a in args])
    if ctx._dirty:
        raise RuntimeError(f"{cls.__name__} changes its input in place, which forward AD does not follow under vmap")
    same = {id(t): r for t, r in zip(listed(twin), listed(out), strict=True)}
    ctx._forward = tuple(same.get(id(x), x) for x in ctx._forward)
    ctx.marked = tuple(i for i, r in enumerate(listed(twin)) if any(r is x for x in ctx._outside))
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
        results, found = listed(out), list(found) if isinstance(found, (tuple, list)) else [found]
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
            if isinstance(r, Array) and t is not None and t.lay.shape != r.lay.shape:
                raise RuntimeError(
                    f"{cls.__name__}.jvp returned a tangent of shape {list(t.shape)} for a result of shape "
                    f"{list(r.shape)}"
                )
        return attached(out, level, found)
