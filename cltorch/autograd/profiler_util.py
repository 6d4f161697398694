"""What a profiler saw: events, averages over those of one name, and their table.

Source: https://docs.pytorch.org/docs/2.13/profiler.html
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval", "Kernel"]


class DeviceType(Enum):
    """Tell where an event ran; an OpenCL device goes by CUDA's name, as elsewhere."""

    CPU = 0
    CUDA = 1


class Kernel(NamedTuple):
    """Name a kernel that an operator launched, its device's number, and its microseconds."""

    name: str
    device: int
    duration: float


class Interval:
    """Hold the begin and the end of an event, in microseconds since the profiler began."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """Return the length."""
        return self.end - self.start


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def _bytes(number: int) -> str:
    for unit, size in ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10):
        if abs(number) >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number} B"


def _flops_unit(counts: Sequence[int]) -> tuple[str, float] | None:
    """Return the unit in which numbers of operations are shown, by the smallest; None where there are none."""
    least = min((n for n in counts if n), default=None)
    if least is None:
        return None
    units = [(f"{p}FLOPs", 1000.0**i) for i, p in enumerate(("", "K", "M", "G", "T", "P"))]
    return next((unit for unit in reversed(units) if least >= unit[1]), units[0])


class _Times:
    """What events and averages answer alike."""

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time_total: float
    self_device_time_total: float

    @property
    def cpu_time(self) -> float:
        """Return the mean time on the host in microseconds."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def device_time(self) -> float:
        """Return the mean time on the device in microseconds."""
        return self.device_time_total / self.count if self.count else 0.0

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_str"):
            return _time(getattr(self, name[:-4]))
        if "cuda" in name:
            return getattr(self, name.replace("cuda", "device"))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class FunctionEvent(_Times):
    """Hold one operator, one named part of the program, or one kernel of a device (``device_type`` CUDA)."""

    count = 1

    def __init__(self, id: int, name: str, thread: int, start_us: float, end_us: float = 0.0) -> None:
        self.id, self.name, self.key, self.thread = id, name, name, thread
        self.time_range = Interval(start_us, end_us)
        self.input_shapes: list[Any] = []
        self.stack: list[str] = []
        self.kernels: list[Kernel] = []
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.device_type, self.device_index = DeviceType.CPU, 0
        self.device_memory_usage = self.cpu_memory_usage = 0
        self.flops = 0
        self.is_user_annotation = False

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """Return the microseconds on the host, those of events inside included."""
        return self.time_range.elapsed_us() if self.device_type is DeviceType.CPU else 0.0

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """Return the microseconds on the host without those of events inside."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_device_time_total(self) -> float:  # type: ignore[override]
        """Return the microseconds of the kernels that this event itself launched."""
        if self.device_type is DeviceType.CUDA:
            return self.time_range.elapsed_us()
        return sum(kernel.duration for kernel in self.kernels)

    @property
    def device_time_total(self) -> float:  # type: ignore[override]
        """Return the microseconds of the kernels that this event and those inside launched."""
        return self.self_device_time_total + sum(child.device_time_total for child in self.cpu_children)

    @property
    def self_device_memory_usage(self) -> int:
        """Return the bytes that tensors on devices grew by, without those of events inside."""
        return self.device_memory_usage - sum(child.device_memory_usage for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """Return the bytes that tensors on the host grew by, without those of events inside."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} device_type={self.device_type} "
            f"cpu_time={_time(self.cpu_time_total)} device_time={_time(self.device_time_total)} "
            f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} thread={self.thread} "
            f"cpu_children={[child.id for child in self.cpu_children]} input_shapes={self.input_shapes}>"
        )


class FunctionEventAvg(_Times):
    """Hold the sums over all events of one name."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.device_time_total = self.self_device_time_total = 0.0
        self.device_memory_usage = self.self_device_memory_usage = 0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.flops = 0
        self.input_shapes: Any = ""
        self.stack: list[str] = []
        self.device_type = DeviceType.CPU
        self.is_user_annotation = False

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Take in an event, or another average of the same name; return this one."""
        if self.key is None:
            self.key, self.device_type, self.stack = other.key, other.device_type, other.stack
            self.is_user_annotation = other.is_user_annotation
        _sum(self, other)
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={_time(self.self_cpu_time_total)} "
            f"cpu_time={_time(self.cpu_time)} self_device_time={_time(self.self_device_time_total)} "
            f"device_time={_time(self.device_time)} input_shapes={self.input_shapes}>"
        )


_SUMMED = (
    "count cpu_time_total self_cpu_time_total device_time_total self_device_time_total device_memory_usage "
    "self_device_memory_usage cpu_memory_usage self_cpu_memory_usage flops"
).split()


def _sum(total: FunctionEventAvg, other: FunctionEvent | FunctionEventAvg) -> None:
    for name in _SUMMED:
        setattr(total, name, getattr(total, name) + getattr(other, name))


