"""Run one function in several processes, and hear of it where one of them fails.

Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html#spawning-subprocesses
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing import connection as mp_connection
from multiprocessing.connection import Connection
from typing import Any

from cltorch.ops.fallback import callers_level

__all__ = [
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException", "SpawnContext", "spawn",
    "start_processes",
]  # fmt: skip

_log = logging.getLogger(__name__)
_PATIENCE = 30.0  # seconds for a process to end after SIGTERM


class ProcessException(Exception):
    """Say which process failed: ``error_index`` among those started together, ``error_pid`` for the system."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """Say that the function raised; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """Say that a process ended by a signal (``signal_name``) or with ``exit_code``."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        mp_connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], report: Connection) -> None:
    # a parent that is killed cannot end its children
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent got it too
    except Exception:
        report.send(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """Hold processes that were started together."""

    def __init__(self, processes: Sequence[Any], reports: Sequence[Connection]) -> None:
        self.processes = list(processes)
        self.sentinels = {process.sentinel: index for index, process in enumerate(self.processes)}
        self._reports = list(reports)

    def pids(self) -> list[int]:
        """Return the system's numbers of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one process ends, and return whether all have.

        Where one has failed the others are ended, after ``grace_period`` seconds, and ProcessRaisedException (with
        the traceback) or ProcessExitedException is raised. At most ``timeout`` seconds are waited.
        """
        failed = None
        for sentinel in mp_connection.wait(list(self.sentinels), timeout) if self.sentinels else ():
            index = self.sentinels.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0:
                failed = index
                break
        if failed is None:
            return not self.sentinels
        self._end(grace_period)
        raise self._reason(failed)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))

    def _end(self, grace_period: float | None) -> None:
        if grace_period is not None:
            self._wait(grace_period)
        for process in self.processes:
            if process.is_alive():
                _log.warning("process %s is terminated: another one has failed", process.pid)
                process.terminate()
        self._wait(_PATIENCE if grace_period is None else grace_period)
        for process in self.processes:
            if process.is_alive():
                _log.warning("process %s does not end by SIGTERM and is killed", process.pid)
                process.kill()
            process.join()

    def _reason(self, index: int) -> ProcessException:
        process = self.processes[index]
        code = process.exitcode
        try:
            trace = self._reports[index].recv() if self._reports[index].poll() else None
        except (EOFError, OSError):  # it has sent nothing
            trace = None
        if trace is not None:
            text = f"\n\n-- Process {index} terminated with the following error:\n{trace}"
            return ProcessRaisedException(text, index, process.pid)
        if code >= 0:
            return ProcessExitedException(f"process {index} terminated with exit code {code}", index, process.pid, code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        text = f"process {index} terminated with signal {name}"
        return ProcessExitedException(text, index, process.pid, code, name)


class SpawnContext(ProcessContext):
    """Be a ProcessContext by its old name."""

    def __init__(self, processes: Sequence[Any], reports: Sequence[Connection]) -> None:
        warnings.warn("SpawnContext is renamed to ProcessContext since 1.4 release.", stacklevel=2)
        super().__init__(processes, reports)


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run ``fn(index, *args)`` in new processes, made in any way: ``spawn`` with a ``start_method``."""
    context = multiprocessing.get_context(start_method)
    processes, reports = [], []
    for index in range(nprocs):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, index, args, theirs), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        processes.append(process)
        reports.append(ours)
    started = ProcessContext(processes, reports)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run ``fn(index, *args)`` in ``nprocs`` new processes; wait for them, or without ``join`` return their context.

    ``fn`` must stand at the top of a module. Host tensors among the arguments are shared with the processes. Raises
    ProcessRaisedException, with the traceback, where a process raises, and ProcessExitedException where one ends
    otherwise; the other processes are ended then.

    Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html#torch.multiprocessing.spawn.spawn

    >>> import cltorch as torch
    >>> torch.multiprocessing.spawn(print, nprocs=0)
    """
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}); start_processes takes others",
            FutureWarning,
            stacklevel=callers_level(),
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
