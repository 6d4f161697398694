"""Masks of single objects: their loss, and their place in the image.

Source: K. He et al., Mask R-CNN, https://arxiv.org/abs/1703.06870
"""

from __future__ import annotations

from collections.abc import Sequence

import cltorch as torch
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.ops.roi import roi_align


def maskrcnn_inference(x: Tensor, labels: list[Tensor]) -> Sequence[Tensor]:
    """Return for each image the probabilities [L, 1, M, M] of its objects' classes, from scores [N, classes, M, M]."""
    counts = [len(found) for found in labels]
    every = torch.arange(len(x), device=x.device)
    return torch.split(x.sigmoid()[every, torch.cat(labels)][:, None], counts)


def project_masks_on_boxes(gt_masks: Tensor, boxes: Tensor, matched_idxs: Tensor, M: int) -> Tensor:
    """Return what boxes [N, 4] cut out of their objects' masks [K, H, W], as [N, M, M]."""
    rois = torch.cat((matched_idxs.to(boxes)[:, None], boxes), dim=1)
    return roi_align(gt_masks[:, None].to(rois), rois, (M, M), 1.0)[:, 0]


def maskrcnn_loss(
    mask_logits: Tensor, proposals: list[Tensor], gt_masks: list[Tensor], gt_labels: list[Tensor],
    mask_matched_idxs: list[Tensor],
) -> Tensor:  # fmt: skip
    """Return the cross entropy of scores [N, classes, M, M] of the objects' classes with their masks."""
    labels = torch.cat([label[i] for label, i in zip(gt_labels, mask_matched_idxs, strict=True)])
    if not len(labels):
        return mask_logits.sum() * 0
    side = mask_logits.shape[-1]
    wanted = torch.cat(
        [
            project_masks_on_boxes(masks, boxes, i, side)
            for masks, boxes, i in zip(gt_masks, proposals, mask_matched_idxs, strict=True)
        ]
    )
    every = torch.arange(len(labels), device=labels.device)
    return F.binary_cross_entropy_with_logits(mask_logits[every, labels], wanted)


def expand_boxes(boxes: Tensor, scale: float) -> Tensor:
    """Return boxes [N, 4] made larger around their centres."""
    low, high = boxes[:, :2], boxes[:, 2:]
    centre, half = (high + low) * 0.5, (high - low) * 0.5 * scale
    return torch.cat((centre - half, centre + half), dim=1)


def expand_masks(mask: Tensor, padding: int) -> tuple[Tensor, float]:
    """Return masks with zeros around them, and by how much that makes them larger."""
    side = mask.shape[-1]
    return F.pad(mask, (padding,) * 4), float(side + 2 * padding) / side


def _spread(low: Tensor, high: Tensor, side: int, length: int, like: Tensor) -> Tensor:
    """Return how much each of ``side`` samples between whole places [N] counts at each of ``length`` places.

    The result [N, length, side] interpolates linearly with samples in the middle of their intervals; it is zero
    outside of low ... high.
    """
    place = torch.arange(length, device=low.device)
    sample = torch.arange(side, device=low.device)
    covered = (high - low + 1).clamp(min=1)[:, None]
    at = (place - low[:, None] + 0.5) * (side / covered.to(like.dtype)) - 0.5
    weight = (1 - (at.clamp(0, side - 1)[:, :, None] - sample).abs()).clamp(min=0)
    inside = (place >= low[:, None]) & (place < low[:, None] + covered)
    return torch.where(inside[:, :, None], weight, 0.0).to(like.dtype)


def _pasted(masks: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """Return masks [N, M, M] stretched to boxes of whole numbers [N, 4], as images [N, height, width].

    Interpolation is linear along each side, so that two products of matrices make all images at once.
    """
    rows = _spread(boxes[:, 1], boxes[:, 3], masks.shape[-2], height, masks)
    columns = _spread(boxes[:, 0], boxes[:, 2], masks.shape[-1], width, masks)
    return rows @ masks @ columns.transpose(1, 2)


def paste_mask_in_image(mask: Tensor, box: Tensor, im_h: int, im_w: int) -> Tensor:
    """Return an image [im_h, im_w] of zeros with a mask [M, M] stretched to a box of whole numbers [4]."""
    return _pasted(mask[None], box[None], im_h, im_w)[0]


def paste_masks_in_image(masks: Tensor, boxes: Tensor, img_shape: tuple[int, int], padding: int = 1) -> Tensor:
    """Return images [N, 1, height, width] with masks [N, 1, M, M] stretched to their boxes [N, 4].

    >>> import cltorch as torch
    >>> paste_masks_in_image(torch.ones(1, 1, 2, 2), torch.tensor([[1.0, 1.0, 2.0, 2.0]]), (3, 4)).shape
    torch.Size([1, 1, 3, 4])
    """
    masks, scale = expand_masks(masks, padding=padding)
    boxes = expand_boxes(boxes, scale).to(dtype=torch.int64)
    height, width = img_shape
    return _pasted(masks[:, 0], boxes, height, width)[:, None]
