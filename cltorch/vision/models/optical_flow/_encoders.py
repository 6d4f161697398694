"""What RAFT sees of images and of the flow so far.

Source: https://arxiv.org/abs/2003.12039
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.vision.ops.misc import Conv2dNormActivation

Norm = Callable[..., nn.Module]


def _shortcut(before: int, after: int, norm: Norm | None, stride: int, always: bool) -> nn.Module:
    """Return what brings a block's input to the shape of its output."""
    if stride == 1 and not always:
        return nn.Identity()
    return Conv2dNormActivation(
        before, after, norm_layer=norm, kernel_size=1, stride=stride, bias=True, activation_layer=None
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each normalised and rectified, added to their input and rectified."""

    def __init__(
        self, in_channels: int, out_channels: int, *, norm_layer: Norm | None, stride: int = 1,
        always_project: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.convnormrelu1 = Conv2dNormActivation(
            in_channels, out_channels, norm_layer=norm_layer, kernel_size=3, stride=stride, bias=True
        )
        self.convnormrelu2 = Conv2dNormActivation(
            out_channels, out_channels, norm_layer=norm_layer, kernel_size=3, bias=True
        )
        self.downsample = _shortcut(in_channels, out_channels, norm_layer, stride, always_project)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + convolutions of x)."""
        return self.relu(self.downsample(x) + self.convnormrelu2(self.convnormrelu1(x)))


class BottleneckBlock(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, each normalised and rectified, added to their input and rectified."""

    def __init__(self, in_channels: int, out_channels: int, *, norm_layer: Norm | None, stride: int = 1) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.convnormrelu1 = Conv2dNormActivation(
            in_channels, narrow, norm_layer=norm_layer, kernel_size=1, bias=True
        )  # fmt: skip
        self.convnormrelu2 = Conv2dNormActivation(
            narrow, narrow, norm_layer=norm_layer, kernel_size=3, stride=stride, bias=True
        )
        self.convnormrelu3 = Conv2dNormActivation(
            narrow, out_channels, norm_layer=norm_layer, kernel_size=1, bias=True
        )  # fmt: skip
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, norm_layer, stride, False)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + convolutions of x)."""
        return self.relu(self.downsample(x) + self.convnormrelu3(self.convnormrelu2(self.convnormrelu1(x))))


class FeatureEncoder(nn.Module):
    """Turn images (N, 3, H, W) into features (N, layers[-1], H/8, W/8). Raises ValueError unless ``layers`` are 5."""

    def __init__(
        self, *, block: Any = ResidualBlock, layers: Sequence[int] = (64, 64, 96, 128, 256),
        strides: Sequence[int] = (2, 1, 2, 2), norm_layer: Norm | None = nn.BatchNorm2d,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(layers) != 5:
            raise ValueError(f"The expected number of layers is 5, instead got {len(layers)}")
        self.convnormrelu = Conv2dNormActivation(
            3, layers[0], norm_layer=norm_layer, kernel_size=7, stride=strides[0], bias=True
        )

        def stage(i: int) -> nn.Sequential:
            return nn.Sequential(
                block(layers[i - 1], layers[i], norm_layer=norm_layer, stride=strides[i]),
                block(layers[i], layers[i], norm_layer=norm_layer, stride=1),
            )

        self.layer1, self.layer2, self.layer3 = stage(1), stage(2), stage(3)
        self.conv = nn.Conv2d(layers[3], layers[4], kernel_size=1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.InstanceNorm2d)):
                m.reset_parameters()
        self.output_dim = layers[-1]
        self.downsample_factor = 2 ** sum(s == 2 for s in strides)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return self.conv(self.layer3(self.layer2(self.layer1(self.convnormrelu(x)))))


class MotionEncoder(nn.Module):
    """Turn the flow so far and the products read around it into ``out_channels`` channels, of which two are the flow.

    Raises ValueError unless ``flow_layers`` are 2 and ``corr_layers`` 1 or 2.
    """

    def __init__(
        self, *, in_channels_corr: int, corr_layers: Sequence[int] = (256, 192), flow_layers: Sequence[int] = (128, 64),
        out_channels: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(flow_layers) != 2:
            raise ValueError(f"The expected number of flow_layers is 2, instead got {len(flow_layers)}")
        if len(corr_layers) not in (1, 2):
            raise ValueError(f"The number of corr_layers should be 1 or 2, instead got {len(corr_layers)}")

        def layer(before: int, after: int, kernel: int) -> nn.Module:
            return Conv2dNormActivation(before, after, norm_layer=None, kernel_size=kernel)

        self.convcorr1 = layer(in_channels_corr, corr_layers[0], 1)
        self.convcorr2 = layer(corr_layers[0], corr_layers[1], 3) if len(corr_layers) == 2 else nn.Identity()
        self.convflow1 = layer(2, flow_layers[0], 7)
        self.convflow2 = layer(flow_layers[0], flow_layers[1], 3)
        self.conv = layer(corr_layers[-1] + flow_layers[-1], out_channels - 2, 3)
        self.out_channels = out_channels

    def forward(self, flow: Tensor, corr_features: Tensor) -> Tensor:
        """Return [N, out_channels, h, w]."""
        read = self.convcorr2(self.convcorr1(corr_features))
        seen = self.convflow2(self.convflow1(flow))
        return functions.cat([self.conv(functions.cat([read, seen], dim=1)), flow], dim=1)
