"""Small helpers of the layers: sizes repeated to a tuple, names of types, indented text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

from cltorch.tensor import Tensor


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    parse.__name__ = f"_ntuple_{n}"
    return parse


_single, _pair, _triple, _quadruple = _ntuple(1), _ntuple(2), _ntuple(3), _ntuple(4)


def _reverse_repeat_tuple(t: tuple[int, ...], n: int) -> tuple[int, ...]:
    """Return the elements from last to first, each ``n`` times: the order in which ``pad`` wants them."""
    return tuple(x for x in reversed(t) for _ in range(n))


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return device, dtype and memory_format of named arguments, those in ``kwargs["factory_kwargs"]`` included.

    Raises TypeError for other names, and for one that is given twice.
    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import cltorch as torch
    >>> torch.nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": torch.float64}})
    {'dtype': torch.float64, 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    names = ("device", "dtype", "memory_format")
    unexpected = kwargs.keys() - {*names, "factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in names:
        if name in kwargs:
            if name in found:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            found[name] = kwargs[name]
    return found


def typename(x: Any) -> str:
    """Return the name of a value's type as PyTorch's messages have it ("torch.FloatTensor", "int")."""
    if isinstance(x, Tensor):
        return x.type()
    kind = x if isinstance(x, type) else type(x)
    return (
        kind.__qualname__
        if kind.__module__ in ("builtins", "__builtin__")
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _addindent(text: str, spaces: int, blank: bool = False) -> str:
    """Indent every line but the first; empty lines stay empty unless ``blank``."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line if blank or line.strip() else "" for line in rest)])


def checked_index(index: Any, size: int) -> int:
    """Return an index as one from the start; raise IndexError beyond the ends."""
    i = operator.index(index)
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of range")
    return i % size


def named_items(given: Any, owner: str) -> Iterator[tuple[str, Any]]:
    """Iterate over a mapping's items or an iterable of pairs; raise TypeError or ValueError for anything else."""
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{owner}.update should be called with an iterable of key/value pairs, but got {type(given).__name__}"
        )
    if hasattr(given, "items"):
        yield from given.items()
        return
    for i, pair in enumerate(given):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{owner} update sequence element #{i} should be Iterable; is{type(pair).__name__}")
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(f"{owner} update sequence element #{i} has length {len(pair)}; 2 is required")
        yield pair


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix away from the names in a state dict, in place: what DataParallel saved loads into its module.

    >>> state = {"module.weight": 1}
    >>> consume_prefix_in_state_dict_if_present(state, "module.")
    >>> state
    {'weight': 1}
    """
    for key in [k for k in state_dict if k.startswith(prefix)]:
        state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", {})
    for key in [k for k in metadata if k and (k == prefix.replace(".", "") or k.startswith(prefix))]:
        metadata[key[len(prefix) :]] = metadata.pop(key)
