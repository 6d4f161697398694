"""Objects in photos: Caltech-101 (L. Fei-Fei et al., 2004) and Caltech-256 (G. Griffin et al., 2007).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Caltech101.html
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import (
    download_and_extract_archive,
    extract_archive,
    load_mat,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset

# categories whose outlines lie in a folder of another name
_OUTLINES = {
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
    "airplanes": "Airplanes_Side_2",
}
_MISSING = "Dataset not found or corrupted. You can use download=True to download it"


class _Categories(VisionDataset):
    """Index the images of one folder for each category: ``y`` is the category, ``index`` the number within it."""

    _folder: str

    def _read(self, categories: list[str]) -> None:
        self.categories = categories
        self.index: list[int] = []
        self.y: list[int] = []
        for label, name in enumerate(categories):
            files = [f for f in os.listdir(os.path.join(self.root, self._folder, name)) if f.endswith(".jpg")]
            self.index += range(1, len(files) + 1)
            self.y += [label] * len(files)

    def _check_integrity(self) -> bool:
        return os.path.isdir(os.path.join(self.root, self._folder))

    def _image(self, *names: str) -> Any:
        return require(type(self).__name__).open(os.path.join(self.root, self._folder, *names))

    def __len__(self) -> int:
        return len(self.index)


class Caltech101(_Categories):
    """Load photos of 101 kinds of objects from ``root/caltech101``, without the one class of anything else.

    ``target_type`` is category (the label), annotation (the outline as an array (2, points), which needs SciPy), or a
    list of both. Raises RuntimeError where the files are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Caltech101.html
    """

    _folder = "101_ObjectCategories"

    def __init__(
        self,
        root: str | os.PathLike[str],
        target_type: list[str] | str = "category",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(os.path.join(root, "caltech101"), transform=transform, target_transform=target_transform)
        wanted = [target_type] if isinstance(target_type, str) else target_type
        self.target_type = [verify_str_arg(t, "target_type", ("category", "annotation")) for t in wanted]
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(_MISSING)
        names = sorted(os.listdir(os.path.join(self.root, self._folder)))
        self._read([name for name in names if name != "BACKGROUND_Google"])
        self.annotation_categories = [_OUTLINES.get(name, name) for name in self.categories]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        label, number = self.y[index], self.index[index]
        image = self._image(self.categories[label], f"image_{number:04d}.jpg")
        targets = [label if t == "category" else self._outline(label, number) for t in self.target_type]
        target: Any = tuple(targets) if len(targets) > 1 else targets[0]
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def _outline(self, label: int, number: int) -> Any:
        folder = os.path.join(self.root, "Annotations", self.annotation_categories[label])
        return load_mat(os.path.join(folder, f"annotation_{number:04d}.mat"), "an annotation")["obj_contour"]

    def extra_repr(self) -> str:
        """Return what the targets are."""
        return f"Target type: {self.target_type}"

    def download(self) -> None:
        """Fetch and unpack the archive unless its folder is there."""
        if self._check_integrity():
            return
        download_and_extract_archive(
            "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
            self.root, filename="caltech-101.zip", md5="3138e1922a9193bfa496528edbbc45d0", remove_finished=True,
        )  # fmt: skip
        inner = os.path.join(self.root, "caltech-101")
        for name in os.listdir(inner):
            if name.endswith((".gz", ".tar")):
                extract_archive(os.path.join(inner, name), self.root)
        shutil.rmtree(inner)


class Caltech256(_Categories):
    """Load photos of 256 kinds of objects and one of anything else, from ``root/caltech256``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Caltech256.html
    """

    _folder = "256_ObjectCategories"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(os.path.join(root, "caltech256"), transform=transform, target_transform=target_transform)
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(_MISSING)
        self._read(sorted(os.listdir(os.path.join(self.root, self._folder))))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        label = self.y[index]
        image = self._image(self.categories[label], f"{label + 1:03d}_{self.index[index]:04d}.jpg")
        return (image, label) if self.transforms is None else self.transforms(image, label)

    def download(self) -> None:
        """Fetch and unpack the archive unless its folder is there."""
        if not self._check_integrity():
            download_and_extract_archive(
                "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
                self.root, filename="256_ObjectCategories.tar", md5="67b4f42ca05d46448c6bb8ecd2220f6d",
            )  # fmt: skip
