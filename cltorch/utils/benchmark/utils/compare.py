"""Lay measurements side by side: a table for each label, a column for each description.

Source: https://docs.pytorch.org/docs/2.13/benchmark_utils.html#torch.utils.benchmark.Compare
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from cltorch.utils.benchmark.utils.common import (
    Measurement,
    ordered_unique,
    select_unit,
    trim_sigfig,
    unit_to_english,
)

__all__ = ["Colorize", "Compare"]

_BEST, _GOOD, _BAD, _WORST, _PLAIN = (
    "\033[92m\033[1m",
    "\033[34m\033[1m",
    "\033[2m\033[91m",
    "\033[31m\033[1m",
    "\033[0m",
)


class Colorize(enum.Enum):
    """Which times are compared by colour: none, those of a column, or those of a row."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class Compare:
    """Print measurements as tables: one for each label, rows by sub-label and threads, columns by description.

    Source: https://docs.pytorch.org/docs/2.13/benchmark_utils.html#torch.utils.benchmark.Compare

    >>> from cltorch.utils.benchmark import Measurement, TaskSpec
    >>> spec = TaskSpec("f()", "pass", label="f", sub_label="small", description="now")
    >>> Compare([Measurement(1, [0.002], spec)]).print()
    [------- f -------]
                 |  now
    1 threads: --------
          small  |  2.0
    <BLANKLINE>
    Times are in milliseconds (ms).
    <BLANKLINE>
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim, self._colorize, self._warn = False, Colorize.NONE, False

    def __str__(self) -> str:
        return "\n".join(self._rendered())

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements; raise ValueError for anything else."""
        results = list(results)
        for r in results:
            if not isinstance(r, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(r)} instead.")
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Show as many figures as are sure."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Show by colours which times are good and bad among those of a column, or of a row."""
        self._colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Mark measurements whose times spread widely."""
        self._warn = True

    def print(self) -> None:
        """Print the tables."""
        print(self)

    def _rendered(self) -> list[str]:
        merged = Measurement.merge(self._results)
        labels = ordered_unique(m.label for m in merged)
        return [self._table([m for m in merged if m.label == label]) for label in labels]

    def _table(self, results: list[Measurement]) -> str:
        unit, scale = select_unit(min(m.median for m in results))
        columns = ordered_unique(m.description for m in results)
        rows = sorted(ordered_unique(_row(m) for m in results), key=lambda row: row[0])
        several = len({m.env for m in results}) > 1
        names = [f"({env})  {name}" if several else name for _, env, name in rows]
        cells = {(*_row(m), m.description): m for m in results}
        grid = [[cells.get((*row, column)) for column in columns] for row in rows]
        texts = [[self._text(m, scale) for m in line] for line in grid]
        heads = [column or "" for column in columns]
        widths = [max(len(head), *(len(line[i]) for line in texts)) for i, head in enumerate(heads)]
        colours = self._colours(grid)
        left = max(len(name) for name in names) + 6
        wide = left + sum(width + 5 for width in widths)
        title = f" {results[0].label or results[0].task_spec.stmt} "
        lines = [f"[{title.center(max(wide - 2, len(title)), '-')}]"]
        lines.append(
            " " * left
            + "".join(f"  |  {head.center(width)}" for head, width in zip(heads, widths, strict=True)).rstrip()
        )
        threads = None
        for row, name, line, colour in zip(rows, names, texts, colours, strict=True):
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(wide, "-"))
            shown = "".join(
                f"  |  {c}{text.center(width)}{_PLAIN if c else ''}"
                for text, width, c in zip(line, widths, colour, strict=True)
            )
            lines.append("      " + name.ljust(left - 6) + (shown if any(colour) else shown.rstrip()))
        lines += ["", f"Times are in {unit_to_english(unit)}s ({unit})."]
        if self._warn and any(m is not None and m.has_warnings for line in grid for m in line):
            lines.append("(! XX%) Measurement has high variance, where XX is the IQR / median * 100.")
        return "\n".join([*lines, ""])

    def _text(self, m: Measurement | None, scale: float) -> str:
        if m is None:
            return ""
        value, digits = m.median / scale, 1
        if self._trim:
            value = trim_sigfig(value, m.significant_figures)
            digits = max(0, min(1, m.significant_figures - len(str(int(value)))))
        text = f"{value:.{digits}f}"
        if self._warn and m.has_warnings:
            text += f" (! {m.iqr / m.median * 100:.0f}%)"
        return text

    def _colours(self, grid: list[list[Any]]) -> list[list[str]]:
        if self._colorize is Colorize.NONE:
            return [[""] * len(line) for line in grid]
        if self._colorize is Colorize.ROWWISE:
            groups = [[m.median for m in line if m is not None] for line in grid]
            return [[_colour(m, group) for m in line] for line, group in zip(grid, groups, strict=True)]
        groups = [[line[i].median for line in grid if line[i] is not None] for i in range(len(grid[0]))]
        return [[_colour(m, group) for m, group in zip(line, groups, strict=True)] for line in grid]


def _row(m: Measurement) -> tuple[int, str, str]:
    return m.num_threads, m.env, m.as_row_name


def _colour(m: Measurement | None, group: list[float]) -> str:
    if m is None or len(group) < 2:
        return ""
    best, worst = min(group), max(group)
    if m.median <= best * 1.05:
        return _BEST
    if m.median <= best * 1.25:
        return _GOOD
    if m.median >= worst and worst > best * 2:
        return _WORST
    return _BAD if m.median > best * 2 else ""
