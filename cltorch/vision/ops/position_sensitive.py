"""Pooling of regions in which each bin has channels of its own.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.ps_roi_align.html
"""

from __future__ import annotations

from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.ops.roi import pair, regions, round_half_away, samples, wide


def _channels(input: Tensor, rows: int, columns: int) -> Tensor:
    """Return which channel each bin reads for each channel of the result: [C, rows, columns]."""
    if input.shape[1] % (rows * columns):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")
    return torch.arange(input.shape[1], device=input.device).reshape(-1, rows, columns)


@wide
def ps_roi_align(
    input: Tensor, boxes: Tensor | list[Tensor], output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1
) -> Tensor:
    """Return the averages [K, C / (h w), h, w] of bilinear samples, bins with channels of their own (Z. Li, 2017).

    ``boxes`` are as for ``roi_align``. Raises RuntimeError where the channels are no multiple of the bins.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.ps_roi_align.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.ps_roi_align(torch.ones(1, 4, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]]), 2).shape
    torch.Size([1, 1, 2, 2])
    """
    rois = regions(input, boxes)
    rows, columns = pair(output_size)
    channel = _channels(input, rows, columns).permute(1, 2, 0)[None, :, None, :, None, :]
    x1, y1, x2, y2 = (rois[:, i] * spatial_scale - 0.5 for i in range(1, 5))
    ys = samples(y1, y2 - y1, rows, sampling_ratio, input.shape[2])
    xs = samples(x1, x2 - x1, columns, sampling_ratio, input.shape[3])
    batch = rois[:, 0].long()[:, None, None, None, None, None]
    total: Any = 0.0
    for y, wy in ((ys[0], ys[2]), (ys[1], ys[3])):
        for x, wx in ((xs[0], xs[2]), (xs[1], xs[3])):
            # [K, rows, points, columns, points, C]
            found = input[batch, channel, y[:, :, :, None, None, None], x[:, None, None, :, :, None]]
            total = total + (found * (wy[:, :, :, None, None] * wx[:, None, None, :, :])[..., None]).sum((2, 4))
    return total.permute(0, 3, 1, 2).contiguous()


@wide
def ps_roi_pool(input: Tensor, boxes: Tensor | list[Tensor], output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """Return the averages [K, C / (h w), h, w] over bins, each from its own channels (J. Dai et al., R-FCN, 2016).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.ps_roi_pool.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.ps_roi_pool(torch.ones(1, 4, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]]), 2).shape
    torch.Size([1, 1, 2, 2])
    """
    rois = regions(input, boxes)
    rows, columns = pair(output_size)
    channel = _channels(input, rows, columns)
    x1, y1, x2, y2 = round_half_away(rois[:, 1:] * spatial_scale).unbind(1)
    inside = []
    for start, end, bins, limit in ((y1, y2, rows, input.shape[2]), (x1, x2, columns, input.shape[3])):
        length = (end - start).clamp(min=1) / bins
        bin = torch.arange(bins, device=input.device, dtype=input.dtype)
        low = ((bin * length[:, None]).floor() + start[:, None]).clamp(0, limit - 1)
        high = (((bin + 1) * length[:, None]).ceil() + start[:, None]).clamp(0, limit - 1)
        place = torch.arange(limit, device=input.device, dtype=input.dtype)
        inside.append(((place >= low[..., None]) & (place < high[..., None])).to(input.dtype))  # [K, bins, limit]
    found = input[rois[:, 0].long()][:, channel]  # [K, C, rows, columns, H, W]
    total = (found * inside[1][:, None, None, :, None, :]).sum(-1)
    total = (total * inside[0][:, None, :, None, :]).sum(-1)
    count = inside[0].sum(-1)[:, None, :, None] * inside[1].sum(-1)[:, None, None, :]
    return total / count.clamp(min=1)


class PSRoIAlign(nn.Module):
    """Do what ``ps_roi_align`` does.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.PSRoIAlign.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.PSRoIAlign(2, 1.0, 2)(torch.ones(1, 4, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])).shape
    torch.Size([1, 1, 2, 2])
    """

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio = output_size, spatial_scale, sampling_ratio

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio})"
        )


class PSRoIPool(nn.Module):
    """Do what ``ps_roi_pool`` does.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.PSRoIPool.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.PSRoIPool(2, 1.0)(torch.ones(1, 4, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])).shape
    torch.Size([1, 1, 2, 2])
    """

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
