"""``box_convert`` from one form of boxes to another, under the names that torchvision's own modules import."""

from __future__ import annotations

from cltorch.tensor import Tensor
from cltorch.vision.ops.boxes import box_convert


def _box_cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "cxcywh", "xyxy")


def _box_xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xyxy", "cxcywh")


def _box_xywh_to_xyxy(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xywh", "xyxy")


def _box_xyxy_to_xywh(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xyxy", "xywh")


def _box_cxcywhr_to_xywhr(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "cxcywhr", "xywhr")


def _box_xywhr_to_cxcywhr(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xywhr", "cxcywhr")


def _box_xywhr_to_xyxyxyxy(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xywhr", "xyxyxyxy")


def _box_xyxyxyxy_to_xywhr(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xyxyxyxy", "xywhr")
