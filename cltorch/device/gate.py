"""A gate in front of the queue, behind which small launches gather until several of them can run together.

PoCL's threads sleep when there is nothing to run, and a launch that finds them asleep takes several times as long: it
wakes them by a system call. A program of small operators meets that at every launch, for each has run before the next
one comes. So the first launch of a single work-item is made to wait for a user event, and all behind it wait for it in
turn, since the queue is in order. The event is set when there are ``_MOST`` of them, or when something else comes: a
larger launch, a copy, a marker, somebody who waits. Errors of a launch are raised at its own line, as without a gate.
"""

from __future__ import annotations

from typing import Any

import pyopencl as cl

from cltorch.device import program
from cltorch.device.ending import launching
from cltorch.device.program import Kernel

_MOST = 16
_COMPLETE = cl.command_execution_status.COMPLETE


class Gate:
    """Keep small launches waiting; within ``with gate:`` it is open and stays open.

    Who waits for the whole queue does so inside, for another thread could close the gate meanwhile and then wait for
    this one.
    """

    __slots__ = ("_context", "_event", "_behind", "_held_open")

    def __init__(self, cl_context: Any) -> None:
        self._context = cl_context
        self._event: Any = None
        self._behind = self._held_open = 0

    @property
    def behind(self) -> int:
        """Return the number of launches that wait."""
        return self._behind

    def open(self) -> None:
        """Let everything run that waits."""
        with launching:
            event, self._event, self._behind = self._event, None, 0
            if event is not None:
                event.set_status(_COMPLETE)

    def __enter__(self) -> None:
        with launching:
            self._held_open += 1
            if self._event is not None:
                self.open()

    def __exit__(self, *error: Any) -> None:
        with launching:
            self._held_open -= 1

    def enqueue(self, queue: Any, kernel: Any, global_size: tuple[int, ...], local_size: Any) -> None:
        """Enqueue a launch, in the turn to launch: behind the gate if it is a small one, else the gate opens."""
        if max(global_size) > 1 or self._held_open:
            if self._event is not None:
                self.open()
            program.enqueue(queue, kernel, global_size, local_size)
        elif self._event is None:
            event = cl.UserEvent(self._context)
            program.enqueue(queue, kernel, global_size, local_size, None, [event])
            self._event, self._behind = event, 1
        else:
            program.enqueue(queue, kernel, global_size, local_size)
            self._behind += 1
            if self._behind >= _MOST:
                self.open()


class GatedKernel(Kernel):
    """Hold a kernel whose small launches wait for others."""

    __slots__ = ()

    def _enqueue(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None) -> None:
        context = self.context
        context.gate.enqueue(context.queue, self._kernel, global_size, local_size)


class GatedNotingKernel(program.NotingKernel, GatedKernel):
    """The same for a kernel that notes indices out of range."""

    __slots__ = ()
