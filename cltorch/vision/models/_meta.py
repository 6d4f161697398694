"""The names of what networks tell apart, under the names that torchvision's modules import."""

from __future__ import annotations

from typing import Any

from cltorch.vision.models.weights import table

_LISTS = {
    "_IMAGENET_CATEGORIES": "imagenet", "_VOC_CATEGORIES": "voc", "_COCO_CATEGORIES": "coco",
    "_COCO_PERSON_CATEGORIES": "coco_person", "_COCO_PERSON_KEYPOINT_NAMES": "coco_keypoints",
    "_KINETICS400_CATEGORIES": "kinetics400",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LISTS:
        return table()["categories"][_LISTS[name]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
