"""The worker's side of a loader with worker processes."""

from __future__ import annotations

import gc
import os
import pickle
import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection as mp_connection
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from cltorch.random import manual_seed
from cltorch.settings import set_num_threads
from cltorch.utils.data._utils.fetch import DatasetKind, IterableFetcher
from cltorch.utils.data._utils.transport import send


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Say which worker this is: ``id`` of ``num_workers``, its ``seed`` and its copy of the ``dataset``.

    Workers are processes here: ``rng`` and ``worker_method`` keep their defaults.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None  # PyTorch's name, which other libraries' workers set


def get_worker_info() -> WorkerInfo | None:
    """Return which worker of a DataLoader this process is, None in the main process.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.get_worker_info

    >>> get_worker_info() is None
    True
    """
    return _worker_info


class ManagerWatchdog:
    """Tell a worker whether the process that started it still runs; loaders of other libraries ask it."""

    def __init__(self) -> None:
        self.manager_pid = os.getppid()

    def is_alive(self) -> bool:
        """Return whether that process is still the parent."""
        return os.getppid() == self.manager_pid


@dataclass(frozen=True)
class _IterableDatasetStopIteration:
    """Say that a worker's part of a stream is over, in loaders of other libraries."""

    worker_id: int


@dataclass(frozen=True)
class _ResumeIteration:
    """Ask a worker that stays for a new pass, in loaders of other libraries."""

    seed: int | None = None


class Job(NamedTuple):
    """Ask for batch ``number``, which consists of the samples at ``index``."""

    number: int
    index: Any


class Restart(NamedTuple):
    """Ask to begin a new pass; generators go on from where they are."""


class Setup(NamedTuple):
    """Hold what a worker needs to know."""

    id: int
    num_workers: int
    dataset: Any
    kind: int
    auto_collation: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    init_fn: Callable[[int], None] | None
    seed: int


class Failure(NamedTuple):
    """Carry an exception to the main process: its type and its text with the traceback."""

    type: type[BaseException]
    text: str

    def raise_again(self) -> None:
        """Raise the exception with the worker's traceback in its message."""
        try:
            error = self.type(_Verbatim(self.text) if self.type is KeyError else self.text)
        except Exception:  # a type whose constructor wants other arguments
            error = RuntimeError(self.text)
        try:
            raise error from None
        finally:
            del error  # the traceback holds this frame, and through the iterator's frame the workers


class _Verbatim(str):
    """Print as it is: KeyError shows its argument's repr, which would run the traceback's lines together."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class StreamEnd(NamedTuple):
    """Say that this worker's part of an iterable dataset is over."""


def describe(error: BaseException, worker: int) -> Failure:
    """Return an exception in a form that can be sent."""
    kind = type(error)
    trace = "".join(traceback.format_exception(kind, error, error.__traceback__))
    text = f"Caught {kind.__name__} in DataLoader worker process {worker}.\nOriginal {trace}"
    return Failure(kind if _main_knows(kind) else _nearest_builtin(kind), text)


def _main_knows(kind: type[BaseException]) -> bool:
    """Return whether the main process can unpickle a type: not a local class, nor __main__'s copy under spawn."""
    try:
        return kind.__module__ != "__mp_main__" and pickle.loads(pickle.dumps(kind)) is kind
    except Exception:
        return False


def _nearest_builtin(kind: type[BaseException]) -> type[BaseException]:
    found = next(k for k in kind.__mro__ if k.__module__ == "builtins")
    return RuntimeError if found in (Exception, BaseException) else found


def run(setup: Setup, pipe: Connection, others: list[Connection]) -> None:
    """Serve jobs until the pipe closes."""
    global _worker_info
    for other in others:  # a fork inherits the ends that belong to the main process
        other.close()
    gc.freeze()  # what was inherited is not ours to destroy, least of all OpenCL objects
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which ends the workers
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, jobs), daemon=True).start()
    failure: Failure | None = None
    fetcher: Any = None
    try:
        set_num_threads(1)  # as many workers as cores share the machine
        _seed(setup.seed, setup.id)
        _worker_info = WorkerInfo(setup.id, setup.num_workers, setup.seed + setup.id, setup.dataset)
        if setup.init_fn is not None:
            setup.init_fn(setup.id)
    except Exception as error:
        failure = describe(error, setup.id)
    while True:
        job = jobs.get()
        if isinstance(job, Restart):
            fetcher = None
            continue
        if failure is None:
            try:
                if fetcher is None:
                    fetcher = DatasetKind.create_fetcher(
                        setup.kind, setup.dataset, setup.auto_collation, setup.collate_fn, setup.drop_last
                    )
                answer = fetcher.fetch(job.index)
            except StopIteration as end:
                stream = isinstance(fetcher, IterableFetcher)
                answer = StreamEnd() if stream else describe(end, setup.id)
            except Exception as error:
                answer = describe(error, setup.id)
        else:
            answer = failure
        try:
            send(pipe, (job.number, answer))
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)
        except Exception as error:  # the batch cannot be pickled
            send(pipe, (job.number, describe(error, setup.id)))
        answer = None  # the batch's memory is free while the next one is made


def _listen(pipe: Connection, jobs: queue.SimpleQueue[Any]) -> None:
    """Take requests off the pipe at once, so that the main process never waits to send; end with the main process."""
    parent = parent_process()
    watched: list[Any] = [pipe] if parent is None else [pipe, parent.sentinel]
    try:
        while pipe in mp_connection.wait(watched):
            job = pipe.recv()
            if job is None:
                break
            jobs.put(job)
    except (EOFError, OSError):
        pass
    os._exit(0)


def _seed(base: int, worker: int) -> None:
    random.seed(base + worker)
    manual_seed(base + worker)
    np.random.seed(_generate_state(base, worker))


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Return the words that PyTorch gives NumPy's generator in a worker."""
    words = np.random.SeedSequence([worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]).generate_state(4)
    return [int(word) for word in words]
