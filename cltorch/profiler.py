"""torch.profiler: record what a program runs, step by step, as tables and traces.

Operators appear by their names here with ``aten::`` before them, gradients by those of their nodes, kernels of a device
by the names of their OpenCL functions with the times of the device's clock. Views and copies between host and device
are not recorded. ``python -m cltorch run --report`` tells of a whole program which names it used.

Source: https://docs.pytorch.org/docs/2.13/profiler.html
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from cltorch.autograd.profiler import kineto_available, record_function
from cltorch.autograd.profiler_util import DeviceType, EventList
from cltorch.autograd.recorder import Recorder
from cltorch.cl import device_count

__all__ = [
    "DeviceType", "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function", "schedule",
    "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(Enum):
    """Name what a profiler could watch."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """Name what a profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """Return what can be recorded here: the host, and OpenCL devices (by CUDA's name) where there are some."""
    return {ProfilerActivity.CPU, ProfilerActivity.CUDA} if device_count() else {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """Return the action of each step: after ``skip_first`` steps, cycles of waiting, warming up and recording.

    >>> act = schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [act(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError("Invalid profiler schedule arguments")

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:  # the first cycle does not wait
            step += wait
        cycle = wait + warmup + active
        if repeat and step // cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[profile], None]:
    """Return what writes a profiler's trace into a folder, under a name of its own each time."""

    def handle(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handle


def _default_schedule_fn(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """Record operators, gradients and kernels, all the time or in the steps that a schedule names.

    ``on_trace_ready(profiler)`` is called where a recording ends; ``step()`` tells that the next step begins. Only
    one profiler runs at a time. ``profile_memory`` counts the bytes of tensors, ``with_flops`` the operations of
    products of matrices, convolutions, sums and products.

    Source: https://docs.pytorch.org/docs/2.13/profiler.html#torch.profiler.profile

    >>> import cltorch as torch
    >>> with torch.profiler.profile(record_shapes=True) as seen:
    ...     total = torch.ones(2, 3).exp().sum()
    >>> exp = next(event for event in seen.key_averages(group_by_input_shape=True) if event.key == "aten::exp")
    >>> exp.count, exp.input_shapes
    (1, '[[2, 3]]')
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        if execution_trace_observer is not None:
            raise NotImplementedError("execution_trace_observer: cltorch writes no execution traces")
        self.activities = set(activities) if activities else supported_activities()
        if use_cuda is not None:
            (self.activities.add if use_cuda else self.activities.discard)(ProfilerActivity.CUDA)
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.schedule, self.record_steps = schedule or _default_schedule_fn, schedule is not None
        self.on_trace_ready = on_trace_ready
        self.record_shapes, self.profile_memory, self.with_stack = record_shapes, profile_memory, with_stack
        self.with_flops, self.with_modules = with_flops, with_modules
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._metadata: dict[str, Any] = {}
        self._recorder: Recorder | None = None
        self._events: EventList | None = None
        self._step: record_function | None = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with the first step."""
        if self.current_action in _RECORDING:
            self._begin()
        self._mark()

    def stop(self) -> None:
        """End the last step; what was recorded in it is handed to ``on_trace_ready``."""
        self._unmark()
        if self._recorder is not None:
            self._finish()

    def step(self) -> None:
        """Tell that the next step begins."""
        self._unmark()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if self._recorder is not None and (
            before is ProfilerAction.RECORD_AND_SAVE or self.current_action not in _RECORDING
        ):
            self._finish()
        if self._recorder is None and self.current_action in _RECORDING:
            self._begin()
        self._mark()

    def _begin(self) -> None:
        self._recorder = Recorder(
            cpu=ProfilerActivity.CPU in self.activities,
            device=ProfilerActivity.CUDA in self.activities,
            shapes=self.record_shapes,
            stack=self.with_stack,
            flops=self.with_flops,
            memory=self.profile_memory,
        )
        self._recorder.start()

    def _finish(self) -> None:
        assert self._recorder is not None
        self._recorder.stop()
        self._events = self._recorder.event_list()
        self._recorder = None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _mark(self) -> None:
        if self.record_steps and self._recorder is not None:
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _unmark(self) -> None:
        if self._step is not None:
            self._step.__exit__()
            self._step = None

    def events(self) -> EventList:
        """Return the events of the last recording that ended; raises AssertionError before there is one."""
        if self._events is None:
            raise AssertionError("no recording has ended: the profiler runs still, or its schedule named no step")
        return self._events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """Return sums over the events of each name, of the last recording that ended."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def export_chrome_trace(self, path: str) -> None:
        """Write the last recording as JSON for chrome://tracing or Perfetto, compressed where the name ends in .gz."""
        self.events().export_chrome_trace(path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write each event's lines of the program with its whole microseconds, as flame graphs read them."""
        if not self.with_stack:
            raise ValueError("export_stacks() requires with_stack=True.")
        if metric not in ("self_cpu_time_total", "self_cuda_time_total", "self_device_time_total"):
            raise ValueError(f"metric should be self_cpu_time_total or self_device_time_total, not {metric}")
        with open(path, "w", encoding="utf-8") as file:
            for event in self.events():
                value = int(getattr(event, metric))
                if event.stack and value > 0:
                    file.write(f"{';'.join(line.replace(' ', '_') for line in reversed(event.stack))} {value}\n")

    def add_metadata(self, key: str, value: str) -> None:
        """Add a text to the trace under a name."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Add a value, given as JSON, to the trace under a name."""
        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json
