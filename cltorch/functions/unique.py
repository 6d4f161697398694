"""Distinct elements and slices: unique, unique_consecutive.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.unique.html
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import named, needs_grad
from cltorch.autograd.nodes import NotDifferentiable
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.convert import contiguous
from cltorch.functions.dim_orders import movedim
from cltorch.functions.shape import reshape
from cltorch.ops import unique as ops
from cltorch.shapes import wrap_dim

__all__ = ["unique", "unique_consecutive"]


def _unique(name: str, input: Any, ordered: bool, inverse: bool, counts: bool, dim: int | None) -> Any:
    need_array(name, "input", 1, input)
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")
    with no_grad():
        if dim is None:
            values, places, numbers = ops.unique(reshape(input, (-1,)), ordered)
            places = reshape(places, input.lay.shape)
        else:
            d = wrap_dim(dim, input.lay.ndim)
            shape = input.lay.shape
            if not shape:
                raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
            if any(n == 0 for i, n in enumerate(shape) if i != d):
                raise RuntimeError(
                    "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
                )
            front = movedim(input, d, 0)
            width = math.prod(n for i, n in enumerate(shape) if i != d)
            found, places, numbers = ops.unique(reshape(front, (shape[d], width)), ordered)
            values = reshape(found, (found.lay.shape[0], *front.lay.shape[1:]))
            values = contiguous(movedim(values, 0, d))
    if mode.enabled and needs_grad(input):
        inner = "unique_dim" if dim is not None else "_unique2" if name == "unique" else name
        kind = "UniqueDim" if dim is not None else "Unique2" if name == "unique" else "UniqueConsecutive"
        why = f"the derivative for '{inner}' is not implemented."
        node = named(NotDifferentiable, f"{kind}Backward0")(inner, (input,), why, NotImplementedError)
        values._grad_fn, values._requires_grad = node, True
    chosen = [values, *([places] if inverse else []), *([numbers] if counts else [])]
    return chosen[0] if len(chosen) == 1 else tuple(chosen)


def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the distinct elements in order, or with ``dim`` the distinct slices along a dimension.

    ``return_inverse`` adds where each element is found among them, ``return_counts`` how often each occurs. The result
    is in order even with ``sorted=False``; NaN differs from NaN. Waits for the device; has no gradient.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.unique.html

    >>> import cltorch as torch
    >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    return _unique("unique", input, True, return_inverse, return_counts, dim)


def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the elements (or slices along a dimension) without those that equal the one before them.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.unique_consecutive.html

    >>> import cltorch as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    return _unique("unique_consecutive", input, False, return_inverse, return_counts, dim)
