"""Build programs, hold kernels, and enqueue them: the one place where every launch passes."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pyopencl as cl

from cltorch.device import binaries, declarations, discovery, ending, limits, sandbox
from cltorch.device.ending import launching
from cltorch.device.templates import render
from cltorch.errors import BuildError, DeviceError, OutOfMemoryError

#: the letter, at the end of a kernel's arguments, of the buffer where it notes an index out of range
NOTES = "e"
_SCALARS = {
    "b": None, NOTES: None, "i": np.int32, "I": np.uint32, "l": np.int64, "L": np.uint64, "f": np.float32,
    "d": np.float64,
}  # fmt: skip
_OPTIONS = ("-cl-mad-enable",)
_BUILD_SECONDS = 600.0  # after which a compiler counts as hanging, unless CLTORCH_BUILD_TIMEOUT says otherwise
enqueue = cl.enqueue_nd_range_kernel  # a name of its own, for a profiler to stand before it
PACE = 256  # launches between two looks at how far the device is behind; a power of two


class Kernel:
    """Hold one compiled kernel with the types of its arguments."""

    __slots__ = ("name", "context", "_kernel", "_args", "_set", "_buffers", "_in_use")

    def __init__(self, context: Any, kernel: Any, name: str, args: str) -> None:
        self.name, self.context, self._kernel, self._args = name, context, kernel, args
        self._in_use = False
        if kernel.num_args != len(args):
            raise BuildError(f"kernel {name} takes {kernel.num_args} arguments, declared are {len(args)}: {args!r}")
        kernel.set_scalar_arg_dtypes([_SCALARS[a] for a in args])
        self._set = kernel.set_args
        self._buffers = tuple(i for i, a in enumerate(args) if a == "b")
        if context.limits:
            info = cl.kernel_work_group_info.LOCAL_MEM_SIZE
            told = kernel.get_work_group_info(info, context.cl_device)
            limits.check_kernel(context.caps, name, told // 2 if "local_told_twice" in context.caps.quirks else told)

    def launch(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, args: Any) -> None:
        """Enqueue with raw arguments (OpenCL buffers and Python numbers) in the declared order."""
        context = self.context
        if context.limits:
            limits.check_group(context.caps, self.name, local_size)
        try:
            with launching:
                if self._in_use:
                    return Kernel.launch(self._twin(), global_size, local_size, args)
                self._in_use = True
                try:
                    self._set(*args)
                    self._enqueue(global_size, local_size)
                finally:
                    self._in_use = False
        except (cl.Error, TypeError, RuntimeError) as error:
            self._failed(error, global_size, local_size, args)
        context.launches += 1
        if not context.launches % PACE:
            context.pace()

    def _enqueue(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None) -> None:
        enqueue(self.context.driver_queue, self._kernel, global_size, local_size)

    def _twin(self) -> Kernel:
        """Return the same kernel with arguments of its own.

        A signal's handler, or what runs when an object dies, launches in the middle of a launch of the same thread.
        """
        again = cl.Kernel(self._kernel.program, self._kernel.function_name)
        return type(self)(self.context, again, self.name, self._args)

    def let_go(self) -> None:
        """Hold the buffers of the last launch no longer."""
        for i in self._buffers:
            self._kernel.set_arg(i, None)

    def _failed(self, error: Exception, global_size: Any, local_size: Any, args: Any) -> None:
        """Try once more after freeing memory where the device ran out of it; raise what else went wrong."""
        context = self.context
        if context.driver_queue is None:
            raise RuntimeError(discovery.FORKED) from None
        if "bad_cast" in str(error):  # PyOpenCL's binding, of an integer
            raise RuntimeError(f"value cannot be converted to an argument of {self.name} without overflow") from error
        what = f"launch of {self.name} on {context.name}"
        # drivers may put off allocating a buffer until a kernel uses it
        if isinstance(error, cl.Error) and error.code == cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE:
            context.relieve()
            try:
                with launching:
                    self._set(*args)
                    self._enqueue(global_size, local_size)
                return
            except cl.Error as again:
                raise OutOfMemoryError(f"{what} failed, out of memory: {again}. {context.allocator.usage()}") from again
        raise DeviceError(f"{what} failed: {error} (global {global_size}, local {local_size})") from error

    def __call__(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, *args: Any) -> None:
        """Enqueue; a buffer argument is a Storage."""
        raw = list(args)
        for i in self._buffers:
            raw[i] = raw[i].buf
            if raw[i] is None:  # the driver would take it for a pointer to nothing, and the kernel end the process
                raise RuntimeError(f"argument {i} of {self.name} is on the host, not on {self.context.name}")
        self.launch(global_size, local_size, raw)

    def max_work_group(self) -> int:
        """Return this kernel's own work-group limit, which may be lower than the device's."""
        info = cl.kernel_work_group_info.WORK_GROUP_SIZE
        own = int(self._kernel.get_work_group_info(info, self.context.cl_device))
        return min(own, self.context.caps.max_work_group)


class NotingKernel(Kernel):
    """Hold a kernel that takes the context's note of indices out of range as its last argument."""

    __slots__ = ()

    def launch(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, args: Any) -> None:
        """Enqueue with the other arguments, and remember that there may be something to read."""
        faults = self.context.faults
        Kernel.launch(self, global_size, local_size, (*args, faults.buf))
        faults.pending = True


