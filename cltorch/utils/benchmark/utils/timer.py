"""Time a statement: on how many threads, how often, until how sure.

Source: https://docs.pytorch.org/docs/2.13/benchmark_utils.html#torch.utils.benchmark.Timer
"""

from __future__ import annotations

import enum
import textwrap
import timeit
from collections.abc import Callable
from time import perf_counter
from typing import Any

from cltorch import cl
from cltorch.utils.benchmark.utils.common import Measurement, TaskSpec, set_torch_threads

__all__ = ["Language", "Timer", "timer"]

_SHARE = 0.1  # of the time of measuring, that one block may take


def timer() -> float:
    """Return the seconds of a clock, after all OpenCL devices in use have done what was queued."""
    if cl.is_initialized():
        cl.synchronize()
    return perf_counter()


class Language(enum.Enum):
    """The language of a statement; C++ is not taken here."""

    PYTHON = 0
    CPP = 1


class Timer:
    """Time a statement of Python, with ``timeit``'s arguments and more.

    The device is waited for, ``num_threads`` threads of the host compute (1 where nothing is said), and the first
    runs are not counted. ``label``, ``sub_label``, ``description`` and ``env`` say where a result stands in
    ``Compare``. Raises ValueError for statements in C++.

    Source: https://docs.pytorch.org/docs/2.13/benchmark_utils.html#torch.utils.benchmark.Timer

    >>> import cltorch as torch
    >>> Timer("x + 1", globals={"x": torch.ones(4)}).timeit(10).median > 0
    True
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
        description: str | None = None, env: str | None = None, num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:  # fmt: skip
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language not in (Language.PYTHON, "py", "python"):
            raise ValueError(f"statements of language {language!r} are not timed here, only those of Python")
        if global_setup:
            raise ValueError(f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply be "
                             "moved to `setup`.")  # fmt: skip
        stmt, setup = textwrap.dedent(stmt).strip(), textwrap.dedent(setup).strip()
        self._timer = timeit.Timer(stmt, setup, timer, globals=dict(globals or {}))
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task_spec)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """Return the time of ``number`` runs, measured once."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timer.timeit(max(number // 100, 2))  # what is done once is done now
            return self._measured(number, [self._timer.timeit(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """Refuse: NotImplementedError, for ``blocked_autorange`` repeats as often as it is needed."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], None] | None = None) -> None:
        """Refuse: NotImplementedError, for ``blocked_autorange`` finds the number of runs."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block_size(self, min_run_time: float) -> int:
        """Return how many runs make the clock's own cost small beside them."""
        cost = min(self._timer.timeit(0) for _ in range(5))
        number = 1
        while True:
            seconds = self._timer.timeit(number)
            if seconds > min_run_time / 1000 and cost / seconds <= 1e-4 or seconds > min_run_time * _SHARE:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable[[int, float], None] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Measure blocks of runs, of the same number each, until they took ``min_run_time`` seconds in all.

        ``callback`` is called with the number of runs and the seconds of each block.
        """
        with set_torch_threads(self._task_spec.num_threads):
            number = self._block_size(min_run_time)
            times: list[float] = []
            while not times or sum(times) < min_run_time:
                times.append(self._timer.timeit(number))
                if callback:
                    callback(number, times[-1])
            return self._measured(number, times)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Callable[[int, float], None] | None = None,
    ) -> Measurement:  # fmt: skip
        """Measure blocks of runs until the interquartile range is less than ``threshold`` of the median.

        At least ``min_run_time`` and at most ``max_run_time`` seconds are measured.
        """
        with set_torch_threads(self._task_spec.num_threads):
            number = self._block_size(min_run_time)
            times: list[float] = []
            while sum(times) < max_run_time:
                times.append(self._timer.timeit(number))
                if callback:
                    callback(number, times[-1])
                enough = len(times) > 3 and sum(times) >= min_run_time
                if enough and self._measured(number, times).meets_confidence(threshold):
                    break
            return self._measured(number, times)

    def collect_callgrind(self, number: int = 100, **kw: Any) -> None:
        """Refuse: NotImplementedError, for instructions are not counted here."""
        raise NotImplementedError("collect_callgrind counts instructions of PyTorch's C++ code, which is not here")
