"""Build programs, hold kernels, and enqueue them: the one place where every launch passes."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyopencl as cl

from cltorch.device.templates import render
from cltorch.errors import BuildError, DeviceError

_SCALARS = {
    "b": None, "i": np.int32, "I": np.uint32, "l": np.int64, "L": np.uint64, "f": np.float32, "d": np.float64,
}  # fmt: skip
_OPTIONS = ("-cl-mad-enable",)


class Kernel:
    """Hold one compiled kernel with the types of its arguments."""

    __slots__ = ("name", "context", "_queue", "_kernel", "_set", "_buffers", "_lock")

    def __init__(self, context: Any, kernel: Any, name: str, args: str) -> None:
        self.name, self.context, self._kernel, self._queue = name, context, kernel, context.queue
        if kernel.num_args != len(args):
            raise BuildError(f"kernel {name} takes {kernel.num_args} arguments, declared are {len(args)}: {args!r}")
        kernel.set_scalar_arg_dtypes([_SCALARS[a] for a in args])
        self._set = kernel.set_args
        self._buffers = tuple(i for i, a in enumerate(args) if a == "b")
        # arguments are state of the kernel object: two threads must not interleave set_args and enqueue
        self._lock = threading.Lock()

    def launch(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, args: Any) -> None:
        """Enqueue with raw arguments (OpenCL buffers and Python numbers) in the declared order."""
        try:
            with self._lock:
                self._set(*args)
                cl.enqueue_nd_range_kernel(self.context.queue, self._kernel, global_size, local_size)
        except cl.Error as error:
            raise DeviceError(
                f"launch of {self.name} on {self.context.name} failed: {error} (global {global_size}, local "
                f"{local_size})"
            ) from error

    def __call__(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, *args: Any) -> None:
        """Enqueue; a buffer argument is a Storage."""
        raw = list(args)
        for i in self._buffers:
            raw[i] = raw[i].buf
        self.launch(global_size, local_size, raw)

    def max_work_group(self) -> int:
        """Return this kernel's own work-group limit, which may be lower than the device's."""
        info = cl.kernel_work_group_info.WORK_GROUP_SIZE
        return int(self._kernel.get_work_group_info(info, self.context.cl_device))


def build(context: Any, template: str, params: dict[str, Any], options: tuple[str, ...] = ()) -> Any:
    """Return the OpenCL program of a template; raise BuildError with everything needed to see why it failed."""
    source = render(template, params)
    return build_source(context, source, f"kernels/{template}.cl with {params}", options)


def build_source(context: Any, source: str, what: str, options: tuple[str, ...] = ()) -> Any:
    """Return the program of OpenCL C text; ``what`` names it in an error."""
    flags = [*_OPTIONS, *context.std_option, *options]
    try:
        return cl.Program(context.cl_context, source).build(options=flags, cache_dir=context.cache_dir)
    except cl.Error as error:
        numbered = "\n".join(f"{i:4} {line}" for i, line in enumerate(source.splitlines(), 1))
        raise BuildError(
            f"{what} does not build on {context.name} (driver {context.caps.driver}) with options "
            f"{' '.join(flags)}:\n{error}\n{numbered}"
        ) from error
