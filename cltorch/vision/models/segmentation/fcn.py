"""Fully convolutional networks (J. Long et al., Fully Convolutional Networks for Semantic Segmentation, 2014).

Source: https://docs.pytorch.org/vision/0.28/models/fcn.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cltorch import nn
from cltorch.vision.models.builders import network
from cltorch.vision.models.segmentation._utils import _SimpleSegmentationModel, build_segmentation, resnet_features
from cltorch.vision.models.weights import attributes


class FCN(_SimpleSegmentationModel):
    """A backbone with one or two heads of convolutions."""


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, and scores."""

    def __init__(self, in_channels: int, channels: int) -> None:
        inner = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(), nn.Dropout(0.1),
            nn.Conv2d(inner, channels, 1),
        )  # fmt: skip


def _fcn(backbone: str, weights: Any, classes: int, aux: bool) -> FCN:
    return FCN(resnet_features(backbone, weights, aux), FCNHead(2048, classes), FCNHead(1024, classes) if aux else None)


@network
def fcn_resnet50(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, aux_loss: bool | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", **kwargs: Any,
) -> FCN:  # fmt: skip
    """Return FCN on ResNet-50: scores of 21 classes for each pixel, unless ``num_classes`` says otherwise.

    ``weights`` as of ``resnet18``. Without them the backbone takes ``weights_backbone``, which are downloaded; None
    leaves it untrained. ``aux_loss`` adds a second head. ``progress`` and other keywords do nothing.
    """
    make = partial(_fcn, "resnet50")
    model: FCN = build_segmentation("fcn_resnet50", "resnet50", make, weights, weights_backbone, num_classes, aux_loss)
    return model


@network
def fcn_resnet101(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, aux_loss: bool | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", **kwargs: Any,
) -> FCN:  # fmt: skip
    """Return FCN on ResNet-101; arguments as of ``fcn_resnet50``."""
    make = partial(_fcn, "resnet101")
    model: FCN = build_segmentation(
        "fcn_resnet101", "resnet101", make, weights, weights_backbone, num_classes, aux_loss
    )
    return model


__getattr__ = attributes(__name__)
