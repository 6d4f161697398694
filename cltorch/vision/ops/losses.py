"""Losses of detection models.

Source: https://docs.pytorch.org/vision/0.28/ops.html#losses
"""

from __future__ import annotations

import math

import cltorch as torch
from cltorch.nn import functional as F
from cltorch.tensor import Tensor


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean() if loss.numel() else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"Invalid Value for arg 'reduction': '{reduction}'. It can be 'none', 'mean' or 'sum'")


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Return the focal loss of logits for targets of 0 and 1 (T.-Y. Lin et al., Focal Loss, 2017).

    ``alpha`` in [0, 1] weights positive against negative targets; -1 for no weight.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.sigmoid_focal_loss.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.sigmoid_focal_loss(torch.zeros(1), torch.ones(1), reduction="mean")
    tensor(0.0433)
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = torch.sigmoid(inputs)
    cross = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = cross * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduce(loss, reduction)


def _pairs(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return intersection, union, and the sides of the box around each pair of boxes [..., 4]."""
    x1, y1, x2, y2 = boxes1.unbind(-1)
    u1, v1, u2, v2 = boxes2.unbind(-1)
    width = (torch.minimum(x2, u2) - torch.maximum(x1, u1)).clamp(min=0)
    height = (torch.minimum(y2, v2) - torch.maximum(y1, v1)).clamp(min=0)
    inter = width * height
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - inter
    return inter, union, torch.maximum(x2, u2) - torch.minimum(x1, u1), torch.maximum(y2, v2) - torch.minimum(y1, v1)


def _floats(*boxes: Tensor) -> list[Tensor]:
    return [b if b.dtype in (torch.float32, torch.float64) else b.float() for b in boxes]


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Return 1 - generalised intersection over union of pairs of boxes [N, 4] (H. Rezatofighi et al., 2019).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.generalized_box_iou_loss.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.generalized_box_iou_loss(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([0.6667])
    """
    inter, union, width, height = _pairs(*_floats(boxes1, boxes2))
    area = width * height
    return _reduce(1 - (inter / (union + eps) - (area - union) / (area + eps)), reduction)


def _distance_loss(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    inter, union, width, height = _pairs(boxes1, boxes2)
    iou = inter / (union + eps)
    diagonal = width**2 + height**2 + eps
    x = (boxes1[..., 0] + boxes1[..., 2] - boxes2[..., 0] - boxes2[..., 2]) / 2
    y = (boxes1[..., 1] + boxes1[..., 3] - boxes2[..., 1] - boxes2[..., 3]) / 2
    return 1 - iou + (x**2 + y**2) / diagonal, iou


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Return 1 - distance intersection over union of pairs of boxes [N, 4] (Z. Zheng et al., 2020).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.distance_box_iou_loss.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.distance_box_iou_loss(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([0.7436])
    """
    boxes1, boxes2 = _floats(boxes1, boxes2)
    return _reduce(_distance_loss(boxes1, boxes2, eps)[0], reduction)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Return 1 - complete intersection over union of pairs of boxes [N, 4] (Z. Zheng et al., 2020).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.complete_box_iou_loss.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.complete_box_iou_loss(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([0.7436])
    """
    boxes1, boxes2 = _floats(boxes1, boxes2)
    loss, iou = _distance_loss(boxes1, boxes2, eps)
    angles = [torch.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes2, boxes1)]
    v = (4 / math.pi**2) * (angles[0] - angles[1]) ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v + eps)
    return _reduce(loss + alpha * v, reduction)
