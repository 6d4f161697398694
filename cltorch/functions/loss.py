"""Losses that have kernels of their own: negative log-likelihood and cross entropy.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.cross_entropy.html
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import need_array, no_gradient
from cltorch.functions.shape import reshape
from cltorch.functions.softmax import log_softmax, need_floating
from cltorch.ops.loss import CrossEntropy, Nll

__all__ = ["cross_entropy", "nll_loss"]


def _check(input: Any, target: Any, weight: Any, reduction: str) -> Any:
    """Return the target, without its dimension where the scores have none for a batch, after PyTorch's checks."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    shape, given = tuple(input.lay.shape), tuple(target.lay.shape)
    if not shape:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if len(shape) == 1:
        _check_dtype(target)
        if len(given) > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if given and given[0] != 1:
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {given[0]}")
        if given:
            target = reshape(target, ())
    else:
        if shape[0] != (given[0] if given else 1):
            raise ValueError(
                f"Expected input batch_size ({shape[0]}) to match target batch_size ({given[0] if given else 1})."
            )
        if len(shape) == 2 and len(given) > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if len(shape) == 4:
            _check_plane(shape, given)
        if shape[2:] != given[1:]:
            raise RuntimeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(given)}")
    _check_dtype(target)
    if target.device is not input.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but got target is on {target.device}, different "
            f"from other tensors on {input.device}"
        )
    if weight is not None:
        classes = shape[0] if len(shape) == 1 else shape[1]
        need_array("nll_loss", "weight", 3, weight)
        if tuple(weight.lay.shape) != (classes,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got "
                f"weight tensor of shape: {list(weight.lay.shape)}"
            )
        if weight.dtype is not input.dtype:
            raise RuntimeError(f"expected scalar type {TYPE_NAMES[input.dtype]} but found {TYPE_NAMES[weight.dtype]}")
        no_gradient("nll_loss2d_forward" if len(shape) == 4 else "nll_loss_forward", weight=weight)
    return target


def _check_dtype(target: Any) -> None:
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {TYPE_NAMES[target.dtype]}")


def _check_plane(shape: tuple[int, ...], given: tuple[int, ...]) -> None:
    if len(given) != 3:
        raise RuntimeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {len(given)}"
        )
    if shape[2:] != given[1:]:
        raise RuntimeError(f"size mismatch (got input: {list(shape)} , target: {list(given)}")


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """Return the negative log-likelihood of log-probabilities (N, C, …) at class indices (N, …).

    Raises ValueError where the shapes do not fit, IndexError for a class out of range (for one on a device
    DeviceIndexError, when the program waits for it; the result is NaN).
    """
    target = _check(input, target, weight, reduction)
    if not input.dtype.is_floating_point:
        kernel = "nll_loss_out_frame" if input.lay.ndim < 3 else "nll_loss2d_forward_out_frame"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{TYPE_NAMES[input.dtype]}'")
    loss = apply(Nll, input, target, weight, ignore_index, reduction, 0.0)
    return loss if input.lay.ndim < 3 else called(loss, "NllLoss2DBackward0")


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return the cross entropy of scores (N, C, …) against class indices (N, …) or class probabilities (N, C, …).

    Raises ValueError where the shapes do not fit, RuntimeError for a label smoothing above 1.

    >>> import cltorch as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    label_smoothing = max(label_smoothing, 0.0)  # PyTorch takes what is below zero for none
    if not label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    shape, given = tuple(input.lay.shape), tuple(target.lay.shape)
    if shape == given:
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"{reduction} is not a valid value for reduction")
        if not target.dtype.is_floating_point:
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities, got {TYPE_NAMES[target.dtype]}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _probabilities(input, target, weight, reduction, label_smoothing)
    if shape:
        need_floating("log_softmax", input, min(len(shape) - 1, 1))
    target = _check(input, target, weight, reduction)
    return apply(CrossEntropy, input, target, weight, ignore_index, reduction, float(label_smoothing))


def _probabilities(input: Any, target: Any, weight: Any, reduction: str, smooth: float) -> Any:
    axis = 1 if input.lay.ndim > 1 else 0
    classes = input.lay.shape[axis]
    if smooth:
        target = p.add(p.mul(target, 1 - smooth), smooth / classes)
    logp = p.mul(log_softmax(input, axis), target)
    if weight is not None:
        if tuple(weight.lay.shape) != (classes,):
            raise RuntimeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but "
                f"got weight tensor of shape: {list(weight.lay.shape)}"
            )
        line = [1] * input.lay.ndim
        line[axis] = classes
        logp = p.mul(logp, reshape(weight, line))
    loss = p.neg(r.sum(logp, axis))
    if reduction == "none":
        return loss
    total = r.sum(loss)
    if reduction == "mean" and not input.lay.numel:
        return p.mul(total, math.nan)
    return total if reduction == "sum" else p.div(total, max(input.lay.numel // max(classes, 1), 1))
