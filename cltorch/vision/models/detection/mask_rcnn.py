"""Mask R-CNN (K. He et al., Mask R-CNN, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/mask_rcnn.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import nn
from cltorch.vision.models.builders import network
from cltorch.vision.models.detection._build import Start, build_detector, resnet_pyramid
from cltorch.vision.models.detection._parts import check_part, given
from cltorch.vision.models.detection._utils import rename_old
from cltorch.vision.models.detection.faster_rcnn import FasterRCNN, second_version, start_convolutions
from cltorch.vision.models.weights import attributes
from cltorch.vision.ops.misc import Conv2dNormActivation
from cltorch.vision.ops.poolers import MultiScaleRoIAlign


class MaskRCNN(FasterRCNN):
    """Find objects and their masks.

    Arguments before those with ``mask_`` are those of ``FasterRCNN``. In training targets have ``masks`` [N, H, W] of
    uint8 as well, and there is a fifth loss; else the results have ``masks`` [N, 1, H, W] of probabilities.
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int | None = None, *args: Any,
        mask_roi_pool: MultiScaleRoIAlign | None = None, mask_head: nn.Module | None = None,
        mask_predictor: nn.Module | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        check_part("mask_roi_pool", mask_roi_pool, MultiScaleRoIAlign)
        if num_classes is not None and mask_predictor is not None:
            raise ValueError("num_classes should be None when mask_predictor is specified")
        channels: Any = backbone.out_channels
        pool = mask_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=14, sampling_ratio=2)
        head = given(mask_head, lambda: MaskRCNNHeads(channels, (256, 256, 256, 256), 1))
        predictor = given(mask_predictor, lambda: MaskRCNNPredictor(256, 256, num_classes))  # type: ignore[arg-type]
        super().__init__(backbone, num_classes, *args, **kwargs)
        heads = self.roi_heads
        heads.mask_roi_pool, heads.mask_head, heads.mask_predictor = pool, head, predictor


class MaskRCNNHeads(nn.Sequential):
    """Convolutions over what was pooled from a region."""

    _version = 2

    def __init__(
        self, in_channels: int, layers: Sequence[int], dilation: int, norm_layer: Callable[..., nn.Module] | None = None
    ) -> None:
        blocks = []
        for width in layers:
            blocks.append(
                Conv2dNormActivation(in_channels, width, 3, padding=dilation, dilation=dilation, norm_layer=norm_layer)
            )
            in_channels = width
        super().__init__(*blocks)
        start_convolutions(self)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        names = [(f"mask_fcn{i + 1}", f"{i}.0") for i in range(len(self))]
        rename_old(state_dict, prefix, local_metadata, names)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class MaskRCNNPredictor(nn.Sequential):
    """Masks of twice the resolution, one for each class."""

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int) -> None:
        super().__init__(
            OrderedDict(
                conv5_mask=nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0),
                relu=nn.ReLU(inplace=True),
                mask_fcn_logits=nn.Conv2d(dim_reduced, num_classes, 1, 1, 0),
            )
        )
        for name, parameter in self.named_parameters():
            if "weight" in name:
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")


def _on_resnet(start: Start, options: dict[str, Any]) -> MaskRCNN:
    return MaskRCNN(resnet_pyramid(start), num_classes=start.num_classes, **options)


def _second(start: Start, options: dict[str, Any]) -> MaskRCNN:
    backbone, options = second_version(start, options)
    head = MaskRCNNHeads(backbone.out_channels, [256, 256, 256, 256], 1, norm_layer=nn.BatchNorm2d)
    return MaskRCNN(backbone, **{"mask_head": head, **options})


@network
def maskrcnn_resnet50_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> MaskRCNN:  # fmt: skip
    """Return Mask R-CNN on ResNet-50; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: MaskRCNN = build_detector(
        "maskrcnn_resnet50_fpn", "resnet50", _on_resnet, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs, eps_zero=True,
    )  # fmt: skip
    return model


@network
def maskrcnn_resnet50_fpn_v2(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, weights_backbone: Any = None,
    trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> MaskRCNN:  # fmt: skip
    """Return the second version of Mask R-CNN on ResNet-50; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: MaskRCNN = build_detector(
        "maskrcnn_resnet50_fpn_v2", "resnet50", _second, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs,
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
