"""Reductions as the numbers that PyTorch's inner functions take: losses of other libraries ask for them.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/nn/_reduction.py
"""

from __future__ import annotations

import warnings

from cltorch.nn.functional.reduction import REDUCTIONS, check_reduction, legacy_reduction

__all__ = ["get_enum", "legacy_get_enum", "legacy_get_string"]


def get_enum(reduction: str) -> int:
    """Return 0 for none, 1 for mean, 2 for sum; raise ValueError for another reduction.

    >>> get_enum("sum")
    2
    """
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=2)
        return 1
    check_reduction(reduction)
    return REDUCTIONS.index(reduction)


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """Return what two arguments of old mean as a reduction.

    >>> legacy_get_string(False, True, emit_warning=False)
    'sum'
    """
    return legacy_reduction(size_average, reduce, emit_warning)


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """Return the number of the reduction that two arguments of old mean.

    >>> legacy_get_enum(None, False, emit_warning=False)
    0
    """
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
