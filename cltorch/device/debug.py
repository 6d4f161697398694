"""``CLTORCH_DEBUG=1``: what a kernel does wrong is raised at the line that launched it.

OpenCL devices run behind the program, so that what goes wrong in a kernel shows much later, or as wrong numbers
somewhere else. With ``CLTORCH_DEBUG=1``, as with PyTorch's ``CUDA_LAUNCH_BLOCKING=1`` and a memory checker together,

- every launch is waited for, and what the device says is raised there;
- every buffer lies between two strips of a pattern, which are looked at after every launch: DeviceMemoryError tells
  which kernel wrote in front of a buffer or behind its end, and which line made that buffer;
- indices out of range (DeviceIndexError) are raised there as well, not when the program waits next;
- memory that nothing was written to yet holds NaN (large numbers for integers);
- the errors name the kernel and the line of the program that launched it.

The variable is read when a device is first used. Programs are many times slower with it, and use more memory; without
it none of this costs anything. Kernels that read outside of a buffer are not found, unless it shows in what they write.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cltorch.device.allocator import Allocator
from cltorch.device.program import Kernel, NotingKernel
from cltorch.errors import DeviceError, DeviceMemoryError

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_STRIP = 512  # bytes in front of a buffer and behind it
_PATTERN = np.array([0x7FFCCA5E7FFCCA5E], "<u8")  # NaN as double, float, half and bfloat16
_Place = tuple[str, int, str]


def wanted() -> bool:
    """Return whether the environment asks for it."""
    return os.environ.get("CLTORCH_DEBUG", "").strip() not in ("", "0")


def _place() -> _Place:
    """Return file, line and function of the innermost frame that is not of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


def _shown(place: _Place) -> str:
    file, line, function = place
    text = linecache.getline(file, line).strip()
    return f'File "{file}", line {line}, in {function}' + (f": {text}" if text else "")


class _Guard:
    """Remember a buffer in the middle of a larger one, between two strips of the pattern."""

    __slots__ = ("whole", "nbytes", "before", "behind", "place")

    def __init__(self, whole: Any, nbytes: int, strip: int, total: int, place: _Place) -> None:
        self.whole, self.nbytes, self.place = whole, nbytes, place
        pattern = _PATTERN.view(np.uint8)
        self.before = np.resize(pattern, strip)
        self.behind = np.resize(pattern, total)[strip + nbytes :]


class GuardedAllocator(Allocator):
    """Hand out buffers with a strip of a pattern on either side."""

    def __init__(self, context: Any, limit: int, max_alloc: int, settle: Callable[[], None]) -> None:
        super().__init__(context.create_buffer, limit, max_alloc, context.name, settle)
        self._context, self._guards = context, dict[int, _Guard]()
        self.strip = max(_STRIP, context.cl_device.mem_base_addr_align // 8)

    def take(self, nbytes: int) -> tuple[Any, Callable[[], None]]:
        """Return a part of a buffer and what gives the whole one back; raise OutOfMemoryError."""
        with self._lock:
            total = (nbytes + 2 * self.strip + 7) // 8 * 8
            whole, give_back = super().take(total)
            part = whole.get_sub_region(self.strip, max(nbytes, 1))
            self._context.fill_bytes(whole, _PATTERN, 0, total)
            self._guards[part.int_ptr] = _Guard(whole, nbytes, self.strip, total, _place())
            return part, partial(self._unguarded, part.int_ptr, give_back)

    def _unguarded(self, address: int, give_back: Callable[[], None]) -> None:
        with self._lock:
            del self._guards[address]
        give_back()

    def launched(self, kernel: Any, launch: Callable[[], None], args: Any) -> None:
        """Launch a kernel, or what else has a name, wait for it, and raise what it did wrong."""
        context = self._context
        with self._lock:  # so that no other thread's work is taken for this kernel's
            try:
                launch()
                noted = context.faults.ask()
                seen = [(guard, *self._strips(guard)) for guard in list(self._guards.values())]
                context.wait_for()
            except DeviceError as error:
                raise type(error)(f"{error}\n{_by(kernel)}") from error
            wrong = [found for each in seen if (found := self._damage(*each, args))]
        if wrong:
            raise DeviceMemoryError(
                f"kernel {kernel.name} on {context.name} wrote outside of a buffer:\n"
                + "".join(f"- {found}\n" for found in wrong) + _by(kernel)
            )  # fmt: skip
        context.faults.check(noted, _by(kernel))

    def _strips(self, guard: _Guard) -> tuple[np.ndarray, np.ndarray, tuple[Any, ...]]:
        """Queue copies of both strips; return where they go to, and what keeps that alive."""
        before, behind = np.empty_like(guard.before), np.empty_like(guard.behind)
        read = self._context.read_later
        return before, behind, (read(guard.whole, before), read(guard.whole, behind, self.strip + guard.nbytes))

    def _damage(self, guard: _Guard, before: np.ndarray, behind: np.ndarray, _: Any, args: Any) -> str:
        """Return what is wrong around a buffer, in words, and mend it."""
        front, back = np.flatnonzero(before != guard.before), np.flatnonzero(behind != guard.behind)
        if not front.size and not back.size:
            return ""
        self._context.write(guard.whole, guard.before)
        self._context.write(guard.whole, guard.behind, self.strip + guard.nbytes)
        at = int(guard.nbytes + back[0] if back.size else front[0] - self.strip)
        part = next((k for k, a in enumerate(args) if self._guards.get(getattr(a, "int_ptr", 0)) is guard), None)
        whose = "which the kernel was not given" if part is None else f"argument {part} of the kernel"
        return f"at byte {at} of a buffer of {guard.nbytes} bytes ({whose}), made by {_shown(guard.place)}"


def _by(kernel: Any) -> str:
    return f"Kernel {kernel.name} was launched by {_shown(_place())}"


class WatchedKernel(Kernel):
    """Hold a kernel whose launches are waited for and looked at."""

    __slots__ = ()

    def launch(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, args: Any) -> None:
        """Enqueue, wait, and raise what went wrong."""
        self.context.allocator.launched(self, lambda: Kernel.launch(self, global_size, local_size, args), args)


class WatchedNotingKernel(NotingKernel):
    """The same for a kernel that notes indices out of range."""

    __slots__ = ()

    def launch(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None, args: Any) -> None:
        """Enqueue, wait, and raise what went wrong."""
        self.context.allocator.launched(self, lambda: NotingKernel.launch(self, global_size, local_size, args), args)
