"""Images of a folder that has one folder for each class.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.ImageFolder.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.vision import Transform, VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Return whether a file's name ends in one of the extensions, in small or capital letters."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Return whether a file's name is one of an image."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """Return the names of a folder's folders in order, and the label of each; FileNotFoundError where there is none."""
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """Return the (path, label) of a folder's files in order, those of one class after those of another.

    Just one of ``extensions`` and ``is_valid_file`` says which files count. Raises FileNotFoundError for a class
    without a file unless ``allow_empty``.
    """
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
    valid = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions))  # type: ignore[arg-type]
    samples: list[tuple[str, int]] = []
    empty: list[str] = []
    for name in sorted(class_to_idx):
        folder = os.path.join(os.path.expanduser(directory), name)
        before = len(samples)
        for parent, _, files in sorted(os.walk(folder, followlinks=True)):
            samples += [(path, class_to_idx[name]) for f in sorted(files) if valid(path := os.path.join(parent, f))]
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        known = (extensions,) if isinstance(extensions, str) else extensions
        wanted = f" Supported extensions are: {', '.join(known)}" if known else ""
        raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)}.{wanted}")
    return samples


def pil_loader(path: str) -> Any:
    """Return a file's image in colour."""
    with open(path, "rb") as file:
        return require("an image folder").open(file).convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Load samples from ``root/class/…/file``, each with the number of its class.

    ``samples`` are the (path, label), ``targets`` the labels, ``classes`` the names.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.DatasetFolder.html
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.loader, self.extensions = loader, extensions
        self.targets = [label for _, label in self.samples]

    make_dataset = staticmethod(make_dataset)

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """Return the classes and the label of each; a subclass may find others."""
        return find_classes(directory)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)


class ImageFolder(DatasetFolder):
    """Load images from ``root/class/…/file``, each with the number of its class.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.ImageFolder.html
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
