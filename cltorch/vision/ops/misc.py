"""Blocks that models are made of.

Source: https://docs.pytorch.org/vision/0.28/ops.html#layers
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.tensor import Tensor


class FrozenBatchNorm2d(nn.Module):
    """Normalise with statistics, weight and bias that are buffers, and so never change in training.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.FrozenBatchNorm2d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.FrozenBatchNorm2d(1, eps=0.0)(torch.tensor([[[[3.0]]]]))
    tensor([[[[3.]]]])
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)  # a BatchNorm2d's, which this has no use for
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


class ConvNormActivation(nn.Sequential):
    """A convolution with normalisation and activation behind it; the padding keeps the size at stride 1."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...] = 3,
        stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] | str | None = None, groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU, dilation: int | tuple[int, ...] = 1,
        inplace: bool | None = True, bias: bool | None = None, conv_layer: Callable[..., nn.Module] = nn.Conv2d,
    ) -> None:  # fmt: skip
        if padding is None:
            if isinstance(kernel_size, int) and isinstance(dilation, int):
                padding = (kernel_size - 1) // 2 * dilation
            else:
                n = len(kernel_size) if isinstance(kernel_size, Sequence) else len(dilation)  # type: ignore[arg-type]
                kernel, dilated = (v if isinstance(v, Sequence) else (v,) * n for v in (kernel_size, dilation))
                padding = tuple((k - 1) // 2 * d for k, d in zip(kernel, dilated, strict=True))
        layers = [
            conv_layer(
                in_channels, out_channels, kernel_size, stride, padding, dilation=dilation, groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]  # fmt: skip
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels


class Conv2dNormActivation(ConvNormActivation):
    """A two-dimensional convolution with normalisation and activation behind it.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.Conv2dNormActivation.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.Conv2dNormActivation(3, 8)(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...] = 3,
        stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] | str | None = None, groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU, dilation: int | tuple[int, ...] = 1,
        inplace: bool | None = True, bias: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer, dilation,
            inplace, bias, nn.Conv2d,
        )  # fmt: skip


class Conv3dNormActivation(ConvNormActivation):
    """A three-dimensional convolution with normalisation and activation behind it.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.Conv3dNormActivation.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.Conv3dNormActivation(3, 8)(torch.ones(1, 3, 4, 4, 4)).shape
    torch.Size([1, 8, 4, 4, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...] = 3,
        stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] | str | None = None, groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm3d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU, dilation: int | tuple[int, ...] = 1,
        inplace: bool | None = True, bias: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer, dilation,
            inplace, bias, nn.Conv3d,
        )  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Scale channels by what the whole image says of them (J. Hu et al., Squeeze-and-Excitation Networks, 2018).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.SqueezeExcitation.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.SqueezeExcitation(8, 2)(torch.ones(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self, input_channels: int, squeeze_channels: int, activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        scale = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(scale)) * input


class MLP(nn.Sequential):
    """Linear layers, each but the last followed by normalisation, activation and dropout.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.MLP.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.MLP(4, [8, 2])(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self, in_channels: int, hidden_channels: list[int], norm_layer: Callable[..., nn.Module] | None = None,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU, inplace: bool | None = None, bias: bool = True,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        options = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        width = in_channels
        for hidden in hidden_channels[:-1]:
            layers.append(nn.Linear(width, hidden, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(hidden))
            if activation_layer is not None:
                layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
            width = hidden
        layers.append(nn.Linear(width, hidden_channels[-1], bias=bias))
        layers.append(nn.Dropout(dropout, **options))
        super().__init__(*layers)


class Permute(nn.Module):
    """Return the dimensions in another order.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.Permute.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.Permute([0, 2, 1])(torch.ones(1, 2, 3)).shape
    torch.Size([1, 3, 2])
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return torch.permute(x, self.dims)