def build(context: Any, template: str, params: dict[str, Any], options: tuple[str, ...] = ()) -> Any:
    """Return the OpenCL program of a template; raise BuildError with everything needed to see why it failed."""
    source = render(template, {**params, "caps": context.caps})
    return build_source(context, source, f"kernels/{template}.cl with {params}", options)


def build_source(context: Any, source: str, what: str, options: tuple[str, ...] = ()) -> Any:
    """Return the program of OpenCL C text; ``what`` names it in an error."""
    if context.limits:
        limits.check_source(context.caps, source, what)
    flags = [*_OPTIONS, *context.build_options, *options]
    where = f"{what} does not build on {context.name} (driver {context.caps.driver}) with options {' '.join(flags)}"
    key = binaries.key_of(context.cl_device, source, flags)
    known = binaries.load(key)
    if known is not None:
        try:
            return _built(cl.Program(context.cl_context, [context.cl_device], [known]), flags, where)
        except cl.Error:  # a driver may refuse what an older one of the same version number wrote
            pass
    program = _built_briefly(context, source, flags, where)
    try:
        program = program or _built(cl.Program(context.cl_context, source), flags, where)
    except cl.Error as error:
        numbered = "\n".join(f"{i:4} {line}" for i, line in enumerate(source.splitlines(), 1))
        raise BuildError(f"{where}:\n{numbered}\n{error}") from error
    if not binaries.keep:
        return program
    try:
        binaries.store(key, program.get_info(cl.program_info.BINARIES)[0])
    except (cl.Error, IndexError):  # a driver that shows no binary: it compiles anew each time
        pass
    return program


def _built_briefly(context: Any, source: str, flags: list[str], where: str) -> Any:
    """Return the program with only those declarations in front of it that it needs; None where that is not to be."""
    front = declarations.before(source, flags) if "slow_header" in context.caps.quirks else None
    if front is None:
        return None
    try:
        return _built(cl.Program(context.cl_context, front + source), [*flags, declarations.OPTION], where)
    except cl.Error:  # it names functions in a way that a search for words does not find, or has an error of its own
        return None


def _built(program: Any, flags: list[str], where: str) -> Any:
    """Build in a thread, which is left behind where a driver's compiler hangs; nothing could end it there."""
    limit = sandbox.time_limit("CLTORCH_BUILD_TIMEOUT", _BUILD_SECONDS)
    outcome: list[Any] = []

    def work() -> None:
        try:
            # cache_dir=False: no second cache on disk beside ours
            with ending.call:
                outcome.append(program.build(options=flags, cache_dir=False))
        except BaseException as error:
            outcome.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cl.CompilerWarning)  # remarks of a compiler that did its work
        thread = threading.Thread(target=work, name="cltorch build", daemon=True)
        thread.start()
        thread.join(limit if limit > 0 else None)
    if not outcome:
        raise BuildError(
            f"{where}: the driver's compiler has not come back within {limit:g} s "
            "(CLTORCH_BUILD_TIMEOUT; 0 waits without end)"
        )
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
