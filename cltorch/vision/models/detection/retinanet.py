"""RetinaNet (T. Lin et al., Focal Loss for Dense Object Detection, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/retinanet.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cltorch as torch
from cltorch import nn
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
from cltorch.vision.models.detection._utils import BoxCoder, Matcher, _box_loss, rename_old
from cltorch.vision.models.detection.anchor_utils import AnchorGenerator
from cltorch.vision.models.detection.backbone_utils import _resnet_fpn_extractor
from cltorch.vision.models.resnet import resnet50
from cltorch.vision.models.weights import attributes
from cltorch.vision.ops.feature_pyramid_network import LastLevelP6P7
from cltorch.vision.ops.losses import sigmoid_focal_loss
from cltorch.vision.ops.misc import Conv2dNormActivation


def _default_anchorgen() -> AnchorGenerator:
    sizes = tuple((x, int(x * 2 ** (1.0 / 3)), int(x * 2 ** (2.0 / 3))) for x in (32, 64, 128, 256, 512))
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class RetinaNetHead(nn.Module):
    """Scores "cls_logits" [N, M, num_classes] and offsets "bbox_regression" [N, M, 4] of the M anchors of all maps."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer=norm_layer
        )
        self.regression_head = RetinaNetRegressionHead(in_channels, num_anchors, norm_layer=norm_layer)

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses of classes and of boxes."""
        return {
            "classification": self.classification_head.compute_loss(targets, head_outputs, matched_idxs),
            "bbox_regression": self.regression_head.compute_loss(targets, head_outputs, anchors, matched_idxs),
        }

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Return the answers for maps [N, C, H, W]."""
        return {"cls_logits": self.classification_head(x), "bbox_regression": self.regression_head(x)}


class _Branch(nn.Module):
    """Four convolutions before the last."""

    _version = 2

    def __init__(self, in_channels: int, norm_layer: Callable[..., nn.Module] | None) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer) for _ in range(4))
        )
        start_narrowly(self.conv)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        rename_old(state_dict, prefix, local_metadata, [(f"conv.{2 * i}", f"conv.{i}.0") for i in range(4)])
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class RetinaNetClassificationHead(_Branch):
    """Scores of classes, which start at ``prior_probability``."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, prior_probability: float = 0.01,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, norm_layer)
        self.cls_logits = scores_from(in_channels, num_anchors * num_classes, prior_probability)
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.BETWEEN_THRESHOLDS = Matcher.BETWEEN_THRESHOLDS

    def compute_loss(self, targets: Targets, head_outputs: dict[str, Tensor], matched_idxs: list[Tensor]) -> Tensor:
        """Return the focal loss per object, of all anchors but those between the thresholds."""
        losses = []
        for target, logits, matched in zip(targets, head_outputs["cls_logits"], matched_idxs, strict=True):
            objects = torch.where(matched >= 0)[0]
            wanted = torch.zeros_like(logits)
            wanted[objects, target["labels"][matched[objects]]] = 1.0
            valid = torch.where(matched != self.BETWEEN_THRESHOLDS)[0]
            loss = sigmoid_focal_loss(logits[valid], wanted[valid], reduction="sum")
            losses.append(loss / max(1, len(objects)))
        return torch.stack(losses).sum() / len(targets)

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return [N, M, num_classes]."""
        return by_places(lambda m: self.cls_logits(self.conv(m)), x, self.num_classes)


