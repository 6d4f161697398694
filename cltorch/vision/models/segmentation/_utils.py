"""What networks for segmentation share: a backbone, a head, and scores brought to the size of the image.

Source: https://docs.pytorch.org/vision/0.28/models.html#semantic-segmentation
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models._utils import IntermediateLayerGetter
from cltorch.vision.models.mobilenetv3 import mobilenet_v3_large
from cltorch.vision.models.weights import get_model, is_file, load_weights, needed, weights_class


class _SimpleSegmentationModel(nn.Module):
    """Give the scores of the classes for each pixel of (N, 3, H, W), in a dict: "out" and, with a second head, "aux".

    The backbone returns a dict with the features "out" and "aux".
    """

    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the scores (N, classes, H, W)."""
        features = self.backbone(x)
        result = OrderedDict(out=enlarge(self.classifier(features["out"]), x))
        if self.aux_classifier is not None:
            result["aux"] = enlarge(self.aux_classifier(features["aux"]), x)
        return result


def enlarge(scores: Tensor, like: Tensor) -> Tensor:
    """Return scores interpolated to the height and width of another tensor."""
    return F.interpolate(scores, size=tuple(like.shape[-2:]), mode="bilinear", align_corners=False)


def resnet_features(network: str, weights: Any, aux: bool) -> IntermediateLayerGetter:
    """Return the layers of a ResNet whose last two stages are dilated, with the outputs "out" and "aux"."""
    backbone = get_model(network, weights=weights, replace_stride_with_dilation=[False, True, True])
    return IntermediateLayerGetter(backbone, {"layer4": "out", **({"layer3": "aux"} if aux else {})})


def mobilenet_stages(weights: Any) -> tuple[nn.Sequential, list[int]]:
    """Return the layers of the large MobileNetV3, dilated, and the positions of those that change the resolution."""
    features = mobilenet_v3_large(weights=weights, dilated=True).features
    changes = [i for i, layer in enumerate(features) if getattr(layer, "_is_cn", False)]
    return features, [0, *changes, len(features) - 1]


def build_segmentation(
    name: str, backbone: str, make: Callable[[Any, int, bool], nn.Module], weights: Any, weights_backbone: Any,
    num_classes: int | None, aux_loss: bool | None,
) -> Any:  # fmt: skip
    """Return ``make(weights of the backbone, classes, whether there is a second head)`` with weights.

    ``weights`` is None, the path of a file or published ones; those of the backbone count only without them. Raises
    ValueError for a number of classes other than that of published weights.
    """
    member = None
    if is_file(weights):
        weights_backbone = None
    elif weights is not None:
        member, weights_backbone = weights_class(name).verify(weights), None
        classes, head = len(member.meta["categories"]), aux_loss if name.startswith("lraspp") else True
        num_classes, aux_loss = needed("num_classes", num_classes, classes), needed("aux_loss", aux_loss, head)
    elif weights_backbone is not None and not is_file(weights_backbone):
        weights_backbone = weights_class(backbone).verify(weights_backbone)
    model = make(weights_backbone, 21 if num_classes is None else num_classes, bool(aux_loss))
    load_weights(model, weights if member is None else member)
    return model
