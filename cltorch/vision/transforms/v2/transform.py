"""The base of the v2 transforms: one draw of numbers for everything in a sample.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Transform.html
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any

from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_leaves, tree_structure, tree_unflatten
from cltorch.vision import transforms as v1
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.dispatch import _get_kernel, is_pure_tensor
from cltorch.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video


def leaves(sample: Any) -> list[Any]:
    """Return what a nest holds, in order: dicts, lists, tuples and what programs register are nests, not their kin."""
    return tree_leaves(sample)


def rebuilt(sample: Any, values: Iterator[Any]) -> Any:
    """Return the same nest with other leaves."""
    return tree_unflatten(values, tree_structure(sample))


def is_image(x: Any) -> bool:
    """Return whether a value is an image or a video, plain tensors and PIL images among them."""
    return is_pure_tensor(x) or isinstance(x, (Image, Video)) or is_pil(x)


def size_of(flat_inputs: list[Any]) -> tuple[int, int]:
    """Return the (height, width) that images, masks, boxes and points have in common; ValueError where they differ.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.query_size.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.query_size([torch.ones(3, 2, 4)])
    (2, 4)
    """
    kinds = (Mask, BoundingBoxes, KeyPoints)
    sizes = {tuple(F.get_size(x)) for x in flat_inputs if is_image(x) or isinstance(x, kinds)}
    if not sizes:
        raise TypeError("No image, video, mask, bounding box or keypoint was found in the sample")
    if len(sizes) > 1:
        raise ValueError(f"Found multiple HxW dimensions in the sample: {sorted(sizes)}")
    height, width = sizes.pop()
    return height, width


# of the names that both versions have, those that do not mean the same
_APART = frozenset(("Compose", "Lambda", "PILToTensor", "RandomChoice", "RandomOrder", "ToPILImage", "ToTensor"))


class Transform(Module):
    """Transform the images, masks and boxes in a sample: any nest of dicts, lists and tuples.

    A subclass has ``transform(inpt, params)`` for one of them, and ``make_params(flat_inputs)`` that draws what is the
    same for all; ``_transformed_types`` names the classes it is for, and the rest of a sample goes through as it is. A
    plain tensor counts as an image where it is the first one and the sample has no other image.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Transform.html

    >>> import cltorch as torch
    >>> class Negative(Transform):
    ...     def transform(self, inpt, params):
    ...         return F.invert(inpt)
    >>> Negative()({"image": torch.zeros(1, 1, 2), "label": 3})
    {'image': tensor([[[1., 1.]]]), 'label': 3}
    """

    _v1_transform_cls: type[Module] | None = None  # the same in ``vision.transforms``, where there is one

    # what is transformed: classes, and functions that say so of a value; the rest goes through
    _transformed_types: tuple[type | Callable[[Any], bool], ...] = (Tensor, is_pil)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(f"{__package__}") and cls.__name__ not in _APART:
            cls._v1_transform_cls = getattr(v1, cls.__name__, None)

    def __init__(self) -> None:
        super().__init__()

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise where a sample cannot be transformed."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Return what is drawn once for a sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return one transformed input."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """Return the transformed sample, in the form of the given one."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = leaves(sample)
        self.check_inputs(flat)
        if not self._happens():
            return sample
        chosen = self._needs_transform_list(flat)
        params = self.make_params([x for x, yes in zip(flat, chosen, strict=True) if yes])
        done = [self.transform(x, params) if yes else x for x, yes in zip(flat, chosen, strict=True)]
        return rebuilt(sample, iter(done))

    def _happens(self) -> bool:
        return True

    def _call_kernel(self, functional: Callable[..., Any], inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function of ``v2.functional``; an input that it does not take is returned as it is."""
        return _get_kernel(functional, type(inpt), allow_passthrough=True)(inpt, *args, **kwargs)

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        """Return for each value of a sample whether it is transformed, by ``_transformed_types``."""
        plain = not any(isinstance(x, (Image, Video)) or is_pil(x) for x in flat_inputs)
        chosen = []
        for x in flat_inputs:
            yes = any(isinstance(x, t) if isinstance(t, type) else bool(t(x)) for t in self._transformed_types)
            if yes and is_pure_tensor(x):
                yes, plain = plain, False
            chosen.append(yes)
        return chosen

    def _extract_params_for_v1_transform(self) -> dict[str, Any]:
        """Return the arguments for the first version of the transform, which are kept as attributes."""
        shown = {k: v for k, v in vars(self).items() if not k.startswith("_") and k not in vars(Module())}
        if isinstance(shown.get("interpolation"), str):
            shown["interpolation"] = InterpolationMode(shown["interpolation"])
        return shown

    def extra_repr(self) -> str:
        """Return the attributes that are simple values."""
        simple = (bool, int, float, str, tuple, list, enum.Enum)
        shown = {k: v for k, v in vars(self).items() if not k.startswith("_") and k != "training"}
        shown = {k: v.value if isinstance(v, InterpolationMode) else v for k, v in shown.items()}
        return ", ".join(f"{name}={value}" for name, value in shown.items() if isinstance(value, simple))


def _has_colors(x: Any) -> bool:
    """Return whether a value is an image or of a kind of one's own, for which a function may be registered."""
    return is_image(x) or (isinstance(x, TVTensor) and not isinstance(x, (Mask, BoundingBoxes, KeyPoints)))


class OfImages(Transform):
    """A transform of images and videos alone; the rest of a sample goes through."""

    _transformed_types = (_has_colors,)


class RandomTransform(Transform):
    """A transform that happens with probability ``p``; raise ValueError for a ``p`` outside of 0 to 1."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def _happens(self) -> bool:
        return uniform() < self.p


def mode_of(interpolation: Any) -> Any:
    """Return an interpolation mode; its name does too."""
    return InterpolationMode(interpolation) if isinstance(interpolation, str) else interpolation


class RandomOfImages(RandomTransform, OfImages):
    """A transform of images and videos alone that happens with probability ``p``."""


def simple(name: str, doc: str, function: Callable[..., Any], base: type[Transform] = Transform) -> Any:
    """Return the class of a transform without parameters, or with ``p`` alone."""

    def transform(self: Any, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(function, inpt)

    doc = (
        f"{doc}\n\nSource: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.{name}.html\n\n"
        ">>> import cltorch as torch\n>>> from cltorch.vision.transforms import v2\n"
        f">>> v2.{name}()(torch.ones(3, 2, 4)).shape\ntorch.Size([3, 2, 4])\n"
    )
    return type(name, (base,), {"transform": transform, "__doc__": doc, "__module__": "cltorch.vision.transforms.v2"})
