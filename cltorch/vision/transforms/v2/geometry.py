"""Transforms of size and place, of images, masks and boxes together.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#geometry
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor
from cltorch.vision import transforms as v1
from cltorch.vision.transforms.functional import InterpolationMode
from cltorch.vision.transforms.functional.geometry import sides
from cltorch.vision.transforms.functional.warp import _get_perspective_coeffs
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.transform import RandomTransform, Transform, mode_of, simple, size_of
from cltorch.vision.tv_tensors import BoundingBoxes, KeyPoints, Mask


def checked_fill(fill: Any) -> Any:
    """Return what comes in from outside; raise TypeError unless it is numbers, None, or a dict of these."""
    for value in fill.values() if isinstance(fill, dict) else (fill,):
        if value is not None and not isinstance(value, (numbers.Number, tuple, list)):
            raise TypeError("Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed.")
    return fill


RandomHorizontalFlip = simple(
    "RandomHorizontalFlip", "Mirror left and right with probability ``p``.", F.horizontal_flip, RandomTransform
)
RandomVerticalFlip = simple(
    "RandomVerticalFlip", "Mirror top and bottom with probability ``p``.", F.vertical_flip, RandomTransform
)


def filling(fill: Any, inpt: Any) -> Any:
    """Return what comes in from outside, which a dict gives for each kind of input, and for "others"."""
    return fill.get(type(inpt), fill.get("others", 0)) if isinstance(fill, dict) else fill


class Resize(Transform):
    """Resize to (height, width), or so that the smaller edge has the given length; None: the longer ``max_size``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Resize.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.Resize(2, antialias=True)(image).shape
    torch.Size([1, 2, 2])
    """

    def __init__(
        self, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if size is not None and not isinstance(size, (int, Sequence)):
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead."
            )
        if size is None and not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        # without a size the longer edge alone is given, which the first version does not know
        checked = v1.Resize(1 if size is None else size, mode_of(interpolation), None, antialias)
        self.size: Any = None if size is None else [size] if isinstance(size, int) else list(size)
        self.interpolation, self.max_size, self.antialias = checked.interpolation, max_size, antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the resized input."""
        return self._call_kernel(
            F.resize,
            inpt,
            self.size,
            interpolation=self.interpolation,
            max_size=self.max_size,
            antialias=self.antialias,
        )


