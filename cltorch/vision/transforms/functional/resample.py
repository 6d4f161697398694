"""Resizing as two products with matrices of filter weights, one for each direction.

The weights are those of Pillow's resampling, so that tensors on any device give Pillow's pixels; the products are
differentiable.
"""

from __future__ import annotations

import enum
import functools
import math

import numpy as np

from cltorch import functions
from cltorch.dtypes import bool_, float32, uint8
from cltorch.tensor import Tensor


class InterpolationMode(enum.Enum):
    """Name a way of interpolating between pixels; BOX and HAMMING are for PIL images only.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.InterpolationMode.html

    >>> from cltorch.vision import transforms
    >>> transforms.InterpolationMode("bilinear")
    <InterpolationMode.BILINEAR: 'bilinear'>
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers of the filters
pil_modes_mapping = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}


def _interpolation_modes_from_int(i: int) -> InterpolationMode:
    """Return the mode of Pillow's number; raise KeyError for another one."""
    return {number: mode for mode, number in reversed(pil_modes_mapping.items())}[i]


def interpolation_mode(value: InterpolationMode | int) -> InterpolationMode:
    """Return the mode of a member or of Pillow's number; raise TypeError for anything else."""
    if isinstance(value, InterpolationMode):
        return value
    if isinstance(value, int) and value in pil_modes_mapping.values():
        return _interpolation_modes_from_int(value)
    raise TypeError(
        f"Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant, got {value}"
    )


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


@functools.lru_cache(maxsize=256)
def _weights(source: int, target: int, mode: InterpolationMode, antialias: bool, fixed: bool) -> np.ndarray:
    """Return the matrix (target, source) whose rows are the weights of the source pixels, ``fixed`` in 16 bits."""
    scale = source / target
    stretch = max(scale, 1.0) if antialias else 1.0
    cubic = mode is InterpolationMode.BICUBIC
    lanczos = mode is InterpolationMode.LANCZOS
    support = (3.0 if lanczos else 2.0 if cubic else 1.0) * stretch
    out = np.zeros((target, source))
    for i in range(target):
        centre = (i + 0.5) * scale
        if antialias:
            lo, hi = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), source)
            at = (np.arange(lo, hi) - centre + 0.5) / stretch
            w = _lanczos(at) if lanczos else _cubic(at, -0.5) if cubic else _triangle(at)
            out[i, lo:hi] = w / w.sum()
        else:
            # pixels outside count as the one at the edge
            position = centre - 0.5 if cubic else max(centre - 0.5, 0.0)
            first = math.floor(position) - (1 if cubic else 0)
            near = np.arange(first, first + (4 if cubic else 2))
            w = _cubic(near - position, -0.75) if cubic else _triangle(near - position)
            np.add.at(out[i], np.clip(near, 0, source - 1), w)
    return (_in_fixed_point(out) if fixed else out).astype(np.float32)


def _in_fixed_point(weights: np.ndarray) -> np.ndarray:
    """Round weights to multiples of the least power of two that lets the greatest fit into 16 bits."""
    bits = 22
    while bits > 0 and int(0.5 + weights.max() * 2**bits) >= 2**15:
        bits -= 1
    return np.trunc(weights * 2**bits + np.copysign(0.5, weights)) / 2**bits


def _nearest(source: int, target: int, exact: bool) -> list[int]:
    shift = 0.5 if exact else 0.0
    return [min(int((i + shift) * source / target), source - 1) for i in range(target)]


def resize_tensor(
    image: Tensor, height: int, width: int, mode: InterpolationMode, antialias: bool, stepwise: bool = False
) -> Tensor:
    """Resize (…, H, W); integers are rounded, and bytes clamped to their range.

    Raises NotImplementedError for interpolations that Pillow alone has, ValueError for Lanczos's without
    ``antialias``, RuntimeError where nothing is left.

    ``stepwise`` computes bytes as PyTorch's host and Pillow do: first in rows, then in columns, with weights in fixed
    point, and rounded to bytes both times. Otherwise they are rounded once, at the end.
    """
    if min(height, width, *image.shape[-2:]) < 1:
        raise RuntimeError(
            f"images have at least one pixel: from {tuple(image.shape[-2:])} to {(height, width)} (height, width)"
        )
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        return _pick(image, height, width, mode is InterpolationMode.NEAREST_EXACT)
    if mode is InterpolationMode.LANCZOS and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC, InterpolationMode.LANCZOS):
        raise NotImplementedError(
            f"tensors are interpolated by nearest, bilinear, bicubic or lanczos: got {mode.value}"
        )
    old_height, old_width = image.shape[-2:]
    stepwise = stepwise and image.dtype is uint8
    x = image if image.is_floating_point() else image.to(float32)
    # the direction that shrinks more goes first, which is cheaper, unless the result depends on the order
    down_first = not stepwise and height * old_width < width * old_height
    for down in (down_first, not down_first):
        if down and height != old_height:
            weights = functions.from_numpy(_weights(old_height, height, mode, antialias, stepwise))
            x = weights.to(x.device, x.dtype) @ x
        elif not down and width != old_width:
            weights = functions.from_numpy(_weights(old_width, width, mode, antialias, stepwise).T.copy())
            x = x @ weights.to(x.device, x.dtype)
        if stepwise:
            x = x.add(0.5).floor().clamp(0, 255)
    if stepwise or image.is_floating_point() or image.dtype is bool_:
        return x.to(image.dtype)
    return (x.clamp(0, 255) if image.dtype is uint8 else x).round().to(image.dtype)


def _pick(image: Tensor, height: int, width: int, exact: bool) -> Tensor:
    rows = functions.tensor(_nearest(image.shape[-2], height, exact), device=image.device)
    columns = functions.tensor(_nearest(image.shape[-1], width, exact), device=image.device)
    return functions.index_select(functions.index_select(image, -2, rows), -1, columns)
