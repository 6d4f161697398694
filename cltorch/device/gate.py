"""A gate in front of the queue, behind which small launches gather until several of them can run together.

PoCL's threads sleep when there is nothing to run, and a launch that finds them asleep takes several times as long: it
wakes them by a system call. A program of small operators meets that at every launch, for each has run before the next
one comes. So the first launch of a single work-item is made to wait for a user event, and all behind it wait for it in
turn, since the queue is in order. The event is set when there are ``_MOST`` of them, or when something else comes: a
larger launch, a copy from or to the host, a marker, somebody who waits. Short fills of buffers and copies between them
wait like launches. Errors of a launch are raised at its own line, as without a gate.

An exception may come between any two lines (Ctrl-C), and so may launches of a signal's handler: the event stands here
before a launch waits for it, and is forgotten only after it was set.
"""

from __future__ import annotations

from typing import Any

import pyopencl as cl

from cltorch.device import ending, program
from cltorch.device.ending import launching
from cltorch.device.program import Kernel

_MOST = 16
_COMPLETE = cl.command_execution_status.COMPLETE


class Gate:
    """Keep small launches waiting.

    What else is enqueued is enqueued within ``with launching:`` behind ``open()``, so that no other thread closes the
    gate in front of it; then its own event is waited for, not the queue, where others may have closed it meanwhile.
    """

    __slots__ = ("_context", "_event", "_behind", "_for_good", "__weakref__")

    def __init__(self, cl_context: Any) -> None:
        self._context = cl_context
        self._event: Any = None
        self._behind = 0
        self._for_good = False
        ending.helpers.add(self)

    @property
    def behind(self) -> int:
        """Return the number of launches that wait."""
        return self._behind

    def open(self) -> None:
        """Let everything run that waits."""
        with launching:
            event = self._event
            if event is None:
                return
            try:
                event.set_status(_COMPLETE)
            except cl.LogicError:  # it was, and an exception came in front of the next lines
                pass
            if self._event is event:
                self._event, self._behind = None, 0

    def stop(self) -> None:
        """Open for good: the program ends, or somebody else has the queue, who may wait for all that is in it."""
        self._for_good = True
        self.open()

    def leave(self) -> None:
        """Never open again, in a forked child, where nobody may call the driver."""
        self._for_good, self._context, self._event = True, (self._context, self._event), None

    def enqueue(self, queue: Any, kernel: Any, global_size: tuple[int, ...], local_size: Any) -> None:
        """Enqueue a launch, in the turn to launch: behind the gate if it is a small one, else the gate opens."""
        if max(global_size) > 1 or self._for_good:
            if self._event is not None:
                self.open()
            program.enqueue(queue, kernel, global_size, local_size)
            return
        self.gather(program.enqueue, queue, kernel, global_size, local_size)

    def gather(self, command: Any, *args: Any, **options: Any) -> None:
        """Enqueue what is small, in the turn to launch: it waits for others of its kind, or until the gate opens."""
        if self._for_good:
            self.open()
            command(*args, **options)
            return
        if self._event is None:
            event = cl.UserEvent(self._context)
            if self._event is None:  # still
                self._event, self._behind = event, 1
                try:
                    command(*args, **options, wait_for=[event])
                except BaseException:
                    self.open()
                    raise
                return
        command(*args, **options)
        self._behind += 1
        if self._behind >= _MOST:
            self.open()


class GatedKernel(Kernel):
    """Hold a kernel whose small launches wait for others."""

    __slots__ = ()

    def _enqueue(self, global_size: tuple[int, ...], local_size: tuple[int, ...] | None) -> None:
        context = self.context
        context.gate.enqueue(context.driver_queue, self._kernel, global_size, local_size)


class GatedNotingKernel(program.NotingKernel, GatedKernel):
    """The same for a kernel that notes indices out of range."""

    __slots__ = ()
