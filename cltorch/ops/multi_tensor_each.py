"""Operators of torch._foreach_* over lists of tensors in place, a few launches for a list; no gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update

__all__ = ["each_in_place"]


def _formula(name: str, fn: Callable[..., Any], params: int = 0) -> Formula:
    return Formula(f"each_{name}", lambda m, *values: (fn(m, *values),), params=params)


#: by name and number of lists: formulas of an element of each list and of numbers
_FORMULAS = {
    ("add", 1): _formula("add_number", lambda m, x, s: x + s, 1),
    ("sub", 1): _formula("sub_number", lambda m, x, s: x - s, 1),
    ("mul", 1): _formula("mul_number", lambda m, x, s: x * s, 1),
    ("div", 1): _formula("div_number", lambda m, x, s: x / s, 1),
    ("add", 2): _formula("add", lambda m, x, y, alpha: x + alpha * y, 1),
    ("sub", 2): _formula("sub", lambda m, x, y, alpha: x - alpha * y, 1),
    ("mul", 2): _formula("mul", lambda m, x, y: x * y),
    ("div", 2): _formula("div", lambda m, x, y: x / y),
    ("addcmul", 3): _formula("addcmul", lambda m, x, y, z, s: x + s * y * z, 1),
    ("addcdiv", 3): _formula("addcdiv", lambda m, x, y, z, s: x + s * (y / z), 1),
    # in the two forms each end of the way is reached exactly
    ("lerp near", 2): _formula("lerp_near", lambda m, x, y, w: x + w * (y - x), 1),
    ("lerp far", 2): _formula("lerp_far", lambda m, x, y, w: y - (y - x) * (1 - w), 1),
    ("sqrt", 1): _formula("sqrt", lambda m, x: m.sqrt(x)),
    ("neg", 1): _formula("neg", lambda m, x: -x),
    ("abs", 1): _formula("abs", lambda m, x: m.abs(x)),
    ("zero", 1): _formula("zero", lambda m, x: 0.0),
    ("copy", 2): _formula("copy", lambda m, x, y: y),
}


def each_in_place(name: str, lists: Sequence[Sequence[Any]], numbers: Sequence[float]) -> bool:
    """Apply an operator to every Array of the first list and to those beside it; return False where that is not done.

    It is not where an Array is not of a plain floating-point dtype or not on a device, where dtypes, shapes or devices
    beside each other differ, where elements are written twice, and where what is written is read elsewhere in a list.
    """
    formula = _FORMULAS.get((name, len(lists)))
    if formula is None or len(numbers) != formula.params:
        return False
    rows = list(zip(*lists, strict=True))
    for row in rows:
        first = row[0]
        t, shape, device = first.dtype, first.lay.shape, first._storage.device
        if device.type == "cpu" or not t.is_floating_point or t.rare:
            return False
        if any(x.dtype is not t or x.lay.shape != shape or x._storage.device is not device for x in row[1:]):
            return False
    if not _apart(rows):
        return False
    update(formula, [0], rows, numbers)
    return True


def _apart(rows: Sequence[Sequence[Any]]) -> bool:
    """Return whether rows can be done at once: no row writes where another one reads or writes."""
    spans = sorted((id(row[0]._storage), row[0].lay.offset, row[0].lay.extent()) for row in rows)
    if any(a[0] == b[0] and b[1] < a[2] for a, b in zip(spans, spans[1:], strict=False)):
        return False
    written = {span[0] for span in spans}
    return all(x is row[0] or id(x._storage) not in written for row in rows for x in row[1:])
