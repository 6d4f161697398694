"""The order in which einsum multiplies more than two operands: opt_einsum's where that package is installed.

Source: D. G. A. Smith and J. Gray, opt_einsum, 2018 (https://doi.org/10.21105/joss.00753), and
https://docs.pytorch.org/docs/2.13/backends.html#torch-backends-opt-einsum
"""

from __future__ import annotations

import functools
import importlib
import string
from collections.abc import Sequence
from typing import Any

_LETTERS = string.ascii_letters


class State:
    """Hold what torch.backends.opt_einsum says: whether the package is asked (None: where it is there), and how."""

    enabled: bool | None = None
    strategy: str = "auto"


@functools.cache
def package() -> Any:
    """Return the package opt_einsum, or None where it is not installed."""
    try:
        return importlib.import_module("opt_einsum")
    except ImportError:
        return None


def order(labels: Sequence[Sequence[int]], shapes: Sequence[Any], output: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the places of the operands that are multiplied, step by step; the product of each comes last."""
    # the product so far comes last, so that it is multiplied with the first of those that are left
    left_to_right: list[tuple[int, ...]] = [(0, 1)] if len(labels) > 1 else []
    left_to_right += [(n, 0) for n in range(len(labels) - 2, 0, -1)]
    if len(labels) < 3 or State.enabled is False:
        return left_to_right
    found = package()
    if found is None:
        return left_to_right
    names = sorted({label for term in labels for label in term})
    letter = {label: found.get_symbol(i) if i >= len(_LETTERS) else _LETTERS[i] for i, label in enumerate(names)}
    words = ["".join(letter[label] for label in term) for term in (*labels, output)]
    equation = ",".join(words[:-1]) + "->" + words[-1]
    sizes = [tuple(map(int, shape)) for shape in shapes]
    steps = found.contract_path(equation, *sizes, shapes=True, optimize=State.strategy)[0]
    return [tuple(step) for step in steps]
