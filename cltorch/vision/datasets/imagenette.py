"""Ten easy classes of ImageNet (J. Howard, Imagenette, 2019).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Imagenette.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch.vision.datasets.folder import default_loader, find_classes, make_dataset
from cltorch.vision.datasets.labelled import LabelledFiles, Loader
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform

_WORDS = {
    "n01440764": ("tench", "Tinca tinca"),
    "n02102040": ("English springer", "English springer spaniel"),
    "n02979186": ("cassette player",),
    "n03000684": ("chain saw", "chainsaw"),
    "n03028079": ("church", "church building"),
    "n03394916": ("French horn", "horn"),
    "n03417042": ("garbage truck", "dustcart"),
    "n03425413": ("gas pump", "gasoline pump", "petrol pump", "island dispenser"),
    "n03445777": ("golf ball",),
    "n03888257": ("parachute", "chute"),
}


class Imagenette(LabelledFiles):
    """Load photos of ten classes, 9,469 to train and 3,925 in the split val.

    ``size`` is full, 320px or 160px: the folder ``root/imagenette2``, -320 or -160. ``wnids`` are the names of the
    classes' folders, ``classes`` the words for each. Raises RuntimeError where the folder is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Imagenette.html
    """

    _ARCHIVES = {
        "full": ("imagenette2.tgz", "fe2fc210e6bb7c5664d602c3cd71e612"),
        "320px": ("imagenette2-320.tgz", "3df6f0d01a2c9592104656642f5e78a3"),
        "160px": ("imagenette2-160.tgz", "e793b78cc4c9e9a4ccc0c1155377a412"),
    }
    _SOURCE = "https://s3.amazonaws.com/fast-ai-imageclas/"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        size: str = "full",
        download: bool = False,
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "val"))
        self._size = verify_str_arg(size, "size", tuple(self._ARCHIVES))
        archive, md5 = self._ARCHIVES[size]
        folder = Path(self.root) / Path(archive).stem
        provide(self, download, folder.exists, folder, self._SOURCE + archive, self.root, md5)
        self.wnids, self.wnid_to_idx = find_classes(folder / split)
        self.classes: Any = [_WORDS[wnid] for wnid in self.wnids]
        self.class_to_idx = {word: label for label, words in enumerate(self.classes) for word in words}
        self._hold(make_dataset(str(folder / split), self.wnid_to_idx, extensions=".jpeg"), loader)
