"""Detectors by name, with published weights or with those of a backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cltorch import nn
from cltorch.vision.models.detection._utils import overwrite_eps
from cltorch.vision.models.detection.backbone_utils import (
    BackboneWithFPN,
    _resnet_fpn_extractor,
    _validate_trainable_layers,
)
from cltorch.vision.models.resnet import resnet50
from cltorch.vision.models.weights import is_file, load_weights, needed, weights_class
from cltorch.vision.ops.misc import FrozenBatchNorm2d


@dataclass(frozen=True)
class Start:
    """Where a detector starts from: weights of its backbone, classes, and what of the backbone is trained."""

    weights_backbone: Any
    num_classes: int
    is_trained: bool
    trainable_layers: int

    @property
    def norm_layer(self) -> Callable[..., nn.Module]:
        """Return a normalisation, frozen where the backbone has weights already."""
        return FrozenBatchNorm2d if self.is_trained else nn.BatchNorm2d


def resnet_pyramid(start: Start, **options: Any) -> BackboneWithFPN:
    """Return the maps of ResNet-50, normalised as the weights want it."""
    network = resnet50(weights=start.weights_backbone, norm_layer=start.norm_layer)
    return _resnet_fpn_extractor(network, start.trainable_layers, **options)


def build_detector(
    name: str, backbone: str, make: Callable[[Start, dict[str, Any]], Any], weights: Any, weights_backbone: Any,
    num_classes: int | None, trainable_layers: int | None, options: dict[str, Any], *,
    layers: tuple[int, int] = (5, 3), classes: int = 91, eps_zero: bool = False,
) -> Any:  # fmt: skip
    """Return ``make(start, options)`` with weights: None, the path of a file or published ones.

    Those of the backbone count only without them. ``layers`` says how many layers of the backbone can be trained and
    how many are by default, ``eps_zero`` that the weights COCO_V1 are those of normalisations with an ``eps`` of 0.
    Raises ValueError for another number of classes than published weights have.
    """
    member = None
    if weights is not None:
        weights_backbone = None
    elif weights_backbone is not None and not is_file(weights_backbone):
        weights_backbone = weights_class(backbone).verify(weights_backbone)
    if weights is not None and not is_file(weights):
        member = weights_class(name).verify(weights)
        num_classes = needed("num_classes", num_classes, len(member.meta["categories"]))
        if "keypoint_names" in member.meta:
            points = len(member.meta["keypoint_names"])
            options["num_keypoints"] = needed("num_keypoints", options.get("num_keypoints"), points)
    trained = weights is not None or weights_backbone is not None
    count = _validate_trainable_layers(trained, trainable_layers, *layers)
    start = Start(weights_backbone, classes if num_classes is None else num_classes, trained, count)
    model = make(start, options)
    load_weights(model, weights if member is None else member)
    if eps_zero and member is not None and member.name == "COCO_V1":
        overwrite_eps(model, 0.0)
    return model
