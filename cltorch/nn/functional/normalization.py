"""Normalisation over batches, layers, groups and instances.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#normalization-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import functions

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel (the second dimension) over the batch and all positions.

    With ``training`` by the batch's own mean and variance, which move the running ones by ``momentum``; without it by
    the running ones. Raises ValueError for a batch of one value per channel.
    S. Ioffe, C. Szegedy, Batch Normalization, 2015.

    >>> import cltorch as torch
    >>> torch.nn.functional.batch_norm(torch.tensor([[1.0], [3.0]]), torch.zeros(1), torch.ones(1), training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if training:
        shape = input.layout.shape
        if input.layout.numel and input.layout.numel == shape[1]:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")
    return functions.functional_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Normalise over the last dimensions, which ``normalized_shape`` names by their sizes.

    J. Ba et al., Layer Normalization, 2016.

    >>> import cltorch as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return functions.functional_layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise groups of channels of each sample.

    Raises RuntimeError where the channels cannot be divided so. Y. Wu, K. He, Group Normalization, 2018.
    """
    shape = input.layout.shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if shape[0] * shape[1] // max(num_groups, 1) * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    return functions.functional_group_norm(input, num_groups, weight, bias, eps)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel of each sample over its positions.

    With ``use_input_stats`` by its own mean and variance, whose averages over the batch move the running ones by
    ``momentum``; without it by the running ones. Raises ValueError for one position.
    D. Ulyanov et al., Instance Normalization, 2016.
    """
    if use_input_stats and math.prod(input.layout.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.layout.shape}")
    return functions.functional_instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """Divide by the root of the mean square over the last dimensions, which ``normalized_shape`` names by their sizes.

    ``eps`` is the dtype's epsilon by default. B. Zhang, R. Sennrich, Root Mean Square Layer Normalization, 2019.
    """
    return functions.rms_norm(input, normalized_shape, weight, eps)
