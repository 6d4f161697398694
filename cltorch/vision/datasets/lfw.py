"""Labelled Faces in the Wild (G. B. Huang et al., 2007): people, or pairs of photos of one person or of two.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.LFWPeople.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import Loader, lines
from cltorch.vision.datasets.utils import check_integrity, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class _LFW(VisionDataset):
    """The photos of an alignment, and the lists of a view and a split."""

    base_folder = "lfw-py"
    file_dict = {
        "original": ("lfw", "lfw.tgz", "a17d05bd522c52d84eca14327a23d494"),
        "funneled": ("lfw_funneled", "lfw-funneled.tgz", "1b42dfed7d15c9b2dd63d5e5840c86ad"),
        "deepfunneled": ("lfw-deepfunneled", "lfw-deepfunneled.tgz", "68331da3eb755a505a502b5aacb3c201"),
    }
    checksums = {
        "pairs.txt": "9f1ba174e4e1c508ff7cdf10ac338a7d",
        "pairsDevTest.txt": "5132f7440eb68cf58910c8a45a2ac10b",
        "pairsDevTrain.txt": "4f27cbf15b2da4a85c1907eb4181ad21",
        "people.txt": "450f0863dd89e85e73936a6d71a3474b",
        "peopleDevTest.txt": "e4bf5be0a43b5dcd9dc5ccfcb8fb19c5",
        "peopleDevTrain.txt": "54eaac34beb6d042ed3a7d883e247a21",
        "lfw-names.txt": "a6d0a479bd074669f656265a6e693f6d",
    }
    annot_file = {"10fold": "", "train": "DevTrain", "test": "DevTest"}
    names = "lfw-names.txt"
    _VIEW: str

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(os.path.join(root, self.base_folder), transform=transform, target_transform=target_transform)
        self.view = self._VIEW
        self.image_set = verify_str_arg(image_set.lower(), "image_set", tuple(self.file_dict))
        self.split = verify_str_arg(split.lower(), "split", tuple(self.annot_file))
        folder, self.filename, self.md5 = self.file_dict[self.image_set]
        self.labels_file = f"{self.view}{self.annot_file[self.split]}.txt"
        if download:
            raise ValueError("LFW's source no longer exists: fetch the files by hand")
        listed = (self.labels_file, self.names) if self.view == "people" else (self.labels_file,)
        wanted = {self.filename: self.md5, **{name: self.checksums[name] for name in listed}}
        if not all(check_integrity(os.path.join(self.root, name), md5) for name, md5 in wanted.items()):
            raise not_found(self, self.root, fetch=False)
        self.images_dir = os.path.join(self.root, folder)
        self._loader = loader
        self.data: list[Any] = []
        self.targets: list[int] = []
        self._read(lines(Path(self.root) / self.labels_file))

    def _read(self, rows: list[str]) -> None:
        raise NotImplementedError

    def _path(self, person: str, number: str | int) -> str:
        return os.path.join(self.images_dir, person, f"{person}_{int(number):04d}.jpg")

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Alignment: {self.image_set}\nSplit: {self.split}"


class LFWPeople(_LFW):
    """Load photos of faces, each with the number of the person.

    ``image_set`` says how the faces were aligned: original, funneled or deepfunneled; ``split`` is 10fold, train or
    test. The archive of the images, the folder it unpacks to and the lists are looked for in ``root/lfw-py``. Raises
    RuntimeError where files are missing or damaged, ValueError for ``download=True``: the source is gone.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.LFWPeople.html
    """

    _VIEW = "people"

    def _read(self, rows: list[str]) -> None:
        self.class_to_idx = {line.split()[0]: label for label, line in enumerate(lines(Path(self.root) / self.names))}
        for row in rows:
            person, *count = row.split("\t")
            # lines of one number say how many folds, or people of a fold, follow
            for number in range(1, int(count[0]) + 1) if count else ():
                self.data.append(self._path(person, number))
                self.targets.append(self.class_to_idx[person])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self._loader(self.data[index]), self.targets[index]
        return (image, label) if self.transforms is None else self.transforms(image, label)

    def extra_repr(self) -> str:
        """Return which part this is, and how many people there are."""
        return f"{super().extra_repr()}\nClasses (identities): {len(self.class_to_idx)}"


class LFWPairs(_LFW):
    """Load pairs of photos of faces, and 1 where both show one person or 0.

    Arguments, files and errors are those of ``LFWPeople``; ``pair_names`` are the names of the two.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.LFWPairs.html
    """

    _VIEW = "pairs"

    def _read(self, rows: list[str]) -> None:
        self.pair_names: list[tuple[str, str]] = []
        for row in rows:
            cells = row.split("\t")
            if len(cells) < 3:  # how many folds and pairs there are
                continue
            # one person and two numbers, or a person and a number twice
            first, second = (cells[:2], [cells[0], cells[2]]) if len(cells) == 3 else (cells[:2], cells[2:])
            self.pair_names.append((first[0], second[0]))
            self.data.append((self._path(*first), self._path(*second)))
            self.targets.append(int(len(cells) == 3))

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        one, two = (self._loader(path) for path in self.data[index])
        label: Any = self.targets[index]
        if self.transform is not None:
            one, two = self.transform(one), self.transform(two)
        return one, two, label if self.target_transform is None else self.target_transform(label)
