"""Losses against values, by the differences: a fused kernel per element, then the reduction.

``reduction`` is "none" (the values), "mean" or "sum". ``size_average`` and ``reduce`` are what PyTorch had before it.
Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#loss-functions
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.nn.functional.reduction import REDUCTIONS, chosen_reduction, reduced, reduced_as_one
from cltorch.ops.fallback import callers_level

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


def _one_size(input: Any, target: Any) -> Sequence[Any]:
    """Return both as one shape, which is what their dtypes count by, with a warning where they differ."""
    if input.lay.shape == target.lay.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
        "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=callers_level(),
    )
    return functions.broadcast_tensors(input, target)


def as_stored(each: Any, x: Any) -> Any:
    """Return elements in the dtype of an operand into whose copy PyTorch writes them; raise RuntimeError for others."""
    if each.dtype is x.dtype:
        return each
    if not dtypes.can_cast(each.dtype, x.dtype):
        names = SCALAR_NAMES[each.dtype.name], SCALAR_NAMES[x.dtype.name]
        raise RuntimeError(f"result type {names[0]} can't be cast to the desired output type {names[1]}")
    return functions.to(each, x.dtype)


def _weighted(each: Any, weight: Any, reduction: str, mean_of_weights: bool) -> Any:
    if weight is None:
        return reduced_as_one(each, reduction)
    if reduction not in REDUCTIONS:
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    need_array("loss", "weight", 6, weight)
    if weight.lay.shape != each.lay.shape:
        raise ValueError("Weights and input must have the same size.")
    each = functions.mul(each, weight)
    if reduction == "mean" and mean_of_weights:
        return functions.div(functions.sum(each), functions.sum(weight))
    return reduced(each, reduction)


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Return the mean (or the sum) of (input - target)².

    Warns where the sizes differ, raises ValueError for another reduction.
    With ``weight`` the mean is the weighted one.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.mse_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    need_array("mse_loss", "input", 1, input)
    need_array("mse_loss", "target", 2, target)
    if weight is not None:
        need_array("mse_loss", "weight", 6, weight)
    input, target = _one_size(input, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    return _weighted(functions.squared_error(input, target), weight, reduction, True)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Return the mean (or the sum) of |input - target|.

    With ``weight`` the mean is the weighted one.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.l1_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """
    need_array("l1_loss", "input", 1, input)
    need_array("l1_loss", "target", 2, target)
    if weight is not None:
        need_array("l1_loss", "weight", 6, weight)
    input, target = _one_size(input, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    each = functions.absolute_error(input, target)
    return reduced(each, reduction) if weight is None else _weighted(each, weight, reduction, True)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """Return the error d² / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere.

    Raises RuntimeError for a negative beta. R. Girshick, Fast R-CNN, 2015.
    d is input - target.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.smooth_l1_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor(1.3125)
    """
    need_array("smooth_l1_loss", "input", 1, input)
    need_array("smooth_l1_loss", "target", 2, target)
    input, target = _one_size(input, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced(functions.absolute_error(input, target), reduction)
    return reduced_as_one(functions.smooth_l1_error(input, target, beta=beta), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Return the error d² / 2 where |d| < delta, delta · (|d| - delta / 2) elsewhere.

    Raises RuntimeError for a delta that is not positive. P. Huber, Robust Estimation of a Location Parameter, 1964.
    d is input - target.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.huber_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.huber_loss(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor(1.3125)
    """
    need_array("huber_loss", "input", 1, input)
    need_array("huber_loss", "target", 2, target)
    input, target = _one_size(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    each = as_stored(functions.huber_error(input, target, delta=delta), input)
    return _weighted(each, weight, reduction, False)
