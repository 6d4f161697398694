"""Boxes (x1, y1, x2, y2): areas, overlaps, conversion, and the suppression of those that overlap.

Source: https://docs.pytorch.org/vision/0.28/ops.html#box-operators
"""

from __future__ import annotations

import math

import cltorch as torch
from cltorch.tensor import Tensor
from cltorch.vision.ops.rotated import ROTATED, convert_rotated


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """Return the areas of boxes [N, 4] in one of the forms of ``box_convert``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.box_area.html

    >>> import cltorch as torch
    >>> box_area(torch.tensor([[0.0, 0.0, 2.0, 3.0]]))
    tensor([6.])
    """
    if fmt not in ("xyxy", "xywh", "cxcywh"):
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")
    b = _upcast(boxes)
    if fmt != "xyxy":
        return b[..., 2] * b[..., 3]
    return (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])


def _upcast(t: Tensor) -> Tensor:
    """Return numbers whose products fit: halves as float32, small integers as int32."""
    if t.dtype.is_floating_point:
        return t if t.dtype in (torch.float32, torch.float64) else t.float()
    return t if t.dtype in (torch.int32, torch.int64) else t.int()


def _box_inter_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Return the areas of intersection and union of every box of one list with every one of another."""
    low = torch.maximum(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = torch.minimum(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    sides = _upcast(high - low).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    return inter, box_area(boxes1)[..., :, None] + box_area(boxes2)[..., None, :] - inter


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Return intersection over union of boxes [N, 4] with boxes [M, 4] as [N, M]; turned boxes cannot be compared.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.box_iou.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    if fmt in ROTATED:
        raise NotImplementedError(f"the overlap of boxes that are turned ({fmt}) is not there")
    boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    inter, union = _box_inter_union(boxes1, boxes2)
    return inter / union


def _hull(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return width and height of the least box around every pair."""
    low = torch.minimum(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = torch.maximum(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    return _upcast(high - low).clamp(min=0)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return generalised intersection over union [N, M] (H. Rezatofighi et al., 2019).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.generalized_box_iou.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.generalized_box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    inter, union = _box_inter_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    area = sides[..., 0] * sides[..., 1]
    return inter / union - (area - union) / area


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """Return distance intersection over union [N, M] (Z. Zheng et al., 2020).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.distance_box_iou.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.distance_box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.2564]])
    """
    inter, union = _box_inter_union(boxes1, boxes2)
    return inter / union - _distance(boxes1, boxes2, eps)


def _distance(boxes1: Tensor, boxes2: Tensor, eps: float) -> Tensor:
    """Return the squared distances of the centres over the squared diagonals of the boxes around them."""
    sides = _hull(boxes1, boxes2)
    diagonal = sides[..., 0] ** 2 + sides[..., 1] ** 2 + eps
    centre1, centre2 = ((b[..., :2] + b[..., 2:]) / 2 for b in (boxes1, boxes2))
    between = _upcast(centre1[..., :, None, :] - centre2[..., None, :, :])
    return (between[..., 0] ** 2 + between[..., 1] ** 2) / diagonal


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """Return complete intersection over union [N, M] (Z. Zheng et al., 2020).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.complete_box_iou.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.complete_box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.2564]])
    """
    inter, union = _box_inter_union(boxes1, boxes2)
    iou = inter / union
    angle1, angle2 = (torch.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes1, boxes2))
    v = (4 / math.pi**2) * (angle1[..., :, None] - angle2[..., None, :]) ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v + eps)
    return iou - _distance(boxes1, boxes2, eps) - alpha * v


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Return boxes [..., 4] in another form: "xyxy" corners, "xywh" corner and size, "cxcywh" centre and size.

    Boxes that are turned are "xywhr" or "cxcywhr" [..., 5], with an angle in degrees against the clock, or "xyxyxyxy"
    [..., 8], all corners with the clock. Raises ValueError for another form, NotImplementedError between boxes that are
    turned and others.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.box_convert.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.box_convert(torch.tensor([[1.0, 1.0, 2.0, 3.0]]), "xywh", "xyxy")
    tensor([[1., 1., 3., 4.]])
    """
    if in_fmt in ROTATED and out_fmt in ROTATED:
        return convert_rotated(boxes, in_fmt, out_fmt)
    if {in_fmt, out_fmt} <= {"xyxy", "xywh", "cxcywh", *ROTATED} and not {in_fmt, out_fmt}.isdisjoint(ROTATED):
        raise NotImplementedError(f"no box can be converted from {in_fmt} to {out_fmt}: one is turned, one is not")
    for fmt in (in_fmt, out_fmt):
        if fmt not in ("xyxy", "xywh", "cxcywh"):
            raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), dim=-1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return boxes whose corners lie within an image of (height, width).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.clip_boxes_to_image.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.clip_boxes_to_image(torch.tensor([[-1.0, 0.0, 9.0, 2.0]]), (4, 6))
    tensor([[0., 0., 6., 2.]])
    """
    height, width = size
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Return the indices of the boxes whose sides are both at least ``min_size``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.remove_small_boxes.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.remove_small_boxes(torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 5.0, 5.0]]), 2.0)
    tensor([1])
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return torch.where((width >= min_size) & (height >= min_size))[0]


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Return the boxes [N, 4] around the nonzero elements of masks [N, H, W]; zeros where a mask has none.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.masks_to_boxes.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.masks_to_boxes(torch.tensor([[[0, 1], [0, 1]]]))
    tensor([[1., 0., 1., 1.]])
    """
    if masks.numel() == 0:
        return torch.zeros((0, 4), device=masks.device, dtype=torch.float)
    inside = masks != 0
    n, height, width = inside.shape
    sides = []
    for hit, length in ((inside.any(1), width), (inside.any(2), height)):
        places = torch.arange(length, device=masks.device).expand(n, length)
        sides.append((torch.where(hit, places, length).amin(1), torch.where(hit, places, -1).amax(1)))
    (left, right), (top, bottom) = sides
    found = torch.stack((left, top, right, bottom), dim=1).float()
    return torch.where(inside.flatten(1).any(1)[:, None], found, 0.0)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return the indices of the boxes that remain, best score first, when each suppresses lesser ones it overlaps.

    A box falls where a better one that remains has an intersection over union above the threshold with it. Every
    round decides all boxes whose better neighbours are decided, so that few rounds do, all on the device.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.nms.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.1]])
    >>> ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)
    tensor([0])
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should be a 2d tensor with 4 elements in dimension 1, got {tuple(boxes.shape)}")
    if scores.dim() != 1 or scores.shape[0] != boxes.shape[0]:
        raise RuntimeError(
            f"boxes and scores should have same number of elements in dimension 0, got {boxes.shape[0]} and "
            f"{tuple(scores.shape)}"
        )
    if torch.is_autocast_enabled(boxes.device.type):
        boxes, scores = boxes.float(), scores.float()
    if boxes.dtype is not scores.dtype:
        raise RuntimeError(f"boxes should have the same type as scores, got {boxes.dtype} and {scores.dtype}")
    if not len(boxes):
        return torch.empty((0,), dtype=torch.int64, device=boxes.device)
    with torch.no_grad():
        order = scores.argsort(descending=True, stable=True)
        inter, union = _box_inter_union(boxes[order], boxes[order])
        over = (inter > iou_threshold * union).tril(-1)  # row i: the better boxes that could suppress box i
        keep = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
        while True:
            now = ~(over & keep).any(1)
            if torch.equal(now, keep):
                return order[keep]
            keep = now


_TOGETHER = 4000  # boxes whose overlaps with one another are computed at once, a hundred megabytes or so


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Return what ``nms`` leaves where only boxes of one category (``idxs``) suppress each other.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.batched_nms.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.1]])
    >>> ops.batched_nms(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), 0.5)
    tensor([0, 1])
    """
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64, device=boxes.device)
    if len(boxes) > _TOGETHER:
        keep = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
        for category in idxs.unique().tolist():
            here = torch.where(idxs == category)[0]
            keep[here[nms(boxes[here], scores[here], iou_threshold)]] = True
        places = torch.where(keep)[0]
        return places[scores[places].argsort(descending=True, stable=True)]
    # categories are moved apart so that boxes of different ones cannot overlap
    apart = idxs.to(boxes) * (boxes.max() - boxes.min() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)
