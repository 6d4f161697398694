"""Module: the base class of every layer and model.

Its walks, conversions, saved state and members lie in _traversal.py, _conversion.py, _state.py and _members.py; here
are the call with its hooks, and printing.
"""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from cltorch.nn.modules._members import Members
from cltorch.nn.modules._state import _EXTRA as _EXTRA_STATE_KEY_SUFFIX  # noqa: F401  # where PyTorch has it
from cltorch.nn.modules._state import _IncompatibleKeys  # noqa: F401  # where PyTorch has it
from cltorch.nn.modules.compile_options import check_options
from cltorch.nn.modules.hooks import (
    BackwardHook,
    RemovableHandle,
    _WrappedHook,
    add_hook,
    global_buffer_registration_hooks,
    global_module_registration_hooks,
    global_parameter_registration_hooks,
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from cltorch.nn.modules.utils import _addindent
from cltorch.tensor import Tensor

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

M = TypeVar("M", bound="Module")
_HOOKS = (
    "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip
_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."
)
_MIXED_GLOBAL = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
    "Please use only one of them."
)
# the hooks of every module, by PyTorch's names: programs put new dictionaries in their places to forget all hooks
_global_forward_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_is_full_backward_hook: bool | None = None
_global_buffer_registration_hooks = global_buffer_registration_hooks
_global_module_registration_hooks = global_module_registration_hooks
_global_parameter_registration_hooks = global_parameter_registration_hooks


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's forward; its result replaces the arguments."""
    return add_hook(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after every module's forward; its result replaces the output.

    With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` it runs even after an error.
    """
    return add_hook(
        _global_forward_hooks,
        hook,
        (_global_forward_hooks_with_kwargs, with_kwargs),
        (_global_forward_hooks_always_called, always_call),
    )


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` for every module's last operation (deprecated in PyTorch)."""
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is True:
        raise RuntimeError(_MIXED_GLOBAL)
    _global_is_full_backward_hook = False
    return add_hook(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before every module's backward; its result replaces the gradients."""
    return add_hook(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after every module's backward; its result replaces grad_input."""
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is False:
        raise RuntimeError(_MIXED_GLOBAL)
    _global_is_full_backward_hook = True
    return add_hook(_global_backward_hooks, hook)


class Module(Members):
    """Be the base of a neural network's layer, or of a whole network made of others.

    Parameters, buffers and modules assigned as attributes are registered: they show in ``parameters()``,
    ``state_dict()`` and ``children()``, and move with ``to()``. ``super().__init__()`` must have run
    before. Define ``forward``, and call the module itself: that runs the hooks too.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Module.html

    >>> import cltorch as torch
    >>> from cltorch import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> Net()
    Net(
      (fc): Linear(in_features=4, out_features=2, bias=True)
    )
    >>> Net()(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    dump_patches = False
    call_super_init = False
    T_destination = TypeVar("T_destination", bound=dict[str, Any])  # the type of what state_dict fills

    training: bool
    _is_full_backward_hook: bool | None
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        # straight into __dict__: nothing here needs the care of __setattr__
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            **{name: OrderedDict() for name in _HOOKS[2:]},
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def _unimplemented(self, *input: Any) -> Any:
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    forward: Callable[..., Any] = _unimplemented

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOKS:  # files of older versions lack the newer hooks
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    # ---- hooks -----------------------------------------------------------------------------------------------
    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns None or ``(args, kwargs)``.
        """
        flags = (self._forward_pre_hooks_with_kwargs, with_kwargs)
        return add_hook(self._forward_pre_hooks, hook, flags, prepend=prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; ``always_call`` runs it after an error too.

        >>> import cltorch as torch
        >>> relu = torch.nn.ReLU()
        >>> with relu.register_forward_hook(lambda module, args, output: output + 1):
        ...     relu(torch.zeros(2))
        tensor([1., 1.])
        """
        return add_hook(
            self._forward_hooks,
            hook,
            (self._forward_hooks_with_kwargs, with_kwargs),
            (self._forward_hooks_always_called, always_call),
            prepend=prepend,
        )

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; what it returns replaces ``grad_output``."""
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` after the module's backward; what it returns is the new one.

        Both are tuples over the tensors among the positional arguments and the outputs.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        return add_hook(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook for the module's last operation only; deprecated in PyTorch for register_full_backward_hook."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        return add_hook(self._backward_hooks, hook)

    # ---- call ------------------------------------------------------------------------------------------------
    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        if not (
            self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
            or _global_forward_hooks or _global_forward_pre_hooks
            or _global_backward_hooks or _global_backward_pre_hooks
        ):  # fmt: skip
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    # PyTorch goes through three functions; a call costs one here
    __call__ = _wrapped_call_impl = _call_impl
    _compiled_call_impl: Callable[..., Any] | None = None

    def _slow_forward(self, *input: Any, **kwargs: Any) -> Any:
        return self.forward(*input, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accept the arguments of ``torch.compile``; the module runs as it is, for there is no graph compiler."""
        check_options(*args, **kwargs)

    def _call_with_hooks(self, args: Any, kwargs: Any) -> Any:
        called: set[int] = set()
        result = None
        try:
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            full, last = self._get_backward_hooks()
            pre = self._get_backward_pre_hooks()
            backward_hook = BackwardHook(self, full, pre) if full or pre else None
            if backward_hook:
                args = backward_hook.setup_input_hook(args)
            result = self.forward(*args, **kwargs)
            for key, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
                if key in self._forward_hooks_always_called or key in _global_forward_hooks_always_called:
                    called.add(key)
                with_kwargs = key in self._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs
                new = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                result = result if new is None else new
            if backward_hook:
                if not isinstance(result, (Tensor, tuple)):
                    warnings.warn(
                        "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                        f"received {type(result)}",
                        stacklevel=3,
                    )
                result = backward_hook.setup_output_hook(result)
            if last:
                self._tie_to_last_node(last, args, result)
            return result
        except Exception:
            self._run_always_called(called, args, kwargs, result)
            raise

    def _run_forward_pre_hooks(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        for key, hook in (*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
            if key not in self._forward_pre_hooks_with_kwargs:
                new = hook(self, args)
                if new is not None:
                    args = new if isinstance(new, tuple) else (new,)
                continue
            new = hook(self, args, kwargs)
            if new is None:
                continue
            if not (isinstance(new, tuple) and len(new) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {new}."
                )
            args, kwargs = new
        return args, kwargs

    def _get_backward_hooks(self) -> tuple[list[Any], list[Any]]:
        full: list[Any] = []
        last: list[Any] = []
        for is_full, hooks in (
            (_global_is_full_backward_hook, _global_backward_hooks),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            (full if is_full else last).extend(hooks.values())
        return full, last

    def _get_backward_pre_hooks(self) -> list[Any]:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _tie_to_last_node(self, hooks: list[Any], args: Any, result: Any) -> None:
        var = result
        while not isinstance(var, Tensor):
            var = next(v for v in var.values() if isinstance(v, Tensor)) if isinstance(var, dict) else var[0]
        node = var.grad_fn
        if node is None:
            return
        for hook in hooks:
            node.register_hook(_WrappedHook(hook, self))
        self._maybe_warn_non_full_backward_hook(args, result, node)

    def _maybe_warn_non_full_backward_hook(self, args: Any, result: Any, grad_fn: Any) -> None:
        lack = _what_a_node_misses(args, result, grad_fn)
        if lack is not None:
            warnings.warn(lack, FutureWarning, stacklevel=5)

    def _run_always_called(self, called: set[int], args: Any, kwargs: Any, result: Any) -> None:
        everywhere = _global_forward_hooks_always_called, _global_forward_hooks_with_kwargs
        for where, hooks, always, keyed in (
            ("global module", _global_forward_hooks, *everywhere),
            ("module", self._forward_hooks, self._forward_hooks_always_called, self._forward_hooks_with_kwargs),
        ):
            for key, hook in hooks.items():
                if key not in always or key in called:
                    continue
                try:
                    new = hook(self, args, kwargs, result) if key in keyed else hook(self, args, result)
                    result = result if new is None else new
                except Exception as error:
                    warnings.warn(
                        f"{where} forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error}",
                        stacklevel=4,
                    )

    # ---- mode ------------------------------------------------------------------------------------------------
    def train(self: M, mode: bool = True) -> M:
        """Set the training mode of the module and everything below it; some layers behave differently in it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Leave the training mode: the same as ``train(False)``."""
        return self.train(False)

    def _replicate_for_data_parallel(self: M) -> M:
        """Return a copy with the same buffers and children, and places for parameters that are computed."""
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica.__dict__.update(
            _parameters={}, _buffers=self._buffers.copy(), _modules=self._modules.copy(), _is_replica=True
        )
        return replica

    # ---- printing --------------------------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """Return what to print between the parentheses; override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        own = extra.split("\n") if extra else []
        below = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if not own and not below:
            return f"{self._get_name()}()"
        if len(own) == 1 and not below:
            return f"{self._get_name()}({own[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(own + below) + "\n)"


def _what_a_node_misses(args: Any, result: Any, node: Any) -> str | None:
    """Return why a hook tied to one node of the graph does not see all gradients of a module, or None if it does."""
    instead = "Please use register_full_backward_hook to get the documented behavior."
    outputs, inputs = ((x,) if isinstance(x, Tensor) else x for x in (result, args))
    if not (isinstance(outputs, tuple) and all(isinstance(r, Tensor) for r in outputs)):
        return (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors is "
            f"deprecated and will be removed in future versions. This hook will be missing some of the grad_output. "
            f"{instead}"
        )
    if not (isinstance(inputs, tuple) and all(isinstance(i, Tensor) for i in inputs)):
        return (
            "Using non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of "
            "Tensors is deprecated and will be removed in future versions. This hook will be missing some of the "
            f"grad_input. {instead}"
        )
    ends = {r.grad_fn for r in outputs if r.grad_fn is not None}
    if len(ends) > 1:
        return (
            "Using a non-full backward hook when outputs are generated by different autograd Nodes is deprecated and "
            f"will be removed in future versions. This hook will be missing some grad_output. {instead}"
        )
    if {i.grad_fn for i in inputs if i.grad_fn is not None} != {n for n, _ in node.next_functions}:
        return (
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is deprecated and will "
            f"be removed in future versions. This hook will be missing some grad_input. {instead}"
        )
    return None


for _part in (Members, *Members.__mro__[1:-1]):
    for _method in vars(_part).values():
        if inspect.isfunction(_method):  # errors of calls name the class that users know
            _method.__qualname__ = f"Module.{_method.__name__}"
