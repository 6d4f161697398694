"""Pooling as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#pooling-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.other_pooling import (  # noqa: F401 (libraries import the last two from here)
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
    _LPPoolNd,
    _MaxUnpoolNd,
)
from cltorch.nn.modules.utils import _single

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip


class _MaxPoolNd(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Return the largest element of each window, with ``return_indices`` its place in the flattened input too.

    out[i] = max_k x[i · stride + k · dilation - padding] over the elements k of the window.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = floor((L + 2 padding - dilation (kernel_size - 1) -
    1) / stride) + 1, or rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where not given. Raises
    RuntimeError for a padding of more than half the kernel.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxPool1d.html

    >>> import cltorch as torch
    >>> torch.nn.MaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool2d(_MaxPoolNd):
    """Return the largest element of each window, with ``return_indices`` its place in the flattened input too.

    out[i] = max_k x[i · stride + k · dilation - padding], and so in each dimension; places in the padding do not count.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = floor((L + 2 padding - dilation
    (kernel_size - 1) - 1) / stride) + 1 for each dimension, or rounded up with ``ceil_mode``; ``stride`` is
    ``kernel_size`` where not given. Raises RuntimeError for a padding of more than half the kernel.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxPool2d.html

    >>> import cltorch as torch
    >>> torch.nn.MaxPool2d(3, stride=2)(torch.randn(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 15])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool3d(_MaxPoolNd):
    """Return the largest element of each window, with ``return_indices`` its place in the flattened input too.

    out[i] = max_k x[i · stride + k · dilation - padding], and so in each dimension; places in the padding do not count.
    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, D', H', W') or (C, D', H', W'), with L' = floor((L + 2 padding -
    dilation (kernel_size - 1) - 1) / stride) + 1 for each dimension, or rounded up with ``ceil_mode``; ``stride`` is
    ``kernel_size`` where not given. Raises RuntimeError for a padding of more than half the kernel.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MaxPool3d.html

    >>> import cltorch as torch
    >>> torch.nn.MaxPool3d(2)(torch.randn(1, 2, 4, 6, 8)).shape
    torch.Size([1, 2, 2, 3, 4])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class _AvgPoolNd(Module):
    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """Return the average of each window; padding counts unless ``count_include_pad=False``.

    out[i] = Σ_k x[i · stride + k - padding] / kernel_size over the elements k of the window.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = floor((L + 2 padding - kernel_size) / stride) + 1, or
    rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where not given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AvgPool1d.html

    >>> import cltorch as torch
    >>> torch.nn.AvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(kernel_size if stride is None else stride)
        self.padding = _single(padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Any) -> Any:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPoolOverPlanes(_AvgPoolNd):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class AvgPool2d(_AvgPoolOverPlanes):
    """Return the average of each window; padding counts unless ``count_include_pad=False``.

    out[i] = Σ_k x[i · stride + k - padding] / kernel_size, and so in each dimension: the sum over the window, divided
    by its size.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = floor((L + 2 padding - kernel_size) /
    stride) + 1 for each dimension, or rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where not given. The
    sum is divided by ``divisor_override`` where given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AvgPool2d.html

    >>> import cltorch as torch
    >>> torch.nn.AvgPool2d(3, stride=2)(torch.randn(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 15])
    """

    def forward(self, input: Any) -> Any:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPoolOverPlanes):
    """Return the average of each window; padding counts unless ``count_include_pad=False``.

    out[i] = Σ_k x[i · stride + k - padding] / kernel_size, and so in each dimension: the sum over the window, divided
    by its size.
    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, D', H', W') or (C, D', H', W'), with L' = floor((L + 2 padding -
    kernel_size) / stride) + 1 for each dimension, or rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where
    not given. The sum is divided by ``divisor_override`` where given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AvgPool3d.html

    >>> import cltorch as torch
    >>> torch.nn.AvgPool3d(2)(torch.randn(1, 2, 4, 6, 8)).shape
    torch.Size([1, 2, 2, 3, 4])
    """

    def forward(self, input: Any) -> Any:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def __setstate__(self, d: dict[str, Any]) -> None:
        super().__setstate__(d)
        for name, default in (("padding", 0), ("ceil_mode", False), ("count_include_pad", True)):
            self.__dict__.setdefault(name, default)


class _AdaptiveMaxPoolNd(Module):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Return the largest elements of ``output_size`` windows that share a line evenly.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), L' = output_size. With ``return_indices`` the places in the
    flattened input follow.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveMaxPool1d.html

    >>> import cltorch as torch
    >>> torch.nn.AdaptiveMaxPool1d(2)(torch.arange(4.0).view(1, 1, 4))
    tensor([[[1., 3.]]])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Return the largest elements of windows that share a plane evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), the sizes being those of ``output_size``. With
    ``return_indices`` the places in the flattened input follow.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveMaxPool2d.html

    >>> import cltorch as torch
    >>> torch.nn.AdaptiveMaxPool2d((3, None))(torch.randn(1, 2, 7, 5)).shape
    torch.Size([1, 2, 3, 5])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Return the largest elements of windows that share a volume evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, D', H', W') or (C, D', H', W'), the sizes being those of
    ``output_size``. With ``return_indices`` the places in the flattened input follow.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveMaxPool3d.html

    >>> import cltorch as torch
    >>> torch.nn.AdaptiveMaxPool3d(2)(torch.randn(1, 2, 5, 6, 7)).shape
    torch.Size([1, 2, 2, 2, 2])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _AdaptiveAvgPoolNd(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Return the averages of ``output_size`` windows that share a line evenly.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), L' = output_size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveAvgPool1d.html

    >>> import cltorch as torch
    >>> torch.nn.AdaptiveAvgPool1d(2)(torch.arange(4.0).view(1, 1, 4))
    tensor([[[0.5000, 2.5000]]])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Return the averages of windows that share a plane evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), the sizes being those of ``output_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveAvgPool2d.html

    >>> import cltorch as torch
    >>> torch.nn.AdaptiveAvgPool2d((5, None))(torch.randn(1, 64, 10, 9)).shape
    torch.Size([1, 64, 5, 9])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Return the averages of windows that share a volume evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, D, H, W) or (C, D, H, W) to (N, C, D', H', W') or (C, D', H', W'), the sizes being those of
    ``output_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveAvgPool3d.html

    >>> import cltorch as torch
    >>> torch.nn.AdaptiveAvgPool3d((1, 2, None))(torch.randn(2, 3, 4, 5, 6)).shape
    torch.Size([2, 3, 1, 2, 6])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool3d(input, self.output_size)
