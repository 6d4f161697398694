"""A detector in one stage: each anchor says what it holds.

Source: W. Liu et al., SSD, https://arxiv.org/abs/1512.02325; T. Lin et al., Focal Loss,
https://arxiv.org/abs/1708.02002
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.detection._inputs import by_name, check_boxes, check_sides, sizes_of
from cltorch.vision.models.detection._utils import _topk_min, by_place
from cltorch.vision.ops.boxes import batched_nms, box_iou, clip_boxes_to_image

Targets = Sequence[dict[str, Tensor]]


class SingleStage(nn.Module):
    """Find objects in a list of images [C, H, W]; what a class is asked for are the losses and the answers.

    Called as ``GeneralizedRCNN``.
    """

    backbone: Any
    anchor_generator: Any
    head: Any
    transform: Any
    proposal_matcher: Any
    nms_thresh: float
    detections_per_img: int

    def eager_outputs(self, losses: Any, detections: Any) -> Any:
        """Return the losses in training, else what was found."""
        return losses if self.training else detections

    def _losses(
        self, targets: Targets, outputs: dict[str, Tensor], anchors: list[Tensor], counts: list[int]
    ) -> dict[str, Tensor]:
        raise NotImplementedError

    def _answers(
        self, outputs: dict[str, Tensor], anchors: list[Tensor], counts: list[int], sizes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        raise NotImplementedError

    def forward(self, images: Sequence[Tensor], targets: Targets | None = None) -> Any:
        """Return the losses or what was found."""
        if self.training:
            check_boxes(targets)
        sizes = sizes_of(images)
        listed, changed = self.transform(images, targets)
        check_sides(changed)
        maps = list(by_name(self.backbone(listed.tensors)).values())
        outputs = self.head(maps)
        anchors = self.anchor_generator(listed, maps)
        counts = [m.shape[2] * m.shape[3] for m in maps]
        if self.training:
            return self.eager_outputs(self._losses(changed, outputs, anchors, counts), [])
        found = self._answers(outputs, anchors, counts, listed.image_sizes)
        return self.eager_outputs({}, self.transform.postprocess(found, listed.image_sizes, sizes))

    def _objects(self, anchors: Tensor, boxes: Tensor) -> Tensor:
        """Return which of an image's objects each anchor belongs to; less than 0 for none."""
        return self.proposal_matcher(box_iou(boxes, anchors))

    def _best(self, boxes: list[Tensor], scores: list[Tensor], labels: list[Tensor]) -> dict[str, Tensor]:
        """Return those of an image's answers that no better one of their class overlaps, best first."""
        b, s, label = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
        keep = batched_nms(b, s, label, self.nms_thresh)[: self.detections_per_img]
        return {"boxes": b[keep], "scores": s[keep], "labels": label[keep]}


def levels_of(outputs: dict[str, Tensor], anchors: list[Tensor], counts: list[int]) -> tuple[Any, Any]:
    """Return outputs and anchors split by the maps they come from."""
    split = {key: list(value.split(counts, dim=1)) for key, value in outputs.items()}
    return split, [list(boxes.split(counts)) for boxes in anchors]


def candidates(
    scores: Tensor, threshold: float, most: int, decode: Callable[[Tensor], Tensor], size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes, scores and classes of the best answers of a map, from scores [M, classes].

    ``decode`` gives the boxes of some anchors.
    """
    classes, flat = scores.shape[-1], scores.flatten()
    places = torch.where(flat > threshold)[0]
    best, order = flat[places].topk(_topk_min(places, most, 0))
    places = places[order]
    boxes = decode(torch.div(places, classes, rounding_mode="floor"))
    return clip_boxes_to_image(boxes, size), best, places % classes


def decoded(decode: Callable[[Tensor, Tensor], Tensor], offsets: Tensor, anchors: Tensor, places: Tensor) -> Tensor:
    """Return the boxes at some places."""
    return decode(offsets[places], anchors[places])


def match(objects: Callable[[Tensor, Tensor], Tensor], targets: Targets, anchors: list[Tensor]) -> list[Tensor]:
    """Return for each image which object each anchor belongs to, ``objects(anchors, boxes)``; -1 for none."""
    found = []
    for target, around in zip(targets, anchors, strict=True):
        if target["boxes"].numel() == 0:
            found.append(torch.full((len(around),), -1, dtype=torch.int64, device=around.device))
        else:
            found.append(objects(around, target["boxes"]))
    return found


def by_places(convolve: Callable[[Tensor], Tensor], maps: list[Tensor], channels: int) -> Tensor:
    """Return [N, places of all maps, channels] from what a convolution says of each map."""
    return torch.cat([by_place(convolve(m), channels) for m in maps], dim=1)


def scores_from(in_channels: int, out_channels: int, prior_probability: float) -> nn.Conv2d:
    """Return a convolution whose results start near the logarithm of the odds of a probability."""
    layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    start_narrowly(layer)
    nn.init.constant_(layer.bias, -math.log((1 - prior_probability) / prior_probability))
    return layer


def start_narrowly(model: nn.Module, std: float = 0.01) -> None:
    """Draw the weights of convolutions from a narrow normal distribution; biases become zero."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
