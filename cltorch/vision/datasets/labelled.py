"""What the data sets of one labelled image a file have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cltorch.vision.datasets.vision import VisionDataset

Loader = Callable[[Any], Any]


class LabelledFiles(VisionDataset):
    """Hold files of images, a label for each, and the function that reads one."""

    loader: Loader
    _image_files: list[Any]
    _labels: list[Any]

    def _hold(self, samples: Iterable[tuple[Any, Any]], loader: Loader) -> None:
        pairs = list(samples)
        self._image_files = [file for file, _ in pairs]
        self._labels = [label for _, label in pairs]
        self.loader = loader

    def _name(self, classes: Iterable[str]) -> None:
        self.classes = list(classes)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self._image_files)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self.loader(self._image_files[index]), self._labels[index]
        return (image, label) if self.transforms is None else self.transforms(image, label)


def lines(path: str | os.PathLike[str]) -> list[str]:
    """Return a text file's lines without the blanks around them, and without empty ones."""
    return [line.strip() for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
