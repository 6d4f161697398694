"""Transforms as functions of PIL images and tensors (…, C, H, W): torchvision.transforms.functional."""

from cltorch.vision.transforms.functional.convert import (
    convert_image_dtype,
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
from cltorch.vision.transforms.functional.resample import InterpolationMode

__all__ = [
    "InterpolationMode",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "erase",
    "five_crop",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "normalize",
    "pad",
    "pil_to_tensor",
    "resize",
    "resized_crop",
    "ten_crop",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
