"""einsum of two operands that is one product of matrices, as nearly every one is, found once for equation and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from cltorch import dtypes
from cltorch.functions.dim_orders import permute
from cltorch.functions.einsum_parse import DOTS, parse_equation
from cltorch.functions.matmul import matrix_product
from cltorch.functions.shape import reshape


def comes_first(a: Sequence[int], b: Sequence[int], output: Sequence[int]) -> bool:
    """Return whether what only the labels ``a`` have stands before all that only ``b`` have in the output.

    Multiplied in that order they give a contiguous output, as PyTorch's is there.
    """
    own, other = ([output.index(n) for n in x if n in output and n not in y] for x, y in ((a, b), (b, a)))
    return bool(own and other) and max(own) < min(other)


class Recipe(NamedTuple):
    """What makes an equation of two operands a product of matrices: None for what need not be done."""

    exchanged: bool
    first: tuple[list[int] | None, tuple[int, ...] | None]
    second: tuple[list[int] | None, tuple[int, ...] | None]
    shape: tuple[int, ...]
    order: list[int] | None


@lru_cache(maxsize=1024)
def recipe_for(equation: str, x: tuple[int, ...], y: tuple[int, ...]) -> Recipe | None:
    """Return what to do for operands of these shapes, None for an equation that takes more, or is none.

    No letter may run through a diagonal or a sum of one operand alone, and nothing be broadcast.
    """
    try:
        (a, b), output = parse_equation(equation, 2)
    except RuntimeError:
        return None
    if output is None:
        output = sorted(label for label in (*a, *b) if (*a, *b).count(label) == 1)
    if any(len({*labels}) != len(labels) or DOTS in labels for labels in (a, b, output)):
        return None
    if len(a) != len(x) or len(b) != len(y):
        return None
    exchanged = comes_first(b, a, output)
    if exchanged:
        a, b, x, y = b, a, y, x
    sizes = dict(zip(a, x, strict=True))
    if any(sizes.setdefault(label, n) != n for label, n in zip(b, y, strict=True)):
        return None
    shared = [label for label in a if label in b]
    inner = [label for label in shared if label not in output]
    batch, left, right = (
        [label for label in labels if label in output and (label in shared) is both]
        for labels, both in ((a, True), (a, False), (b, False))
    )
    if (
        not inner
        or {*output} != {*batch, *left, *right}
        or len(a) + len(b) != len(output) + len(batch) + 2 * len(inner)
    ):
        return None

    def arranged(labels: list[int], *groups: list[int]) -> tuple[list[int] | None, tuple[int, ...] | None]:
        order = [labels.index(label) for group in groups for label in group]
        shape = tuple(prod(sizes[label] for label in group) for group in groups)
        given = tuple(sizes[labels[d]] for d in order)
        return None if order == list(range(len(order))) else order, None if shape == given else shape

    groups = [batch] if batch else []
    names = [*batch, *left, *right]
    order = [names.index(label) for label in output]
    return Recipe(
        exchanged,
        arranged(a, *groups, left, inner),
        arranged(b, *groups, inner, right),
        tuple(sizes[label] for label in names),
        None if order == list(range(len(order))) else order,
    )


def summed_product(a: Any, b: Any) -> Any:
    """Multiply matrices; raise NotImplementedError for those of bool."""
    if a.dtype is dtypes.bool_ and a.lay.numel and b.lay.numel:
        raise NotImplementedError("\"bmm\" not implemented for 'Bool'")
    return matrix_product(a, b)


def by_recipe(recipe: Recipe, x: Any, y: Any) -> Any:
    """Return the product of two operands of one dtype and device."""
    if recipe.exchanged:
        x, y = y, x
    parts = []
    for part, (dims, shape) in ((x, recipe.first), (y, recipe.second)):
        part = part if dims is None else permute(part, dims)
        parts.append(part if shape is None else reshape(part, shape))
    product = reshape(summed_product(*parts), recipe.shape)
    return product if recipe.order is None else permute(product, recipe.order)
