"""Convolutions as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#convolution-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules._conv import _ConvNd
from cltorch.nn.modules.lazy import LazyLayer

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip


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
    """Convolve with learned kernels.

    out[o] = bias[o] + Σ_c weight[o, c] ⋆ input[c], the cross-correlation.
    Shape: (N, C_in, L) or (C_in, L) to (N, C_out, L') or (C_out, L'), with L' = floor((L + 2 padding - dilation (k - 1)
    - 1) / stride) + 1, k being the kernel's size; ``weight`` (C_out, C_in / groups, k) and ``bias`` (C_out) begin
    evenly distributed in ±1/√n, n being the elements of weight[0]. ``padding`` may be "valid" or "same". Raises
    ValueError for channels that ``groups`` does not divide.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Conv1d.html

    >>> import cltorch as torch
    >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.randn(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    _dims = 1

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        input, padding = self._padded(input)
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Convolve with learned kernels.

    out[o] = bias[o] + Σ_c weight[o, c] ⋆ input[c], the cross-correlation.
    Shape: (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H', W') or (C_out, H', W'), with L' = floor((L + 2 padding -
    dilation (k - 1) - 1) / stride) + 1 for each dimension, k being the kernel's size; ``weight`` (C_out, C_in / groups,
    k, k) and ``bias`` (C_out) begin evenly distributed in ±1/√n, n being the elements of weight[0]. ``padding`` may be
    "valid" or "same". Raises ValueError for channels that ``groups`` does not divide.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Conv2d.html

    >>> import cltorch as torch
    >>> torch.nn.Conv2d(1, 8, 3, padding="same")(torch.randn(1, 1, 28, 28)).shape
    torch.Size([1, 8, 28, 28])
    """

    _dims = 2

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        input, padding = self._padded(input)
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """Convolve with learned kernels.

    out[o] = bias[o] + Σ_c weight[o, c] ⋆ input[c], the cross-correlation.
    Shape: (N, C_in, D, H, W) or (C_in, D, H, W) to (N, C_out, D', H', W') or (C_out, D', H', W'), with L' = floor((L +
    2 padding - dilation (k - 1) - 1) / stride) + 1 for each dimension, k being the kernel's size; ``weight`` (C_out,
    C_in / groups, k, k, k) and ``bias`` (C_out) begin evenly distributed in ±1/√n, n being the elements of weight[0].
    ``padding`` may be "valid" or "same". Raises ValueError for channels that ``groups`` does not divide.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Conv3d.html

    >>> import cltorch as torch
    >>> torch.nn.Conv3d(2, 4, 3, padding=1)(torch.randn(1, 2, 5, 6, 7)).shape
    torch.Size([1, 4, 5, 6, 7])
    """

    _dims = 3

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        input, padding = self._padded(input)
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class _ConvTransposeNd(_ConvNd):
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
        given, ndim = list(output_size), input.lay.ndim
        if len(given) == ndim:
            given = given[ndim - n :]
        if len(given) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {ndim}D input, output_size must have {n} or {ndim} elements (got {len(given)})"
            )
        sizes, steps = input.lay.shape[ndim - n :], (1,) * n if dilation is None else dilation
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


class ConvTranspose1d(_ConvTransposeNd):
    """Map by the adjoint of a convolution with learned kernels.

    out[o, j] = bias[o] + Σ weight[c, o, k] · input[c, i] over all c, i and k with j = i · stride - padding + k ·
    dilation.
    Shape: (N, C_in, L) or (C_in, L) to (N, C_out, L') or (C_out, L'), with L' = (L - 1) stride - 2 padding + dilation
    (k - 1) + output_padding + 1, k being the kernel's size; ``weight`` is (C_in, C_out / groups, k), ``bias`` (C_out).
    ``output_size`` of the call chooses among the sizes that a convolution maps to one.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ConvTranspose1d.html

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


class ConvTranspose2d(_ConvTransposeNd):
    """Map by the adjoint of a convolution with learned kernels; ``output_size`` chooses among possible sizes.

    out[o, j] = bias[o] + Σ weight[c, o, k] · input[c, i] over all c, i and k with j = i · stride - padding + k ·
    dilation; so in each dimension.
    Shape: (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H', W') or (C_out, H', W'), with L' = (L - 1) stride - 2
    padding + dilation (k - 1) + output_padding + 1 for each dimension, k being the kernel's size; ``weight`` is (C_in,
    C_out / groups, k, k), ``bias`` (C_out).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ConvTranspose2d.html

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


class ConvTranspose3d(_ConvTransposeNd):
    """Map by the adjoint of a convolution with learned kernels.

    out[o, j] = bias[o] + Σ weight[c, o, k] · input[c, i] over all c, i and k with j = i · stride - padding + k ·
    dilation; so in each dimension.
    Shape: (N, C_in, D, H, W) or (C_in, D, H, W) to (N, C_out, D', H', W') or (C_out, D', H', W'), with L' = (L - 1)
    stride - 2 padding + dilation (k - 1) + output_padding + 1 for each dimension, k being the kernel's size; ``weight``
    is (C_in, C_out / groups, k, k, k), ``bias`` (C_out). ``output_size`` of the call chooses among the sizes that a
    convolution maps to one.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ConvTranspose3d.html

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


class _LazyConvXdMixin(LazyLayer, _ConvNd):
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


class _LazyForward(_LazyConvXdMixin, _Conv):
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


class _LazyTransposed(_LazyConvXdMixin, _ConvTransposeNd):
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

    Shape: as of Conv1d. Raises RuntimeError for another number of dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyConv1d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConv1d(4, 2)
    >>> net(torch.randn(1, 3, 5)).shape, net.in_channels
    (torch.Size([1, 4, 4]), 3)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """Be a Conv2d that takes ``in_channels`` from its first input.

    Shape: as of Conv2d. Raises RuntimeError for another number of dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyConv2d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConv2d(4, 2)
    >>> net(torch.randn(1, 3, 5, 5)).shape, net.in_channels
    (torch.Size([1, 4, 4, 4]), 3)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """Be a Conv3d that takes ``in_channels`` from its first input.

    Shape: as of Conv3d. Raises RuntimeError for another number of dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyConv3d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConv3d(4, 2)
    >>> net(torch.randn(1, 3, 5, 5, 5)).shape, net.in_channels
    (torch.Size([1, 4, 4, 4, 4]), 3)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """Be a ConvTranspose1d that takes ``in_channels`` from its first input.

    Shape: as of ConvTranspose1d. Raises RuntimeError for another number of dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyConvTranspose1d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConvTranspose1d(4, 2)
    >>> net(torch.randn(1, 3, 2)).shape, net.in_channels
    (torch.Size([1, 4, 3]), 3)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """Be a ConvTranspose2d that takes ``in_channels`` from its first input.

    Shape: as of ConvTranspose2d. Raises RuntimeError for another number of dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyConvTranspose2d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConvTranspose2d(4, 2)
    >>> net(torch.randn(1, 3, 2, 2)).shape, net.in_channels
    (torch.Size([1, 4, 3, 3]), 3)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """Be a ConvTranspose3d that takes ``in_channels`` from its first input.

    Shape: as of ConvTranspose3d. Raises RuntimeError for another number of dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyConvTranspose3d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyConvTranspose3d(4, 2)
    >>> net(torch.randn(1, 3, 2, 2, 2)).shape, net.in_channels
    (torch.Size([1, 4, 3, 3, 3]), 3)
    """

    cls_to_become = ConvTranspose3d
