"""torch.cuda.nvtx: name parts of a program for a profiler, which is this package's own.

Source: https://docs.pytorch.org/docs/2.13/cuda.html#nvidia-tools-extension-nvtx
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.autograd.profiler import record_function

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_open = threading.local()  # what this thread has pushed
_started: dict[int, record_function] = {}
_handles = itertools.count(1)


def _begin(msg: str) -> record_function:
    part = record_function(str(msg))
    part.__enter__()
    return part


def range_push(msg: str) -> int:
    """Begin a part inside of those that have begun, and return how many these are.

    >>> import cltorch as torch
    >>> torch.cl.nvtx.range_push("outer"), torch.cl.nvtx.range_push("inner")
    (0, 1)
    >>> torch.cl.nvtx.range_pop(), torch.cl.nvtx.range_pop()
    (1, 0)
    """
    parts = vars(_open).setdefault("parts", [])
    parts.append(_begin(msg))
    return len(parts) - 1


def range_pop() -> int:
    """End the part that began last, and return how many are around it; -1 where none has begun."""
    parts = vars(_open).get("parts")
    if not parts:
        return -1
    parts.pop().__exit__()
    return len(parts)


def range_start(msg: str) -> int:
    """Begin a part that ``range_end`` ends, given the number that this returns."""
    handle = next(_handles)
    _started[handle] = _begin(msg)
    return handle


def range_end(range_id: int) -> None:
    """End the part that ``range_start`` began; one that is not there is passed over."""
    part = _started.pop(range_id, None)
    if part is not None:
        part.__exit__()


def mark(msg: str) -> None:
    """Name a moment."""
    _begin(msg).__exit__()


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """Name the part inside a ``with`` block or a function: ``msg.format(*args, **kwargs)``.

    >>> import cltorch as torch
    >>> with torch.profiler.profile() as seen, torch.cl.nvtx.range("step {}", 3):
    ...     total = torch.ones(3).sum()
    >>> "step 3" in seen.key_averages().table()
    True
    """
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
