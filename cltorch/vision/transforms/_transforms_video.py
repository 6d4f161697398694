"""Transforms of clips of videos (C, T, H, W): torchvision.transforms._transforms_video.

Deprecated since torchvision 0.12 for the transforms that take every tensor (…, H, W), but what the examples of video
networks import.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor
from cltorch.vision.transforms import RandomCrop, RandomResizedCrop
from cltorch.vision.transforms import _functional_video as F

__all__ = [
    "CenterCropVideo", "NormalizeVideo", "RandomCropVideo", "RandomHorizontalFlipVideo", "RandomResizedCropVideo",
    "ToTensorVideo",
]  # fmt: skip

warnings.warn(
    "The 'torchvision.transforms._transforms_video' module is deprecated since 0.12 and will be removed in the future. "
    "Please use the 'torchvision.transforms' module instead.",
    stacklevel=callers_level(),
)


def _pair(size: Any) -> Any:
    return size if isinstance(size, Sequence) else (int(size), int(size))


class RandomCropVideo(RandomCrop):
    """Cut out a rectangle at a random place, the same of every frame."""

    def __init__(self, size: Any) -> None:
        super().__init__(size)
        self.size = _pair(size)

    def __call__(self, clip: Tensor) -> Tensor:
        """Return the cropped clip."""
        return F.crop(clip, *self.get_params(clip, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class RandomResizedCropVideo(RandomResizedCrop):
    """Cut out a rectangle of random area and shape, the same of every frame, and resize it.

    Raises ValueError for a size of another length than 2.
    """

    def __init__(
        self, size: Any, scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation_mode: str = "bilinear",
    ) -> None:  # fmt: skip
        if isinstance(size, tuple) and len(size) != 2:
            raise ValueError(f"size should be tuple (height, width), instead got {size}")
        super().__init__(size, scale, ratio)
        self.size, self.scale, self.ratio = (size if isinstance(size, tuple) else (size, size)), scale, ratio
        self.interpolation_mode = interpolation_mode

    def __call__(self, clip: Tensor) -> Tensor:
        """Return the cropped and resized clip."""
        return F.resized_crop(clip, *self.get_params(clip, self.scale, self.ratio), self.size, self.interpolation_mode)

    def __repr__(self) -> str:
        detail = f"size={self.size}, interpolation_mode={self.interpolation_mode}, scale={self.scale}"
        return f"{type(self).__name__}({detail}, ratio={self.ratio})"


class CenterCropVideo:
    """Cut out the middle of every frame; raise ValueError where frames are smaller."""

    def __init__(self, crop_size: Any) -> None:
        self.crop_size = _pair(crop_size)

    def __call__(self, clip: Tensor) -> Tensor:
        """Return the cropped clip."""
        return F.center_crop(clip, self.crop_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(crop_size={self.crop_size})"


class NormalizeVideo:
    """Subtract ``mean`` and divide by ``std``, one number for each channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, clip: Tensor) -> Tensor:
        """Return the normalised clip."""
        return F.normalize(clip, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std}, inplace={self.inplace})"


class ToTensorVideo:
    """Turn bytes (T, H, W, C) into floats (C, T, H, W) from 0 to 1."""

    def __call__(self, clip: Tensor) -> Tensor:
        """Return the floats."""
        return F.to_tensor(clip)

    def __repr__(self) -> str:
        return type(self).__name__


class RandomHorizontalFlipVideo:
    """Mirror the whole clip left and right with probability ``p``, which Python's generator draws."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, clip: Tensor) -> Tensor:
        """Return the clip, mirrored or not."""
        return F.hflip(clip) if random.random() < self.p else clip

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
