"""SSDlite (M. Sandler et al., MobileNetV2, 2018; A. Howard et al., Searching for MobileNetV3, 2019).

Source: https://docs.pytorch.org/vision/0.28/models/ssdlite.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.detection._build import Start, build_detector
from cltorch.vision.models.detection._single_stage import start_narrowly
from cltorch.vision.models.detection._utils import retrieve_out_channels
from cltorch.vision.models.detection.anchor_utils import DefaultBoxGenerator
from cltorch.vision.models.detection.backbone_utils import mobilenet_stages
from cltorch.vision.models.detection.ssd import SSD, SSDScoringHead, check_maps, warn_of_size
from cltorch.vision.models.mobilenetv3 import mobilenet_v3_large
from cltorch.vision.models.weights import attributes
from cltorch.vision.ops.misc import Conv2dNormActivation

Norm = Callable[..., nn.Module]
_normal_init = partial(start_narrowly, std=0.03)


def _convolution(before: int, after: int, kernel: int, norm_layer: Norm, **options: Any) -> Conv2dNormActivation:
    return Conv2dNormActivation(before, after, kernel, norm_layer=norm_layer, activation_layer=nn.ReLU6, **options)


def _prediction_block(in_channels: int, out_channels: int, kernel_size: int, norm_layer: Norm) -> nn.Sequential:
    """Return a convolution of each channel by itself, and one that mixes them."""
    return nn.Sequential(
        _convolution(in_channels, in_channels, kernel_size, norm_layer, groups=in_channels),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def _extra_block(in_channels: int, out_channels: int, norm_layer: Norm) -> nn.Sequential:
    """Return layers to half the resolution, through half of the channels."""
    inner = out_channels // 2
    return nn.Sequential(
        _convolution(in_channels, inner, 1, norm_layer),
        _convolution(inner, inner, 3, norm_layer, stride=2, groups=inner),
        _convolution(inner, out_channels, 1, norm_layer),
    )


def _predictors(in_channels: list[int], num_anchors: list[int], columns: int, norm_layer: Norm) -> nn.ModuleList:
    layers = nn.ModuleList(
        _prediction_block(n, columns * anchors, 3, norm_layer)
        for n, anchors in zip(in_channels, num_anchors, strict=True)
    )
    _normal_init(layers)
    return layers


class SSDLiteHead(nn.Module):
    """The answers of ``SSDHead``, of lighter layers."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int, norm_layer: Norm) -> None:
        super().__init__()
        self.classification_head = SSDLiteClassificationHead(in_channels, num_anchors, num_classes, norm_layer)
        self.regression_head = SSDLiteRegressionHead(in_channels, num_anchors, norm_layer)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Return the answers for maps [N, C, H, W]."""
        return {"bbox_regression": self.regression_head(x), "cls_logits": self.classification_head(x)}


class SSDLiteClassificationHead(SSDScoringHead):
    """Scores of classes."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int, norm_layer: Norm) -> None:
        super().__init__(_predictors(in_channels, num_anchors, num_classes, norm_layer), num_classes)


class SSDLiteRegressionHead(SSDScoringHead):
    """Offsets of boxes."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], norm_layer: Norm) -> None:
        super().__init__(_predictors(in_channels, num_anchors, 4, norm_layer), 4)


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """Six maps: within the block ``c4_pos`` of a MobileNet, at its end, and four further ones."""

    def __init__(
        self, backbone: Any, c4_pos: int, norm_layer: Norm, width_mult: float = 1.0, min_depth: int = 16
    ) -> None:
        super().__init__()
        blocks = list(backbone)
        split = blocks[c4_pos]
        if split.use_res_connect:
            raise ValueError("backbone[c4_pos].use_res_connect should be False")
        self.features = nn.Sequential(
            nn.Sequential(*blocks[:c4_pos], split.block[0]), nn.Sequential(split.block[1:], *blocks[c4_pos + 1 :])
        )
        widths = [max(min_depth, int(width * width_mult)) for width in (512, 256, 256, 128)]
        before = [blocks[-1].out_channels, *widths[:-1]]
        self.extra = nn.ModuleList(_extra_block(a, b, norm_layer) for a, b in zip(before, widths, strict=True))
        _normal_init(self.extra)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the maps by name, finest first."""
        maps = []
        for block in (*self.features, *self.extra):
            x = block(x)
            maps.append(x)
        return OrderedDict((str(i), m) for i, m in enumerate(maps))


def _on_mobilenet(norm_layer: Norm | None, start: Start, options: dict[str, Any]) -> SSD:
    norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    own = start.weights_backbone is None
    narrower = {key: options.pop(key) for key in ("width_mult", "dilated") if key in options}
    network = mobilenet_v3_large(weights=start.weights_backbone, norm_layer=norm, reduced_tail=own, **narrower)
    if own:
        _normal_init(network)
    stages = mobilenet_stages(network.features, start.trainable_layers)
    backbone = SSDLiteFeatureExtractorMobileNet(network.features, stages[-2], norm)
    size = (320, 320)
    boxes = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    channels = retrieve_out_channels(backbone, size)
    check_maps(channels, boxes)
    head = SSDLiteHead(channels, boxes.num_anchors_per_location(), start.num_classes, norm)
    usual = {
        "score_thresh": 0.001, "nms_thresh": 0.55, "detections_per_img": 300, "topk_candidates": 300,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "head": head,
    }  # fmt: skip
    return SSD(backbone, boxes, size, start.num_classes, **{**usual, **options})


@network
def ssdlite320_mobilenet_v3_large(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None,
    norm_layer: Callable[..., nn.Module] | None = None, **kwargs: Any,
) -> SSD:  # fmt: skip
    """Return SSDlite on the large MobileNetV3 for images of 320x320; arguments as of ``fasterrcnn_resnet50_fpn``.

    All six stages of the backbone are trained by default. ``norm_layer`` makes the normalisations; ``width_mult``
    and ``dilated`` go to the backbone.
    """
    warn_of_size(kwargs)
    model: SSD = build_detector(
        "ssdlite320_mobilenet_v3_large", "mobilenet_v3_large", partial(_on_mobilenet, norm_layer), weights,
        weights_backbone, num_classes, trainable_backbone_layers, kwargs, layers=(6, 6),
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
