"""Sizes, crops, flips, padding, resizing and erasing.

Every function takes a PIL image or a tensor (…, C, H, W) on any device and returns the same kind.
Source: https://docs.pytorch.org/vision/stable/transforms.html#functionals
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.functions.pad import pad as pad_sides
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor
from cltorch.vision._pillow import Image, ImageOps, is_pil
from cltorch.vision.transforms.functional.convert import plain_values
from cltorch.vision.transforms.functional.resample import (
    InterpolationMode,
    interpolation_mode,
    pil_modes_mapping,
    resize_tensor,
)


def check_image(img: Any) -> bool:
    """Return whether an image is a tensor; raise TypeError where it is neither that nor a PIL image."""
    if isinstance(img, Tensor):
        if img.ndim < 2:
            raise TypeError(f"Tensor is not a torch image: it has {img.ndim} dimensions, (..., H, W) needs 2 or more.")
        return True
    if not is_pil(img):
        raise TypeError(f"Unexpected type {type(img)}: an image is a PIL image or a tensor (..., C, H, W).")
    return False


def get_dimensions(img: Any) -> list[int]:
    """Return [channels, height, width]."""
    if check_image(img):
        channels = 1 if img.ndim == 2 else int(img.shape[-3])
        return [channels, int(img.shape[-2]), int(img.shape[-1])]
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """Return [width, height]."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Return the number of channels."""
    return get_dimensions(img)[0]


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resize to (height, width), or so that the smaller edge has the given length.

    ``max_size`` bounds the longer edge in the second case. ``antialias`` matters to tensors only: PIL images are
    always filtered when they shrink, and warn where it is False. Raises ValueError for sizes that do not fit together.
    """
    return _resize(img, size, interpolation, max_size, antialias, False)


def resize_stepwise(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resize as ``resize`` does, but round bytes after each direction, as is done with PIL images."""
    return _resize(img, size, interpolation, max_size, antialias, True)


def _resize(img: Any, size: Any, interpolation: Any, max_size: Any, antialias: bool | None, stepwise: bool) -> Any:
    mode = interpolation_mode(interpolation)
    _, old_height, old_width = get_dimensions(img)
    if antialias is False and is_pil(img):
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.",
            stacklevel=callers_level(),
        )
    height, width = target_size(old_height, old_width, size, max_size)
    if (height, width) == (old_height, old_width):
        return img
    if isinstance(img, Tensor):
        # of torchvision's two kinds of resizing the older one has Lanczos's way for PIL images alone
        smooth = bool(antialias) and (stepwise or mode is not InterpolationMode.LANCZOS)
        done = resize_tensor(img, height, width, mode, smooth, stepwise)
        if img.ndim > 2 and img.shape[-3] > 1 and img.stride(-3) == 1:  # as the channels lay, so they lie again
            return done.movedim(-3, -1).contiguous().movedim(-1, -3)
        return done
    return img.resize((width, height), pil_modes_mapping[mode])


