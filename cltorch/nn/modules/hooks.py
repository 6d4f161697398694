"""Hooks of modules: handles, the hooks that hold for every module, and the hooks of the backward pass."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd import Function, is_grad_enabled
from cltorch.autograd.handle import RemovableHandle, add_hook
from cltorch.tensor import Tensor

__all__ = ["RemovableHandle", "add_hook"]


class _WrappedHook:
    """A hook that is given its module first; holds the module weakly and can be pickled."""

    def __init__(self, hook: Callable[..., Any], module: Any = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        self.module: Any = weakref.ref(module) if module is not None else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "hook": self.hook,
            "with_module": self.with_module,
            "module": self.module() if self.with_module else None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.hook, self.with_module, module = state["hook"], state["with_module"], state.get("module")
        if self.with_module and module is None:
            raise RuntimeError("You are trying to revive the hook of a dead Module!")
        self.module = weakref.ref(module) if self.with_module else None


global_buffer_registration_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
global_module_registration_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
global_parameter_registration_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever any module registers a buffer; its result replaces the buffer."""
    return add_hook(global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` whenever any module registers a child; its result replaces the child."""
    return add_hook(global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, param)`` whenever any module registers a parameter; its result replaces it."""
    return add_hook(global_parameter_registration_hooks, hook)


class BackwardHookFunction(Function):
    """Pass tensors through, as one node of the graph to which hooks can be tied."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        ctx.mark_non_differentiable(*(t for t in args if not t.requires_grad))
        return args

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads


def _spread(indices: Sequence[int], values: Sequence[Any], size: int) -> tuple[Any, ...]:
    out = [None] * size
    for i, v in zip(indices, values, strict=True):
        out[i] = v
    return tuple(out)


def _replaced(grads: Any, new: Any, kind: str, what: str) -> Any:
    """Return what a hook makes of gradients: its result where that is not None, which must be as many."""
    if new is None:
        return grads
    if len(new) != len(grads):
        raise RuntimeError(
            f"Backward {kind} returned an invalid number of {what}, got {len(new)}, but expected {len(grads)}"
        )
    return new


class BackwardHook:
    """Tie a module's backward hooks to its inputs and outputs.

    Two nodes are put into the graph, one behind the outputs and one before the inputs. The first notes the gradients of
    the outputs (after the pre-hooks), the second hands them to the hooks with the gradients of the inputs.
    """

    def __init__(self, module: Any, user_hooks: Sequence[Any], user_pre_hooks: Sequence[Any]) -> None:
        self.module, self.user_hooks, self.user_pre_hooks = module, user_hooks, user_pre_hooks
        self.grad_outputs: Any = None
        self.n_inputs = self.n_outputs = -1
        self.inputs_at: list[int] | None = None
        self.outputs_at: list[int] | None = None

    def setup_input_hook(self, args: Any) -> Any:
        """Return the arguments, passed through a node that calls the hooks."""
        self.n_inputs = len(args)
        args, self.inputs_at = self._through_node(args, self._on_inputs)
        return args

    def setup_output_hook(self, args: Any) -> Any:
        """Return the outputs, passed through a node that notes their gradients."""
        single = not isinstance(args, tuple)
        outputs = (args,) if single else args
        self.n_outputs = len(outputs)
        outputs, self.outputs_at = self._through_node(outputs, self._on_outputs)
        return outputs[0] if single else outputs

    def _through_node(self, args: Any, act: Callable[..., Any]) -> tuple[Any, list[int] | None]:
        def hook(grad_input: Any, grad_output: Any) -> Any:  # errors tell this name, as PyTorch's do
            return act(grad_input, grad_output)

        at = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        if not (is_grad_enabled() and any(args[i].requires_grad for i in at)):
            return args, None
        passed = BackwardHookFunction.apply(*(args[i] for i in at))
        next(t.grad_fn for t in passed if t.grad_fn is not None).register_hook(hook)
        new = list(args)
        for i, t in zip(at, passed, strict=True):
            new[i] = t
        return (tuple(new) if type(args) is tuple else type(args)(*new)), at

    def _on_inputs(self, grad_input: Any, _: Any) -> Any:
        if self.grad_outputs is None:
            return None  # the gradients of the outputs were not computed
        assert self.inputs_at is not None
        given: Any = _spread(self.inputs_at, grad_input, self.n_inputs)
        for hook in self.user_hooks:
            given = _replaced(given, hook(self.module, given, self.grad_outputs), "hook", "grad_input")
        self.grad_outputs = None
        return tuple(given[i] for i in self.inputs_at)

    def _on_outputs(self, _: Any, grad_output: Any) -> Any:
        assert self.outputs_at is not None
        self.grad_outputs = _spread(self.outputs_at, grad_output, self.n_outputs)
        for hook in self.user_pre_hooks:
            self.grad_outputs = _replaced(
                self.grad_outputs, hook(self.module, self.grad_outputs), "pre hook", "grad_output"
            )
        grads = self.grad_outputs
        if self.inputs_at is None:
            self._without_inputs()
        return tuple(grads[i] for i in self.outputs_at)

    def _without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        nothing = (None,) * self.n_inputs
        for hook in self.user_hooks:
            out = hook(self.module, nothing, self.grad_outputs)
            if out is not None and not (isinstance(out, tuple) and all(e is None for e in out)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )
        self.grad_outputs = None
