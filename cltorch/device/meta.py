"""The ``meta`` device: tensors of a shape and a dtype without bytes.

It stands where an OpenCL context would, so an operator takes the same way as on a device, up to its launch: checks,
result shapes, dtypes and strides are those of the operator itself. Memory is not allocated, kernels are not compiled,
launches and copies do nothing, and asking for a value raises.

Source: https://docs.pytorch.org/docs/2.13/meta.html
"""

from __future__ import annotations

from typing import Any, NoReturn

from cltorch.device.caps import Caps, Ready
from cltorch.device.device import device
from cltorch.device.storage import Storage

NO_DATA = "Cannot copy out of meta tensor; no data!"

# a device that has everything and asks for the shortest preparations
_CAPS = Caps(
    kind="gpu",
    name="meta",
    vendor="",
    driver="",
    c_version="3.0",
    compute_units=1,
    global_mem=1 << 62,
    max_alloc=1 << 62,
    local_mem=1 << 16,
    max_work_group=1024,
    max_dims=3,
    float_width=1,
    fp64=True,
    fp16=True,
    int64_atomics=True,
    sub_groups=True,
    host_unified=False,
)


class MetaBuffer:
    """Stand for the bytes of a storage; its identity tells storages apart."""

    __slots__ = ()

    @property
    def int_ptr(self) -> int:
        """Return a number that no other storage alive has."""
        return id(self)


class MetaKernel:
    """Stand for every kernel; launching it does nothing."""

    __slots__ = ()

    def launch(self, global_size: Any, local_size: Any, args: Any) -> None:
        """Do nothing."""

    def __call__(self, global_size: Any, local_size: Any, *args: Any) -> None:
        """Do nothing."""

    def max_work_group(self) -> int:
        """Return the limit of work-groups."""
        return _CAPS.max_work_group


class MetaContext:
    """Give operators what an OpenCL context gives them, without memory and without work."""

    def __init__(self) -> None:
        self.device, self.name, self.caps, self.ready = device("meta"), "meta", _CAPS, Ready()
        self.syncs = self.launches = self.copies = 0
        self._kernel = MetaKernel()

    def alloc(self, nbytes: int) -> Storage:
        """Return a Storage of a size, without bytes."""
        return Storage(self.device, nbytes, MetaBuffer())

    def kernel(self, template: str, name: str, args: str, /, **params: Any) -> MetaKernel:
        """Return the kernel that does nothing; the template is not rendered."""
        return self._kernel

    def kernel_from_source(self, source: str, name: str, args: str, what: str = "kernel source") -> NoReturn:
        """Raise: only an operator knows the shapes that a kernel of the user's stands for."""
        raise NotImplementedError(f"{name}: kernels of one's own do not take tensors on the meta device")

    def read(self, buf: Any, out: Any, byte_offset: int = 0) -> None:
        """Raise NotImplementedError unless nothing is asked for."""
        if out.nbytes:
            raise NotImplementedError(NO_DATA)

    def write(self, buf: Any, data: Any, byte_offset: int = 0, *, owned: bool = False) -> None:
        """Do nothing."""

    def copy_bytes(self, src: Any, dst: Any, src_offset: int, dst_offset: int, nbytes: int) -> None:
        """Do nothing."""

    def fill_bytes(self, buf: Any, pattern: Any, byte_offset: int, nbytes: int) -> None:
        """Do nothing."""

    def synchronize(self) -> None:
        """Do nothing: nothing is ever under way."""
