"""Losses against probabilities, classes and samples of distributions: logarithms of likelihoods, then the reduction.

``reduction``, ``size_average`` and ``reduce`` as in ``loss.py``.
Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#loss-functions
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from cltorch import functions
from cltorch.autograd.batch_levels import bare
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.nn.functional.loss import as_stored
from cltorch.nn.functional.reduction import check_reduction, chosen_reduction, legacy_reduction, reduced, reduced_as_one
from cltorch.ops.fallback import callers_level

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gaussian_nll_loss", "kl_div",
    "nll_loss", "poisson_nll_loss",
]  # fmt: skip


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return -weight · (y log x + (1 - y) log(1 - x)) for probabilities x and targets y in [0, 1].

    Raises ValueError where the sizes differ, RuntimeError where the dtypes do, and on the host where an input or a
    target lies outside [0, 1]; on a device the result of such an input is NaN.
    The logarithms are cut off at -100.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.binary_cross_entropy.html

    >>> import cltorch as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    need_array("binary_cross_entropy", "input", 1, input)
    need_array("binary_cross_entropy", "target", 2, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if target.lay.shape != input.lay.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if target.dtype is not input.dtype:
        raise RuntimeError(
            f"Found dtype {SCALAR_NAMES[target.dtype.name]} but expected {SCALAR_NAMES[input.dtype.name]}"
        )
    each = functions.binary_cross_entropy_error(input, target)
    if input.device.type == "cpu" and input.lay.numel:
        for what, x in (("input", input), ("target", target)):
            low, high = functions.aminmax(bare(x).detach())
            if not (0 <= float(low) and float(high) <= 1):
                raise RuntimeError(f"all elements of {what} should be between 0 and 1")
    if weight is not None:
        need_array("binary_cross_entropy", "weight", 3, weight)
        # a weight may be smaller than the input, never larger
        each = functions.mul(each, functions.expand(weight, input.lay.shape))
        return reduced(each, reduction)
    return reduced_as_one(each, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """Return -weight · (pos_weight · y log σ(x) + (1 - y) log(1 - σ(x))), computed without overflow.

    ``pos_weight`` multiplies the part of the positive class and broadcasts. Raises ValueError where the sizes differ.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.binary_cross_entropy_with_logits.html

    >>> import cltorch as torch
    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    need_array("binary_cross_entropy_with_logits", "input", 1, input)
    need_array("binary_cross_entropy_with_logits", "target", 2, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if target.lay.shape != input.lay.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if pos_weight is None:
        each = functions.logits_error(input, target)
    else:
        each = functions.weighted_logits_error(input, target, pos_weight)
    if weight is not None:
        return reduced(as_stored(functions.mul(each, weight), target), reduction)
    return reduced_as_one(as_stored(each, target), reduction)


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """Return target · (log(target) - input), or exp(target) · (target - input) with ``log_target``.

    ``reduction`` can be "batchmean" too: the sum divided by the size of the first dimension.
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.kl_div.html

    >>> import cltorch as torch
    >>> torch.nn.functional.kl_div(torch.tensor([[0.0]]), torch.tensor([[0.5]]), reduction="batchmean")
    tensor(-0.3466)
    """
    need_array("kl_div", "input", 1, input)
    need_array("kl_div", "target", 2, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=callers_level(),
        )
    if not (input.dtype.is_floating_point and target.dtype.is_floating_point):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    each = (functions.log_divergence if log_target else functions.divergence)(input, target)
    if reduction == "batchmean":
        total = functions.sum(each)
        return functions.div(total, input.lay.shape[0]) if input.lay.ndim else total
    return reduced(each, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return -weight[target] · input[target] for log-probabilities and class indices.

    ``weight`` (C) weighs the classes, also in the mean; targets of ``ignore_index`` do not count.
    Shape: input (N, C, *) or (C), target (N, *) or (), int64, weight (C); result () or, with ``reduction="none"``, (N,
    *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.nll_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
    tensor(2.)
    """
    need_array("nll_loss", "input", 1, input)
    need_array("nll_loss", "target", 2, target)
    if weight is not None:
        need_array("nll_loss", "weight", 3, weight)
    reduction = chosen_reduction(size_average, reduce, reduction)
    return functions.nll_loss(input, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return -Σ_c weight[c] · target[c] · log softmax(input)[c] over the classes c of dimension 1.

    ``weight`` (C) weighs the classes, also in the mean; targets of ``ignore_index`` do not count.
    Shape: input (N, C, *) or (C), target class indices (N, *) or (), int64, or probabilities of the input's shape;
    result () or, with ``reduction="none"``, (N, *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.cross_entropy.html

    >>> import cltorch as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    need_array("cross_entropy", "input", 1, input)
    need_array("cross_entropy", "target", 2, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    return functions.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return exp(input) - target · input, the negative log-likelihood of Poisson counts without a constant.

    Without ``log_input`` the input is the rate itself; ``full`` adds Stirling's approximation of log(target!).
    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.poisson_nll_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.poisson_nll_loss(torch.zeros(2), torch.ones(2))
    tensor(1.)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    f = functions
    if log_input:
        each = f.sub(f.exp(input), f.mul(target, input))
    else:
        each = f.sub(input, f.mul(target, f.log(f.add(input, eps))))
    if full:
        stirling = f.add(f.sub(f.mul(target, f.log(target)), target), f.mul(f.log(f.mul(target, 2 * math.pi)), 0.5))
        each = f.add(each, f.where(f.le(target, 1), 0.0, stirling))
    return reduced(each, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Return the negative log-likelihood of a normal distribution: (log(var) + (input - target)² / var) / 2.

    ``var`` is a number or a tensor of the input's shape, without its last dimension, or with 1 for one of them; it is
    at least ``eps``. ``full`` adds the constant log(2 π) / 2. Raises ValueError for another size or, on the host
    and outside of vmap, a negative variance.
    Shape: input (*), target the same, var the same, or with a last size of 1 or without it; result () or, with
    ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.gaussian_nll_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.gaussian_nll_loss(torch.zeros(2), torch.ones(2), torch.ones(2))
    tensor(0.5000)
    """
    need_array("gaussian_nll_loss", "input", 1, input)
    f = functions
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = f.full_like(input.detach(), var)
    need_array("gaussian_nll_loss", "var", 3, var)
    shape, given = tuple(input.lay.shape), tuple(var.lay.shape)
    if given != shape and given == shape[:-1]:
        var = f.unsqueeze(var, -1)
    elif given != shape:
        # sizes may differ in one place, where the variance has 1
        if len(given) != len(shape) or sum(b for a, b in zip(shape, given, strict=True) if a != b) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    if var.device.type == "cpu" and var.lay.numel and not var._batch and float(f.amin(var.detach())) < 0:
        raise ValueError("var has negative entry/entries")
    # the bound does not stop the gradient, as in PyTorch
    safe = f.add(var, f.clamp_min(f.sub(eps, var.detach()), 0))
    each = f.mul(f.add(f.log(safe), f.div(f.squared_error(input, target), safe)), 0.5)
    if full:
        each = f.add(each, 0.5 * math.log(2 * math.pi))
    return reduced(each, reduction)
