"""A linear layer and the cross entropy of its outputs in one, on request in pieces of a batch.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.linear_cross_entropy.html
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch import functions as f
from cltorch.autograd import Function, enable_grad, grad
from cltorch.nn.functional.likelihood import cross_entropy
from cltorch.nn.functional.linear import linear
from cltorch.ops.fallback import callers_level

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Any:
    """Return ``cross_entropy(linear(input, linear_weight, linear_bias), target, …)``.

    -log softmax(linear_weight @ x + linear_bias)[target].
    The input is (N, in) or (in), ``linear_weight`` (classes, in), or (classes, *out, in) for as many losses of each
    sample; ``ignore_index`` is -100 for None. With ``options``, a LinearCrossEntropyOptions, batches are computed in
    pieces, for one loss per sample and class indices without smoothing: for all else they warn and have no effect.
    Raises RuntimeError for shapes that do not fit.
    Shape: input (N, in) or (in), target (N, *out); result () or, with ``reduction="none"``, the target's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.linear_cross_entropy.html

    >>> import cltorch as torch
    >>> x, w = torch.ones(2, 3), torch.zeros(4, 3)
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0, 3]))
    tensor(1.3863)
    """
    if not 1 <= input.dim() <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    classes, *out, width = (int(n) for n in linear_weight.shape)
    if input.shape[-1] != width:
        raise RuntimeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {input.shape[-1]} and {width}, "
            "respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *out):
        raise RuntimeError(f"expected linear_bias shape {(classes, *out)}, got {tuple(linear_bias.shape)}")
    if out and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {width}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], classes, *out)
    if tuple(target.shape) == tuple(shape) and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        if not out and reduction in _REDUCTIONS and label_smoothing == 0 and target.dtype is dtypes.int64:
            return _in_pieces(input, linear_weight, linear_bias, target, weight, reduction, ignored, options)
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in {'mean','sum','none'}, "
            "label_smoothing == 0, target.dtype == int64, out_features == (). Got "
            f"reduction={reduction!r}, label_smoothing={label_smoothing}, target.dtype={target.dtype}, "
            f"out_features={tuple(out)}.",
            stacklevel=callers_level(),
        )
    logits = linear(
        input,
        f.reshape(linear_weight, (math.prod(out, start=classes), width)),
        None if linear_bias is None else f.reshape(linear_bias, (-1,)),
    )
    logits = f.reshape(logits, shape)
    return cross_entropy(
        logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )


_REDUCTIONS = ("mean", "sum", "none")


def _in_pieces(
    x: Any, w: Any, bias: Any, target: Any, class_weight: Any, reduction: str, ignored: int, options: Any
) -> Any:
    if x.dim() == 1:
        loss = _in_pieces(f.unsqueeze(x, 0), w, bias, f.unsqueeze(target, 0), class_weight, reduction, ignored, options)
        return f.squeeze(loss, 0) if reduction == "none" else loss
    rows = options.rows(x.shape[0], x.shape[1], w.shape[0])
    return _Pieces.apply(x, w, bias, target, class_weight, reduction, ignored, rows, options)


class _Pieces(Function):
    """Compute a batch piece by piece: gradients at once where the loss is a number, else in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Any, w: Any, bias: Any, target: Any, class_weight: Any, reduction: str, ignored: int, rows: int,
        options: Any,
    ) -> Any:  # fmt: skip
        ctx.pieces = [slice(at, at + rows) for at in range(0, max(1, x.shape[0]), rows)]
        ctx.class_weight, ctx.ignored, ctx.options, ctx.reduction = class_weight, ignored, options, reduction
        ctx.save_for_backward(x, w, bias, target)
        if reduction == "none":
            return f.cat([_losses(ctx, x[piece], w, bias, target[piece]) for piece in ctx.pieces])
        factor = None
        if reduction == "mean":
            kept = f.ne(target, ignored)
            if class_weight is not None:
                kept = f.mul(f.index_select(class_weight, 0, f.mul(target, kept)), kept)
            factor = f.reciprocal(f.sum(kept).to(x.dtype if x.dtype.itemsize > 2 else dtypes.float32))
        loss, ctx.gradients = _pass(ctx, x, w, bias, target, factor)
        return loss

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        if ctx.reduction == "none":
            x, w, bias, target = ctx.saved_tensors
            _, gradients = _pass(ctx, x, w, bias, target, g)
        else:
            if ctx.gradients is None:
                raise RuntimeError(
                    "linear_cross_entropy chunked backward called twice; retain_graph=True / double backward are not "
                    "supported."
                )
            gradients = [None if d is None else f.mul(d, g) for d in ctx.gradients]
            if not ctx.options.allow_retain_graph:
                ctx.gradients = None
        return (*gradients, None, None, None, None, None, None)


def _losses(ctx: Any, x: Any, w: Any, bias: Any, target: Any) -> Any:
    return cross_entropy(linear(x, w, bias), target, ctx.class_weight, ignore_index=ctx.ignored, reduction="none")


def _pass(ctx: Any, x: Any, w: Any, bias: Any, target: Any, factor: Any) -> tuple[Any, list[Any]]:
    """Return the sum of the losses times a factor, one for all or one per sample, and its three gradients."""
    wanted = ctx.needs_input_grad[:3]
    wide = ctx.options.acc_dtype or (dtypes.float32 if x.dtype.itemsize == 2 else x.dtype)
    total, of_x, sums = None, [], [None, None]
    for piece in ctx.pieces:
        given = [None if v is None else v.detach() for v in (x[piece], w, bias)]
        among = [v.requires_grad_() for v, want in zip(given, wanted, strict=True) if want and v is not None]
        with enable_grad():
            losses = _losses(ctx, given[0], given[1], given[2], target[piece])
            if factor is not None:
                losses = f.mul(losses, factor if factor.dim() == 0 else factor[piece])
            loss = f.sum(losses, dtype=wide)
        found = list(grad(loss, among)) if among else []
        if wanted[0]:
            of_x.append(found.pop(0))
        for k in (0, 1):
            if wanted[k + 1]:
                d = found.pop(0).to(wide)
                sums[k] = d if sums[k] is None else f.add_(sums[k], d)
        total = loss.detach() if total is None else f.add(total, loss.detach())
    assert total is not None
    return total.to(x.dtype), [f.cat(of_x) if wanted[0] else None, *_cast(sums, x.dtype)]


def _cast(values: Sequence[Any], dtype: Any) -> list[Any]:
    return [None if v is None else v.to(dtype) for v in values]
