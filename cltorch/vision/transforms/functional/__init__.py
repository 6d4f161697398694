"""Transforms as functions of PIL images and tensors (…, C, H, W): torchvision.transforms.functional."""

from cltorch.vision.transforms.functional.blur import _get_gaussian_kernel1d as _get_gaussian_kernel1d
from cltorch.vision.transforms.functional.blur import _get_gaussian_kernel2d as _get_gaussian_kernel2d
from cltorch.vision.transforms.functional.blur import gaussian_blur
from cltorch.vision.transforms.functional.color import _blend as _blend
from cltorch.vision.transforms.functional.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from cltorch.vision.transforms.functional.convert import (
    convert_image_dtype,
    largest,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from cltorch.vision.transforms.functional.geometry import (
    center_crop,
    crop,
    erase,
    five_crop,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
    hflip,
    pad,
    resize,
    resized_crop,
    ten_crop,
    vflip,
)
from cltorch.vision.transforms.functional.hsv import _hsv2rgb as _hsv2rgb
from cltorch.vision.transforms.functional.hsv import _rgb2hsv as _rgb2hsv
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.functional.resample import (
    _interpolation_modes_from_int as _interpolation_modes_from_int,
)
from cltorch.vision.transforms.functional.resample import pil_modes_mapping as pil_modes_mapping
from cltorch.vision.transforms.functional.warp import _get_inverse_affine_matrix as _get_inverse_affine_matrix
from cltorch.vision.transforms.functional.warp import _get_perspective_coeffs as _get_perspective_coeffs
from cltorch.vision.transforms.functional.warp import affine, elastic_transform, perspective, rotate

_max_value = largest

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
