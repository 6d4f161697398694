"""Losses that ask for a margin: between pairs, triplets, classes.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#loss-functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd.batch_levels import bare
from cltorch.device import faults
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.gather import gather
from cltorch.nn.functional.reduction import REDUCTIONS, check_reduction, chosen_reduction, reduced, reduced_as_one
from cltorch.ops.array import host

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return x where the target is 1 and max(margin - x, 0) where it is -1.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.hinge_embedding_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.5, 0.5]), torch.tensor([1.0, -1.0]))
    tensor(0.5000)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    f = functions
    need_array("hinge_embedding_loss", "self", 1, input)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        margin = int(margin)  # everything is computed in the dtype of the input
    far = f.where(f.ne(target, 1), f.clamp_min(f.sub(margin, input), 0), 0)
    return reduced(f.add(far, f.where(f.ne(target, -1), input, 0)), reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return max(margin - target · (x1 - x2), 0): the target is 1 where x1 should be the greater one, else -1.

    Raises RuntimeError where the numbers of dimensions differ.
    Shape: x1, x2 and target (N) or (); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.margin_ranking_loss.html

    >>> import cltorch as torch
    >>> one = torch.ones(1)
    >>> torch.nn.functional.margin_ranking_loss(one, 2 * one, one, margin=0.5)
    tensor(1.5000)
    """
    need_array("margin_ranking_loss", "input1", 1, input1)
    need_array("margin_ranking_loss", "input2", 2, input2)
    need_array("margin_ranking_loss", "target", 3, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not input1.lay.ndim == input2.lay.ndim == target.lay.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    f = functions
    return reduced(f.clamp_min(f.add(f.mul(f.neg(target), f.sub(input1, input2)), margin), 0), reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return log(1 + exp(-target · x)) for targets of 1 or -1.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.soft_margin_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.soft_margin_loss(torch.zeros(2), torch.tensor([1.0, -1.0]))
    tensor(0.6931)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    need_array("soft_margin_loss", "input", 1, input)
    need_array("soft_margin_loss", "target", 2, target)
    each = functions.soft_margin_error(input, target)
    if each.lay.shape != input.lay.shape:
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(each.shape)}"
        )
    return reduced_as_one(functions.to(each, input.dtype), reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return 1 - cos(x1, x2) where the target is 1 and max(cos(x1, x2) - margin, 0) where it is -1.

    The inputs are (N, D) with a target of (N), or (D) with one of ().
    Shape: x1 and x2 (N, D) or (D), target (N) or (); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.cosine_embedding_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.cosine_embedding_loss(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1))
    tensor(0.)
    """
    need_array("cosine_embedding_loss", "input1", 1, input1)
    need_array("cosine_embedding_loss", "input2", 2, input2)
    need_array("cosine_embedding_loss", "target", 3, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    f = functions
    ndim = target.lay.ndim
    if ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.lay.ndim != ndim + 1 or input2.lay.ndim != ndim + 1:
        raise RuntimeError(
            f"{ndim}D target tensor expects {ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    # both lengths are kept from zero under one root, as PyTorch does
    lengths = f.mul(f.add(_square(input1), 1e-12), f.add(_square(input2), 1e-12))
    cosine = f.div(f.sum(f.mul(input1, input2), -1), f.sqrt(lengths))
    near = f.where(f.eq(target, 1), f.sub(1.0, cosine), 0.0)
    far = f.where(f.eq(target, -1), f.clamp_min(f.sub(cosine, margin), 0), 0.0)
    return reduced(f.add(near, far), reduction)


def _square(x: Any) -> Any:
    return functions.sum(functions.square(x), -1)


def _triplet(anchor: Any, positive: Any, negative: Any, margin: float, swap: bool, distance: Callable[..., Any]) -> Any:
    f = functions
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = f.minimum(far, distance(positive, negative))
    return f.clamp_min(f.add(f.sub(near, far), margin), 0)  # whose gradient passes at 0 itself, unlike relu's


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return max(d(anchor, positive) - d(anchor, negative) + margin, 0) with the distance of the p-norm.

    With ``swap`` the negative's distance is the smaller one of those from the anchor and from the positive.
    V. Balntas et al., Learning local feature descriptors with triplets and shallow convolutional neural networks, 2016.
    Shape: anchor, positive and negative (N, D) or (D); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.triplet_margin_loss.html

    >>> import cltorch as torch
    >>> a, p, n = torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2)
    >>> torch.nn.functional.triplet_margin_loss(a, p, n, margin=2.0)
    tensor(0.5858)
    """
    need_array("triplet_margin_loss", "anchor", 1, anchor)
    need_array("triplet_margin_loss", "positive", 2, positive)
    need_array("triplet_margin_loss", "negative", 3, negative)
    reduction = chosen_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.lay.ndim == positive.lay.ndim == negative.lay.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.lay.ndim}D, positive {positive.lay.ndim}D, and negative {negative.lay.ndim}D "
            "inputs"
        )
    each = _triplet(anchor, positive, negative, margin, swap, lambda a, b: functions.pairwise_distance(a, b, p, eps))
    return reduced(each, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Do what ``triplet_margin_loss`` does with any distance, by default ``pairwise_distance``.

    max(d(anchor, positive) - d(anchor, negative) + margin, 0).
    Shape: anchor, positive and negative (N, *), of which ``distance_function`` makes (N); result () or, with
    ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.triplet_margin_with_distance_loss.html

    >>> import cltorch as torch
    >>> zero = torch.zeros(1, 2)
    >>> torch.nn.functional.triplet_margin_with_distance_loss(zero, zero, torch.tensor([[0.0, 0.5]]))
    tensor(0.5000)
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    check_reduction(reduction)
    dims = [x.lay.ndim for x in (anchor, positive, negative)]
    if dims[0] != dims[1] or dims[1] != dims[2]:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    distance = functions.pairwise_distance if distance_function is None else distance_function
    return reduced(_triplet(anchor, positive, negative, margin, swap, distance), reduction)


def _need_classes(name: str, input: Any, target: Any) -> None:
    """Raise where the target is no int64, or the input no fraction."""
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {SCALAR_NAMES[target.dtype.name]}")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")


