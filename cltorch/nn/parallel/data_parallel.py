"""DataParallel: one module, a batch in parts.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.DataParallel.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd import is_grad_enabled
from cltorch.nn.modules.module import Module
from cltorch.nn.parallel.parallel_apply import parallel_apply
from cltorch.nn.parallel.replicate import replicate
from cltorch.nn.parallel.scatter_gather import gather, place, scatter_kwargs

__all__ = ["DataParallel", "data_parallel"]


def _devices(module: Any, given: Sequence[Any] | None) -> list[Any]:
    """Return the devices of a module: those given, or the one on which it lies; none for the host."""
    if given is None:
        return sorted({t.device for t in (*module.parameters(), *module.buffers()) if t.device.type == "cl"}, key=str)
    return [place(d) for d in given]


class DataParallel(Module):
    """Run a module on its devices, each with a part of the batch; the module is the child ``module``.

    y = cat(module(x_1), …, module(x_n)) for the parts x_i of the batch, one for each device.
    The arguments are cut along ``dim``, the module is copied to each device that gets a part, and the results are put
    together on ``output_device``, the first one if None. Without ``device_ids`` the only device is the one on which the
    module lies. Raises RuntimeError for a module that does not lie on the first device.
    Shape: what the module takes and returns, its size along ``dim`` being cut and put together.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.DataParallel.html

    >>> import cltorch as torch
    >>> net = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    >>> list(net.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Any, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        devices = _devices(module, device_ids)
        self.module, self.dim = module, dim
        self.device_ids = [d if d.index is None else d.index for d in devices]
        if devices:
            self.src_device_obj = devices[0]
            self.output_device = self.device_ids[0] if output_device is None else output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        device = self.src_device_obj
        for t in (*self.module.parameters(), *self.module.buffers()):
            if t.device != device:
                raise RuntimeError(
                    f"module must have its parameters and buffers on device {device} (device_ids[0]) but found one of "
                    f"them on device: {t.device}"
                )
        given, named = self.scatter(inputs, kwargs, self.device_ids)
        if not given and not named:
            given, named = ((),), ({},)
        if len(self.device_ids) == 1:
            return self.module(*given[0], **named[0])
        replicas = self.replicate(self.module, self.device_ids[: len(given)])
        return self.gather(self.parallel_apply(replicas, given, named), self.output_device)

    def replicate(self, module: Any, device_ids: Sequence[Any]) -> list[Any]:
        """Copy a module to each device."""
        return replicate(module, device_ids, not is_grad_enabled())

    def scatter(self, inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, device_ids: Sequence[Any]) -> Any:
        """Cut arguments into a part for each device."""
        return scatter_kwargs(inputs, kwargs, device_ids, dim=self.dim)

    def parallel_apply(self, replicas: Sequence[Any], inputs: Sequence[Any], kwargs: Any) -> list[Any]:
        """Call each copy with its part."""
        return parallel_apply(replicas, inputs, kwargs, self.device_ids[: len(replicas)])

    def gather(self, outputs: Any, output_device: Any) -> Any:
        """Put results together on one device."""
        return gather(outputs, output_device, dim=self.dim)


def data_parallel(
    module: Any,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Call a module as DataParallel would; ``inputs`` is a tensor or a tuple of arguments.

    y = cat(module(x_1), …, module(x_n)) for the parts x_i of the batch, one for each device.
    Shape: what the module takes and returns, its size along ``dim`` being cut and put together.
    Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#dataparallel-functions-multi-gpu-distributed

    >>> import cltorch as torch
    >>> torch.nn.parallel.data_parallel(torch.nn.ReLU(), torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*args, **(module_kwargs or {}))
