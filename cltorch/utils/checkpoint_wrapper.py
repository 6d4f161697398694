"""Modules wrapped so that what they compute is computed again in the backward pass, or waits on the host.

PyTorch has them in torch.distributed.algorithms._checkpoint.checkpoint_wrapper. Names of parameters and of a state
dict are those of the modules inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import partial
from typing import Any

from cltorch.autograd.saving import save_on_cpu
from cltorch.nn.modules.module import Module
from cltorch.utils.checkpoint import checkpoint

__all__ = [
    "ActivationWrapper", "CheckpointImpl", "CheckpointWrapper", "OffloadWrapper", "apply_activation_checkpointing",
    "checkpoint_wrapper", "offload_wrapper",
]  # fmt: skip

_CHECKPOINT_WRAPPED_MODULE = "_checkpoint_wrapped_module"
_CHECKPOINT_PREFIX = f"{_CHECKPOINT_WRAPPED_MODULE}."


class CheckpointImpl(Enum):
    """How ``torch.utils.checkpoint.checkpoint`` is to run: with ``use_reentrant`` or without."""

    REENTRANT = auto()
    NO_REENTRANT = auto()


def _rename(state_dict: dict[str, Any], old: str, new: str) -> None:
    for key in [k for k in state_dict if k.startswith(old)]:
        state_dict[new + key[len(old) :]] = state_dict.pop(key)


class ActivationWrapper(Module):
    """Hold a module, whose attributes, items and names of parameters it has."""

    def __init__(self, mod: Module) -> None:
        super().__init__()
        self._checkpoint_wrapped_module = mod
        self._register_state_dict_hook(self._strip)
        self.register_load_state_dict_pre_hook(self._add)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._checkpoint_wrapped_module, name)

    def __getitem__(self, key: int) -> Any:
        return self._checkpoint_wrapped_module[key]  # type: ignore[index]

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Yield the parameters by the names that they have in the module inside."""
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield name.replace(_CHECKPOINT_PREFIX, ""), parameter

    @staticmethod
    def _strip(module: Any, state_dict: dict[str, Any], prefix: str, *args: Any) -> dict[str, Any]:
        _rename(state_dict, prefix + _CHECKPOINT_PREFIX, prefix)
        return state_dict

    @staticmethod
    def _add(module: Any, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        _rename(state_dict, prefix, prefix + _CHECKPOINT_PREFIX)


class OffloadWrapper(ActivationWrapper):
    """Keep on the host what the module inside keeps for its backward pass."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with save_on_cpu(pin_memory=True):
            return self._checkpoint_wrapped_module(*args, **kwargs)


class CheckpointWrapper(ActivationWrapper):
    """Compute the module inside again in the backward pass, by ``checkpoint_fn`` or torch.utils.checkpoint."""

    def __init__(
        self,
        mod: Module,
        checkpoint_impl: CheckpointImpl = CheckpointImpl.NO_REENTRANT,
        checkpoint_fn: Callable[..., Any] | None = None,
        **checkpoint_fn_kwargs: Any,
    ) -> None:
        super().__init__(mod)
        self.checkpoint_impl = checkpoint_impl
        if checkpoint_fn is None:
            checkpoint_fn = partial(checkpoint, use_reentrant=checkpoint_impl is CheckpointImpl.REENTRANT)
        self.checkpoint_fn = partial(checkpoint_fn, **checkpoint_fn_kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        inside = self._checkpoint_wrapped_module
        if self.checkpoint_impl is not CheckpointImpl.REENTRANT or not kwargs:
            return self.checkpoint_fn(inside, *args, **kwargs)
        names = list(kwargs)  # a reentrant checkpoint takes arguments by their places alone

        def call(*given: Any) -> Any:
            return inside(*given[: len(args)], **dict(zip(names, given[len(args) :], strict=True)))

        return self.checkpoint_fn(call, *args, *kwargs.values())


def offload_wrapper(module: Module) -> Module:
    """Return a module that keeps on the host what ``module`` keeps for its backward pass.

    >>> import cltorch as torch
    >>> torch.equal(offload_wrapper(torch.nn.ReLU())(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
    True
    """
    return OffloadWrapper(module)


def checkpoint_wrapper(
    module: Module,
    checkpoint_impl: CheckpointImpl = CheckpointImpl.NO_REENTRANT,
    checkpoint_fn: Callable[..., Any] | None = None,
    **checkpoint_fn_kwargs: Any,
) -> Module:
    """Return a module that keeps its inputs and computes ``module`` again in the backward pass.

    >>> import cltorch as torch
    >>> list(checkpoint_wrapper(torch.nn.Linear(2, 1)).state_dict())
    ['weight', 'bias']
    """
    return CheckpointWrapper(module, checkpoint_impl, checkpoint_fn, **checkpoint_fn_kwargs)


def apply_activation_checkpointing(
    model: Module,
    checkpoint_wrapper_fn: Callable[..., Module] = checkpoint_wrapper,
    check_fn: Callable[[Module], bool] = lambda _: True,
    auto_wrap_policy: Callable[..., bool] | None = None,
) -> None:
    """Wrap the modules inside ``model``, the innermost first, that ``check_fn`` is true for; the model itself stays.

    ``auto_wrap_policy`` goes before ``check_fn``: a function of the names ``module``, ``recurse`` and
    ``nonwrapped_numel``. Raises ValueError for what is no function.

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    >>> apply_activation_checkpointing(net, check_fn=lambda m: isinstance(m, torch.nn.Linear))
    >>> [type(m).__name__ for m in net]
    ['CheckpointWrapper', 'ReLU']
    """
    if auto_wrap_policy is not None and not callable(auto_wrap_policy):
        raise ValueError(f"Expected {auto_wrap_policy} to be callable or be a pre-defined wrap policy")

    def asks(module: Module, recurse: bool, size: int) -> bool:
        if auto_wrap_policy is None:
            return recurse or check_fn(module)
        return auto_wrap_policy(module=module, recurse=recurse, nonwrapped_numel=size)

    def visit(module: Module) -> tuple[Module, int]:
        """Return a module, wrapped where it is chosen, and how many numbers of it are wrapped."""
        total, done = sum(p.numel() for p in module.parameters()), 0
        if not asks(module, True, total):
            return module, 0
        for name, child in list(module.named_children()):
            made, wrapped = visit(child)
            setattr(module, name, made)
            done += wrapped
        if module is not model and asks(module, False, total - done):
            return checkpoint_wrapper_fn(module), total
        return module, done

    visit(model)
