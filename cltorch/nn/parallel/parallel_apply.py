"""Copies of a module, each called with its part of the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["parallel_apply"]


def parallel_apply(
    modules: Sequence[Any],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """Call each module with its arguments, a tuple or one argument, and return what they return.

    y_i = module_i(x_i).
    They are called one after the other: a call only enqueues work, so the devices compute at the same time. Raises
    AssertionError where there are not as many of each.
    Shape: those of the modules.
    Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#dataparallel-functions-multi-gpu-distributed

    >>> import cltorch as torch
    >>> relu, x = torch.nn.ReLU(), torch.tensor(-1.0)
    >>> torch.nn.parallel.parallel_apply([relu, relu], [x, -x])
    [tensor(0.), tensor(1.)]
    """
    for name, given in (("inputs", inputs), ("kwargs_tup", kwargs_tup), ("devices", devices)):
        if given is not None and len(given) != len(modules):
            raise AssertionError(
                f"The number of modules {len(modules)} is not equal to the number of {name} {len(given)}"
            )
    named = kwargs_tup if kwargs_tup is not None else [{} for _ in modules]
    return [
        module(*(args if isinstance(args, (list, tuple)) else (args,)), **kw)
        for module, args, kw in zip(modules, inputs, named, strict=True)
    ]
