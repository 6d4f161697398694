"""Plans of Fourier transforms by VkFFT, through the optional package pyvkfft, on a context's queue.

A plan is a program compiled for one shape, unlike every other kernel here, so those made last are kept. Of shapes that
VkFFT refuses, or whose program a driver does not build, that is remembered.
Source: https://pyvkfft.readthedocs.io and D. Tolmachev, VkFFT, IEEE Access 11, 2023
"""

from __future__ import annotations

import functools
import importlib
import math
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pyopencl as cl

from cltorch.device import ending

_KEPT = 64  # plans of a context
_MOST = (1 << 31) - 1  # elements that VkFFT counts by 32 bits
_PRIMES = 2, 3, 5, 7, 11, 13  # what VkFFT has steps for
#: Sizes above with other factors are not asked for: planning 24,001 and more by Bluestein's way ends the process
#: (pyvkfft 2025.1.1, while 20,011 works).
_ANY_FACTORS = 8192


@functools.cache
def library() -> Any:
    """Return pyvkfft's module for OpenCL, None where it is not installed or was built without."""
    try:
        return importlib.import_module("pyvkfft.opencl")
    except (ImportError, OSError, AttributeError):  # the last two of a library that lacks or does not load OpenCL
        return None


def _dangerous(n: int) -> bool:
    """Return whether planning a size could end the process."""
    if n <= _ANY_FACTORS:
        return False
    for prime in _PRIMES:
        while n % prime == 0:
            n //= prime
    return n > 1


class _Operand(NamedTuple):
    """What pyvkfft asks of the arrays it is given."""

    data: Any
    shape: tuple[int, ...]
    size: int
    dtype: Any
    strides: None = None


class Plan:
    """Hold one transform of contiguous operands: of complex numbers, or between real ones and half of their spectrum.

    Forward nothing is divided, back the result is divided by the number of points.
    """

    __slots__ = ("name", "_app", "_real", "_half", "_types")

    def __init__(self, app: Any, shape: tuple[int, ...], double: bool, real: bool) -> None:
        self._app, self._real = app, shape
        self._half = (*shape[:-1], shape[-1] // 2 + 1) if real else shape
        whole = np.dtype(np.complex128 if double else np.complex64)
        self._types = whole.type(0).real.dtype if real else whole, whole
        self.name = f"VkFFT {'r2c' if real else 'c2c'} of {'x'.join(map(str, shape))}"

    def enqueue(self, queue: Any, source: Any, target: Any, forward: bool) -> None:
        """Put the transform of one buffer into another into a queue; back from half a spectrum it may spoil that."""
        shapes = (self._real, self._half) if forward else (self._half, self._real)
        types = self._types if forward else self._types[::-1]
        operands = [
            _Operand(buf, shape, math.prod(shape), t)
            for buf, shape, t in zip((source, target), shapes, types, strict=True)
        ]
        (self._app.fft if forward else self._app.ifft)(*operands, queue=queue)


class Fourier:
    """Make and keep the plans of one context."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._plans: OrderedDict[Any, Plan | None] = OrderedDict()
        self._lock = threading.RLock()

    def stop(self) -> None:
        """Let go of all plans, while there still is the library that releases them."""
        with self._lock:
            self._plans.clear()

    def plan(self, shape: tuple[int, ...], axes: tuple[int, ...], double: bool, real: bool) -> Plan | None:
        """Return the transform of a contiguous shape along some axes, for ``real`` the last; None where there is none.

        Raises RuntimeError in a forked child, as every command does.
        """
        if library() is None:
            return None
        key = shape, axes, double, real
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
                return self._plans[key]
            made = self._plans[key] = self._made(shape, axes, double, real)
            if made is not None:
                ending.helpers.add(self)
            while len(self._plans) > _KEPT:
                self._plans.popitem(last=False)
            return made

    def _made(self, shape: tuple[int, ...], axes: tuple[int, ...], double: bool, real: bool) -> Plan | None:
        found = library()
        if len(shape) > found.vkfft_max_fft_dimensions() or math.prod(shape) > _MOST:
            return None
        if any(_dangerous(shape[axis]) for axis in axes):
            return None
        self._context.check_usable()
        whole, half = (np.float64, np.float32) if real else (np.complex128, np.complex64)
        # a queue of its own: should VkFFT wait for the one it is given, nothing may stand in it behind a gate
        queue = cl.CommandQueue(self._context.cl_context)

        def make() -> Any:
            with ending.call:
                return found.VkFFTApp(
                    shape, whole if double else half, queue=queue, axes=axes, inplace=False, norm=1, r2c=real
                )

        try:
            try:
                app = make()
            except RuntimeError as error:
                if "ALLOC" not in str(error):
                    raise
                self._context.relieve()
                app = make()
        except RuntimeError:
            return None
        app.queue = self._context.driver_queue
        return Plan(app, shape, double, real)

    def run(self, plan: Plan, source: Any, target: Any, forward: bool) -> None:
        """Transform one buffer into another, in turn with all other commands."""
        self._context.enqueue_by(plan, lambda queue: plan.enqueue(queue, source, target, forward), (source, target))
