"""How a loss's values become one: ``reduction``, and the arguments it replaced."""

from __future__ import annotations

import warnings
from typing import Any

from cltorch import functions
from cltorch.autograd.renaming import joined
from cltorch.ops.fallback import callers_level

REDUCTIONS = ("none", "mean", "sum")


def legacy_reduction(size_average: bool | None, reduce: bool | None, warn: bool = True) -> str:
    """Return what ``size_average`` and ``reduce`` mean as a reduction, and warn that they are deprecated."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    meaning = "none" if not reduce else "mean" if size_average else "sum"
    if warn:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{meaning}' instead.",
            stacklevel=callers_level(),
        )
    return meaning


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """Return the reduction, or what the arguments that it replaced mean where one of them is given."""
    if size_average is None and reduce is None:
        return reduction
    return legacy_reduction(size_average, reduce)


def check_reduction(reduction: str) -> None:
    """Raise ValueError for a reduction that there is not."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def reduced_as_one(each: Any, reduction: str) -> Any:
    """Do what ``reduced`` does, with one node of the graph for it and for the operator that made the values."""
    return joined(reduced(each, reduction), each)


def reduced(each: Any, reduction: str) -> Any:
    """Return the values, their mean or their sum; raise ValueError for another reduction."""
    if reduction == "mean":
        return functions.mean(each)
    if reduction == "sum":
        return functions.sum(each)
    check_reduction(reduction)
    return each