def _need_range(target: Any, first: int, end: int, message: str) -> None:
    """Raise RuntimeError for a class out of range, on the host; a device is not waited for."""
    if target.device.type == "cpu" and target.lay.numel:
        classes = host(bare(target))
        if not first <= classes.min() <= classes.max() < end:
            raise RuntimeError(message)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return -Σ (y log σ(x) + (1 - y) log(1 - σ(x))) / C over the C classes of the last dimension.

    Shape: input (N, C), target the same of 0 or 1, weight (C); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.multilabel_soft_margin_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not valid")
    each = functions.logits_error(input, target)
    if weight is not None:
        each = functions.mul(each, weight)
    return reduced(functions.mean(each, -1), reduction)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return Σ max(margin - x[target] + x[i], 0)^p / C over the classes i other than the target.

    The input is (N, C) with a target of (N), or (C) with one of (); ``p`` is 1 or 2.
    Shape: input (N, C) or (C), target (N) or (), int64, weight (C); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.multi_margin_loss.html

    >>> import cltorch as torch
    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    tensor(0.)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    f = functions
    check_reduction(reduction)
    need_array("multi_margin_loss", "input", 1, input)
    need_array("multi_margin_loss", "target", 2, target)
    if weight is not None and need_array("multi_margin_loss", "weight", 5, weight).lay.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if not input.lay.ndim:  # PyTorch takes a number for a vector of one class
        input = f.reshape(input, (1,))
    shape = tuple(input.lay.shape)
    if len(shape) not in (1, 2) or shape[-1] == 0:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}"
        )
    classes, count = shape[-1], shape[0] if len(shape) == 2 else 1
    given = tuple(target.lay.shape)
    if len(given) > 1 or target.lay.numel != count:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{count}], but got {list(given)}. Input has shape {list(shape)}."
        )
    if weight is not None and tuple(weight.lay.shape) != (classes,):
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.lay.shape)}")
    _need_classes("multi_margin_loss", input, target)
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {SCALAR_NAMES[input.dtype.name]} but found {SCALAR_NAMES[weight.dtype.name]}"
        )
    _need_range(target, 0, classes, "target out of range")
    if len(given) != len(shape) - 1:
        target = f.reshape(target, shape[:-1])
    place = f.unsqueeze(target, -1)
    with faults.told_as("multi_margin_loss"):
        own = gather(input, -1, place)
    each = f.relu(f.add(f.sub(input, own), margin))
    each = f.square(each) if p == 2 else each
    if weight is not None:
        each = f.mul(each, f.unsqueeze(f.take(weight, target), -1))
    others = f.ne(f.arange(classes, device=input.device), place)
    return reduced(f.div(f.sum(f.where(others, each, 0.0), -1), classes), reduction)


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Return Σ max(1 - x[y_j] + x[i], 0) / C over the target classes y_j and all classes i that are none.

    The input is (N, C) or (C); the target has its shape and names classes up to the first -1. Raises RuntimeError for
    other shapes, and for a target that is not int64.
    Shape: input (N, C) or (C), target the same, int64; result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.multilabel_margin_loss.html

    >>> import cltorch as torch
    >>> x, y = torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]])
    >>> torch.nn.functional.multilabel_margin_loss(x, y)
    tensor(0.8500)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    f = functions
    check_reduction(reduction)
    need_array("multilabel_margin_loss", "input", 1, input)
    need_array("multilabel_margin_loss", "target", 2, target)
    shape = tuple(input.lay.shape)
    if len(shape) > 2 or (shape and shape[-1] == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}"
        )
    if tuple(target.lay.shape) != shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(shape)}")
    _need_classes("multilabel_margin_loss", input, target)
    _need_range(target, -1, max(shape[-1:], default=1), "argument #2 'target' is out of range")
    x, y = (f.reshape(v, (-1, shape[-1] if shape else 1)) for v in (input, target))
    # nothing counts from the first negative class on
    named = f.eq(f.cumsum(f.to(f.lt(y, 0), dtypes.int64), 1), 0)
    # one out of range stays, so that a device notes it
    place = f.where(f.logical_or(named, f.logical_or(f.lt(y, -1), f.ge(y, x.lay.shape[1]))), y, 0)
    with faults.told_as("multilabel_margin_loss"):
        wanted = f.gt(f.scatter_add(f.zeros_like(y), 1, place, f.to(named, dtypes.int64)), 0)
    margin = f.relu(f.add(f.sub(f.unsqueeze(x, 1), f.unsqueeze(gather(x, 1, place), 2)), 1))
    counted = f.logical_and(f.unsqueeze(named, 2), f.logical_not(f.unsqueeze(wanted, 1)))
    each = f.div(f.sum(f.where(counted, margin, 0.0), (1, 2)), x.lay.shape[1])
    return reduced(f.reshape(each, shape[:-1]), reduction)
