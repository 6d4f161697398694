"""SSD (W. Liu et al., SSD: Single Shot MultiBox Detector, 2016).

Source: https://docs.pytorch.org/vision/0.28/models/ssd.html
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.detection._build import Start, build_detector
from cltorch.vision.models.detection._parts import image_transform
from cltorch.vision.models.detection._single_stage import SingleStage, Targets, candidates, match
from cltorch.vision.models.detection._utils import BoxCoder, SSDMatcher, by_place, retrieve_out_channels
from cltorch.vision.models.detection.anchor_utils import DefaultBoxGenerator
from cltorch.vision.models.vgg import vgg16
from cltorch.vision.models.weights import attributes


def _xavier_init(model: nn.Module) -> None:
    """Draw the weights of convolutions after their widths; biases become zero."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class SSDHead(nn.Module):
    """Offsets "bbox_regression" [N, M, 4] and scores "cls_logits" [N, M, num_classes] of the M boxes of all maps."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int) -> None:
        super().__init__()
        self.classification_head = SSDClassificationHead(in_channels, num_anchors, num_classes)
        self.regression_head = SSDRegressionHead(in_channels, num_anchors)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Return the answers for maps [N, C, H, W]."""
        return {"bbox_regression": self.regression_head(x), "cls_logits": self.classification_head(x)}


class SSDScoringHead(nn.Module):
    """A layer of its own for each map, with ``num_columns`` answers for each box."""

    def __init__(self, module_list: nn.ModuleList, num_columns: int) -> None:
        super().__init__()
        self.module_list = module_list
        self.num_columns = num_columns

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return [N, M, num_columns]."""
        answers = [layer(m) for layer, m in zip(self.module_list, x, strict=True)]
        return torch.cat([by_place(answer, self.num_columns) for answer in answers], dim=1)


def _convolutions(in_channels: list[int], num_anchors: list[int], columns: int) -> nn.ModuleList:
    layers = nn.ModuleList(
        nn.Conv2d(n, columns * anchors, 3, padding=1) for n, anchors in zip(in_channels, num_anchors, strict=True)
    )
    _xavier_init(layers)
    return layers


class SSDClassificationHead(SSDScoringHead):
    """Scores of classes."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int) -> None:
        super().__init__(_convolutions(in_channels, num_anchors, num_classes), num_classes)


class SSDRegressionHead(SSDScoringHead):
    """Offsets of boxes."""

    def __init__(self, in_channels: list[int], num_anchors: list[int]) -> None:
        super().__init__(_convolutions(in_channels, num_anchors, 4), 4)


