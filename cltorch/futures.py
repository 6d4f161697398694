"""Results that come later: torch.futures.

Source: https://docs.pytorch.org/docs/2.13/futures.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """Hold a result that another thread sets, and run what waits for it.

    ``devices`` is taken and not used: what a device still computes is in order on its queue.
    Source: https://docs.pytorch.org/docs/2.13/futures.html#torch.futures.Future

    >>> future = Future()
    >>> twice = future.then(lambda f: 2 * f.value())
    >>> future.set_result(3)
    >>> twice.wait()
    6
    """

    def __init__(self, *, devices: Sequence[Any] | None = None) -> None:
        self._changed = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Any], Any]] = []

    def done(self) -> bool:
        """Return whether there is a result or an exception."""
        return self._done

    def wait(self) -> T:
        """Wait for the result and return it, or raise the exception that came instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._done)
        return self._get()

    def value(self) -> T:
        """Return the result, which must be there; raise RuntimeError where it is not yet."""
        if not self._done:
            raise RuntimeError("value() must only be called after the future has completed")
        return self._get()

    def _get(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """Return the future of what ``callback`` makes of this one, called once this one is completed."""
        following: Future[Any] = Future()

        def run(completed: Future[T]) -> None:
            try:
                result = callback(completed)
            except Exception as error:
                following.set_exception(error)
            else:
                following.set_result(result)

        self.add_done_callback(run)
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Call ``callback`` with this future once it is completed, at once where it is."""
        with self._changed:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def set_result(self, result: T) -> None:
        """Complete the future with a result; raise RuntimeError where it is completed already."""
        self._complete(result, None)

    def set_exception(self, result: Any) -> None:
        """Complete the future with an exception, which ``wait`` and ``value`` raise."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._complete(None, result)

    def _complete(self, value: Any, error: BaseException | None) -> None:
        with self._changed:
            if self._done:
                raise RuntimeError("Future can only be marked completed once")
            self._value, self._error, self._done = value, error, True
            waiting, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in waiting:
            callback(self)


def collect_all(futures: Sequence[Future[Any]]) -> Future[list[Future[Any]]]:
    """Return a future that is completed when all are, with the list of them.

    Source: https://docs.pytorch.org/docs/2.13/futures.html#torch.futures.collect_all

    >>> a, b = Future(), Future()
    >>> both = collect_all([a, b])
    >>> a.set_result(1)
    >>> both.done()
    False
    >>> b.set_result(2)
    >>> [f.value() for f in both.wait()]
    [1, 2]
    """
    together: Future[list[Future[Any]]] = Future()
    given = list(futures)
    left, lock = len(given), threading.Lock()
    if not given:
        together.set_result(given)

    def count(_: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            together.set_result(given)

    for future in given:
        future.add_done_callback(count)
    return together


def wait_all(futures: Sequence[Future[Any]]) -> list[Any]:
    """Wait for every future and return the list of results, or raise the first exception in it.

    Source: https://docs.pytorch.org/docs/2.13/futures.html#torch.futures.wait_all

    >>> a = Future()
    >>> a.set_result(1)
    >>> wait_all([a])
    [1]
    """
    return [future.wait() for future in collect_all(futures).wait()]
