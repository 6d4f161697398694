"""Pooling of regions of interest.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.roi_align.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import cltorch as torch
from cltorch import nn
from cltorch.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Tensor])


def wide(pool: F) -> F:
    """Return a function of maps and regions that under autocast computes halves in float32 and returns halves.

    A half cannot tell apart two neighbouring elements of a large image.
    """

    @wraps(pool)
    def pooled(input: Tensor, boxes: Any, *args: Any, **kwargs: Any) -> Tensor:
        if input.dtype in (torch.float16, torch.bfloat16) and torch.is_autocast_enabled(input.device.type):
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


def round_half_away(x: Tensor) -> Tensor:
    """Return whole numbers, halves away from zero, as C's round does."""
    return (x.abs() + 0.5).floor().mul(x.sign())


def samples(start: Tensor, length: Tensor, bins: int, ratio: int, limit: int) -> tuple[Tensor, ...]:
    """Return what each bin reads along one axis: the lower and the upper place and their weights [K, bins, points]."""
    points = torch.full_like(length, ratio) if ratio > 0 else torch.ceil(length / bins)
    most = ratio if ratio > 0 else max(1, int(points.max().item())) if len(points) else 1
    step = torch.arange(most, device=start.device, dtype=start.dtype)
    bin = torch.arange(bins, device=start.device, dtype=start.dtype)
    points = points[:, None, None]
    within = (bin[None, :, None] + (step + 0.5) / points.clamp(min=1)) * (length[:, None, None] / bins)
    at = start[:, None, None] + within
    weight = ((step < points) & (at >= -1.0) & (at <= limit)).to(start.dtype) / points.clamp(min=1)
    at = at.clamp(min=0)
    low = at.floor().clamp(max=limit - 1)
    high = (low + 1).clamp(max=limit - 1)
    part = torch.where(low >= limit - 1, torch.zeros_like(at), at - low)
    return low.long(), high.long(), (1 - part) * weight, part * weight


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
    rois = regions(input, boxes)
    rows, columns = pair(output_size)
    offset = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (rois[:, i] * spatial_scale - offset for i in range(1, 5))
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = width.clamp(min=1.0), height.clamp(min=1.0)
    ys = samples(y1, height, rows, sampling_ratio, input.shape[2])
    xs = samples(x1, width, columns, sampling_ratio, input.shape[3])
    batch = rois[:, 0].long()[:, None, None, None, None]
    total: Any = 0.0
    for y, wy in ((ys[0], ys[2]), (ys[1], ys[3])):
        for x, wx in ((xs[0], xs[2]), (xs[1], xs[3])):
            # [K, rows, points, columns, points, C]
            found = input.permute(0, 2, 3, 1)[batch, y[:, :, :, None, None], x[:, None, None, :, :]]
            weight = wy[:, :, :, None, None] * wx[:, None, None, :, :]
            total = total + (found * weight[..., None]).sum((2, 4))
    return total.permute(0, 3, 1, 2).contiguous()


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
    x1, y1, x2, y2 = round_half_away(rois[:, 1:] * spatial_scale).unbind(1)
    rows, columns = pair(output_size)
    found = input[rois[:, 0].long()]
    masks = []
    for start, end, bins, limit in ((y1, y2, rows, input.shape[2]), (x1, x2, columns, input.shape[3])):
        length = (end - start + 1).clamp(min=1) / bins
        bin = torch.arange(bins, device=input.device, dtype=input.dtype)
        low = ((bin * length[:, None]).floor() + start[:, None]).clamp(0, limit)
        high = (((bin + 1) * length[:, None]).ceil() + start[:, None]).clamp(0, limit)
        place = torch.arange(limit, device=input.device, dtype=input.dtype)
        masks.append((place >= low[..., None]) & (place < high[..., None]))  # [K, bins, limit]
    least = torch.full((), float("-inf"), dtype=input.dtype, device=input.device)
    for axis, mask in ((3, masks[1]), (2, masks[0])):
        parts = []
        for i in range(mask.shape[1]):
            inside = mask[:, i, None, None, :] if axis == 3 else mask[:, i, None, :, None]
            parts.append(torch.where(inside, found, least).max(axis).values)
        found = torch.stack(parts, dim=axis)
    return torch.where(found == least, torch.zeros_like(found), found)  # an empty bin gives zero


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
