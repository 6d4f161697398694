"""Timing of two sides in turns, so that a machine whose speed drifts does not decide the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from statistics import median
from typing import Any

import numpy as np

from cltorch.bench.workload import Side, Workload

Step = Callable[[], Any]
# OpenMP's threads, PyTorch's for instance, look for work a while before they sleep, and would slow the other side down
_PAUSE = 0.03


def _once(side: Side, step: Step, repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        step()
    side.synchronize()
    return (time.perf_counter() - begin) / repeats


def _repeats(side: Side, step: Step, least: float) -> int:
    """Return how many steps take ``least`` seconds together."""
    step()  # compiles, and fills caches
    side.synchronize()
    n = 1
    while True:
        took = _once(side, step, n) * n
        if took >= least or n >= 1 << 20:
            return max(1, round(n * least / max(took, 1e-9))) if took < 4 * least else n
        n = max(n * 2, min(1 << 20, int(n * 1.2 * least / max(took, 1e-9))))


def _arrays(result: Any) -> list[np.ndarray]:
    """Return copies of what a step returned: the next step may change it in place."""
    parts = [p.detach().cpu() for p in (result if isinstance(result, (tuple, list)) else [result])]
    return [np.array(p.float().numpy() if p.is_floating_point() else p.numpy()) for p in parts]


def compare(
    workload: Workload, sides: Sequence[Side], rounds: int, least: float
) -> tuple[list[float], list[list[np.ndarray]]]:
    """Return each side's median seconds for a step, and what the first step of each returned.

    A round times every side once, for at least ``least`` seconds of steps.
    """
    steps: list[Step] = []
    results: list[list[np.ndarray]] = []
    counts: list[int] = []
    for side in sides:
        side.restart()
        with nullcontext() if workload.grad else side.torch.no_grad():
            step = workload.build(side)
            results.append(_arrays(step()))
            side.synchronize()
            counts.append(_repeats(side, step, least))
        steps.append(step)
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for i, side in enumerate(sides):
            if len(sides) > 1:
                time.sleep(_PAUSE)
            with nullcontext() if workload.grad else side.torch.no_grad():
                times[i].append(_once(side, steps[i], counts[i]))
    return [median(t) for t in times], results
