"""Transforms of size and position.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.nn import Module
from cltorch.ops.lots import below
from cltorch.tensor import Tensor
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional.resample import InterpolationMode, interpolation_mode


def randint(low: int, high: int) -> int:
    """Draw low ≤ n < high from the default generator."""
    return low + below(high - low)


class Resize(Module):
    """Resize to (height, width), or so that the smaller edge has the given length.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.Resize.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.Resize(2, antialias=True)(image).shape
    torch.Size([1, 2, 2])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        """Return the resized image."""
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        detail = f"size={self.size}, interpolation={self.interpolation.value}, max_size={self.max_size}"
        return f"{type(self).__name__}({detail}, antialias={self.antialias})"


class Pad(Module):
    """Pad on all sides; see ``functional.pad``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.Pad.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.Pad(1)(image).shape
    torch.Size([1, 6, 6])
    """

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, (int, float, tuple, list)):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, (numbers.Number, tuple, list)):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        """Return the padded image."""
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class _RandomFlip(Module):
    _dim: int

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the image, mirrored or not."""
        if uniform() >= self.p:
            return img
        return F.hflip(img) if self._dim == -1 else F.vflip(img)

    def _batch(self, images: Any) -> Any:
        planes = to_planes(images).numpy()
        chosen = functions.rand(len(planes)).numpy() < self.p
        out = planes.copy()
        out[chosen] = np.flip(planes[chosen], self._dim)
        return from_planes(functions.from_numpy(out), images)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Mirror left and right with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomHorizontalFlip.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomHorizontalFlip(p=1.0)(torch.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """

    _dim = -1


class RandomVerticalFlip(_RandomFlip):
    """Mirror top and bottom with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomVerticalFlip.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomVerticalFlip(p=1.0)(torch.tensor([[[1], [2]]])).flatten()
    tensor([2, 1])
    """

    _dim = -2


def to_planes(images: Any) -> Tensor:
    """Return a batch as a tensor (N, C, H, W), from an array (N, H, W, C) or as it is."""
    return (
        images if isinstance(images, Tensor) else functions.from_numpy(np.ascontiguousarray(np.moveaxis(images, 3, 1)))
    )


def from_planes(planes: Tensor, like: Any) -> Any:
    """Return a batch in the form that ``to_planes`` got."""
    return planes if isinstance(like, Tensor) else np.moveaxis(planes.numpy(), 1, 3)
