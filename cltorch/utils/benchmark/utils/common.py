"""What was timed, the times, and what they say.

Source: https://docs.pytorch.org/docs/2.13/benchmark_utils.html#torch.utils.benchmark.Measurement
"""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cltorch.settings import get_num_threads, set_num_threads

__all__ = [
    "Measurement", "TaskSpec", "ordered_unique", "select_unit", "set_torch_threads", "trim_sigfig", "unit_to_english",
]  # fmt: skip

_UNITS = (("s", "second", 1.0), ("ms", "millisecond", 1e-3), ("us", "microsecond", 1e-6), ("ns", "nanosecond", 1e-9))
_MAX_FIGURES = 4
_CLOCK = 25e-9  # seconds: no clock is better than this
_Z90 = 1.645  # 90 % of a normal distribution lie within so many deviations
_WIDE, _VERY_WIDE = 0.1, 0.25  # interquartile ranges, of the median, that earn a warning


@dataclass(frozen=True)
class TaskSpec:
    """Say what was timed; everything but the times."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, else the statement, with the sub-label."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else "stmt:\n" + textwrap.indent(self.stmt, "  ")

    @property
    def setup_text(self) -> str:
        """The setup as a measurement shows it, nothing where there is none."""
        if self.setup in ("", "pass"):
            return ""
        return f"setup: {self.setup}" if "\n" not in self.setup else "setup:\n" + textwrap.indent(self.setup, "  ")

    @property
    def threads_text(self) -> str:
        """The number of threads in words."""
        return f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"

    def summarize(self) -> str:
        """Return title, description, setup and number of threads, a line each."""
        return "\n".join(filter(None, (self.title, self.description, self.setup_text, self.threads_text)))


class Measurement:
    """Hold the seconds that repetitions of a task took, each of ``number_per_run`` runs.

    ``times`` are seconds of one run, from which come ``mean``, ``median``, ``iqr`` (between the quartiles) and
    ``significant_figures``, of which 90 % are sure. What the task says (``label``, ``num_threads`` …) can be read here.

    >>> Measurement(10, [1.0, 1.5, 1.25], TaskSpec("f()", "pass")).median
    0.125
    """

    def __init__(
        self, number_per_run: int, raw_times: list[float], task_spec: TaskSpec, metadata: dict[Any, Any] | None = None
    ) -> None:
        self.number_per_run, self.raw_times, self.task_spec = number_per_run, raw_times, task_spec
        self.metadata = metadata

    def __getattr__(self, name: str) -> Any:
        if name == "task_spec":  # not set yet, as while unpickling
            raise AttributeError(name)
        if hasattr(self.task_spec, name):
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute '{name}'")

    @property
    def times(self) -> list[float]:
        """The seconds of one run in each repetition."""
        return [t / self.number_per_run for t in self.raw_times]

    def _sorted(self) -> list[float]:
        if not self.raw_times:
            raise ValueError("No measurements.")
        return sorted(self.times)

    @property
    def median(self) -> float:
        """The median of the times."""
        return statistics.median(self._sorted())

    @property
    def mean(self) -> float:
        """The mean of the times."""
        return statistics.fmean(self._sorted())

    @property
    def iqr(self) -> float:
        """The difference between the quartiles of the times."""
        low, high = self._quartiles()
        return high - low

    def _quartiles(self) -> tuple[float, float]:
        low, high = np.quantile(self._sorted(), (0.25, 0.75))
        return float(low), float(high)

    @property
    def significant_figures(self) -> int:
        """How many figures of the median are sure, from the spread of the middle half of the times."""
        times = self._sorted()
        middle = times[len(times) // 4 : math.ceil(3 * len(times) / 4)]
        spread = float(np.std(middle)) if len(middle) > 1 else 0.0
        unsure = max(_Z90 * spread / math.sqrt(len(middle)), _CLOCK) / max(self.median, _CLOCK)
        return min(max(math.floor(-math.log10(unsure)), 1), _MAX_FIGURES)

    @property
    def has_warnings(self) -> bool:
        """Whether the times spread widely."""
        return bool(self._warnings())

    def _warnings(self) -> str:
        spread = self.iqr / self.median if self.median else 0.0
        if spread < _WIDE:
            return ""
        severe = "This suggests significant environmental influence." if spread > _VERY_WIDE else ""
        advice = f"WARNING: Interquartile range is {spread * 100:.1f}% of the median measurement."
        return "\n".join(filter(None, (advice, f"         {severe}" if severe else "")))

    def meets_confidence(self, threshold: float = _WIDE) -> bool:
        """Return whether the interquartile range is less than a part of the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        """The task's title."""
        return self.task_spec.title

    @property
    def env(self) -> str:
        """Where it ran, as the task says."""
        return self.task_spec.env or "Unspecified env"

    @property
    def as_row_name(self) -> str:
        """The name of its row in a comparison."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    def __repr__(self) -> str:
        unit, scale = select_unit(self.median)
        count = len(self.raw_times)
        lines = [super().__repr__(), self.task_spec.title, self.task_spec.description, self.task_spec.setup_text]
        lines.append(f"  {'Median: ' if count > 1 else ''}{self.median / scale:.2f} {unit}")
        if count >= 4:
            low, high = self._quartiles()
            lines.append(f"  IQR:    {(high - low) / scale:.2f} {unit} ({low / scale:.2f} to {high / scale:.2f})")
        runs = f"{self.number_per_run} runs{' per measurement' if count > 1 else ''}"
        lines.append(f"  {count} measurement{'s' if count > 1 else ''}, {runs}, {self.task_spec.threads_text}")
        lines.append(textwrap.indent(self._warnings(), "  "))
        return "\n".join(filter(None, lines))

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Return a measurement for each task, with the times of all that are given; the metadata are dropped."""
        grouped: dict[TaskSpec, list[Measurement]] = {}
        for measurement in measurements:
            grouped.setdefault(measurement.task_spec, []).append(measurement)
        return [Measurement(1, [t for m in some for t in m.times], task, None) for task, some in grouped.items()]


def select_unit(t: float) -> tuple[str, float]:
    """Return the unit in which seconds are read well, and its length in seconds.

    >>> select_unit(0.002)
    ('ms', 0.001)
    """
    return next(((name, scale) for name, _, scale in _UNITS if t >= scale), ("ns", 1e-9))


def unit_to_english(u: str) -> str:
    """Return the word for a unit of time.

    >>> unit_to_english("us")
    'microsecond'
    """
    return {name: word for name, word, _ in _UNITS}[u]


def trim_sigfig(x: float, n: int) -> float:
    """Round to a number of significant figures.

    >>> trim_sigfig(1234.5, 2)
    1200.0
    """
    return float(f"{x:.{n - 1}e}")


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Return each element once, in the order in which they come first."""
    return list(dict.fromkeys(elements))


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Compute with ``n`` threads of the host within a ``with`` block."""
    before = get_num_threads()
    try:
        set_num_threads(n)
        yield
    finally:
        set_num_threads(before)