class SSD(SingleStage):
    """Find the objects of ``num_classes`` classes, of which class 0 is the background, in images from 0 to 1.

    Images are resized to ``size``, (width, height). Results as of ``RetinaNet``: of each class the ``topk_candidates``
    best above ``score_thresh``, and of these at most ``detections_per_img`` that do not overlap by more than
    ``nms_thresh``. In training a box is an object from an overlap of ``iou_thresh`` on; of the others those count that
    are mistaken most, so that ``positive_fraction`` are objects. Raises ValueError where the backbone makes another
    number of maps than ``anchor_generator`` has boxes for.
    """

    def __init__(
        self, backbone: nn.Module, anchor_generator: DefaultBoxGenerator, size: tuple[int, int], num_classes: int,
        image_mean: Any = None, image_std: Any = None, head: nn.Module | None = None, score_thresh: float = 0.01,
        nms_thresh: float = 0.45, detections_per_img: int = 200, iou_thresh: float = 0.5, topk_candidates: int = 400,
        positive_fraction: float = 0.25, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = backbone
        self.anchor_generator = anchor_generator
        self.box_coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        if head is None:
            channels = getattr(backbone, "out_channels", None) or retrieve_out_channels(backbone, size)
            check_maps(channels, anchor_generator)
            head = SSDHead(channels, anchor_generator.num_anchors_per_location(), num_classes)
        self.head = head
        self.proposal_matcher = SSDMatcher(iou_thresh)
        self.transform = image_transform(
            min(size), max(size), image_mean, image_std, size_divisible=1, fixed_size=size, **kwargs
        )
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates
        self.neg_to_pos_ratio = (1.0 - positive_fraction) / positive_fraction

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses of boxes and of classes, per object."""
        logits = head_outputs["cls_logits"]
        objects, box_losses, wanted = 0, [], []
        for target, offsets, around, matched in zip(
            targets, head_outputs["bbox_regression"], anchors, matched_idxs, strict=True
        ):
            places = torch.where(matched >= 0)[0]
            objects += len(places)
            boxes = self.box_coder.encode_single(target["boxes"][matched[places]], around[places])
            box_losses.append(F.smooth_l1_loss(offsets[places], boxes, reduction="sum"))
            classes = torch.zeros(len(matched), dtype=target["labels"].dtype, device=logits.device)
            classes[places] = target["labels"][matched[places]]
            wanted.append(classes)
        label = torch.stack(wanted)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), label.view(-1), reduction="none").view(label.shape)
        is_object = label > 0
        # the rank of each place by its loss, objects last
        mistaken = torch.where(is_object, -float("inf"), loss.detach()).sort(1, descending=True).indices
        rank = mistaken.sort(1).indices
        is_negative = rank < self.neg_to_pos_ratio * is_object.sum(1, keepdim=True)
        classified = torch.where(is_object, loss, 0.0).sum() + torch.where(is_negative, loss, 0.0).sum()
        return {
            "bbox_regression": torch.stack(box_losses).sum() / max(1, objects),
            "classification": classified / max(1, objects),
        }

    def postprocess_detections(
        self, head_outputs: dict[str, Tensor], image_anchors: list[Tensor], image_shapes: Any
    ) -> list[dict[str, Tensor]]:
        """Return what was found in each image."""
        found = []
        scores_of_all = F.softmax(head_outputs["cls_logits"], dim=-1)
        for offsets, scores, around, size in zip(
            head_outputs["bbox_regression"], scores_of_all, image_anchors, image_shapes, strict=True
        ):
            boxes = self.box_coder.decode_single(offsets, around)
            parts = []
            for label in range(1, scores.shape[-1]):
                b, s, _ = candidates(
                    scores[:, label : label + 1], self.score_thresh, self.topk_candidates, boxes.__getitem__, size
                )
                parts.append((b, s, torch.full_like(s, label, dtype=torch.int64)))
            listed = (list(values) for values in zip(*parts, strict=True))
            found.append(self._best(*listed))
        return found

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: Any) -> dict[str, Tensor]:
        return self.compute_loss(targets, outputs, anchors, match(self._objects, targets, anchors))

    def _answers(self, outputs: Any, anchors: Any, counts: Any, sizes: Any) -> list[dict[str, Tensor]]:
        return self.postprocess_detections(outputs, anchors, sizes)


def check_maps(channels: Sequence[int], anchor_generator: DefaultBoxGenerator) -> None:
    """Raise ValueError where there are not as many maps as the generator has boxes for."""
    if len(channels) != len(anchor_generator.aspect_ratios):
        raise ValueError(
            f"The length of the output channels from the backbone ({len(channels)}) do not match the length of the "
            f"anchor generator aspect ratios ({len(anchor_generator.aspect_ratios)})"
        )


def _narrowed(channels: int, inner: int, out: int, kernel: int = 3, **options: Any) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, inner, 1), nn.ReLU(inplace=True),
        nn.Conv2d(inner, out, kernel, **options), nn.ReLU(inplace=True),
    )  # fmt: skip


class SSDFeatureExtractorVGG(nn.Module):
    """Six maps from the layers of VGG and further ones, seven where ``highres`` is True."""

    def __init__(self, backbone: Any, highres: bool) -> None:
        super().__init__()
        pools = [i for i, layer in enumerate(backbone) if isinstance(layer, nn.MaxPool2d)]
        backbone[pools[2]].ceil_mode = True
        layers, middle = list(backbone), pools[3]
        # the first map is brought to the scale of the others
        self.scale_weight = nn.Parameter(torch.ones(512) * 20)
        self.features = nn.Sequential(*layers[:middle])
        extra = [
            _narrowed(1024, 256, 512, padding=1, stride=2), _narrowed(512, 128, 256, padding=1, stride=2),
            _narrowed(256, 128, 256), _narrowed(256, 128, 256),
        ]  # fmt: skip
        extra += [_narrowed(256, 128, 256, 4)] if highres else []
        dilated = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(512, 1024, 3, padding=6, dilation=6),
            nn.ReLU(inplace=True), nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True),
        )  # fmt: skip
        for added in (*extra, dilated):
            _xavier_init(added)
        self.extra = nn.ModuleList([nn.Sequential(*layers[middle:-1], dilated), *extra])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the maps by name, finest first."""
        x = self.features(x)
        maps = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return OrderedDict((str(i), m) for i, m in enumerate(maps))


def _vgg_extractor(backbone: Any, highres: bool, trainable_layers: int) -> SSDFeatureExtractorVGG:
    """Return the maps of a VGG of which the last ``trainable_layers`` of five stages can be trained."""
    features = backbone.features
    stages = [0, *(i for i, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d))][:-1]
    if not 0 <= trainable_layers <= len(stages):
        raise AssertionError(
            f"trainable_layers should be in the range [0, {len(stages)}]. Instead got {trainable_layers}"
        )
    freeze = stages[len(stages) - trainable_layers] if trainable_layers else len(features)
    for layer in list(features)[:freeze]:
        for parameter in layer.parameters():
            parameter.requires_grad_(False)
    return SSDFeatureExtractorVGG(features, highres)


def _on_vgg(start: Start, options: dict[str, Any]) -> SSD:
    backbone = _vgg_extractor(vgg16(weights=start.weights_backbone), False, start.trainable_layers)
    boxes = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]], scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
        steps=[8, 16, 32, 64, 100, 300],
    )  # fmt: skip
    # the weights of the backbone want colours from 0 to 255, less their means
    scale = {"image_mean": [0.48235, 0.45882, 0.40784], "image_std": [1.0 / 255.0] * 3}
    return SSD(backbone, boxes, (300, 300), start.num_classes, **{**scale, **options})


def warn_of_size(options: dict[str, Any]) -> None:
    """Warn where a size is asked for, which these networks have already."""
    if "size" in options:
        warnings.warn("The size of the model is already fixed; ignoring the parameter.", stacklevel=3)
        del options["size"]


@network
def ssd300_vgg16(
    *, weights: Any = None, progress: bool = True, num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_FEATURES", trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> SSD:  # fmt: skip
    """Return SSD on VGG-16 for images of 300x300, of five stages; arguments as of ``fasterrcnn_resnet50_fpn``."""
    warn_of_size(kwargs)
    model: SSD = build_detector(
        "ssd300_vgg16", "vgg16", _on_vgg, weights, weights_backbone, num_classes, trainable_backbone_layers, kwargs,
        layers=(5, 4),
    )  # fmt: skip
    return model


__getattr__ = attributes(__name__)
