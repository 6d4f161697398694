"""torch.utils._python_dispatch: modes that see operators below the graph, those of backward passes too.

A mode is handed operators of torch.ops with plain arguments: what PyTorch has under the name and the arguments that it
has there, what is one operator here (as a layer of gates, or a derivative) under a name of the namespace ``cltorch``.
Optimisers' steps and what functions of the package do on the host beside operators are not seen. A tensor that wraps
others (``_make_wrapper_subclass``) is not there.

Source: https://docs.pytorch.org/docs/2.13/notes/extending.html#extending-all-torch-api-with-modes
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch import torch_function
from cltorch.autograd import dispatch
from cltorch.torch_function import PATHS

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass", "is_traceable_wrapper_subclass_type"]

_SIZES = frozenset("empty ones rand randn zeros".split())  # whose sizes may be given one by one
# functions that make new tensors, of no operand that has a gradient, or numbers: by the operators they are
_APART = frozenset(
    """
    arange empty empty_strided eye full linspace logspace normal ones rand randint randn randperm tril_indices
    triu_indices zeros empty_like full_like ones_like rand_like randint_like randn_like zeros_like new_empty new_full
    new_ones new_zeros new_empty_strided
    argmax argmin any all count_nonzero nonzero bincount histc bucketize searchsorted isin equal
    multinomial bernoulli detach argsort
    bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_ item
    """.split()
)
_NAMES = {"item": "_local_scalar_dense"}


class _Others:
    """See calls of functions that are no operations of the graph."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        path, _, name = PATHS.get(func, "").rpartition(".")
        if path not in ("torch", "torch.Tensor") or name not in _APART or not dispatch.state.modes:
            return func(*args, **kwargs)
        told = tuple(args)
        if name in _SIZES and all(isinstance(n, int) for n in told):
            told = (list(told),)
        asked = {k: v for k, v in kwargs.items() if k != "requires_grad"}
        call = dispatch.Told(_NAMES.get(name, name), args=told, kwargs=asked)
        with dispatch.aside() as modes:
            found = dispatch.seen(modes, call, lambda: func(*args, **kwargs))
            return found if name in ("item", "equal") else dispatch.need(modes, call.name, found)


_others = _Others()


class TorchDispatchMode:
    """Handle every operator that runs within a ``with`` block, and in backward passes there.

    A mode defines ``__torch_dispatch__(self, func, types, args=(), kwargs=None)``, which returns the operator's result:
    ``func(*args, **kwargs)`` runs it. While that runs the mode is left, and nothing is recorded for gradients.

    Source: https://docs.pytorch.org/docs/2.13/notes/extending.html#extending-all-torch-api-with-modes

    >>> import cltorch as torch
    >>> class Names(TorchDispatchMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         print(func)
    ...         return func(*args, **(kwargs or {}))
    >>> x = torch.ones(2, requires_grad=True)
    >>> with Names():
    ...     torch.relu(x).sum().backward()
    aten.relu.default
    aten.sum.default
    aten.expand.default
    aten.threshold_backward.default
    """

    def __init__(self, _dispatch_key: Any = None) -> None:
        if _dispatch_key is not None:
            raise NotImplementedError("TorchDispatchMode: there are no dispatch keys in cltorch")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        _push_mode(self)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        _pop_mode()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """Return a new mode, as older programs enter it."""
        return cls(*args, **kwargs)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Return whether the mode is a part of PyTorch's own machinery."""
        return False


def _push_mode(mode: TorchDispatchMode) -> None:
    if not dispatch.state.modes:
        torch_function.push(_others, lasting=False)
    dispatch.push(mode)


def _pop_mode(k: Any = None) -> Any:
    found = dispatch.pop()
    if not dispatch.state.modes:
        torch_function.pop()
        torch_function.switch_off()
    return found


@contextmanager
def _pop_mode_temporarily(k: Any = None) -> Iterator[Any]:
    before = dispatch.state.modes
    dispatch.state.modes = before[:-1]
    try:
        yield before[-1]
    finally:
        dispatch.state.modes = before


@contextmanager
def _disable_current_modes() -> Iterator[list[Any]]:
    with dispatch.aside() as modes:
        yield modes


def _get_current_dispatch_mode() -> Any:
    modes = dispatch.state.modes
    return modes[-1] if modes else None


def _get_current_dispatch_mode_stack() -> list[Any]:
    return list(dispatch.state.modes)


def _len_torch_dispatch_stack() -> int:
    return len(dispatch.state.modes)


def is_in_torch_dispatch_mode(include_infra_modes: bool = True) -> bool:
    """Return whether a mode is entered."""
    return bool(dispatch.state.modes)


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Return False: a tensor holds its values itself."""
    return False


def is_traceable_wrapper_subclass_type(t: Any) -> bool:
    """Return False: a tensor holds its values itself."""
    return False
