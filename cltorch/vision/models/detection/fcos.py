"""FCOS (Z. Tian et al., FCOS: A Simple and Strong Anchor-free Object Detector, 2020).

Source: https://docs.pytorch.org/vision/0.28/models/fcos.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.detection._build import Start, build_detector, resnet_pyramid
from cltorch.vision.models.detection._parts import check_backbone, check_part, given, image_transform
from cltorch.vision.models.detection._single_stage import (
    SingleStage,
    Targets,
    by_places,
    candidates,
    decoded,
    levels_of,
    match,
    scores_from,
    start_narrowly,
)
from cltorch.vision.models.detection._utils import BoxLinearCoder, by_place
from cltorch.vision.models.detection.anchor_utils import AnchorGenerator
from cltorch.vision.models.weights import attributes
from cltorch.vision.ops.feature_pyramid_network import LastLevelP6P7
from cltorch.vision.ops.losses import generalized_box_iou_loss, sigmoid_focal_loss


class FCOSHead(nn.Module):
    """Scores "cls_logits" [N, M, num_classes], distances "bbox_regression" [N, M, 4] and "bbox_ctrness" [N, M, 1]."""

    def __init__(self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int = 4) -> None:
        super().__init__()
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.classification_head = FCOSClassificationHead(in_channels, num_anchors, num_classes, num_convs)
        self.regression_head = FCOSRegressionHead(in_channels, num_anchors, num_convs)

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses of classes, of boxes, and of how near an object's centre is, per object."""
        logits, every_anchor, matched = head_outputs["cls_logits"], torch.stack(anchors), torch.stack(matched_idxs)
        image, place = torch.where(matched >= 0)
        of_image = torch.split(matched[image, place], [int((m >= 0).sum()) for m in matched_idxs])
        labels, boxes = (
            torch.cat([target[key][index] for target, index in zip(targets, of_image, strict=True)])
            for key in ("labels", "boxes")
        )
        wanted = torch.zeros_like(logits)
        wanted[image, place, labels] = 1.0
        around = every_anchor[image, place]
        predicted = self.box_coder.decode(head_outputs["bbox_regression"][image, place], around)
        left, top, right, bottom = self.box_coder.encode(around, boxes).unbind(-1)
        nearness = torch.sqrt(_ratio(left, right) * _ratio(top, bottom))
        losses = {
            "classification": sigmoid_focal_loss(logits, wanted, reduction="sum"),
            "bbox_regression": generalized_box_iou_loss(predicted, boxes, reduction="sum"),
            "bbox_ctrness": F.binary_cross_entropy_with_logits(
                head_outputs["bbox_ctrness"][image, place, 0], nearness, reduction="sum"
            ),
        }
        return {key: loss / max(1, len(place)) for key, loss in losses.items()}

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Return the answers for maps [N, C, H, W]."""
        offsets, nearness = self.regression_head(x)
        return {"cls_logits": self.classification_head(x), "bbox_regression": offsets, "bbox_ctrness": nearness}


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return the lesser by the greater."""
    return torch.minimum(a, b) / torch.maximum(a, b)


