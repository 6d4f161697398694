"""torch.compile and torch.compiler for programs that merely decorate with them: everything runs eagerly.

Source: https://docs.pytorch.org/docs/2.13/torch.compiler_api.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.nn.modules.compile_options import check_options
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.optimized import OptimizedModule

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip


def compile(
    model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "inductor",
    mode: str | None = None, options: dict[str, Any] | None = None, disable: bool = False,
) -> Any:  # fmt: skip
    """Return a module around the module, the function itself, or a decorator that does: there is no graph compiler.

    What comes of a module runs it as it is, has its attributes, and is ``torch._dynamo.OptimizedModule``: the names of
    its state begin with ``_orig_mod.``, as those of PyTorch's compiled modules do. Raises RuntimeError for ``mode``
    together with ``options``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.compile.html

    >>> import cltorch
    >>> cltorch.compile(len) is len
    True
    >>> model = cltorch.compile(cltorch.nn.Linear(2, 1))
    >>> model(cltorch.ones(3, 2)).shape, model.in_features, list(model.state_dict())
    (torch.Size([3, 1]), 2, ['_orig_mod.weight', '_orig_mod.bias'])
    """
    check_options(mode=mode, options=options)
    if model is None:
        return lambda fn: fn if disable else _compiled(fn)
    return model if disable else _compiled(model)


def _compiled(model: Any) -> Any:
    if not isinstance(model, Module):
        return model
    return OptimizedModule(model._orig_mod if isinstance(model, OptimizedModule) else model)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Return the function itself, or a decorator that does."""
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """Return the function itself."""
    return fn


def assume_constant_result(fn: Any) -> Any:
    """Return the function itself."""
    return fn


def is_compiling() -> bool:
    """Return False: code always runs as Python."""
    return False


def is_dynamo_compiling() -> bool:
    """Return False: code always runs as Python."""
    return False


def is_exporting() -> bool:
    """Return False: code always runs as Python."""
    return False


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """Return the compilers that there are: none."""
    return []


def reset() -> None:
    """Do nothing: no compiled code is kept."""


def cudagraph_mark_step_begin() -> None:
    """Do nothing: no graph is recorded."""


class set_stance:
    """Accept how compiled code should behave, as a call, a context manager or a decorator."""

    def __init__(self, stance: str = "default", **kwargs: Any) -> None:
        self.stance = stance

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn

    def __enter__(self) -> set_stance:
        return self

    def __exit__(self, *error: Any) -> None:
        return None
