"""Python's multiprocessing under PyTorch's name; tensors of the host travel through shared memory.

Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html
"""

from __future__ import annotations

import multiprocessing as _python
from multiprocessing import *  # noqa: F403  # the whole of it, as torch.multiprocessing has
from typing import Any

__all__ = [*_python.__all__, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn"]


def get_all_sharing_strategies() -> set[str]:
    """Return the ways in which memory is shared: by files."""
    return {"file_system"}


def get_sharing_strategy() -> str:
    """Return the way in which memory is shared."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accept the way in which memory is shared; raise ValueError for one that is not there."""
    if new_strategy not in ("file_system", "file_descriptor"):
        raise ValueError(f"unknown sharing strategy {new_strategy!r}")


def _start(fn: Any, rank: int, args: tuple[Any, ...]) -> None:
    fn(rank, *args)


def spawn(
    fn: Any, args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> Any:  # fmt: skip
    """Run ``fn(rank, *args)`` in new processes; wait for them, or return them without ``join``.

    Raises RuntimeError where one ends with an error.
    """
    context = _python.get_context(start_method)
    processes = [context.Process(target=_start, args=(fn, i, args), daemon=daemon) for i in range(nprocs)]  # type: ignore[attr-defined]
    for process in processes:
        process.start()
    if not join:
        return processes
    for process in processes:
        process.join()
    failed = [i for i, process in enumerate(processes) if process.exitcode]
    if failed:
        raise RuntimeError(f"process {failed[0]} terminated with exit code {processes[failed[0]].exitcode}")
    return None
