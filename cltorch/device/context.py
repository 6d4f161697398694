"""One OpenCL device made ready: context, in-order queue, capabilities, allocator and kernels."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyopencl as cl

from cltorch.device import discovery
from cltorch.device.allocator import Allocator
from cltorch.device.device import device
from cltorch.device.program import Kernel, build, build_source
from cltorch.device.storage import Storage
from cltorch.errors import DeviceError


@dataclass(frozen=True)
class Caps:
    """What a device can do, asked of the device and never guessed from its vendor."""

    kind: str
    name: str
    vendor: str
    driver: str
    c_version: str
    compute_units: int
    global_mem: int
    max_alloc: int
    local_mem: int
    max_work_group: int
    max_dims: int
    float_width: int
    fp64: bool
    fp16: bool
    int64_atomics: bool
    sub_groups: bool
    host_unified: bool

    @staticmethod
    def of(d: Any) -> Caps:
        """Read the capabilities of a pyopencl device."""
        extensions = set(d.extensions.split())
        version = re.search(r"(\d+\.\d+)", d.opencl_c_version)
        kind = "cpu" if d.type & cl.device_type.CPU else "gpu" if d.type & cl.device_type.GPU else "accelerator"
        return Caps(
            kind=kind,
            name=d.name.strip(),
            vendor=d.vendor.strip(),
            driver=d.driver_version,
            c_version=version.group(1) if version else "1.1",
            compute_units=d.max_compute_units,
            global_mem=d.global_mem_size,
            max_alloc=d.max_mem_alloc_size,
            local_mem=d.local_mem_size,
            max_work_group=d.max_work_group_size,
            max_dims=d.max_work_item_dimensions,
            float_width=max(d.native_vector_width_float, d.preferred_vector_width_float, 1),
            fp64="cl_khr_fp64" in extensions or bool(d.double_fp_config),
            fp16="cl_khr_fp16" in extensions,
            int64_atomics="cl_khr_int64_base_atomics" in extensions,
            sub_groups="cl_khr_subgroups" in extensions or "cl_intel_subgroups" in extensions,
            host_unified=bool(d.host_unified_memory),
        )


class Context:
    """Give everything that operators need of one OpenCL device."""

    def __init__(self, index: int, cl_device: Any) -> None:
        self.index, self.cl_device = index, cl_device
        self.caps = Caps.of(cl_device)
        self.name = f"cl:{index} ({self.caps.name})"
        self.device = device("cl", index)
        self.cl_context = cl.Context([cl_device])
        # profiling on the one queue is what makes Event.elapsed_time a device time; it was measured to cost nothing
        self.queue = cl.CommandQueue(self.cl_context, properties=cl.command_queue_properties.PROFILING_ENABLE)
        major, minor = (int(n) for n in self.caps.c_version.split("."))
        self.std_option = (
            ("-cl-std=CL3.0",)
            if major >= 3
            else ("-cl-std=CL2.0",)
            if major == 2
            else ("-cl-std=CL1.2",)
            if minor >= 2
            else ()
        )
        self.cache_dir = discovery.kernel_cache_dir()
        limit = self.caps.global_mem if self.caps.kind != "cpu" else int(self.caps.global_mem * 0.9)
        self.allocator = Allocator(self._create_buffer, limit, self.caps.max_alloc, self.name)
        self.ready: dict[Any, Any] = {}
        self.syncs = 0  # waits for the device: finishes and read-backs
        self._kernels: dict[Any, Kernel] = {}
        self._programs: dict[Any, Any] = {}
        self._building = threading.RLock()
        self._in_flight: deque[tuple[Any, Any]] = deque()

    # ---- memory ----------------------------------------------------------------------------------------------
    def _create_buffer(self, nbytes: int) -> Any:
        try:
            return cl.Buffer(self.cl_context, cl.mem_flags.READ_WRITE, nbytes)
        except cl.Error as error:
            if error.code in (
                cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE,
                cl.status_code.OUT_OF_RESOURCES,
                cl.status_code.OUT_OF_HOST_MEMORY,
            ):
                raise MemoryError(str(error)) from error
            raise DeviceError(f"{self.name}: a buffer of {nbytes} bytes cannot be made: {error}") from error

    def alloc(self, nbytes: int) -> Storage:
        """Return an uninitialised Storage on this device."""
        buf, size = self.allocator.take(nbytes)
        return Storage(self.device, nbytes, buf, size, self.allocator)

    def read(self, buf: Any, out: np.ndarray, byte_offset: int = 0) -> None:
        """Wait for the device and copy bytes of a buffer into a contiguous host array."""
        if out.nbytes:
            self.syncs += 1
            cl.enqueue_copy(self.queue, out, buf, src_offset=byte_offset, is_blocking=True)

    def write(self, buf: Any, data: np.ndarray, byte_offset: int = 0, *, owned: bool = False) -> None:
        """Copy a contiguous host array into a buffer without waiting.

        The caller may change ``data`` afterwards unless it passes ``owned=True``: the bytes are staged first.
        """
        if not data.nbytes:
            return
        staged = data if owned else data.copy()
        event = cl.enqueue_copy(self.queue, buf, staged, dst_offset=byte_offset, is_blocking=False)
        waiting = self._in_flight
        while waiting and waiting[0][0].command_execution_status == cl.command_execution_status.COMPLETE:
            waiting.popleft()
        waiting.append((event, staged))

    def copy_bytes(self, src: Any, dst: Any, src_offset: int, dst_offset: int, nbytes: int) -> None:
        """Copy bytes between two buffers of this device, in queue order."""
        cl.enqueue_copy(self.queue, dst, src, src_offset=src_offset, dst_offset=dst_offset, byte_count=nbytes)

    def fill_bytes(self, buf: Any, pattern: np.ndarray, byte_offset: int, nbytes: int) -> None:
        """Repeat a pattern of 1, 2, 4 or 8 bytes over a range of a buffer."""
        if nbytes:
            cl.enqueue_fill_buffer(self.queue, buf, pattern, byte_offset, nbytes)

    # ---- kernels ---------------------------------------------------------------------------------------------
    def kernel(self, template: str, name: str, args: str, /, **params: Any) -> Kernel:
        """Return a kernel of ``kernels/<template>.cl``, rendered with ``params`` and compiled at its first use."""
        key = (template, name, tuple(sorted(params.items())))
        found = self._kernels.get(key)
        return found if found is not None else self._make(key, template, name, args, params)

    def _make(self, key: Any, template: str, name: str, args: str, params: dict[str, Any]) -> Kernel:
        with self._building:
            pkey = (key[0], key[2])
            program = self._programs.get(pkey)
            if program is None:
                options = params.get("build_options", ())
                program = build(self, template, {**params, "caps": self.caps}, tuple(options))
                self._programs[pkey] = program
            found = self._kernels[key] = Kernel(self, cl.Kernel(program, name), name, args)
            return found

    def kernel_from_source(self, source: str, name: str, args: str, what: str = "kernel source") -> Kernel:
        """Return a kernel of OpenCL C text."""
        with self._building:
            key = ("source", name, source)
            found = self._kernels.get(key)
            if found is None:
                program = self._programs.get(source)
                if program is None:
                    program = self._programs[source] = build_source(self, source, what)
                found = self._kernels[key] = Kernel(self, cl.Kernel(program, name), name, args)
            return found

    # ---- time ------------------------------------------------------------------------------------------------
    def synchronize(self) -> None:
        """Wait until everything queued has run."""
        self.syncs += 1
        self.queue.finish()
        self._in_flight.clear()

    def marker(self) -> Any:
        """Return an event that completes when everything queued so far has run."""
        event = cl.enqueue_marker(self.queue)
        self.queue.flush()
        return event


_made: dict[int, Context] = {}
_making = threading.Lock()


def count() -> int:
    """Return the number of OpenCL devices that passed their probe."""
    return len(discovery.devices())


def get(index: int) -> Context:
    """Return the context of the ``index``-th working device; raise RuntimeError where there is none."""
    found = _made.get(index)
    if found is None:
        with _making:
            found = _made.get(index)
            if found is None:
                devices = discovery.devices()
                if not devices:
                    raise RuntimeError(
                        "No OpenCL device is available: no driver passed its probe. Run `python -m cltorch "
                        "doctor` to see why and what to install."
                    )
                if index >= len(devices):
                    raise RuntimeError(
                        f"invalid device ordinal: cl:{index}, but there are {len(devices)} OpenCL devices (see "
                        "`python -m cltorch doctor`)"
                    )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", cl.CompilerWarning)
                    found = _made[index] = Context(index, devices[index].cl_device)
    return found


def _refuse_after_fork() -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError(
            "Cannot use an OpenCL device in a forked subprocess: OpenCL does not survive fork. "
            "Use the 'spawn' start method (multiprocessing.get_context('spawn'))."
        )

    for made in _made.values():
        made.allocator.take = refuse  # type: ignore[method-assign]
        made.allocator.give = lambda buf, size: None  # type: ignore[method-assign]
        made.read = made.write = made.synchronize = refuse  # type: ignore[method-assign]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refuse_after_fork)
