"""Transforms as functions of images, masks and boxes: torchvision.transforms.v2.functional.

Plain tensors and PIL images are images. Masks follow changes of place by the nearest pixel, boxes by their corners,
key points by themselves. Raises TypeError for anything else, and where only the colours of images can change.
Source: https://docs.pytorch.org/vision/0.28/transforms.html#functionals
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from functools import wraps
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import dtype as Dtype
from cltorch.dtypes import float32, iinfo, int16, uint8
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor
from cltorch.vision._pillow import Image as PIL
from cltorch.vision._pillow import is_pil
from cltorch.vision.io.image import decode_jpeg, encode_jpeg
from cltorch.vision.transforms.functional import blur, color, convert, geometry, warp
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.v2 import boxes, kernels, points
from cltorch.vision.transforms.v2.boxes import (
    clamp_bounding_boxes,
    convert_bounding_box_format,
    sanitize_bounding_boxes,
)
from cltorch.vision.transforms.v2.dispatch import Function as _Fn
from cltorch.vision.transforms.v2.dispatch import another_form, answering, is_pure_tensor, register_kernel, several
from cltorch.vision.transforms.v2.dispatch import dispatch as _dispatch
from cltorch.vision.transforms.v2.dispatch import forms as _forms
from cltorch.vision.transforms.v2.points import clamp_keypoints, sanitize_keypoints
from cltorch.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video, wrap


def _mode(interpolation: Any) -> Any:
    """Return an interpolation mode, or Pillow's number for one; its name does too. ValueError for anything else."""
    if isinstance(interpolation, str):
        names = [mode.value for mode in InterpolationMode]
        if interpolation not in names:
            raise ValueError(f"Invalid interpolation mode: '{interpolation}'. Supported string values are: {names}.")
        return InterpolationMode(interpolation)
    if not isinstance(interpolation, (InterpolationMode, int)):
        raise ValueError(
            "Argument interpolation should be an `InterpolationMode` or a corresponding Pillow integer constant, but "
            f"got {interpolation}."
        )
    return interpolation


