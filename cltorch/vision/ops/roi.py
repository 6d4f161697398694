"""Pooling of regions of interest.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.roi_align.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import cltorch as torch
from cltorch import functions, nn
from cltorch.fx import wrap
from cltorch.ops.regions import Bins
from cltorch.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Tensor])
wrap("roi_align")
wrap("roi_pool")


def wide(pool: F) -> F:
    """Return a function of maps and regions that computes halves in float32 and returns halves.

    A half cannot tell apart two neighbouring elements of a large image; without autocast regions are halves first.
    """

    @wraps(pool)
    def pooled(input: Tensor, boxes: Any, *args: Any, **kwargs: Any) -> Tensor:
        if input.dtype in (torch.float16, torch.bfloat16):
            if not torch.is_autocast_enabled(input.device.type):
                boxes = regions(input, boxes)
            return pool(input.float(), boxes, *args, **kwargs).to(input.dtype)
        return pool(input, boxes, *args, **kwargs)

    return pooled  # type: ignore[return-value]


def regions(input: Tensor, boxes: Tensor | list[Tensor]) -> Tensor:
    """Return regions [K, 5] of (index in the batch, x1, y1, x2, y2)."""
    if isinstance(boxes, (list, tuple)):
        for b in boxes:
            if b.dim() != 2 or b.shape[1] != 4:
                raise AssertionError(
                    "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]] is expected, "
                    f"got {tuple(b.shape)}"
                )
        index = [torch.full((len(b), 1), i, dtype=b.dtype, device=b.device) for i, b in enumerate(boxes)]
        boxes = torch.cat([torch.cat(index), torch.cat(list(boxes))], dim=1)
    if boxes.dim() != 2 or boxes.shape[1] != 5:
        raise AssertionError(
            f"The boxes tensor shape is not correct as Tensor[K, 5] is expected, got {tuple(boxes.shape)}"
        )
    return boxes.to(input.dtype)


def pair(size: Any) -> tuple[int, int]:
    """Return (height, width) of a number or of two."""
    return (size, size) if isinstance(size, int) else (size[0], size[-1])


@wide
def roi_align(
    input: Tensor, boxes: Tensor | list[Tensor], output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:  # fmt: skip
    """Return the averages [K, C, *output_size] of bilinear samples in the bins of each region (K. He et al., 2017).

    ``boxes`` are (index in the batch, x1, y1, x2, y2) [K, 5], or for each image [L, 4]. A bin takes
    ``sampling_ratio`` samples along each side, or as many as it covers elements.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.roi_align.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.roi_align(torch.ones(1, 1, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]]), 1)
    tensor([[[[1.]]]])
    """
    bins = Bins(pair(output_size), spatial_scale, max(sampling_ratio, 0), aligned, False, False, "roi_align")
    return functions.region_means(input, regions(input, boxes), bins)


@wide
def roi_pool(input: Tensor, boxes: Tensor | list[Tensor], output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """Return the greatest elements [K, C, *output_size] in the bins of each region (R. Girshick, Fast R-CNN, 2015).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.roi_pool.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.roi_pool(torch.ones(1, 1, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]]), 1)
    tensor([[[[1.]]]])
    """
    rois = regions(input, boxes)
    size = pair(output_size)
    places = functions.region_largest(
        input, rois, Bins(size, spatial_scale, 0, False, False, True, "roi_pool", largest=True)
    )
    map = rois[:, 0].long().reshape(-1, 1, 1)
    channel = torch.arange(input.shape[1], device=input.device).reshape(1, -1, 1)
    found = input.flatten(2)[map, channel, places.flatten(2).clamp(min=0)].reshape(places.shape)
    return torch.where(places < 0, torch.zeros_like(found), found)  # an empty bin gives zero


class RoIAlign(nn.Module):
    """Do what ``roi_align`` does.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.RoIAlign.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.RoIAlign(2, 1.0, 2)(torch.ones(1, 3, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(
        self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned})"
        )


class RoIPool(nn.Module):
    """Do what ``roi_pool`` does.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.RoIPool.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.RoIPool(2, 1.0)(torch.ones(1, 3, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
