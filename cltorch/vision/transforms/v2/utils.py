"""What transforms of one's own ask about the inputs of a sample.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#developer-tools
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.vision.transforms.functional.geometry import _setup_size as _setup_size
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.dispatch import is_pure_tensor
from cltorch.vision.transforms.v2.geometry import checked_fill as _check_fill_arg  # noqa: F401
from cltorch.vision.transforms.v2.labels import find_labels as _find_labels_default_heuristic  # noqa: F401
from cltorch.vision.transforms.v2.transform import is_image
from cltorch.vision.transforms.v2.transform import size_of as query_size
from cltorch.vision.transforms.warp import _check_sequence_input as _check_sequence_input
from cltorch.vision.transforms.warp import _setup_angle as _setup_angle
from cltorch.vision.tv_tensors import BoundingBoxes, KeyPoints

__all__ = [
    "check_type",
    "get_bounding_boxes",
    "get_keypoints",
    "has_all",
    "has_any",
    "is_pure_tensor",
    "query_chw",
    "query_size",
]

Check = type | Callable[[Any], bool]


def check_type(obj: Any, types_or_checks: Sequence[Check]) -> bool:
    """Return whether a value is of one of the types, or one of the functions says yes.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.check_type.html

    >>> check_type(3, (str, lambda x: x == 3))
    True
    """
    return any(isinstance(obj, t) if isinstance(t, type) else bool(t(obj)) for t in types_or_checks)


def has_any(flat_inputs: Sequence[Any], *types_or_checks: Check) -> bool:
    """Return whether some input is of one of the types (see ``check_type``).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.has_any.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> v2.has_any([torch.ones(1)], tv_tensors.Image)
    False
    """
    return any(check_type(x, types_or_checks) for x in flat_inputs)


def has_all(flat_inputs: Sequence[Any], *types_or_checks: Check) -> bool:
    """Return whether there is an input of each of the types (see ``check_type``).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.has_all.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> v2.has_all([tv_tensors.Image(torch.ones(3, 2, 2))], tv_tensors.Image)
    True
    """
    return all(has_any(flat_inputs, t) for t in types_or_checks)


def _first(flat_inputs: Sequence[Any], kind: type, what: str) -> Any:
    for x in flat_inputs:
        if isinstance(x, kind):
            return x
    raise ValueError(f"No {what} were found in the sample")


def get_bounding_boxes(flat_inputs: Sequence[Any]) -> Any:
    """Return the first boxes; raise ValueError where there are none.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.get_bounding_boxes.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> boxes = tv_tensors.BoundingBoxes(torch.tensor([[0.0, 0.0, 9.0, 2.0]]), format="XYXY", canvas_size=(4, 6))
    >>> v2.get_bounding_boxes([1, boxes]).tolist()
    [[0.0, 0.0, 9.0, 2.0]]
    """
    return _first(flat_inputs, BoundingBoxes, "bounding boxes")


def get_keypoints(flat_inputs: Sequence[Any]) -> Any:
    """Return the first key points; raise ValueError where there are none.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.get_keypoints.html

    >>> import cltorch as torch
    >>> from cltorch.vision import tv_tensors
    >>> from cltorch.vision.transforms import v2
    >>> points = tv_tensors.KeyPoints(torch.tensor([[9.0, 1.0], [2.0, 1.0]]), canvas_size=(4, 6))
    >>> v2.get_keypoints([1, points]).tolist()
    [[9.0, 1.0], [2.0, 1.0]]
    """
    return _first(flat_inputs, KeyPoints, "keypoints")


def query_chw(flat_inputs: Sequence[Any]) -> tuple[int, int, int]:
    """Return the (channels, height, width) that the images and videos have in common.

    Raises TypeError where there is none, ValueError where they differ.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.query_chw.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.query_chw([torch.ones(3, 2, 4)])
    (3, 2, 4)
    """
    found = {tuple(F.get_dimensions(x)) for x in flat_inputs if is_image(x)}
    if not found:
        raise TypeError("No image or video was found in the sample")
    if len(found) > 1:
        raise ValueError(f"Found multiple CxHxW dimensions in the sample: {sorted(found)}")
    channels, height, width = found.pop()
    return channels, height, width
