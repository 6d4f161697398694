"""Power-average pooling, fractional max pooling and unpooling, as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#pooling-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.utils import _pair, _single, _triple

__all__ = [
    "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip


class _LPPoolNd(Module):
    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """Return (Σ xᵖ)^(1/p) of each window, p being ``norm_type``.

    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = floor((L - kernel_size) / stride) + 1, or rounded up
    with ``ceil_mode``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LPPool1d.html

    >>> import cltorch as torch
    >>> torch.nn.LPPool1d(2, 3, stride=2)(torch.randn(20, 16, 50)).shape
    torch.Size([20, 16, 24])
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """Return (Σ xᵖ)^(1/p) of each window, p being ``norm_type``.

    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = floor((L - kernel_size) / stride) + 1
    for each dimension, or rounded up with ``ceil_mode``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LPPool2d.html

    >>> import cltorch as torch
    >>> torch.nn.LPPool2d(2, 2)(torch.ones(1, 1, 2, 2))
    tensor([[[[2.]]]])
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPoolNd):
    """Return (Σ xᵖ)^(1/p) of each window, p being ``norm_type``.

    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, D', H', W') or (C, D', H', W'), with L' = floor((L - kernel_size) /
    stride) + 1 for each dimension, or rounded up with ``ceil_mode``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LPPool3d.html

    >>> import cltorch as torch
    >>> torch.nn.LPPool3d(1, 2)(torch.ones(1, 1, 2, 2, 2)).sum()
    tensor(8.)
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _MaxUnpoolNd(Module):
    _sizes: Any  # makes a size for each dimension of one

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = self._sizes(kernel_size), self._sizes(padding)
        self.stride = self._sizes(stride if stride is not None else kernel_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Put elements back to where a MaxPool1d with ``return_indices`` has found them, and zeros elsewhere.

    out[indices[i]] = x[i], and 0 where no index points; indices count in the flattened line.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = (L - 1) stride - 2 padding + kernel_size, or the
    ``output_size`` of the call; the indices, int64, have the input's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxUnpool1d.html

    >>> import cltorch as torch
    >>> x, at = torch.nn.MaxPool1d(2, return_indices=True)(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    >>> torch.nn.MaxUnpool1d(2)(x, at)
    tensor([[[0., 2., 0., 4.]]])
    """

    _sizes = staticmethod(_single)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpoolNd):
    """Put elements back to where a MaxPool2d with ``return_indices`` has found them, and zeros elsewhere.

    out[indices[i]] = x[i], and 0 where no index points; indices count in the flattened plane.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = (L - 1) stride - 2 padding +
    kernel_size for each dimension, or the ``output_size`` of the call; the indices, int64, have the input's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxUnpool2d.html

    >>> import cltorch as torch
    >>> pool = torch.nn.MaxPool2d(2, return_indices=True)
    >>> torch.nn.MaxUnpool2d(2)(*pool(torch.arange(4.0).view(1, 2, 2)))
    tensor([[[0., 0.],
             [0., 3.]]])
    """

    _sizes = staticmethod(_pair)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpoolNd):
    """Put elements back to where a MaxPool3d with ``return_indices`` has found them, and zeros elsewhere.

    out[indices[i]] = x[i], and 0 where no index points; indices count in the flattened volume.
    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, D', H', W') or (C, D', H', W'), with L' = (L - 1) stride - 2
    padding + kernel_size for each dimension, or the ``output_size`` of the call; the indices, int64, have the input's
    shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxUnpool3d.html

    >>> import cltorch as torch
    >>> pool = torch.nn.MaxPool3d(2, return_indices=True)
    >>> torch.nn.MaxUnpool3d(2)(*pool(torch.randn(1, 4, 4, 4))).shape
    torch.Size([1, 4, 4, 4])
    """

    _sizes = staticmethod(_triple)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _FractionalMaxPool(Module):
    kernel_size: Any
    output_size: Any
    output_ratio: Any

    def _read(self, tuple_of: Any, kernel_size: Any, output_size: Any, output_ratio: Any) -> None:
        name = type(self).__name__
        self.kernel_size = tuple_of(kernel_size)
        self.output_size = tuple_of(output_size) if output_size is not None else None
        self.output_ratio = tuple_of(output_ratio) if output_ratio is not None else None
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPool):
    """Return the largest elements of windows at random distances.

    out[i] = max x[a_i … a_i + k - 1], so in each dimension, with a_i = floor((i + u) r) - floor(u r) and r = (L - k) /
    (L' - 1) for L elements, L' windows of k and a number u in [0, 1) drawn for each channel and dimension; the last
    window ends at the edge.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.FractionalMaxPool2d.html;
    Graham, Fractional Max-Pooling, https://arxiv.org/abs/1412.6071
    Shape: (N, C, H, W) or (C, H, W) to the sizes ``output_size``, or to ``output_ratio`` of the input's; one of them
    must be given, else ValueError.

    >>> import cltorch as torch
    >>> torch.nn.FractionalMaxPool2d(3, output_ratio=(0.5, 0.5))(torch.randn(20, 16, 50, 32)).shape
    torch.Size([20, 16, 25, 16])
    """

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self._read(_pair, kernel_size, output_size, output_ratio)

    def forward(self, input: Any) -> Any:
        return F.fractional_max_pool2d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool3d(_FractionalMaxPool):
    """Return the largest elements of windows at random distances.

    out[i] = max x[a_i … a_i + k - 1], so in each dimension, with a_i = floor((i + u) r) - floor(u r) and r = (L - k) /
    (L' - 1) for L elements, L' windows of k and a number u in [0, 1) drawn for each channel and dimension; the last
    window ends at the edge.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the sizes ``output_size``, or to ``output_ratio`` of the input's; one of
    them must be given, else ValueError.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.FractionalMaxPool3d.html

    >>> import cltorch as torch
    >>> torch.nn.FractionalMaxPool3d(2, output_size=3)(torch.randn(1, 2, 6, 7, 8)).shape
    torch.Size([1, 2, 3, 3, 3])
    """

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self._read(_triple, kernel_size, output_size, output_ratio)

    def forward(self, input: Any) -> Any:
        return F.fractional_max_pool3d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )
