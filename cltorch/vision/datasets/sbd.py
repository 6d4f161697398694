"""Outlines of the objects in photos of VOC (B. Hariharan et al., Semantic Contours from Inverse Detectors, 2011).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SBDataset.html
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets.labelled import lines
from cltorch.vision.datasets.utils import (
    download_and_extract_archive,
    download_url,
    needed,
    not_found,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset


class SBDataset(VisionDataset):
    """Load photos with the outlines of 20 kinds of objects, or with the kind that each pixel shows.

    ``mode`` boundaries gives an array (20, H, W), segmentation a PIL image. ``image_set`` is train, val or train_noval
    (without what VOC 2012 validates with). ``img``, ``cls`` and the lists are looked for in ``root``. Needs SciPy.
    Raises RuntimeError where it, or the folder, is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SBDataset.html
    """

    url = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz"
    md5 = "82b4d87ceb2ed10f6038a1cba92111cb"
    filename = "benchmark.tgz"
    voc_train_url = "https://www.cs.cornell.edu/~bharathh/train_noval.txt"
    voc_split_filename = "train_noval.txt"
    voc_split_md5 = "79bff800c5f0b1ec6b21080a3c066722"

    def __init__(
        self,
        root: str | os.PathLike[str],
        image_set: str = "train",
        mode: str = "boundaries",
        download: bool = False,
        transforms: Transform = None,
    ) -> None:
        self._loadmat = needed("scipy.io", "SBDataset").loadmat
        super().__init__(root, transforms)
        self.image_set = verify_str_arg(image_set, "image_set", ("train", "val", "train_noval"))
        self.mode = verify_str_arg(mode, "mode", ("segmentation", "boundaries"))
        self.num_classes = 20
        if download:
            self._download()
        if not os.path.isdir(self.root):
            raise not_found(self, self.root)
        names = lines(Path(self.root) / f"{image_set}.txt")
        self.images = [os.path.join(self.root, "img", f"{name}.jpg") for name in names]
        self.masks = [os.path.join(self.root, "cls", f"{name}.mat") for name in names]

    def _download(self) -> None:
        download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.md5)
        for name in ("cls", "img", "inst", "train.txt", "val.txt"):
            shutil.move(os.path.join(self.root, "benchmark_RELEASE", "dataset", name), self.root)
        if self.image_set == "train_noval":
            download_url(self.voc_train_url, self.root, self.voc_split_filename, self.voc_split_md5)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = require("SBDataset").open(self.images[index]).convert("RGB")
        known = self._loadmat(self.masks[index])["GTcls"][0]
        if self.mode == "segmentation":
            target: Any = require("SBDataset").fromarray(known["Segmentation"][0])
        else:  # a sparse matrix for each kind
            target = np.stack([known["Boundaries"][0][i][0].toarray() for i in range(self.num_classes)])
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Image set: {self.image_set}\nMode: {self.mode}"
