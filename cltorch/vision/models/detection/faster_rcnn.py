"""Faster R-CNN (S. Ren et al., Faster R-CNN, 2015; T. Lin et al., Feature Pyramid Networks, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/faster_rcnn.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.detection._build import Start, build_detector, resnet_pyramid
from cltorch.vision.models.detection._parts import check_backbone, check_part, given, image_transform
from cltorch.vision.models.detection.anchor_utils import AnchorGenerator
from cltorch.vision.models.detection.backbone_utils import _mobilenet_extractor, _resnet_fpn_extractor
from cltorch.vision.models.detection.generalized_rcnn import GeneralizedRCNN
from cltorch.vision.models.detection.roi_heads import RoIHeads
from cltorch.vision.models.detection.rpn import RegionProposalNetwork, RPNHead
from cltorch.vision.models.mobilenetv3 import mobilenet_v3_large
from cltorch.vision.models.resnet import resnet50
from cltorch.vision.models.weights import attributes
from cltorch.vision.ops.misc import Conv2dNormActivation
from cltorch.vision.ops.poolers import MultiScaleRoIAlign


def _default_anchorgen() -> AnchorGenerator:
    sizes = ((32,), (64,), (128,), (256,), (512,))
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class FasterRCNN(GeneralizedRCNN):
    """Find the objects of ``num_classes`` classes, of which class 0 is the background, in images from 0 to 1.

    ``backbone`` says in ``out_channels`` how many channels its maps have. In training each target has ``boxes`` [N, 4]
    and ``labels`` [N], and there are four losses; else the result has for each image ``boxes``, ``labels`` and
    ``scores``, best first. Arguments with ``rpn_`` are those of ``RegionProposalNetwork``, with ``box_`` of
    ``RoIHeads``, the others of ``GeneralizedRCNNTransform``. With a ``box_predictor`` of one's own ``num_classes`` is
    None. Raises ValueError for a backbone without ``out_channels`` and for both or none of those two.

    >>> import cltorch as torch
    >>> from cltorch.vision.models.detection.anchor_utils import AnchorGenerator
    >>> from cltorch.vision.ops import MultiScaleRoIAlign
    >>> backbone = torch.nn.Conv2d(3, 8, 3, stride=8, padding=1)
    >>> backbone.out_channels = 8
    >>> anchors, pool = AnchorGenerator(((16,),), ((1.0,),)), MultiScaleRoIAlign(["0"], 2, 2)
    >>> model = FasterRCNN(
    ...     backbone, num_classes=2, min_size=32, rpn_anchor_generator=anchors, box_roi_pool=pool, box_score_thresh=0.0
    ... ).eval()
    >>> found = model([torch.rand(3, 32, 40)])
    >>> sorted(found[0]), found[0]["boxes"].shape[1]
    (['boxes', 'labels', 'scores'], 4)
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int | None = None,
        # images
        min_size: Any = 800, max_size: int = 1333, image_mean: Any = None, image_std: Any = None,
        # regions
        rpn_anchor_generator: AnchorGenerator | None = None, rpn_head: nn.Module | None = None,
        rpn_pre_nms_top_n_train: int = 2000, rpn_pre_nms_top_n_test: int = 1000, rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000, rpn_nms_thresh: float = 0.7, rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3, rpn_batch_size_per_image: int = 256, rpn_positive_fraction: float = 0.5,
        rpn_score_thresh: float = 0.0,
        # what regions hold
        box_roi_pool: MultiScaleRoIAlign | None = None, box_head: nn.Module | None = None,
        box_predictor: nn.Module | None = None, box_score_thresh: float = 0.05, box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100, box_fg_iou_thresh: float = 0.5, box_bg_iou_thresh: float = 0.5,
        box_batch_size_per_image: int = 512, box_positive_fraction: float = 0.25, bbox_reg_weights: Any = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        check_backbone(backbone)
        check_part("rpn_anchor_generator", rpn_anchor_generator, AnchorGenerator)
        check_part("box_roi_pool", box_roi_pool, MultiScaleRoIAlign)
        if num_classes is not None and box_predictor is not None:
            raise ValueError("num_classes should be None when box_predictor is specified")
        if num_classes is None and box_predictor is None:
            raise ValueError("num_classes should not be None when box_predictor is not specified")
        channels: Any = backbone.out_channels
        anchors = rpn_anchor_generator or _default_anchorgen()
        rpn = RegionProposalNetwork(
            anchors,
            given(rpn_head, lambda: RPNHead(channels, anchors.num_anchors_per_location()[0])),
            rpn_fg_iou_thresh, rpn_bg_iou_thresh, rpn_batch_size_per_image, rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh, score_thresh=rpn_score_thresh,
        )  # fmt: skip
        pool = box_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
        head = given(box_head, lambda: TwoMLPHead(channels * pool.output_size[0] ** 2, 1024))
        predictor = given(box_predictor, lambda: FastRCNNPredictor(1024, num_classes))  # type: ignore[arg-type]
        roi_heads = RoIHeads(
            pool, head, predictor, box_fg_iou_thresh, box_bg_iou_thresh, box_batch_size_per_image,
            box_positive_fraction, bbox_reg_weights, box_score_thresh, box_nms_thresh, box_detections_per_img,
        )  # fmt: skip
        transform = image_transform(min_size, max_size, image_mean, image_std, **kwargs)
        super().__init__(backbone, rpn, roi_heads, transform)