class _Branch(nn.Module):
    """Convolutions before the last, normalised in groups."""

    def __init__(self, in_channels: int, num_convs: int, norm_layer: Callable[..., nn.Module] | None) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.GroupNorm, 32)
        layers: list[nn.Module] = []
        for _ in range(num_convs):
            layers += [nn.Conv2d(in_channels, in_channels, 3, padding=1), norm(in_channels), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        start_narrowly(self.conv)


class FCOSClassificationHead(_Branch):
    """Scores of classes, which start at ``prior_probability``."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int = 4,
        prior_probability: float = 0.01, norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, num_convs, norm_layer)
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.cls_logits = scores_from(in_channels, num_anchors * num_classes, prior_probability)

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return [N, M, num_classes]."""
        return by_places(lambda m: self.cls_logits(self.conv(m)), x, self.num_classes)


class FCOSRegressionHead(_Branch):
    """Distances of a box's sides, and how near its centre a place is."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_convs: int = 4,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, num_convs, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, 3, padding=1)
        self.bbox_ctrness = nn.Conv2d(in_channels, num_anchors, 3, padding=1)
        for layer in (self.bbox_reg, self.bbox_ctrness):
            start_narrowly(layer)

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return [N, M, 4] and [N, M, 1]."""
        seen = [self.conv(m) for m in x]
        offsets = [by_place(F.relu(self.bbox_reg(m)), 4) for m in seen]
        return torch.cat(offsets, dim=1), torch.cat([by_place(self.bbox_ctrness(m), 1) for m in seen], dim=1)


class FCOS(SingleStage):
    """Find the objects of ``num_classes`` classes in images from 0 to 1, from places instead of anchors.

    The anchors, one for each place, say with their size for which objects a map is. Arguments and results as of
    ``RetinaNet``, with a third loss; places within ``center_sampling_radius`` anchors of an object's centre belong
    to it. Raises ValueError for a generator of several anchors.
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int, min_size: Any = 800, max_size: int = 1333, image_mean: Any = None,
        image_std: Any = None, anchor_generator: AnchorGenerator | None = None, head: nn.Module | None = None,
        center_sampling_radius: float = 1.5, score_thresh: float = 0.2, nms_thresh: float = 0.6,
        detections_per_img: int = 100, topk_candidates: int = 1000, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_backbone(backbone)
        self.backbone = backbone
        check_part("anchor_generator", anchor_generator, AnchorGenerator)
        anchors = anchor_generator or AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
        self.anchor_generator = anchors
        each = anchors.num_anchors_per_location()[0]
        if each != 1:
            raise ValueError(f"anchor_generator.num_anchors_per_location()[0] should be 1 instead of {each}")
        self.head = given(head, lambda: FCOSHead(self.backbone.out_channels, each, num_classes))
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.transform = image_transform(min_size, max_size, image_mean, image_std, **kwargs)
        self.center_sampling_radius, self.score_thresh, self.nms_thresh = (
            center_sampling_radius, score_thresh, nms_thresh,
        )  # fmt: skip
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:  # fmt: skip
        """Return the losses."""
        matched = match(partial(self._least_objects, counts=num_anchors_per_level), targets, anchors)
        found: dict[str, Tensor] = self.head.compute_loss(targets, head_outputs, anchors, matched)
        return found

    def _least_objects(self, anchors: Tensor, boxes: Tensor, counts: list[int]) -> Tensor:
        """Return which object each place belongs to, the least of several; -1 for none."""
        places, size = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2] - anchors[:, 0]
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        near = (places[:, None] - centres).abs().amax(2) < self.center_sampling_radius * size[:, None]
        # a place within an object, at distances that are this map's part
        away = torch.cat((places[:, None] - boxes[:, :2], boxes[:, 2:] - places[:, None]), dim=2)
        low, high = size * 4, size * 8
        low[: counts[0]] = 0
        high[len(high) - counts[-1] :] = float("inf")
        farthest = away.amax(2)
        suits = near & (away.amin(2) > 0) & (farthest > low[:, None]) & (farthest < high[:, None])
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        best, found = (suits.float() * (1e8 - area)).max(dim=1)
        return torch.where(best < 1e-5, -1, found)

    def postprocess_detections(
        self, head_outputs: dict[str, list[Tensor]], anchors: list[list[Tensor]], image_shapes: Any
    ) -> list[dict[str, Tensor]]:
        """Return what was found in each image, from the outputs for each map."""
        found = []
        for i, size in enumerate(image_shapes):
            parts = []
            for offsets, logits, nearness, around in zip(
                head_outputs["bbox_regression"], head_outputs["cls_logits"], head_outputs["bbox_ctrness"], anchors[i],
                strict=True,
            ):  # fmt: skip
                scores = torch.sqrt(logits[i].sigmoid() * nearness[i].sigmoid())
                decode = partial(decoded, self.box_coder.decode, offsets[i], around)
                parts.append(candidates(scores, self.score_thresh, self.topk_candidates, decode, size))
            boxes, scored, labels = (list(values) for values in zip(*parts, strict=True))
            found.append(self._best(boxes, scored, labels))
        return found

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: list[int]) -> dict[str, Tensor]:
        return self.compute_loss(targets, outputs, anchors, counts)

    def _answers(self, outputs: Any, anchors: Any, counts: list[int], sizes: Any) -> list[dict[str, Tensor]]:
        return self.postprocess_detections(*levels_of(outputs, anchors, counts), sizes)


def _on_resnet(start: Start, options: dict[str, Any]) -> FCOS:
    backbone = resnet_pyramid(start, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
    return FCOS(backbone, start.num_classes, **options)


@network
def fcos_resnet50_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> FCOS:  # fmt: skip
    """Return FCOS on ResNet-50; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: FCOS = build_detector(
        "fcos_resnet50_fpn", "resnet50", _on_resnet, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs,
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
