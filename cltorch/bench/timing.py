"""Timing of two sides in turns, so that a machine whose speed drifts does not decide the comparison."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from statistics import median
from typing import Any

import numpy as np

from cltorch.bench.workload import Side, Step, Workload

# OpenMP's threads, PyTorch's for instance, look for work a while before they sleep, and would slow the other side down
_PAUSE = 0.03
# seconds after which no further round begins, when each side has had three
_LONGEST = 20.0


def _once(side: Side, step: Step, repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        step()
    side.synchronize()
    return (time.perf_counter() - begin) / repeats


def _repeats(side: Side, step: Step, least: float, quick: bool) -> int:
    """Return how many steps take ``least`` seconds together, after one more that fills caches unless ``quick``."""
    if not quick:
        step()
        side.synchronize()
    n = 1
    while True:
        took = _once(side, step, n) * n
        if took >= least or n >= 1 << 20:
            return max(1, round(n * least / max(took, 1e-9))) if took < 4 * least else n
        n = max(n * 2, min(1 << 20, int(n * 1.2 * least / max(took, 1e-9))))


def _arrays(side: Side, result: Any) -> list[np.ndarray]:
    return [side.read(part) for part in (result if isinstance(result, (tuple, list)) else [result])]


def compare(
    workload: Workload, sides: Sequence[Side], rounds: int, least: float, quick: bool = False
) -> tuple[list[float], list[list[np.ndarray]]]:
    """Return each side's median seconds for a step, and what the first step of each returned.

    A round times every side once, for at least ``least`` seconds of steps. ``quick`` leaves out what makes the last few
    percent sure: a second step before, and the pause before the second side. Raises what the sides raise, so
    ``Inexpressible`` for a workload that one of them has no words for.
    """
    steps: list[Step] = []
    results: list[list[np.ndarray]] = []
    counts: list[int] = []
    for side in sides:
        side.restart()
        with nullcontext() if workload.grad else side.torch.no_grad():
            step = side.prepare(workload.build)
            # the first step compiles
            results.append(_arrays(side, step()))
            side.synchronize()
            counts.append(_repeats(side, step, least, quick))
        steps.append(step)
    times: list[list[float]] = [[] for _ in sides]
    begin = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - begin > _LONGEST:
            break
        for i, side in enumerate(sides):
            if len(sides) > 1 and not (quick and i):
                time.sleep(_PAUSE)
            with nullcontext() if workload.grad else side.torch.no_grad():
                times[i].append(_once(side, steps[i], counts[i]))
    return [median(t) for t in times], results
