"""Stores of keys and values that the processes of a group share: torch.distributed.Store.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#distributed-key-value-store
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from cltorch.distributed.errors import DistStoreError, QueueEmptyError

__all__ = ["HashStore", "PrefixStore", "Store"]


def as_bytes(value: Any, function: str) -> bytes:
    """Return a value, text or bytes, as bytes; raise TypeError for another type."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise TypeError(f"{function}(): incompatible function arguments: a value is str or bytes, not {type(value)}")


class Memory:
    """What stores of one process share: keys with values, queues, and a condition that tells of changes."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.values: dict[str, bytes] = {}
        self.queues: dict[str, list[bytes]] = {}


class Store:
    """Map keys to bytes; what waits for a key gets it when another thread or process has set it.

    ``get`` and ``wait`` raise DistStoreError where a key does not come within ``timeout``, five minutes at first.
    Values are given as str or bytes and come back as bytes. This class has what its kinds have in common.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.Store
    """

    _own_keys = 0  # that the store itself uses, and PyTorch counts with the others
    _memory: Memory

    def __init__(self) -> None:
        self._timeout = timedelta(seconds=300)

    @property
    def timeout(self) -> timedelta:
        """How long to wait for a key."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Set how long to wait for a key."""
        self._timeout = timeout

    def has_extended_api(self) -> bool:
        """Return True: ``append``, ``multi_get`` and ``multi_set`` are there."""
        return True

    def clone(self) -> Store:
        """Return a store of the same keys, with a timeout of its own."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def _change(self, act: Callable[[Memory], Any]) -> Any:
        """Return what ``act`` does with the keys, nobody else reading or writing them meanwhile."""
        with self._memory.changed:
            result = act(self._memory)
            self._memory.changed.notify_all()
        return result

    def _wait_until(self, there: Callable[[Memory], bool], timeout: timedelta) -> bool:
        with self._memory.changed:
            return self._memory.changed.wait_for(lambda: there(self._memory), timeout.total_seconds())

    def _late(self, keys: Sequence[str], timeout: timedelta) -> Exception:
        return DistStoreError("Wait timeout")

    def set(self, key: str, value: str | bytes) -> None:
        """Set the value of a key."""
        given = as_bytes(value, "set")
        self._change(lambda m: m.values.__setitem__(key, given))

    def get(self, key: str) -> bytes:
        """Return the value of a key, once it is there."""
        self.wait([key])
        return self._change(lambda m: m.values[key])

    def add(self, key: str, amount: int) -> int:
        """Add to the number that a key holds, 0 where it is new, and return the sum."""

        def act(m: Memory) -> int:
            total = int(m.values.get(key, b"0")) + amount
            m.values[key] = str(total).encode()
            return total

        return self._change(act)

    def append(self, key: str, value: str | bytes) -> None:
        """Put a value behind the one that a key holds."""
        given = as_bytes(value, "append")
        self._change(lambda m: m.values.__setitem__(key, m.values.get(key, b"") + given))

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        """Set a key that has the expected value, or is new where none is expected; return the value then."""
        expected, desired = as_bytes(expected_value, "compare_set"), as_bytes(desired_value, "compare_set")

        def act(m: Memory) -> bytes:
            found = m.values.get(key)
            if found is None and expected:
                return expected
            if found is None or found == expected:
                m.values[key] = desired
            return m.values[key]

        return self._change(act)

    def check(self, keys: Sequence[str]) -> bool:
        """Return whether all keys are there, without waiting."""
        return self._change(lambda m: all(key in m.values for key in keys))

    def delete_key(self, key: str) -> bool:
        """Take a key away and return whether it was there."""
        return self._change(lambda m: m.values.pop(key, None) is not None)

    def num_keys(self) -> int:
        """Return how many keys there are, with one that stores on a file or on a port use themselves."""
        return self._change(lambda m: len(m.values)) + self._own_keys

    def list_keys(self) -> list[str]:
        """Return the keys."""
        return self._change(lambda m: list(m.values))

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there; raise DistStoreError where they do not come in time."""
        limit = self._timeout if timeout is None else timeout
        if not self._wait_until(lambda m: all(key in m.values for key in keys), limit):
            raise self._late(keys, limit)

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """Return the values of several keys."""
        return [self.get(key) for key in keys]

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several keys."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        given = as_bytes(value, "queue_push")
        self._change(lambda m: m.queues.setdefault(key, []).append(given))

    def queue_len(self, key: str) -> int:
        """Return how many values wait in a queue."""
        return self._change(lambda m: len(m.queues.get(key, ())))

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue; without ``block`` raise QueueEmptyError where there is none."""
        limit = self._timeout if block else timedelta(0)
        if not self._wait_until(lambda m: bool(m.queues.get(key)), limit):
            raise self._late([key], limit) if block else QueueEmptyError("queue is empty")
        return self._change(lambda m: m.queues[key].pop(0))


class HashStore(Store):
    """Keep keys in the memory of this process, for its threads.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.HashStore

    >>> store = HashStore()
    >>> store.set("first", "one")
    >>> store.get("first"), store.add("count", 2), store.num_keys()
    (b'one', 2, 2)
    """

    def __init__(self) -> None:
        super().__init__()
        self._memory = Memory()


class PrefixStore(Store):
    """Keep keys in another store, each behind a prefix and a slash.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.PrefixStore

    >>> store = HashStore()
    >>> PrefixStore("mine", store).set("key", "value")
    >>> store.get("mine/key")
    b'value'
    """

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self._prefix, self._store = prefix, store

    @property
    def underlying_store(self) -> Store:
        """The store that has the keys."""
        return self._store

    @property
    def _underlying_non_prefix_store(self) -> Store:
        store: Store = self
        while isinstance(store, PrefixStore):
            store = store._store
        return store

    @property
    def timeout(self) -> timedelta:
        return self._store.timeout

    def set_timeout(self, timeout: timedelta) -> None:
        self._store.set_timeout(timeout)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    def set(self, key: str, value: str | bytes) -> None:
        self._store.set(self._key(key), value)

    def get(self, key: str) -> bytes:
        return self._store.get(self._key(key))

    def add(self, key: str, amount: int) -> int:
        return self._store.add(self._key(key), amount)

    def append(self, key: str, value: str | bytes) -> None:
        self._store.append(self._key(key), value)

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        return self._store.compare_set(self._key(key), expected_value, desired_value)

    def check(self, keys: Sequence[str]) -> bool:
        return self._store.check([self._key(key) for key in keys])

    def delete_key(self, key: str) -> bool:
        return self._store.delete_key(self._key(key))

    def num_keys(self) -> int:
        return self._store.num_keys()

    def list_keys(self) -> list[str]:
        start = self._key("")
        return [key.removeprefix(start) for key in self._store.list_keys() if key.startswith(start)]

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        self._store.wait([self._key(key) for key in keys], timeout)

    def queue_push(self, key: str, value: str | bytes) -> None:
        self._store.queue_push(self._key(key), value)

    def queue_len(self, key: str) -> int:
        return self._store.queue_len(self._key(key))

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        return self._store.queue_pop(self._key(key), block)
