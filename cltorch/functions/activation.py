"""Activations that are more than a row of the pointwise table: with a learned or with a random slope.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import pointwise, pointwise_
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.convert import contiguous
from cltorch.functions.shape import reshape
from cltorch.ops import random as ops
from cltorch.ops.array import empty
from cltorch.ops.table import TABLE

__all__ = ["prelu", "rrelu", "rrelu_"]

_PRELU = TABLE["prelu_kernel"]


def prelu(input: Any, weight: Any) -> Any:
    """Multiply negative elements by a weight: one for all, or one for each channel (the second dimension).

    Raises RuntimeError where the number of weights fits neither, or the dtypes differ.
    K. He et al., Delving deep into rectifiers, 2015.
    max(x, 0) + weight · min(x, 0).
    Shape: (N, C, *) to the same, weight (1) or (C).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.prelu.html

    >>> import cltorch as torch
    >>> torch.prelu(torch.tensor([-4.0, 2.0]), torch.tensor([0.25]))
    tensor([-1.,  2.])
    """
    need_array("prelu", "input", 1, input)
    need_array("prelu", "weight", 2, weight)
    count, ndim = weight.lay.numel, input.lay.ndim
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {SCALAR_NAMES[input.dtype.name]} and "
            f"{SCALAR_NAMES[weight.dtype.name]}"
        )
    if weight.lay.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.lay.ndim}")
    if count != 1:
        if ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.lay.shape[1] if ndim > 1 else 1
        if channels != count:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel "
                f"size = {channels}."
            )
        weight = reshape(weight, (count, *(1 for _ in range(ndim - 2))))
    elif weight.lay.ndim:
        weight = reshape(weight, ())
    return pointwise(_PRELU, (input, weight), ())


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None
) -> Any:
    """Multiply negative elements by slopes drawn evenly from [lower, upper); by their middle unless ``training``.

    Raises RuntimeError for bounds that are not finite or in the wrong order.
    B. Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.rrelu.html

    >>> import cltorch as torch
    >>> torch.rrelu(torch.tensor([-2.0, 2.0]), 0.2, 0.3)
    tensor([-0.5000,  2.0000])
    """
    slopes = _slopes(input, lower, upper, training, generator)
    input = contiguous(input)  # the result is packed whatever the strides of the input, as PyTorch's is
    return p.leaky_relu(input, slopes) if isinstance(slopes, float) else pointwise(_PRELU, (input, slopes), ())


def _slopes(input: Any, lower: float, upper: float, training: bool, generator: Any) -> Any:
    """Return the middle of the bounds as a number, or in training one slope for each element."""
    need_array("rrelu", "input", 1, input)
    if not (abs(lower) < float("inf") and abs(upper) < float("inf")):
        raise RuntimeError("rrelu: lower and upper bounds must be finite")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return (lower + upper) / 2
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"rrelu\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")
    return ops.draw(empty(input.lay.shape, input.dtype, input.device), "uniform", lower, upper - lower, generator)


def rrelu_(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None
) -> Any:
    """Do what ``rrelu`` does, in place.

    Shape: (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.rrelu_.html

    >>> import cltorch as torch
    >>> torch.rrelu_(torch.tensor([-1.0, 2.0]), 0.5, 0.5)
    tensor([-0.5000,  2.0000])
    """
    slopes = _slopes(input, lower, upper, training, generator)
    return p.leaky_relu_(input, slopes) if isinstance(slopes, float) else pointwise_(_PRELU, input, [slopes], ())
