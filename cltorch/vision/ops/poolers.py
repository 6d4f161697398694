"""Pooling of regions from several feature maps.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.MultiScaleRoIAlign.html
"""

from __future__ import annotations

import math
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.ops.boxes import box_area
from cltorch.vision.ops.roi import pair, roi_align

__all__ = ["MultiScaleRoIAlign"]


class MultiScaleRoIAlign(nn.Module):
    """Pool each region with ``roi_align`` from the map whose scale suits its size (T. Lin et al., 2017, equation 1).

    Called with the maps by name, of which those of ``featmap_names`` are used, finest first, with the boxes [L, 4] of
    each image and with the images' (height, width). A region of ``canonical_scale`` squared is taken from the map of
    ``canonical_level``, one of half the side from the next finer.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.MultiScaleRoIAlign.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> pool = ops.MultiScaleRoIAlign(["a"], 2, 2)
    >>> pool({"a": torch.ones(1, 3, 8, 8)}, [torch.tensor([[0.0, 0.0, 4.0, 4.0]])], [(8, 8)]).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(
        self, featmap_names: list[str], output_size: Any, sampling_ratio: int, *, canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        self.featmap_names, self.output_size, self.sampling_ratio = featmap_names, pair(output_size), sampling_ratio
        self.scales: list[float] | None = None
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def _scales(self, maps: list[Tensor], image_shapes: list[tuple[int, int]]) -> list[float]:
        if not image_shapes:
            raise ValueError("images list should not be empty")
        height, width = (max(shape[i] for shape in image_shapes) for i in (0, 1))
        found = []
        for m in maps:
            ratios = [2.0 ** round(math.log2(a / b)) for a, b in zip(m.shape[-2:], (height, width), strict=True)]
            found.append(ratios[0])
        return found

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """Return the pooled regions [K, C, *output_size], in the order of the boxes."""
        maps = [m for name, m in x.items() if name in self.featmap_names]
        if self.scales is None:
            self.scales = self._scales(maps, image_shapes)
        if len(maps) == 1:
            return roi_align(maps[0], boxes, self.output_size, self.scales[0], self.sampling_ratio)
        flat = torch.cat(list(boxes))
        image = torch.cat([torch.full((len(b), 1), i, dtype=b.dtype, device=b.device) for i, b in enumerate(boxes)])
        rois = torch.cat([image, flat], dim=1)
        finest, coarsest = (-int(math.log2(scale)) for scale in (self.scales[0], self.scales[-1]))
        level = (self.canonical_level + (box_area(flat).sqrt() / self.canonical_scale).log2() + 1e-6).floor()
        level = level.clamp(finest, coarsest).long() - finest
        out = torch.zeros(len(rois), maps[0].shape[1], *self.output_size, dtype=maps[0].dtype, device=maps[0].device)
        for i, (m, scale) in enumerate(zip(maps, self.scales, strict=True)):
            here = torch.where(level == i)[0]
            # without boxes as well: every map is part of the graph
            out[here] = roi_align(m, rois[here], self.output_size, scale, self.sampling_ratio).to(out.dtype)
        return out

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
