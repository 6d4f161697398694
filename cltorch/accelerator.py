"""The device that computes fastest here, whatever its kind: torch.accelerator. It is an OpenCL device.

Source: https://docs.pytorch.org/docs/2.13/accelerator.html
"""

from __future__ import annotations

import importlib
from typing import Any

from cltorch import cl
from cltorch.cl import current_device as current_device_index
from cltorch.cl import (
    current_stream,
    device_count,
    get_device_capability,
    is_available,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_peak_memory_stats,
    set_stream,
    synchronize,
)
from cltorch.cl import device as device_index
from cltorch.cl import mem_get_info as get_memory_info
from cltorch.cl import set_device as set_device_index
from cltorch.device import device as Device

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "current_stream", "device_count",
    "device_index", "empty_cache", "get_device_capability", "get_memory_info", "is_available", "max_memory_allocated",
    "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats", "reset_peak_memory_stats",
    "set_device_idx", "set_device_index", "set_stream", "synchronize",
]  # fmt: skip

current_device_idx, set_device_idx = current_device_index, set_device_index


def current_accelerator(check_available: bool = False) -> Any:
    """Return the kind of device that accelerates, without an index, or None where there is none.

    OpenCL devices are found when the program runs, so the answer is the same with ``check_available``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.accelerator.current_accelerator.html

    >>> import cltorch as torch
    >>> device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    """
    return Device("cl") if is_available() else None


def empty_cache() -> None:
    """Give the memory that is kept for reuse back to the driver, on the current device."""
    cl.empty_cache()


def get_device_module(device: Any = None) -> Any:
    """Return ``torch.cl`` or ``torch.cpu``, the module that belongs to a device; None stands for the accelerator.

    Raises RuntimeError for what is no device.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_device_module.html

    >>> import cltorch as torch
    >>> torch.get_device_module("cuda:0") is torch.cl
    True
    """
    if device is None:
        found = current_accelerator()
        kind = "cpu" if found is None else found.type
    elif isinstance(device, (str, Device)):
        kind = Device(device).type
    else:
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    return importlib.import_module(f"cltorch.{kind}")
