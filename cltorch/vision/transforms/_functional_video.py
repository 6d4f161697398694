"""Clips of videos (C, T, H, W) cropped, resized and normalised: torchvision.transforms._functional_video.

Deprecated since torchvision 0.12 for the functions that take every tensor (…, H, W), but what older programs import.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.dtypes import uint8
from cltorch.nn import functional as NF
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor

warnings.warn(
    "The 'torchvision.transforms._functional_video' module is deprecated since 0.12 and will be removed in the future. "
    "Please use the 'torchvision.transforms.functional' module instead.",
    stacklevel=callers_level(),
)


def _is_tensor_video_clip(clip: Any) -> bool:
    """Return True for a tensor of four dimensions; raise TypeError or ValueError for anything else."""
    if not isinstance(clip, Tensor):
        raise TypeError(f"clip should be Tensor. Got {type(clip)}")
    if clip.ndim != 4:
        raise ValueError(f"clip should be 4D. Got {clip.ndim}D")
    return True


def _checked(clip: Tensor) -> Tensor:
    if clip.ndim != 4:
        raise ValueError("clip should be a 4D tensor")
    return clip


def crop(clip: Tensor, i: int, j: int, h: int, w: int) -> Tensor:
    """Cut out the rectangle of height ``h`` and width ``w`` at row ``i``, column ``j`` of every frame."""
    return _checked(clip)[..., i : i + h, j : j + w]


def resize(clip: Tensor, target_size: Sequence[int], interpolation_mode: str) -> Tensor:
    """Resize every frame to (height, width), without smoothing; raise ValueError for another form of the size."""
    if len(target_size) != 2:
        raise ValueError(f"target size should be tuple (height, width), instead got {target_size}")
    return NF.interpolate(clip, size=target_size, mode=interpolation_mode, align_corners=False)


def resized_crop(
    clip: Tensor, i: int, j: int, h: int, w: int, size: Sequence[int], interpolation_mode: str = "bilinear"
) -> Tensor:
    """Cut out a rectangle of every frame and resize it."""
    _is_tensor_video_clip(clip)
    return resize(crop(clip, i, j, h, w), size, interpolation_mode)


def center_crop(clip: Tensor, crop_size: Sequence[int]) -> Tensor:
    """Cut out the middle (height, width) of every frame; raise ValueError where frames are smaller."""
    _is_tensor_video_clip(clip)
    h, w = clip.shape[-2:]
    height, width = crop_size
    if h < height or w < width:
        raise ValueError("height and width must be no smaller than crop_size")
    return crop(clip, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def to_tensor(clip: Tensor) -> Tensor:
    """Return bytes (T, H, W, C) as floats (C, T, H, W) from 0 to 1; raise TypeError for other dtypes."""
    _is_tensor_video_clip(clip)
    if clip.dtype is not uint8:
        raise TypeError(f"clip tensor should have data type uint8. Got {clip.dtype}")
    return clip.float().permute(3, 0, 1, 2) / 255.0


def normalize(clip: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Subtract ``mean`` and divide by ``std``, one number for each channel."""
    _is_tensor_video_clip(clip)
    out = clip if inplace else clip.clone()
    shift, scale = (functions.as_tensor(v, dtype=clip.dtype, device=clip.device) for v in (mean, std))
    return out.sub_(shift[:, None, None, None]).div_(scale[:, None, None, None])


def hflip(clip: Tensor) -> Tensor:
    """Mirror every frame left and right."""
    _is_tensor_video_clip(clip)
    return clip.flip(-1)
