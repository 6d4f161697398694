"""What torch.compile makes of a module: a module around it, which runs it as it is."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any

from cltorch.nn.modules.module import Module


def eagerly(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function itself, as ``dynamo_ctx`` of a compiled module."""
    return fn


class OptimizedModule(Module):
    """Stand around the module ``_orig_mod``: its parameters are named after it, and its attributes are the module's.

    ``state_dict`` has the prefix ``_orig_mod.``, as with PyTorch, so that checkpoints of compiled modules go both ways.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.compile.html
    """

    _own = ("_orig_mod", "dynamo_ctx", "forward", "__dict__")

    def __init__(self, mod: Module, dynamo_ctx: Callable[..., Any] = eagerly) -> None:
        super().__init__()
        self._orig_mod = mod
        self.dynamo_ctx = dynamo_ctx

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module."""
        return self._orig_mod(*args, **kwargs)

    @property
    def training(self) -> bool:
        """Return the module's."""
        return bool(self._orig_mod.training)

    @training.setter
    def training(self, mode: bool) -> None:
        self._orig_mod.training = mode

    def __len__(self) -> int:
        if not isinstance(self._orig_mod, Sized):
            raise TypeError(f"{type(self._orig_mod).__name__} does not support len()")
        return len(self._orig_mod)

    def __bool__(self) -> bool:
        return bool(self._orig_mod)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return super().__getattr__(name)
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name) or name in self._own or name in self.__dict__:
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        if hasattr(type(self), name) or name in self._own or name in self.__dict__:
            super().__delattr__(name)
        else:
            delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(self._orig_mod) if name not in self.__dict__)]

    def __reduce__(self) -> Any:
        return type(self), (self._orig_mod, self.dynamo_ctx)
