"""Transforms of colour, blurring, and the policies of augmentation: of images alone, the rest goes through.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#color
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from cltorch import functions
from cltorch.dtypes import iinfo
from cltorch.tensor import Tensor
from cltorch.vision import transforms as v1
from cltorch.vision.transforms.autoaugment import _apply_op
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.geometry import randint
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.geometry import filling
from cltorch.vision.transforms.v2.transform import OfImages, RandomOfImages, is_image, mode_of, simple
from cltorch.vision.tv_tensors import BoundingBoxes, KeyPoints, Mask, wrap

RandomInvert = simple(
    "RandomInvert", "Turn an image into its negative with probability ``p``.", F.invert, RandomOfImages
)
RandomAutocontrast = simple(
    "RandomAutocontrast",
    "Stretch each channel to the whole range with probability ``p``.",
    F.autocontrast,
    RandomOfImages,
)
RandomEqualize = simple(
    "RandomEqualize", "Make all levels about as frequent with probability ``p``.", F.equalize, RandomOfImages
)


_FACTORS: dict[str, Callable[..., Any]] = {
    "brightness_factor": F.adjust_brightness, "contrast_factor": F.adjust_contrast,
    "saturation_factor": F.adjust_saturation, "hue_factor": F.adjust_hue,
}  # fmt: skip


class ColorJitter(OfImages):
    """Change brightness, contrast, saturation and hue at random, in random order; ranges as for the first version.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ColorJitter.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.ColorJitter(brightness=0.5)(torch.zeros(3, 2, 2)).sum()
    tensor(0.)
    """

    get_params = staticmethod(v1.ColorJitter.get_params)

    def __init__(self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None) -> None:
        super().__init__()
        given = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
        for name, value in given.items():
            if not (
                value is None or isinstance(value, (int, float)) or isinstance(value, Sequence) and len(value) == 2
            ):
                raise TypeError(f"{name}={value} should be a single number or a sequence with length 2.")
        checked = v1.ColorJitter(*(0 if value is None else value for value in given.values()))
        self.brightness, self.contrast = checked.brightness, checked.contrast
        self.saturation, self.hue = checked.saturation, checked.hue

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the order and the factors."""
        order, *factors = v1.ColorJitter.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"fn_idx": order, **dict(zip(_FACTORS, factors, strict=True))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        steps = list(_FACTORS.items())
        for i in params["fn_idx"].tolist():
            name, change = steps[i]
            if params[name] is not None:
                inpt = self._call_kernel(change, inpt, params[name])
        return inpt


class Grayscale(OfImages):
    """Turn an image into its lightness, in one channel or in three equal ones.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Grayscale.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.Grayscale()(torch.ones(3, 1, 2)).shape
    torch.Size([1, 1, 2])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the input in gray."""
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(RandomOfImages):
    """Turn an image into gray with probability ``p``; the number of channels stays.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomGrayscale.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomGrayscale(p=1.0)(torch.ones(3, 1, 2)).shape
    torch.Size([3, 1, 2])
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the input in gray."""
        return self._call_kernel(F.rgb_to_grayscale, inpt, F.get_num_channels(inpt)) if is_image(inpt) else inpt


RGB = simple("RGB", "Turn images of one channel into three equal ones.", F.grayscale_to_rgb, OfImages)


def _channels(flat_inputs: Sequence[Any]) -> list[int]:
    """Return the numbers of channels of the images and videos; raise TypeError where there is none."""
    found = [F.get_num_channels(x) for x in flat_inputs if is_image(x)]
    if not found:
        raise TypeError("No image or video was found in the sample")
    return found


class RandomChannelPermutation(OfImages):
    """Put the channels of an image in a random order.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomChannelPermutation.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomChannelPermutation()(torch.ones(3, 2, 2)).shape
    torch.Size([3, 2, 2])
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the order."""
        channels = set(_channels(flat_inputs))
        if len(channels) != 1:
            raise ValueError(f"Found images of {sorted(channels)} channels in the sample, one number is needed")
        return {"permutation": functions.randperm(channels.pop())}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        return self._call_kernel(F.permute_channels, inpt, params["permutation"])


