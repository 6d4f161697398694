"""Residual networks: ResNet, ResNeXt and Wide ResNet, with torchvision's names, arguments and state_dict keys.

Source: He et al., Deep Residual Learning, https://arxiv.org/abs/1512.03385; Xie et al., ResNeXt,
https://arxiv.org/abs/1611.05431; Zagoruyko and Komodakis, Wide ResNet, https://arxiv.org/abs/1605.07146;
https://docs.pytorch.org/vision/stable/models/resnet.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.vision.models.builders import network
from cltorch.vision.models.weights import attributes, build, fixed, load_weights

__all__ = [
    "BasicBlock", "Bottleneck", "ResNet", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d", "wide_resnet101_2", "wide_resnet50_2",
]  # fmt: skip


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps the size of the image at stride 1."""
    return nn.Conv2d(
        in_planes, out_planes, 3, stride=stride, padding=dilation, groups=groups, dilation=dilation, bias=False
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Add two 3x3 convolutions to their input: the block of ResNet-18 and -34.

    ``downsample`` brings the input to the shape of the sum, where stride or width change it. Raises ValueError for
    groups or another width, NotImplementedError for a dilation.
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """Return relu(x + convolutions of x)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """Add a 1x1, a 3x3 and a 1x1 convolution to their input: the block of the networks from ResNet-50 on.

    The stride is that of the 3x3 convolution, as in torchvision and unlike the paper.
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """Return relu(x + convolutions of x)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Classify images (N, 3, H, W) into scores (N, num_classes).

    ``block`` is BasicBlock or Bottleneck, ``layers`` the number of blocks in each of the four stages.
    ``zero_init_residual`` starts every block as the identity. ``groups`` and ``width_per_group`` make ResNeXt and Wide
    ResNet. ``replace_stride_with_dilation`` keeps the resolution of the last three stages where it says True.
    ``norm_layer`` makes the normalisations, ``nn.BatchNorm2d`` by default.
    Source: https://docs.pytorch.org/vision/0.28/models.html

    >>> import cltorch as torch
    >>> from cltorch.vision.models import resnet18
    >>> resnet18(num_classes=10)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        dilate = [False, False, False] if replace_stride_with_dilation is None else list(replace_stride_with_dilation)
        if len(dilate) != 3:
            raise ValueError(
                f"replace_stride_with_dilation should be None or a 3-element tuple, got {replace_stride_with_dilation}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialise(zero_init_residual)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """Return one stage; its first block changes resolution and width."""
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        shared: dict[str, Any] = {
            "groups": self.groups, "base_width": self.base_width, "norm_layer": self._norm_layer,
        }  # fmt: skip
        out, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != out:
            downsample = nn.Sequential(conv1x1(self.inplanes, out, stride), self._norm_layer(out))
        made = [block(self.inplanes, planes, stride, downsample, dilation=before, **shared)]
        self.inplanes = out
        made += [block(out, planes, dilation=self.dilation, **shared) for _ in range(1, blocks)]
        return nn.Sequential(*made)

    def _initialise(self, zero_residual: bool) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)) and m.weight is not None:
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
        if zero_residual:
            for m in self.modules():
                last = m.bn3 if isinstance(m, Bottleneck) else m.bn2 if isinstance(m, BasicBlock) else None
                if last is not None and last.weight is not None:
                    nn.init.constant_(last.weight, 0)

    def forward(self, x: Any) -> Any:
        """Return the scores of the classes."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(functions.flatten(self.avgpool(x), 1))


def _resnet(
    block: type[BasicBlock | Bottleneck],
    layers: Sequence[int],
    weights: Any = None,
    progress: bool = True,
    **kwargs: Any,
) -> ResNet:
    """Return a ResNet of one's own blocks, filled with published weights unless these are None."""
    if weights is not None:
        kwargs = fixed(kwargs, num_classes=len(weights.meta["categories"]))
    model = ResNet(block, layers, **kwargs)
    load_weights(model, weights)
    return model


def _named(
    name: str, block: type[BasicBlock | Bottleneck], layers: Sequence[int], weights: Any, options: dict[str, Any]
) -> ResNet:
    model: ResNet = build(name, partial(ResNet, block, layers), weights, options)
    return model


@network
def resnet18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-18; keywords go to ``ResNet``.

    ``weights`` is None, the path of a file with a state_dict, or published weights, which are downloaded: a member of
    ``ResNet18_Weights`` or its name, as "DEFAULT". ``progress`` does nothing.
    Source: https://docs.pytorch.org/vision/0.28/models.html

    >>> from cltorch.vision.models import resnet18
    >>> sum(p.numel() for p in resnet18().parameters())
    11689512
    """
    return _named("resnet18", BasicBlock, [2, 2, 2, 2], weights, kwargs)


@network
def resnet34(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-34; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnet34", BasicBlock, [3, 4, 6, 3], weights, kwargs)


@network
def resnet50(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-50; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnet50", Bottleneck, [3, 4, 6, 3], weights, kwargs)


@network
def resnet101(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-101; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnet101", Bottleneck, [3, 4, 23, 3], weights, kwargs)


@network
def resnet152(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-152; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnet152", Bottleneck, [3, 8, 36, 3], weights, kwargs)


@network
def resnext50_32x4d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNeXt-50 with 32 groups of width 4; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnext50_32x4d", Bottleneck, [3, 4, 6, 3], weights, fixed(kwargs, groups=32, width_per_group=4))


@network
def resnext101_32x8d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNeXt-101 with 32 groups of width 8; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnext101_32x8d", Bottleneck, [3, 4, 23, 3], weights, fixed(kwargs, groups=32, width_per_group=8))


@network
def resnext101_64x4d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNeXt-101 with 64 groups of width 4; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("resnext101_64x4d", Bottleneck, [3, 4, 23, 3], weights, fixed(kwargs, groups=64, width_per_group=4))


@network
def wide_resnet50_2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-50 with 3x3 convolutions twice as wide; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("wide_resnet50_2", Bottleneck, [3, 4, 6, 3], weights, fixed(kwargs, width_per_group=128))


@network
def wide_resnet101_2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """Return ResNet-101 with 3x3 convolutions twice as wide; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _named("wide_resnet101_2", Bottleneck, [3, 4, 23, 3], weights, fixed(kwargs, width_per_group=128))


__getattr__ = attributes(__name__)
