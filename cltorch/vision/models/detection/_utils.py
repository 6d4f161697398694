"""What detectors share: which anchor belongs to which object, and which of them a loss is computed of.

Source: S. Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.detection._coders import BoxCoder, BoxLinearCoder, encode_boxes
from cltorch.vision.ops.losses import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss
from cltorch.vision.ops.misc import FrozenBatchNorm2d

__all__ = [
    "BalancedPositiveNegativeSampler", "BoxCoder", "BoxLinearCoder", "Matcher", "SSDMatcher", "encode_boxes",
    "overwrite_eps", "retrieve_out_channels",
]  # fmt: skip


class BalancedPositiveNegativeSampler:
    """Draw from each image at most ``batch_size_per_image`` elements, of which a fraction at most is positive.

    Called with labels [N] for each image (-1 is left out, 0 is negative, more is positive) it returns two lists of
    masks [N] of uint8: the positive and the negative elements that were drawn.
    """

    def __init__(self, batch_size_per_image: int, positive_fraction: float) -> None:
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction

    def __call__(self, matched_idxs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        positives, negatives = [], []
        for labels in matched_idxs:
            positive, negative = torch.where(labels >= 1)[0], torch.where(labels == 0)[0]
            wanted = min(len(positive), int(self.batch_size_per_image * self.positive_fraction))
            positives.append(_drawn(positive, wanted, labels))
            negatives.append(_drawn(negative, min(len(negative), self.batch_size_per_image - wanted), labels))
        return positives, negatives


def _drawn(places: Tensor, count: int, like: Tensor) -> Tensor:
    """Return a mask of ``count`` of the places, by chance."""
    mask = torch.zeros_like(like, dtype=torch.uint8)
    mask[places[torch.randperm(len(places), device=places.device)[:count]]] = 1
    return mask


class Matcher:
    """Say for each predicted box which object it belongs to, from the quality of every pair [objects, boxes].

    Where the best quality is below ``low_threshold`` the answer is -1, between the thresholds -2. With
    ``allow_low_quality_matches`` every object keeps the boxes that suit it best, whatever their quality. Raises
    ValueError where there is no object or no box.

    >>> import cltorch as torch
    >>> quality = torch.tensor([[0.9, 0.5, 0.1], [0.0, 0.6, 0.2]])
    >>> Matcher(0.7, 0.3)(quality), Matcher(0.7, 0.3, allow_low_quality_matches=True)(quality)
    (tensor([ 0, -2, -1]), tensor([ 0,  1, -1]))
    """

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __init__(self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False) -> None:
        if low_threshold > high_threshold:
            raise AssertionError("low_threshold should be <= high_threshold")
        self.high_threshold, self.low_threshold = high_threshold, low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        if match_quality_matrix.numel() == 0:
            missing = "ground-truth" if match_quality_matrix.shape[0] == 0 else "proposal"
            raise ValueError(f"No {missing} boxes available for one of the images during training")
        best, found = match_quality_matrix.max(dim=0)
        low, between = best < self.low_threshold, (best >= self.low_threshold) & (best < self.high_threshold)
        matches = torch.where(low, self.BELOW_LOW_THRESHOLD, torch.where(between, self.BETWEEN_THRESHOLDS, found))
        if self.allow_low_quality_matches:
            self.set_low_quality_matches_(matches, found, match_quality_matrix)
        return matches

    def set_low_quality_matches_(self, matches: Tensor, all_matches: Tensor, match_quality_matrix: Tensor) -> None:
        """Set in ``matches`` the boxes that are the best of some object to what ``all_matches`` has there."""
        suits = (match_quality_matrix == match_quality_matrix.max(dim=1, keepdim=True).values).any(0)
        matches.copy_(torch.where(suits, all_matches, matches))


class SSDMatcher(Matcher):
    """A matcher with one threshold that gives each object the box that suits it best (W. Liu et al., SSD, 2016)."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold, threshold, allow_low_quality_matches=False)

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        matches = super().__call__(match_quality_matrix)
        best = match_quality_matrix.max(dim=1).indices
        matches[best] = torch.arange(len(best), dtype=torch.int64, device=best.device)
        return matches


def overwrite_eps(model: nn.Module, eps: float) -> None:
    """Set ``eps`` of all frozen normalisations, which the first published weights were trained with as 0."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def retrieve_out_channels(model: nn.Module, size: tuple[int, int]) -> list[int]:
    """Return how many channels each map has that a model makes of images of a (width, height)."""
    training = model.training
    model.eval()
    with torch.no_grad():
        maps = model(torch.zeros((1, 3, size[1], size[0]), device=next(model.parameters()).device))
    model.train(training)
    return [m.shape[1] for m in ([maps] if isinstance(maps, Tensor) else maps.values())]


def rename_old(state_dict: dict[str, Any], prefix: str, metadata: Any, names: Iterable[tuple[str, str]]) -> None:
    """Give the weights and biases of a state_dict before version 2 the names that they have now."""
    if metadata.get("version") is None or metadata["version"] < 2:
        for old, new in names:
            for kind in ("weight", "bias"):
                if f"{prefix}{old}.{kind}" in state_dict:
                    state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(f"{prefix}{old}.{kind}")


def by_place(maps: Tensor, channels: int) -> Tensor:
    """Return [N, H * W * A, channels] from [N, A * channels, H, W]: places first, then the anchors of each."""
    n, _, height, width = maps.shape
    return maps.view(n, -1, channels, height, width).permute(0, 3, 4, 1, 2).reshape(n, -1, channels)


def _topk_min(input: Tensor, orig_kval: int, axis: int) -> int:
    return min(orig_kval, input.shape[axis])


def _box_loss(
    type: str, box_coder: BoxCoder, anchors_per_image: Tensor, matched_gt_boxes_per_image: Tensor,
    bbox_regression_per_image: Tensor, cnf: dict[str, float] | None = None,
) -> Tensor:  # fmt: skip
    """Return the sum of the losses of predicted offsets from anchors [N, 4] to objects [N, 4]."""
    cnf = cnf or {}
    if type in ("l1", "smooth_l1"):
        wanted = box_coder.encode_single(matched_gt_boxes_per_image, anchors_per_image)
        if type == "l1":
            return F.l1_loss(bbox_regression_per_image, wanted, reduction="sum")
        return F.smooth_l1_loss(bbox_regression_per_image, wanted, reduction="sum", beta=cnf.get("beta", 1.0))
    losses = {"ciou": complete_box_iou_loss, "diou": distance_box_iou_loss, "giou": generalized_box_iou_loss}
    if type not in losses:
        raise AssertionError(f"Unsupported loss: {type}")
    boxes = box_coder.decode_single(bbox_regression_per_image, anchors_per_image)
    return losses[type](boxes, matched_gt_boxes_per_image, reduction="sum", eps=cnf.get("eps", 1e-7))
