"""A module copied to several devices, so that gradients of the copies reach its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.nn.modules.module import Module
from cltorch.nn.parallel.scatter_gather import place

__all__ = ["replicate"]


def replicate(network: Any, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """Return a copy of a module for each device, whose tensors are the module's own moved there.

    A copy's parameters are results of that move and no parameters of it, so a backward pass through copies adds to the
    gradients of the module; with ``detach`` it does not. On the device where the module lies a copy shares its memory.
    Shape: those of the module.
    Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#dataparallel-functions-multi-gpu-distributed

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(2, 1)
    >>> a, b = torch.nn.parallel.replicate(net, ["cpu", "cpu"])
    >>> (a(torch.ones(1, 2)) + b(torch.ones(1, 2))).sum().backward()
    >>> net.weight.grad
    tensor([[2., 2.]])
    """
    return [_copy(network, place(device), detach, {}) for device in devices]


def _copy(module: Any, device: Any, detach: bool, made: dict[int, Any]) -> Any:
    found = made.get(id(module))
    if found is not None:
        return found
    replica = made[id(module)] = module._replicate_for_data_parallel()
    for name, p in module._parameters.items():
        moved = p
        if p is not None:
            moved = made.get(id(p))
            if moved is None:
                moved = made[id(p)] = (p.detach() if detach else p.view_as(p)).to(device)
        replica.__dict__[name] = moved
    for name, b in module._buffers.items():
        replica._buffers[name] = None if b is None else b.to(device)
    for name, child in module._modules.items():
        replica._modules[name] = _copy(child, device, detach, made) if isinstance(child, Module) else child
    return replica
