"""Pooling of regions in which each bin has channels of its own.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.ps_roi_align.html
"""

from __future__ import annotations

from typing import Any

from cltorch import functions, nn
from cltorch.fx import wrap
from cltorch.ops.regions import Bins
from cltorch.tensor import Tensor
from cltorch.vision.ops.roi import pair, regions, wide

wrap("ps_roi_align")
wrap("ps_roi_pool")


def _check(input: Tensor, rows: int, columns: int) -> None:
    if input.shape[1] % (rows * columns):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")


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
    size = pair(output_size)
    _check(input, *size)
    bins = Bins(size, spatial_scale, max(sampling_ratio, 0), True, True, False, "ps_roi_align")
    return functions.region_means(input, regions(input, boxes), bins)


@wide
def ps_roi_pool(input: Tensor, boxes: Tensor | list[Tensor], output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """Return the averages [K, C / (h w), h, w] over bins, each from its own channels (J. Dai et al., R-FCN, 2016).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.ps_roi_pool.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.ps_roi_pool(torch.ones(1, 4, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]]), 2).shape
    torch.Size([1, 1, 2, 2])
    """
    size = pair(output_size)
    _check(input, *size)
    bins = Bins(size, spatial_scale, 0, False, True, True, "ps_roi_pool")
    return functions.region_means(input, regions(input, boxes), bins)


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
