"""Step an optimiser for a while on other tensors than its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.optim.optimizer import Optimizer
from cltorch.tensor import Tensor

__all__ = ["swap_in_optimizer_params_and_state"]

_NAME = "swap_in_optimizer_params_and_state"


def _checked(optimizer: Optimizer, given: Any) -> tuple[dict[Any, Any], list[dict[str, Any]]]:
    """Return state and groups of a state dict that fits an optimiser; raises RuntimeError for others."""
    if not optimizer.state:
        raise RuntimeError(f"{_NAME} requires initialized optimizer state.")
    if not isinstance(given, dict):
        raise RuntimeError(f"{_NAME} requires a DCP-style optimizer state_dict.")
    state, groups = given.get("state"), given.get("param_groups")
    if not isinstance(state, dict):
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['state'] to be a dict mapping packed parameter ids to per-param "
            f"state dicts, got {type(state).__name__}."
        )
    if any(isinstance(k, Tensor) for k in state):
        raise RuntimeError(f"{_NAME} requires optimizer.state_dict()-style state keyed by packed parameter ids.")
    if any(isinstance(k, int) and not isinstance(v, dict) for k, v in state.items()):
        raise RuntimeError(f"{_NAME} requires per-parameter optimizer state entries to be dictionaries.")
    if not isinstance(groups, list):
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['param_groups'] to be a list of param-group dicts, got "
            f"{type(groups).__name__}."
        )
    if len(groups) != len(optimizer.param_groups):
        raise RuntimeError("swapin_optim_state has a different number of parameter groups than the live optimizer.")
    for i, (mine, group) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        _check_group(i, mine, group)
    extra = [k for k in state if not any(k in group["params"] for group in groups)]
    if extra:
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['state'] to be keyed only by packed parameter ids from "
            f"param_groups[*]['params']; got extra keys {extra!r}."
        )
    return state, groups


def _check_group(i: int, mine: dict[str, Any], group: Any) -> None:
    if not isinstance(group, dict):
        raise RuntimeError(f"{_NAME} requires each optimizer param group to be a dictionary.")
    numbers = group.get("params")
    if not isinstance(numbers, list) or not all(isinstance(n, int) for n in numbers):
        raise RuntimeError(
            f"{_NAME} requires optimizer.state_dict()-style param_groups[*]['params'] entries keyed by packed "
            "parameter ids."
        )
    if len(numbers) != len(mine["params"]):
        raise RuntimeError(
            f"swapin_optim_state param group {i} has a different number of params than the live optimizer param group."
        )
    only, missing = [k for k in group if k not in mine], [k for k in mine if k not in group]
    if only or missing:
        raise RuntimeError(
            f"{_NAME} requires optimizer.state_dict()-style param group keys to exactly match the live optimizer group "
            f"keys for group {i}. Keys only in swap-in: {only}. Keys only in live: {missing}."
        )


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Any], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Let an optimiser have other parameters, options and state within a ``with`` block, and its own again after it.

    ``swapin_parameters`` are in the order of the optimiser's, ``swapin_optim_state`` is as ``state_dict`` returns it;
    its tensors are changed in place by a step. Raises RuntimeError for what does not fit.
    Shape: parameters (*), each as the one that it stands for.
    Source: https://docs.pytorch.org/docs/2.13/optim.html

    >>> import cltorch as torch
    >>> p, q = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    >>> p.grad = torch.ones(1); q.grad = torch.ones(1)
    >>> optimizer = torch.optim.SGD([p], lr=0.5, momentum=0.9)
    >>> optimizer.step()
    >>> with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> p.item(), round(q.item(), 4)
    (0.5, -0.95)
    """
    state, groups = _checked(optimizer, swapin_optim_state)
    params = list(swapin_parameters.values())
    if sum(len(group["params"]) for group in groups) > len(params):
        raise RuntimeError(f"{_NAME} requires the explicit parameter state to match optimizer.param_groups ordering.")
    own_state, own_groups = optimizer.state, [dict(group) for group in optimizer.param_groups]
    try:
        swapped: defaultdict[Any, Any] = defaultdict(dict)
        at = 0
        for mine, group in zip(optimizer.param_groups, groups, strict=True):
            numbers = group["params"]
            chosen = params[at : at + len(numbers)]
            at += len(numbers)
            mine.update({**group, "params": chosen})
            for p, number in zip(chosen, numbers, strict=True):
                swapped[p] = dict(state.get(number, {}))
        optimizer.state = swapped
        yield
    finally:
        for mine, before in zip(optimizer.param_groups, own_groups, strict=True):
            mine.clear()
            mine.update(before)
        optimizer.state = own_state
