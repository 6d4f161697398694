"""Pooling: the functions of ``cltorch.functions`` under the names and with the defaults of torch.nn.functional.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from typing import Any

from cltorch.functions.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from cltorch.functions.adaptive_pool import functional_adaptive_max_pool1d as adaptive_max_pool1d
from cltorch.functions.pool import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
]  # fmt: skip


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Any, Any]:
    """Return the largest element of each window of a line, and its place.

    out[i] = max_k x[i · stride + k · dilation - padding], so in each dimension, and the place in the flattened input.
    Shape: as of ``max_pool1d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_pool1d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.max_pool1d_with_indices(torch.arange(4.0).view(1, 1, 4), 2)[1]
    tensor([[[1, 3]]])
    """
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Any, Any]:
    """Return the largest element of each window of a plane, and its place.

    out[i] = max_k x[i · stride + k · dilation - padding], so in each dimension, and the place in the flattened input.
    Shape: as of ``max_pool2d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.max_pool2d_with_indices(torch.arange(4.0).view(1, 2, 2), 2)[1]
    tensor([[[3]]])
    """
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Any, Any]:
    """Return the largest element of each window of a volume, and its place.

    out[i] = max_k x[i · stride + k · dilation - padding], so in each dimension, and the place in the flattened input.
    Shape: as of ``max_pool3d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.max_pool3d_with_indices(torch.arange(8.0).view(1, 2, 2, 2), 2)[1]
    tensor([[[[7]]]])
    """
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> tuple[Any, Any]:
    """Return the largest elements of ``output_size`` windows of a line, and their places.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: as of ``adaptive_max_pool1d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool1d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_max_pool1d_with_indices(torch.arange(4.0).view(1, 1, 4), 2)[1]
    tensor([[[1, 3]]])
    """
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> tuple[Any, Any]:
    """Return the largest elements of windows that share a plane evenly, and their places.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: as of ``adaptive_max_pool2d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_max_pool2d_with_indices(torch.arange(4.0).view(1, 2, 2), 1)[1]
    tensor([[[3]]])
    """
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> tuple[Any, Any]:
    """Return the largest elements of windows that share a volume evenly, and their places.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: as of ``adaptive_max_pool3d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_max_pool3d_with_indices(torch.arange(8.0).view(1, 2, 2, 2), 1)[1]
    tensor([[[[7]]]])
    """
    return adaptive_max_pool3d(input, output_size, True)
