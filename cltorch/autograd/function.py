"""autograd.Function: an operation of the user's own, with its derivative.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#torch.autograd.Function
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cltorch.autograd import batch_levels
from cltorch.autograd.changes import rebase
from cltorch.autograd.function_node import FunctionCtx, FunctionNode
from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import (
    CUSTOM,
    MULTI,
    Node,
    Settings,
    check_inplace,
    named,
    needs_grad,
)
from cltorch.autograd.layers import active, lift
from cltorch.autograd.links import refusing
from cltorch.autograd.saved import Saved
from cltorch.autograd.views import alias
from cltorch.ops.array import Array

_ONCE = "trying to differentiate twice a function that was marked with @once_differentiable"
_NO_CONTEXT = (
    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override "
    "the setup_context staticmethod. For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
)
_NO_INPUT = (
    "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated should be "
    "passed to ctx.mark_dirty()."
)
_VIEW_AND_OTHERS = (
    "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more "
    "than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is "
    "not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it "
    "into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other "
    "operations). You can ask on the forum https://discuss.pytorch.org/ if you need help to do this change."
)
_AS_IS = (
    "An input that has been returned as-is as output is being saved for backward. This is not supported if you "
    "override setup_context. You should return and save a view of the input instead, e.g. with x.view_as(x) or setup "
    "ctx inside the forward function itself."
)
BackwardCFunction = FunctionNode


class _FunctionMeta(type):
    def __call__(cls, *args: Any, **kw: Any) -> Any:
        warnings.warn(
            f"{cls} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. "
            "Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )
        return super().__call__(*args, **kw)

    @property
    def _backward_cls(cls) -> type[Node]:
        return named(FunctionNode, f"{cls.__name__}Backward")


def _ours(cls: Any) -> bool:
    """Return whether a function is of this package, which knows what transforms do."""
    return bool(cls.__module__.partition(".")[0] in ("cltorch", "torch"))  # the latter while cltorch answers as it


class Function(metaclass=_FunctionMeta):
    """Define an operation with ``forward`` and ``backward`` (and, if wanted, ``setup_context``); call ``apply``.

    Shape: (*) as ``forward`` has it; ``backward`` takes the outputs' and returns the inputs' shapes.
    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Double.apply(x).backward(); x.grad
    tensor(2.)
    """

    generate_vmap_rule = False
    clear_saved_tensors_on_access = False  # whether ``backward`` gets what is kept once, so that it can be freed early

    def __call__(self, *args: Any, **kw: Any) -> Any:
        """Raise RuntimeError: a Function is applied, not called."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. "
            "(Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kw: Any) -> Any:
        """Compute the result; without ``setup_context`` the first argument is ``ctx``."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what ``backward`` needs, where ``forward`` does not take ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return one gradient, or None, for each input of ``forward``."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it "
            "with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Return one tangent for each output of ``forward``, from one for each input."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        """Return (output, out_dims) for inputs that hold batches along ``in_dims`` (None: no batch)."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kw: Any) -> Any:
        """Run ``forward`` and record it."""
        if cls.setup_context is not Function.setup_context:
            args, kw = _in_order(cls.forward, args, kw), {}
        if (Settings.transforms or batch_levels.state.levels) and cls.setup_context is Function.setup_context:
            if not _ours(cls) and (Settings.transforms or not batch_levels.own_batches()):
                raise RuntimeError(_NO_CONTEXT)
        if active:
            kind = lift(args)
            if kind is not None:
                return kind.function(cls, args, kw)
        return cls._recorded(args, kw)[0]

    @classmethod
    def _unrecorded(cls, args: Sequence[Any], kw: dict[str, Any], needs: Sequence[bool]) -> tuple[Any, FunctionCtx]:
        """Run ``forward`` outside the graph; return the output and the context."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(needs)
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kw)
                cls.setup_context(ctx, tuple(args), output)
            else:
                output = cls.forward(ctx, *args, **kw)
        return output, ctx

    @classmethod
    def _recorded(cls, args: Sequence[Any], kw: dict[str, Any]) -> tuple[Any, FunctionCtx]:
        """Run ``forward`` and record it; return the output and the context."""
        needs = [isinstance(a, Array) and needs_grad(a) for a in args]
        recording = mode.enabled and any(needs)
        output, ctx = cls._unrecorded(args, kw, needs)
        if recording:
            _check_marked(ctx)
        single = not isinstance(output, tuple)
        results: list[Any] = [output] if single else list(output)
        outside = [any(r is x for x in ctx._outside) for r in results]
        ctx.marked = tuple(i for i, out in enumerate(outside) if out)
        own_context = cls.setup_context is not Function.setup_context
        for i, r in enumerate(results):
            if isinstance(r, Array) and any(r is a for a in args) and not any(r is d for d in ctx._dirty):
                if own_context and any(r is t for t in (*ctx._to_save, *ctx._forward)):
                    raise RuntimeError(_AS_IS)
                results[i] = alias(r, r.lay) if recording or not any(needs) else r._detached(True)
        for d in ctx._dirty:
            if any(d is a for a in args):
                if recording:
                    _check_dirty(d, results)
                d._storage.version += 1
            elif d._base is not None:
                raise RuntimeError(_NO_INPUT)
            else:
                warnings.warn(_NO_INPUT, stacklevel=3)
        changed = [d for d in ctx._dirty if any(d is a for a in args)]
        if ctx._is_pure_view and sum(isinstance(x, Array) for x in (*args, *results)) > 2:
            raise RuntimeError(
                "Pure view custom Function can only have one input Tensor and one output Tensor. Open an issue if you "
                "need to support more."
            )
        several = sum(isinstance(x, Array) for x in results) > 1
        for r in results:
            if isinstance(r, Array) and r._base is not None and not any(r is d for d in changed):
                made_view: Any = r
                made_view._view_kind = None if ctx._is_pure_view else MULTI if several else CUSTOM
        if recording:
            node: Any = cls._backward_cls
            if Settings.transforms and own_context:
                node = named(FunctionNode, f"{cls.__name__}GeneratedBackward")
            node = node(cls, ctx, args, needs, results)
            if not ctx._materialize_non_diff_grads:
                node._metas = [None if out else meta for out, meta in zip(outside, node._metas, strict=True)]
            numbers = {id(r): i for i, r in enumerate(results) if not outside[i]}
            ctx._saved = [_keep(t, i, numbers) for i, t in enumerate(ctx._to_save)]
            for i, r in enumerate(results):
                if not isinstance(r, Array) or not r.dtype.differentiable or outside[i]:
                    continue
                if any(r is d for d in changed):
                    place = next(k for k, a in enumerate(args) if a is r)
                    rebase(r, node, node._positions.index(place) if needs[place] else None, i)
                else:
                    made: Any = r
                    made._grad_fn, made._output_nr, made._requires_grad = node, i, True
        # a result that its own node keeps would be a cycle
        ctx._to_save = ctx._dirty = ctx._outside = ()
        return results[0] if single else tuple(results), ctx


class VmapInfo(NamedTuple):
    """What ``vmap`` of a Function is told: the size of the batch, and how random numbers are drawn."""

    batch_size: int
    randomness: str


Settings.function, Settings.vmap_info = Function, VmapInfo


class InplaceFunction(Function):
    """Be a Function that says of itself whether it works in place, as older programs derive from it.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


