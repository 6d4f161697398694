"""Cats and dogs of 37 breeds (O. M. Parkhi et al., Cats and Dogs, 2012).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.OxfordIIITPet.html
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import download_and_extract_archive, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class OxfordIIITPet(VisionDataset):
    """Load photos of cats and dogs of 37 breeds, in the splits trainval and test.

    The folders ``images`` and ``annotations`` are looked for in ``root/oxford-iiit-pet``. ``target_types`` is category
    (the breed), binary-category (0 for cats, 1 for dogs), segmentation (a PIL image: 1 for the animal, 2 for what is
    around it, 3 for its edge), or a list of them. Raises RuntimeError where the files are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.OxfordIIITPet.html
    """

    _RESOURCES = (
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
    )
    _VALID_TARGET_TYPES = ("category", "binary-category", "segmentation")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: Transform = None,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("trainval", "test"))
        wanted = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [verify_str_arg(t, "target_types", self._VALID_TARGET_TYPES) for t in wanted]
        super().__init__(root, transforms=transforms, transform=transform, target_transform=target_transform)
        self._base_folder = Path(self.root) / "oxford-iiit-pet"
        if download:
            self._download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        rows = (self._base_folder / "annotations" / f"{split}.txt").read_text("utf-8").splitlines()
        table = [line.split() for line in rows if line.strip()]
        self._names = [name for name, *_ in table]
        self._labels = [int(breed) - 1 for _, breed, *_ in table]
        self._bin_labels = [int(kind) - 1 for _, _, kind, *_ in table]
        self.bin_classes = ["Cat", "Dog"]
        breeds = {label: name.rsplit("_", 1)[0] for name, label in zip(self._names, self._labels, strict=True)}
        self.classes = [" ".join(part.title() for part in breeds[label].split("_")) for label in sorted(breeds)]
        self.bin_class_to_idx = {name: i for i, name in enumerate(self.bin_classes)}
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self._open("images", f"{self._names[index]}.jpg").convert("RGB")
        targets = [self._target(kind, index) for kind in self._target_types]
        target: Any = tuple(targets) if len(targets) > 1 else targets[0] if targets else None
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def _target(self, kind: str, index: int) -> Any:
        if kind == "category":
            return self._labels[index]
        if kind == "binary-category":
            return self._bin_labels[index]
        return self._open("annotations", "trimaps", f"{self._names[index]}.png")

    def _open(self, *names: str) -> Any:
        return require("OxfordIIITPet").open(self._base_folder.joinpath(*names))

    def _check_exists(self) -> bool:
        return all((self._base_folder / name).is_dir() for name in ("images", "annotations"))

    def _download(self) -> None:
        if not self._check_exists():
            for url, md5 in self._RESOURCES:
                download_and_extract_archive(url, self._base_folder, md5=md5)
