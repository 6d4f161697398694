"""Random rotations, affine and perspective maps, and elastic deformation.

Source: https://docs.pytorch.org/vision/stable/transforms.html#geometry
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.functional import blur, warp
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional.resample import InterpolationMode, interpolation_mode
from cltorch.vision.transforms.geometry import randint


def _check_sequence_input(x: Any, name: str, req_sizes: tuple[int, ...]) -> None:
    wanted = " or ".join(map(str, req_sizes))
    if not isinstance(x, Sequence):
        raise TypeError(f"{name} should be a sequence of length {wanted}.")
    if len(x) not in req_sizes:
        raise ValueError(f"{name} should be a sequence of length {wanted}.")


def _setup_angle(x: Any, name: str, req_sizes: tuple[int, ...] = (2,)) -> list[float]:
    """Return the range of angles that a number (from -x to x) or a sequence means."""
    if isinstance(x, numbers.Real):
        if x < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        x = [-x, x]
    else:
        _check_sequence_input(x, name, req_sizes)
    return [float(d) for d in x]


def _fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not isinstance(fill, (Sequence, numbers.Number)):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


def fill_of(fill: Any, img: Any) -> Any:
    """Return ``fill`` as it is for PIL images, and as floats, one for each channel, for tensors."""
    if fill is None or not isinstance(img, Tensor):
        return fill
    return [float(fill)] * F.get_dimensions(img)[0] if isinstance(fill, (int, float)) else [float(f) for f in fill]


class RandomRotation(Module):
    """Turn by a random angle from the range ``degrees``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomRotation.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomRotation(30)(image).shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self, degrees: Any, interpolation: InterpolationMode | int = InterpolationMode.NEAREST, expand: bool = False,
        center: Any = None, fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = _setup_angle(degrees, "degrees")
        if center is not None:
            _check_sequence_input(center, "center", (2,))
        self.center, self.expand, self.fill = center, expand, _fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw the angle."""
        return uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Any) -> Any:
        """Return the turned image."""
        angle = self.get_params(self.degrees)
        return warp.rotate(img, angle, self.interpolation, self.expand, self.center, fill_of(self.fill, img))

    def __repr__(self) -> str:
        detail = f"degrees={self.degrees}, interpolation={self.interpolation.value}, expand={self.expand}"
        detail += f", center={self.center}" if self.center is not None else ""
        return f"{type(self).__name__}({detail}, fill={self.fill})"


class RandomAffine(Module):
    """Turn, move, scale and shear at random, around the middle or ``center``.

    ``degrees`` and ``shear`` are ranges in degrees (a number, a pair, for the shear also two pairs for x and y),
    ``translate`` the largest shares of width and height, ``scale`` a range of factors.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomAffine.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomAffine(30)(image).shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST, fill: Any = 0, center: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = _setup_angle(degrees, "degrees")
        if translate is not None:
            _check_sequence_input(translate, "translate", (2,))
            if not all(0.0 <= t <= 1.0 for t in translate):
                raise ValueError("translation values should be between 0 and 1")
        if scale is not None:
            _check_sequence_input(scale, "scale", (2,))
            if any(s <= 0 for s in scale):
                raise ValueError("scale values should be positive")
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else _setup_angle(shear, "shear", (2, 4))
        self.fill = _fill(fill)
        if center is not None:
            _check_sequence_input(center, "center", (2,))
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float], translate: Any, scale_ranges: Any, shears: Any, img_size: Sequence[int]
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw (angle, (x, y), scale, (shear in x, shear in y)) for an image of (width, height)."""
        angle = uniform(float(degrees[0]), float(degrees[1]))
        move = (0, 0)
        if translate is not None:
            most = [float(t * n) for t, n in zip(translate, img_size, strict=True)]
            move = (round(uniform(-most[0], most[0])), round(uniform(-most[1], most[1])))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear = (0.0, 0.0)
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            shear = (shear_x, uniform(shears[2], shears[3]) if len(shears) == 4 else 0.0)
        return angle, move, scale, shear

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, F.get_image_size(img))
        return warp.affine(
            img, *drawn, interpolation=self.interpolation, fill=fill_of(self.fill, img), center=self.center
        )

    def __repr__(self) -> str:
        detail = f"degrees={self.degrees}"
        for name in ("translate", "scale", "shear"):
            value = getattr(self, name)
            detail += f", {name}={value}" if value is not None else ""
        if self.interpolation is not InterpolationMode.NEAREST:
            detail += f", interpolation={self.interpolation.value}"
        detail += f", fill={self.fill}" if self.fill != 0 else ""
        detail += f", center={self.center}" if self.center is not None else ""
        return f"{type(self).__name__}({detail})"


class RandomPerspective(Module):
    """Apply a random perspective with probability ``p``: the corners move by up to half ``distortion_scale``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomPerspective.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.RandomPerspective()(image).shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR, fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.p, self.distortion_scale = p, distortion_scale
        self.interpolation = interpolation_mode(interpolation)
        self.fill = _fill(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """Draw where the corners go: (their places, the new places), clockwise from the top left."""
        right, down = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))

        def corner(at_right: bool, at_bottom: bool) -> list[int]:
            x = randint(width - right - 1, width) if at_right else randint(0, right + 1)
            y = randint(height - down - 1, height) if at_bottom else randint(0, down + 1)
            return [x, y]

        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, [corner(False, False), corner(True, False), corner(True, True), corner(False, True)]

    def forward(self, img: Any) -> Any:
        """Return the image, changed or not."""
        if uniform() >= self.p:
            return img
        _, height, width = F.get_dimensions(img)
        start, end = self.get_params(width, height, self.distortion_scale)
        return warp.perspective(img, start, end, self.interpolation, fill_of(self.fill, img))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class ElasticTransform(Module):
    """Bend an image as if seen through moving water: ``alpha`` is how far, ``sigma`` how smoothly, in x and y.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.ElasticTransform.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.ElasticTransform(sigma=1.0)(torch.zeros(3, 16, 16)).shape
    torch.Size([3, 16, 16])
    """

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR, fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.alpha, self.sigma = _two_floats(alpha, "alpha"), _two_floats(sigma, "sigma")
        self.interpolation = interpolation_mode(interpolation)
        if not isinstance(fill, (int, float, list, tuple)):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(f) for f in (fill if isinstance(fill, (list, tuple)) else [fill])]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """Draw the displacement (1, H, W, 2) for an image of (height, width)."""
        moves = []
        for strength, width, length in zip(alpha, sigma, (size[1], size[0]), strict=True):
            move = functions.rand(1, 1, *size) * 2 - 1
            if width > 0.0:
                kernel = int(8 * width + 1) | 1  # the odd number from there on
                move = blur.gaussian_blur(move, [kernel, kernel], list(sigma))
            moves.append(move * strength / length)
        return functions.cat(moves, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        """Return the deformed image."""
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return warp.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        detail = f"alpha={self.alpha}, sigma={self.sigma}, interpolation={self.interpolation}, fill={self.fill}"
        return f"{type(self).__name__}({detail})"


def _two_floats(value: Any, name: str) -> Any:
    if not isinstance(value, (float, Sequence)):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, float):
        return [value, value]
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return value
