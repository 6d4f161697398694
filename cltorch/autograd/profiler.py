"""torch.autograd.profiler: record what a part of a program ran, and mark parts by names.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#profiler
"""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any

from cltorch.autograd import recorder
from cltorch.autograd.profiler_util import EventList, FunctionEvent, FunctionEventAvg
from cltorch.autograd.recorder import Recorder

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "kineto_available", "profile", "record_function"]


def kineto_available() -> bool:
    """Return False: what records is not PyTorch's library of that name.

    >>> kineto_available()
    False
    """
    return False


class record_function(ContextDecorator):
    """Mark a part of a program by a name, as a context manager or a decorator, for a profiler that runs.

    >>> import cltorch as torch
    >>> with torch.profiler.profile() as seen, torch.profiler.record_function("the sum"):
    ...     total = torch.ones(3).sum()
    >>> "the sum" in seen.key_averages().table()
    True
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list[tuple[Recorder, FunctionEvent] | None] = []

    def __enter__(self) -> record_function:
        seen = recorder.current
        self._open.append(None if seen is None else (seen, seen.enter(self.name, user=True)))
        return self

    def __exit__(self, *error: Any) -> None:
        opened = self._open.pop()
        if opened is not None and opened[0] is recorder.current:
            opened[0].leave(opened[1])


class profile:
    """Record operators, gradients and kernels of the lines inside; ``torch.profiler.profile`` does so by a schedule.

    ``with_flops`` counts the operations of products of matrices, convolutions, sums and products.

    >>> import cltorch as torch
    >>> with torch.autograd.profiler.profile() as seen:
    ...     total = torch.ones(3).exp().sum()
    >>> [event.name for event in seen.function_events if event.name in ("aten::exp", "aten::sum")]
    ['aten::exp', 'aten::sum']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        **settings: Any,
    ) -> None:
        self.enabled, self.use_device = enabled, "cuda" if use_cuda else use_device
        self.profile_memory = profile_memory
        self._make = lambda: Recorder(
            cpu=use_cpu,
            device=self.use_device is not None,
            shapes=record_shapes,
            stack=with_stack,
            flops=with_flops,
            memory=profile_memory,
        )
        self._recorder: Recorder | None = None
        self._events: EventList | None = None

    def __enter__(self) -> profile:
        if self.enabled:
            if self._recorder is not None or self._events is not None:
                raise RuntimeError("Profiler context manager is not reentrant")
            self._recorder = self._make()
            self._recorder.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._recorder is not None:
            self._recorder.stop()
            self._events = self._recorder.event_list()
            self._recorder = None

    @property
    def function_events(self) -> EventList:
        """Return all events; raises RuntimeError before the profiler has finished."""
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self._events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """Return sums over the events of each name: EventList.key_averages."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def table(self, *args: Any, **kwargs: Any) -> str:
        """Return the events as text: EventList.table."""
        return self.function_events.table(*args, **kwargs)

    def total_average(self) -> FunctionEventAvg:
        """Return the sum over all events."""
        return self.function_events.total_average()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for chrome://tracing: EventList.export_chrome_trace."""
        self.function_events.export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        """Return the microseconds on the host of all events."""
        return self.function_events.self_cpu_time_total

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else str(self._events)

    __repr__ = __str__
