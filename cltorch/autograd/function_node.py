"""What a call of a program's own Function leaves in the graph: its context, and the node that runs ``backward``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import torch_function
from cltorch.autograd.graph import (
    AccumulateGrad,
    Node,
    Settings,
    edge_of,
)
from cltorch.autograd.saved import Saved
from cltorch.ops.array import Array


class FunctionCtx:
    """Carry values from ``forward`` to ``backward``.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * g
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(Square.apply(x), x)
    (tensor(6.),)
    """

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._outside: tuple[Any, ...] = ()
        self._materialize = True
        self._materialize_non_diff_grads = True
        self._saved: list[Any] = []
        self._node: Any = None
        self._forward: tuple[Any, ...] = ()
        self._pushing = False
        self._once: tuple[Any, ...] | None = None  # where tensors are handed out once: not empty until they are
        self._is_pure_view = False
        self.marked: tuple[int, ...] = ()  # the results that are said to have no gradient
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for ``backward``, checked against changes in place."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for ``jvp``."""
        for x in tensors:
            if x is not None and not isinstance(x, Array):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )
        self._forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs ``forward`` changed in place; they must be returned."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs carry no gradient."""
        self._outside = args

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether missing gradients arrive as zeros (the default) or None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """Return the kept tensors; raise RuntimeError if one was changed in place or freed."""
        if self._pushing:
            return self._forward
        if self._once is not None:
            found, self._once = self._once, ()
            if not found and self._saved:
                raise RuntimeError(
                    "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the "
                    "autograd.Function. Either access saved_tensors only once, or set "
                    "clear_saved_tensors_on_access=False."
                )
            kept = tuple(s.unpack(self._node) if isinstance(s, Saved) else s for s in self._saved)
            for s in self._saved:
                if isinstance(s, Saved):
                    s.release()
            return kept
        return tuple(s.unpack(self._node) if isinstance(s, Saved) else s for s in self._saved)

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """Return the kept tensors; deprecated."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors


class _Nothing(Saved):
    """Stand where None was kept."""

    def __init__(self) -> None:
        pass

    def register_hooks(self, *hooks: Callable[[Any], Any]) -> None:
        """Raise RuntimeError."""
        raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")


class FunctionNode(Node):
    """A recorded call of a user's Function; what the user put on ``ctx`` can be read from it."""

    __slots__ = ("_cls", "_ctx", "_positions", "_inputs", "_metas")
    takes_none = True
    named_in = "cltorch.autograd.function"

    def __init__(
        self, cls: Any, ctx: FunctionCtx, args: Sequence[Any], needs: Sequence[bool], results: Sequence[Any]
    ) -> None:
        self._positions = [i for i, a in enumerate(args) if isinstance(a, Array)]
        super().__init__([edge_of(args[i]) if needs[i] else None for i in self._positions], len(results))
        self._cls, self._ctx = cls, ctx
        # not by the properties, of which a subclass may be asked
        self._inputs = [(a.lay.shape, a.dtype, a._storage.device) if isinstance(a, Array) else None for a in args]
        self._metas = [(r.lay.shape, r.dtype, r._storage.device) if isinstance(r, Array) else None for r in results]

    def __getattr__(self, name: str) -> Any:
        ctx = self._ctx
        if name == "saved_tensors":
            return tuple(s.unpack(self) if isinstance(s, Saved) else s for s in ctx._saved)
        if name == "_raw_saved_tensors":
            for s in ctx._saved:
                if isinstance(s, Saved):
                    s.unpack(self)  # which says so where it was freed
            return tuple(s if isinstance(s, Saved) else _Nothing() for s in ctx._saved)
        return getattr(ctx, name)

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        ctx, functions, cls = self._ctx, Settings.functions, self._cls
        if ctx._materialize:
            grads = [
                functions.zeros(meta[0], dtype=meta[1], device=meta[2]) if g is None and meta is not None else g
                for g, meta in zip(grads, self._metas, strict=True)
            ]
        if cls.backward is not Settings.function.backward and cls.vjp is not Settings.function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only "
                "implement one of them."
            )
        fn = cls.backward if cls.backward is not Settings.function.backward else cls.vjp
        ctx._node = self
        ctx._once = (True,) if cls.clear_saved_tensors_on_access else None
        try:
            if torch_function.on[0]:
                with torch_function.loud():
                    results = fn(ctx, *grads)
            else:
                results = fn(ctx, *grads)
        finally:
            ctx._node = None
        results = results if isinstance(results, tuple) else (results,)
        count = len(self._inputs)
        while len(results) > count and results[-1] is None:
            results = results[:-1]
        if len(results) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, "
                f"got {len(results)})"
            )
        for i, given in enumerate(self._inputs):
            if given is None and results[i] is not None:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {i + 1}, but the "
                    "corresponding forward input was not a Variable"
                )
        # nobody takes the gradients of tensors that need none, but hooks see them
        return [
            results[i] if edge is None else self._checked(i, results[i], edge)
            for i, edge in zip(self._positions, self.edges, strict=True)
        ]

    def _checked(self, i: int, g: Any, edge: Any) -> Any:
        """Return a gradient in the shape and dtype of its input."""
        if g is None:
            return None
        if not isinstance(g, Array):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
        shape, t, dev = self._inputs[i]  # type: ignore[misc]
        if edge[0].__class__ is AccumulateGrad and edge[0].variable._grad_dtype is not ...:
            t = g.dtype  # the leaf says to which dtype its gradients are cast, if to any
        if g.shape != shape:
            try:
                g = Settings.functions.sum_to_size(g, shape)
            except RuntimeError:
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {i} - got {list(g.shape)} but "
                    f"expected shape compatible with {list(shape)}"
                ) from None
        if g.device is not dev:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - expected device {dev} but got "
                f"{g.device}"
            )
        return g if g.dtype is t else g.to(t)

    def release(self) -> None:
        for s in self._ctx._saved:
            if isinstance(s, Saved):
                s.release()
