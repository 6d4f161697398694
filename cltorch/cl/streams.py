"""Streams and events. A device has one queue, which runs commands in order: every stream of it is that queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.cl.devices import context_of, set_device
from cltorch.cl.devices import device as device_block

__all__ = ["Event", "Stream", "current_stream", "default_stream", "is_current_stream_capturing", "set_stream", "stream"]


_COMPLETE = 0  # CL_COMPLETE; pyopencl is not imported for a constant


def _complete(event: Any) -> bool:
    return bool(event.command_execution_status == _COMPLETE)


class Event:
    """Mark a point in a device's queue; two of them with ``enable_timing`` measure the time between.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.Event.html

    >>> import cltorch as torch
    >>> if torch.cl.is_available():
    ...     start, end = torch.cl.Event(enable_timing=True), torch.cl.Event(enable_timing=True)
    ...     start.record(); y = torch.ones(1000, device="cl").exp(); end.record()
    ...     torch.cl.synchronize(); assert start.elapsed_time(end) >= 0
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        if interprocess:
            raise RuntimeError("OpenCL events cannot be shared between processes (interprocess=True)")
        self.enable_timing = enable_timing
        self._event: Any = None
        self._moment: Any = None  # tells when the event completed
        self._context: Any = None
        self._asked = 0  # commands of the device before this event
        self._noted: Any = None  # what was asked about indices out of range before it

    def record(self, stream: Stream | None = None) -> None:
        """Put the event behind everything asked of the device so far.

        On a device without a clock an event with ``enable_timing`` waits until it is reached, to look at the host's.
        """
        self._context = (stream or current_stream()).context
        self._noted = self._context.faults.ask(waits=False)
        self._asked = self._context.asked()
        self._event = self._context.marker()
        self._moment = self._context.moment(self._event) if self.enable_timing else None

    def query(self) -> bool:
        """Return whether everything before the event has run (an event that was never recorded counts as done)."""
        return self._event is None or self._context.has_run(self._asked) or _complete(self._event)

    def wait(self, stream: Stream | None = None) -> None:
        """Make later work wait for the event; on the same device the queue keeps that order anyway."""
        if stream is not None and self._event is not None and stream.context.cl_context != self._event.context:
            self._context.wait_for(self._event)

    def synchronize(self) -> None:
        """Wait until everything before the event has run."""
        if self._event is not None:
            self._context.wait_for(self._event)
            self._context.faults.check(self._noted)

    def elapsed_time(self, end_event: Event) -> float:
        """Return the milliseconds from this event to another; waits for both.

        They are the device's clock's, or the host's where the device has none.
        """
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._event is None or end_event._event is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        self.synchronize()
        end_event.synchronize()
        return (end_event._moment() - self._moment()) * 1e-6

    def __repr__(self) -> str:
        return "<torch.cl.Event uninitialized>" if self._event is None else f"<torch.cl.Event {self._event.int_ptr:#x}>"


class Stream:
    """Name a queue of a device. Work on several streams of one device runs in the order it was asked for.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.Stream.html
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self.context = context_of(device)
        self.device = self.context.device
        self.priority = priority

    def synchronize(self) -> None:
        """Wait until everything asked of the device has run."""
        self.context.synchronize()

    def query(self) -> bool:
        """Return whether everything asked of the device has run."""
        return self.context.has_run(self.context.asked()) or _complete(self.context.marker())

    def record_event(self, event: Event | None = None) -> Event:
        """Record an event (a new one unless given) and return it."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Make later work of this stream wait for an event."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Make later work of this stream wait for all present work of another."""
        self.wait_event(stream.record_event())

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: Any) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.context is self.context

    def __hash__(self) -> int:
        return hash(self.device)

    def __repr__(self) -> str:
        return f"<torch.cl.Stream device={self.device}>"


def current_stream(device: Any = None) -> Stream:
    """Return the stream of a device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.current_stream.html
    """
    return Stream(device)


def is_current_stream_capturing() -> bool:
    """Return False: launches are never recorded to be replayed.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.is_current_stream_capturing.html

    >>> import cltorch as torch
    >>> torch.cl.is_current_stream_capturing()
    False
    """
    return False


def default_stream(device: Any = None) -> Stream:
    """Return the stream of a device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.default_stream.html
    """
    return Stream(device)


def set_stream(stream: Stream) -> None:
    """Make a stream's device current.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.set_stream.html
    """
    set_device(stream.device)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Make a stream's device current inside a ``with`` block; None changes nothing.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.stream.html
    """
    with device_block(None if stream is None else stream.device):
        yield
