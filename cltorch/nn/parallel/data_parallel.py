"""DataParallel on one device.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.DataParallel.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.nn.modules.module import Module
from cltorch.tensor import Tensor

__all__ = ["DataParallel", "data_parallel"]


def _moved(x: Any, device: Any) -> Any:
    if isinstance(x, Tensor):
        return x.to(device)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(_moved(y, device) for y in x))
    if isinstance(x, (list, tuple)):
        return type(x)(_moved(y, device) for y in x)
    return {k: _moved(v, device) for k, v in x.items()} if isinstance(x, dict) else x


def _devices(module: Any, given: Sequence[Any] | None) -> list[Any]:
    """Return the devices of a module: those given, or the one on which it lies; none for the host."""
    if given is None:
        return sorted({t.device for t in (*module.parameters(), *module.buffers()) if t.device.type == "cl"}, key=str)
    return [functions.resolve_device(f"cl:{d}" if isinstance(d, int) else d) for d in given]


class DataParallel(Module):
    """Run a module on its device, as PyTorch's does where there is one; the module is the child ``module``.

    Inputs are moved to the device. Without ``device_ids`` it is the one on which the module lies. Raises
    NotImplementedError for several devices, RuntimeError for a module that lies elsewhere.

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
        if len(devices) > 1:
            raise NotImplementedError("DataParallel over several devices is not supported; give one in device_ids")
        self.module, self.dim = module, dim
        self.device_ids = [d.index for d in devices]
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
        return self.module(*_moved(inputs, device), **_moved(kwargs, device))


def data_parallel(
    module: Any,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Call a module as DataParallel would; ``inputs`` is a tensor or a tuple of arguments."""
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*args, **(module_kwargs or {}))
