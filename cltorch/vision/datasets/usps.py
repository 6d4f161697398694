"""Handwritten digits of envelopes (J. J. Hull, A database for handwritten text recognition research, 1994).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.USPS.html
"""

from __future__ import annotations

import bz2
import os
from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import download_url
from cltorch.vision.datasets.vision import Transform, VisionDataset


class USPS(VisionDataset):
    """Load digits of 16×16 in shades of grey, 7,291 to train and 2,007 to test.

    The files ``usps.bz2`` and ``usps.t.bz2``, a line for each digit, are looked for in ``root``. Raises
    FileNotFoundError where they are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.USPS.html
    """

    _SOURCE = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
    split_list = {
        "train": [f"{_SOURCE}usps.bz2", "usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"],
        "test": [f"{_SOURCE}usps.t.bz2", "usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        url, name, md5 = self.split_list["train" if train else "test"]
        path = os.path.join(self.root, name)
        if download and not os.path.exists(path):
            download_url(url, self.root, name, md5)
        with bz2.open(path, "rt", encoding="ascii") as file:
            rows = [line.split() for line in file]
        # label, then number:shade of each pixel, from -1 to 1
        shades = np.array([[pixel.partition(":")[2] for pixel in row[1:]] for row in rows], np.float32)
        self.data = ((shades.reshape(-1, 16, 16) + 1) / 2 * 255).astype(np.uint8)
        self.targets = [int(row[0]) - 1 for row in rows]  # the file counts from 1

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = require("USPS").fromarray(self.data[index]), self.targets[index]
        return (image, label) if self.transforms is None else self.transforms(image, label)
