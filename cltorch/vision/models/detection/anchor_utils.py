"""Boxes spread over an image, from which networks predict offsets.

Source: S. Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497; W. Liu et al., SSD,
https://arxiv.org/abs/1512.02325
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.detection.image_list import ImageList


class AnchorGenerator(nn.Module):
    """Make boxes of several sizes and ratios of height to width around each place of each map.

    ``sizes`` and ``aspect_ratios`` have one tuple for each map. Called with an ``ImageList`` and a list of maps
    [N, C, H, W] it returns the boxes [M, 4] of all maps together, for each image.

    >>> import cltorch as torch
    >>> from cltorch.vision.models.detection.image_list import ImageList
    >>> make = AnchorGenerator(sizes=((8,),), aspect_ratios=((1.0,),))
    >>> make(ImageList(torch.zeros(1, 3, 16, 32), [(16, 32)]), [torch.zeros(1, 1, 1, 2)])
    [tensor([[-4., -4.,  4.,  4.],
            [12., -4., 20.,  4.]])]
    """

    def __init__(self, sizes: Any = ((128, 256, 512),), aspect_ratios: Any = ((0.5, 1.0, 2.0),)) -> None:
        super().__init__()
        self.sizes = sizes if isinstance(sizes[0], (list, tuple)) else tuple((s,) for s in sizes)
        one_for_all = not isinstance(aspect_ratios[0], (list, tuple))
        self.aspect_ratios = (aspect_ratios,) * len(self.sizes) if one_for_all else aspect_ratios
        self.cell_anchors = [
            self.generate_anchors(size, ratios) for size, ratios in zip(self.sizes, self.aspect_ratios, strict=False)
        ]

    def generate_anchors(
        self, scales: Sequence[float], aspect_ratios: Sequence[float], dtype: Any = torch.float32, device: Any = "cpu"
    ) -> Tensor:
        """Return boxes [A, 4] around the origin in whole numbers, all sizes of the first ratio before the next."""
        scale = torch.as_tensor(scales, dtype=dtype, device=device)
        tall = torch.as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()
        width, height = ((1 / tall)[:, None] * scale).reshape(-1), (tall[:, None] * scale).reshape(-1)
        return (torch.stack((-width, -height, width, height), dim=1) / 2).round()

    def set_cell_anchors(self, dtype: Any, device: Any) -> None:
        """Bring the boxes around the origin to a dtype and a device."""
        self.cell_anchors = [anchors.to(dtype=dtype, device=device) for anchors in self.cell_anchors]

    def num_anchors_per_location(self) -> list[int]:
        """Return how many boxes each place of each map has."""
        return [len(s) * len(a) for s, a in zip(self.sizes, self.aspect_ratios, strict=False)]

    def grid_anchors(self, grid_sizes: Any, strides: Any) -> list[Tensor]:
        """Return the boxes [H * W * A, 4] of maps of sizes (H, W), whose places are (down, right) strides apart."""
        if not len(grid_sizes) == len(strides) == len(self.cell_anchors):
            raise AssertionError(
                "Anchors should be Tuple[Tuple[int]] because each feature map could potentially have different sizes "
                f"and aspect ratios: there are {len(grid_sizes)} maps and {len(self.cell_anchors)} tuples of sizes."
            )
        found = []
        for (height, width), (down, right), around in zip(grid_sizes, strides, self.cell_anchors, strict=True):
            x = torch.arange(width, dtype=torch.int32, device=around.device) * right
            y = torch.arange(height, dtype=torch.int32, device=around.device) * down
            y, x = (v.reshape(-1) for v in torch.meshgrid(y, x, indexing="ij"))
            found.append((torch.stack((x, y, x, y), dim=1)[:, None] + around).reshape(-1, 4))
        return found

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return the boxes of each image."""
        height, width = image_list.tensors.shape[-2:]
        sizes = [tuple(m.shape[-2:]) for m in feature_maps]
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        boxes = torch.cat(self.grid_anchors(sizes, [(height // h, width // w) for h, w in sizes]))
        return [boxes for _ in image_list.image_sizes]


class DefaultBoxGenerator(nn.Module):
    """Make the boxes of SSD: at each place of each map two squares, and two boxes for each of ``aspect_ratios``.

    ``scales`` are the sizes in parts of the image, one more than there are maps; without them they go in equal steps
    from ``min_ratio`` to ``max_ratio``. ``steps`` are the distances of places in elements of the image, as great as the
    maps make them if not given. ``clip`` limits width and height to the image's.
    """

    def __init__(
        self, aspect_ratios: list[list[int]], min_ratio: float = 0.15, max_ratio: float = 0.9,
        scales: list[float] | None = None, steps: list[int] | None = None, clip: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if steps is not None and len(aspect_ratios) != len(steps):
            raise ValueError("aspect_ratios and steps should have the same length")
        self.aspect_ratios, self.steps, self.clip = aspect_ratios, steps, clip
        maps = len(aspect_ratios)
        if scales is None:
            between = max_ratio - min_ratio
            scales = [min_ratio + between * k / (maps - 1.0) for k in range(maps)] if maps > 1 else [min_ratio]
            scales.append(1.0 if maps > 1 else max_ratio)
        self.scales = scales
        self._wh_pairs = self._generate_wh_pairs(maps)

    def _generate_wh_pairs(self, num_outputs: int, dtype: Any = torch.float32, device: Any = "cpu") -> list[Tensor]:
        """Return (width, height) of the boxes of each map."""
        found = []
        for scale, larger, ratios in zip(self.scales[:num_outputs], self.scales[1:], self.aspect_ratios, strict=True):
            between = math.sqrt(scale * larger)
            pairs = [(scale, scale), (between, between)]
            for ratio in ratios:
                sides = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
                pairs += [sides, sides[::-1]]
            found.append(torch.tensor(pairs, dtype=dtype, device=device))
        return found

    def num_anchors_per_location(self) -> list[int]:
        """Return how many boxes each place of each map has."""
        return [2 + 2 * len(ratios) for ratios in self.aspect_ratios]

    def _grid_default_boxes(
        self, grid_sizes: Any, image_size: Sequence[int], dtype: Any = torch.float32, device: Any = None
    ) -> Tensor:
        """Return (x, y, width, height) of all boxes, around their centres and in parts of the image."""
        found = []
        for k, (height, width) in enumerate(grid_sizes):
            pairs = self._wh_pairs[k].to(dtype=dtype, device=device)
            pairs = pairs.clamp(min=0, max=1) if self.clip else pairs
            rows, columns = (height, width) if self.steps is None else (n / self.steps[k] for n in image_size)
            x = ((torch.arange(width, device=pairs.device) + 0.5) / columns).to(dtype)
            y = ((torch.arange(height, device=pairs.device) + 0.5) / rows).to(dtype)
            y, x = (v.reshape(-1) for v in torch.meshgrid(y, x, indexing="ij"))
            centres = torch.stack((x, y), dim=-1)[:, None].expand(-1, len(pairs), -1)
            found.append(torch.cat((centres, pairs.expand(len(x), -1, -1)), dim=-1).reshape(-1, 4))
        return torch.cat(found)

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return the boxes (x1, y1, x2, y2) in elements of the image, for each image."""
        height, width = image_list.tensors.shape[-2:]
        like = feature_maps[0]
        boxes = self._grid_default_boxes(
            [tuple(m.shape[-2:]) for m in feature_maps], (height, width), like.dtype, like.device
        )
        centre, size = boxes[:, :2], boxes[:, 2:]
        scale = torch.tensor([width, height], device=boxes.device)
        boxes = torch.cat(((centre - 0.5 * size) * scale, (centre + 0.5 * size) * scale), dim=-1)
        return [boxes for _ in image_list.image_sizes]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(aspect_ratios={self.aspect_ratios}, clip={self.clip}, scales={self.scales}, "
            f"steps={self.steps})"
        )
