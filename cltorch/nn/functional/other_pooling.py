"""Power-average pooling, fractional max pooling and unpooling.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#pooling-functions
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.functions import pool
from cltorch.functions.arguments import need_array

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_unpool1d", "max_unpool2d",
    "max_unpool3d",
]  # fmt: skip

_MAX: dict[int, Callable[..., Any]] = {1: pool.max_pool1d, 2: pool.max_pool2d, 3: pool.max_pool3d}
_AVG: dict[int, Callable[..., Any]] = {1: pool.avg_pool1d, 2: pool.avg_pool2d, 3: pool.avg_pool3d}


def _tuple(value: Any, n: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


# ---- by a norm ---------------------------------------------------------------------------------------------------
def _lp_pool(n: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    if abs(norm_type) == math.inf:
        # the largest or the smallest magnitude
        sign = 1 if norm_type > 0 else -1
        x = functions.mul(functions.abs(input), sign)
        return functions.mul(_MAX[n](x, kernel_size, stride, 0, 1, ceil_mode), sign)
    out = _AVG[n](functions.pow(input, norm_type), kernel_size, stride, 0, ceil_mode)
    # PyTorch's form of the root: zero gets no gradient, sums below zero (odd powers) give NaN
    out = functions.mul(functions.sign(out), functions.relu(functions.abs(out)))
    return functions.pow(functions.mul(out, math.prod(_tuple(kernel_size, n))), 1.0 / norm_type)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return the root of the sum of powers of each window of (N, C, L) or (C, L).

    (Σ xᵖ)^(1/p) over each window, p being ``norm_type``.
    With an infinite ``norm_type`` it is the largest magnitude (the smallest for minus infinity).
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = floor((L - kernel_size) / stride) + 1, or rounded up
    with ``ceil_mode``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.lp_pool1d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3.0, 4.0, 6.0, 8.0]]), 2, 2)
    tensor([[ 5., 10.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return the root of the sum of powers of each window of (N, C, H, W) or (C, H, W).

    (Σ xᵖ)^(1/p) over each window, p being ``norm_type``.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = floor((L - kernel_size) / stride) + 1
    for each dimension, or rounded up with ``ceil_mode``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.lp_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.lp_pool2d(torch.ones(1, 1, 2, 2), 2, 2)
    tensor([[[[2.]]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return the root of the sum of powers of each window of (N, C, D, H, W) or (C, D, H, W).

    (Σ xᵖ)^(1/p) over each window, p being ``norm_type``.
    Shape: as of ``lp_pool2d``, with a depth D in front of H.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.lp_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.lp_pool3d(torch.ones(1, 1, 2, 2, 2), 1, 2).sum()
    tensor(8.)
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# ---- over windows at random distances ----------------------------------------------------------------------------
def _fractional(
    n: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any
) -> tuple[Any, Any]:
    name = f"fractional_max_pool{n}d"
    need_array(name, "input", 1, input)
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratio = _tuple(output_ratio, n)
        if len(ratio) != n:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(input.size(d - n) * r) for d, r in enumerate(ratio)]
    if samples is None:
        batch = 1 if input.dim() == n + 1 else input.size(0)
        samples = functions.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
    return functions.fractional_max_pool(input, kernel_size, output_size, samples, n)


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> tuple[Any, Any]:
    """Return the largest elements of windows at random distances, and their places in the plane.

    out[i] = max x[a_i … a_i + k - 1], so in each dimension, with a_i = floor((i + u) r) - floor(u r) and r = (L - k) /
    (L' - 1) for L elements, L' windows of k and a number u in [0, 1) drawn for each channel and dimension; the last
    window ends at the edge.
    Shape: as of ``fractional_max_pool2d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.fractional_max_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.fractional_max_pool2d_with_indices(torch.ones(1, 4, 4), 2, 2)[1].shape
    torch.Size([1, 2, 2])
    """
    need_array("fractional_max_pool2d_with_indices", "input", 1, input)
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Return the largest elements of ``output_size`` windows of (N, C, H, W) or (C, H, W) at random distances.

    out[i] = max x[a_i … a_i + k - 1], so in each dimension, with a_i = floor((i + u) r) - floor(u r) and r = (L - k) /
    (L' - 1) for L elements, L' windows of k and a number u in [0, 1) drawn for each channel and dimension; the last
    window ends at the edge.
    ``output_ratio`` gives the size as a part of the input's; with ``return_indices`` the places come too.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, *output_size) or (C, *output_size).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.fractional_max_pool2d.html;
    Graham, Fractional Max-Pooling, https://arxiv.org/abs/1412.6071

    >>> import cltorch as torch
    >>> torch.nn.functional.fractional_max_pool2d(torch.randn(2, 3, 9, 9), 2, output_size=(4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """
    both = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> tuple[Any, Any]:
    """Return the largest elements of windows at random distances, and their places in the volume.

    out[i] = max x[a_i … a_i + k - 1], so in each dimension, with a_i = floor((i + u) r) - floor(u r) and r = (L - k) /
    (L' - 1) for L elements, L' windows of k and a number u in [0, 1) drawn for each channel and dimension; the last
    window ends at the edge.
    Shape: as of ``fractional_max_pool3d``, for both.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.fractional_max_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.fractional_max_pool3d_with_indices(torch.ones(1, 4, 4, 4), 2, 2)[1].shape
    torch.Size([1, 2, 2, 2])
    """
    need_array("fractional_max_pool3d_with_indices", "input", 1, input)
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Return the largest elements of ``output_size`` windows of (N, C, D, H, W) or (C, D, H, W) at random distances.

    out[i] = max x[a_i … a_i + k - 1], so in each dimension, with a_i = floor((i + u) r) - floor(u r) and r = (L - k) /
    (L' - 1) for L elements, L' windows of k and a number u in [0, 1) drawn for each channel and dimension; the last
    window ends at the edge.
    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, *output_size) or (C, *output_size).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.fractional_max_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.fractional_max_pool3d(torch.ones(1, 4, 4, 4), 2, 2).shape
    torch.Size([1, 2, 2, 2])
    """
    need_array("fractional_max_pool3d", "input", 1, input)
    both = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


# ---- undone ------------------------------------------------------------------------------------------------------
def _unpooled_size(
    input: Any, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], output_size: Any
) -> list[int]:
    n = len(kernel)
    # PyTorch passes over steps and paddings beyond the dimensions
    default = [(input.size(d - n) - 1) * stride[d] + kernel[d] - 2 * padding[d] for d in range(n)]
    if output_size is None:
        return default
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
            f"'{len(output_size)}'"
        )
    for d, (size, wanted, s) in enumerate(zip(default, output_size, stride[:n], strict=True)):
        if not size - s < wanted < size + s:
            raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {size - s} and {size + s})')
    return list(output_size)


def _unpool(n: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    kernel = _tuple(kernel_size, n)
    steps = kernel if stride is None else _tuple(stride, n)
    if len(kernel) != n:
        raise RuntimeError(f"There should be exactly {n} elements in output_size, but got {len(kernel)} elements.")
    size = _unpooled_size(input, kernel, steps, _tuple(padding, n), output_size)
    if min(steps) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(steps)}")
    if n > 1:
        return functions.max_unpool(input, indices, size, n)
    out = functions.max_unpool(functions.unsqueeze(input, -1), functions.unsqueeze(indices, -1), [*size, 1], 2)
    return functions.squeeze(out, -1)


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Put (N, C, L) or (C, L) back to where ``max_pool1d`` has found it, and zeros elsewhere.

    out[indices[i]] = x[i], and 0 where no index points; indices count in the flattened line.
    ``output_size`` chooses between the lengths that pool to this one. Raises ValueError for one that does not.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = (L - 1) stride - 2 padding + kernel_size, or the
    ``output_size`` of the call; the indices, int64, have the input's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_unpool1d.html

    >>> import cltorch as torch
    >>> F = torch.nn.functional
    >>> x, at = F.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
    >>> F.max_unpool1d(x, at, 2)
    tensor([[0., 3., 2., 0.]])
    """
    need_array("max_unpool1d", "input", 1, input)
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Put (N, C, H, W) or (C, H, W) back to where ``max_pool2d`` has found it, and zeros elsewhere.

    out[indices[i]] = x[i], and 0 where no index points; indices count in the flattened plane.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = (L - 1) stride - 2 padding +
    kernel_size for each dimension, or the ``output_size`` of the call; the indices, int64, have the input's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_unpool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.max_unpool2d(torch.tensor([[[3.0]]]), torch.tensor([[[2]]]), 2)
    tensor([[[0., 0.],
             [3., 0.]]])
    """
    need_array("max_unpool2d", "input", 1, input)
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Put (N, C, D, H, W) or (C, D, H, W) back to where ``max_pool3d`` has found it, and zeros elsewhere.

    out[indices[i]] = x[i], and 0 where no index points; indices count in the flattened volume.
    Shape: as of ``max_unpool2d``, with a depth D in front of H.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_unpool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.max_unpool3d(torch.tensor([[[[3.0]]]]), torch.tensor([[[[5]]]]), 2).flatten()
    tensor([0., 0., 0., 0., 0., 3., 0., 0.])
    """
    need_array("max_unpool3d", "input", 1, input)
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
