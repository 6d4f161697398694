"""What prepares images for networks with published weights.

Source: https://docs.pytorch.org/vision/0.28/models.html#classification
"""

from __future__ import annotations

from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.transforms import functional as F
from cltorch.vision.transforms.functional import InterpolationMode

_INPUTS = "Takes images of Pillow, and tensors of one image (C, H, W) or a batch (B, C, H, W)."
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Preset(nn.Module):
    """Resize, crop where there is a size for it, and normalise."""

    def __init__(self, resize: Any, crop: Any, mean: Any, std: Any, interpolation: Any, antialias: Any) -> None:
        super().__init__()
        self.resize_size, self.crop_size = resize, crop
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = InterpolationMode(interpolation), antialias

    def forward(self, img: Any) -> Tensor:
        if isinstance(self.resize_size, list):
            img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        if self.crop_size is not None:
            img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img), mean=self.mean, std=self.std)

    def describe(self) -> str:
        """Return in words what is done."""
        steps = _steps(self, " and cut out at the centre to ``crop_size={0.crop_size}``" if self.crop_size else "")
        return f"{_INPUTS} {steps}."

    def __repr__(self) -> str:
        shown = {"crop_size": self.crop_size, "resize_size": self.resize_size, "mean": self.mean, "std": self.std}
        lines = [f"    {name}={value}" for name, value in shown.items() if value is not None]
        return "\n".join([f"{type(self).__name__}(", *lines, f"    interpolation={self.interpolation}", ")"])


def _steps(preset: Any, crop: str) -> str:
    words = (
        "The images are resized to ``resize_size={0.resize_size}`` by ``interpolation={0.interpolation}``" + crop
        + ", scaled to ``[0.0, 1.0]`` and normalised by ``mean={0.mean}`` and ``std={0.std}``"
    )  # fmt: skip
    return words.format(preset)


class ImageClassification(_Preset):
    """Resize an image or a batch to ``resize_size``, cut out the centre, and normalise."""

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__([resize_size], [crop_size], mean, std, interpolation, antialias)


class SemanticSegmentation(_Preset):
    """Resize an image or a batch to ``resize_size``, unless it is None, and normalise."""

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        resize = None if resize_size is None else [resize_size]
        super().__init__(resize, None, mean, std, interpolation, antialias)


class ObjectDetection(nn.Module):
    """Turn an image or a batch into numbers from 0 to 1; networks that find objects do the rest themselves."""

    def forward(self, img: Any) -> Tensor:
        return F.convert_image_dtype(img if isinstance(img, Tensor) else F.pil_to_tensor(img))

    def describe(self) -> str:
        """Return in words what is done."""
        return f"{_INPUTS} They are scaled to ``[0.0, 1.0]``."

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class OpticalFlow(nn.Module):
    """Turn two images or batches into numbers from -1 to 1, whose flow a network then finds."""

    def forward(self, img1: Any, img2: Any) -> tuple[Tensor, Tensor]:
        first, second = (
            F.normalize(F.convert_image_dtype(image), mean=[0.5] * 3, std=[0.5] * 3).contiguous()
            for image in (img if isinstance(img, Tensor) else F.pil_to_tensor(img) for img in (img1, img2))
        )
        return first, second

    def describe(self) -> str:
        """Return in words what is done."""
        return f"{_INPUTS} They are scaled to ``[-1.0, 1.0]``."

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class VideoClassification(nn.Module):
    """Resize the images of clips [..., T, C, H, W], cut out the centre, normalise, and put the channels before time.

    ``crop_size`` and ``resize_size`` are (height, width).
    """

    def __init__(
        self,
        *,
        crop_size: tuple[int, int],
        resize_size: tuple[int, ...],
        mean: tuple[float, ...] = (0.43216, 0.394666, 0.37645),
        std: tuple[float, ...] = (0.22803, 0.22145, 0.216989),
        interpolation: Any = InterpolationMode.BILINEAR,
    ) -> None:
        super().__init__()
        self.crop_size, self.resize_size = list(crop_size), list(resize_size)
        self.mean, self.std = list(mean), list(std)
        self.interpolation = InterpolationMode(interpolation)

    def forward(self, vid: Tensor) -> Tensor:
        images = vid.reshape(-1, *vid.shape[-3:])
        # the networks were trained without antialiasing
        images = F.resize(images, self.resize_size, interpolation=self.interpolation, antialias=False)
        images = F.convert_image_dtype(F.center_crop(images, self.crop_size))
        images = F.normalize(images, mean=self.mean, std=self.std)
        return images.reshape(*vid.shape[:-2], *self.crop_size).transpose(-4, -3)

    def describe(self) -> str:
        """Return in words what is done."""
        steps = _steps(self, " and cut out at the centre to ``crop_size={0.crop_size}``")
        shapes = "Takes tensors of one clip (T, C, H, W) or a batch (B, T, C, H, W)."
        return f"{shapes} {steps}; the result is (..., C, T, H, W)."

    def __repr__(self) -> str:
        shown = ("crop_size", "resize_size", "mean", "std", "interpolation")
        lines = [f"    {name}={getattr(self, name)}" for name in shown]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])
