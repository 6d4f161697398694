"""Which OpenCL devices there are, what they can do, and which one is current."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import cltorch.device as places
from cltorch.device import device as Device

__all__ = [
    "ClDeviceProperties", "can_device_access_peer", "context_of", "current_device", "device", "device_count",
    "device_of", "get_arch_list", "get_device_capability", "get_device_name", "get_device_properties",
    "get_gencode_flags", "init", "is_available", "is_bf16_supported", "is_initialized", "set_device", "synchronize",
]  # fmt: skip


def _discovery() -> Any:
    # pyopencl is imported by the first question about devices, not by the package
    return importlib.import_module("cltorch.device.discovery")


def context_of(device: Any = None) -> Any:
    """Return the context of a device given as None (the current one), an index, a string or a device.

    Raises ValueError for a device that is not an OpenCL device, RuntimeError for one that does not exist.
    """
    if device is None:
        return Device("cl", places.current_cl()).context
    place = Device(device).resolve()
    if place.type != "cl":
        raise ValueError(f"Expected a cl device, but got: {place}")
    return place.context


def is_available() -> bool:
    """Return whether there is an OpenCL device that works.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.is_available.html

    >>> import cltorch as torch
    >>> device = "cl" if torch.cl.is_available() else "cpu"
    """
    return device_count() > 0


def device_count() -> int:
    """Return how many OpenCL devices work: each of them has built and run a small kernel.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.device_count.html
    """
    return len(_discovery().devices())


def get_arch_list() -> list[str]:
    """Return an empty list: kernels are compiled for the device that is there, not for architectures beforehand.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_arch_list.html
    """
    return []


def get_gencode_flags() -> str:
    """Return an empty text: there are no flags of NVIDIA's compiler.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_gencode_flags.html
    """
    return ""


def is_initialized() -> bool:
    """Return whether an OpenCL device has been used in this process; one forked from it cannot use it any more.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.is_initialized.html
    """
    contexts = sys.modules.get("cltorch.device.contexts")
    return contexts is not None and bool(contexts._made) and not _discovery().forked()


def init() -> None:
    """Prepare the current device; the first use of it does so anyway.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.init.html
    """
    context_of(None)


def current_device() -> int:
    """Return the index of the current device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.current_device.html
    """
    return context_of(None).index


def set_device(device: Any) -> None:
    """Make a device current: the one that 'cl' without an index means.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.set_device.html
    """
    index = device if isinstance(device, int) else context_of(device).index
    if index >= 0:
        places.set_current_cl(index)


class device:
    """Make a device current inside a ``with`` block; a negative index or None changes nothing.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.device.html
    """

    def __init__(self, device: Any) -> None:
        unchanged = device is None or (isinstance(device, int) and device < 0)
        self.idx = -1 if unchanged else context_of(device).index
        self.prev_idx = -1

    def __enter__(self) -> None:
        self.prev_idx = places.current_cl()
        set_device(self.idx)

    def __exit__(self, *exc: Any) -> None:
        places.set_current_cl(self.prev_idx)


class device_of(device):
    """Make the device of a tensor current inside a ``with`` block; a tensor on the host changes nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.device if obj.device.type == "cl" else None)


class ClDeviceProperties:
    """Hold what an OpenCL device says about itself, under torch.cuda's names and under its own."""

    def __init__(self, context: Any) -> None:
        caps = context.caps
        self.name: str = caps.name
        self.major, self.minor = (int(n) for n in caps.c_version.split("."))
        self.total_memory: int = caps.global_mem
        self.multi_processor_count: int = caps.compute_units
        self.shared_memory_per_block: int = caps.local_mem
        self.max_threads_per_block: int = caps.max_work_group
        self.is_integrated: bool = caps.host_unified
        self.kind: str = caps.kind
        self.vendor: str = caps.vendor
        self.driver_version: str = caps.driver
        self.max_allocation: int = caps.max_alloc
        self.has_fp64: bool = caps.fp64
        self.has_fp16: bool = caps.fp16

    def __repr__(self) -> str:
        return (
            f"ClDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // 2**20}MB, multi_processor_count={self.multi_processor_count}, "
            f"kind='{self.kind}', vendor='{self.vendor}', driver_version='{self.driver_version}')"
        )


def get_device_properties(device: Any = None) -> ClDeviceProperties:
    """Return the properties of a device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_device_properties.html
    """
    return ClDeviceProperties(context_of(device))


def get_device_name(device: Any = None) -> str:
    """Return the name of a device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_device_name.html
    """
    return str(context_of(device).caps.name)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Return the version of OpenCL C that a device compiles, as (major, minor).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_device_capability.html
    """
    properties = get_device_properties(device)
    return properties.major, properties.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Return whether bfloat16 tensors can be used: they can on every device, computed in float32.

    Without emulation the answer is False: OpenCL C has no bfloat16 arithmetic.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.is_bf16_supported.html
    """
    return including_emulation


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Return whether one device can read another's memory: every device has a context of its own, so it cannot.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.can_device_access_peer.html
    """
    return context_of(device) is context_of(peer_device)


def _is_in_bad_fork() -> bool:
    """Return whether this process was forked after a driver was loaded, after which none of them works in it."""
    return bool(_discovery().forked())


def _lazy_init() -> None:
    """Find the devices, if that has not been done."""
    init()


def _lazy_call(callable: Any, **kwargs: Any) -> None:
    """Call a function that needs the devices to have been found."""
    init()
    callable()


def synchronize(device: Any = None) -> None:
    """Wait until a device has finished everything that was asked of it.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.synchronize.html
    """
    context_of(device).synchronize()
