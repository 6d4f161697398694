"""The light segmentation of A. Howard et al., Searching for MobileNetV3 (2019).

Source: https://docs.pytorch.org/vision/0.28/models/lraspp.html
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models._utils import IntermediateLayerGetter
from cltorch.vision.models.builders import network
from cltorch.vision.models.segmentation._utils import build_segmentation, enlarge, mobilenet_stages
from cltorch.vision.models.weights import attributes


class LRASPPHead(nn.Module):
    """Scores from coarse features scaled by the whole image's, and from fine ones."""

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        """Return the scores at the resolution of the features "low"."""
        low, high = input["low"], input["high"]
        coarse = enlarge(self.cbr(high) * self.scale(high), low)
        return self.low_classifier(low) + self.high_classifier(coarse)


class LRASPP(nn.Module):
    """Give the scores of the classes for each pixel of (N, 3, H, W), as "out" of a dict.

    The backbone returns a dict with the features "low" (fine) and "high" (coarse).
    """

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int, inter_channels: int = 128
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return the scores (N, classes, H, W)."""
        return OrderedDict(out=enlarge(self.classifier(self.backbone(input)), input))


def _on_mobilenet(weights: Any, classes: int, aux: bool) -> LRASPP:
    features, stages = mobilenet_stages(weights)
    low, high = stages[-4], stages[-1]
    layers = IntermediateLayerGetter(features, {str(low): "low", str(high): "high"})
    return LRASPP(layers, features[low].out_channels, features[high].out_channels, classes)


@network
def lraspp_mobilenet_v3_large(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", **kwargs: Any,
) -> LRASPP:  # fmt: skip
    """Return LR-ASPP on the large MobileNetV3; arguments as of ``fcn_resnet50``, without a second head."""
    if kwargs.pop("aux_loss", False):
        raise NotImplementedError("This model does not use auxiliary loss")
    model: LRASPP = build_segmentation(
        "lraspp_mobilenet_v3_large", "mobilenet_v3_large", _on_mobilenet, weights, weights_backbone, num_classes, None
    )
    return model


__getattr__ = attributes(__name__)
