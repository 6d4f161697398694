"""Indices out of range on a device: kernels note one of them, and it is raised when the program waits anyway.

Nothing waits in order to check. Kernels that index take a small buffer of the context as their last argument and write
to it only where an index is out of range, which is skipped there. A read-back or a synchronisation that follows copies
the note along. Operators have numbers, so that a kernel can say which of them it is; number 0 notes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from cltorch.errors import DeviceIndexError

_WORDS = 6  # number of the site, which index tensor, and the index and the size as two halves each
_sites: list[tuple[str, tuple[int, ...] | None]] = [("", ())]  # operators, and the dimensions that they index
_numbers: dict[tuple[str, tuple[int, ...] | None], int] = {}
_numbering = threading.Lock()


_speaker: ContextVar[str] = ContextVar("speaker", default="")


@contextmanager
def told_as(what: str) -> Iterator[None]:
    """Let the operators called inside, which some function is made of, note indices in that function's name."""
    token = _speaker.set(what)
    try:
        yield
    finally:
        _speaker.reset(token)


def teller(what: str) -> str:
    """Return the name in which an operator notes its indices: its own, or that of the function that it is a part of."""
    return what and (_speaker.get() or what)


def site(what: str, dims: Sequence[int] | None = None) -> int:
    """Return the number under which kernels note an index for an operator; 0 for none, whose indices are not noted.

    ``dims`` are the dimensions that its index tensors are for, where those are not the first ones.
    """
    return _number(what, tuple(dims or ())) if what else 0


def target_site(what: str) -> int:
    """Return the number under which kernels note the class of a loss."""
    return _number(what, None)


def _number(what: str, dims: tuple[int, ...] | None) -> int:
    key = (what, dims)
    found = _numbers.get(key)
    if found is None:
        with _numbering:
            found = _numbers.get(key)
            if found is None:
                _sites.append(key)
                found = _numbers[key] = len(_sites) - 1
    return found


def _told(words: np.ndarray) -> str:
    """Return what a note says."""
    number, which = int(words[0]), int(words[1])
    index, size = (int(n) for n in words[2:].view(np.int64))
    what, dims = _sites[number]
    if dims is None:
        return f"{what}(): Target {index} is out of bounds for {size} classes."
    dim = dims[which] if which < len(dims) else which
    return f"{what}(): index {index} is out of bounds for dimension {dim} with size {size}."


class Faults:
    """Hold the note of a context: ``pending`` is True after a launch that may have written it."""

    __slots__ = ("_context", "_buf", "_lock", "pending")

    def __init__(self, context: Any) -> None:
        self._context, self._buf, self.pending = context, None, False
        self._lock = threading.RLock()

    @property
    def buf(self) -> Any:
        """Return the OpenCL buffer that kernels note in."""
        if self._buf is None:
            with self._lock:
                if self._buf is None:
                    made = self._context.create_buffer(_WORDS * 4)
                    self._context.fill_bytes(made, np.zeros(1, np.int32), 0, _WORDS * 4)
                    self._buf = made
        return self._buf

    def ask(self, waits: bool = True) -> tuple[np.ndarray, Any] | None:
        """Queue a copy of the note, if there can be one; ``check`` it when the queue has run up to here.

        Unless it is sure that the program ``waits`` for that, whoever asks next is told too.
        """
        if not self.pending:
            return None
        # before the copy: a thread that launches meanwhile sets it again after its launch
        self.pending = not waits
        words = np.zeros(_WORDS, np.int32)
        return words, self._context.read_later(self._buf, words)

    def check(self, asked: tuple[np.ndarray, Any] | None, where: str = "") -> None:
        """Raise DeviceIndexError where a copy that has arrived tells of an index, and forget it."""
        if asked is None or not asked[0][0]:
            return
        with self._lock:
            words = np.zeros(_WORDS, np.int32)
            self._context.read_later(self._buf, words).wait()
            if not words[0]:  # another thread has raised it
                return
            self._context.fill_bytes(self._buf, np.zeros(1, np.int32), 0, _WORDS * 4)
        where = where or (
            f"{self._context.name} reports this when the program waits for it, so the traceback shows a later line. "
            "For debugging consider CLTORCH_DEBUG=1."
        )
        raise DeviceIndexError(f"{_told(words)} {where}")
