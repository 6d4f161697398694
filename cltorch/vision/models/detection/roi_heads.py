"""What is in each proposed region: its class, a better box, a mask and key points.

Source: R. Girshick, Fast R-CNN, https://arxiv.org/abs/1504.08083; K. He et al., Mask R-CNN,
https://arxiv.org/abs/1703.06870
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.detection._keypoints import (
    heatmaps_to_keypoints,
    keypointrcnn_inference,
    keypointrcnn_loss,
    keypoints_to_heatmap,
)
from cltorch.vision.models.detection._masks import (
    expand_boxes,
    expand_masks,
    maskrcnn_inference,
    maskrcnn_loss,
    paste_mask_in_image,
    paste_masks_in_image,
    project_masks_on_boxes,
)
from cltorch.vision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from cltorch.vision.ops.boxes import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes

__all__ = [
    "RoIHeads", "expand_boxes", "expand_masks", "fastrcnn_loss", "heatmaps_to_keypoints", "keypointrcnn_inference",
    "keypointrcnn_loss", "keypoints_to_heatmap", "maskrcnn_inference", "maskrcnn_loss", "paste_mask_in_image",
    "paste_masks_in_image", "project_masks_on_boxes",
]  # fmt: skip

Target = dict[str, Tensor]


def fastrcnn_loss(
    class_logits: Tensor, box_regression: Tensor, labels: list[Tensor], regression_targets: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the losses of the classes [N, classes] and of the offsets [N, 4 * classes] of regions.

    Of the offsets those of a region's own class count, and only where there is an object.
    """
    label, wanted = torch.cat(labels), torch.cat(list(regression_targets))
    objects = torch.where(label > 0)[0]
    offsets = box_regression.reshape(len(class_logits), box_regression.shape[-1] // 4, 4)[objects, label[objects]]
    loss = F.smooth_l1_loss(offsets, wanted[objects], beta=1 / 9, reduction="sum")
    return F.cross_entropy(class_logits, label), loss / label.numel()


class RoIHeads(nn.Module):
    """Pool the regions from the maps, say what they hold, and refine their boxes.

    Each of the three kinds of answers (box, mask, keypoint) has a pooler, a head and a predictor; those of masks and
    key points may be missing. In training ``batch_size_per_image`` regions are drawn, of which ``positive_fraction``
    at most overlap an object by ``fg_iou_thresh``. Else at most ``detections_per_img`` answers remain that are better
    than ``score_thresh`` and of which none of a class overlap by more than ``nms_thresh``.
    """

    def __init__(
        self, box_roi_pool: Any, box_head: Any, box_predictor: Any, fg_iou_thresh: float, bg_iou_thresh: float,
        batch_size_per_image: int, positive_fraction: float, bbox_reg_weights: Any, score_thresh: float,
        nms_thresh: float, detections_per_img: int, mask_roi_pool: Any = None, mask_head: Any = None,
        mask_predictor: Any = None, keypoint_roi_pool: Any = None, keypoint_head: Any = None,
        keypoint_predictor: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.box_similarity = box_iou
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=False)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0) if bbox_reg_weights is None else bbox_reg_weights)
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.score_thresh, self.nms_thresh, self.detections_per_img = score_thresh, nms_thresh, detections_per_img
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.keypoint_roi_pool, self.keypoint_head = keypoint_roi_pool, keypoint_head
        self.keypoint_predictor = keypoint_predictor

    def has_mask(self) -> bool:
        """Return whether there are masks among the answers."""
        return None not in (self.mask_roi_pool, self.mask_head, self.mask_predictor)

    def has_keypoint(self) -> bool:
        """Return whether there are key points among the answers."""
        return None not in (self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor)

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each image which object each region belongs to, and its class (0 none, -1 not to be used)."""
        matched, labels = [], []
        for regions, boxes, classes in zip(proposals, gt_boxes, gt_labels, strict=True):
            if boxes.numel() == 0:
                none = torch.zeros(len(regions), dtype=torch.int64, device=regions.device)
                matched.append(none)
                labels.append(none.clone())
                continue
            found = self.proposal_matcher(self.box_similarity(boxes, regions))
            index = found.clamp(min=0)
            label = torch.where(found == Matcher.BELOW_LOW_THRESHOLD, 0, classes[index].to(torch.int64))
            matched.append(index)
            labels.append(torch.where(found == Matcher.BETWEEN_THRESHOLDS, -1, label))
        return matched, labels

    def subsample(self, labels: list[Tensor]) -> list[Tensor]:
        """Return for each image the places of the regions that were drawn."""
        return [torch.where(p | n)[0] for p, n in zip(*self.fg_bg_sampler(labels), strict=True)]

    def add_gt_proposals(self, proposals: list[Tensor], gt_boxes: list[Tensor]) -> list[Tensor]:
        """Return the regions of each image with the boxes of its objects behind them."""
        return [torch.cat(both) for both in zip(proposals, gt_boxes, strict=True)]

    def check_targets(self, targets: Sequence[Target] | None) -> None:
        """Raise ValueError where a target lacks something."""
        if targets is None:
            raise ValueError("targets should not be None")
        for key in ("boxes", "labels", "masks")[: 3 if self.has_mask() else 2]:
            if not all(key in target for target in targets):
                raise ValueError(f"Every element of targets should have a {key} key")

    def select_training_samples(
        self, proposals: list[Tensor], targets: Any
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], Sequence[Tensor]]:
        """Return for each image the regions drawn, their objects, their classes, and the offsets to the objects."""
        self.check_targets(targets)
        gt_boxes = [target["boxes"].to(proposals[0].dtype) for target in targets]
        proposals = self.add_gt_proposals(proposals, gt_boxes)
        matched, labels = self.assign_targets_to_proposals(proposals, gt_boxes, [t["labels"] for t in targets])
        drawn = self.subsample(labels)
        proposals, matched, labels = (
            [values[places] for values, places in zip(listed, drawn, strict=True)]
            for listed in (proposals, matched, labels)
        )
        objects = [
            (boxes if boxes.numel() else boxes.new_zeros((1, 4)))[index]
            for boxes, index in zip(gt_boxes, matched, strict=True)
        ]
        return proposals, matched, labels, self.box_coder.encode(objects, proposals)

    def postprocess_detections(
        self, class_logits: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: Any
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return for each image boxes, scores and classes, best first."""
        counts, classes = [len(regions) for regions in proposals], class_logits.shape[-1]
        every_box = self.box_coder.decode(box_regression, proposals)
        every_box = every_box.reshape(len(class_logits), box_regression.shape[-1] // 4, 4)
        every_score = F.softmax(class_logits, -1)
        all_boxes, all_scores, all_labels = [], [], []
        for boxes, scores, size in zip(every_box.split(counts), every_score.split(counts), image_shapes, strict=True):
            # class 0 is the background
            boxes = clip_boxes_to_image(boxes[:, 1:], size).reshape(-1, 4)
            labels = torch.arange(1, classes, device=scores.device).expand(len(scores), -1).reshape(-1)
            scores = scores[:, 1:].reshape(-1)
            keep = torch.where(scores > self.score_thresh)[0]
            keep = keep[remove_small_boxes(boxes[keep], min_size=1e-2)]
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections_per_img]
            all_boxes.append(boxes[keep])
            all_scores.append(scores[keep])
            all_labels.append(labels[keep])
        return all_boxes, all_scores, all_labels

    def _check_dtypes(self, targets: Sequence[Target]) -> None:
        for target in targets:
            boxes, labels = target["boxes"], target["labels"]
            if boxes.dtype not in (torch.float32, torch.float64, torch.float16):
                raise TypeError(f"target boxes must of float type, instead got {boxes.dtype}")
            if labels.dtype != torch.int64:
                raise TypeError(f"target labels must of int64 type, instead got {labels.dtype}")
            if self.has_keypoint() and target["keypoints"].dtype != torch.float32:
                raise TypeError(f"target keypoints must of float type, instead got {target['keypoints'].dtype}")

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:  # fmt: skip
        """Return what was found in each image, which is nothing in training, and the losses, which are none else."""
        if targets is not None:
            self._check_dtypes(targets)
        matched: list[Tensor] = []
        labels: list[Tensor] = []
        wanted: Sequence[Tensor] = []
        if self.training:
            proposals, matched, labels, wanted = self.select_training_samples(proposals, targets)
        pooled = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        class_logits, box_regression = self.box_predictor(pooled)
        result: list[dict[str, Tensor]] = []
        losses: dict[str, Tensor] = {}
        if self.training:
            losses["loss_classifier"], losses["loss_box_reg"] = fastrcnn_loss(
                class_logits, box_regression, labels, wanted
            )
            objects = [torch.where(label > 0)[0] for label in labels]
            regions = [boxes[at] for boxes, at in zip(proposals, objects, strict=True)]
            matched = [index[at] for index, at in zip(matched, objects, strict=True)]
        else:
            found = self.postprocess_detections(class_logits, box_regression, proposals, image_shapes)
            result = [{"boxes": b, "labels": label, "scores": s} for b, s, label in zip(*found, strict=True)]
            regions = found[0]
        if self.has_mask():
            maps = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, regions, image_shapes)))
            self._masks(maps, regions, matched, targets, result, losses)
        if self.has_keypoint():
            pooled = self.keypoint_head(self.keypoint_roi_pool(features, regions, image_shapes))
            self._keypoints(self.keypoint_predictor(pooled), regions, matched, targets, result, losses)
        return result, losses

    def _masks(
        self, maps: Tensor, regions: list[Tensor], matched: list[Tensor], targets: Any,
        result: list[dict[str, Tensor]], losses: dict[str, Tensor],
    ) -> None:  # fmt: skip
        """Put the masks into the result, or their loss to the losses."""
        if self.training:
            every_mask, labels = ([target[key] for target in targets] for key in ("masks", "labels"))
            losses["loss_mask"] = maskrcnn_loss(maps, regions, every_mask, labels, matched)
            return
        for found, masks in zip(result, maskrcnn_inference(maps, [r["labels"] for r in result]), strict=True):
            found["masks"] = masks

    def _keypoints(
        self, maps: Tensor, regions: list[Tensor], matched: list[Tensor], targets: Any,
        result: list[dict[str, Tensor]], losses: dict[str, Tensor],
    ) -> None:  # fmt: skip
        """Put the key points into the result, or their loss to the losses."""
        if self.training:
            losses["loss_keypoint"] = keypointrcnn_loss(maps, regions, [t["keypoints"] for t in targets], matched)
            return
        for found, points, scores in zip(result, *keypointrcnn_inference(maps, regions), strict=True):
            found["keypoints"], found["keypoints_scores"] = points, scores
