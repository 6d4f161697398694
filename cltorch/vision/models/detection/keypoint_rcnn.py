"""Keypoint R-CNN (K. He et al., Mask R-CNN, 2017, section 5).

Source: https://docs.pytorch.org/vision/0.28/models/keypoint_rcnn.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.detection._build import Start, build_detector, resnet_pyramid
from cltorch.vision.models.detection._parts import check_part, given
from cltorch.vision.models.detection.faster_rcnn import FasterRCNN, start_convolutions
from cltorch.vision.models.weights import attributes
from cltorch.vision.ops.poolers import MultiScaleRoIAlign


class KeypointRCNN(FasterRCNN):
    """Find objects and ``num_keypoints`` points of each, 17 by default.

    Arguments before those with ``keypoint_`` are those of ``FasterRCNN``. In training targets have ``keypoints``
    [N, K, 3] of (x, y, visibility) as well, and there is a fifth loss; else the results have ``keypoints`` and
    ``keypoints_scores`` [N, K].
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int | None = None, min_size: Any = None, *args: Any,
        keypoint_roi_pool: MultiScaleRoIAlign | None = None, keypoint_head: nn.Module | None = None,
        keypoint_predictor: nn.Module | None = None, num_keypoints: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        check_part("keypoint_roi_pool", keypoint_roi_pool, MultiScaleRoIAlign)
        if num_keypoints is not None and keypoint_predictor is not None:
            raise ValueError("num_keypoints should be None when keypoint_predictor is specified")
        channels: Any = backbone.out_channels
        pool = keypoint_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=14, sampling_ratio=2)
        head = given(keypoint_head, lambda: KeypointRCNNHeads(channels, (512,) * 8))
        points = 17 if num_keypoints is None else num_keypoints
        predictor = given(keypoint_predictor, lambda: KeypointRCNNPredictor(512, points))
        if min_size is None:
            min_size = (640, 672, 704, 736, 768, 800)
        super().__init__(backbone, num_classes, min_size, *args, **kwargs)
        heads = self.roi_heads
        heads.keypoint_roi_pool, heads.keypoint_head, heads.keypoint_predictor = pool, head, predictor


class KeypointRCNNHeads(nn.Sequential):
    """Convolutions over what was pooled from a region."""

    def __init__(self, in_channels: int, layers: Sequence[int]) -> None:
        blocks: list[nn.Module] = []
        for width in layers:
            blocks += [nn.Conv2d(in_channels, width, 3, stride=1, padding=1), nn.ReLU(inplace=True)]
            in_channels = width
        super().__init__(*blocks)
        start_convolutions(self)


class KeypointRCNNPredictor(nn.Module):
    """Maps of where each point may be, of four times the resolution."""

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(in_channels, num_keypoints, 4, stride=2, padding=1)
        nn.init.kaiming_normal_(self.kps_score_lowres.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.kps_score_lowres.bias)
        self.up_scale = 2
        self.out_channels = num_keypoints

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores [N, num_keypoints, 4 * H, 4 * W]."""
        return F.interpolate(
            self.kps_score_lowres(x), scale_factor=float(self.up_scale), mode="bilinear", align_corners=False,
            recompute_scale_factor=False,
        )  # fmt: skip


def _on_resnet(start: Start, options: dict[str, Any]) -> KeypointRCNN:
    return KeypointRCNN(resnet_pyramid(start), start.num_classes, **options)


@network
def keypointrcnn_resnet50_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, num_keypoints: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> KeypointRCNN:  # fmt: skip
    """Return Keypoint R-CNN on ResNet-50, for persons and 17 points; arguments as of ``fasterrcnn_resnet50_fpn``."""
    points = kwargs if num_keypoints is None else {"num_keypoints": num_keypoints, **kwargs}
    model: KeypointRCNN = build_detector(
        "keypointrcnn_resnet50_fpn", "resnet50", _on_resnet, weights, weights_backbone, num_classes,
        trainable_backbone_layers, points, classes=2, eps_zero=True,
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
