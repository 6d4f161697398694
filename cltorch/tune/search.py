"""The search: from the present parameters and those of other devices uphill, one or two parameters at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

from cltorch.ops import tuning
from cltorch.ops.tuning_defaults import KERNELS

Chosen = dict[str, Any]
_BETTER = 0.99  # a step of less than this is taken for noise


def search(
    kernel: str, caps: Any, present: Chosen, measure: Callable[[Chosen], float | None], more: Callable[[], bool]
) -> tuple[Chosen, int]:
    """Return the best parameters found, and how many candidates were measured.

    ``measure`` returns a candidate's time relative to the present parameters', or None when it does not work; ``more``
    says whether there is time for another.
    """
    best, ratio, seen = dict(present), 1.0, [dict(present)]

    def better(candidates: Iterator[Chosen]) -> bool:
        nonlocal best, ratio
        for candidate in candidates:
            if candidate in seen or tuning.misfit(kernel, candidate, caps):
                continue
            if not more():
                return False
            seen.append(candidate)
            found = measure(candidate)
            if found is not None and found < _BETTER * ratio:
                best, ratio = candidate, found
                return True
        return False

    others = _of_other_devices(kernel)
    while better(others):
        pass
    while more():
        if not any(better(moves(kernel, best)) for moves in (_changes_of_one, _steps_of_two)):
            break
    return best, len(seen) - 1


def _of_other_devices(kernel: str) -> Iterator[Chosen]:
    row = KERNELS[kernel]
    for name, chosen in row.items():
        if name not in ("meaning", "values", "smaller"):
            yield dict(chosen)


def _changes_of_one(kernel: str, best: Chosen) -> Iterator[Chosen]:
    """Give each parameter each of its other values, the nearest first."""
    values = KERNELS[kernel]["values"]
    rounds = max(map(len, values.values()))
    for distance in range(1, rounds):
        for name, allowed in values.items():
            at = allowed.index(best[name])
            for other in (at - distance, at + distance):
                if 0 <= other < len(allowed):
                    yield best | {name: allowed[other]}


def _steps_of_two(kernel: str, best: Chosen) -> Iterator[Chosen]:
    """Move two parameters to neighbouring values: a block and its group can only grow together."""
    values = KERNELS[kernel]["values"]
    for one, other in combinations(values, 2):
        for steps in product((-1, 1), repeat=2):
            places = [values[n].index(best[n]) + s for n, s in zip((one, other), steps, strict=True)]
            if all(0 <= at < len(values[n]) for n, at in zip((one, other), places, strict=True)):
                yield best | {n: values[n][at] for n, at in zip((one, other), places, strict=True)}
