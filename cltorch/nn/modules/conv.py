"""Convolutions as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#convolution-layers
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.modules.lazy import LazyLayer
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.utils import _ntuple, reverse_repeat
from cltorch.nn.parameter import Parameter

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """Hold the weight and the bias (out) of a convolution of ``_dims`` dimensions.

    The weight is (out, in / groups, *kernel), or (in, out / groups, *kernel) of a transposed one; both begin evenly
    distributed in ±1/√fan_in with the weight's fan_in. Raises ValueError for channels that ``groups`` does not
    divide, for an unknown padding or padding mode, and for padding="same" with a stride.
    """

    _dims = 1
    weight: Any
    bias: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = _ntuple(self._dims)
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, channels in (("in", in_channels), ("out", out_channels)):
            if channels % groups:
                raise ValueError(f"{name}_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in sizes(stride)):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {_MODES}, but got padding_mode={padding_mode!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = sizes(kernel_size), sizes(stride)
        self.padding = padding if isinstance(padding, str) else sizes(padding)
        self.dilation = sizes(dilation)
        self.transposed, self.output_padding = transposed, sizes(output_padding)
        self.groups, self.padding_mode = groups, padding_mode
        # what F.pad is given for the modes that the convolution itself does not have
        self._reversed_padding_repeated_twice = self._sides()
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(functions.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(functions.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _sides(self) -> Any:
        """Return (before, after) of every dimension in one line, the last dimension first."""
        if not isinstance(self.padding, str):
            return reverse_repeat(self.padding, 2)
        sides = []
        for d, k in zip(reversed(self.dilation), reversed(self.kernel_size), strict=True):
            total = d * (k - 1) if self.padding == "same" else 0
            sides += [total // 2, total - total // 2]
        return sides

    def reset_parameters(self) -> None:
        """Draw weights and bias anew."""
        # with this slope the bound of kaiming_uniform_ is 1 / sqrt(fan_in)
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        out = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self._dims:
            out += f", padding={self.padding}"
        if self.dilation != (1,) * self._dims:
            out += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self._dims:
            out += f", output_padding={self.output_padding}"
        if self.groups != 1:
            out += f", groups={self.groups}"
        if self.bias is None:
            out += ", bias=False"
        if self.padding_mode != "zeros":
            out += f", padding_mode={self.padding_mode}"
        return out

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")  # files of versions without it


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, False, 0, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Any:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        raise NotImplementedError

    def _padded(self, input: Any) -> tuple[Any, Any]:
        """Return the input and the padding that is left to do."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode), (0,) * self._dims


class Conv1d(_Conv):
    """Convolve (N, C, L) or (C, L) with learned kernels.

    >>> import cltorch as torch
    >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.randn(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    _dims = 1

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        input, padding = self._padded(input)
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Convolve (N, C, H, W) or (C, H, W) with learned kernels.

    >>> import cltorch as torch
    >>> torch.nn.Conv2d(1, 8, 3, padding="same")(torch.randn(1, 1, 28, 28)).shape
    torch.Size([1, 8, 28, 28])
    """

    _dims = 2

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        input, padding = self._padded(input)
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """Convolve (N, C, D, H, W) or (C, D, H, W) with learned kernels.

    >>> import cltorch as torch
    >>> torch.nn.Conv3d(2, 4, 3, padding=1)(torch.randn(1, 2, 5, 6, 7)).shape
    torch.Size([1, 4, 5, 6, 7])
    """

    _dims = 3

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        input, padding = self._padded(input)
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class _ConvTranspose(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, True, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(
        self,
        input: Any,
        output_size: Any,
        stride: Any,
        padding: Any,
        kernel_size: Any,
        num_spatial_dims: int,
        dilation: Any = None,
    ) -> tuple[int, ...]:
        """Return the output padding that makes the result ``output_size``, whose batch and channels may be left out.

        Raises ValueError for a size that no output padding below the stride can make.
        """
        if output_size is None:
            return self.output_padding
        n = num_spatial_dims
        given, ndim = list(output_size), input.layout.ndim
        if len(given) == ndim:
            given = given[ndim - n :]
        if len(given) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {ndim}D input, output_size must have {n} or {ndim} elements (got {len(given)})"
            )
        sizes, steps = input.layout.shape[ndim - n :], (1,) * n if dilation is None else dilation
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(sizes, stride, padding, steps, kernel_size, strict=True)
        ]
        most = [low + s - 1 for low, s in zip(least, stride, strict=True)]
        if not all(low <= size <= high for low, size, high in zip(least, given, most, strict=True)):
            raise ValueError(
                f"requested an output size of {tuple(given)}, but valid sizes range from {least} to {most} (for an "
                f"input of {input.shape[ndim - n :]})"
            )
        return tuple(size - low for size, low in zip(given, least, strict=True))

    def _extra(self, input: Any, output_size: Any) -> tuple[int, ...]:
        return self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, self._dims, self.dilation
        )


