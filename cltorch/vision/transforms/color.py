"""Transforms of brightness, contrast and colour, and blurring.

Source: https://docs.pytorch.org/vision/stable/transforms.html#color
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.functional import blur, color
from cltorch.vision.transforms.functional import geometry as F


class ColorJitter(Module):
    """Change brightness, contrast, saturation and hue at random, in random order.

    A number v is the range from max(0, 1 - v) to 1 + v, for the hue from -v to v; a pair is the range itself. Raises
    ValueError or TypeError for other values.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.ColorJitter.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.ColorJitter(brightness=0.5)(torch.zeros(3, 2, 2)).sum()
    tensor(0.)
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness = _range(brightness, "brightness")
        self.contrast = _range(contrast, "contrast")
        self.saturation = _range(saturation, "saturation")
        self.hue = _range(hue, "hue", center=0, bound=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Any, contrast: Any, saturation: Any, hue: Any
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """Draw the order of the four changes, and for each its factor, or None where there is no range."""
        order = functions.randperm(4)
        b, c, s, h = (None if r is None else uniform(r[0], r[1]) for r in (brightness, contrast, saturation, hue))
        return order, b, c, s, h

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (color.adjust_brightness, color.adjust_contrast, color.adjust_saturation, color.adjust_hue)
        for i in order.tolist():
            factor = factors[i]
            if factor is not None:
                img = changes[i](img, factor)
        return img

    def __repr__(self) -> str:
        detail = f"brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}"
        return f"{type(self).__name__}({detail}, hue={self.hue})"


def _range(
    value: Any, name: str, center: float = 1, bound: tuple[float, float] = (0, float("inf"))
) -> tuple[float, float] | None:
    """Return the range that a number or a pair means, None where it is ``center`` alone."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)
        low = max(low, 0.0) if center else low
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


class Grayscale(Module):
    """Turn an image into its lightness, in one channel or in three equal ones.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.Grayscale.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.Grayscale()(torch.ones(3, 1, 2)).shape
    torch.Size([1, 1, 2])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """Return the image in gray."""
        return color.rgb_to_grayscale(img, num_output_channels=self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class _Sometimes(Module):
    """Change an image with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def _change(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        """Return the image, changed or not."""
        return self._change(img) if uniform() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomGrayscale(_Sometimes):
    """Turn an image into gray with probability ``p``; the number of channels stays.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomGrayscale.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomGrayscale(p=1.0)(torch.ones(3, 1, 2)).shape
    torch.Size([3, 1, 2])
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def _change(self, img: Any) -> Any:
        return color.rgb_to_grayscale(img, num_output_channels=F.get_image_num_channels(img))


class RandomInvert(_Sometimes):
    """Turn an image into its negative with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomInvert.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomInvert(p=1.0)(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    tensor([[[255,   0]]], dtype=torch.uint8)
    """

    def _change(self, img: Any) -> Any:
        return color.invert(img)


class RandomPosterize(_Sometimes):
    """Keep only ``bits`` of each byte with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomPosterize.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomPosterize(2, p=1.0)(torch.tensor([[[7, 255]]], dtype=torch.uint8))
    tensor([[[  0, 192]]], dtype=torch.uint8)
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def _change(self, img: Any) -> Any:
        return color.posterize(img, self.bits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(_Sometimes):
    """Invert all values from ``threshold`` on, with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomSolarize.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomSolarize(128, p=1.0)(torch.tensor([[[7, 255]]], dtype=torch.uint8))
    tensor([[[7, 0]]], dtype=torch.uint8)
    """

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def _change(self, img: Any) -> Any:
        return color.solarize(img, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(_Sometimes):
    """Scale the sharpness with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomAdjustSharpness.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomAdjustSharpness(2.0)(image).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _change(self, img: Any) -> Any:
        return color.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(_Sometimes):
    """Stretch each channel to the whole range with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomAutocontrast.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomAutocontrast()(image).shape
    torch.Size([1, 4, 4])
    """

    def _change(self, img: Any) -> Any:
        return color.autocontrast(img)


class RandomEqualize(_Sometimes):
    """Make all levels about as frequent with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomEqualize.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomEqualize()(image).shape
    torch.Size([1, 4, 4])
    """

    def _change(self, img: Any) -> Any:
        return color.equalize(img)


class GaussianBlur(Module):
    """Blur by a Gaussian of random ``sigma``, cut to ``kernel_size``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.GaussianBlur.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.GaussianBlur(3)(torch.ones(1, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = F.pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(n <= 0 or n % 2 == 0 for n in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Real):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw sigma."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        """Return the blurred image."""
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return blur.gaussian_blur(img, list(self.kernel_size), [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"
