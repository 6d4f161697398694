"""Images of several sizes in one tensor.

Source: https://docs.pytorch.org/vision/0.28/models.html#object-detection-instance-segmentation-and-person-keypoint-detection
"""

from __future__ import annotations

from typing import Any

from cltorch.tensor import Tensor


class ImageList:
    """Images padded to one size, ``tensors`` [N, C, H, W], and what their (height, width) were, ``image_sizes``."""

    def __init__(self, tensors: Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensors = tensors
        self.image_sizes = image_sizes

    def to(self, device: Any) -> ImageList:
        """Return the images on another device."""
        return ImageList(self.tensors.to(device), self.image_sizes)
