"""Rotation, affine and perspective maps, and elastic deformation.

Every function takes a PIL image or a tensor (…, C, H, W) on any device and returns the same kind. Tensors know
interpolation by the nearest pixel and by the four around, elastic deformation by the sixteen around too.
Source: https://docs.pytorch.org/vision/stable/transforms.html#functionals
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import float32, float64
from cltorch.tensor import Tensor
from cltorch.vision._pillow import Image, is_pil
from cltorch.vision.transforms.functional.convert import pil_to_tensor, to_pil_image
from cltorch.vision.transforms.functional.geometry import check_image, get_dimensions
from cltorch.vision.transforms.functional.resample import InterpolationMode, interpolation_mode, pil_modes_mapping
from cltorch.vision.transforms.functional.sample import affine_grid, check_sampling, perspective_grid, sample


def _fill_color(fill: Any, img: Any) -> Any:
    """Return what PIL fills with, for the image's mode."""
    bands = len(img.getbands())
    values = [0] if fill is None else list(fill) if isinstance(fill, (list, tuple)) else [fill]
    if len(values) == 1:
        values = values * bands
    if len(values) != bands:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {bands})"
        )
    if img.mode != "F":
        values = [int(v) for v in values]
    return tuple(values) if bands > 1 else values[0]


def _get_inverse_affine_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """Return (a … f) that say where a pixel of the result comes from.

    The image is sheared by ``shear`` degrees in x and y, turned by ``angle`` degrees, and scaled, all around
    ``center``, and then moved by ``translate``.
    """
    turn, shear_x, shear_y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    b = -a * math.tan(shear_x) - math.sin(turn)
    d = -c * math.tan(shear_x) + math.cos(turn)
    # the inverse of [[a, b], [c, d]], whose determinant is 1
    m = [v / scale for v in (d, -b, -c, a)]
    x, y = -cx - tx, -cy - ty
    return [m[0], m[1], m[0] * x + m[1] * y + cx, m[2], m[3], m[2] * x + m[3] * y + cy]


def _from_middle(center: Any, img: Tensor) -> list[float]:
    if center is None:
        return [0.0, 0.0]
    _, height, width = get_dimensions(img)
    return [center[0] - width * 0.5, center[1] - height * 0.5]


def _grid_dtype(img: Tensor) -> Any:
    return float64 if img.dtype is float64 else float32


def _check_center(angle: Any, center: Any) -> None:
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")


