"""Key points of objects, as maps of where each may be.

Source: K. He et al., Mask R-CNN, https://arxiv.org/abs/1703.06870, section 5
"""

from __future__ import annotations

import cltorch as torch
from cltorch.nn import functional as F
from cltorch.tensor import Tensor


def keypoints_to_heatmap(keypoints: Tensor, rois: Tensor, heatmap_size: int) -> tuple[Tensor, Tensor]:
    """Return in which element of the maps of boxes [N, 4] their points [N, K, 3] lie, and which lie in one (1, else 0).

    >>> import cltorch as torch
    >>> point, box = torch.tensor([[[3.0, 4.0, 1.0]]]), torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    >>> keypoints_to_heatmap(point, box, 2)
    (tensor([[3]]), tensor([[1]]))
    """
    low, high = rois[:, None, :2], rois[:, None, 2:]
    points = keypoints[..., :2]
    at = ((points - low) * (heatmap_size / (high - low))).floor().long()
    # a point on the far side of the box belongs to the last element
    at = torch.where(points == high, heatmap_size - 1, at)
    valid = ((at >= 0) & (at < heatmap_size)).all(-1) & (keypoints[..., 2] > 0)
    return (at[..., 1] * heatmap_size + at[..., 0]) * valid, valid.long()


def heatmaps_to_keypoints(maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
    """Return points (x, y, 1) [N, K, 3] and their scores [N, K]: the maxima of maps [N, K, H, W] of boxes [N, 4].

    Each box's maps are made as large as the box, so its size is read.
    """
    points = torch.ones((len(rois), maps.shape[1], 3), dtype=torch.float32, device=maps.device)
    scores = torch.zeros((len(rois), maps.shape[1]), dtype=torch.float32, device=maps.device)
    sizes = (rois[:, 2:] - rois[:, :2]).clamp(min=1)
    for i, (width, height) in enumerate(sizes.ceil().int().tolist()):
        whole = F.interpolate(maps[i][:, None], size=(height, width), mode="bicubic", align_corners=False)[:, 0]
        best, at = whole.flatten(1).max(dim=1)
        row = torch.div(at, width, rounding_mode="floor")
        points[i, :, 0] = ((at - row * width).float() + 0.5) * (sizes[i, 0] / width) + rois[i, 0]
        points[i, :, 1] = (row.float() + 0.5) * (sizes[i, 1] / height) + rois[i, 1]
        scores[i] = best
    return points, scores


def keypointrcnn_loss(
    keypoint_logits: Tensor, proposals: list[Tensor], gt_keypoints: list[Tensor], keypoint_matched_idxs: list[Tensor]
) -> Tensor:
    """Return the cross entropy of maps of scores [N, K, side, side] with where the points are that can be seen."""
    height, width = keypoint_logits.shape[-2:]
    if height != width:
        raise ValueError(
            "keypoint_logits height and width (last two elements of shape) should be equal. Instead got "
            f"H = {height} and W = {width}"
        )
    found = [
        keypoints_to_heatmap(points[matched], boxes, height)
        for boxes, points, matched in zip(proposals, gt_keypoints, keypoint_matched_idxs, strict=True)
    ]
    wanted = torch.cat([at.reshape(-1) for at, _ in found])
    valid = torch.where(torch.cat([ok.reshape(-1) for _, ok in found]))[0]
    if not len(valid):
        return keypoint_logits.sum() * 0
    return F.cross_entropy(keypoint_logits.reshape(-1, height * width)[valid], wanted[valid])


def keypointrcnn_inference(x: Tensor, boxes: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return for each image the points and their scores, from maps of all images' boxes together."""
    found = [heatmaps_to_keypoints(maps, b) for maps, b in zip(x.split([len(b) for b in boxes]), boxes, strict=True)]
    return [points for points, _ in found], [scores for _, scores in found]
