"""The parts that detectors are put together from: checked where they are given, made where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import nn
from cltorch.vision.models.detection.transform import GeneralizedRCNNTransform

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the images that backbones are trained with


def check_backbone(backbone: nn.Module) -> None:
    """Raise ValueError for a backbone that does not say how many channels its maps have."""
    if not hasattr(backbone, "out_channels"):
        raise ValueError(
            "backbone should contain an attribute out_channels specifying the number of output channels (assumed to be "
            "the same for all the levels)"
        )


def check_part(name: str, value: Any, kind: type) -> None:
    """Raise TypeError unless a part of a network is None or of its type."""
    if not isinstance(value, (kind, type(None))):
        raise TypeError(f"{name} should be of type {kind.__name__} or None instead of {type(value)}")


def given(part: Any, make: Callable[[], Any]) -> Any:
    """Return a part of a network, made unless it is given; one without layers counts as false, so None is asked for."""
    return make() if part is None else part


def image_transform(
    min_size: Any, max_size: int, image_mean: Any, image_std: Any, **options: Any
) -> GeneralizedRCNNTransform:
    """Return what prepares images, by the mean and the deviation of ImageNet's unless others are given."""
    mean, std = given(image_mean, lambda: list(_MEAN)), given(image_std, lambda: list(_STD))
    return GeneralizedRCNNTransform(min_size, max_size, mean, std, **options)
