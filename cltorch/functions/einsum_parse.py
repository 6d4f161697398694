"""What einsum's equations and lists of labels say."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

# a label is a number: of a letter in this order (which is that of the implicit output), or negative for the dimensions
# that an ellipsis stands for, -1 the last of them
LETTERS = string.ascii_uppercase + string.ascii_lowercase
DOTS = 100


def _parse_labels(text: str, what: str, start: int) -> list[int]:
    """Return the labels of one operand's part of an equation; DOTS stands for an ellipsis."""
    labels: list[int] = []
    i = 0
    while i < len(text):
        letter = text[i]
        if letter == ".":
            if text[i : i + 3] != "...":
                raise RuntimeError(f"einsum(): found '.' for {what} that is not part of any ellipsis")
            if DOTS in labels:
                raise RuntimeError(f"einsum(): found '.' for {what} for which an ellipsis was already found")
            labels.append(DOTS)
            i += 3
            continue
        if letter != " ":
            if letter not in LETTERS:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {start + i} in the equation string, subscripts must "
                    "be in [a-zA-Z]"
                )
            labels.append(LETTERS.index(letter))
        i += 1
    return labels


def parse_equation(equation: str, count: int) -> tuple[list[list[int]], list[int] | None]:
    """Return the labels of the operands and of the output (None where it is implicit)."""
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    if len(parts) != count:
        more = "more" if len(parts) < count else "fewer"
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation")
    start = 0
    terms = []
    for i, part in enumerate(parts):
        terms.append(_parse_labels(part, f"operand {i}", start))
        start += len(part) + 1
    return terms, _parse_labels(right, "the output", len(left) + 2) if arrow else None


def parse_sublists(args: Sequence[Any]) -> tuple[list[Any], list[list[int]], list[int] | None]:
    """Return operands, their labels and the output's, of the form einsum(x, [0, 1], y, [1, 2], [0, 2])."""

    def labels(given: Any) -> list[int]:
        found = []
        for label in given:
            if label is Ellipsis:
                found.append(DOTS)
            elif not 0 <= label < len(LETTERS):
                raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
            else:
                found.append(int(label))
        return found

    operands = list(args[0 : len(args) - len(args) % 2 : 2])
    terms = [labels(given) for given in args[1 : len(args) - len(args) % 2 : 2]]
    return operands, terms, labels(args[-1]) if len(args) % 2 else None
