"""Residual networks for clips (D. Tran et al., A Closer Look at Spatiotemporal Convolutions, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/video_resnet.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.weights import attributes, build


class Conv3DSimple(nn.Conv3d):
    """A 3x3x3 convolution over time and image."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, (3, 3, 3), stride=stride, padding=padding, bias=False)

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """Return the strides over time, rows and columns."""
        return stride, stride, stride


def _apart(before: int, mid: int, after: int, window: int, stride: int, padding: int) -> list[nn.Module]:
    """Return a convolution over the image and one over time."""
    return [
        nn.Conv3d(
            before, mid, (1, window, window), stride=(1, stride, stride), padding=(0, padding, padding), bias=False
        ),
        nn.BatchNorm3d(mid),
        nn.ReLU(inplace=True),
        nn.Conv3d(mid, after, (3, 1, 1), stride=(stride, 1, 1), padding=(padding, 0, 0), bias=False),
    ]


class Conv2Plus1D(nn.Sequential):
    """A convolution over the image to ``midplanes`` channels, and one over time."""

    def __init__(self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1) -> None:
        super().__init__(*_apart(in_planes, midplanes, out_planes, 3, stride, padding))

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """Return the strides over time, rows and columns."""
        return stride, stride, stride


class Conv3DNoTemporal(nn.Conv3d):
    """A convolution over each image by itself."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(
            in_planes, out_planes, (1, 3, 3), stride=(1, stride, stride), padding=(0, padding, padding), bias=False
        )

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """Return the strides over time, rows and columns."""
        return 1, stride, stride


def _midplanes(inplanes: int, planes: int) -> int:
    """Return how many channels give two convolutions as many weights as one of 3x3x3 has."""
    return (inplanes * planes * 3 * 3 * 3) // (inplanes * 3 * 3 + 3 * planes)


class BasicBlock(nn.Module):
    """Add two convolutions of ``conv_builder`` to their input."""

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, conv_builder: Callable[..., nn.Module], stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        mid = _midplanes(inplanes, planes)
        self.conv1 = nn.Sequential(
            conv_builder(inplanes, planes, mid, stride), nn.BatchNorm3d(planes), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(conv_builder(planes, planes, mid), nn.BatchNorm3d(planes))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + convolutions of x)."""
        out = self.conv2(self.conv1(x))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """Add a 1x1x1 convolution, one of ``conv_builder`` and a 1x1x1 convolution to their input."""

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, conv_builder: Callable[..., nn.Module], stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        wide = planes * self.expansion
        self.conv1 = nn.Sequential(
            nn.Conv3d(inplanes, planes, 1, bias=False), nn.BatchNorm3d(planes), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            conv_builder(planes, planes, _midplanes(inplanes, planes), stride), nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )  # fmt: skip
        self.conv3 = nn.Sequential(nn.Conv3d(planes, wide, 1, bias=False), nn.BatchNorm3d(wide))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + convolutions of x)."""
        out = self.conv3(self.conv2(self.conv1(x)))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class BasicStem(nn.Sequential):
    """A convolution of 3x7x7 to 64 channels."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(3, 64, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False), nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )  # fmt: skip


class R2Plus1dStem(nn.Sequential):
    """A convolution of 7x7 over the image and one over time, to 64 channels."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(3, 45, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False), nn.BatchNorm3d(45),
            nn.ReLU(inplace=True), nn.Conv3d(45, 64, (3, 1, 1), padding=(1, 0, 0), bias=False), nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )  # fmt: skip


class VideoResNet(nn.Module):
    """Classify clips (N, 3, T, H, W) into scores (N, num_classes).

    ``block`` is BasicBlock or Bottleneck, ``layers`` the number of blocks in each of the four stages, ``conv_makers``
    the convolutions of each, ``stem`` makes the first layers. ``zero_init_residual`` starts every block as the
    identity.

    >>> import cltorch as torch
    >>> from cltorch.vision.models.video.resnet import BasicBlock, BasicStem, Conv3DNoTemporal, VideoResNet
    >>> model = VideoResNet(BasicBlock, [Conv3DNoTemporal] * 4, [1, 1, 1, 1], BasicStem, num_classes=5)
    >>> model(torch.zeros(2, 3, 4, 16, 16)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck],
        conv_makers: Sequence[type[Conv3DSimple | Conv3DNoTemporal | Conv2Plus1D]], layers: Sequence[int],
        stem: Callable[..., nn.Module], num_classes: int = 400, zero_init_residual: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.inplanes = 64
        self.stem = stem()
        self.layer1 = self._make_layer(block, conv_makers[0], 64, layers[0])
        self.layer2 = self._make_layer(block, conv_makers[1], 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, conv_makers[2], 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, conv_makers[3], 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv3d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.zeros_(m.bias)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, (BasicBlock, Bottleneck)):
                    last: Any = m.conv3 if isinstance(m, Bottleneck) else m.conv2
                    nn.init.zeros_(last[1].weight)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], conv_builder: Any, planes: int, blocks: int, stride: int = 1
    ) -> nn.Sequential:
        """Return one stage; its first block changes resolution and width."""
        out, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != out:
            strides = conv_builder.get_downsample_stride(stride)
            downsample = nn.Sequential(
                nn.Conv3d(self.inplanes, out, 1, stride=strides, bias=False), nn.BatchNorm3d(out)
            )
        made = [block(self.inplanes, planes, conv_builder, stride, downsample)]
        self.inplanes = out
        made += [block(out, planes, conv_builder) for _ in range(1, blocks)]
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(self.avgpool(x).flatten(1))


def _video_resnet(name: str, conv_makers: Any, stem: Any, weights: Any, options: dict[str, Any]) -> VideoResNet:
    make = partial(VideoResNet, BasicBlock, conv_makers, [2, 2, 2, 2], stem)
    model: VideoResNet = build(name, make, weights, options)
    return model


@network
def r3d_18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VideoResNet:
    """Return the ResNet of 18 layers with convolutions over time and image; arguments as of ``resnet18``."""
    return _video_resnet("r3d_18", [Conv3DSimple] * 4, BasicStem, weights, kwargs)


@network
def mc3_18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VideoResNet:
    """Return the ResNet of 18 layers of which the first stage alone sees time; arguments as of ``resnet18``."""
    return _video_resnet("mc3_18", [Conv3DSimple] + [Conv3DNoTemporal] * 3, BasicStem, weights, kwargs)


@network
def r2plus1d_18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VideoResNet:
    """Return the ResNet of 18 layers with convolutions over image and time apart; arguments as of ``resnet18``."""
    return _video_resnet("r2plus1d_18", [Conv2Plus1D] * 4, R2Plus1dStem, weights, kwargs)


__getattr__ = attributes(__name__)