def rotate(
    img: Any, angle: float, interpolation: InterpolationMode | int = InterpolationMode.NEAREST, expand: bool = False,
    center: Sequence[int] | None = None, fill: Any = None,
) -> Any:  # fmt: skip
    """Turn by ``angle`` degrees against the clock around ``center`` (x, y), the middle if not given.

    ``expand`` makes the result as large as the turned image; ``fill`` is what comes in from outside.
    """
    mode = interpolation_mode(interpolation)
    _check_center(angle, center)
    if not check_image(img):
        return img.rotate(angle, pil_modes_mapping[mode], expand, center, fillcolor=_fill_color(fill, img))
    check_sampling(img, mode, fill)
    matrix = _get_inverse_affine_matrix(_from_middle(center, img), -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    size = (int(img.shape[-2]), int(img.shape[-1]))
    out = expanded(matrix, size) if expand else size
    return sample(img, affine_grid(matrix, size, out, _grid_dtype(img)), mode, fill)


def expanded(matrix: Sequence[float], size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of the turned image, as PIL reckons it."""
    height, width = size
    half = np.array([width * 0.5, height * 0.5], np.float32)
    corners = np.array([[-1, -1, 1], [-1, 1, 1], [1, 1, 1], [1, -1, 1]], np.float32) * np.append(half, np.float32(1))
    turned = corners @ np.array(matrix, np.float32).reshape(2, 3).T + half
    tolerance = np.float32(1e-4)  # what is less than that above a whole number is not a further pixel
    high = np.ceil(np.trunc(turned.max(0) / tolerance) * tolerance)
    low = np.floor(np.trunc(turned.min(0) / tolerance) * tolerance)
    return int((high - low)[1]), int((high - low)[0])


def checked_affine(angle: Any, translate: Any, scale: Any, shear: Any, center: Any) -> list[float]:
    """Return the shear along x and along y; raise TypeError or ValueError for arguments of another form."""
    _check_center(angle, center)
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shears: list[Any] = (
        [shear, 0.0] if not isinstance(shear, (list, tuple)) else list(shear) * (2 if len(shear) == 1 else 1)
    )
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shears}")
    return shears


def affine(
    img: Any, angle: float, translate: Sequence[int], scale: float, shear: Any,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST, fill: Any = None,
    center: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """Turn by ``angle`` degrees with the clock, move, scale and shear, around ``center`` (x, y) or the middle.

    ``shear`` is in degrees, along x or (x, y). Raises TypeError or ValueError for arguments of another form.
    """
    mode = interpolation_mode(interpolation)
    shears = checked_affine(angle, translate, scale, shear, center)
    if not check_image(img):
        middle = [img.width * 0.5, img.height * 0.5] if center is None else center
        matrix = _get_inverse_affine_matrix(middle, angle, translate, scale, shears)
        kind = Image.Transform.AFFINE
        return img.transform(img.size, kind, matrix, pil_modes_mapping[mode], fillcolor=_fill_color(fill, img))
    check_sampling(img, mode, fill)
    matrix = _get_inverse_affine_matrix(_from_middle(center, img), angle, translate, scale, shears)
    size = (int(img.shape[-2]), int(img.shape[-1]))
    return sample(img, affine_grid(matrix, size, size, _grid_dtype(img)), mode, fill)


def _get_perspective_coeffs(startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]) -> list[float]:
    """Return (a … h) that bring each of four ``endpoints`` to its starting point; ValueError unless there are four."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    right = np.array(startpoints, np.float64).reshape(8)
    found = np.linalg.lstsq(np.array(rows, np.float64), right, rcond=None)[0]
    return [float(v) for v in found.astype(np.float32)]


def perspective(
    img: Any, startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR, fill: Any = None,
) -> Any:  # fmt: skip
    """Bring four points (x, y) of the image to four others, straight lines staying straight."""
    return project(img, _get_perspective_coeffs(startpoints, endpoints), interpolation, fill)


def project(
    img: Any, coefficients: Sequence[float], interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:  # fmt: skip
    """Show at each (x, y) the pixel at ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1))."""
    mode = interpolation_mode(interpolation)
    if not check_image(img):
        kind = Image.Transform.PERSPECTIVE
        return img.transform(img.size, kind, coefficients, pil_modes_mapping[mode], fillcolor=_fill_color(fill, img))
    check_sampling(img, mode, fill)
    size = (int(img.shape[-2]), int(img.shape[-1]))
    return sample(img, perspective_grid(coefficients, size, _grid_dtype(img)), mode, fill)


def check_displacement(displacement: Any, height: int, width: int) -> None:
    """Raise TypeError for what is no tensor, ValueError for one that does not fit an image of that size."""
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {tuple(displacement.shape)}"
        )


def elastic_transform(
    img: Any, displacement: Tensor, interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:  # fmt: skip
    """Move each pixel's place of origin by ``displacement`` (1, H, W, 2), in halves of the image's width and height.

    Raises TypeError for a displacement that is not a tensor, ValueError for one of another shape.
    """
    if isinstance(interpolation, int):
        warnings.warn(
            "Argument interpolation should be of type InterpolationMode instead of int. "
            "Please, use InterpolationMode enum.", stacklevel=2,
        )  # fmt: skip
    mode = interpolation_mode(interpolation)
    if not isinstance(img, Tensor):
        if not is_pil(img):
            raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
        return to_pil_image(elastic_transform(pil_to_tensor(img), displacement, mode, fill), mode=img.mode)
    height, width = img.shape[-2:]
    check_displacement(displacement, height, width)
    check_sampling(img, mode, fill, cubic=True)
    columns, rows = (np.linspace((1 - n) / n, (n - 1) / n, n, dtype=np.float32) for n in (width, height))
    still = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), -1)[None]
    grid = functions.from_numpy(still).to(displacement.device) + displacement
    return sample(img, grid, mode, fill)
