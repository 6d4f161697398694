"""Copies of many tensors and zeros for many, a few launches for a list; no gradients.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.copy_.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.ops.array import empty
from cltorch.ops.complex_formula import as_real
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import is_run, update
from cltorch.ops.strided import copy_into, fill

__all__ = ["arranged", "copy_each", "fill_each", "zero_each"]

_COPY = Formula("each_copied", lambda m, to, source: (source,))
_ZERO = Formula("each_zero", lambda m, x: (0.0,))
_FILL = Formula("each_filled", lambda m, x, value: (value,), params=1)


def copy_each(targets: Sequence[Any], sources: Sequence[Any]) -> None:
    """Copy Arrays into others of the same shapes, on one device each, converting dtypes.

    Raises RuntimeError where shapes or devices of a pair differ.
    """
    rows: list[list[Any]] = []
    for to, source in zip(targets, sources, strict=True):
        row = [to, source]
        if to.dtype.is_complex and source.dtype.is_complex:
            row = [as_real(x) for x in row]
        if any(x.dtype.rare for x in row) or (to.dtype is not source.dtype and not _fractions(row)):
            copy_into(to, source)
            to._storage.version += 1
        else:
            rows.append(row)
    if rows:
        update(_COPY, [0], rows, [])


def arranged(arrays: Sequence[Any], contiguous: bool = False) -> list[Any]:
    """Return Arrays, in place of those that are not one run of memory each (or not contiguous) contiguous copies."""
    found = list(arrays)
    others = [i for i, x in enumerate(found) if not (x.lay.contiguous if contiguous else is_run([x.lay]))]
    for i in others:
        x = found[i]
        found[i] = empty(x.lay.shape, x.dtype, x.device)
    copy_each([found[i] for i in others], [arrays[i] for i in others])
    return found


def zero_each(targets: Sequence[Any]) -> None:
    """Set every element of Arrays to zero."""
    rows: list[list[Any]] = []
    for x in targets:
        x = as_real(x) if x.dtype.is_complex else x
        if x.dtype.rare:
            fill(x, 0)
            x._storage.version += 1
        else:
            rows.append([x])
    if rows:
        update(_ZERO, [0], rows, [])


def fill_each(targets: Sequence[Any], value: float) -> None:
    """Set every element of Arrays of plain floating-point dtypes to a number, of complex ones both parts."""
    if targets:
        update(_FILL, [0], [[as_real(x) if x.dtype.is_complex else x] for x in targets], [value])


def _fractions(row: Sequence[Any]) -> bool:
    return all(x.dtype.is_floating_point for x in row)
