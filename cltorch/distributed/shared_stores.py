"""Stores that are found by a file or by a port.

A FileStore's keys are in its file, so that other processes read them too. A TCPStore is found by its port within this
process only: nothing listens there.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from cltorch.distributed.errors import DistNetworkError, DistStoreError
from cltorch.distributed.store import Memory, Store

try:
    import fcntl
except ImportError:  # not on Windows, where one process at a time may use a file
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileStore", "TCPStore"]

_POLL = 0.01  # seconds between two looks at a file


class FileStore(Store):
    """Keep keys in a file, which any process may read that opens a FileStore on it.

    ``world_size`` is how many processes use the file, unknown where it is -1. Raises RuntimeError for a key that does
    not come in time.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.FileStore

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "keys")
    ...     FileStore(path).set("first", "one")
    ...     FileStore(path).get("first")
    b'one'
    """

    _own_keys = 1

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        self._path = os.fspath(file_name)
        with open(self._path, "ab"):
            pass

    @property
    def path(self) -> str:
        """The name of the file."""
        return self._path

    def _change(self, act: Callable[[Memory], Any]) -> Any:
        with open(self._path, "r+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            held, memory = file.read(), Memory()
            if held:
                memory.values, memory.queues = pickle.loads(held)
            result = act(memory)
            now = pickle.dumps((memory.values, memory.queues))
            if now != held:
                file.seek(0)
                file.write(now)
                file.truncate()
        return result

    def _wait_until(self, there: Callable[[Memory], bool], timeout: timedelta) -> bool:
        end = time.monotonic() + timeout.total_seconds()
        while not self._change(there):
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL)
        return True

    def _late(self, keys: Sequence[str], timeout: timedelta) -> Exception:
        return RuntimeError(f"Timeout waiting for key: {keys[0]} after {timeout // timedelta(milliseconds=1)} ms")


class TCPStore(Store):
    """Keep keys under a number of a port, where other TCPStores of this process find them.

    The first one is the master. ``port`` 0 stands for one that no store has, which the attribute ``port`` tells. A
    master with ``multi_tenant`` shares a port's keys with an earlier one. There is no server: raises DistNetworkError
    where no master in this process has the port, or another has it already, and NotImplementedError for a master that
    waits for the workers of a ``world_size`` above 1.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.TCPStore

    >>> master = TCPStore("localhost", 0, world_size=1, is_master=True)
    >>> TCPStore("localhost", master.port).set("first", "one")
    >>> master.get("first")
    b'one'
    """

    _own_keys = 1
    _by_port: WeakValueDictionary[int, Memory] = WeakValueDictionary()

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = timedelta(seconds=300),
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        super().__init__()
        self._timeout, self._host, self._libuv = timeout, host_name, use_libuv
        if world_size is not None and world_size > 1 and is_master and wait_for_workers:
            raise NotImplementedError(
                f"a TCPStore of cltorch is found within one process: it cannot wait for {world_size} workers"
            )
        self._port = self._unused_port() if port == 0 and is_master else port
        found = self._by_port.get(self._port)
        if is_master and (found is None or not multi_tenant):
            if found is not None:
                raise DistNetworkError(
                    f"The server socket has failed to listen on any local network address. port: {port}, "
                    "code: -98, name: EADDRINUSE, message: address already in use"
                )
            found = self._by_port[self._port] = Memory()
        if found is None:
            raise DistNetworkError(
                f"no TCPStore of this process is the master of port {port}: a TCPStore of cltorch is found within one "
                "process, so create the master first"
            )
        self._memory = found

    @classmethod
    def _unused_port(cls) -> int:
        """Return a number of those for passing use that no store of this process has."""
        return next(port for port in range(49152, 65536) if port not in cls._by_port)

    @property
    def host(self) -> str:
        """The name of the host, as it was given."""
        return self._host

    @property
    def port(self) -> int:
        """The number by which the store is found."""
        return self._port

    @property
    def libuvBackend(self) -> bool:
        """What was asked for; there is no server."""
        return self._libuv

    def _late(self, keys: Sequence[str], timeout: timedelta) -> Exception:
        names = ", ".join(f"/{key}" for key in keys)
        return DistStoreError(f"wait timeout after {timeout // timedelta(milliseconds=1)}ms, keys: {names}")
