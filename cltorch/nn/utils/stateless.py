"""Call a module with other parameters than its own: torch.nn.utils.stateless.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.functional_call.html
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.nn.modules.module import Module
from cltorch.nn.utils.parametrize import is_parametrized
from cltorch.tensor import Tensor

__all__ = ["functional_call"]


def _named(module: Module) -> dict[str, Any]:
    """Return all parameters and buffers by name, tied ones under each of their names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _untied(module: Module, given: dict[str, Any]) -> dict[str, Any]:
    """Return the given tensors under all names that are tied to theirs."""
    names: dict[int, list[str]] = {}
    for name, x in _named(module).items():
        names.setdefault(id(x), []).append(name)
    untied = dict(given)
    for tied in names.values():
        found = [name for name in tied if name in given]
        if not found:
            continue
        if len({id(given[name]) for name in found}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(tied)}, which are tied. Consider using "
                "tie_weights=False"
            )
        untied.update(dict.fromkeys(tied, given[found[0]]))
    return untied


def _check_keys(module: Module, given: dict[str, Any]) -> None:
    own = _named(module)
    lines = []
    for words, names in (
        ("Unexpected key(s)", [k for k in given if k not in own]),
        ("Missing key(s)", [k for k in own if k not in given]),
    ):
        if names:
            lines.append(f"{words}: {', '.join(map(repr, sorted(names)))}.")
    if lines:
        joined = "\n\t".join(lines)
        raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:\n\t{joined}")


_MISSING: Any = object()


def _swap(owner: Module, name: str, value: Any) -> Any:
    """Put a tensor in the place of a module's and return that one; what was not there goes again."""
    for kind in (owner._parameters, owner._buffers):
        if name in kind:
            before, kind[name] = kind[name], value
            return before
    if value is _MISSING:
        return owner.__dict__.pop(name)
    if is_parametrized(owner, name):
        before = getattr(owner, name)
        setattr(owner, name, value)
        return before
    before = owner._modules.get(name, owner.__dict__.get(name, _MISSING))
    if before is not _MISSING and not isinstance(before, Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    owner.__dict__[name] = value
    return before


@contextmanager
def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
) -> Iterator[None]:
    """Let a module have other tensors for a while; what it puts in their place is put into the given dictionary.

    ``stack_weights`` has no effect: what was changed last always goes back first.
    """
    used = _untied(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        _check_keys(module, used)
    places = {}
    for key, value in used.items():
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"{value} is not an instance of torch.Tensor")
        path, _, name = key.rpartition(".")
        if not name:
            raise KeyError('tensor name can\'t be empty string ""')
        places[key] = (module.get_submodule(path), name)
    before: dict[str, Any] = {}
    try:
        for key, (owner, name) in places.items():
            before[key] = _swap(owner, name, used[key])
        yield
    finally:
        after = {key: _swap(*places[key], value) for key, value in reversed(before.items())}
        parameters_and_buffers.update({key: after[key] for key in parameters_and_buffers if key in after})


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with the given tensors in place of its parameters and buffers, differentiably.

    ``args`` is the arguments as a tuple, or the only one. Tensors that are tied are changed together unless
    ``tie_weights=False``; ``strict`` wants all of them. In-place changes of buffers reach the given tensors.
    Raises ValueError for several values of tied tensors, RuntimeError for names that ``strict`` misses. Deprecated in
    PyTorch in favour of ``torch.func.functional_call``.
    Shape: those of the module's arguments and results.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.stateless.functional_call.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(2, 1, bias=False)
    >>> torch.nn.utils.stateless.functional_call(net, {'weight': torch.ones(1, 2)}, (torch.ones(2),))
    tensor([2.])
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
