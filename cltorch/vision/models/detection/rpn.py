"""Proposals of where objects may be.

Source: S. Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497
"""

from __future__ import annotations

from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.detection._utils import (
    BalancedPositiveNegativeSampler,
    BoxCoder,
    Matcher,
    _topk_min,
    by_place,
    rename_old,
)
from cltorch.vision.models.detection.anchor_utils import AnchorGenerator
from cltorch.vision.models.detection.image_list import ImageList
from cltorch.vision.ops.boxes import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes
from cltorch.vision.ops.misc import Conv2dNormActivation

__all__ = ["AnchorGenerator", "RPNHead", "RegionProposalNetwork", "concat_box_prediction_layers", "permute_and_flatten"]


class RPNHead(nn.Module):
    """Say of each anchor of each map whether an object is there, and by which offsets.

    It returns two lists, of [N, A, H, W] and of [N, 4 * A, H, W].
    """

    _version = 2

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(Conv2dNormActivation(in_channels, in_channels, 3, norm_layer=None) for _ in range(conv_depth))
        )
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        rename_old(state_dict, prefix, local_metadata, [("conv", "conv.0.0")])
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and offsets for each map."""
        seen = [self.conv(feature) for feature in x]
        return [self.cls_logits(t) for t in seen], [self.bbox_pred(t) for t in seen]


def permute_and_flatten(layer: Tensor, N: int, A: int, C: int, H: int, W: int) -> Tensor:
    """Return [N, H * W * A, C] from [N, A * C, H, W]."""
    return by_place(layer, C)


def concat_box_prediction_layers(box_cls: list[Tensor], box_regression: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the scores [M, C] and offsets [M, 4] of all maps together: image by image, finest map first."""
    scores = []
    for classes, offsets in zip(box_cls, box_regression, strict=True):
        scores.append(by_place(classes, classes.shape[1] // (offsets.shape[1] // 4)))
    together = torch.cat([by_place(offsets, 4) for offsets in box_regression], dim=1)
    return torch.cat(scores, dim=1).flatten(0, -2), together.reshape(-1, 4)


class RegionProposalNetwork(nn.Module):
    """Propose boxes for objects of any class; in training, give the losses of that as well.

    ``pre_nms_top_n`` and ``post_nms_top_n`` say how many boxes of each map enter, and how many of an image leave, the
    suppression of those that overlap by more than ``nms_thresh``: dicts with "training" and "testing". An anchor is an
    object from an overlap of ``fg_iou_thresh`` on, and none below ``bg_iou_thresh``; losses are computed of
    ``batch_size_per_image`` anchors, of which ``positive_fraction`` at most are objects.
    """

    def __init__(
        self, anchor_generator: AnchorGenerator, head: nn.Module, fg_iou_thresh: float, bg_iou_thresh: float,
        batch_size_per_image: int, positive_fraction: float, pre_nms_top_n: dict[str, int],
        post_nms_top_n: dict[str, int], nms_thresh: float, score_thresh: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.box_similarity = box_iou
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self._pre_nms_top_n, self._post_nms_top_n = pre_nms_top_n, post_nms_top_n
        self.nms_thresh, self.score_thresh = nms_thresh, score_thresh
        self.min_size = 1e-3

    def pre_nms_top_n(self) -> int:
        """Return how many boxes of each map enter the suppression."""
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        """Return how many boxes of an image leave it."""
        return self._post_nms_top_n["training" if self.training else "testing"]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each image what its anchors are (1 object, 0 none, -1 neither), and the boxes of their objects."""
        labels, boxes = [], []
        for around, target in zip(anchors, targets, strict=True):
            objects = target["boxes"]
            if objects.numel() == 0:
                boxes.append(torch.zeros_like(around, dtype=torch.float32))
                labels.append(torch.zeros(len(around), dtype=torch.float32, device=around.device))
                continue
            matched = self.proposal_matcher(self.box_similarity(objects, around))
            boxes.append(objects[matched.clamp(min=0)])
            labels.append(torch.where(matched == Matcher.BETWEEN_THRESHOLDS, -1.0, (matched >= 0).float()))
        return labels, boxes

    def _get_top_n_idx(self, objectness: Tensor, num_anchors_per_level: list[int]) -> Tensor:
        """Return the places of the best scores of each map."""
        found, before = [], 0
        for scores in objectness.split(num_anchors_per_level, 1):
            found.append(scores.topk(_topk_min(scores, self.pre_nms_top_n(), 1), dim=1).indices + before)
            before += scores.shape[1]
        return torch.cat(found, dim=1)

    def filter_proposals(
        self, proposals: Tensor, objectness: Tensor, image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        """Return for each image the boxes that remain, best first, and their probabilities."""
        images, device = len(proposals), proposals.device
        objectness = objectness.detach().reshape(images, -1)
        level = torch.cat([torch.full((n,), i, device=device) for i, n in enumerate(num_anchors_per_level)])
        best = self._get_top_n_idx(objectness, num_anchors_per_level)
        image = torch.arange(images, device=device)[:, None]
        probability, levels, boxes = objectness[image, best].sigmoid(), level[best], proposals[image, best]
        final_boxes, final_scores = [], []
        for b, scores, levels_here, size in zip(boxes, probability, levels, image_shapes, strict=True):
            b = clip_boxes_to_image(b, size)
            keep = remove_small_boxes(b, self.min_size)
            keep = keep[scores[keep] >= self.score_thresh]
            b, scores, levels_here = b[keep], scores[keep], levels_here[keep]
            keep = batched_nms(b, scores, levels_here, self.nms_thresh)[: self.post_nms_top_n()]
            final_boxes.append(b[keep])
            final_scores.append(scores[keep])
        return final_boxes, final_scores

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: Any
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of scores and of offsets."""
        positive, negative = (torch.where(torch.cat(masks))[0] for masks in self.fg_bg_sampler(labels))
        drawn = torch.cat((positive, negative))
        wanted = torch.cat(list(regression_targets))
        offsets = F.smooth_l1_loss(pred_bbox_deltas[positive], wanted[positive], beta=1 / 9, reduction="sum")
        scores = F.binary_cross_entropy_with_logits(objectness.flatten()[drawn], torch.cat(labels)[drawn])
        return scores, offsets / drawn.numel()

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the boxes for each image, and in training the losses."""
        maps = list(features.values())
        scores, offsets = self.head(maps)
        anchors = self.anchor_generator(images, maps)
        counts = [s.shape[1] * s.shape[2] * s.shape[3] for s in scores]
        objectness, deltas = concat_box_prediction_layers(scores, offsets)
        # proposals are no way for gradients: only the losses teach the offsets
        proposals = self.box_coder.decode(deltas.detach(), anchors).view(len(anchors), -1, 4)
        boxes, _ = self.filter_proposals(proposals, objectness, images.image_sizes, counts)
        if not self.training:
            return boxes, {}
        if targets is None:
            raise ValueError("targets should not be None")
        labels, objects = self.assign_targets_to_anchors(anchors, targets)
        wanted = self.box_coder.encode(objects, anchors)
        loss_objectness, loss_rpn_box_reg = self.compute_loss(objectness, deltas, labels, wanted)
        return boxes, {"loss_objectness": loss_objectness, "loss_rpn_box_reg": loss_rpn_box_reg}
