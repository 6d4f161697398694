"""What transforms of an image make of points in it: key points, and the corners of boxes.

A map takes x and y, tensors of one shape, and returns the new ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.dtypes import float32, int64
from cltorch.tensor import Tensor
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional import warp
from cltorch.vision.tv_tensors import KeyPoints, TVTensor, wrap

Map = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


# ---- maps --------------------------------------------------------------------------------------------------------
def shifted(right: float, down: float) -> Map:
    """Return the map that adds to x and y."""
    return lambda x, y: (x + right, y + down)


def stretched(canvas: tuple[int, int], height: int, width: int) -> Map:
    """Return the map of an image of (height, width) to another size."""
    return lambda x, y: (x * (width / canvas[1]), y * (height / canvas[0]))


def straight(inverse: Sequence[float], move: tuple[float, float] = (0.0, 0.0)) -> Map:
    """Return the map of which (a … f) are the inverse, x = a u + b v + c and y = d u + e v + f, followed by ``move``.

    Raises ValueError where there is no such map.
    """
    a, b, c, d, e, f = inverse
    size = a * e - b * d
    if math.isclose(size, 0.0):
        raise ValueError("a map that flattens the image moves no points")

    def change(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        u, v = (e * (x - c) - b * (y - f)) / size, (a * (y - f) - d * (x - c)) / size
        return u + move[0], v + move[1]

    return change


def affine_map(canvas: tuple[int, int], angle: float, translate: Any, scale: float, shear: Any, center: Any) -> Map:
    """Return what ``affine`` does to points of an image of (height, width)."""
    shears = warp.checked_affine(angle, translate, scale, shear, center)
    middle = [canvas[1] * 0.5, canvas[0] * 0.5] if center is None else center
    return straight(warp._get_inverse_affine_matrix(middle, angle, translate, scale, shears))


def turned(canvas: tuple[int, int], angle: float, expand: bool, center: Any) -> tuple[Map, tuple[int, int]]:
    """Return what ``rotate`` does to points of an image of (height, width), and the size of the turned image."""
    h, w = canvas
    middle = [w * 0.5, h * 0.5] if center is None or expand else center
    matrix = warp._get_inverse_affine_matrix(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    if not expand:
        return straight(matrix), canvas
    if angle % 90 == 0:
        size = (w, h) if angle % 180 else (h, w)
    else:
        size = warp.expanded(warp._get_inverse_affine_matrix([0, 0], -angle, [0, 0], 1.0, [0, 0]), canvas)
    # the turned image begins at the edge of the larger one
    across, down = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width, height = across * w + down * h, down * w + across * h
    return straight(matrix, ((width - w) / 2, (height - h) / 2)), size


def checked_perspective(startpoints: Any, endpoints: Any, coefficients: Any) -> Sequence[float]:
    """Return the eight coefficients of a perspective; raise ValueError unless it is given in one way."""
    given = startpoints is not None and endpoints is not None
    if coefficients is None:
        if not given:
            raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
        return warp._get_perspective_coeffs(startpoints, endpoints)
    if given:
        raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.")
    if len(coefficients) != 8:
        raise ValueError("Argument coefficients should have 8 float values")
    return coefficients


def projected(startpoints: Any, endpoints: Any, coefficients: Any) -> Map:
    """Return what ``perspective`` does to points; ``coefficients`` are those of its inverse.

    Raises ValueError where the map has no inverse.
    """
    a, b, c, d, e, f, g, h = checked_perspective(startpoints, endpoints, coefficients)
    if math.isclose(a * e - b * d, 0.0):
        raise ValueError("a map that flattens the image moves no points")
    # the adjoint of [[a, b, c], [d, e, f], [g, h, 1]] is its inverse up to a factor, which drops out
    top = (e - f * h, c * h - b, b * f - c * e)
    middle = (f * g - d, a - c * g, c * d - a * f)
    below = (d * h - e * g, b * g - a * h, a * e - b * d)

    def change(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        u, v, w = (p * x + q * y + r for p, q, r in (top, middle, below))
        return u / w, v / w

    return change


def deformed(displacement: Tensor, canvas: tuple[int, int]) -> Map:
    """Return what ``elastic`` does to points: the pixel that each lies in goes where it is shown."""
    height, width = canvas
    warp.check_displacement(displacement, height, width)

    def change(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        column, row = x.to(int64).clamp(0, width - 1), y.to(int64).clamp(0, height - 1)
        move = displacement.to(x.device)[0, row, column]
        return column - move[..., 0] * (width / 2), row - move[..., 1] * (height / 2)

    return change


# ---- key points --------------------------------------------------------------------------------------------------
def _moved(points: Any, change: Map, canvas: tuple[int, int]) -> Any:
    plain = points.as_subclass(Tensor)
    x, y = (plain if plain.is_floating_point() else plain.to(float32)).unbind(-1)
    return wrap(functions.stack(change(x, y), -1).to(points.dtype), like=points, canvas_size=canvas)


def horizontal_flip(points: Any) -> Any:
    return _moved(points, lambda x, y: (points.canvas_size[1] - 1 - x, y), points.canvas_size)


def vertical_flip(points: Any) -> Any:
    return _moved(points, lambda x, y: (x, points.canvas_size[0] - 1 - y), points.canvas_size)


def crop(points: Any, top: int, left: int, height: int, width: int) -> Any:
    return _moved(points, shifted(-left, -top), (height, width))


def center_crop(points: Any, output_size: Any) -> Any:
    (height, width), (h, w) = F.pair(output_size), points.canvas_size
    return crop(points, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def resize(
    points: Any, size: Any, interpolation: Any = None, max_size: int | None = None, antialias: bool | None = True
) -> Any:
    h, w = points.canvas_size
    height, width = F.target_size(h, w, size, max_size)
    return _moved(points, stretched((h, w), height, width), (height, width))


def resized_crop(
    points: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = None,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    return resize(crop(points, top, left, height, width), size)


def pad(points: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with KeyPoints")
    left, top, right, bottom = F.sides(padding)
    h, w = points.canvas_size
    return _moved(points, shifted(left, top), (h + top + bottom, w + left + right))


def affine(
    points: Any, angle: float, translate: Sequence[int], scale: float, shear: Any, interpolation: Any = None,
    fill: Any = None, center: Any = None,
) -> Any:  # fmt: skip
    canvas = points.canvas_size
    return _moved(points, affine_map(canvas, angle, translate, scale, shear, center), canvas)


def rotate(
    points: Any, angle: float, interpolation: Any = None, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    return _moved(points, *turned(points.canvas_size, angle, expand, center))


def perspective(
    points: Any, startpoints: Any, endpoints: Any, interpolation: Any = None, fill: Any = None, coefficients: Any = None
) -> Any:
    return _moved(points, projected(startpoints, endpoints, coefficients), points.canvas_size)


def elastic(points: Any, displacement: Tensor, interpolation: Any = None, fill: Any = None) -> Any:
    return _moved(points, deformed(displacement, points.canvas_size), points.canvas_size)


def _canvas(points: Any, canvas_size: Any) -> Any:
    if isinstance(points, KeyPoints):
        if canvas_size is not None:
            raise ValueError("For KeyPoints tv_tensor inputs, `canvas_size` must not be passed.")
        return points.canvas_size
    if type(points) is not Tensor:
        raise TypeError(f"Input can either be a plain tensor or a keypoints tv_tensor, but got {type(points)} instead")
    if canvas_size is None:
        raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    return canvas_size


def clamp_keypoints(inpt: Any, canvas_size: tuple[int, int] | None = None) -> Any:
    """Return points (…, 2) moved into their image; plain tensors need ``canvas_size`` (height, width)."""
    height, width = _canvas(inpt, canvas_size)
    x, y = inpt.as_subclass(Tensor).unbind(-1)
    return wrap(functions.stack([x.clamp(0, width - 1), y.clamp(0, height - 1)], -1), like=inpt)


def sanitize_keypoints(key_points: Any, canvas_size: tuple[int, int] | None = None) -> tuple[Any, Tensor]:
    """Return the points (N, …, 2) that lie in the image, all of an entry, and which of them do.

    Raises ValueError for what is neither KeyPoints nor a plain tensor.
    """
    if isinstance(key_points, TVTensor) != isinstance(key_points, KeyPoints) or not isinstance(key_points, Tensor):
        raise ValueError("key_points must be a tv_tensors.KeyPoints instance or a pure tensor.")
    height, width = _canvas(key_points, canvas_size)
    plain = key_points.as_subclass(Tensor)
    x, y = plain[..., 0], plain[..., 1]
    kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    while kept.ndim > 1:
        kept = kept.all(-1)
    return wrap(plain[kept], like=key_points), kept
