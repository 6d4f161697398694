"""DeepLabV3 (L.-C. Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/deeplabv3.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.vision.models._utils import IntermediateLayerGetter
from cltorch.vision.models.builders import network
from cltorch.vision.models.segmentation._utils import (
    _SimpleSegmentationModel,
    build_segmentation,
    enlarge,
    mobilenet_stages,
    resnet_features,
)
from cltorch.vision.models.segmentation.fcn import FCNHead
from cltorch.vision.models.weights import attributes


class DeepLabV3(_SimpleSegmentationModel):
    """A backbone with a head of dilated convolutions, and a second head in training."""


def _convolution(before: int, after: int, kernel: int = 1, **options: Any) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel, bias=False, **options), nn.BatchNorm2d(after), nn.ReLU()]


class ASPPConv(nn.Sequential):
    """A dilated 3x3 convolution."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(*_convolution(in_channels, out_channels, 3, padding=dilation, dilation=dilation))


class ASPPPooling(nn.Sequential):
    """What the whole image says, at every pixel."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_convolution(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, out_channels, H, W]."""
        return enlarge(super().forward(x), x)


class ASPP(nn.Module):
    """Look at each pixel's surroundings at several scales at once."""

    def __init__(self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256) -> None:
        super().__init__()
        views = [nn.Sequential(*_convolution(in_channels, out_channels))]
        views += [ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates]
        views.append(ASPPPooling(in_channels, out_channels))
        self.convs = nn.ModuleList(views)
        self.project = nn.Sequential(*_convolution(len(views) * out_channels, out_channels), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, out_channels, H, W]."""
        return self.project(functions.cat([view(x) for view in self.convs], 1))


class DeepLabHead(nn.Sequential):
    """Dilated convolutions and scores."""

    def __init__(self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)) -> None:
        super().__init__(
            ASPP(in_channels, atrous_rates), *_convolution(256, 256, 3, padding=1), nn.Conv2d(256, num_classes, 1)
        )


def _on_resnet(backbone: str, weights: Any, classes: int, aux: bool) -> DeepLabV3:
    features = resnet_features(backbone, weights, aux)
    return DeepLabV3(features, DeepLabHead(2048, classes), FCNHead(1024, classes) if aux else None)


def _on_mobilenet(weights: Any, classes: int, aux: bool) -> DeepLabV3:
    features, stages = mobilenet_stages(weights)
    last, middle = stages[-1], stages[-4]
    layers = IntermediateLayerGetter(features, {str(last): "out", **({str(middle): "aux"} if aux else {})})
    second = FCNHead(features[middle].out_channels, classes) if aux else None
    return DeepLabV3(layers, DeepLabHead(features[last].out_channels, classes), second)


@network
def deeplabv3_resnet50(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, aux_loss: bool | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", **kwargs: Any,
) -> DeepLabV3:  # fmt: skip
    """Return DeepLabV3 on ResNet-50; arguments as of ``fcn_resnet50``."""
    make = partial(_on_resnet, "resnet50")
    model: DeepLabV3 = build_segmentation(
        "deeplabv3_resnet50", "resnet50", make, weights, weights_backbone, num_classes, aux_loss
    )
    return model


@network
def deeplabv3_resnet101(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, aux_loss: bool | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", **kwargs: Any,
) -> DeepLabV3:  # fmt: skip
    """Return DeepLabV3 on ResNet-101; arguments as of ``fcn_resnet50``."""
    make = partial(_on_resnet, "resnet101")
    model: DeepLabV3 = build_segmentation(
        "deeplabv3_resnet101", "resnet101", make, weights, weights_backbone, num_classes, aux_loss
    )
    return model


@network
def deeplabv3_mobilenet_v3_large(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, aux_loss: bool | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", **kwargs: Any,
) -> DeepLabV3:  # fmt: skip
    """Return DeepLabV3 on the large MobileNetV3; arguments as of ``fcn_resnet50``."""
    model: DeepLabV3 = build_segmentation(
        "deeplabv3_mobilenet_v3_large", "mobilenet_v3_large", _on_mobilenet, weights, weights_backbone, num_classes,
        aux_loss,
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