class EventList(list[Any]):
    """A list of events, or of their averages."""

    def __init__(self, events: Iterable[Any] = (), memory: bool = False) -> None:
        super().__init__(events)
        self._memory = memory

    @property
    def self_cpu_time_total(self) -> float:
        """Return the microseconds on the host of all events."""
        return float(sum(event.self_cpu_time_total for event in self))

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """Return sums over the events of each name; also by shapes, or by the last lines of the program."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in self:
            key: tuple[Any, ...] = (event.key, event.device_type, event.is_user_annotation)
            if group_by_input_shapes:
                key += (str(event.input_shapes),)
            if group_by_stack_n:
                key += (tuple(event.stack[:group_by_stack_n]),)
            average = found.setdefault(key, FunctionEventAvg()).add(event)
            if group_by_input_shapes:
                average.input_shapes = str(event.input_shapes)
            average.stack = event.stack[:group_by_stack_n]
        return EventList(found.values(), self._memory)

    def total_average(self) -> FunctionEventAvg:
        """Return the sum over all events."""
        total = FunctionEventAvg()
        for event in self:
            _sum(total, event)
        total.key = "Total"
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """Return the rows as text, the largest ``sort_by`` (a name of a number of FunctionEventAvg) first."""
        events: Sequence[Any] = self
        if top_level_events_only:
            events = [event for event in events if getattr(event, "cpu_parent", None) is None]
        cpu = sum(event.self_cpu_time_total for event in events)
        device = sum(event.self_device_time_total for event in events if event.device_type is DeviceType.CUDA)
        if sort_by is not None:
            name = sort_by.replace("cuda", "device")
            events = sorted(events, key=lambda event: getattr(event, name), reverse=True)
        unit = _flops_unit([event.flops for event in events])
        rows = [
            self._row(event, cpu, device, time_unit, unit) for event in events[: row_limit if row_limit >= 0 else None]
        ]
        titles = {"Name": max_name_column_width, "Input Shapes": max_shapes_column_width}
        titles["Source Location"] = max_src_column_width
        names = [n for n in rows[0] if any(row[n] for row in rows)] if rows else ["Name"]
        widths = {n: min(max(len(n), *(len(row[n]) for row in rows), 0), titles.get(n, 40)) for n in names if rows}
        rule = "  ".join("-" * widths.get(n, 4) for n in names)
        lines = [header] if header else []
        lines += [rule, "  ".join(n.rjust(widths.get(n, 4)) for n in names), rule]
        lines += ["  ".join(_cut(row[n], widths[n]).rjust(widths[n]) for n in names) for row in rows]
        lines += [rule, f"Self CPU time total: {_time(cpu)}"]
        if device:
            lines.append(f"Self CL time total: {_time(device)}")
        return "\n".join(lines) + "\n"

    def _row(
        self, event: Any, cpu: float, device: float, unit: str | None, flops: tuple[str, float] | None
    ) -> dict[str, str]:
        scale = {None: None, "s": 1e6, "ms": 1e3, "us": 1.0}[unit]

        def time(us: float) -> str:
            return f"{us / scale:.3f}{unit}" if scale else _time(us)

        def share(part: float, whole: float) -> str:
            return f"{100 * part / whole:.2f}%" if whole else ""

        row = {
            "Name": event.key,
            "Self CPU %": share(event.self_cpu_time_total, cpu),
            "Self CPU": time(event.self_cpu_time_total),
            "CPU total %": share(event.cpu_time_total, cpu),
            "CPU total": time(event.cpu_time_total),
            "CPU time avg": time(event.cpu_time),
        }
        if device:
            row["Self CL"] = time(event.self_device_time_total)
            row["Self CL %"] = share(event.self_device_time_total, device)
            row["CL total"] = time(event.device_time_total)
            row["CL time avg"] = time(event.device_time)
        if self._memory:
            row["CPU Mem"] = _bytes(event.cpu_memory_usage)
            row["Self CPU Mem"] = _bytes(event.self_cpu_memory_usage)
            row["CL Mem"] = _bytes(event.device_memory_usage)
            row["Self CL Mem"] = _bytes(event.self_device_memory_usage)
        row["# of Calls"] = str(event.count)
        row["Input Shapes"] = str(event.input_shapes) if event.input_shapes else ""
        row["Source Location"] = event.stack[0] if event.stack else ""
        if flops is not None:
            row[f"Total {flops[0]}"] = f"{event.flops / flops[1]:.3f}" if event.flops else "--"
        return row

    def export_chrome_trace(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        """Write the events as JSON for chrome://tracing or Perfetto, compressed where the name ends in .gz."""
        traced = [
            {
                "ph": "X",
                "cat": "kernel"
                if event.device_type is DeviceType.CUDA
                else "user_annotation"
                if event.is_user_annotation
                else "cpu_op",
                "name": event.name,
                "pid": event.device_index if event.device_type is DeviceType.CUDA else os.getpid(),
                "tid": f"device {event.device_index}" if event.device_type is DeviceType.CUDA else event.thread,
                "ts": event.time_range.start,
                "dur": event.time_range.elapsed_us(),
                "args": {"Input Dims": event.input_shapes} if event.input_shapes else {},
            }
            for event in self
        ]
        opened: Callable[..., Any] = gzip.open if path.endswith(".gz") else open
        with opened(path, "wt", encoding="utf-8") as file:
            json.dump({"schemaVersion": 1, **(metadata or {}), "traceEvents": traced}, file)

    def __str__(self) -> str:
        return self.table()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."
