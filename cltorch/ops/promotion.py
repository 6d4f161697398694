"""Which dtype a mixed operation computes in: PyTorch's categories of operands.

Tensors with dimensions decide first, then 0-d tensors, then Python numbers; a lower class matters only when its
category (bool < integer < floating point < complex) is higher.
Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#type-promotion-doc
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.dtypes import category, dtype, promote_types, scalar_dtype
from cltorch.ops.array import Array


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    if higher is None:
        return lower
    if lower is None or higher.is_complex:
        return higher
    if higher.is_floating_point:
        return higher.to_complex() if lower.is_complex else higher  # the precision stays that of the higher class
    if higher.few and lower.is_complex:
        return lower
    if category(higher) == 0 or lower.differentiable:
        return promote_types(higher, lower)
    return higher


def result_type(operands: Sequence[Any]) -> dtype:
    """Return the dtype of an operation on Arrays and Python numbers."""
    dimensional: dtype | None = None
    zero: dtype | None = None
    number: dtype | None = None
    for x in operands:
        if isinstance(x, Array):
            if x.lay.ndim:
                dimensional = x.dtype if dimensional is None else promote_types(dimensional, x.dtype)
            else:
                zero = x.dtype if zero is None else promote_types(zero, x.dtype)
        else:
            t = scalar_dtype(x)
            number = t if number is None else promote_types(number, t)
    found = _combine(_combine(dimensional, zero), number)
    assert found is not None
    return found
