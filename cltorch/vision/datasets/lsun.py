"""Scenes of ten kinds, millions of photos in databases (F. Yu et al., LSUN, 2015).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.LSUN.html
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import iterable_to_str, needed, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset

_CATEGORIES = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen", "living_room",
    "restaurant", "tower",
)  # fmt: skip
_PARTS = ("train", "val", "test")


class LSUNClass(VisionDataset):
    """Load the photos of one database; targets are None. Reading it needs lmdb; RuntimeError where that is missing.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.LSUN.html
    """

    def __init__(self, root: str, transform: Transform = None, target_transform: Transform = None) -> None:
        lmdb = needed("lmdb", "LSUN")
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.env = lmdb.open(os.fspath(root), max_readers=1, readonly=True, lock=False, readahead=False, meminit=False)
        with self.env.begin(write=False) as transaction:
            self.length: int = transaction.stat()["entries"]
            self.keys: list[bytes] = list(transaction.cursor().iternext(keys=True, values=False))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        with self.env.begin(write=False) as transaction:
            data = transaction.get(self.keys[index])
        image, target = require("LSUN").open(io.BytesIO(data)).convert("RGB"), None
        return (image, target) if self.transforms is None else self.transforms(image, target)


class LSUN(VisionDataset):
    """Load the photos of several databases with the number of the database, in the folders ``root/bedroom_train_lmdb``.

    ``classes`` is train, val or test, for all that there are, or a list as ["bedroom_train", "tower_val"]. Reading them
    needs lmdb. Raises ValueError for other classes.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.LSUN.html
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        classes: str | list[str] = "train",
        transform: Transform = None,
        target_transform: Transform = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes = self._verify_classes(classes)
        self.dbs = [LSUNClass(os.path.join(root, f"{name}_lmdb"), transform=transform) for name in self.classes]
        self.indices = list(accumulate(map(len, self.dbs)))
        self.length = self.indices[-1] if self.indices else 0

    def _verify_classes(self, classes: str | list[str]) -> list[str]:
        if isinstance(classes, str) and classes in _PARTS:
            return ["test"] if classes == "test" else [f"{name}_{classes}" for name in _CATEGORIES]
        if not isinstance(classes, Iterable):
            raise ValueError(f"Expected type str or Iterable for argument classes, but got type {type(classes)}.")
        for name in classes:
            kind = f"Expected type str for elements in argument classes, but got type {type(name)}."
            if not isinstance(name, str):
                raise ValueError(kind)
            category, _, part = name.rpartition("_")
            for word, what, known in ((category, "LSUN class", _CATEGORIES), (part, "postfix", _PARTS)):
                wrong = f"Unknown value '{word}' for {what}. Valid values are {{{iterable_to_str(known)}}}."
                verify_str_arg(word, valid_values=known, custom_msg=wrong)
        return list(classes)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target: Any = bisect_right(self.indices, index)
        image, _ = self.dbs[target][index - (self.indices[target - 1] if target else 0)]
        return image, target if self.target_transform is None else self.target_transform(target)

    def extra_repr(self) -> str:
        """Return which databases these are."""
        return f"Classes: {self.classes}"
