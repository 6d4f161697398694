"""Activation checkpointing: compute again in the backward pass what need not be kept from the forward pass.

Source: https://docs.pytorch.org/docs/2.13/checkpoint.html
"""

from __future__ import annotations

import contextlib
import enum
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cltorch.amp import autocast
from cltorch.autograd import backward, enable_grad, is_grad_enabled, no_grad
from cltorch.autograd.casting import state as casting
from cltorch.autograd.engine import tasks
from cltorch.autograd.function import Function
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.saved import Saved
from cltorch.autograd.saving import saved_tensors_hooks
from cltorch.autograd.selective import Keeping, Taking
from cltorch.device import device as Device
from cltorch.nn.modules.container import Sequential
from cltorch.ops import generator as generators
from cltorch.ops.array import arrays_in
from cltorch.ops.overloads import HigherOrderOperator, OpOverload, OpOverloadPacket
from cltorch.tensor import Tensor
from cltorch.utils.checkpoint_frame import CheckpointError, Frame, GraphExecGroup

__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "GraphExecGroup", "SelectiveCheckpointContext",
    "check_backward_validity", "checkpoint", "checkpoint_sequential", "create_selective_checkpoint_contexts",
    "detach_variable", "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip


class CheckpointPolicy(enum.Enum):
    """Say of an operator whether its result is kept or computed again; what a compiler may override is ``PREFER_``.

    There is no compiler here, so that both kinds are one. ``*_CPU_OFFLOAD`` is not built.
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


class SelectiveCheckpointContext:
    """What a policy is told besides the operator: its result. ``is_recompute`` is always False."""

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


class _Settings:
    early_stop: bool | None = None
    debug: bool | None = None


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Say for all checkpoints within whether a second run stops as soon as it has what is needed."""
    before, _Settings.early_stop = _Settings.early_stop, enable
    try:
        yield
    finally:
        _Settings.early_stop = before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Say for all checkpoints within whether errors name the tensors that both runs kept."""
    before, _Settings.debug = _Settings.debug, enabled
    try:
        yield
    finally:
        _Settings.debug = before


def noop_context_fn() -> tuple[Any, Any]:
    """Return two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[Any, Any]:
    """Return contexts for ``context_fn`` of ``checkpoint``, between which the results of chosen operators are kept.

    ``policy_fn_or_list`` is a list of operators, or a function of (context, operator, tensors …) that returns a
    ``CheckpointPolicy``. Operators are named as in PyTorch's dispatcher, ``torch.ops.aten.mm.default``; the tensors are
    operands, not all arguments. Views and changes in place are always run again. A result that was changed in place
    since raises RuntimeError in the second run, unless ``allow_cache_entry_mutation``. Raises ValueError for a list of
    what are no operators, TypeError for another type, NotImplementedError for a policy that offloads.
    Source: https://docs.pytorch.org/docs/2.13/checkpoint.html#torch.utils.checkpoint.create_selective_checkpoint_contexts

    >>> import functools
    >>> import cltorch as torch
    >>> from cltorch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> keep = functools.partial(create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
    >>> checkpoint(lambda x: torch.mm(x, x).sin(), x, use_reentrant=False, context_fn=keep).shape
    torch.Size([2, 2])
    """
    if isinstance(policy_fn_or_list, list):
        for op in policy_fn_or_list:
            if not isinstance(op, (OpOverload, HigherOrderOperator)):
                more = (
                    "Please update the OpOverloadPacket to a specific OpOverload.For example, if you have "
                    "`torch.ops.aten.mm`, change it to `torch.ops.aten.mm.default`."
                    if isinstance(op, OpOverloadPacket)
                    else ""
                )
                raise ValueError(
                    f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}. {more}"
                )
        chosen = frozenset(policy_fn_or_list)
        policy: Any = lambda ctx, op, *args: op in chosen  # noqa: E731
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")

    def wanted(op: Any, args: Any, out: Any) -> bool:
        found = policy(SelectiveCheckpointContext(is_recompute=False, op_output=out), op, *args)
        if found in (CheckpointPolicy.MUST_CPU_OFFLOAD, CheckpointPolicy.PREFER_CPU_OFFLOAD):
            raise NotImplementedError(f"{found} is not built: keep the result, or compute it again")
        return found is True or found in (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)

    store: dict[Any, Any] = {}
    return Keeping(store, wanted), Taking(store, allow_cache_entry_mutation)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return inputs with their tensors apart from the graph, wanting gradients as they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(x.detach()._asking(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn where no input wants a gradient."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """Return the numbers of the OpenCL devices that tensors lie on, and the states of their random generators."""
    places = sorted({x.device for x in arrays_in(args) if x.device.type == "cl"}, key=lambda d: d.index or 0)
    return [d.index or 0 for d in places], [generators.default_generator(d).get_state() for d in places]


def set_device_states(devices: Iterable[int], states: Iterable[Any], *, device_type: str | None = None) -> None:
    """Put the random generators of OpenCL devices to states that ``get_device_states`` returned."""
    for index, state in zip(devices, states, strict=True):
        generators.default_generator(Device("cl", index)).set_state(state)


class _Surroundings:
    """Remember how random generators and autocast stand, to put them so again around a second run."""

    def __init__(self, random: bool) -> None:
        self.generators = generators.snapshot() if random else None
        self.casting = [
            (kind, casting.dtype[kind], casting.enabled[kind] and not casting.off) for kind in ("cpu", "cl")
        ]
        self.caching = casting.caching

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Run as it was; afterwards everything is as before."""
        now = None if self.generators is None else generators.snapshot()
        if now is not None and self.generators is not None:
            for place in self.generators:
                generators.restore(self.generators, place)
            for place in now.keys() - self.generators.keys():  # made in the first run: as it was at its beginning
                generator = generators.default_generator(place)
                generator.manual_seed(generator.initial_seed())
        try:
            with contextlib.ExitStack() as stack:
                for kind, dtype, enabled in self.casting:
                    stack.enter_context(autocast(kind, dtype, enabled, self.caching))
                yield
        finally:
            if now is not None:
                for place in now:
                    generators.restore(now, place)


# ---- with a backward pass inside the backward pass ----------------------------------------------------------------
class CheckpointFunction(Function):
    """Run a function without a graph; in the backward pass run it again, and backwards."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state)
        ctx.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx.inputs = [None if isinstance(x, Tensor) else x for x in args]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if tasks.running[-1].partial:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.inputs)
        for i, x in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[i] = x
        detached = detach_variable(tuple(inputs))
        with ctx.surroundings.again(), enable_grad():
            outputs = ctx.run_function(*detached)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (y, g)
            for y, g in zip(outputs, grads, strict=True)
            if isinstance(y, Tensor) and y.requires_grad and g is not None
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x.grad if isinstance(x, Tensor) else None for x in detached))


def _without_reentry(
    function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], preserve: bool, context_fn: Any,
    check: str, debug: bool, early_stop: bool,
) -> Any:  # fmt: skip
    if check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {check}")
    first, second = context_fn()
    if not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    surroundings = _Surroundings(preserve)
    tensors = [] if mode.saved_hooks else [x for x in args if isinstance(x, Tensor)]
    inputs = [Saved(x) for x in tensors if not x._inference]

    def run() -> None:
        for kept in inputs:
            kept.unpack()  # which refuses what was changed in place since
        with surroundings.again(), second:
            function(*args, **kwargs)

    stop = early_stop if _Settings.early_stop is None else _Settings.early_stop
    frame = Frame(run, stop, check == "default", debug if _Settings.debug is None else _Settings.debug)
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        result = function(*args, **kwargs)
    frame.complete = True
    return result


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function so that its intermediate results are not kept but computed again in the backward pass.

    ``use_reentrant=False`` runs the function again when the first of them is asked for, until the last is there;
    keyword arguments are the function's. ``use_reentrant=True`` runs it without a graph first, and then again with a
    backward pass of its own; it warns where no argument wants a gradient. ``preserve_rng_state=False`` leaves the
    random generators alone, which else stand in the second run as in the first; autocast always does. ``context_fn``
    returns contexts for both runs, ``determinism_check="none"`` allows tensors of other shapes in the second.

    Raises CheckpointError where the second run keeps other tensors than the first, ValueError for arguments that do not
    go together. Source: https://docs.pytorch.org/docs/2.13/checkpoint.html#torch.utils.checkpoint.checkpoint

    >>> import cltorch as torch
    >>> from cltorch.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
    >>> torch.allclose(x.grad, x.exp().cos() * x.exp())
    True
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but "
            "if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for "
            "more details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = bool(kwargs.pop("preserve_rng_state", True))
    if not use_reentrant:
        return _without_reentry(function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Call a Sequential, or a list of functions, in ``segments`` parts of which all but the last are checkpointed.

    Source: https://docs.pytorch.org/docs/2.13/checkpoint.html#torch.utils.checkpoint.checkpoint_sequential

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> x = torch.ones(1, 2, requires_grad=True)
    >>> torch.utils.checkpoint.checkpoint_sequential(net, 2, x, use_reentrant=False).shape
    torch.Size([1, 1])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. In "
            "version 2.9 we will raise an exception if use_reentrant is not passed. use_reentrant=False is "
            "recommended, but if you need to preserve the current default behavior, you can pass use_reentrant=True. "
            "Refer to docs for more details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    parts = list(functions.children()) if isinstance(functions, Sequential) else list(functions)

    def run(chosen: Sequence[Any]) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for part in chosen:
                x = part(x)
            return x

        return forward

    size = len(parts) // segments
    for at in range(0, size * (segments - 1), size):
        input = checkpoint(run(parts[at : at + size]), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return run(parts[size * (segments - 1) :])(input)
