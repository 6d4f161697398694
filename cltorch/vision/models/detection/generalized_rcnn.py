"""A detector in two stages: regions that may hold objects, and what they hold.

Source: S. Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.detection._inputs import by_name, check_boxes, check_sides, sizes_of


class GeneralizedRCNN(nn.Module):
    """Find objects in a list of images [C, H, W].

    ``backbone`` makes maps, ``rpn`` regions, ``roi_heads`` says what they hold, ``transform`` prepares the images and
    brings results back to their coordinates. In training it is called with a target for each image and returns a dict
    of losses, else with images alone and returns a dict for each. Raises AssertionError for targets that miss or have
    boxes other than [N, 4] or without area.
    """

    def __init__(self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module) -> None:
        super().__init__()
        self.transform: Any = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads: Any = roi_heads

    def eager_outputs(self, losses: Any, detections: Any) -> Any:
        """Return the losses in training, else what was found."""
        return losses if self.training else detections

    def forward(self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]] | None = None) -> Any:
        """Return the losses or what was found."""
        if self.training:
            check_boxes(targets)
        sizes = sizes_of(images)
        listed, changed = self.transform(images, targets)
        check_sides(changed)
        features = by_name(self.backbone(listed.tensors))
        proposals, proposal_losses = self.rpn(listed, features, changed)
        detections, losses = self.roi_heads(features, proposals, listed.image_sizes, changed)
        detections = self.transform.postprocess(detections, listed.image_sizes, sizes)
        return self.eager_outputs({**losses, **proposal_losses}, detections)
