"""torch.cuda.profiler: tell a tool that watches the program when to collect, of which there is none for OpenCL.

``torch.profiler`` is this package's own profiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cltorch.cl.runtime import check_error, cudart

__all__ = ["profile", "start", "stop"]


def start() -> None:
    """Begin what a tool is to collect."""
    check_error(cudart().cudaProfilerStart())


def stop() -> None:
    """End what a tool is to collect."""
    check_error(cudart().cudaProfilerStop())


@contextmanager
def profile() -> Iterator[None]:
    """Let a tool collect in a part of the program.

    >>> import cltorch
    >>> with cltorch.cuda.profiler.profile():
    ...     _ = cltorch.ones(2, device="cuda")
    """
    start()
    try:
        yield
    finally:
        stop()