def _named_mode(fn: _Fn, position: int) -> _Fn:
    """Return a function that takes interpolations by their names too; ``position`` is where the interpolation is."""

    @wraps(fn)
    def function(image: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > position:
            args = (*args[:position], _mode(args[position]), *args[position + 1 :])
        elif "interpolation" in kwargs:
            kwargs["interpolation"] = _mode(kwargs["interpolation"])
        return fn(image, *args, **kwargs)

    return function


def _nearest(fn: _Fn, position: int, chooses: bool) -> _Fn:
    """Return a function of masks: the one of images, by the nearest pixel; ``position`` is that of interpolation.

    Where it ``chooses``, the interpolation tells which of the two ways to find the nearest one is meant.
    """

    def function(mask: Tensor, *args: Any, **kwargs: Any) -> Any:
        # whatever interpolation is asked for, no class between two others comes out
        mode = args[position] if len(args) > position else kwargs.get("interpolation")
        exact = chooses and mode is not None and _mode(mode) is InterpolationMode.NEAREST_EXACT
        mode = InterpolationMode.NEAREST_EXACT if exact else InterpolationMode.NEAREST
        if len(args) > position:
            args = (*args[:position], mode, *args[position + 1 :])
        else:
            kwargs["interpolation"] = mode
        # masks may lack a dimension for the channel
        return fn(mask[None], *args, **kwargs)[0] if mask.ndim == 2 else fn(mask, *args, **kwargs)

    return function


def _perspective(
    image: Any, startpoints: Any, endpoints: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None,
    coefficients: Any = None,
) -> Any:  # fmt: skip
    """Bring four points (x, y) of the image to four others; or ``coefficients`` (a … h) say where pixels come from."""
    known = points.checked_perspective(startpoints, endpoints, coefficients)
    return warp.project(image, known, interpolation, fill)


def _resized_crop(
    image: Any, top: int, left: int, height: int, width: int, size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """Cut out a rectangle and resize it."""
    part = geometry.crop(image, top, left, height, width)
    return geometry.resize_stepwise(part, size, interpolation, antialias=antialias)


def _pad(image: Any, padding: int | Sequence[int], fill: Any = None, padding_mode: str = "constant") -> Any:
    """Pad by one number on all sides, by [left/right, top/bottom] or by [left, top, right, bottom]."""
    return geometry.pad(image, padding, fill, padding_mode)


def _rotate(
    image: Any, angle: float, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False,
    center: Sequence[int] | None = None, fill: Any = None,
) -> Any:  # fmt: skip
    """Turn by ``angle`` degrees against the clock around ``center`` (x, y), the middle if not given.

    ``expand`` makes the result as large as the turned image; ``fill`` is what comes in from outside. A right angle only
    puts the pixels of a tensor in another order.
    """
    if isinstance(image, Tensor) and center is None and angle % 90 == 0:
        quarters = int(angle % 360) // 90
        if quarters == 0:
            return image.clone()
        if quarters == 2 or expand or image.shape[-1] == image.shape[-2]:
            return functions.rot90(image, quarters, (-2, -1))
    return warp.rotate(image, angle, interpolation, expand, center, fill)


def _erase(image: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Replace the rectangle of height ``h`` and width ``w`` at row ``i``, column ``j`` by ``v``, a tensor."""
    if is_pil(image):
        return convert.to_pil_image(geometry.erase(convert.pil_to_tensor(image), i, j, h, w, v, True), image.mode)
    return geometry.erase(image, i, j, h, w, v, inplace)


def _pad_mask(mask: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    """Do to masks what pad does to images; ValueError for more than one number to fill with."""
    if isinstance(fill, (list, tuple)):
        raise ValueError("Non-scalar fill value is not supported")
    return _pad(mask, padding, fill, padding_mode)


def _of_mask(name: str, image: _Fn, interpolation: int | None = None) -> _Fn:
    """Return a function of place: masks as images or, by the nearest pixel, without what is said at a position."""
    mask = image if interpolation is None else _nearest(image, interpolation, name == "resize")
    image = image if interpolation is None else _named_mode(image, interpolation)
    return _dispatch(name, image, mask, getattr(boxes, name), getattr(points, name))


resize = _of_mask("resize", geometry.resize_stepwise, 1)
crop = _of_mask("crop", geometry.crop)
center_crop = _of_mask("center_crop", geometry.center_crop)
resized_crop = _of_mask("resized_crop", _resized_crop, 5)
pad = _dispatch("pad", _pad, _pad_mask, boxes.pad, points.pad)
horizontal_flip = hflip = _of_mask("horizontal_flip", geometry.hflip)
vertical_flip = vflip = _of_mask("vertical_flip", geometry.vflip)
rotate = _of_mask("rotate", _rotate, 1)
affine = _of_mask("affine", warp.affine, 4)
perspective = _of_mask("perspective", _perspective, 2)
elastic = elastic_transform = _of_mask("elastic", warp.elastic_transform, 1)


def _jpeg(image: Any, quality: int) -> Any:
    """Return what is left of an image of bytes after JPEG of a quality of 1 to 100.

    Raises RuntimeError for tensors that JPEG does not know, OSError for such modes of PIL images.
    """
    if is_pil(image):
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=quality)
        return PIL.open(file).copy()
    flat = image.reshape(-1, *image.shape[-3:])
    done = [decode_jpeg(encode_jpeg(one.cpu(), quality)) for one in flat]
    return functions.stack(done).reshape(image.shape).to(image.device) if done else image.clone()


def _permute_channels(image: Any, permutation: list[int]) -> Any:
    """Put the channels of an image in another order: channel i of the result is channel ``permutation[i]``.

    Raises ValueError for another number of channels than in ``permutation``, a list or a tensor.
    """
    if is_pil(image):
        return convert.to_pil_image(_permute_channels(convert.pil_to_tensor(image), permutation))
    if len(permutation) != image.shape[-3]:
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != {image.shape[-3]}"
        )
    return functions.index_select(image, -3, functions.as_tensor(permutation, device=image.device))


def _grayscale_to_rgb(image: Any) -> Any:
    """Turn one channel into three equal ones; what has three stays as it is."""
    if is_pil(image):
        return image.convert("RGB")
    if image.shape[-3] >= 3:
        return image
    return image.repeat_interleave(3, -3)  # three of its own each, which can be changed apart


def _normalize(image: Tensor, mean: list[float], std: list[float], inplace: bool = False) -> Tensor:
    """Return ``(image - mean) / std``, by channel; ValueError for a ``std`` of zero."""
    fractions = isinstance(image, Tensor) and image.is_floating_point()
    if fractions and any(s == 0 for s in ([std] if isinstance(std, (int, float)) else std)):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    return convert.normalize(image, mean, std, inplace)


def _equalize(image: Any) -> Any:
    """Make all levels about as frequent; other dtypes have the levels of bytes."""
    if is_pil(image):
        return color.equalize(image)
    return convert.convert_image_dtype(color.equalized(convert.convert_image_dtype(image, uint8)), image.dtype)


def _adjust_gamma(image: Any, gamma: float, gain: float = 1) -> Any:
    """Return ``gain`` times the image to the power ``gamma``, as if it went from 0 to 1; ValueError below zero."""
    if is_pil(image) or gamma < 0:
        return color.adjust_gamma(image, gamma, gain)
    return color.gamma_of_tensor(image, gamma, gain)


def _invert(image: Any) -> Any:
    """Return the negative."""
    return color.invert(image) if is_pil(image) else color.negative(image)


def _solarize(image: Any, threshold: float) -> Any:
    """Invert all values from ``threshold`` on; raise TypeError where it is above the range of the dtype."""
    return color.solarize(image, threshold) if is_pil(image) else color.negative_from(image, threshold)


def _posterize(image: Any, bits: int) -> Any:
    """Keep only the highest ``bits`` of whole numbers; of floats from 0 to 1 as many levels."""
    if is_pil(image):
        return color.posterize(image, bits)
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    if not image.is_floating_point():
        least = iinfo(image.dtype).max.bit_length() - bits  # of the bits that are kept
        return image if least <= 0 else functions.bitwise_and(image, ((1 << bits) - 1) << least)
    levels = 1 << bits
    return image.mul(levels).floor().clamp(0, levels - 1).mul(1.0 / levels)


adjust_brightness = _dispatch("adjust_brightness", color.adjust_brightness)
adjust_contrast = _dispatch("adjust_contrast", color.adjust_contrast)
adjust_gamma = _dispatch("adjust_gamma", _adjust_gamma)
adjust_hue = _dispatch("adjust_hue", color.adjust_hue)
adjust_saturation = _dispatch("adjust_saturation", color.adjust_saturation)
adjust_sharpness = _dispatch("adjust_sharpness", color.adjust_sharpness)
autocontrast = _dispatch("autocontrast", color.autocontrast_by_quotient)
equalize = _dispatch("equalize", _equalize)
invert = _dispatch("invert", _invert)
posterize = _dispatch("posterize", _posterize)
rgb_to_grayscale = to_grayscale = _dispatch("rgb_to_grayscale", color.rgb_to_grayscale)
grayscale_to_rgb = _dispatch("grayscale_to_rgb", _grayscale_to_rgb)
solarize = _dispatch("solarize", _solarize)
gaussian_blur = _dispatch("gaussian_blur", blur.gaussian_blur)
normalize = _dispatch("normalize", _normalize)
erase = _dispatch("erase", _erase)
_jpeg_of = _dispatch("jpeg", _jpeg)
jpeg = another_form(kernels.renamed(_jpeg_of, "jpeg", "image"), _jpeg_of)
permute_channels = _dispatch("permute_channels", _permute_channels)


five_crop, ten_crop = several("five_crop", geometry.five_crop), several("ten_crop", geometry.ten_crop)


@answering(Tensor, Video)
def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """Return ``num_samples`` frames of a video (…, T, C, H, W), as evenly spaced as whole numbers allow."""
    if not isinstance(inpt, Tensor) or (isinstance(inpt, TVTensor) and not isinstance(inpt, Video)):
        raise TypeError(f"uniform_temporal_subsample takes a tensor or a video, but got {type(inpt)} instead.")
    frames = functions.linspace(0, inpt.shape[-4] - 1, num_samples).long().to(inpt.device)
    return wrap(functions.index_select(inpt.as_subclass(Tensor), -4, frames), like=inpt)


to_pil_image, pil_to_tensor = convert.to_pil_image, convert.pil_to_tensor


def to_tensor(inpt: Any) -> Any:
    """Turn a PIL image or an array into a tensor from 0 to 1; deprecated for to_image and to_dtype."""
    warnings.warn(
        "The function `to_tensor(...)` is deprecated and will be removed in a future release. Instead, please use "
        "`to_image(...)` followed by `to_dtype(..., dtype=torch.float32, scale=True)`.",
        stacklevel=callers_level(),
    )
    return convert.to_tensor(inpt)


def to_image(inpt: Any) -> Any:
    """Return an Image of a PIL image, an array (H, W[, C]) or a tensor (…, C, H, W), its numbers as they are."""
    if isinstance(inpt, Tensor):
        return Image(inpt)
    if is_pil(inpt):
        return Image(convert.pil_to_tensor(inpt))
    if hasattr(inpt, "__array__"):
        return Image(functions.from_numpy(np.atleast_3d(np.asarray(inpt))).permute(2, 0, 1).contiguous())
    raise TypeError(f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead.")


def _to_dtype(image: Tensor, dtype: Dtype = float32, scale: bool = False) -> Tensor:
    """Convert to another dtype; ``scale`` stretches values between 0…1 for floats and 0…largest for integers."""
    if is_pil(image):
        raise TypeError("to_dtype takes tensors, not PIL images")
    return convert.convert_image_dtype(image, dtype) if scale else image.to(dtype)


def _only_type(inpt: Any, dtype: Dtype = float32, scale: bool = False) -> Any:
    return inpt.to(dtype)


to_dtype = _dispatch("to_dtype", _to_dtype, _only_type, _only_type, _only_type)


def convert_image_dtype(image: Any, dtype: Dtype = float32) -> Any:
    """Convert a tensor of any kind as an image to another dtype and stretch the values to its range."""
    return convert.convert_image_dtype(image, dtype)


def _noise(image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """Add normally distributed noise to floats or bytes, cut to their range where ``clip``; bytes wrap around else.

    ``mean`` and ``sigma`` count from 0 to 1. Raises ValueError for another dtype, a PIL image or a negative ``sigma``.
    """
    if is_pil(image):
        raise ValueError("noise is added to tensors, not to PIL images")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if image.dtype is uint8:
        noise = functions.randn_like(image, dtype=float32) * (sigma * 255) + mean * 255
        noisy = image.to(int16) + noise.to(int16)
        return (noisy.clamp(0, 255) if clip else noisy).to(uint8)
    if not image.is_floating_point():
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}")
    noisy = image + mean + functions.randn_like(image) * sigma
    return noisy.clamp(0, 1) if clip else noisy


gaussian_noise = _dispatch("gaussian_noise", _noise)


@answering(Tensor, Image, Video)
def get_dimensions(inpt: Any) -> list[int]:
    """Return [channels, height, width] of an image; TypeError for masks, boxes and points."""
    if isinstance(inpt, (Mask, BoundingBoxes, KeyPoints)):
        raise TypeError(f"get_dimensions takes images and videos, which have channels, but got {type(inpt)} instead.")
    return geometry.get_dimensions(inpt)


@answering(Tensor, Image, Video, Mask, BoundingBoxes, KeyPoints)
def get_size(inpt: Any) -> list[int]:
    """Return [height, width]: for boxes and points those of their canvas."""
    if isinstance(inpt, (BoundingBoxes, KeyPoints)):
        return list(inpt.canvas_size)
    return geometry.get_dimensions(inpt)[1:]


@answering(Tensor, Image, Video)
def get_num_channels(inpt: Any) -> int:
    """Return the number of channels of an image."""
    return get_dimensions(inpt)[0]


@answering(Tensor, Video)
def get_num_frames(inpt: Any) -> int:
    """Return the number of frames of a video (…, T, C, H, W)."""
    if not isinstance(inpt, Video) and not (is_pure_tensor(inpt) and inpt.ndim > 3):
        raise TypeError(f"get_num_frames takes a video, but got {type(inpt)} instead.")
    return int(inpt.shape[-4])


def get_image_size(inpt: Any) -> list[int]:
    """Return [width, height]; deprecated for get_size, which returns [height, width]."""
    warnings.warn(
        "The function `get_image_size(...)` is deprecated and will be removed in a future release. Instead, please use "
        "`get_size(...)` which returns `[h, w]` instead of `[w, h]`.",
        stacklevel=callers_level(),
    )
    return geometry.get_image_size(inpt)


get_image_num_channels = get_num_channels
_ASKED: dict[_Fn, str] = {
    get_dimensions: "image video",
    get_num_channels: "image video",
    get_num_frames: "video",
    get_size: "image video mask bounding_boxes keypoints",
    uniform_temporal_subsample: "video",
}
globals().update(
    {
        f"{f.__name__}_{kind}": kernels.renamed(f, f"{f.__name__}_{kind}", kind)
        for f in _ASKED
        for kind in _ASKED[f].split()
    }
)
globals().update(kernels.of(_forms))

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness",
    "affine", "autocontrast", "center_crop", "clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format",
    "convert_image_dtype", "crop", "elastic", "elastic_transform", "equalize", "erase", "five_crop", "gaussian_blur",
    "gaussian_noise", "get_dimensions", "get_image_num_channels", "get_image_size", "get_num_channels",
    "get_num_frames", "get_size", "grayscale_to_rgb", "hflip", "horizontal_flip", "invert", "is_pure_tensor", "jpeg",
    "normalize", "pad", "permute_channels", "perspective", "pil_to_tensor", "posterize", "register_kernel", "resize",
    "resized_crop", "rgb_to_grayscale", "rotate", "sanitize_bounding_boxes", "sanitize_keypoints", "solarize",
    "ten_crop", "to_dtype", "to_grayscale", "to_image", "to_pil_image", "to_tensor", "uniform_temporal_subsample",
    "vertical_flip", "vflip",
]  # fmt: skip
