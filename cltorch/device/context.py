"""One OpenCL device made ready: context, in-order queue, capabilities, allocator and kernels."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pyopencl as cl

from cltorch.device import debug, discovery, ending, host_memory, huge_pages, limits
from cltorch.device.allocator import Allocator
from cltorch.device.capabilities import build_options, capabilities
from cltorch.device.caps import Ready
from cltorch.device.device import device
from cltorch.device.faults import Faults
from cltorch.device.fourier import Fourier
from cltorch.device.gate import Gate, GatedKernel, GatedNotingKernel
from cltorch.device.host_pool import HostPool
from cltorch.device.program import NOTES, PACE, Kernel, NotingKernel, build, build_source
from cltorch.device.storage import LentStorage, Storage
from cltorch.errors import DeviceError, OutOfMemoryError

_STAGED_BYTES, _STAGED_COPIES = 256 << 20, 1024  # host copies under way before `write` waits for the oldest
# pools of host memory: copies of at least this size are staged in one, and what they keep for later use
_POOLED_BYTES, _STAGING_KEPT, _PINNED_KEPT = 64 << 10, 64 << 20, 1 << 30
_SMALL_BYTES = 1 << 16  # of a fill or a copy within the device that takes no longer than a small launch
_MARKS = 8  # paces by which Python may be ahead of the device
_NO_MEMORY = (
    cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE,
    cl.status_code.OUT_OF_RESOURCES,
    cl.status_code.OUT_OF_HOST_MEMORY,
)
_COMPLETE = cl.command_execution_status.COMPLETE


class Context:
    """Give everything that operators need of one OpenCL device."""

    def __init__(self, index: int, cl_device: Any) -> None:
        self.index, self.cl_device = index, cl_device
        self.limits = limits.forced()
        self.caps = limits.lessened(capabilities(cl_device), self.limits)
        self.slow = bool(self.limits.get("slow_transfer"))
        self.name = f"cl:{index} ({self.caps.name})"
        self.device = device("cl", index)
        self.cl_context = cl.Context([cl_device])
        # profiling on the one queue is what makes Event.elapsed_time a device time; it was measured to cost nothing
        self.has_clock = bool(cl_device.profiling_timer_resolution)  # Mesa 22.3 tells 0, and of each event the same
        profiled = cl.command_queue_properties.PROFILING_ENABLE
        self.driver_queue: Any = cl.CommandQueue(self.cl_context, properties=profiled)
        if "ends_amid_work" in self.caps.quirks:
            ending.queues.append(self.wait_for)
        self.build_options = build_options(self.caps)
        limit = self.caps.global_mem if self.caps.kind != "cpu" else int(self.caps.global_mem * 0.9)
        self.allocator: Allocator
        self._kinds: tuple[type[Kernel], type[Kernel]]
        if debug.wanted():
            self.allocator = debug.GuardedAllocator(self, limit, self.caps.max_alloc, self.settle)
            self._kinds = debug.WatchedKernel, debug.WatchedNotingKernel
        else:
            self.allocator = Allocator(self.create_buffer, limit, self.caps.max_alloc, self.name, self.settle)
            gated = "asleep_between_launches" in self.caps.quirks
            self._kinds = (GatedKernel, GatedNotingKernel) if gated else (Kernel, NotingKernel)
        self.gate = Gate(self.cl_context) if self._kinds[0] is GatedKernel else None
        alone = "hangs_amid_threads" in self.caps.quirks
        self._turn: Any = ending.launching if alone else contextlib.nullcontext()
        self.ready = Ready()
        self.faults = Faults(self)
        self.fourier = Fourier(self)
        self.syncs = 0  # waits for the device that a program asked for: finishes and read-backs
        self.launches = self.copies = 0  # put into the queue so far
        self._done = 0  # of them, those that are known to have run
        self._kernels: dict[Any, Kernel] = {}
        self._programs: dict[Any, Any] = {}
        self._building = threading.RLock()
        self._staged: deque[tuple[Any, np.ndarray]] = deque()
        self._staged_bytes = 0
        self._staging = threading.RLock()
        self._marks: deque[Any] = deque()
        self._mapping: Any = None  # a second queue, so that mapping host memory does not wait for the first
        self._pinned = HostPool(self._map_host, _PINNED_KEPT)
        # a device that is the host itself copies from any memory as it does from its driver's
        self._for_staging = HostPool(host_memory.empty, _STAGING_KEPT) if self.caps.kind == "cpu" else self._pinned

    @property
    def queue(self) -> Any:
        """Return PyOpenCL's queue, for programs that enqueue on it themselves; launches gather no longer from then on.

        They may wait for the whole queue, and for what stands in it behind a closed gate they would wait for ever.
        """
        if self.gate is not None:
            self.gate.stop()
        return self.driver_queue

    # ---- memory ----------------------------------------------------------------------------------------------
    def create_buffer(self, nbytes: int) -> Any:
        """Return a new OpenCL buffer, uninitialised; raise MemoryError where there is no room."""
        try:
            buf = cl.Buffer(self.cl_context, cl.mem_flags.READ_WRITE, nbytes)
            if self.caps.kind != "cpu":
                # drivers of GPUs put off the allocation to the first use, where running out could not be undone
                undefined = cl.mem_migration_flags.CONTENT_UNDEFINED
                cl.enqueue_migrate_mem_objects(self.driver_queue, [buf], undefined)
            elif nbytes >= huge_pages.LEAST:
                array = self._mapped(buf, nbytes)
                huge_pages.ask(array.ctypes.data, nbytes)
                del array  # unmapped, which must be done before a kernel on the other queue uses the buffer
                with ending.call:
                    self._mapping.finish()
            return buf
        except cl.Error as error:
            if error.code in _NO_MEMORY:
                raise MemoryError(str(error)) from error
            raise DeviceError(f"{self.name}: a buffer of {nbytes} bytes cannot be made: {error}") from error

    def alloc(self, nbytes: int) -> Storage:
        """Return an uninitialised Storage on this device."""
        buf, give_back = self.allocator.take(nbytes)
        return LentStorage(self.device, nbytes, buf, give_back)

    def adopt(self, address: int, nbytes: int) -> Storage:
        """Return a storage on a buffer (its cl_mem) that somebody else made in this OpenCL context.

        Raises BufferError where it belongs to another context, or is smaller than that.
        """
        buf: Any = cl.Buffer.from_int_ptr(address, retain=True)
        if buf.context != self.cl_context:
            raise BufferError(f"the buffer belongs to another OpenCL context than that of {self.name}")
        if buf.size < nbytes:
            raise BufferError(f"the buffer has {buf.size} bytes, but the tensor needs {nbytes}")
        adopted = Storage(self.device, nbytes, buf)
        adopted.contents.seen = False
        return adopted

    def read(self, buf: Any, out: np.ndarray, byte_offset: int = 0) -> None:
        """Wait for the device and copy bytes of a buffer into a contiguous host array."""
        if out.nbytes:
            self.syncs += 1
            asked, staged, noted = self.asked(), len(self._staged), self.faults.ask()
            event = self._enqueue(cl.enqueue_copy, out, buf, src_offset=byte_offset, is_blocking=self.gate is None)
            if self.gate is not None:
                self.wait_for(event)
            self._finished(asked, staged)
            self.faults.check(noted)
            if self.slow:
                limits.transfer(out.nbytes)

    def read_later(self, buf: Any, out: np.ndarray, byte_offset: int = 0) -> Any:
        """Queue a copy of bytes of a buffer into a host array; return its event, which keeps the array alive."""
        return self._enqueue(cl.enqueue_copy, out, buf, src_offset=byte_offset, is_blocking=False)

    def write(self, buf: Any, data: np.ndarray, byte_offset: int = 0, *, owned: bool = False) -> None:
        """Copy a contiguous host array into a buffer without waiting.

        The caller may change ``data`` afterwards unless it passes ``owned=True``: the bytes are staged first.
        """
        if not data.nbytes:
            return
        if self.slow:
            limits.transfer(data.nbytes)
        if owned:
            staged = data
        elif data.nbytes < _POOLED_BYTES:
            staged = data.copy()
        else:
            staged = self._for_staging.take(data.nbytes)
            staged[:] = data.reshape(-1).view(np.uint8)
        self._stage(self._enqueue(cl.enqueue_copy, buf, staged, dst_offset=byte_offset, is_blocking=False), staged)

    def fetch(self, buf: Any, out: np.ndarray, byte_offset: int = 0) -> None:
        """Copy bytes of a buffer into a contiguous host array, which is filled once the device was waited for."""
        if out.nbytes:
            if self.slow:
                limits.transfer(out.nbytes)
            self._stage(self.read_later(buf, out, byte_offset), out)

    def _stage(self, event: Any, staged: np.ndarray) -> None:
        """Keep host memory until the copy that uses it has run; wait where very much of it is kept."""
        with self._staging:
            self._staged.append((event, staged))
            self._staged_bytes += staged.nbytes
            self._landed()
            while self._staged and (self._staged_bytes > _STAGED_BYTES or len(self._staged) > _STAGED_COPIES):
                self.wait_for(self._staged[0][0])
                self._landed(1)

    def copy_bytes(self, src: Any, dst: Any, src_offset: int, dst_offset: int, nbytes: int) -> None:
        """Copy bytes between two buffers of this device, in queue order."""
        options = {"src_offset": src_offset, "dst_offset": dst_offset, "byte_count": nbytes}
        self._enqueue(cl.enqueue_copy, dst, src, small=nbytes <= _SMALL_BYTES, **options)

    def fill_bytes(self, buf: Any, pattern: np.ndarray, byte_offset: int, nbytes: int) -> None:
        """Repeat a pattern of 1, 2, 4 or 8 bytes over a range of a buffer."""
        if nbytes:
            small = nbytes <= _SMALL_BYTES
            self._enqueue(cl.enqueue_fill_buffer, buf, pattern, byte_offset, nbytes, small=small)

    def _enqueue(self, command: Any, *args: Any, **options: Any) -> Any:
        """Enqueue a copy or fill; name the device in what goes wrong."""
        if self.driver_queue is None:
            raise RuntimeError(discovery.FORKED)
        self.copies += 1
        try:
            try:
                return self._ask(command, *args, **options)
            except cl.Error as error:
                if error.code != cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE:
                    raise
            # drivers may put off allocating a buffer until a command uses it
            self.relieve()
            return self._ask(command, *args, **options)
        except cl.Error as error:
            full = error.code == cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE
            kind = OutOfMemoryError if full else DeviceError
            why = f"out of memory: {error}. {self.allocator.usage()}" if full else str(error)
            raise kind(f"{command.__name__} on {self.name} failed: {why}") from error

    def _ask(self, command: Any, *args: Any, small: bool = False, **options: Any) -> Any:
        """Enqueue a command, but for a launch, behind an open gate; one that waits only where there is none.

        A ``small`` one, whose event nobody asks for, is like a small launch.
        """
        if self.gate is None:
            with self._turn, ending.call:
                return command(self.driver_queue, *args, **options)
        if small:
            with ending.launching, ending.call:
                return self.gate.gather(command, self.driver_queue, *args, **options)
        with ending.launching, ending.call:
            self.gate.open()
            event = command(self.driver_queue, *args, **options)
        self.gate.open()  # a signal's handler may have closed it in between
        return event

    def check_usable(self) -> None:
        """Raise RuntimeError in a forked child, where nobody may call the driver."""
        if self.driver_queue is None:
            raise RuntimeError(discovery.FORKED)

    def enqueue_by(self, work: Any, enqueue: Callable[[Any], None], buffers: Any) -> None:
        """Let another library put commands on these buffers into the queue, in turn with everything else.

        ``work.name`` says in errors what it was. Raises DeviceError where the library does (RuntimeError).
        """
        self.check_usable()

        def launch() -> None:
            try:
                with ending.launching:  # the arguments of its kernels are set here, too
                    self._ask(enqueue)
            except (cl.Error, RuntimeError) as error:
                raise DeviceError(f"{work.name} on {self.name} failed: {error}") from error

        if isinstance(self.allocator, debug.GuardedAllocator):
            self.allocator.launched(work, launch, buffers)
        else:
            launch()
        self.launches += 1
        if not self.launches % PACE:
            self.pace()

    def wait_for(self, event: Any = None) -> None:
        """Wait for an event, or for everything queued; raise DeviceError where the device has failed meanwhile."""
        self.check_usable()
        try:
            if self.gate is not None:
                self.gate.open()
                event = self._ask(cl.enqueue_marker) if event is None else event
            with ending.call:
                if event is None:
                    self.driver_queue.finish()
                else:
                    event.wait()
        except cl.Error as error:
            raise DeviceError(f"{self.name} failed while it ran what was queued: {error}") from error

    def _landed(self, known: int = 0) -> None:
        """Let go of the staged copies that have arrived, in the order of the queue.

        The ``known`` oldest have; of the others their events are asked, which may tell a little late.
        """
        with self._staging:
            while self._staged and (known > 0 or self._staged[0][0].command_execution_status == _COMPLETE):
                self._staged_bytes -= self._staged.popleft()[1].nbytes
                known -= 1

    def pinned(self, nbytes: int) -> np.ndarray:
        """Return host memory as bytes that the driver has allocated, from which it copies without a detour."""
        if self.driver_queue is None:
            raise RuntimeError(discovery.FORKED)
        return self._pinned.take(nbytes)

    def _map_host(self, nbytes: int) -> np.ndarray:
        """Return new host memory of the driver, mapped for as long as the array lives."""
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.ALLOC_HOST_PTR
        try:
            array = self._mapped(cl.Buffer(self.cl_context, flags, nbytes), nbytes)
        except cl.Error as error:
            kind = OutOfMemoryError if error.code in _NO_MEMORY else DeviceError
            raise kind(f"{self.name}: {nbytes} bytes of pinned host memory cannot be had: {error}") from error
        return array

    def _mapped(self, buf: Any, nbytes: int) -> np.ndarray:
        """Return a buffer's memory as an array, for as long as it lives, without waiting for the queue."""
        with self._building:
            if self._mapping is None:
                self._mapping = cl.CommandQueue(self.cl_context)
        both = cl.map_flags.READ | cl.map_flags.WRITE
        mapped: Any = cl.enqueue_map_buffer  # its stub wants flags as one member of their enumeration
        with ending.call:
            array: np.ndarray = mapped(self._mapping, buf, both, 0, (nbytes,), np.uint8)[0]
        return array

    def let_go(self) -> None:
        """Take the buffers of past launches from the kernels, where a driver keeps them allocated for that."""
        if "arguments_kept" in self.caps.quirks:
            with ending.launching:
                for kernel in list(self._kernels.values()):
                    kernel.let_go()

    def settle(self) -> None:
        """Wait until buffers that are released are free again."""
        self.wait_for()
        self.let_go()

    def relieve(self) -> None:
        """Wait for the device and give the cached buffers back to the driver."""
        self.settle()
        self.allocator.empty_cache()
        self._pinned.empty()
        self._for_staging.empty()
        self.wait_for()

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
                program = build(self, template, params, tuple(options))
                self._programs[pkey] = program
            found = self._kernels[key] = self._made(program, name, args)
            return found

    def _made(self, program: Any, name: str, args: str) -> Kernel:
        return self._kinds[args.endswith(NOTES)](self, cl.Kernel(program, name), name, args)

    def kernel_from_source(self, source: str, name: str, args: str, what: str = "kernel source") -> Kernel:
        """Return a kernel of OpenCL C text."""
        with self._building:
            key = ("source", name, source)
            found = self._kernels.get(key)
            if found is None:
                program = self._programs.get(source)
                if program is None:
                    program = self._programs[source] = build_source(self, source, what)
                found = self._kernels[key] = self._made(program, name, args)
            return found

    # ---- time ------------------------------------------------------------------------------------------------
    def synchronize(self) -> None:
        """Wait until everything queued has run."""
        self.syncs += 1
        asked, staged, noted = self.asked(), len(self._staged), self.faults.ask()
        self.wait_for()
        self._finished(asked, staged)
        self.faults.check(noted)

    def asked(self) -> int:
        """Return how many commands the device was given so far."""
        return self.launches + self.copies

    def has_run(self, asked: int) -> bool:
        """Return whether the first ``asked`` commands are known to have run, because the device was waited for."""
        return asked <= self._done

    def _finished(self, asked: int, staged: int) -> None:
        self._done = max(self._done, asked)
        if staged:
            self._landed(staged)

    def pace(self) -> None:
        """Hand what is queued to the device, and wait for what was queued long ago.

        Called now and then by launches, so that a program that never asks for a value neither leaves the device idle
        nor runs ahead of it without end, which would take ever more memory.
        """
        marks = self._marks
        marks.append(self.marker())
        if len(marks) > _MARKS:
            try:
                oldest = marks.popleft()
            except IndexError:  # another thread was quicker
                return
            self.wait_for(oldest)

    def marker(self) -> Any:
        """Return an event that completes when everything queued so far has run."""
        if self.driver_queue is None:
            raise RuntimeError(discovery.FORKED)
        try:
            event = self._ask(cl.enqueue_marker)
            self.driver_queue.flush()
        except cl.Error as error:
            raise DeviceError(f"enqueue_marker on {self.name} failed: {error}") from error
        return event

    def moment(self, marker: Any) -> Callable[[], int]:
        """Return what tells when a marker completed, in nanoseconds, after it has been waited for.

        A device without a clock is waited for here, and the time is the host's.
        """
        if self.has_clock:
            return lambda: int(marker.profile.end)
        self.wait_for(marker)
        now = time.perf_counter_ns()
        return lambda: now
