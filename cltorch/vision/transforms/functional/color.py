"""Brightness, contrast, colours and histograms.

Every function takes a PIL image or a tensor (…, C, H, W) of one or three channels on any device and returns the same
kind; integers count from 0 to their largest value, floats from 0 to 1. A batch is changed at once.
Source: https://docs.pytorch.org/vision/stable/transforms.html#functionals
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import dtype as Dtype
from cltorch.dtypes import float32, int64, uint8
from cltorch.functions.gather import gather
from cltorch.functions.sort import sort
from cltorch.nn import functional as NF
from cltorch.tensor import Tensor
from cltorch.vision._pillow import Image, ImageEnhance, ImageOps, is_pil
from cltorch.vision.transforms.functional.convert import convert_image_dtype, largest, whole
from cltorch.vision.transforms.functional.geometry import check_image, get_dimensions
from cltorch.vision.transforms.functional.hsv import hsv_to_rgb, rgb_to_hsv


def _is_tensor(img: Any, least: int = 2) -> bool:
    """Return whether an image is a tensor, which has one or three channels; raise TypeError for other images."""
    if not check_image(img):
        return False
    if img.ndim < least:
        raise TypeError(f"Input image tensor should have at least {least} dimensions, but found {img.ndim}")
    channels = get_dimensions(img)[0]
    if channels not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are [1, 3], but found {channels}")
    return True


def _computing(dtype: Dtype) -> Dtype:
    return dtype if dtype.is_floating_point else float32


def _blend(img: Tensor, other: Any, ratio: float) -> Tensor:
    """Return ``ratio`` of the image and the rest of another, cut to the range of the dtype."""
    ratio = float(ratio)
    return (ratio * img + (1.0 - ratio) * other).clamp(0, largest(img.dtype)).to(img.dtype)


def _not_negative(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Return the lightness, in one channel or in three equal ones; raise ValueError for another number."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if not _is_tensor(img, 3):
        return to_grayscale(img, num_output_channels)
    gray = _gray(img) if img.shape[-3] == 3 else img.clone()
    return gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:]) if num_output_channels == 3 else gray


def _gray(img: Tensor) -> Tensor:
    red, green, blue = img.unbind(-3)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(img.dtype).unsqueeze(-3)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Return the lightness of a PIL image, in one channel or in three equal ones; TypeError for anything else."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = img.convert("L")
    return gray if num_output_channels == 1 else Image.merge("RGB", (gray, gray, gray))


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Scale the brightness: 0 is black, 1 the image itself; raise ValueError for a tensor and a negative factor."""
    if not _is_tensor(img):
        return ImageEnhance.Brightness(img).enhance(brightness_factor)
    _not_negative("brightness_factor", brightness_factor)
    return _blend(img, 0.0, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Scale the distance to the mean lightness: 0 is all gray, 1 the image itself.

    Raises ValueError for a tensor and a negative factor.
    """
    if not _is_tensor(img):
        return ImageEnhance.Contrast(img).enhance(contrast_factor)
    _not_negative("contrast_factor", contrast_factor)
    light = _gray(img) if get_dimensions(img)[0] == 3 else img
    # an image without a dimension of channels has one mean as well
    dims = (-3, -2, -1) if img.ndim > 2 else (-2, -1)
    mean = functions.mean(light.to(_computing(img.dtype)), dim=dims, keepdim=True)
    return _blend(img, mean, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Scale the distance to the image in gray: 0 is gray, 1 the image itself.

    Raises ValueError for a tensor and a negative factor.
    """
    if not _is_tensor(img):
        return ImageEnhance.Color(img).enhance(saturation_factor)
    _not_negative("saturation_factor", saturation_factor)
    return img if get_dimensions(img)[0] == 1 else _blend(img, _gray(img), saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the circle of hues by ``hue_factor`` of it, from -0.5 to 0.5; raise ValueError for another factor."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if not _is_tensor(img):
        if img.mode in ("L", "1", "I", "F"):
            return img
        hue, saturation, value = img.convert("HSV").split()
        turned = np.array(hue, np.uint8) + np.int32(hue_factor * 255).astype(np.uint8)  # wraps around
        return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert(img.mode)
    if get_dimensions(img)[0] == 1:
        return img
    hue, saturation, value = rgb_to_hsv(convert_image_dtype(img, float32))
    return convert_image_dtype(hsv_to_rgb((hue + hue_factor) % 1.0, saturation, value), img.dtype)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """Return ``gain`` times the image to the power ``gamma``, as if it went from 0 to 1; ValueError below zero."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    if not _is_tensor(img):
        curve = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
        return img.convert("RGB").point(curve * 3).convert(img.mode)
    return gamma_of_tensor(img, gamma, gain)


def gamma_of_tensor(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """Return ``gain`` times a tensor of any number of channels to the power ``gamma``."""
    scaled = img if img.is_floating_point() else convert_image_dtype(img, float32)
    return convert_image_dtype((gain * scaled.pow(gamma)).clamp(0, 1), img.dtype)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Scale the distance to a blurred image: 0 is blurred, 1 the image itself.

    Raises ValueError for a tensor and a negative factor.
    """
    if not _is_tensor(img):
        return ImageEnhance.Sharpness(img).enhance(sharpness_factor)
    _not_negative("sharpness_factor", sharpness_factor)
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    window = functions.full((1, 1, 3, 3), 1 / 13, dtype=_computing(img.dtype), device=img.device)
    window[0, 0, 1, 1] = 5 / 13
    planes = img.reshape(-1, 1, *img.shape[-2:]).to(window.dtype)
    inner = NF.conv2d(planes, window).reshape(*img.shape[:-2], img.shape[-2] - 2, img.shape[-1] - 2)
    blurred = img.clone()  # its edge is the image's own
    blurred[..., 1:-1, 1:-1] = whole(inner, img.dtype)
    return _blend(img, blurred, sharpness_factor)


def invert(img: Any) -> Any:
    """Return the negative."""
    return negative(img) if _is_tensor(img, 3) else ImageOps.invert(img)


def negative(img: Tensor) -> Tensor:
    """Return the negative of a tensor of any number of channels."""
    return largest(img.dtype) - img


def posterize(img: Any, bits: int) -> Any:
    """Keep the highest ``bits`` of the bytes of an image.

    Raises TypeError for tensors of another dtype, ValueError for another number of bits than 0 to 8.
    """
    if not check_image(img):
        return ImageOps.posterize(img, bits)
    if not 0 <= bits <= 8:
        raise ValueError(f"the number of bits is from 0 to 8, got {bits}")
    _bytes_only(img)
    return functions.bitwise_and(img, -int(2 ** (8 - bits)) & 255) if _is_tensor(img, 3) else img


def _bytes_only(img: Tensor) -> None:
    if img.dtype is not uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")


def solarize(img: Any, threshold: float) -> Any:
    """Invert all values from ``threshold`` on; raise TypeError where it is above the range of the dtype."""
    if not _is_tensor(img, 3):
        return ImageOps.solarize(img, threshold)  # type: ignore[arg-type]
    return negative_from(img, threshold)


def negative_from(img: Tensor, threshold: float) -> Tensor:
    """Invert the values of a tensor of any number of channels from ``threshold`` on."""
    if threshold > largest(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return functions.where(img >= threshold, negative(img), img)


def autocontrast(img: Any) -> Any:
    """Stretch each channel so that its darkest value becomes black and its lightest white."""
    if not _is_tensor(img, 3):
        return ImageOps.autocontrast(img)
    bound = largest(img.dtype)
    low, span = _levels(img)
    scale = functions.where(span == 0, 1.0, functions.where(span == 0, 1.0, span).reciprocal() * bound)
    return ((img - functions.where(span == 0, 0.0, low)) * scale).clamp(0, bound).to(img.dtype)


def autocontrast_by_quotient(img: Any) -> Any:
    """Stretch each channel as ``autocontrast`` does; whole numbers are cut off after a division, not a product."""
    if not _is_tensor(img, 3):
        return ImageOps.autocontrast(img)
    bound = largest(img.dtype)
    low, span = _levels(img)
    part = functions.where(span == 0, 1.0, span * (1.0 / bound))
    return ((img - functions.where(span == 0, 0.0, low)) / part).clamp(0, bound).to(img.dtype)


def _levels(img: Tensor) -> tuple[Tensor, Tensor]:
    """Return the darkest value of each channel, and the distance to its lightest."""
    dtype = _computing(img.dtype)
    low = img.amin(dim=(-2, -1), keepdim=True).to(dtype)
    return low, img.amax(dim=(-2, -1), keepdim=True).to(dtype) - low


def equalize(img: Any) -> Any:
    """Spread the bytes of each channel so that all levels are about as frequent; TypeError for other dtypes.

    The numbers of pixels up to each level come from sorting, so that a whole batch is one sequence of launches.
    """
    if not check_image(img):
        return ImageOps.equalize(img)
    if not 3 <= img.ndim <= 4:
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {img.ndim}")
    _bytes_only(img)
    _is_tensor(img, 3)
    return equalized(img)


def equalized(img: Tensor) -> Tensor:
    """Spread the bytes of each channel of a tensor (…, H, W)."""
    pixels = img.shape[-1] * img.shape[-2]
    planes = img.reshape(-1, pixels).to(float32)
    ordered = sort(planes, dim=-1)[0]
    levels = functions.arange(256, dtype=float32, device=img.device).expand(planes.shape[0], 256).contiguous()
    up_to = functions.searchsorted(ordered, levels, right=True)
    # the lightest level does not count for the step: the number of pixels below it
    below = functions.searchsorted(ordered, ordered[:, -1:].contiguous())
    step = functions.div(below, 255, rounding_mode="floor")
    half = functions.div(step, 2, rounding_mode="floor")
    table = functions.div(up_to + half, step.clamp(min=1), rounding_mode="floor")
    table = NF.pad(table, (1, 0))[:, :-1].clamp(0, 255)
    found = gather(table, 1, planes.to(int64)).to(float32)
    return functions.where(step == 0, planes, found).to(uint8).reshape(img.shape)
