"""Pinning the workers' batches on a thread, while the program computes with the batch before."""

from __future__ import annotations

import copy
import multiprocessing
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from cltorch.device import ending
from cltorch.utils.data._utils.multiprocess import MultiProcessIterator, Stopped

_AHEAD = 2  # pinned batches that may wait for the program


class _Pinning:
    """Take batches from the workers and pin them, a few ahead; what goes wrong is handed on in its place."""

    def __init__(self, batches: MultiProcessIterator, pin: Callable[[Any], Any]) -> None:
        self._batches, self._pin = batches, pin
        self._done: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(_AHEAD)
        self._stopped = False
        batches.wake, self._alarm = multiprocessing.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._run, name="cltorch-pin-memory", daemon=True)
        self._thread.start()
        ending.helpers.add(self)

    def _run(self) -> None:
        while not self._stopped:
            batch, error = None, None
            try:
                batch = self._pin(self._batches.take())
            except Stopped:
                return
            except BaseException as raised:
                error = raised
            if self._stopped:
                return
            self._done.put((batch, error))
            if isinstance(error, StopIteration) or not self._batches.alive:
                return

    def get(self) -> tuple[Any, BaseException | None]:
        """Return the next batch, or the exception in its place; wait for it."""
        return self._done.get()

    def stop(self) -> None:
        """End the thread, if that has not been done; batches that it holds are lost."""
        if self._stopped:
            return
        self._stopped = True
        if threading.current_thread() is self._thread:  # garbage collected there
            return
        if self._thread.is_alive():  # never in a forked child, where the alarm is still the parent's
            self._alarm.send_bytes(b"stop")
        while self._thread.is_alive():
            try:  # the thread may wait for room
                self._done.get(timeout=0.01)
            except queue.Empty:
                pass
        assert self._batches.wake is not None
        self._batches.wake.close()
        self._alarm.close()
        self._batches.wake = None

    def end(self) -> None:
        """End the thread and the workers."""
        self.stop()
        self._batches.shutdown()


class PinnedIterator(Iterator[Any]):
    """Give back the batches of workers in pinned memory, in the same order."""

    def __init__(self, batches: MultiProcessIterator, pin: Callable[[Any], Any]) -> None:
        self._batches, self._pin = batches, pin
        # the thread holds the workers' iterator, which must not lead back here by way of the loader
        batches._loader = copy.copy(batches._loader)
        batches._loader._iterator = None
        self._begin()

    def _begin(self) -> None:
        self._over: BaseException | None = None
        self._pinning = _Pinning(self._batches, self._pin)
        # the thread knows nothing of this object, so that it can be collected while the thread runs
        self._finalizer = weakref.finalize(self, self._pinning.end)

    def __next__(self) -> Any:
        if self._over is not None:
            raise self._over
        batch, error = self._pinning.get()
        if error is None:
            self._batches._count()
            return batch
        if isinstance(error, StopIteration) or not self._batches.alive:
            self._over = StopIteration() if isinstance(error, StopIteration) else error
        try:
            raise error
        finally:
            del error  # its traceback holds this frame, which holds it

    def __len__(self) -> int:
        return len(self._batches)

    def restart(self) -> None:
        """Begin a new pass with the same workers."""
        self._finalizer.detach()
        self._pinning.stop()
        self._batches.restart()
        self._begin()

    @property
    def _workers(self) -> list[Any]:
        return self._batches._workers

    @property
    def _num_yielded(self) -> int:
        return self._batches._num_yielded

    def shutdown(self) -> None:
        """End the thread and the workers."""
        self._finalizer()

    _shutdown_workers = shutdown


MultiProcessIterator.register(PinnedIterator)
