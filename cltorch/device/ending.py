"""The end of the interpreter, when no other thread may be inside the driver.

Python ends a daemon thread that asks for the interpreter's lock once it is being torn down; beneath PyOpenCL's C++ that
aborts the whole process. So calls that let go of the lock are counted, and the end waits for them. Launches, whose
arguments PyOpenCL sets by Python that its C++ calls, are made one at a time, and the end keeps their turn for itself.
Threads of the package itself are ended before, since what comes after the end may wait for them.
Where a runtime does not survive the end of a process amid its work (``device/quirks.py``), its queue is waited for.
Source: https://docs.python.org/3/c-api/init.html (Py_FinalizeEx, PyThread_exit_thread)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from typing import Any

_SECONDS = 2.0  # that the end waits for a driver
_inside: list[int] = []  # one entry by each thread for each call it is in
_ended = False
helpers: weakref.WeakSet[Any] = weakref.WeakSet()  # what has a thread that calls the driver, and a method ``stop``
queues: list[Any] = []  # what the end waits for, each by a call without arguments
launching = threading.RLock()  # the turn to launch: arguments are state of a kernel from being set until its launch


class _Call:
    """A call that lets go of the interpreter's lock; a thread that begins one after the program's end stays here."""

    __slots__ = ()

    def __enter__(self) -> None:
        me = threading.get_ident()
        _inside.append(me)
        # looked at only once the entry stands: either this thread sees the end, or the end sees the entry
        if _ended and threading.current_thread() is not threading.main_thread():
            _inside.remove(me)
            threading.Event().wait()

    def __exit__(self, *error: Any) -> None:
        _inside.remove(threading.get_ident())


call = _Call()


def _end() -> None:
    global _ended
    for helper in list(helpers):
        helper.stop()
    launching.acquire(timeout=_SECONDS)  # never released: whoever comes now, but for this thread, waits for ever
    _ended = True
    until = time.monotonic() + _SECONDS
    me = threading.get_ident()
    while any(thread != me for thread in list(_inside)) and time.monotonic() < until:
        time.sleep(0.001)
    for finish in queues:
        with contextlib.suppress(Exception):  # a device that has failed has nothing left to wait for
            finish()


atexit.register(_end)
if hasattr(os, "register_at_fork"):  # a child must not inherit a turn that nobody will give back
    os.register_at_fork(before=launching.acquire, after_in_parent=launching.release, after_in_child=launching.release)
