"""torch.cpu: the host as programs that are written for any device ask for it. There is one, and nothing to wait for.

Source: https://docs.pytorch.org/docs/2.13/cpu.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.cpu import amp

__all__ = [
    "Event", "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count", "is_available",
    "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


class Stream:
    """An order of work on the host: there everything is done when it is asked for."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Return at once."""

    def wait_event(self, event: Any) -> None:
        """Return at once."""

    def record_event(self) -> None:
        """Return at once."""


class Event:
    """A point in the order of work on the host, which is always past."""

    def query(self) -> bool:
        """Return True."""
        return True

    def record(self, stream: Any = None) -> None:
        """Return at once."""

    def synchronize(self) -> None:
        """Return at once."""

    def wait(self, stream: Any = None) -> None:
        """Return at once."""


_streams = [Stream()]


def current_stream(device: Any = None) -> Stream:
    """Return the stream that is in use."""
    return _streams[-1]


@contextmanager
def StreamContext(stream: Stream | None) -> Iterator[None]:
    """Use another stream within a ``with`` block."""
    _streams.append(_streams[-1] if stream is None else stream)
    try:
        yield
    finally:
        _streams.pop()


stream = StreamContext


def current_device() -> str:
    """Return "cpu"."""
    return "cpu"


def device_count() -> int:
    """Return 1."""
    return 1


def is_available() -> bool:
    """Return True."""
    return True


def is_initialized() -> bool:
    """Return True."""
    return True


def set_device(device: Any) -> None:
    """Return at once: there is one host."""


def synchronize(device: Any = None) -> None:
    """Return at once: what was asked of the host is done."""
