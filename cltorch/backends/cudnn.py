"""NVIDIA's cuDNN, which is not used: torch.backends.cudnn.

Convolutions here always give the same bits, and their kernels are chosen without trying several, so that
``deterministic`` is true in effect and ``benchmark`` changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

enabled: bool = True
benchmark: bool = False
benchmark_limit: int = 10
deterministic: bool = False
allow_tf32: bool = True


def is_available() -> bool:
    """Return False."""
    return False


def version() -> int | None:
    """Return None: there is no cuDNN."""
    return None


@contextmanager
def flags(**changes: Any) -> Iterator[None]:
    """Set flags inside a ``with`` block; raise TypeError for a flag that there is not.

    >>> import cltorch as torch
    >>> with torch.backends.cudnn.flags(benchmark=True):
    ...     torch.backends.cudnn.benchmark
    True
    """
    here = globals()
    unknown = [name for name in changes if name not in _FLAGS]
    if unknown:
        raise TypeError(f"flags() got an unexpected keyword argument {unknown[0]!r}")
    before = {name: here[name] for name in changes}
    here.update(changes)
    try:
        yield
    finally:
        here.update(before)


_FLAGS = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")