class RandomPhotometricDistort(OfImages):
    """Change brightness, contrast, saturation and hue and exchange channels, each with probability ``p``.

    The augmentation of SSD (W. Liu et al., 2016); contrast changes before the hue or after it.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomPhotometricDistort.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomPhotometricDistort()(torch.zeros(3, 2, 2)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(
        self, brightness: tuple[float, float] = (0.875, 1.125), contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5), hue: tuple[float, float] = (-0.05, 0.05), p: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.brightness, self.contrast, self.hue, self.saturation, self.p = brightness, contrast, hue, saturation, p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the steps."""
        channels = max(_channels(flat_inputs))
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        params: dict[str, Any] = {
            name: uniform(low, high) if uniform() < self.p else None
            for name, (low, high) in zip(_FACTORS, ranges, strict=True)
        }
        params["contrast_before"] = uniform() < 0.5
        params["channel_permutation"] = functions.randperm(channels) if uniform() < self.p else None
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        last = "" if params["contrast_before"] else "contrast_factor"
        for name in sorted(_FACTORS, key=lambda name: name == last):
            if params[name] is not None:
                inpt = self._call_kernel(_FACTORS[name], inpt, params[name])
        if params["channel_permutation"] is not None:
            inpt = self._call_kernel(F.permute_channels, inpt, params["channel_permutation"])
        return inpt


