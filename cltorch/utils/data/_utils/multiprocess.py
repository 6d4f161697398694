"""The main process's side of a loader with worker processes.

Each worker has a pipe of its own: a worker that is killed can neither corrupt a queue that others use nor leave a
lock behind, and its end is noticed at once.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
import weakref
from multiprocessing import connection as mp_connection
from multiprocessing.connection import Connection
from typing import Any

from cltorch.utils.data._utils.base import BaseIterator
from cltorch.utils.data._utils.transport import receive
from cltorch.utils.data._utils.worker import Failure, Job, Restart, Setup, StreamEnd, run

_PATIENCE = 5.0  # seconds that workers get to end by themselves


class Stopped(BaseException):
    """Leave a wait for workers because somebody else has asked to."""


class _Worker:
    """Hold one worker process and the pipe to it."""

    def __init__(self, context: Any, setup: Setup, others: list[Connection]) -> None:
        self.pipe, theirs = context.Pipe(duplex=True)
        inherited = [*others, self.pipe] if context.get_start_method() == "fork" else []
        self.process = context.Process(
            target=run, args=(setup, theirs, inherited), daemon=True, name=f"cltorch-loader-{setup.id}"
        )
        try:
            self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()
        self.streaming = True

    def death(self) -> str:
        """Return how the process ended."""
        self.process.join(1.0)
        code = self.process.exitcode
        if code is not None and code < 0:
            try:
                name = signal.strsignal(-code) or str(-code)
            except ValueError:
                name = str(-code)
            hint = " It may have run out of memory." if -code == getattr(signal, "SIGKILL", None) else ""
            return f"DataLoader worker (pid {self.process.pid}) is killed by signal: {name}.{hint}"
        return f"DataLoader worker (pid(s) {self.process.pid}) exited unexpectedly (exit code {code})"


class MultiProcessIterator(BaseIterator):
    """Hand out jobs to workers, a few ahead, and give back their batches in the sampler's order."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if loader.prefetch_factor <= 0:
            raise AssertionError(
                f"prefetch_factor={loader.prefetch_factor} asks workers for nothing: it must be positive"
            )
        self._context = loader.multiprocessing_context or multiprocessing.get_context()
        self._team: list[_Worker] = []
        self.wake: Connection | None = None  # what arrives here ends a wait
        self._finalizer = weakref.finalize(self, _end_workers, self._team)
        try:
            for i in range(loader.num_workers):
                setup = Setup(
                    i,
                    loader.num_workers,
                    loader.dataset,
                    loader._dataset_kind,
                    loader._auto_collation,
                    loader.collate_fn,
                    loader.drop_last,
                    loader.worker_init_fn,
                    self._base_seed,
                )
                self._team.append(_Worker(self._context, setup, [w.pipe for w in self._team]))
        except BaseException:
            self.shutdown()
            raise
        self._begin()

    def restart(self) -> None:
        """Begin a new pass with the same workers."""
        if not self._finalizer.alive:
            raise RuntimeError("the workers of this DataLoader have ended; make a new DataLoader")
        self._drain()
        self._new_pass()
        for w in self._team:
            w.pipe.send(Restart())
        self._begin()

    def _begin(self) -> None:
        self._sent = self._next = self._cycle = 0
        self._waiting: dict[int, _Worker] = {}  # job -> worker that is at it
        self._arrived: dict[int, Any] = {}
        for w in self._team:
            w.streaming = True
        for _ in range(self._loader.prefetch_factor * len(self._team)):
            self._request()

    def _request(self) -> None:
        """Send the next job to the next worker whose stream is not over."""
        for _ in self._team:
            worker = self._team[self._cycle % len(self._team)]
            self._cycle += 1
            if worker.streaming:
                break
        else:
            return
        try:
            index = self._next_index()
        except StopIteration:
            return
        self._send(worker, Job(self._sent, index))
        self._waiting[self._sent] = worker
        self._sent += 1

    def _send(self, worker: _Worker, job: Job) -> None:
        try:
            worker.pipe.send(job)
        except (BrokenPipeError, ConnectionResetError):
            self._fail(worker)

    def _fail(self, worker: _Worker) -> None:
        message = worker.death()
        self.shutdown()
        raise RuntimeError(message)

    @property
    def alive(self) -> bool:
        """Return whether there are workers still."""
        return self._finalizer.alive

    def __next__(self) -> Any:
        batch = self.take()
        self._count()
        return batch

    def take(self) -> Any:
        """Return the next batch, or raise what its worker raised."""
        while True:
            if not self._waiting and not self._arrived:
                if not self._loader.persistent_workers:
                    self.shutdown()
                raise StopIteration
            number = self._ready()
            if number is None:
                self._receive()
                continue
            answer = self._arrived.pop(number)
            self._next = max(self._next, number + 1)
            if isinstance(answer, StreamEnd):
                self._request()
                continue
            self._request()
            if isinstance(answer, Failure):
                answer.raise_again()
            return answer

    def _ready(self) -> int | None:
        """Return the number of a batch that may be given out now."""
        if not self._loader.in_order:
            return next(iter(self._arrived), None)
        first = min(self._waiting, default=None)
        arrived = min(self._arrived, default=None)
        return arrived if arrived is not None and (first is None or arrived < first) else None

    def _receive(self) -> None:
        """Wait for an answer: the next one in order, or from whichever worker."""
        if self._loader.in_order:
            workers = [self._waiting[min(self._waiting)]]
        else:
            workers = list({id(w): w for w in self._waiting.values()}.values())
        limit = self._loader.timeout or None
        pipes = {w.pipe: w for w in workers}
        sentinels = {w.process.sentinel: w for w in workers}
        others = [] if self.wake is None else [self.wake]
        ready = mp_connection.wait([*pipes, *sentinels, *others], limit)
        if self.wake in ready:
            raise Stopped
        if not ready:
            self.shutdown()
            raise RuntimeError(f"DataLoader timed out after {limit} seconds")
        answered = [pipes[r] for r in ready if r in pipes]  # what a worker sent before it ended still counts
        for worker in answered or [sentinels[r] for r in ready]:
            try:
                if not answered and not worker.pipe.poll():
                    raise EOFError
                number, answer = receive(worker.pipe)
            except (EOFError, OSError):
                self._fail(worker)
            if isinstance(answer, StreamEnd):
                worker.streaming = False
            del self._waiting[number]
            self._arrived[number] = answer

    def _drain(self) -> None:
        """Take and drop what the workers still owe, before a new pass."""
        while self._waiting:
            self._receive()
        self._arrived.clear()

    @property
    def _workers(self) -> list[Any]:
        return [w.process for w in self._team]

    def shutdown(self) -> None:
        """End the workers."""
        self._finalizer()

    _shutdown_workers = shutdown  # as trainers call it


def _end_workers(workers: list[_Worker]) -> None:
    for w in workers:
        try:
            w.pipe.send(None)
        except (OSError, ValueError):
            pass
        w.pipe.close()
    deadline = time.monotonic() + _PATIENCE
    for w in workers:
        w.process.join(max(0.0, deadline - time.monotonic()))
        if w.process.is_alive():
            w.process.kill()
            w.process.join()
