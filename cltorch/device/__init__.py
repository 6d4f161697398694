"""The device layer: discovery, contexts, storages, kernels. The only package that imports pyopencl or mako."""

from cltorch.device.device import (
    CPU,
    chosen_device,
    current_cl,
    default_device,
    device,
    get_default_device,
    resolve,
    set_current_cl,
    set_default_device,
)
from cltorch.device.storage import Storage

__all__ = [
    "CPU",
    "Storage",
    "chosen_device",
    "current_cl",
    "default_device",
    "device",
    "get_default_device",
    "resolve",
    "set_current_cl",
    "set_default_device",
]