class JPEG(OfImages):
    """Encode images of bytes as JPEG and decode them, with a ``quality`` of 1 to 100 or a random one of a range.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.JPEG.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.JPEG(50)(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(self, quality: Any) -> None:
        super().__init__()
        both = [quality, quality] if isinstance(quality, int) else list(quality)
        if len(both) != 2 or not all(isinstance(q, int) for q in both) or not 1 <= both[0] <= both[1] <= 100:
            raise ValueError(f"quality must be an integer from 1 to 100, or a sequence of two of them, got {quality}")
        self.quality = both

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the quality."""
        return {"quality": randint(self.quality[0], self.quality[1] + 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return what is left."""
        return self._call_kernel(F.jpeg, inpt, params["quality"])


class RandomPosterize(RandomOfImages):
    """Keep only ``bits`` of each byte with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomPosterize.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomPosterize(2, p=1.0)(torch.tensor([[[7, 255]]], dtype=torch.uint8))
    tensor([[[  0, 192]]], dtype=torch.uint8)
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        return self._call_kernel(F.posterize, inpt, self.bits)


class RandomSolarize(RandomOfImages):
    """Invert all values from ``threshold`` on, with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomSolarize.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomSolarize(128, p=1.0)(torch.tensor([[[7, 255]]], dtype=torch.uint8))
    tensor([[[7, 0]]], dtype=torch.uint8)
    """

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        return self._call_kernel(F.solarize, inpt, self.threshold)


class RandomAdjustSharpness(RandomOfImages):
    """Scale the sharpness with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomAdjustSharpness.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.RandomAdjustSharpness(2.0)(image).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        return self._call_kernel(F.adjust_sharpness, inpt, self.sharpness_factor)


def _two_numbers(value: Any, name: str) -> tuple[float, float]:
    """Return the ends of a range that is given as two numbers, as one in a list, or as one."""
    if not isinstance(value, (int, float, Sequence)):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    given = value if isinstance(value, Sequence) else [value]
    if len(given) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(given)}")
    for n in given:
        if not isinstance(n, (int, float)):
            raise ValueError(f"{name} should be a sequence of numbers. Got {type(n)}")
    return float(given[0]), float(given[-1])


class GaussianBlur(OfImages):
    """Blur by a Gaussian of random ``sigma``, cut to ``kernel_size``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.GaussianBlur.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.GaussianBlur(3)(torch.ones(1, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    get_params = staticmethod(v1.GaussianBlur.get_params)

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        low, high = _two_numbers(sigma, "sigma")
        if not 0.0 < low <= high:
            raise ValueError(f"sigma values should be positive and of the form (min, max). Got {[low, high]}")
        self.kernel_size, self.sigma = v1.GaussianBlur(kernel_size).kernel_size, [low, high]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw sigma."""
        return {"sigma": [v1.GaussianBlur.get_params(*self.sigma)] * 2}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the blurred input."""
        return self._call_kernel(F.gaussian_blur, inpt, list(self.kernel_size), params["sigma"])


class GaussianNoise(OfImages):
    """Add normally distributed noise to an image of floats, cut to 0…1 where ``clip``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.GaussianNoise.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.GaussianNoise()(torch.zeros(3, 2, 2)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the noisy input."""
        return self._call_kernel(F.gaussian_noise, inpt, mean=self.mean, sigma=self.sigma, clip=self.clip)


def _operation(img: Any, name: str, magnitude: float, interpolation: Any, fill: Any) -> Any:
    """Return the image changed by one operation of the policies, which the second version has for floats as well."""
    if name in ("Equalize", "AutoContrast"):
        return F.equalize(img) if name == "Equalize" else F.autocontrast(img)
    if name == "Posterize":
        return F.posterize(img, int(magnitude))
    if name == "Solarize" and isinstance(img, Tensor):
        return F.solarize(img, magnitude / 255 * (1 if img.is_floating_point() else iinfo(img.dtype).max))
    return _apply_op(img, name, magnitude, interpolation, fill)


class _Policy(OfImages):
    """A policy of the first version, for the one image of a sample."""

    _make: Callable[..., Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        if "interpolation" in kwargs:
            kwargs["interpolation"] = mode_of(kwargs["interpolation"])
        made = type(self)._make(*args, **kwargs)
        made._operate = _operation
        object.__setattr__(self, "_policy", made)  # not a child: it has no parameters, and its lines are our own
        self.interpolation, hidden = made.interpolation, ("training", "interpolation", "policies")
        vars(self).update({k: v for k, v in vars(made).items() if not k.startswith("_") and k not in hidden})

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError unless there is just one image, and nothing that could not follow it."""
        for x in flat_inputs:
            if isinstance(x, (BoundingBoxes, KeyPoints, Mask)):
                raise TypeError(f"{type(self).__name__}() takes images alone: {type(x).__name__} cannot follow them")
        count = sum(
            chosen and is_image(x)
            for x, chosen in zip(flat_inputs, self._needs_transform_list(flat_inputs), strict=True)
        )
        if count != 1:
            raise TypeError(f"{type(self).__name__}() takes samples with one image, got {count}")

    def _apply_image_or_video_transform(
        self, image: Any, transform_id: str, magnitude: float, interpolation: Any, fill: Any
    ) -> Any:
        """Return an image changed by one operation; ``fill`` is by the kind of input, as transforms keep it."""
        plain = image.as_subclass(Tensor) if isinstance(image, Tensor) else image
        filled = filling(fill, image) if isinstance(fill, dict) else fill
        return wrap(_operation(plain, transform_id, magnitude, mode_of(interpolation), filled), like=image)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        if not is_image(inpt):
            return inpt
        policy = self._policy
        if isinstance(policy.fill, dict):  # by the kind of the input
            policy = copy(policy)
            policy.fill = filling(self.fill, inpt)
        plain = inpt.as_subclass(Tensor) if isinstance(inpt, Tensor) else inpt
        return wrap(policy(plain), like=inpt)


def _policy(version: Any) -> Any:
    """Return the class of a policy of the first version."""
    members = {
        "_make": version, "__doc__": version.__doc__, "__signature__": inspect.signature(version),
        "__module__": "cltorch.vision.transforms.v2",
    }  # fmt: skip
    if hasattr(version, "get_params"):
        members["get_params"] = staticmethod(version.get_params)
    return type(version.__name__, (_Policy,), members)


AutoAugment, RandAugment = _policy(v1.AutoAugment), _policy(v1.RandAugment)
TrivialAugmentWide, AugMix = _policy(v1.TrivialAugmentWide), _policy(v1.AugMix)
