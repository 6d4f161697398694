"""Animals, plants and fungi of thousands of species (G. Van Horn et al., The iNaturalist Dataset, 2018).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.INaturalist.html
"""

from __future__ import annotations

import os
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.labelled import Loader
from cltorch.vision.datasets.utils import download_and_extract_archive, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset

CATEGORIES_2021 = ["kingdom", "phylum", "class", "order", "family", "genus"]
_ARCHIVES = {
    "2017": ("2017/train_val_images.tar.gz", "7c784ea5e424efaec655bd392f87301f"),
    "2018": ("2018/train_val2018.tar.gz", "b1c6952ce38f31868cc50ea72d066cc3"),
    "2019": ("2019/train_val2019.tar.gz", "c60a6e2962c9b8ccbd458d12c8582644"),
    "2021_train": ("2021/train.tar.gz", "e0526d53c7f7b2e3167b2b43bb2690ed"),
    "2021_train_mini": ("2021/train_mini.tar.gz", "db6ed8330e634445efc8fec83ae81442"),
    "2021_valid": ("2021/val.tar.gz", "f6f6e0e242e3d4c9569ba56400938afc"),
}


class INaturalist(VisionDataset):
    """Load photos of living things from ``root/version``, one folder for each species, in the order of their names.

    ``version`` is 2017, 2018, 2019, 2021_train, 2021_train_mini or 2021_valid. ``target_type`` is full (the number of
    the species), super for those before 2021 (a group), or for those of 2021 kingdom, phylum, class, order, family or
    genus; or a list of them. ``loader`` reads an image, PIL without one. Raises RuntimeError where the folder is
    missing, empty or holds folders of other names.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.INaturalist.html
    """

    _SOURCE = "https://ml-inat-competition-datasets.s3.amazonaws.com/"

    def __init__(
        self,
        root: str | os.PathLike[str],
        version: str = "2021_train",
        target_type: list[str] | str = "full",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader | None = None,
    ) -> None:
        self.version = verify_str_arg(version, "version", tuple(_ARCHIVES))
        super().__init__(os.path.join(root, version), transform=transform, target_transform=target_transform)
        if download:
            self.download()
        if not self._check_exists():
            raise not_found(self, self.root)
        known = CATEGORIES_2021 if version.startswith("2021") else ["super"]
        wanted = target_type if isinstance(target_type, list) else [target_type]
        self.target_type = [verify_str_arg(kind, "target_type", ("full", *known)) for kind in wanted]
        self.categories_index: dict[str, dict[str, int]] = {kind: {} for kind in known}
        self.all_categories: list[str] = []
        self.categories_map: list[dict[str, int]] = []
        self._init_2021() if version.startswith("2021") else self._init_before()
        self.index = [
            (label, name)
            for label, folder in enumerate(self.all_categories)
            for name in sorted(os.listdir(os.path.join(self.root, folder)))
        ]
        self.loader = loader

    def _init_2021(self) -> None:
        """Read folders such as 00000_Animalia_Annelida_…: the number, six ranks and the rest of the species' name."""
        self.all_categories = sorted(os.listdir(self.root))
        for i, folder in enumerate(self.all_categories):
            pieces = folder.split("_")
            if len(pieces) != 8 or pieces[0] != f"{i:05d}":
                raise RuntimeError(f"{folder} in {self.root} is not the name of species {i:05d}: a number and 7 words")
            ranks = zip(CATEGORIES_2021, pieces[1:7], strict=True)
            self.categories_map.append({kind: self._number(kind, name) for kind, name in ranks})

    def _number(self, kind: str, name: str) -> int:
        numbers = self.categories_index[kind]
        return numbers.setdefault(name, len(numbers))

    def _init_before(self) -> None:
        """Read folders of groups with those of species in them, whose names are numbers but for 2017."""
        found: dict[int, tuple[str, int]] = {}
        for group in sorted(os.listdir(self.root)):
            number = self._number("super", group)
            for name in sorted(os.listdir(os.path.join(self.root, group))):
                if self.version != "2017" and not name.isdecimal():
                    raise RuntimeError(f"the name of the folder {group}/{name} in {self.root} is not a number")
                label = len(found) if self.version == "2017" else int(name)
                if label in found:
                    raise RuntimeError(f"species {label} is there twice: {found[label][0]} and {group}/{name}")
                found[label] = os.path.join(group, name), number
        missing = set(range(max(found, default=-1) + 1)) - set(found)
        if missing:
            raise RuntimeError(f"species {min(missing)} is missing in {self.root}")
        self.all_categories = [found[label][0] for label in range(len(found))]
        self.categories_map = [{"super": found[label][1]} for label in range(len(found))]

    def category_name(self, category_type: str, category_id: int) -> str:
        """Return the name of a number's species or group; raise ValueError for an unknown kind or number."""
        if category_type == "full":
            return self.all_categories[category_id]
        if category_type not in self.categories_index:
            raise ValueError(f"Invalid category type '{category_type}'")
        for name, number in self.categories_index[category_type].items():
            if number == category_id:
                return name
        raise ValueError(f"Invalid category id {category_id} for {category_type}")

    def _check_exists(self) -> bool:
        return os.path.isdir(self.root) and bool(os.listdir(self.root))

    def download(self) -> None:
        """Fetch and unpack what is not there, checking the MD5 sum."""
        if self._check_exists():
            return
        archive, md5 = _ARCHIVES[self.version]
        parent = os.path.dirname(self.root)
        download_and_extract_archive(self._SOURCE + archive, parent, filename=f"{self.version}.tgz", md5=md5)
        made = os.path.join(parent, os.path.basename(archive).removesuffix(".tar.gz"))
        if not os.path.exists(made):
            raise RuntimeError(f"{self.version}.tgz did not unpack to {made}")
        os.rename(made, self.root)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        label, name = self.index[index]
        path = os.path.join(self.root, self.all_categories[label], name)
        image: Any = require("INaturalist").open(path) if self.loader is None else self.loader(path)
        targets = [label if kind == "full" else self.categories_map[label][kind] for kind in self.target_type]
        target: Any = tuple(targets) if len(targets) > 1 else targets[0]
        return (image, target) if self.transforms is None else self.transforms(image, target)