class CenterCrop(Transform):
    """Cut out the middle, padding with zeros where the image is smaller.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.CenterCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.CenterCrop(2)(image)
    tensor([[[ 5,  6],
             [ 9, 10]]], dtype=torch.uint8)
    """

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = v1.CenterCrop(size).size

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the cropped input."""
        return self._call_kernel(F.center_crop, inpt, self.size)


class Pad(Transform):
    """Pad on all sides.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Pad.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.Pad(1)(image).shape
    torch.Size([1, 6, 6])
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, int) and not (isinstance(padding, (list, tuple)) and len(padding) in (1, 2, 4)):
            raise ValueError(f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}.")
        v1.Pad(padding, 0, padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill, self.padding_mode = checked_fill(fill), padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the padded input."""
        return self._call_kernel(F.pad, inpt, self.padding, filling(self.fill, inpt), self.padding_mode)


class RandomCrop(Transform):
    """Cut out a rectangle at a random place, after padding; raise ValueError where it is larger than the image.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.RandomCrop(2)(image).shape
    torch.Size([1, 2, 2])
    """

    get_params = staticmethod(v1.RandomCrop.get_params)

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:  # fmt: skip
        super().__init__()
        v1.Pad(0, 0, padding_mode)
        self.size = v1.RandomCrop(size).size
        self.padding = None if padding is None else list(sides(padding))
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, checked_fill(fill), padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the place, and say how much to pad first."""
        height, width = size_of(flat_inputs)
        left, top, right, bottom = self.padding or (0, 0, 0, 0)
        if self.pad_if_needed:
            down, across = self.size[0] - height - top - bottom, self.size[1] - width - left - right
            down, across = max(down, 0), max(across, 0)
            left, top, right, bottom = left + across, top + down, right + across, bottom + down
        height, width = height + top + bottom, width + left + right
        if height < self.size[0] or width < self.size[1]:
            padded = "padded " if self.padding is not None else ""
            raise ValueError(
                f"Required crop size {tuple(self.size)} is larger than {padded}input image size {(height, width)}."
            )
        y, x, cut_height, cut_width = v1.RandomCrop.get_params(Tensor(height, width), self.size)
        padding = [left, top, right, bottom]
        return {
            "needs_crop": (cut_height, cut_width) != (height, width), "top": y, "left": x, "height": cut_height,
            "width": cut_width, "needs_pad": any(padding), "padding": padding,
        }  # fmt: skip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the cropped input."""
        if params["needs_pad"]:
            inpt = self._call_kernel(F.pad, inpt, params["padding"], filling(self.fill, inpt), self.padding_mode)
        if params["needs_crop"]:
            inpt = self._call_kernel(F.crop, inpt, *(params[name] for name in ("top", "left", "height", "width")))
        return inpt


class RandomResizedCrop(Transform):
    """Cut out a rectangle of random area and shape, and resize it.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomResizedCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.RandomResizedCrop(2, antialias=True)(image).shape
    torch.Size([1, 2, 2])
    """

    get_params = staticmethod(v1.RandomResizedCrop.get_params)

    def __init__(
        self, size: Any, scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        checked = v1.RandomResizedCrop(size, scale, ratio, mode_of(interpolation), antialias)
        self.size, self.scale, self.ratio = checked.size, scale, ratio
        self.interpolation, self.antialias = checked.interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the rectangle."""
        like = Tensor(*size_of(flat_inputs))
        top, left, height, width = v1.RandomResizedCrop.get_params(like, self.scale, self.ratio)
        return {"top": top, "left": left, "height": height, "width": width}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the cropped and resized input."""
        return self._call_kernel(
            F.resized_crop, inpt, **params, size=self.size, interpolation=self.interpolation, antialias=self.antialias
        )


class RandomRotation(Transform):
    """Turn by a random angle from the range ``degrees``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomRotation.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.RandomRotation(30)(image).shape
    torch.Size([1, 4, 4])
    """

    get_params = staticmethod(v1.RandomRotation.get_params)

    def __init__(
        self, degrees: Any, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False, center: Any = None,
        fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        checked = v1.RandomRotation(degrees, mode_of(interpolation), expand, center, 0)
        self.degrees, self.interpolation = checked.degrees, checked.interpolation
        self.expand, self.fill, self.center = expand, checked_fill(fill), center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the angle."""
        return {"angle": v1.RandomRotation.get_params(self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the turned input."""
        fill = filling(self.fill, inpt)
        return self._call_kernel(
            F.rotate,
            inpt,
            params["angle"],
            interpolation=self.interpolation,
            expand=self.expand,
            center=self.center,
            fill=fill,
        )


class RandomAffine(Transform):
    """Turn, move, scale and shear at random, around the middle or ``center``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomAffine.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.RandomAffine(30)(image).shape
    torch.Size([1, 4, 4])
    """

    get_params = staticmethod(v1.RandomAffine.get_params)

    def __init__(
        self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST, fill: Any = 0, center: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        checked = v1.RandomAffine(degrees, translate, scale, shear, mode_of(interpolation), 0, center)
        self.degrees, self.translate, self.scale, self.shear = checked.degrees, translate, scale, checked.shear
        self.interpolation, self.fill, self.center = checked.interpolation, checked_fill(fill), center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the map."""
        height, width = size_of(flat_inputs)
        drawn = v1.RandomAffine.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return dict(zip(("angle", "translate", "scale", "shear"), drawn, strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        fill = filling(self.fill, inpt)
        return self._call_kernel(
            F.affine, inpt, **params, interpolation=self.interpolation, fill=fill, center=self.center
        )


class RandomPerspective(RandomTransform):
    """Apply a random perspective with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomPerspective.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> v2.RandomPerspective()(image).shape
    torch.Size([1, 4, 4])
    """

    get_params = staticmethod(v1.RandomPerspective.get_params)

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation = distortion_scale, mode_of(interpolation)
        self.fill = checked_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw where the corners go."""
        height, width = size_of(flat_inputs)
        corners = v1.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"coefficients": _get_perspective_coeffs(*corners)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the changed input."""
        fill = filling(self.fill, inpt)
        return self._call_kernel(F.perspective, inpt, None, None, interpolation=self.interpolation, fill=fill, **params)


def _two_floats(value: Any, name: str) -> list[float]:
    """Return a number, or one or two of a sequence, as two floats; raise TypeError or ValueError for anything else."""
    values = [value] if isinstance(value, numbers.Real) else value
    if not isinstance(values, Sequence) or not all(isinstance(v, numbers.Real) for v in values):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    if len(values) not in (1, 2):
        raise ValueError(f"{name} should be a number or a sequence of one or two of them, got {len(values)}")
    return [float(values[0]), float(values[-1])]


class ElasticTransform(Transform):
    """Bend an image as if seen through moving water.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ElasticTransform.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.ElasticTransform(sigma=1.0)(torch.zeros(3, 16, 16)).shape
    torch.Size([3, 16, 16])
    """

    get_params = staticmethod(v1.ElasticTransform.get_params)

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0
    ) -> None:
        super().__init__()
        self.alpha, self.sigma = _two_floats(alpha, "alpha"), _two_floats(sigma, "sigma")
        self.interpolation, self.fill = mode_of(interpolation), checked_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the displacement."""
        return {"displacement": v1.ElasticTransform.get_params(self.alpha, self.sigma, list(size_of(flat_inputs)))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the deformed input."""
        fill = filling(self.fill, inpt)
        return self._call_kernel(F.elastic, inpt, params["displacement"], interpolation=self.interpolation, fill=fill)


class _Crops(Transform):
    """Make several images of one; masks and boxes cannot follow, and points stay as they are."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError for what cannot follow."""
        if any(isinstance(x, (BoundingBoxes, Mask)) for x in flat_inputs):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inpt, KeyPoints):
            warnings.warn(
                f"{type(self).__name__}() is currently passing through inputs of type tv_tensors.KeyPoints. This will "
                "likely change in the future.",
                stacklevel=callers_level(),
            )
        return super()._call_kernel(functional, inpt, *args, **kwargs)


class FiveCrop(_Crops):
    """Cut out the four corners and the middle of images: a tuple takes the place of each.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.FiveCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> [x.shape for x in v2.FiveCrop(2)(image)][:2]
    [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = v1.FiveCrop(size).size

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the crops."""
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(_Crops):
    """Cut out five crops of images and five of their mirror images: a tuple takes the place of each.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.TenCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> len(v2.TenCrop(2)(image))
    10
    """

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size, self.vertical_flip = v1.TenCrop(size).size, vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the crops."""
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)
