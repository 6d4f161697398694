"""Normalization by the activity of neighbouring channels.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.local_response_norm.html
"""

from __future__ import annotations

import operator
from typing import Any

from cltorch import functions
from cltorch.functions.arguments import need_array

__all__ = ["local_response_norm"]


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Divide (N, C, …) by (k + alpha times the mean of the squares of ``size`` channels around) ** beta.

    y = x · (k + alpha / size · Σ x²)^(-beta) over those channels.
    The result and its gradient are made by kernels of their own. Raises ValueError for fewer than three dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.local_response_norm.html;
    Krizhevsky and others, ImageNet Classification with Deep Convolutional Neural Networks, section 3.3
    Shape: (N, C, *) to the same.

    >>> import cltorch as torch
    >>> torch.nn.functional.local_response_norm(torch.ones(1, 3, 1), 3, alpha=3.0, beta=1.0).flatten()
    tensor([0.3333, 0.2500, 0.3333])
    """
    need_array("local_response_norm", "input", 1, input)
    shape = input.lay.shape
    if len(shape) < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {len(shape)} dimensions)"
        )
    if input.lay.numel == 0:
        return input
    size = operator.index(size)
    if size < 1:
        raise RuntimeError(f"kernel size should be greater than zero, but got kT: {size} kH: 1 kW: 1")
    if input.dtype.is_floating_point:
        return functions.response_norm(input, size, alpha, beta, k)
    squares = functions.reshape(functions.mul(input, input), (shape[0], 1, shape[1], -1))
    padded = functions.constant_pad_nd(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = functions.reshape(functions.avg_pool2d(padded, (size, 1), 1), shape)
    return functions.div(input, functions.pow(functions.add(functions.mul(mean, alpha), k), beta))
