"""Networks for classification as sources of feature maps.

Source: https://docs.pytorch.org/vision/0.28/models.html#object-detection-instance-segmentation-and-person-keypoint-detection
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models import mobilenetv2, mobilenetv3, resnet
from cltorch.vision.models._utils import IntermediateLayerGetter
from cltorch.vision.models.builders import handle_legacy_interface
from cltorch.vision.models.weights import weights_class
from cltorch.vision.ops.feature_pyramid_network import ExtraFPNBlock, FeaturePyramidNetwork, LastLevelMaxPool
from cltorch.vision.ops.misc import FrozenBatchNorm2d


class BackboneWithFPN(nn.Module):
    """Take maps from the layers of a model and pass them through a feature pyramid.

    ``return_layers`` maps names of the model's children to names of maps, ``in_channels_list`` says how many channels
    they have; each has ``out_channels`` in the end. ``extra_blocks`` makes further maps, by default one.
    """

    def __init__(
        self, backbone: nn.Module, return_layers: dict[str, str], in_channels_list: list[int], out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None, norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.body = IntermediateLayerGetter(backbone, return_layers=return_layers)
        self.fpn = FeaturePyramidNetwork(
            in_channels_list, out_channels, extra_blocks=extra_blocks or LastLevelMaxPool(), norm_layer=norm_layer
        )
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the maps by name, finest first."""
        return self.fpn(self.body(x))


_older_form = handle_legacy_interface(
    weights=("pretrained", lambda options: weights_class(options["backbone_name"])["IMAGENET1K_V1"])
)


@_older_form
def resnet_fpn_backbone(
    *, backbone_name: str, weights: Any = None, norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d,
    trainable_layers: int = 3, returned_layers: list[int] | None = None, extra_blocks: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:  # fmt: skip
    """Return a ResNet by name with a feature pyramid, of which the last ``trainable_layers`` of five can be trained.

    ``weights`` as of ``resnet18``. ``returned_layers`` says which of the layers 1 to 4 give maps.

    >>> import cltorch as torch
    >>> backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    >>> [(name, tuple(m.shape)) for name, m in backbone(torch.rand(1, 3, 64, 64)).items()][-2:]
    [('3', (1, 256, 2, 2)), ('pool', (1, 256, 1, 1))]
    """
    make = vars(resnet)[backbone_name]
    network = make(weights=weights, norm_layer=norm_layer)
    return _resnet_fpn_extractor(network, trainable_layers, returned_layers, extra_blocks)


def _resnet_fpn_extractor(
    backbone: resnet.ResNet, trainable_layers: int, returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None, norm_layer: Callable[..., nn.Module] | None = None,
) -> BackboneWithFPN:  # fmt: skip
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"Trainable layers should be in the range [0,5], got {trainable_layers}")
    trained = ("layer4", "layer3", "layer2", "layer1", "conv1")[:trainable_layers]
    trained += ("bn1",) * (trainable_layers == 5)
    for name, parameter in backbone.named_parameters():
        if not name.startswith(trained):
            parameter.requires_grad_(False)
    layers = [1, 2, 3, 4] if returned_layers is None else returned_layers
    if min(layers) <= 0 or max(layers) >= 5:
        raise ValueError(f"Each returned layer should be in the range [1,4]. Got {layers}")
    names = {f"layer{layer}": str(i) for i, layer in enumerate(layers)}
    channels = [backbone.inplanes // 8 * 2 ** (layer - 1) for layer in layers]
    return BackboneWithFPN(backbone, names, channels, 256, extra_blocks=extra_blocks, norm_layer=norm_layer)


def _validate_trainable_layers(
    is_trained: bool, trainable_backbone_layers: int | None, max_value: int, default_value: int
) -> int:
    """Return how many layers can be trained: all of a backbone that has no weights yet."""
    if not is_trained:
        if trainable_backbone_layers is not None:
            warnings.warn(
                "Changing trainable_backbone_layers has no effect if neither pretrained nor pretrained_backbone have "
                f"been set to True, falling back to trainable_backbone_layers={max_value} so that all layers are "
                "trainable",
                stacklevel=2,
            )
        return max_value
    count = default_value if trainable_backbone_layers is None else trainable_backbone_layers
    if not 0 <= count <= max_value:
        raise ValueError(f"Trainable backbone layers should be in the range [0,{max_value}], got {count} ")
    return count


@_older_form
def mobilenet_backbone(
    *, backbone_name: str, weights: Any = None, fpn: bool = True,
    norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d, trainable_layers: int = 2,
    returned_layers: list[int] | None = None, extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:  # fmt: skip
    """Return a MobileNet by name with a feature pyramid, or with one convolution where ``fpn`` is False.

    The last ``trainable_layers`` of its stages can be trained; ``returned_layers`` says which give maps.
    """
    make = {**vars(mobilenetv2), **vars(mobilenetv3)}[backbone_name]
    network = make(weights=weights, norm_layer=norm_layer)
    return _mobilenet_extractor(network, fpn, trainable_layers, returned_layers, extra_blocks)


def mobilenet_stages(features: nn.Sequential, trainable_layers: int) -> list[int]:
    """Return where the stages of a MobileNet start, with the last layer; freeze all but ``trainable_layers``."""
    strided = [i for i, block in enumerate(features) if getattr(block, "_is_cn", False)]
    stages = [0, *strided, len(features) - 1]
    if not 0 <= trainable_layers <= len(stages):
        raise ValueError(f"Trainable layers should be in the range [0,{len(stages)}], got {trainable_layers} ")
    freeze = stages[len(stages) - trainable_layers] if trainable_layers else len(features)
    for block in list(features)[:freeze]:
        for parameter in block.parameters():
            parameter.requires_grad_(False)
    return stages


def _mobilenet_extractor(
    backbone: Any, fpn: bool, trainable_layers: int, returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None, norm_layer: Callable[..., nn.Module] | None = None,
) -> nn.Module:  # fmt: skip
    features = backbone.features
    stages = mobilenet_stages(features, trainable_layers)
    if not fpn:
        # a mixture of channels makes them fewer
        plain: Any = nn.Sequential(features, nn.Conv2d(features[-1].out_channels, 256, 1))
        plain.out_channels = 256
        return plain
    layers = [len(stages) - 2, len(stages) - 1] if returned_layers is None else returned_layers
    if min(layers) < 0 or max(layers) >= len(stages):
        raise ValueError(f"Each returned layer should be in the range [0,{len(stages) - 1}], got {layers} ")
    names = {str(stages[layer]): str(i) for i, layer in enumerate(layers)}
    channels = [features[stages[layer]].out_channels for layer in layers]
    return BackboneWithFPN(features, names, channels, 256, extra_blocks=extra_blocks, norm_layer=norm_layer)
