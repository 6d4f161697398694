"""Means over the bins of regions: what the poolings of ``cltorch.vision.ops`` are made of.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.roi_align.html
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import apply
from cltorch.ops import regions as ops

__all__ = ["region_largest", "region_means", "region_spread"]


def region_means(x: Any, rois: Any, bins: ops.Bins) -> Any:
    """Return the means (K, channels, h, w) over the bins of regions (K, 5) of maps (N, C, H, W)."""
    return apply(ops.RegionMeans, x, rois, bins)


def region_largest(x: Any, rois: Any, bins: ops.Bins) -> Any:
    """Return the places (K, channels, h, w) of the bins' greatest elements in their planes, -1 for an empty bin."""
    return apply(ops.RegionLargest, x, rois, bins)


def region_spread(g: Any, rois: Any, maps: tuple[int, ...], bins: ops.Bins) -> Any:
    """Return what bins (K, channels, h, w) give back to the elements of maps of a shape."""
    return apply(ops.RegionSpread, g, rois, maps, bins)
