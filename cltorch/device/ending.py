"""The end of the interpreter, when no other thread may be inside the driver.

Python ends a daemon thread that asks for the interpreter's lock once it is being torn down; in the middle of PyOpenCL's
C++ that aborts the whole process. So calls that let go of the lock are counted, and the end waits for them; launches,
which come by Python as well, are held.
Source: https://docs.python.org/3/c-api/init.html (Py_FinalizeEx, PyThread_exit_thread)
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

_SECONDS = 2.0  # that the end waits for a driver
_inside: list[int] = []  # one entry by each thread for each call it is in
_ended = False
#: What has a method ``hold(until)``, which keeps other threads from launching anything from then on.
holders: weakref.WeakSet[Any] = weakref.WeakSet()


@contextlib.contextmanager
def call() -> Iterator[None]:
    """Mark a call that waits inside the driver; a thread that makes one after the program's end stays here."""
    me = threading.get_ident()
    if _ended and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()
    _inside.append(me)
    try:
        yield
    finally:
        _inside.remove(me)


def _end() -> None:
    global _ended
    _ended = True
    until = time.monotonic() + _SECONDS
    me = threading.get_ident()
    while any(thread != me for thread in list(_inside)) and time.monotonic() < until:
        time.sleep(0.001)
    for holder in list(holders):
        holder.hold(until)


atexit.register(_end)
