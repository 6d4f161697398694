"""What detectors are called with, checked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import cltorch as torch
from cltorch.tensor import Tensor


def check_boxes(targets: Any) -> None:
    """Raise AssertionError unless there are targets and each has boxes [N, 4]."""
    if targets is None:
        raise AssertionError("targets should not be none when in training mode")
    for target in targets:
        boxes = target["boxes"]
        if not isinstance(boxes, Tensor):
            raise AssertionError(f"Expected target boxes to be of type Tensor, got {type(boxes)}.")
        if boxes.dim() != 2 or boxes.shape[-1] != 4:
            raise AssertionError(f"Expected target boxes to be a tensor of shape [N, 4], got {boxes.shape}.")


def sizes_of(images: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Return height and width of each image."""
    for image in images:
        if image.dim() < 2:
            raise AssertionError(
                f"expecting the last two dimensions of the Tensor to be H and W instead got {image.shape[-2:]}"
            )
    return [(image.shape[-2], image.shape[-1]) for image in images]


def check_sides(targets: Sequence[dict[str, Tensor]] | None) -> None:
    """Raise AssertionError for a box whose width or height is not positive; it is read once for all images."""
    if not targets:
        return
    flat = [(target["boxes"][:, 2:] <= target["boxes"][:, :2]).any(dim=1) for target in targets]
    if not torch.cat(flat).any():
        return
    for i, wrong in enumerate(flat):
        if wrong.any():
            box = targets[i]["boxes"][torch.where(wrong)[0][0]].tolist()
            raise AssertionError(
                "All bounding boxes should have positive height and width. "
                f"Found invalid box {box} for target at index {i}."
            )


def by_name(features: Any) -> dict[str, Tensor]:
    """Return maps by name, where a backbone gives only one."""
    return OrderedDict([("0", features)]) if isinstance(features, Tensor) else features
