"""Handwritten digits of about 80 people (Semeion Research Center, 1994).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SEMEION.html
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import check_integrity, download_url, not_found
from cltorch.vision.datasets.vision import Transform, VisionDataset


class SEMEION(VisionDataset):
    """Load 1,593 digits of 16×16, black (0) and white (255).

    The file ``semeion.data``, a line for each digit, is looked for in ``root`` and downloaded where it is not there
    unless ``download=False``. Raises RuntimeError where it is missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SEMEION.html
    """

    url = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename = "semeion.data"
    md5_checksum = "cb545d371d2ce14ec121470795a77432"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        path = os.path.join(self.root, self.filename)
        if download:
            download_url(self.url, self.root, self.filename, self.md5_checksum)
        if not check_integrity(path, self.md5_checksum):
            raise not_found(self, path)
        table = np.loadtxt(path, ndmin=2)  # 256 pixels, then ten columns of which one is 1
        self.data = (table[:, :256] * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.labels = table[:, 256:].argmax(1)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = require("SEMEION").fromarray(self.data[index]), int(self.labels[index])
        return (image, label) if self.transforms is None else self.transforms(image, label)
