"""Watch operators, gradients and kernels while a profiler runs; nothing is in their way while none does.

Every operator's ``forward``, every node's ``apply`` and the one place that launches kernels are replaced between
``start`` and ``stop``. Views and copies between host and device are not operators and are not seen.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cltorch.autograd.graph import Node
from cltorch.autograd.profiler_counts import names_of, operations
from cltorch.autograd.profiler_memory import HostMemory
from cltorch.autograd.profiler_util import DeviceType, EventList, FunctionEvent, Kernel
from cltorch.device import contexts as every_context
from cltorch.device import program
from cltorch.ops.array import Array
from cltorch.ops.op import Op
from cltorch.ops.pointwise import Pointwise
from cltorch.stand_ins import StandIns

current: Recorder | None = None  # that of the profiler that runs


def _below(cls: Any) -> Iterator[Any]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _below(sub)


def _name(op: str) -> str:
    return f"aten::{op}"


class Recorder:
    """Collect events between ``start`` and ``stop``; one at a time in a process."""

    def __init__(
        self,
        *,
        cpu: bool = True,
        device: bool = True,
        shapes: bool = False,
        stack: bool = False,
        flops: bool = False,
        memory: bool = False,
    ) -> None:
        self._cpu, self._device, self._shapes, self._with_stack = cpu, device, shapes, stack
        self._flops = flops
        self._host = HostMemory() if memory else None
        self._events: list[FunctionEvent] = []
        self._launched: list[tuple[Any, str, Any, FunctionEvent | None]] = []
        self._open = threading.local()
        self._stand_ins = StandIns()
        self._began = 0

    def start(self) -> None:
        """Begin to record; raises RuntimeError where another profiler runs."""
        global current
        if current is not None:
            raise RuntimeError("a profiler is running already: only one at a time")
        current = self
        self._began = time.perf_counter_ns()
        if self._host is not None:
            self._host.watch(self._stand_ins)
        if self._device:
            launch = program.enqueue

            def enqueue(queue: Any, kernel: Any, *sizes: Any, **options: Any) -> Any:
                event = launch(queue, kernel, *sizes, **options)
                self._launched.append((event, kernel.function_name, queue, self._top()))
                return event

            self._stand_ins.set(program, "enqueue", enqueue)
        row = Pointwise.compute
        self._stand_ins.set(Pointwise, "compute", self._watched(row, lambda args, _: (_name(args[0].name),), None))
        into = Pointwise.into
        self._stand_ins.set(Pointwise, "into", self._watched(into, lambda args, _: (_name(args[0].name) + "_",), 1))
        for op in _below(Op):
            self._watch_op(op)
        later = classmethod(lambda cls: self._watch_op(cls))  # what is imported while the profiler runs
        self._stand_ins.set(Op, "__init_subclass__", later)
        for node in list(_below(Node)):
            if "apply" in vars(node):
                self._stand_ins.set(
                    node, "apply", self._watched(vars(node)["apply"], lambda args, _: (args[0].name(),), 1)
                )

    def stop(self) -> None:
        """End recording, and wait for the kernels that were launched."""
        global current
        self._stand_ins.end()
        if current is self:
            current = None
        self._ended = self._now()
        for event in self._events:
            if not event.time_range.end:  # a part of the program that goes on
                event.time_range.end = self._ended
        self._read_kernels()

    def events(self) -> list[FunctionEvent]:
        """Return what was recorded, in the order of its beginning."""
        kept = [e for e in self._events if self._cpu or e.device_type is DeviceType.CUDA or e.is_user_annotation]
        return sorted(kept, key=lambda event: event.time_range.start)

    def event_list(self) -> EventList:
        """Return what was recorded as a list that averages and prints."""
        return EventList(self.events(), self._host is not None)

    # ---- one event -------------------------------------------------------------------------------------------
    def enter(self, name: str, args: Any = (), user: bool = False) -> FunctionEvent:
        """Begin an event inside the one that this thread is in."""
        opened = self._opened()
        event = FunctionEvent(len(self._events), name, threading.get_native_id(), 0.0)
        event.is_user_annotation = user
        if self._shapes:
            event.input_shapes = [list(s or ()) for s in _shapes(args)]
        if self._with_stack:
            event.stack = _stack()
        if opened:
            event.cpu_parent = opened[-1]
            opened[-1].cpu_children.append(event)
        self._events.append(event)
        opened.append(event)
        event.device_memory_usage = -_held()
        event.cpu_memory_usage = -self._on_host()
        event.time_range.start = self._now()
        return event

    def leave(self, event: FunctionEvent) -> None:
        """End an event, and those inside that have not ended."""
        event.time_range.end = self._now()
        event.device_memory_usage += _held()
        event.cpu_memory_usage += self._on_host()
        opened = self._opened()
        while opened and opened.pop() is not event:
            pass

    def _on_host(self) -> int:
        return 0 if self._host is None else self._host.held

    def _now(self) -> float:
        return (time.perf_counter_ns() - self._began) / 1e3

    def _opened(self) -> list[FunctionEvent]:
        try:
            return self._open.events
        except AttributeError:
            self._open.events = []
            return self._open.events

    def _top(self) -> FunctionEvent | None:
        opened = self._opened()
        return opened[-1] if opened else None

    # ---- what is watched -------------------------------------------------------------------------------------
    def _watched(self, function: Any, names: Callable[[Any, Any], Sequence[str]], skip: int | None) -> Any:
        """Return a function that is recorded, as events within each other where it has several names.

        Its operands come after ``skip`` arguments, or are the second (None).
        """

        def watched(*args: Any, **kwargs: Any) -> Any:
            operands = args[1] if skip is None else args[skip:]
            events = [self.enter(name, operands) for name in names(args, operands)]
            try:
                result = function(*args, **kwargs)
            finally:
                for event in reversed(events):
                    self.leave(event)
            if self._flops and isinstance(result, Array):
                for event in events:
                    shapes = _shapes(operands)
                    event.flops = operations(event.name.removeprefix("aten::"), shapes, result.lay.shape)
            return result

        return watched

    def _watch_op(self, op: type[Op]) -> None:
        forward: Any = vars(op).get("forward")
        if isinstance(forward, (staticmethod, classmethod)):
            skip = 1 if isinstance(forward, staticmethod) else 2

            def names(_: Any, operands: Any) -> list[str]:
                around = self._top()
                within = "" if around is None else around.name
                return [_name(name) for name in names_of(op, _shapes(operands), within)]

            watched = self._watched(forward.__func__, names, skip)
            self._stand_ins.set(op, "forward", type(forward)(watched))

    def _read_kernels(self) -> None:
        """Turn the launches into events on the device, by its own clock where it has one."""
        contexts = {c.driver_queue.int_ptr: c for c in every_context.made() if c.driver_queue is not None}
        ahead: dict[int, float] = {}
        for event, name, queue, parent in self._launched:
            on = contexts.get(queue.int_ptr)
            if on is None or not on.has_clock:
                continue
            on.wait_for(event)
            if queue.int_ptr not in ahead:
                marker = on.marker()
                on.wait_for(marker)
                ahead[queue.int_ptr] = self._now() - marker.profile.end / 1e3
            begin, end = (t / 1e3 + ahead[queue.int_ptr] for t in (event.profile.start, event.profile.end))
            seen = FunctionEvent(len(self._events), name, 0, begin, end)
            seen.device_type, seen.device_index = DeviceType.CUDA, on.index
            self._events.append(seen)
            if parent is not None:
                parent.kernels.append(Kernel(name, on.index, end - begin))
        self._launched.clear()


def _shapes(operands: Any) -> list[tuple[int, ...] | None]:
    """Return the shapes of operands, of those in lists one by one; None for what is no tensor."""
    found: list[tuple[int, ...] | None] = []
    for x in operands:
        if isinstance(x, (list, tuple)) and any(isinstance(y, Array) for y in x):
            found.extend(_shapes(x))
        else:
            found.append(x.lay.shape if isinstance(x, Array) else None)
    return found


def _held() -> int:
    """Return the bytes of all tensors on devices."""
    return sum(c.allocator.allocated for c in every_context.made())


def _stack() -> list[str]:
    """Return the lines of the program that led here, the innermost first, without those of this package."""
    lines = []
    frame = sys._getframe(2)
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith("cltorch."):
            lines.append(f"{frame.f_code.co_filename}({frame.f_lineno}): {frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return lines
