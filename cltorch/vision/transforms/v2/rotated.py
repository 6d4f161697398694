"""What transforms of an image make of turned boxes: by their four corners, of which they make rectangles again.

A turned box is (x, y, width, height, angle) of its first corner or of its centre, the angle in degrees against the
clock, or four corners. Here corners are tensors (N, 8) of x and y by turns, around the box.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import functions
from cltorch.dtypes import float32, float64
from cltorch.tensor import Tensor
from cltorch.vision.transforms.v2 import points
from cltorch.vision.transforms.v2.clamp_rotated import clamped
from cltorch.vision.tv_tensors import BoundingBoxFormat, wrap

_CORNERS, _CENTRE, _FIRST = BoundingBoxFormat.XYXYXYXY, BoundingBoxFormat.CXCYWHR, BoundingBoxFormat.XYWHR


# ---- formats -----------------------------------------------------------------------------------------------------
def _offsets(width: Tensor, height: Tensor, angle: Tensor) -> tuple[Tensor, ...]:
    """Return where the sides of boxes lead: (right, up) along the first and (right, down) along the second."""
    cos, sin = functions.cos(angle), functions.sin(angle)
    return width * cos, width * sin, height * sin, height * cos


def convert(values: Tensor, old: BoundingBoxFormat, new: BoundingBoxFormat) -> Tensor:
    """Return turned boxes in another format."""
    if old is new:
        return values
    exact = values if values.dtype in (float32, float64) else values.to(float32)
    return _from_first(_to_first(exact, old), new).to(values.dtype)


def _to_first(values: Tensor, old: BoundingBoxFormat) -> Tensor:
    if old is _CORNERS:
        x1, y1, x2, y2, x3, y3 = values.unbind(-1)[:6]
        width, height = functions.hypot(x2 - x1, y2 - y1), functions.hypot(x3 - x2, y3 - y2)
        angle = functions.atan2(y1 - y2, x2 - x1) * (180 / math.pi)
        return functions.stack([x1, y1, width, height, angle], -1)
    return _shifted(values, -0.5) if old is _CENTRE else values


def _shifted(values: Tensor, part: float) -> Tensor:
    """Return boxes whose x and y are a part of their sides further on."""
    x, y, width, height, angle = values.unbind(-1)
    right, up, right2, down2 = _offsets(width * part, height * part, angle * (math.pi / 180))
    return functions.stack([x + right + right2, y - up + down2, width, height, angle], -1)


def _from_first(values: Tensor, new: BoundingBoxFormat) -> Tensor:
    if new is _CENTRE:
        return _shifted(values, 0.5)
    if new is _FIRST:
        return values
    x, y, width, height, angle = values.unbind(-1)
    right, up, right2, down2 = _offsets(width, height, angle * (math.pi / 180))
    return functions.stack(
        [x, y, x + right, y - up, x + right + right2, y - up + down2, x + right2, y + down2], -1
    )  # fmt: skip


def rectangles(corners: Tensor) -> Tensor:
    """Return the rectangles that share the longer diagonal of parallelograms."""
    exact = corners if corners.dtype in (float32, float64) else corners.to(float32)
    x1, y1, x2, y2, x3, y3, x4, y4 = exact.unbind(-1)
    along, aside = functions.hypot(x2 - x1, y2 - y1), functions.hypot(x4 - x1, y4 - y1)
    first, second = functions.atan2(y1 - y2, x2 - x1), functions.atan2(y1 - y4, x4 - x1)
    between = first - second
    cos, sin = functions.cos(between), functions.sin(between)
    sign = functions.where(between > math.pi / 2, -1.0, 1.0)
    # the longer side keeps its direction, and reaches as far as the other corner lies along it
    width = functions.where(along < aside, along * sin, along + aside * cos * sign)
    height = functions.where(along > aside, aside * sin, aside + along * cos * sign)
    angle = functions.where(aside > along, second + math.pi / 2, first)
    centre = functions.stack([(x1 + x3) / 2, (y1 + y3) / 2, width, height, angle * (180 / math.pi)], -1)
    return convert(centre, _CENTRE, _CORNERS).to(corners.dtype)


# ---- transforms --------------------------------------------------------------------------------------------------
def _plain(boxes: Any) -> Tensor:
    return boxes.as_subclass(Tensor)


def _clamped(corners: Tensor, boxes: Any, canvas: tuple[int, int]) -> Any:
    """Return boxes of these corners, in the format of others, cut at the edges as those want it."""
    if boxes.clamping_mode is not None and corners.shape[0]:
        corners = clamped(corners, canvas, boxes.clamping_mode)
    return wrap(convert(corners, _CORNERS, boxes.format).to(boxes.dtype), like=boxes, canvas_size=canvas)


def clamp(boxes: Any) -> Any:
    """Return boxes cut at the edges of their canvas as their ``clamping_mode`` says."""
    if boxes.clamping_mode is None:
        return wrap(_plain(boxes).clone(), like=boxes)
    return _clamped(convert(_plain(boxes), boxes.format, _CORNERS), boxes, boxes.canvas_size)


def moved(boxes: Any, change: points.Map, canvas: tuple[int, int]) -> Any:
    """Return the rectangles around the places that the corners go to."""
    corners = convert(_plain(boxes), boxes.format, _CORNERS)
    x, y = change(corners[:, 0::2], corners[:, 1::2])
    return _clamped(rectangles(functions.stack([x, y], -1).flatten(1)), boxes, canvas)


def shifted(boxes: Any, right: int, down: int, canvas: tuple[int, int], straighten: bool) -> Any:
    """Return boxes moved as a whole; those given by corners become rectangles where ``straighten`` says so."""
    corners = convert(_plain(boxes), boxes.format, _CORNERS)
    move = functions.tensor([right, down] * 4, dtype=corners.dtype, device=corners.device)
    corners = corners + move
    if boxes.clamping_mode is None and boxes.format is not _CORNERS:
        values = _plain(boxes) + functions.tensor([right, down, 0, 0, 0], dtype=boxes.dtype, device=boxes.device)
        return wrap(values, like=boxes, canvas_size=canvas)
    corners = rectangles(corners) if straighten and boxes.format is _CORNERS else corners
    return _clamped(corners, boxes, canvas)


def resized(boxes: Any, height: int, width: int) -> Any:
    """Return boxes of an image of another size."""
    if (height, width) == tuple(boxes.canvas_size):
        return wrap(_plain(boxes), like=boxes)
    return moved(boxes, points.stretched(boxes.canvas_size, height, width), (height, width))


def deformed(boxes: Any, change: points.Map) -> Any:
    """Return boxes whose centres go where the pixel below and to the right of them goes."""
    x, y, width, height, angle = convert(_plain(boxes), boxes.format, _CENTRE).unbind(-1)
    x, y = change(x.ceil(), y.ceil())
    centre = functions.stack([v.to(boxes.dtype) for v in (x, y, width, height, angle)], -1)
    return _clamped(convert(centre, _CENTRE, _CORNERS), boxes, boxes.canvas_size)


def _mirrored(boxes: Any, axis: int, far: float, turn: float) -> Any:
    values = _plain(boxes)
    if boxes.format is _CORNERS:
        # the second corner becomes the first, so that the corners go around in the same direction
        kept = list(values.unbind(-1))
        kept[axis::2] = [far - v for v in kept[axis::2]]
        return wrap(functions.stack([kept[i] for i in (2, 3, 0, 1, 6, 7, 4, 5)], -1), like=boxes)
    x, y, width, height, angle = values.unbind(-1)
    if boxes.format is _FIRST:
        radians = angle * (math.pi / 180)
        x, y = x + width * functions.cos(radians), y - width * functions.sin(radians)
    place = [x, y]
    place[axis] = far - place[axis]
    return wrap(functions.stack([*place, width, height, turn - angle], -1), like=boxes)


def horizontal_flip(boxes: Any) -> Any:
    """Return boxes of the image seen in a mirror."""
    return _mirrored(boxes, 0, boxes.canvas_size[1], 0.0)


def vertical_flip(boxes: Any) -> Any:
    """Return boxes of the image upside down."""
    return _mirrored(boxes, 1, boxes.canvas_size[0], 180.0)


def lengths(values: Tensor, format: BoundingBoxFormat) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sides of boxes and their corners."""
    corners = convert(values, format, _CORNERS)
    width, height = convert(corners, _CORNERS, _FIRST).unbind(-1)[2:4]
    return width, height, corners
