"""A linear layer and the cross entropy of its outputs in one.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.linear_cross_entropy.html
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import functions as f
from cltorch.nn.functional.linear import linear
from cltorch.nn.functional.loss import cross_entropy

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

    The input is (N, in) or (in), ``linear_weight`` (classes, in), or (classes, *out, in) for as many losses of each
    sample; ``ignore_index`` is -100 for None. ``options``, by which PyTorch computes batches in pieces, are not
    supported: NotImplementedError. Raises RuntimeError for shapes that do not fit.

    >>> import cltorch as torch
    >>> x, w = torch.ones(2, 3), torch.zeros(4, 3)
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0, 3]))
    tensor(1.3863)
    """
    if options is not None:
        raise NotImplementedError("linear_cross_entropy: options for computing in pieces are not supported")
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
    logits = linear(
        input,
        f.reshape(linear_weight, (math.prod(out, start=classes), width)),
        None if linear_bias is None else f.reshape(linear_bias, (-1,)),
    )
    logits = f.reshape(logits, (*input.shape[:-1], classes, *out))
    if tuple(target.shape) == tuple(logits.shape) and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