class TwoMLPHead(nn.Module):
    """Two linear layers over what was pooled from a region."""

    def __init__(self, in_channels: int, representation_size: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, representation_size]."""
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(start_dim=1)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions and linear layers over what was pooled from a region, ``input_size`` (channels, rows, columns)."""

    def __init__(
        self, input_size: tuple[int, int, int], conv_layers: list[int], fc_layers: list[int],
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        channels, rows, columns = input_size
        blocks: list[nn.Module] = []
        for width in conv_layers:
            blocks.append(Conv2dNormActivation(channels, width, norm_layer=norm_layer))
            channels = width
        blocks.append(nn.Flatten())
        channels *= rows * columns
        for width in fc_layers:
            blocks += [nn.Linear(channels, width), nn.ReLU(inplace=True)]
            channels = width
        super().__init__(*blocks)
        start_convolutions(self)


def start_convolutions(model: nn.Module) -> None:
    """Draw the weights of convolutions after their fan-out; biases become zero."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class FastRCNNPredictor(nn.Module):
    """Scores of classes, and offsets of a box for each class.

    >>> import cltorch as torch
    >>> [tuple(y.shape) for y in FastRCNNPredictor(16, 3)(torch.zeros(5, 16))]
    [(5, 3), (5, 12)]
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores [N, num_classes] and offsets [N, 4 * num_classes]."""
        if x.dim() == 4 and tuple(x.shape[2:]) != (1, 1):
            raise AssertionError(
                f"x has the wrong shape, expecting the last two dimensions to be [1,1] instead of {list(x.shape[2:])}"
            )
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)


def second_version(start: Start, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the backbone and the heads of the second version: deeper, with batch normalisation throughout.

    Source: Y. Li et al., Benchmarking Detection Transfer Learning, https://arxiv.org/abs/2111.11429
    """
    network = resnet50(weights=start.weights_backbone)
    backbone = _resnet_fpn_extractor(network, start.trainable_layers, norm_layer=nn.BatchNorm2d)
    anchors = _default_anchorgen()
    head = RPNHead(backbone.out_channels, anchors.num_anchors_per_location()[0], conv_depth=2)
    box_head = FastRCNNConvFCHead((backbone.out_channels, 7, 7), [256] * 4, [1024], norm_layer=nn.BatchNorm2d)
    parts = {"rpn_anchor_generator": anchors, "rpn_head": head, "box_head": box_head}
    return backbone, {"num_classes": start.num_classes, **parts, **options}


def _on_resnet(start: Start, options: dict[str, Any]) -> FasterRCNN:
    return FasterRCNN(resnet_pyramid(start), num_classes=start.num_classes, **options)


def _second(start: Start, options: dict[str, Any]) -> FasterRCNN:
    backbone, options = second_version(start, options)
    return FasterRCNN(backbone, **options)


def _on_mobilenet(start: Start, options: dict[str, Any]) -> FasterRCNN:
    network = mobilenet_v3_large(weights=start.weights_backbone, norm_layer=start.norm_layer)
    backbone = _mobilenet_extractor(network, True, start.trainable_layers)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return FasterRCNN(backbone, start.num_classes, rpn_anchor_generator=anchors, **options)


@network
def fasterrcnn_resnet50_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Return Faster R-CNN on ResNet-50 with a feature pyramid, for 91 classes unless ``num_classes`` says otherwise.

    ``weights`` as of ``resnet18``. Without them the backbone takes ``weights_backbone``, which are downloaded; None
    leaves it untrained. Of a backbone with weights the last ``trainable_backbone_layers`` of five are trained, three
    by default. Other keywords go to ``FasterRCNN``; ``progress`` does nothing.
    """
    model: FasterRCNN = build_detector(
        "fasterrcnn_resnet50_fpn", "resnet50", _on_resnet, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs, eps_zero=True,
    )  # fmt: skip
    return model


@network
def fasterrcnn_resnet50_fpn_v2(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None, weights_backbone: Any = None,
    trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Return the second version of Faster R-CNN on ResNet-50; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: FasterRCNN = build_detector(
        "fasterrcnn_resnet50_fpn_v2", "resnet50", _second, weights, weights_backbone, num_classes,
        trainable_backbone_layers, kwargs,
    )  # fmt: skip
    return model


@network
def fasterrcnn_mobilenet_v3_large_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Return Faster R-CNN on the large MobileNetV3, of six stages; arguments as of ``fasterrcnn_resnet50_fpn``."""
    model: FasterRCNN = build_detector(
        "fasterrcnn_mobilenet_v3_large_fpn", "mobilenet_v3_large", _on_mobilenet, weights, weights_backbone,
        num_classes, trainable_backbone_layers, {"rpn_score_thresh": 0.05, **kwargs}, layers=(6, 3),
    )  # fmt: skip
    return model


@network
def fasterrcnn_mobilenet_v3_large_320_fpn(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Return Faster R-CNN on the large MobileNetV3 for small images; arguments as of ``fasterrcnn_resnet50_fpn``."""
    small = {
        "min_size": 320, "max_size": 640, "rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150,
        "rpn_score_thresh": 0.05,
    }  # fmt: skip
    model: FasterRCNN = build_detector(
        "fasterrcnn_mobilenet_v3_large_320_fpn", "mobilenet_v3_large", _on_mobilenet, weights, weights_backbone,
        num_classes, trainable_backbone_layers, {**small, **kwargs}, layers=(6, 3),
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
