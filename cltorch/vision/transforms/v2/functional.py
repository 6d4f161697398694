"""Transforms as functions of images, masks and boxes: torchvision.transforms.v2.functional.

Plain tensors and PIL images are images. Masks follow changes of place by the nearest pixel, boxes by their corners;
both pass changes of colour as they are. Raises TypeError for anything else, NotImplementedError for boxes where what
becomes of them is not written yet.
Source: https://docs.pytorch.org/vision/0.28/transforms.html#functionals
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import functions
from cltorch.dtypes import dtype as Dtype
from cltorch.dtypes import float32
from cltorch.tensor import Tensor
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms.functional import blur, color, convert, geometry, warp
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.v2 import boxes
from cltorch.vision.transforms.v2.boxes import clamp_bounding_boxes, convert_bounding_box_format
from cltorch.vision.tv_tensors import BoundingBoxes, Image, Mask, TVTensor, wrap

_Fn = Callable[..., Any]


def _dispatch(name: str, image: _Fn, mask: _Fn | None, of_boxes: _Fn | None) -> _Fn:
    """Return a function that treats each kind in its way and gives back the same kind."""

    def function(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inpt, BoundingBoxes):
            if of_boxes is None:
                raise NotImplementedError(f"{name} of bounding boxes is not implemented")
            return of_boxes(inpt, *args, **kwargs)
        if not isinstance(inpt, Tensor) and not is_pil(inpt):
            raise TypeError(f"{name} takes a tensor, a PIL image or one of tv_tensors, not {type(inpt).__name__}")
        if isinstance(inpt, Mask):
            if mask is None:
                return inpt
            return wrap(mask(inpt.as_subclass(Tensor), *args, **kwargs), like=inpt)
        if isinstance(inpt, TVTensor):
            return wrap(image(inpt.as_subclass(Tensor), *args, **kwargs), like=inpt)
        return image(inpt, *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = image.__doc__
    return function


def _same(inpt: Any, *args: Any, **kwargs: Any) -> Any:
    return inpt


def _nearest(fn: _Fn, position: int) -> _Fn:
    """Return a function of masks: the one of images, by the nearest pixel; ``position`` is that of interpolation."""

    def function(mask: Tensor, *args: Any, **kwargs: Any) -> Any:
        kwargs["interpolation"] = InterpolationMode.NEAREST
        # masks may lack a dimension for the channel
        return fn(mask[None], *args[:position], **kwargs)[0] if mask.ndim == 2 else fn(mask, *args[:position], **kwargs)

    return function


resize = _dispatch("resize", geometry.resize, _nearest(geometry.resize, 1), boxes.resize)
crop = _dispatch("crop", geometry.crop, geometry.crop, boxes.crop)
center_crop = _dispatch("center_crop", geometry.center_crop, geometry.center_crop, boxes.center_crop)
resized_crop = _dispatch("resized_crop", geometry.resized_crop, _nearest(geometry.resized_crop, 5), boxes.resized_crop)
pad = _dispatch("pad", geometry.pad, geometry.pad, boxes.pad)
horizontal_flip = _dispatch("horizontal_flip", geometry.hflip, geometry.hflip, boxes.horizontal_flip)
vertical_flip = _dispatch("vertical_flip", geometry.vflip, geometry.vflip, boxes.vertical_flip)
hflip, vflip = horizontal_flip, vertical_flip
rotate = _dispatch("rotate", warp.rotate, _nearest(warp.rotate, 1), boxes.rotate)
affine = _dispatch("affine", warp.affine, _nearest(warp.affine, 4), boxes.affine)
perspective = _dispatch("perspective", warp.perspective, _nearest(warp.perspective, 2), None)
elastic = _dispatch("elastic", warp.elastic_transform, _nearest(warp.elastic_transform, 1), None)
elastic_transform = elastic

adjust_brightness = _dispatch("adjust_brightness", color.adjust_brightness, None, _same)
adjust_contrast = _dispatch("adjust_contrast", color.adjust_contrast, None, _same)
adjust_gamma = _dispatch("adjust_gamma", color.adjust_gamma, None, _same)
adjust_hue = _dispatch("adjust_hue", color.adjust_hue, None, _same)
adjust_saturation = _dispatch("adjust_saturation", color.adjust_saturation, None, _same)
adjust_sharpness = _dispatch("adjust_sharpness", color.adjust_sharpness, None, _same)
autocontrast = _dispatch("autocontrast", color.autocontrast, None, _same)
equalize = _dispatch("equalize", color.equalize, None, _same)
invert = _dispatch("invert", color.invert, None, _same)
posterize = _dispatch("posterize", color.posterize, None, _same)
rgb_to_grayscale = _dispatch("rgb_to_grayscale", color.rgb_to_grayscale, None, _same)
to_grayscale = rgb_to_grayscale
solarize = _dispatch("solarize", color.solarize, None, _same)
gaussian_blur = _dispatch("gaussian_blur", blur.gaussian_blur, None, _same)
normalize = _dispatch("normalize", convert.normalize, None, _same)
erase = _dispatch("erase", geometry.erase, None, _same)

to_pil_image, pil_to_tensor = convert.to_pil_image, convert.pil_to_tensor


def to_image(inpt: Any) -> Any:
    """Return an Image of a PIL image, an array (H, W[, C]) or a tensor (…, C, H, W), its numbers as they are."""
    if isinstance(inpt, Tensor):
        return Image(inpt)
    if is_pil(inpt):
        return Image(convert.pil_to_tensor(inpt))
    if hasattr(inpt, "__array__"):
        pixels = functions.as_tensor(inpt)
        return Image((pixels[..., None] if pixels.ndim == 2 else pixels).permute(2, 0, 1).contiguous())
    raise TypeError(f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead.")


def _to_dtype(image: Tensor, dtype: Dtype = float32, scale: bool = False) -> Tensor:
    """Convert to another dtype; ``scale`` stretches values between 0…1 for floats and 0…largest for integers."""
    return convert.convert_image_dtype(image, dtype) if scale else image.to(dtype)


def _only_type(inpt: Any, dtype: Dtype = float32, scale: bool = False) -> Any:
    return inpt.to(dtype)


to_dtype = _dispatch("to_dtype", _to_dtype, _only_type, _only_type)


def convert_image_dtype(image: Any, dtype: Dtype = float32) -> Any:
    """Convert to another dtype and stretch the values to its range."""
    return to_dtype(image, dtype, scale=True)


def _noise(image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """Add normally distributed noise to floats, cut to 0…1 where ``clip``."""
    if not image.is_floating_point():
        raise ValueError(f"Input tensor is expected to be in float dtype, got dtype={image.dtype}")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    noisy = image + mean + functions.randn_like(image) * sigma
    return noisy.clamp(0, 1) if clip else noisy


gaussian_noise = _dispatch("gaussian_noise", _noise, None, _same)


def get_dimensions(inpt: Any) -> list[int]:
    """Return [channels, height, width] of an image."""
    return geometry.get_dimensions(inpt)


def get_size(inpt: Any) -> list[int]:
    """Return [height, width]: for boxes those of their canvas."""
    if isinstance(inpt, BoundingBoxes):
        return list(inpt.canvas_size)
    return geometry.get_dimensions(inpt)[1:]


def get_num_channels(inpt: Any) -> int:
    """Return the number of channels of an image."""
    return geometry.get_dimensions(inpt)[0]


get_image_size = geometry.get_image_size
get_image_num_channels = get_num_channels

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness",
    "affine", "autocontrast", "center_crop", "clamp_bounding_boxes", "convert_bounding_box_format",
    "convert_image_dtype", "crop", "elastic", "elastic_transform", "equalize", "erase", "gaussian_blur",
    "gaussian_noise", "get_dimensions", "get_image_num_channels", "get_image_size", "get_num_channels", "get_size",
    "hflip", "horizontal_flip", "invert", "normalize", "pad", "perspective", "pil_to_tensor", "posterize", "resize",
    "resized_crop", "rgb_to_grayscale", "rotate", "solarize", "to_dtype", "to_grayscale", "to_image", "to_pil_image",
    "vertical_flip", "vflip",
]  # fmt: skip