def _check_marked(ctx: FunctionCtx) -> None:
    """Refuse what is no tensor among what a function said of its tensors."""
    if not all(isinstance(x, Array) for x in ctx._dirty):
        raise RuntimeError("mark_dirty can only accept variables, but an argument is of another type")
    if not all(isinstance(x, Array) for x in ctx._outside):
        raise RuntimeError("mark_non_differentiable only accepts variable arguments, but got another type")


def _check_dirty(x: Any, results: Sequence[Any]) -> None:
    """Refuse what a function said to have changed in place where autograd cannot follow."""
    if not any(x is r for r in results):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
            "modified inplace must all be outputs of the Function."
        )
    if x._base is None:
        if x._requires_grad and x._grad_fn is None:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        return
    if sum(isinstance(r, Array) for r in results) > 1:
        raise RuntimeError(_VIEW_AND_OTHERS)
    check_inplace(x, True)


def _in_order(forward: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> tuple[Any, ...]:
    """Return what ``forward`` is called with by position: arguments given by name and defaults in their places."""
    code = getattr(forward, "__code__", None)
    if not kw and code is not None and code.co_argcount == len(args):
        return args  # nothing is left to a signature, which takes long to read
    bound = inspect.signature(forward).bind(*args, **kw)
    bound.apply_defaults()
    return bound.args


def _keep(t: Any, i: int, numbers: dict[int, int]) -> Any:
    if t is None:
        return None
    if not isinstance(t, Array):
        raise TypeError(f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}")
    nr = numbers.get(id(t))
    return Saved(t) if nr is None else Saved(t, True, nr)


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` whose result must not be differentiated again.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.autograd.function.once_differentiable
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(Double.apply(x), x)
    (tensor(2.),)
    """

    @functools.wraps(fn)
    def wrapped(ctx: Any, *args: Any) -> Any:
        recording = mode.enabled
        with no_grad():
            results = fn(ctx, *args)
        if not recording or not any(isinstance(a, Array) and a._requires_grad for a in args):
            return results
        outs = results if isinstance(results, tuple) else (results,)
        # every result counts as if it could be differentiated: nobody knows which of the kept tensors were used
        leaves = [r if r is None else r.detach()._asking() for r in outs]
        refused = tuple(refusing(_ONCE, leaves))
        return refused if isinstance(results, tuple) else refused[0]

    return wrapped
