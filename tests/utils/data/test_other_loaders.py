"""What loaders of other libraries take from the loader's inner modules: names of workers, signals, pinning."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import time

import pytest

import cltorch as torch
from cltorch._utils import ExceptionWrapper
from cltorch.utils.data import _DatasetKind, _utils, get_worker_info
from cltorch.utils.data._utils import pin_memory, signal_handling, worker

fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="children are forked here")


def test_a_worker_can_be_named_from_outside(monkeypatch):
    monkeypatch.setattr(worker, "_worker_info", worker.WorkerInfo(id=1, num_workers=2, seed=3, dataset=[4]))
    info = get_worker_info()
    assert (info.id, info.num_workers, info.seed, info.dataset) == (1, 2, 3, [4])
    fetcher = _DatasetKind.create_fetcher(_DatasetKind.Map, [5, 6, 7], True, torch.tensor, False)
    assert fetcher.fetch([0, 2]).tolist() == [5, 7]
    assert worker.ManagerWatchdog().is_alive() and worker._ResumeIteration().seed is None
    assert worker._IterableDatasetStopIteration(2).worker_id == 2
    assert _utils.HAS_NUMPY and _utils.python_exit_status is False and _utils.MP_STATUS_CHECK_INTERVAL > 0


def child(ask):
    """Return a process that does what is asked and nothing of this one's at its end."""
    pid = os.fork()
    if pid == 0:
        try:
            ask()
        finally:
            os._exit(9)
    return pid


def ended(pid):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@fork
def test_workers_that_fail_are_told():
    with pytest.raises(ValueError, match="Cannot find worker information"):
        signal_handling._remove_worker_pids(1)
    fine, left = child(lambda: os._exit(0)), child(lambda: os._exit(3))
    killed = child(lambda: os.kill(os.getpid(), signal.SIGKILL))
    for pid in (fine, left, killed):
        ended(pid)
    try:
        signal_handling._set_worker_pids(1, (fine,))
        with pytest.raises(ValueError, match="only once"):
            signal_handling._set_worker_pids(1, (fine,))
        signal_handling._error_if_any_worker_fails()
        signal_handling._set_worker_pids(2, (left,))
        with pytest.raises(RuntimeError, match=rf"worker \(pid {left}\) exited unexpectedly with exit code 3"):
            signal_handling._error_if_any_worker_fails()
        signal_handling._error_if_any_worker_fails()  # once is enough
        signal_handling._set_worker_pids(3, (killed,))
        with pytest.raises(RuntimeError, match=rf"worker \(pid {killed}\) is killed by signal: Killed"):
            signal_handling._error_if_any_worker_fails()
    finally:
        signal_handling._watched.clear()
    assert [os.waitpid(pid, 0)[0] for pid in (fine, left, killed)] == [fine, left, killed]
    signal_handling._set_worker_pids(1, (fine,))
    signal_handling._error_if_any_worker_fails()  # there is nobody to be asked any more
    signal_handling._remove_worker_pids(1)


@fork
def test_a_killed_worker_raises_in_the_main_process(monkeypatch):
    seen, before = [], signal.getsignal(signal.SIGCHLD)
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    signal.signal(signal.SIGCHLD, lambda number, frame: seen.append(number))
    try:
        signal_handling._set_SIGCHLD_handler()
        signal_handling._set_SIGCHLD_handler()  # which is there already
        fine = child(lambda: os._exit(0))
        for _ in range(3000):
            if seen:
                break
            time.sleep(0.01)
        assert signal.SIGCHLD in seen
        pid = child(lambda: time.sleep(60))
        signal_handling._set_worker_pids(1, (pid,))
        with pytest.raises(RuntimeError, match=rf"pid {pid}\) is killed by signal"):
            os.kill(pid, signal.SIGKILL)
            time.sleep(30)
    finally:
        signal.signal(signal.SIGCHLD, before)
        signal_handling._watched.clear()
    os.waitpid(fine, 0), os.waitpid(pid, 0)


@fork
def test_workers_end_when_they_are_asked_to():
    ready, told = os.pipe()

    def ask():
        signal_handling._set_worker_signal_handlers()
        os.write(told, b"1")
        time.sleep(60)

    pid = child(ask)
    os.read(ready, 1)
    os.kill(pid, signal.SIGTERM)
    assert os.waitpid(pid, 0) == (pid, 0)
    os.close(ready), os.close(told)


class Unpinnable:
    def pin_memory(self):
        raise ValueError("stays where it is")


def test_a_thread_pins_batches():
    unpinned, pinned, done = queue.Queue(), queue.Queue(), threading.Event()
    failed = ExceptionWrapper((KeyError, KeyError("a"), None), where="elsewhere")
    batches = [{"x": torch.ones(2), "label": "a"}, Unpinnable(), failed]
    for numbered in enumerate(batches):
        unpinned.put(numbered)
    thread = threading.Thread(target=pin_memory._pin_memory_loop, args=(unpinned, pinned, 0, done, None), daemon=True)
    thread.start()
    found = dict(pinned.get(timeout=30) for _ in batches)
    done.set()
    unpinned.put((None, None))
    thread.join(30)
    assert not thread.is_alive() and pinned.empty()
    assert found[0]["x"].tolist() == [1, 1] and found[0]["label"] == "a" and found[2] is failed
    assert found[0]["x"].is_pinned() == torch.ones(1).pin_memory().is_pinned()
    with pytest.raises(ValueError, match="Caught ValueError in pin memory thread for device 0"):
        found[1].reraise()
