"""What transforms of an image make of the boxes in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.dtypes import float32
from cltorch.tensor import Tensor
from cltorch.vision.ops.boxes import box_convert
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional import warp
from cltorch.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, wrap


def convert_bounding_box_format(inpt: Any, new_format: BoundingBoxFormat | str) -> Any:
    """Return boxes in another format."""
    new = BoundingBoxFormat[new_format.upper()] if isinstance(new_format, str) else new_format
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError(f"expected BoundingBoxes, got {type(inpt).__name__}")
    return wrap(_as(inpt, inpt.format, new), like=inpt, format=new)


def _as(values: Tensor, old: BoundingBoxFormat, new: BoundingBoxFormat) -> Tensor:
    plain = values.as_subclass(Tensor)
    return plain if old is new else box_convert(plain, old.value.lower(), new.value.lower())


def clamp_bounding_boxes(inpt: Any) -> Any:
    """Return boxes cut at the edges of their canvas."""
    return _moved(inpt, lambda x: x, inpt.canvas_size, clamp=True)


def _moved(boxes: Any, change: Callable[[Tensor], Tensor], canvas: tuple[int, int], clamp: bool = False) -> Any:
    """Return boxes whose corners (x, y, x, y) are changed, in their own format and dtype."""
    corners = change(_as(boxes, boxes.format, BoundingBoxFormat.XYXY))
    if clamp:
        height, width = canvas
        x, y = corners[:, 0::2].clamp(0, width), corners[:, 1::2].clamp(0, height)
        corners = functions.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)
    out = _as(corners, BoundingBoxFormat.XYXY, boxes.format).to(boxes.dtype)
    return wrap(out, like=boxes, canvas_size=canvas)


def _row(values: Sequence[float], boxes: Any) -> Tensor:
    return functions.tensor(list(values), dtype=boxes.dtype, device=boxes.device)


def horizontal_flip(boxes: Any) -> Any:
    width = boxes.canvas_size[1]
    return _moved(
        boxes, lambda x: functions.stack([width - x[:, 2], x[:, 1], width - x[:, 0], x[:, 3]], 1), boxes.canvas_size
    )


def vertical_flip(boxes: Any) -> Any:
    height = boxes.canvas_size[0]
    return _moved(
        boxes, lambda x: functions.stack([x[:, 0], height - x[:, 3], x[:, 2], height - x[:, 1]], 1), boxes.canvas_size
    )


def crop(boxes: Any, top: int, left: int, height: int, width: int) -> Any:
    return _moved(boxes, lambda x: x - _row([left, top, left, top], boxes), (height, width), clamp=True)


def center_crop(boxes: Any, output_size: Any) -> Any:
    (height, width), (h, w) = F.pair(output_size), boxes.canvas_size
    return crop(boxes, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def resize(
    boxes: Any, size: Any, interpolation: Any = None, max_size: int | None = None, antialias: bool | None = True
) -> Any:
    h, w = boxes.canvas_size
    height, width = F.target_size(h, w, size, max_size)
    ratios = functions.tensor([width / w, height / h] * 2, dtype=float32, device=boxes.device)
    return _moved(boxes, lambda x: x * ratios, (height, width))


def resized_crop(
    boxes: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = None,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    return resize(crop(boxes, top, left, height, width), size)


def pad(boxes: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    if padding_mode not in ("constant", "edge"):
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    left, top, right, bottom = F.sides(padding)
    h, w = boxes.canvas_size
    canvas = (h + top + bottom, w + left + right)
    return _moved(boxes, lambda x: x + _row([left, top, left, top], boxes), canvas, clamp=True)


def affine(
    boxes: Any, angle: float, translate: Sequence[int], scale: float, shear: Any, interpolation: Any = None,
    fill: Any = None, center: Any = None,
) -> Any:  # fmt: skip
    shears = list(shear) if isinstance(shear, (list, tuple)) else [shear, 0.0]
    h, w = boxes.canvas_size
    middle = [w * 0.5, h * 0.5] if center is None else center
    return _turned(boxes, warp.inverse_affine_matrix(middle, angle, translate, scale, shears), (h, w), (0.0, 0.0))


def rotate(
    boxes: Any, angle: float, interpolation: Any = None, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    h, w = boxes.canvas_size
    middle = [w * 0.5, h * 0.5] if center is None or expand else center
    matrix = warp.inverse_affine_matrix(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    if not expand:
        return _turned(boxes, matrix, (h, w), (0.0, 0.0))
    canvas = warp.expanded(warp.inverse_affine_matrix([0, 0], -angle, [0, 0], 1.0, [0, 0]), (h, w))
    # the turned image begins at the edge of the larger one
    across, down = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width, height = across * w + down * h, down * w + across * h
    return _turned(boxes, matrix, canvas, ((width - w) / 2, (height - h) / 2))


def _turned(boxes: Any, inverse: Sequence[float], canvas: tuple[int, int], move: tuple[float, float]) -> Any:
    """Return the boxes around the corners after the map of which ``inverse`` is the inverse, then moved."""
    a, b, c, d, e, f = inverse
    size = a * e - b * d
    if math.isclose(size, 0.0):
        raise ValueError("a map that flattens the image has no boxes")

    def change(x: Tensor) -> Tensor:
        x = x if x.is_floating_point() else x.to(float32)
        xs, ys = (functions.stack([x[:, i] for i in at], 1) for at in ((0, 2, 2, 0), (1, 1, 3, 3)))
        new_x = (e * (xs - c) - b * (ys - f)) / size + move[0]
        new_y = (a * (ys - f) - d * (xs - c)) / size + move[1]
        return functions.stack([new_x.amin(1), new_y.amin(1), new_x.amax(1), new_y.amax(1)], 1)

    return _moved(boxes, change, canvas, clamp=True)