class ConvTranspose1d(_ConvTranspose):
    """Map (N, C, L) or (C, L) by the adjoint of a convolution.

    >>> import cltorch as torch
    >>> torch.nn.ConvTranspose1d(4, 2, 3, stride=2)(torch.randn(1, 4, 5)).shape
    torch.Size([1, 2, 11])
    """

    _dims = 1

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._extra(input, output_size)
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose2d(_ConvTranspose):
    """Map (N, C, H, W) or (C, H, W) by the adjoint of a convolution; ``output_size`` chooses among possible sizes.

    >>> import cltorch as torch
    >>> up = torch.nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    >>> up(torch.randn(1, 16, 6, 6), output_size=(12, 12)).shape
    torch.Size([1, 16, 12, 12])
    """

    _dims = 2

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._extra(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose3d(_ConvTranspose):
    """Map (N, C, D, H, W) or (C, D, H, W) by the adjoint of a convolution.

    >>> import cltorch as torch
    >>> torch.nn.ConvTranspose3d(2, 4, 2, stride=2)(torch.randn(1, 2, 3, 4, 5)).shape
    torch.Size([1, 4, 6, 8, 10])
    """

    _dims = 3

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._extra(input, output_size)
        return F.conv_transpose3d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class _LazyConv(LazyLayer, _ConvNd):
    _learned = "in_channels"

    def _size_of(self, input: Any) -> int:
        n = self._dims
        if input.dim() not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got input "
                f"of size: {input.shape}"
            )
        channels = int(input.shape[-n - 1])
        if channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        return channels

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        into, out = self.in_channels, self.out_channels
        first, second = (into, out) if self.transposed else (out, into)
        return {"weight": (first, second // self.groups, *self.kernel_size), "bias": (out,)}

    def _begin(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.out_channels = out_channels
        self._parameters_without_shape(bias, device, dtype)


class _LazyForward(_LazyConv, _Conv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._begin(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConv, _ConvTranspose):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        )
        self._begin(out_channels, bias, device, dtype)


class LazyConv1d(_LazyForward, Conv1d):
    """Be a Conv1d that takes ``in_channels`` from its first input.

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConv1d(4, 2)
    >>> net(torch.randn(1, 3, 5)).shape, net.in_channels
    (torch.Size([1, 4, 4]), 3)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """Be a Conv2d that takes ``in_channels`` from its first input.

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConv2d(4, 2)
    >>> net(torch.randn(1, 3, 5, 5)).shape, net.in_channels
    (torch.Size([1, 4, 4, 4]), 3)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """Be a Conv3d that takes ``in_channels`` from its first input.

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConv3d(4, 2)
    >>> net(torch.randn(1, 3, 5, 5, 5)).shape, net.in_channels
    (torch.Size([1, 4, 4, 4, 4]), 3)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """Be a ConvTranspose1d that takes ``in_channels`` from its first input.

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConvTranspose1d(4, 2)
    >>> net(torch.randn(1, 3, 2)).shape, net.in_channels
    (torch.Size([1, 4, 3]), 3)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """Be a ConvTranspose2d that takes ``in_channels`` from its first input.

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConvTranspose2d(4, 2)
    >>> net(torch.randn(1, 3, 2, 2)).shape, net.in_channels
    (torch.Size([1, 4, 3, 3]), 3)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """Be a ConvTranspose3d that takes ``in_channels`` from its first input.

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConvTranspose3d(4, 2)
    >>> net(torch.randn(1, 3, 2, 2, 2)).shape, net.in_channels
    (torch.Size([1, 4, 3, 3, 3]), 3)
    """

    cls_to_become = ConvTranspose3d
