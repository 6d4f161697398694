"""Faces in crowds, small and hidden ones among them (S. Yang et al., WIDER FACE, 2016).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.WIDERFace.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch import functions
from cltorch.vision._pillow import require
from cltorch.vision.datasets.labelled import lines
from cltorch.vision.datasets.utils import (
    download_and_extract_archive,
    download_file_from_google_drive,
    extract_archive,
    not_found,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset


class WIDERFace(VisionDataset):
    """Load photos with boxes around faces: 12,880 to train, 3,226 in val, 16,097 to test, whose target is None.

    A target is a dict of int64 tensors: bbox (faces, 4) of x, y, width and height, and blur, expression, illumination,
    occlusion, pose and invalid (faces). The folders WIDER_train, WIDER_val, WIDER_test and wider_face_split are looked
    for in ``root/widerface``; downloading needs gdown. Raises RuntimeError where one is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.WIDERFace.html
    """

    BASE_FOLDER = "widerface"
    FILE_LIST = [
        ("15hGDLhsx8bLgLcIRD5DhYt5iBxnjNF1M", "3fedf70df600953d25982bcd13d91ba2", "WIDER_train.zip"),
        ("1GUCogbp16PMGa39thoMMeWxp7Rp5oM8Q", "dfa7d7e790efa35df3788964cf0bbaea", "WIDER_val.zip"),
        ("1HIfDbVEWKmsYKJZm4lchTBDLW5N7dY5T", "e5d8f4248ed24c334bbd12f49c29dd40", "WIDER_test.zip"),
    ]
    ANNOTATIONS_FILE = (
        "http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip",
        "0e3767bcf0e326556d407bf5bff5d27c",
        "wider_face_split.zip",
    )
    _COLUMNS = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(os.path.join(root, self.BASE_FOLDER), transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", ("train", "val", "test"))
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found(self, self.root)
        notes = Path(self.root) / "wider_face_split"
        self.img_info: list[dict[str, Any]] = []
        if split == "test":
            self.img_info = [{"img_path": self._path(name)} for name in lines(notes / "wider_face_test_filelist.txt")]
        else:
            self._read(lines(notes / f"wider_face_{split}_bbx_gt.txt"))

    def _path(self, name: str) -> str:
        return os.path.abspath(os.path.join(self.root, f"WIDER_{self.split}", "images", name))

    def _read(self, rows: list[str]) -> None:
        """Read images: a name, the number of faces, a line for each; one of zeros where there is no face."""
        at = 0
        while at < len(rows):
            count = max(int(rows[at + 1]), 1)
            faces = functions.tensor([[int(n) for n in row.split()] for row in rows[at + 2 : at + 2 + count]])
            notes = {"bbox": faces[:, :4].clone()}
            notes |= {name: faces[:, 4 + i].clone() for i, name in enumerate(self._COLUMNS)}
            self.img_info.append({"img_path": self._path(rows[at]), "annotations": notes})
            at += 2 + count

    def _check_integrity(self) -> bool:
        names = [name for *_, name in (*self.FILE_LIST, self.ANNOTATIONS_FILE)]
        return all(os.path.exists(os.path.join(self.root, Path(name).stem)) for name in names)

    def download(self) -> None:
        """Fetch and unpack what is not there, checking the MD5 sums."""
        if self._check_integrity():
            return
        for number, md5, name in self.FILE_LIST:
            download_file_from_google_drive(number, self.root, name, md5)
            extract_archive(os.path.join(self.root, name))
        url, md5, _ = self.ANNOTATIONS_FILE
        download_and_extract_archive(url, self.root, md5=md5)

    def __len__(self) -> int:
        return len(self.img_info)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        found = self.img_info[index]
        image: Any = require("WIDERFace").open(found["img_path"])
        target = found.get("annotations")
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.split}"
