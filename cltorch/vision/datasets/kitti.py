"""Streets with boxes around cars and people (A. Geiger et al., Are we ready for autonomous driving?, 2012).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Kitti.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.labelled import lines
from cltorch.vision.datasets.utils import download_and_extract_archive, not_found
from cltorch.vision.datasets.vision import Transform, VisionDataset


class Kitti(VisionDataset):
    """Load the left colour images, each with a list of its objects, in the order of the files' names.

    An object is a dict of type (str), truncated, occluded (int), alpha, bbox (4 floats: left, top, right, bottom),
    dimensions (height, width, length), location (x, y, z) and rotation_y. ``train=False`` gives the images to test
    with, whose target is None. ``training`` and ``testing`` with the folders ``image_2`` and ``label_2`` are looked
    for in ``root/Kitti/raw``. Raises RuntimeError where they are missing; the source publishes no checksums.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Kitti.html
    """

    data_url = "https://s3.eu-central-1.amazonaws.com/avg-kitti/"
    resources = ["data_object_image_2.zip", "data_object_label_2.zip"]
    image_dir_name = "image_2"
    labels_dir_name = "label_2"

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        transforms: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform, transforms=transforms)
        self.train = train
        self._folder = Path(self._raw_folder) / ("training" if train else "testing")
        if download:
            self.download()
        if not self._check_exists():
            raise not_found(self, self._folder)
        images = sorted((self._folder / self.image_dir_name).iterdir())
        labels = self._folder / self.labels_dir_name
        self.images = [str(image) for image in images]
        self.targets = [str(labels / f"{image.name.split('.')[0]}.txt") for image in images] if train else []

    @property
    def _raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    def _check_exists(self) -> bool:
        names = (self.image_dir_name, self.labels_dir_name) if self.train else (self.image_dir_name,)
        return all((self._folder / name).is_dir() for name in names)

    def download(self) -> None:
        """Fetch and unpack what is not there."""
        if not self._check_exists():
            for name in self.resources:
                download_and_extract_archive(self.data_url + name, self._raw_folder, filename=name)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = require("Kitti").open(self.images[index])
        target = [_object(line) for line in lines(self.targets[index])] if self.train else None
        return (image, target) if self.transforms is None else self.transforms(image, target)


def _object(line: str) -> dict[str, Any]:
    kind, truncated, occluded, *rest = line.split()
    numbers = [float(number) for number in rest]
    return {
        "type": kind,
        "truncated": float(truncated),
        "occluded": int(occluded),
        "alpha": numbers[0],
        "bbox": numbers[1:5],
        "dimensions": numbers[5:8],
        "location": numbers[8:11],
        "rotation_y": numbers[11],
    }
