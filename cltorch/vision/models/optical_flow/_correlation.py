"""How alike each two places of two images are, at several resolutions, and what follows for a flow.

Source: https://arxiv.org/abs/2003.12039
"""

from __future__ import annotations

import math

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor


def sample(image: Tensor, places: Tensor, mode: str = "bilinear", align_corners: bool | None = True) -> Tensor:
    """Return samples of images [N, C, H, W] at places [N, h, w, 2] of (column, row) counted in pixels."""
    most = functions.tensor([max(n - 1, 1) for n in image.shape[:-3:-1]], dtype=places.dtype, device=places.device)
    return F.grid_sample(image, 2 * places / most - 1, mode=mode, align_corners=align_corners)


def pixels(n: int, h: int, w: int, device: object) -> Tensor:
    """Return each pixel's own (column, row), [N, 2, h, w]."""
    rows, columns = functions.arange(h, device=device).float(), functions.arange(w, device=device).float()
    grid = functions.stack((columns.expand(h, w), rows[:, None].expand(h, w)))
    return grid[None].repeat(n, 1, 1, 1)


def upsampled(flow: Tensor, mask: Tensor | None, factor: int = 8) -> Tensor:
    """Return a flow [N, C, h, w] at ``factor`` times its resolution, its numbers as many times as large.

    ``mask`` [N, 9 factor factor, h, w] weighs the nine neighbours of each place; without one it is bilinear.
    """
    n, c, h, w = flow.shape
    if mask is None:
        size = (h * factor, w * factor)
        return factor * F.interpolate(flow, size=size, mode="bilinear", align_corners=True)
    weights = functions.softmax(mask.reshape(n, 1, 9, factor, factor, h, w), dim=2)
    around = F.unfold(factor * flow, kernel_size=3, padding=1).reshape(n, c, 9, 1, 1, h, w)
    fine = (weights * around).sum(dim=2)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(n, c, h * factor, w * factor)


class CorrBlock:
    """Products of each two places' features, halved ``num_levels`` - 1 times, read within ``radius`` of a place.

    >>> from cltorch.vision.models.optical_flow._correlation import CorrBlock
    >>> CorrBlock(num_levels=4, radius=3).out_channels
    196
    """

    def __init__(self, *, num_levels: int = 4, radius: int = 4) -> None:
        self.num_levels, self.radius = num_levels, radius
        self.corr_pyramid: list[Tensor] = []
        self.out_channels = num_levels * (2 * radius + 1) ** 2

    def build_pyramid(self, fmap1: Tensor, fmap2: Tensor) -> None:
        """Take in the features [N, C, h, w] of two images; raise ValueError for shapes that differ or are too small."""
        if fmap1.shape != fmap2.shape:
            raise ValueError(
                "Input feature maps should have the same shape, instead got "
                f"{fmap1.shape} (fmap1.shape) != {fmap2.shape} (fmap2.shape)"
            )
        least = 2**self.num_levels
        if any(size < least for size in fmap1.shape[-2:]):
            raise ValueError(
                f"Feature maps are too small to be down-sampled {self.num_levels - 1} times: H and W should be at "
                f"least {least}, got {fmap1.shape[-2:]}. Images are eight times as large: at least {8 * least}."
            )
        n, c, h, w = fmap1.shape
        level = functions.matmul(fmap1.flatten(2).transpose(1, 2), fmap2.flatten(2)) / math.sqrt(c)
        level = level.reshape(n * h * w, 1, h, w)
        self.corr_pyramid = [level]
        for _ in range(self.num_levels - 1):
            level = F.avg_pool2d(level, kernel_size=2, stride=2)
            self.corr_pyramid.append(level)

    def index_pyramid(self, centroids_coords: Tensor) -> Tensor:
        """Return the products [N, out_channels, h, w] around the places [N, 2, h, w]."""
        n, _, h, w = centroids_coords.shape
        side = functions.arange(
            -self.radius, self.radius + 1, device=centroids_coords.device, dtype=centroids_coords.dtype
        )
        around = functions.stack(functions.meshgrid(side, side, indexing="ij"), dim=-1)[None]
        places = centroids_coords.permute(0, 2, 3, 1).reshape(n * h * w, 1, 1, 2)
        found = []
        for i, level in enumerate(self.corr_pyramid):
            found.append(sample(level, places / 2**i + around).reshape(n, h, w, -1))
        features = functions.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()
        if features.shape != (n, self.out_channels, h, w):
            raise ValueError(
                f"Output shape of index pyramid is incorrect. Should be {(n, self.out_channels, h, w)}, "
                f"got {features.shape}"
            )
        return features