def target_size(height: int, width: int, size: Any, max_size: int | None) -> tuple[int, int]:
    if size is None or size == [None]:  # the longer edge alone is given
        if max_size is None:
            raise ValueError("max_size must be an integer when size is None")
        longer = max(height, width)
        return (max_size, int(max_size * width / height)) if height == longer else (
            int(max_size * height / width), max_size
        )  # fmt: skip
    if not isinstance(size, (int, list, tuple)):
        raise TypeError(f"Size should be int or sequence. Got {type(size)}")
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) not in (1, 2):
        raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(sizes)} element tuple/list")
    if len(sizes) == 2:
        if max_size is not None:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1."
            )
        return int(sizes[0]), int(sizes[1])
    wanted = int(sizes[0])
    if max_size is not None and max_size <= wanted:
        raise ValueError(
            f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = {size}"
        )
    short, long = min(height, width), max(height, width)
    new_short, new_long = wanted, int(wanted * long / short)
    if max_size is not None and new_long > max_size:
        new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_short, new_long) if height <= width else (new_long, new_short)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cut out a rectangle; what lies outside the image is filled with zeros."""
    if not check_image(img):
        return img.crop((left, top, left + width, top + height))
    h, w = img.shape[-2:]
    right, bottom = left + width, top + height
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return inside
    border = [
        max(min(-left, width), 0),
        max(min(right - w, width), 0),
        max(min(-top, height), 0),
        max(min(bottom - h, height), 0),
    ]
    return pad_sides(inside, border)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """Cut out the middle, padding with zeros where the image is smaller."""
    height, width = pair(output_size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        extra_w, extra_h = max(width - w, 0), max(height - h, 0)
        img = pad(img, [extra_w // 2, extra_h // 2, (extra_w + 1) // 2, (extra_h + 1) // 2])
        _, h, w = get_dimensions(img)
    return crop(img, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut out a rectangle and resize it."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Mirror left and right."""
    return _mirror(img, -1) if check_image(img) else img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Mirror top and bottom."""
    return _mirror(img, -2) if check_image(img) else img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def _mirror(img: Tensor, dim: int) -> Tensor:
    values = plain_values(img)
    if values is None:
        return img.flip(dim)
    return functions.from_numpy((values[..., ::-1] if dim == -1 else values[..., ::-1, :]).copy())


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Pad by one number on all sides, by [left/right, top/bottom] or by [left, top, right, bottom].

    ``padding_mode`` is constant (with ``fill``), edge, reflect (the edge pixel not repeated) or symmetric (repeated).
    Negative numbers crop. Raises TypeError or ValueError for arguments of another form; RuntimeError (reflect) or
    IndexError (symmetric) where a tensor is too small to be mirrored so far.
    """
    if not isinstance(padding, (numbers.Number, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    fill = 0 if fill is None else fill
    if not isinstance(fill, (numbers.Number, tuple, list, str)):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if isinstance(fill, str) and not is_pil(img):
        raise TypeError(f"Got inappropriate fill arg: {fill!r} names a colour, which PIL images alone know")
    left, top, right, bottom = sides(padding)
    if check_image(img):
        return _pad_tensor(img, left, top, right, bottom, fill, padding_mode)
    if padding_mode == "constant":
        return ImageOps.expand(img, border=(left, top, right, bottom), fill=_pil_fill(fill, img))
    _, h, w = get_dimensions(img)
    pixels = np.asarray(img)
    rows, columns = _mirrored(h, top, bottom, padding_mode), _mirrored(w, left, right, padding_mode)
    padded = Image.fromarray(np.ascontiguousarray(pixels[rows][:, columns]))
    if img.mode == "P":
        padded = padded.convert("P") if padded.mode != "P" else padded
        padded.putpalette(img.getpalette())
    return padded


def sides(padding: Any) -> tuple[int, int, int, int]:
    sides: list[Any] = [padding] if isinstance(padding, (int, float)) else list(padding)
    if not all(isinstance(p, numbers.Integral) for p in sides):
        raise TypeError(f"padding should be an integer, or a tuple or list of integers, but got {padding}")
    if len(sides) == 1:
        return sides[0], sides[0], sides[0], sides[0]
    if len(sides) == 2:
        return sides[0], sides[1], sides[0], sides[1]
    if len(sides) == 4:
        return sides[0], sides[1], sides[2], sides[3]
    raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(sides)} element tuple")


def _mirrored(n: int, before: int, after: int, mode: str) -> list[int]:
    """Return which index of a dimension of length ``n`` each index of the padded dimension shows."""
    period = {"edge": 1, "reflect": max(2 * n - 2, 1), "symmetric": 2 * n}[mode]
    out = []
    for i in range(-before, n + after):
        if mode == "edge":
            out.append(min(max(i, 0), n - 1))
        elif mode == "reflect":
            j = i % period
            out.append(j if j < n else period - j)
        else:
            j = i % period
            out.append(j if j < n else period - 1 - j)
    return out


def _check_mirror(img: Tensor, left: int, top: int, right: int, bottom: int, mode: str) -> None:
    """Raise RuntimeError or IndexError, as torchvision does, where an image is too small to be mirrored so far."""
    across, down = max(left, right), max(top, bottom)
    height, width = img.shape[-2:]
    if mode == "reflect" and (across >= width or down >= height):
        raise RuntimeError(f"a reflection of {across} by {down} pixels needs a larger image than {width} by {height}")
    if mode == "symmetric" and (across > width or down > height):
        raise IndexError(f"a mirror of {across} by {down} pixels needs a larger image than {width} by {height}")


def _pad_tensor(img: Tensor, left: int, top: int, right: int, bottom: int, fill: Any, mode: str) -> Tensor:
    if mode != "constant":
        _check_mirror(img, left, top, right, bottom, mode)
        rows = functions.tensor(_mirrored(img.shape[-2], top, bottom, mode), device=img.device)
        columns = functions.tensor(_mirrored(img.shape[-1], left, right, mode), device=img.device)
        return functions.index_select(functions.index_select(img, -2, rows), -1, columns)
    values = list(fill) if isinstance(fill, (tuple, list)) else [fill]
    if len(values) == 1:
        plain = plain_values(img)
        if plain is None or min(left, top, right, bottom) < 0:
            return pad_sides(img, [left, right, top, bottom], value=values[0])
        h, w = plain.shape[-2:]
        padded = np.full((*plain.shape[:-2], h + top + bottom, w + left + right), values[0], plain.dtype)
        padded[..., top : top + h, left : left + w] = plain
        return functions.from_numpy(padded)
    if img.ndim < 3 or len(values) != img.shape[-3]:
        raise ValueError(f"fill has {len(values)} values, the image the shape {tuple(img.shape)}")
    planes = [pad_sides(img[..., c, :, :], [left, right, top, bottom], value=v) for c, v in enumerate(values)]
    return functions.stack(planes, -3)


def _pil_fill(fill: Any, img: Any) -> Any:
    """Return a fill value in the form that PIL wants for the image's mode."""
    bands = len(img.getbands())
    if img.mode != "F":  # whole numbers, as pixels are
        fill = tuple(int(v) for v in fill) if isinstance(fill, (tuple, list)) else fill
        fill = int(fill) if isinstance(fill, float) else fill
    if isinstance(fill, (int, float)) and bands > 1:
        return (int(fill),) * bands
    if isinstance(fill, (tuple, list)):
        if len(fill) == 1:
            return tuple(fill) * bands if bands > 1 else fill[0]
        if len(fill) != bands:
            raise ValueError(
                "The number of elements in 'fill' does not match the number of channels of the image "
                f"({len(fill)} != {bands})"
            )
        return tuple(fill)
    return fill


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """Cut out the four corners and the middle: top left, top right, bottom left, bottom right, centre."""
    height, width = pair(size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        raise ValueError(f"Requested crop size {(height, width)} is bigger than input size {(h, w)}")
    corners = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width)]
    a, b, c, d = (crop(img, top, left, height, width) for top, left in corners)
    return a, b, c, d, center_crop(img, [height, width])


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """Return five crops of the image and five of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Replace the rectangle of height ``h`` and width ``w`` at row ``i``, column ``j`` of a tensor by ``v``."""
    if not isinstance(img, Tensor):
        raise TypeError(f"Tensor is expected, got {type(img)}")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out


def _setup_size(size: Any, error_msg: str) -> Any:
    """Return a number twice, one number of a sequence twice, or two as they are; ValueError for more."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if len(size) not in (1, 2):
        raise ValueError(error_msg)
    return (size[0], size[0]) if len(size) == 1 else size


def pair(size: Any, message: str = "Please provide only two dimensions (h, w) for size.") -> tuple[int, int]:
    """Return (height, width) of a number or of one or two numbers; raise ValueError for more."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if isinstance(size, str):
        raise TypeError(f"size should be a number or a sequence of numbers, got {size!r}")
    values = [int(s) for s in size]
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise ValueError(message)
    return values[0], values[1]
