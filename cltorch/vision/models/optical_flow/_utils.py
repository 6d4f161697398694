"""Parts of networks for optical flow, under the names that torchvision's have."""

from __future__ import annotations

from typing import Any

from cltorch.tensor import Tensor
from cltorch.vision.models.optical_flow._correlation import pixels, sample, upsampled

__all__ = ["grid_sample", "make_coords_grid", "upsample_flow"]


def grid_sample(
    img: Tensor, absolute_grid: Tensor, mode: str = "bilinear", align_corners: bool | None = None
) -> Tensor:
    """Sample images [N, C, H, W] at places [N, h, w, 2], (column, row) counted in pixels.

    >>> import cltorch as torch
    >>> grid_sample(torch.arange(6.0).view(1, 1, 2, 3), torch.tensor([[[[1.0, 1.0]]]]), align_corners=True)
    tensor([[[[4.]]]])
    """
    return sample(img, absolute_grid, mode, align_corners)


def make_coords_grid(batch_size: int, h: int, w: int, device: Any = "cpu") -> Tensor:
    """Return each pixel's own (column, row), [N, 2, h, w]."""
    return pixels(batch_size, h, w, device)


def upsample_flow(flow: Tensor, up_mask: Tensor | None = None, factor: int = 8) -> Tensor:
    """Return a flow [N, C, h, w] at ``factor`` times its resolution, its numbers as many times as large.

    ``up_mask`` [N, 9 factor factor, h, w] weighs the nine neighbours of each place; without one it is bilinear.
    """
    return upsampled(flow, up_mask, factor)
