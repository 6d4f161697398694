"""Faces with one of seven expressions (I. J. Goodfellow et al., Challenges in Representation Learning, 2013).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FER2013.html
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import check_integrity, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class FER2013(VisionDataset):
    """Load faces of 48×48 in shades of grey, 28,709 to train and 7,178 to test.

    One of ``fer2013.csv``, ``icml_face_data.csv`` and ``train.csv`` or ``test.csv`` (in which labels are missing: None)
    is looked for in ``root/fer2013``, in this order; it has to be fetched by hand. Raises RuntimeError where it is
    missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FER2013.html
    """

    _RESOURCES = {
        "train": ("train.csv", "3f0dfb3d3fd99c811a1299cb947e3131"),
        "test": ("test.csv", "b02c2298636a634e8c2faabbf3ea9a23"),
        "fer": ("fer2013.csv", "f8428a1edbd21e88f42c73edd2a14f95"),
        "icml": ("icml_face_data.csv", "b114b9e04e6949e5fe8b6a98b3892b1d"),
    }
    _USAGES = {"train": ("Training",), "test": ("PublicTest", "PrivateTest")}

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "test"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        folder = Path(self.root) / "fer2013"
        which = next((key for key in ("fer", "icml") if (folder / self._RESOURCES[key][0]).exists()), split)
        name, md5 = self._RESOURCES[which]
        if not check_integrity(folder / name, md5):
            raise not_found(self, folder / name, fetch=False)
        with open(folder / name, encoding="ascii", newline="") as file:
            # blanks come before the names of the columns in one of the files
            rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
        if which in ("fer", "icml"):
            rows = [row for row in rows if row["Usage"] in self._USAGES[split]]
        self._images = [np.array(row["pixels"].split(), np.uint8).reshape(48, 48) for row in rows]
        self._labels = [None if which == "test" else int(row["emotion"]) for row in rows]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = require("FER2013").fromarray(self._images[index]), self._labels[index]
        return (image, label) if self.transforms is None else self.transforms(image, label)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"split={self._split}"
