"""Scenes of 365 kinds (B. Zhou et al., Places: A 10 Million Image Database for Scene Recognition, 2017).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Places365.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import Loader, lines
from cltorch.vision.datasets.utils import check_integrity, download_and_extract_archive, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class Places365(VisionDataset):
    """Load photos of 365 kinds of places in the splits train-standard, train-challenge, val and test.

    ``small`` takes the images of 256×256 instead of the large ones. The lists of files and the folders of images are
    looked for in ``root``; ``imgs`` are the (path, label), ``targets`` the labels, which are None for test. Raises
    RuntimeError where a list is missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Places365.html
    """

    _SPLITS = ("train-standard", "train-challenge", "val", "test")
    _BASE_URL = "http://data.csail.mit.edu/places/places365/"
    _DEVKIT_META = {
        "standard": ("filelist_places365-standard.tar", "35a0585fee1fa656440f3ab298f8479c"),
        "challenge": ("filelist_places365-challenge.tar", "70a8307e459c3de41690a7c76c931734"),
    }
    _CATEGORIES_META = ("categories_places365.txt", "06c963b85866bd0649f97cb43dd16673")
    _FILE_LIST_META = {
        "train-standard": ("places365_train_standard.txt", "30f37515461640559006b8329efbed1a"),
        "train-challenge": ("places365_train_challenge.txt", "b2931dc997b8c33c27e7329c073a6b57"),
        "val": ("places365_val.txt", "e9f2fd57bfd9d07630173f4e8708e4b1"),
        "test": ("places365_test.txt", "2fce8233fe493576d724142e45d93653"),
    }
    _IMAGES_META = {
        ("train-standard", False): ("train_large_places365standard.tar", "67e186b496a84c929568076ed01a8aa1"),
        ("train-challenge", False): ("train_large_places365challenge.tar", "605f18e68e510c82b958664ea134545f"),
        ("val", False): ("val_large.tar", "9b71c4993ad89d2d8bcbdc4aef38042f"),
        ("test", False): ("test_large.tar", "41a4b6b724b1d2cd862fb3871ed59913"),
        ("train-standard", True): ("train_256_places365standard.tar", "53ca1c756c3d1e7809517cc47c5561c5"),
        ("train-challenge", True): ("train_256_places365challenge.tar", "741915038a5e3471ec7332404dfb64ef"),
        ("val", True): ("val_256.tar", "e27b17d8d44f4af9a78502beb927f808"),
        ("test", True): ("test_256.tar", "f532f6ad7b582262a2ec8009075e186b"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train-standard",
        small: bool = False,
        download: bool = False,
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self._SPLITS)
        self.small = small
        self.loader = loader
        self.classes, self.class_to_idx = self.load_categories(download)
        self.imgs, self.targets = self.load_file_list(download)
        if download:
            self.download_images()

    def __len__(self) -> int:
        return len(self.imgs)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self.imgs[index]
        image = self.loader(path)
        return (image, label) if self.transforms is None else self.transforms(image, label)

    @property
    def variant(self) -> str:
        """Return which of the two training sets this belongs to: standard or challenge."""
        return "challenge" if "challenge" in self.split else "standard"

    @property
    def images_dir(self) -> str:
        """Return the folder of the images."""
        size = "256" if self.small else "large"
        train = self.split.startswith("train")
        return os.path.join(self.root, f"data_{size}_{self.variant}" if train else f"{self.split}_{size}")

    def load_categories(self, download: bool = True) -> tuple[list[str], dict[str, int]]:
        """Return the names of the places and the label of each."""
        rows = [line.split() for line in self._list(*self._CATEGORIES_META, download)]
        numbers = {name: int(label) for name, label in rows}
        return sorted(numbers), numbers

    def load_file_list(self, download: bool = True) -> tuple[list[tuple[str, int | None]], list[int | None]]:
        """Return the (path, label) of the images, and the labels."""
        images: list[tuple[str, int | None]] = []
        for line in self._list(*self._FILE_LIST_META[self.split], download):
            name, *label = line.split()
            path = os.path.join(self.images_dir, *name.lstrip("/").split("/"))
            images.append((path, int(label[0]) if label else None))
        return images, [label for _, label in images]

    def _list(self, name: str, md5: str, download: bool) -> list[str]:
        path = os.path.join(self.root, name)
        if not check_integrity(path, md5):
            if not download:
                raise not_found(self, path)
            self.download_devkit()
        return lines(path)

    def download_devkit(self) -> None:
        """Fetch and unpack the lists of files."""
        name, md5 = self._DEVKIT_META[self.variant]
        download_and_extract_archive(self._BASE_URL + name, self.root, md5=md5)

    def download_images(self) -> None:
        """Fetch and unpack the images where their folder is not there."""
        if os.path.exists(self.images_dir):
            return
        name, md5 = self._IMAGES_META[self.split, self.small]
        download_and_extract_archive(self._BASE_URL + name, self.root, md5=md5)
        if self.split.startswith("train"):  # both training sets unpack to a folder of the same name
            Path(self.images_dir.rsplit("_", 1)[0]).rename(self.images_dir)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.split}\nSmall: {self.small}"
