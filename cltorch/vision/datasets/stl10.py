"""STL-10 (A. Coates et al., 2011) and SVHN (Y. Netzer et al., 2011).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.STL10.html
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    download_url,
    load_mat,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset


class _Arrays(VisionDataset):
    """Images as an array [N, C, H, W] and labels as another, or none."""

    data: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = require(type(self).__name__).fromarray(self.data[index].transpose(1, 2, 0))
        target: Any = None if self.labels is None else int(self.labels[index])
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)


class STL10(_Arrays):
    """Load colour images of 96×96 in ten classes: 5,000 to train, 8,000 to test, 100,000 without a class.

    ``split`` is train, test, unlabeled or train+unlabeled; ``folds`` picks one of ten parts of 1,000 of the training
    images. Files are looked for in ``root/stl10_binary``. A missing label is -1.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.STL10.html
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        folds: int | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        if folds is not None and not isinstance(folds, int):
            raise ValueError(f"Expected type None or int for argument folds, but got type {type(folds)}.")
        if folds is not None and not 0 <= folds < 10:
            raise ValueError(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        self.folds = folds
        if download and not self._found():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)
        if not self._found():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        parts = [self._load(part) for part in self.split.split("+")]
        if folds is not None and self.split.startswith("train"):
            with open(self._path(self.folds_list_file), encoding="ascii") as file:
                chosen = np.array(file.read().splitlines()[folds].split(), np.int64)
            parts[0] = tuple(array[chosen] for array in parts[0])  # type: ignore[assignment]
        self.data, self.labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        self.classes: list[str] = []
        if os.path.isfile(self._path(self.class_names_file)):
            with open(self._path(self.class_names_file), encoding="ascii") as file:
                self.classes = file.read().split()

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _found(self) -> bool:
        return all(os.path.isfile(self._path(f"{part}_X.bin")) for part in self.split.split("+"))

    def _load(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        # columns come before rows in the file
        images = np.fromfile(self._path(f"{part}_X.bin"), np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        if part == "unlabeled":
            return images, np.full(len(images), -1, np.int64)
        return images, np.fromfile(self._path(f"{part}_y.bin"), np.uint8) - 1

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.split}"


class SVHN(_Arrays):
    """Load colour images of 32×32 of house numbers: 73,257 to train, 26,032 to test, 531,131 extra ones.

    ``split`` is train, test or extra; the file is looked for in ``root``. Reading it needs SciPy.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SVHN.html
    """

    split_list = {
        "train": ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        "test": ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        "extra": ("extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"),
    }
    _SOURCE = "http://ufldl.stanford.edu/housenumbers/"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.filename, self.file_md5 = self.split_list[self.split]
        self.url = self._SOURCE + self.filename
        if download:
            download_url(self.url, self.root, self.filename, self.file_md5)
        path = os.path.join(self.root, self.filename)
        if not check_integrity(path, self.file_md5):
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        loaded = load_mat(path, "SVHN")
        self.data = np.ascontiguousarray(loaded["X"].transpose(3, 2, 0, 1))
        self.labels = loaded["y"].astype(np.int64).reshape(-1)
        self.labels[self.labels == 10] = 0  # the file counts from 1 to 10

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.split}"
