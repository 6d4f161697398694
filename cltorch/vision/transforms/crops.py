"""Transforms that cut a part out of an image, or blank one out.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import float32
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional.resample import InterpolationMode, interpolation_mode
from cltorch.vision.transforms.geometry import from_planes, randint, to_planes

__all__ = ["CenterCrop", "FiveCrop", "RandomCrop", "RandomErasing", "RandomResizedCrop", "TenCrop"]


class CenterCrop(Module):
    """Cut out the middle, padding with zeros where the image is smaller.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.CenterCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.CenterCrop(2)(image)
    tensor([[[ 5,  6],
             [ 9, 10]]], dtype=torch.uint8)
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = F.pair(size)

    def forward(self, img: Any) -> Any:
        """Return the cropped image."""
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class RandomCrop(Module):
    """Cut out a rectangle at a random place, after padding; raise ValueError where it is larger than the image.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomCrop(2)(image).shape
    torch.Size([1, 2, 2])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = F.pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width)."""
        _, h, w = F.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size {(h, w)}")
        if (h, w) == (height, width):
            return 0, 0, h, w
        return randint(0, h - height + 1), randint(0, w - width + 1), height, width

    def forward(self, img: Any) -> Any:
        """Return the cropped image."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def _batch(self, images: Any) -> Any:
        planes = to_planes(images)
        if self.padding is not None:
            planes = F.pad(planes, self.padding, self.fill, self.padding_mode)
        n, (h, w), (height, width) = planes.shape[0], planes.shape[-2:], self.size
        if self.pad_if_needed:
            grow = [max(width - w, 0), max(height - h, 0)]
            planes = F.pad(planes, grow, self.fill, self.padding_mode)
            h, w = planes.shape[-2:]
        if h < height or w < width:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size {(h, w)}")
        tops = functions.randint(0, h - height + 1, (n,)).numpy()
        lefts = functions.randint(0, w - width + 1, (n,)).numpy()
        rows = (tops[:, None] + np.arange(height))[:, None, :, None]
        columns = (lefts[:, None] + np.arange(width))[:, None, None, :]
        channels = np.arange(planes.shape[1])[None, :, None, None]
        cut = planes.numpy()[np.arange(n)[:, None, None, None], channels, rows, columns]
        return from_planes(functions.from_numpy(cut), images)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Module):
    """Cut out a rectangle of random area and shape, and resize it.

    The area is a fraction in ``scale`` of the image's, the ratio of width to height lies in ``ratio``.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomResizedCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomResizedCrop(2, antialias=True)(image).shape
    torch.Size([1, 2, 2])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = F.pair(size)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width)."""
        _, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * uniform(scale[0], scale[1])
            aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return randint(0, height - h + 1), randint(0, width - w + 1), h, w
        # no such rectangle fits: the largest in the middle with a ratio that is allowed
        whole = width / height
        w, h = width, height
        if whole < min(ratio):
            h = round(w / min(ratio))
        elif whole > max(ratio):
            w = round(h * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        """Return the cropped and resized image."""
        top, left, h, w = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, top, left, h, w, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = tuple(round(s, 4) for s in self.scale), tuple(round(r, 4) for r in self.ratio)
        detail = f"size={self.size}, scale={scale}, ratio={ratio}, interpolation={self.interpolation.value}"
        return f"{type(self).__name__}({detail}, antialias={self.antialias})"


class FiveCrop(Module):
    """Cut out the four corners and the middle; the result is a tuple of five images.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.FiveCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> [x.shape for x in transforms.FiveCrop(2)(image)][:2]
    [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = F.pair(size)

    def forward(self, img: Any) -> Any:
        """Return the crops."""
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(Module):
    """Cut out five crops of the image and five of its mirror image.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.TenCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> len(transforms.TenCrop(2)(image))
    10
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = F.pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> Any:
        """Return the crops."""
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class RandomErasing(Module):
    """Replace a random rectangle of a tensor image with ``value`` (numbers, or "random") with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomErasing.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomErasing(p=0.0)(torch.ones(1, 2, 2)).sum()
    tensor(4.)
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        for name, pair in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(pair, Sequence):
                raise TypeError(f"{name} should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if not 0 <= p <= 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """Draw (top, left, height, width, values); the whole image where no rectangle fits."""
        c, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * uniform(scale[0], scale[1])
            aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if value is None:
                fill = functions.randn((c, h, w), dtype=float32).to(img.device, img.dtype)
            else:
                fill = functions.tensor(list(value), dtype=img.dtype, device=img.device).view(-1, 1, 1)
            return randint(0, height - h + 1), randint(0, width - w + 1), h, w, fill
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        """Return the image, with or without a rectangle erased."""
        if uniform() >= self.p:
            return img
        value = self.value
        values = (
            None if isinstance(value, str) else [float(v) for v in value] if isinstance(value, Sequence) else [value]
        )
        channels = F.get_image_num_channels(img)
        if values is not None and len(values) not in (1, channels):
            raise ValueError(
                f"If value is a sequence, it should have either a single value or {channels} (number of input channels)"
            )
        top, left, h, w, fill = self.get_params(img, self.scale, self.ratio, values)
        return F.erase(img, top, left, h, w, fill, self.inplace)

    def __repr__(self) -> str:
        detail = f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, inplace={self.inplace}"
        return f"{type(self).__name__}({detail})"