class RetinaNetRegressionHead(_Branch):
    """Offsets of boxes."""

    def __init__(self, in_channels: int, num_anchors: int, norm_layer: Callable[..., nn.Module] | None = None) -> None:
        super().__init__(in_channels, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, 3, padding=1)
        start_narrowly(self.bbox_reg)
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self._loss_type = "l1"

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> Tensor:
        """Return the loss per object, of the anchors that have one."""
        losses = []
        for target, offsets, around, matched in zip(
            targets, head_outputs["bbox_regression"], anchors, matched_idxs, strict=True
        ):
            objects = torch.where(matched >= 0)[0]
            boxes = target["boxes"][matched[objects]]
            loss = _box_loss(self._loss_type, self.box_coder, around[objects], boxes, offsets[objects])
            losses.append(loss / max(1, len(objects)))
        return torch.stack(losses).sum() / max(1, len(targets))

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return [N, M, 4]."""
        return by_places(lambda m: self.bbox_reg(self.conv(m)), x, 4)


class RetinaNet(SingleStage):
    """Find the objects of ``num_classes`` classes in images from 0 to 1.

    ``backbone`` says in ``out_channels`` how many channels its maps have. In training each target has ``boxes`` [N, 4]
    and ``labels`` [N], and there are two losses; else the result has for each image ``boxes``, ``scores`` and
    ``labels``, best first: of each map the ``topk_candidates`` best above ``score_thresh``, and of these at most
    ``detections_per_img`` that do not overlap by more than ``nms_thresh``. An anchor is an object from an overlap of
    ``fg_iou_thresh`` on, and none below ``bg_iou_thresh``.
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int, min_size: Any = 800, max_size: int = 1333, image_mean: Any = None,
        image_std: Any = None, anchor_generator: AnchorGenerator | None = None, head: nn.Module | None = None,
        proposal_matcher: Matcher | None = None, score_thresh: float = 0.05, nms_thresh: float = 0.5,
        detections_per_img: int = 300, fg_iou_thresh: float = 0.5, bg_iou_thresh: float = 0.4,
        topk_candidates: int = 1000, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_backbone(backbone)
        self.backbone = backbone
        check_part("anchor_generator", anchor_generator, AnchorGenerator)
        anchors = anchor_generator or _default_anchorgen()
        self.anchor_generator = anchors
        self.head = given(
            head, lambda: RetinaNetHead(self.backbone.out_channels, anchors.num_anchors_per_location()[0], num_classes)
        )
        self.proposal_matcher = proposal_matcher or Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.transform = image_transform(min_size, max_size, image_mean, image_std, **kwargs)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses."""
        matched = match(self._objects, targets, anchors)
        found: dict[str, Tensor] = self.head.compute_loss(targets, head_outputs, anchors, matched)
        return found

    def postprocess_detections(
        self, head_outputs: dict[str, list[Tensor]], anchors: list[list[Tensor]], image_shapes: Any
    ) -> list[dict[str, Tensor]]:
        """Return what was found in each image, from the outputs for each map."""
        found = []
        for i, size in enumerate(image_shapes):
            parts = []
            for offsets, logits, around in zip(
                head_outputs["bbox_regression"], head_outputs["cls_logits"], anchors[i], strict=True
            ):
                decode = partial(decoded, self.box_coder.decode_single, offsets[i], around)
                parts.append(candidates(logits[i].sigmoid(), self.score_thresh, self.topk_candidates, decode, size))
            boxes, scores, labels = (list(values) for values in zip(*parts, strict=True))
            found.append(self._best(boxes, scores, labels))
        return found

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: Any) -> dict[str, Tensor]:
        return self.compute_loss(targets, outputs, anchors)

    def _answers(self, outputs: Any, anchors: Any, counts: list[int], sizes: Any) -> list[dict[str, Tensor]]:
        each = outputs["cls_logits"].shape[1] // sum(counts)
        return self.postprocess_detections(*levels_of(outputs, anchors, [n * each for n in counts]), sizes)


def _on_resnet(start: Start, options: dict[str, Any]) -> RetinaNet:
    # the finest map would have too many anchors, and is left out
    backbone = resnet_pyramid(start, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
    return RetinaNet(backbone, start.num_classes, **options)


def _second(start: Start, options: dict[str, Any]) -> RetinaNet:
    """Return the second version, with group normalisation and a loss of overlaps (S. Zhang et al., 2019)."""
    network = resnet50(weights=start.weights_backbone)
    backbone = _resnet_fpn_extractor(
        network, start.trainable_layers, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(2048, 256)
    )
    anchors = _default_anchorgen()
    head = RetinaNetHead(
        backbone.out_channels, anchors.num_anchors_per_location()[0], start.num_classes,
        norm_layer=partial(nn.GroupNorm, 32),
    )  # fmt: skip
    head.regression_head._loss_type = "giou"
    return RetinaNet(backbone, start.num_classes, **{"anchor_generator": anchors, "head": head, **options})


@network
def retinanet_resnet50_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> RetinaNet:  # fmt: skip
    """Return RetinaNet on ResNet-50; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: RetinaNet = build_detector(
        "retinanet_resnet50_fpn", "resnet50", _on_resnet, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs, eps_zero=True,
    )  # fmt: skip
    return model


@network
def retinanet_resnet50_fpn_v2(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, weights_backbone: Any = None,
    trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> RetinaNet:  # fmt: skip
    """Return the second version of RetinaNet on ResNet-50; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: RetinaNet = build_detector(
        "retinanet_resnet50_fpn_v2", "resnet50", _second, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs,
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
