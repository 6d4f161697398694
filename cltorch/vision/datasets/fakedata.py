"""Random images for trying things out.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FakeData.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets.vision import Transform, VisionDataset


class FakeData(VisionDataset):
    """Give ``size`` random colour images [C, H, W], each the same whenever it is asked for, with random labels.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FakeData.html
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform = None,
        target_transform: Transform = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset = random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"{type(self).__name__} index out of range")
        rng = np.random.default_rng([index, self.random_offset])
        channels, height, width = self.image_size
        values = rng.integers(0, 256, (height, width, channels), np.uint8)
        image: Any = require("FakeData").fromarray(values[..., 0] if channels == 1 else values)
        target: Any = int(rng.integers(0, self.num_classes))
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)
