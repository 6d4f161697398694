"""Faces of celebrities (Z. Liu et al., Deep Learning Face Attributes in the Wild, 2015).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CelebA.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.vision._pillow import require
from cltorch.vision.datasets.labelled import lines
from cltorch.vision.datasets.utils import (
    check_integrity,
    download_file_from_google_drive,
    extract_archive,
    not_found,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset

_SPLITS = ("train", "valid", "test")
_TARGETS = {"attr": "attr", "bbox": "bbox", "identity": "identity", "landmarks": "landmarks_align"}


class CelebA(VisionDataset):
    """Load 202,599 photos of faces in the splits train, valid, test and all.

    ``target_type`` is attr (40 attributes that hold, 1, or not, 0), identity (the number of the person, without
    dimensions), bbox (x, y, width and height in the photo before it was cut), landmarks (x and y of both eyes, the nose
    and both ends of the mouth), or a list of these: int64 tensors. The folder ``img_align_celeba`` and the lists are
    looked for in ``root/celeba``; downloading needs gdown. Raises RuntimeError where files are missing or damaged, and
    for a ``target_transform`` without a target.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CelebA.html
    """

    base_folder = "celeba"
    file_list = [
        ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb", "img_align_celeba.zip"),
        ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c", "list_attr_celeba.txt"),
        ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2", "identity_CelebA.txt"),
        ("0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16", "list_bbox_celeba.txt"),
        ("0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c", "list_landmarks_align_celeba.txt"),
        ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668", "list_eval_partition.txt"),
    ]

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        target_type: list[str] | str = "attr",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = split
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        if not self.target_type and target_transform is not None:
            raise RuntimeError("target_transform is given, but target_type is empty")
        self._folder = Path(self.root) / self.base_folder
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found(self, self._folder)
        part = verify_str_arg(split.lower() if isinstance(split, str) else split, "split", (*_SPLITS, "all"))
        parts = [(name, int(number)) for name, number in self._rows("list_eval_partition.txt", 0)]
        chosen = [i for i, (_, number) in enumerate(parts) if part == "all" or _SPLITS[number] == part]
        self.filename = [parts[i][0] for i in chosen]
        self.identity = self._table("identity_CelebA.txt", 0, chosen)
        # a line with the number of rows and one with the names of the columns come first
        self.bbox = self._table("list_bbox_celeba.txt", 2, chosen)
        self.landmarks_align = self._table("list_landmarks_align_celeba.txt", 2, chosen)
        self.attr = (self._table("list_attr_celeba.txt", 2, chosen) + 1) // 2  # -1 and 1 in the file
        # torchvision keeps the blank at the end of the line of names, as a name
        names = (self._folder / "list_attr_celeba.txt").read_text("utf-8").splitlines()[1].lstrip(" ")
        self.attr_names = [name for i, name in enumerate(names.split(" ")) if name or i == names.count(" ")]

    def _rows(self, name: str, skip: int) -> list[list[str]]:
        return [line.split() for line in lines(self._folder / name)[skip:]]

    def _table(self, name: str, skip: int, chosen: list[int]) -> Any:
        numbers = np.array([row[1:] for row in self._rows(name, skip)], np.int64)
        return functions.tensor(numbers[np.array(chosen, np.intp)])

    def _check_integrity(self) -> bool:
        # the archive may be gone once it is unpacked
        lists = [(name, md5) for _, md5, name in self.file_list if name.endswith(".txt")]
        whole = all(check_integrity(self._folder / name, md5) for name, md5 in lists)
        return whole and (self._folder / "img_align_celeba").is_dir()

    def download(self) -> None:
        """Fetch and unpack what is not there, checking the MD5 sums."""
        if self._check_integrity():
            return
        for number, md5, name in self.file_list:
            download_file_from_google_drive(number, self._folder, name, md5)
        extract_archive(self._folder / "img_align_celeba.zip")

    def __len__(self) -> int:
        return len(self.filename)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = require("CelebA").open(self._folder / "img_align_celeba" / self.filename[index])
        targets = [self._target(kind, index) for kind in self.target_type]
        if not targets:
            return image if self.transform is None else self.transform(image), None
        target: Any = tuple(targets) if len(targets) > 1 else targets[0]
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def _target(self, kind: str, index: int) -> Any:
        row = getattr(self, _TARGETS[verify_str_arg(kind, "target_type", tuple(_TARGETS))])[index]
        return row[0] if kind == "identity" else row

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Target type: {self.target_type}\nSplit: {self.split}"
