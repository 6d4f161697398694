"""Reading an image at places between its pixels.

A grid says for each pixel of the result where to look: -1 and 1 are the outer edges of the first and the last pixel.
Grids are made on the host from a few numbers; the pixels stay where they are. ``grid_sample`` would give the same
values, and gradients for the grid, but takes up to twice as long on the host, where images are mostly prepared.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import float32, float64, int64
from cltorch.tensor import Tensor
from cltorch.vision.transforms.functional.convert import whole
from cltorch.vision.transforms.functional.resample import InterpolationMode


def check_sampling(img: Tensor, mode: InterpolationMode, fill: Any, cubic: bool = False) -> None:
    """Raise ValueError where tensors cannot be interpolated so, or ``fill`` has not one number for each channel.

    ``cubic`` says that they may be by the sixteen pixels around.
    """
    channels = img.shape[-3] if img.ndim > 2 else 1
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        warnings.warn("Argument fill should be either int, float, tuple or list", stacklevel=3)
    if isinstance(fill, (tuple, list)) and len(fill) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(fill)} != {channels})"
        )
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR) and not (
        cubic and mode is InterpolationMode.BICUBIC
    ):
        raise ValueError(f"Interpolation mode '{mode.value}' is unsupported with Tensor input")


def sample(img: Tensor, grid: Tensor, mode: InterpolationMode, fill: Any) -> Tensor:
    """Return (…, C, h, w) of the image (…, C, H, W) at the (x, y) of ``grid`` (1, h, w, 2), ``fill`` outside of it."""
    height, width = img.shape[-2:]
    # further out there is nothing but ``fill`` either
    x = ((grid[0, ..., 0] + 1) * (width / 2) - 0.5).clamp(-3.0, width + 2.0)
    y = ((grid[0, ..., 1] + 1) * (height / 2) - 0.5).clamp(-3.0, height + 2.0)
    outside = _outside(img, fill)
    flat = img.reshape(*img.shape[:-2], height * width)

    def read(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        index = row.clamp(0, height - 1).to(int64) * width + column.clamp(0, width - 1).to(int64)
        found = functions.index_select(flat, -1, index.reshape(-1).to(img.device))
        return found.reshape(*img.shape[:-2], *index.shape), inside

    if mode is InterpolationMode.NEAREST:
        pixels, inside = read(x.round(), y.round())
        if not img.is_floating_point():
            outside = outside.round()
        return functions.where(inside.to(img.device), pixels, outside.to(img.dtype))
    dtype = img.dtype if img.dtype in (float32, float64) else float32
    total: Any = 0.0
    share: Any = 0.0
    columns = _neighbours(x, mode)
    for row, weight_y in _neighbours(y, mode):
        for column, weight_x in columns:
            pixels, inside = read(column, row)
            weight = functions.where(inside, weight_x * weight_y, 0.0).to(img.device, dtype)
            total, share = total + pixels.to(dtype) * weight, share + weight
    if fill is not None:
        total = total * share + (1.0 - share) * outside
    return whole(total, img.dtype)


def _neighbours(place: Tensor, mode: InterpolationMode) -> list[tuple[Tensor, Tensor]]:
    """Return the whole numbers around each place of one axis, and their weights."""
    first = place.floor()
    part = place - first
    if mode is InterpolationMode.BILINEAR:
        return [(first, 1 - part), (first + 1, part)]
    # Keys's cubic convolution with a = -3/4
    near, far = (
        lambda d: (1.25 * d - 2.25) * d * d + 1,
        lambda d: ((-0.75 * d + 3.75) * d - 6) * d + 3,
    )
    return [(first - 1, far(part + 1)), (first, near(part)), (first + 1, near(1 - part)), (first + 2, far(2 - part))]


def _outside(img: Tensor, fill: Any) -> Tensor:
    """Return what lies outside, one number or one for each channel, as floats."""
    values = [0.0] if fill is None else [float(f) for f in (fill if isinstance(fill, Sequence) else [fill])]
    dtype = float64 if img.dtype is float64 else float32
    out = functions.tensor(values, dtype=dtype, device=img.device)
    return out.view(-1, 1, 1) if img.ndim > 2 else out


def affine_grid(matrix: Sequence[float], size: tuple[int, int], out: tuple[int, int], dtype: Any) -> Tensor:
    """Return the grid of (a, b, c, d, e, f): x = a i + b j + c, y = d i + e j + f, from the middle of the images.

    ``size`` and ``out`` are (height, width) of the image and of the result.
    """
    real = np.float64 if dtype is float64 else np.float32
    theta = np.array(matrix, real).reshape(2, 3).T / np.array([0.5 * size[1], 0.5 * size[0]], real)
    return _grid(_places(out, -0.5 * out[1] + 0.5, -0.5 * out[0] + 0.5, real) @ theta)


def perspective_grid(coefficients: Sequence[float], size: tuple[int, int], dtype: Any) -> Tensor:
    """Return the grid of (a … h): x = (a i + b j + c) / (g i + h j + 1), y = (d i + e j + f) / (g i + h j + 1)."""
    real = np.float64 if dtype is float64 else np.float32
    a, b, c, d, e, f, g, h = coefficients
    places = _places(size, 0.5, 0.5, real)
    above = places @ (np.array([[a, b, c], [d, e, f]], real).T / np.array([0.5 * size[1], 0.5 * size[0]], real))
    below = places @ np.array([[g, h, 1.0]], real).T
    with np.errstate(divide="ignore", invalid="ignore"):
        # a place at infinity is outside
        return _grid(np.nan_to_num(above / below - real(1), nan=-9.0, posinf=9.0, neginf=-9.0))


def _places(size: tuple[int, int], first_x: float, first_y: float, real: Any) -> np.ndarray:
    """Return (x, y, 1) of each pixel, whose first one lies at (first_x, first_y)."""
    places = np.ones((*size, 3), real)
    places[..., 0] = first_x + np.arange(size[1])
    places[..., 1] = (first_y + np.arange(size[0]))[:, None]
    return places


def _grid(values: np.ndarray) -> Tensor:
    return functions.from_numpy(np.ascontiguousarray(values)[None])
