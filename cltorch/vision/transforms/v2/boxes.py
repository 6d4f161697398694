"""What transforms of an image make of the boxes in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.dtypes import float32
from cltorch.tensor import Tensor
from cltorch.vision.ops.boxes import box_convert
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.v2 import points, rotated
from cltorch.vision.transforms.v2.dispatch import is_pure_tensor
from cltorch.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, is_rotated_bounding_format, wrap


def convert_bounding_box_format(
    inpt: Any, old_format: Any = None, new_format: BoundingBoxFormat | str | None = None, inplace: bool = False
) -> Any:
    """Return boxes in another format; a plain tensor needs ``old_format`` too. ``inplace`` writes over it."""
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = _format(new_format)
    if isinstance(inpt, BoundingBoxes):
        if old_format is not None:
            raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
        old = inpt.format
    elif not is_pure_tensor(inpt):
        raise TypeError(f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead")
    elif old_format is None:
        raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
    else:
        old = _format(old_format)
    if old is new and not isinstance(inpt, BoundingBoxes):
        return inpt
    converted = _as(inpt, old, new)
    if inplace and converted.shape == inpt.shape:
        plain = inpt.as_subclass(Tensor).copy_(converted)
        converted = plain if isinstance(inpt, BoundingBoxes) else inpt
    return wrap(converted, like=inpt, **({"format": new} if isinstance(inpt, BoundingBoxes) else {}))


def _format(format: BoundingBoxFormat | str) -> BoundingBoxFormat:
    return BoundingBoxFormat[format.upper()] if isinstance(format, str) else format


def _as(values: Tensor, old: BoundingBoxFormat, new: BoundingBoxFormat) -> Tensor:
    plain = values.as_subclass(Tensor)
    if old is new:
        return plain
    if is_rotated_bounding_format(old) != is_rotated_bounding_format(new):
        raise ValueError("Cannot convert between rotated and unrotated bounding boxes.")
    if is_rotated_bounding_format(old):
        return rotated.convert(plain, old, new)
    if plain.is_floating_point():
        return box_convert(plain, old.value.lower(), new.value.lower())
    # whole numbers stay whole: by way of the corners, cut off, with the centre rounded down
    corners = box_convert(plain.to(float32), old.value.lower(), "xyxy").to(plain.dtype)
    return box_convert(corners.to(float32), "xyxy", new.value.lower()).floor().to(plain.dtype)


def clamp_bounding_boxes(
    inpt: Any, format: Any = None, canvas_size: tuple[int, int] | None = None, clamping_mode: str | None = "auto"
) -> Any:
    """Return boxes cut at the edges of their canvas; a plain tensor needs ``format`` and ``canvas_size``.

    ``clamping_mode`` is "soft" or "hard", which are the same for boxes along the axes, None, which leaves the boxes as
    they are, or "auto", the boxes' own.
    """
    if clamping_mode not in (None, "soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if not isinstance(inpt, BoundingBoxes):
        if type(inpt) is not Tensor:
            raise TypeError(
                f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead"
            )
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError(
                "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed: clamping_mode "
                "cannot be 'auto'."
            )
        flat = inpt.reshape(-1, inpt.shape[-1])
        boxes = BoundingBoxes(flat, format=_format(format), canvas_size=canvas_size, clamping_mode=clamping_mode)
        return clamp_bounding_boxes(boxes).as_subclass(Tensor).reshape(inpt.shape)
    if format is not None or canvas_size is not None:
        raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.")
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    if is_rotated_bounding_format(inpt.format):
        return wrap(rotated.clamp(wrap(inpt, like=inpt, clamping_mode=mode)), like=inpt)
    cut = _moved(wrap(inpt, like=inpt, clamping_mode=mode), lambda x: x, inpt.canvas_size, clamp=True)
    return wrap(cut, like=inpt)


def _moved(boxes: Any, change: Callable[[Tensor], Tensor], canvas: tuple[int, int], clamp: bool = False) -> Any:
    """Return boxes whose corners (x, y, x, y) are changed, in their own format and dtype."""
    plain = boxes.as_subclass(Tensor)
    plain = plain if plain.is_floating_point() else plain.to(float32)  # whole numbers are cut off at the end alone
    corners = change(_as(plain, boxes.format, BoundingBoxFormat.XYXY))
    if clamp and boxes.clamping_mode is not None:
        height, width = canvas
        x, y = corners[:, 0::2].clamp(0, width), corners[:, 1::2].clamp(0, height)
        corners = functions.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)
    out = _as(corners, BoundingBoxFormat.XYXY, boxes.format).to(boxes.dtype)
    return wrap(out, like=boxes, canvas_size=canvas)


def _row(values: Sequence[float], boxes: Any) -> Tensor:
    return functions.tensor(list(values), dtype=boxes.dtype, device=boxes.device)


def horizontal_flip(boxes: Any) -> Any:
    if is_rotated_bounding_format(boxes.format):
        return rotated.horizontal_flip(boxes)
    width = boxes.canvas_size[1]
    return _moved(
        boxes, lambda x: functions.stack([width - x[:, 2], x[:, 1], width - x[:, 0], x[:, 3]], 1), boxes.canvas_size
    )


def vertical_flip(boxes: Any) -> Any:
    if is_rotated_bounding_format(boxes.format):
        return rotated.vertical_flip(boxes)
    height = boxes.canvas_size[0]
    return _moved(
        boxes, lambda x: functions.stack([x[:, 0], height - x[:, 3], x[:, 2], height - x[:, 1]], 1), boxes.canvas_size
    )


def crop(boxes: Any, top: int, left: int, height: int, width: int) -> Any:
    if is_rotated_bounding_format(boxes.format):
        return rotated.shifted(boxes, -left, -top, (height, width), True)
    return _moved(boxes, lambda x: x - _row([left, top, left, top], boxes), (height, width), clamp=True)


def center_crop(boxes: Any, output_size: Any) -> Any:
    (height, width), (h, w) = F.pair(output_size), boxes.canvas_size
    return crop(boxes, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def resize(
    boxes: Any, size: Any, interpolation: Any = None, max_size: int | None = None, antialias: bool | None = True
) -> Any:
    h, w = boxes.canvas_size
    height, width = F.target_size(h, w, size, max_size)
    if (height, width) == (h, w):
        return boxes
    if is_rotated_bounding_format(boxes.format):
        return rotated.resized(boxes, height, width)
    # in every format the numbers stand for x and y by turns
    ratios = functions.tensor([width / w, height / h] * 2, dtype=float32, device=boxes.device)
    return wrap((boxes.as_subclass(Tensor) * ratios).to(boxes.dtype), like=boxes, canvas_size=(height, width))


def resized_crop(
    boxes: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = None,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    return resize(crop(boxes, top, left, height, width), size)


def pad(boxes: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    left, top, right, bottom = F.sides(padding)
    h, w = boxes.canvas_size
    canvas = (h + top + bottom, w + left + right)
    if is_rotated_bounding_format(boxes.format):
        return rotated.shifted(boxes, left, top, canvas, False)
    return _moved(boxes, lambda x: x + _row([left, top, left, top], boxes), canvas, clamp=True)


def affine(
    boxes: Any, angle: float, translate: Sequence[int], scale: float, shear: Any, interpolation: Any = None,
    fill: Any = None, center: Any = None,
) -> Any:  # fmt: skip
    canvas = boxes.canvas_size
    return _around(boxes, points.affine_map(canvas, angle, translate, scale, shear, center), canvas)


def rotate(
    boxes: Any, angle: float, interpolation: Any = None, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    return _around(boxes, *points.turned(boxes.canvas_size, angle, expand, center))


def perspective(
    boxes: Any, startpoints: Any, endpoints: Any, interpolation: Any = None, fill: Any = None, coefficients: Any = None
) -> Any:
    return _around(boxes, points.projected(startpoints, endpoints, coefficients), boxes.canvas_size, "before")


def elastic(boxes: Any, displacement: Tensor, interpolation: Any = None, fill: Any = None) -> Any:
    change = points.deformed(displacement, boxes.canvas_size)
    if is_rotated_bounding_format(boxes.format):
        return rotated.deformed(boxes, change)
    # as in torchvision, the pixels that tell are those below and to the right of the corners
    return _around(boxes, lambda x, y: change(x.ceil(), y.ceil()), boxes.canvas_size, "before and after")


def _around(boxes: Any, change: points.Map, canvas: tuple[int, int], cut: str = "") -> Any:
    """Return the boxes around the places that the four corners go to.

    Of boxes of whole numbers the corners are cut off "before", or "before and after" as well.
    """
    if is_rotated_bounding_format(boxes.format):
        return rotated.moved(boxes, change, canvas)
    whole = None if boxes.is_floating_point() else boxes.dtype

    def hull(corners: Tensor) -> Tensor:
        corners = corners.trunc() if whole and cut else corners
        x, y = change(*(functions.stack([corners[:, i] for i in at], 1) for at in ((0, 2, 2, 0), (1, 1, 3, 3))))
        found = functions.stack([x.amin(1), y.amin(1), x.amax(1), y.amax(1)], 1)
        return found.to(whole) if whole and cut == "before and after" else found

    return _moved(boxes, hull, canvas, clamp=True)


def sanitize_bounding_boxes(
    bounding_boxes: Any, format: Any = None, canvas_size: tuple[int, int] | None = None, min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Any, Tensor]:  # fmt: skip
    """Return the boxes (N, 4) that lie in the image and are not too small, and which of them do.

    A side must be at least ``min_size`` long, the area at least ``min_area``. Plain tensors need ``format`` and
    ``canvas_size`` (height, width); BoundingBoxes have them. Raises ValueError for anything else.
    """
    if not isinstance(bounding_boxes, BoundingBoxes) and not is_pure_tensor(bounding_boxes):
        raise ValueError("bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor.")
    if isinstance(bounding_boxes, BoundingBoxes):
        if format is not None or canvas_size is not None:
            raise ValueError(
                "For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed: they are taken from "
                "the boxes."
            )
        format, canvas_size = bounding_boxes.format, bounding_boxes.canvas_size
    elif format is None or canvas_size is None:
        raise ValueError("For pure tensor inputs, `format` and `canvas_size` have to be passed.")
    height, width = canvas_size
    kind, plain = _format(format), bounding_boxes.as_subclass(Tensor)
    if is_rotated_bounding_format(kind):
        across, down, corners = rotated.lengths(plain, kind)
    else:
        corners = _as(plain, kind, BoundingBoxFormat.XYXY)
        across, down = (corners[:, 2:] - corners[:, :2]).unbind(1)
    kept = (across >= min_size) & (down >= min_size) & (across * down >= min_area) & (corners >= 0).all(1)
    kept &= (corners[:, 0::2] <= width).all(1) & (corners[:, 1::2] <= height).all(1)
    return wrap(bounding_boxes.as_subclass(Tensor)[kept], like=bounding_boxes), kept
