"""Watching the workers of loaders of other libraries: one that fails raises where the main process happens to be.

The loader here waits for its workers' ends itself and needs none of it. PyTorch's names are kept.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from types import FrameType

IS_WINDOWS = os.name == "nt"
_SIGCHLD_handler_set = False
_watched: dict[int, frozenset[int]] = {}


def _set_worker_pids(key: int, child_pids: Iterable[int]) -> None:
    """Watch worker processes under a key, an iterator's; raise ValueError for a key that is taken."""
    if key in _watched:
        raise ValueError("_set_worker_pids should be called only once for each _BaseDataLoaderIter.")
    _watched[key] = frozenset(child_pids)


def _remove_worker_pids(key: int) -> None:
    """Watch the workers of a key no longer; raise ValueError for a key that is not there."""
    if key not in _watched:
        raise ValueError("Cannot find worker information for _BaseDataLoaderIter with id " + str(key))
    del _watched[key]


def _error_if_any_worker_fails() -> None:
    """Raise RuntimeError where a watched worker was killed or ended with an error; all of its loader are let go then.

    Workers that have ended stay as they are, so that who started them can still ask how.
    """
    if not hasattr(os, "waitid"):
        return
    for key, pids in list(_watched.items()):
        for pid in pids:
            try:
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:  # it was asked already, or is no child of this process
                continue
            if ended is None or (ended.si_code == os.CLD_EXITED and ended.si_status == 0):
                continue
            _watched[key] = frozenset()
            if ended.si_code == os.CLD_EXITED:
                raise RuntimeError(
                    f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {ended.si_status}. Details are "
                    "lost due to multiprocessing. Rerunning with num_workers=0 may give better error trace."
                )
            raise RuntimeError(
                f"DataLoader worker (pid {pid}) is killed by signal: {signal.strsignal(ended.si_status)}. "
            )


def _set_SIGCHLD_handler() -> None:
    """Look at the watched workers whenever a child of this process ends; a handler that was there is called too.

    Python handles signals in its main thread, so that nothing is set from another one, nor on Windows.
    """
    global _SIGCHLD_handler_set
    if IS_WINDOWS or _SIGCHLD_handler_set or threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGCHLD)

    def handler(number: int, frame: FrameType | None) -> None:
        _error_if_any_worker_fails()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGCHLD, handler)
    _SIGCHLD_handler_set = True


def _set_worker_signal_handlers() -> None:
    """Let a worker that is asked to end (SIGTERM) do so at once and without an error, as loaders end theirs."""
    if not IS_WINDOWS and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
