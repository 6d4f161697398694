"""Photos of 211 countries (A. Radford et al., Learning Transferable Visual Models, 2021).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Country211.html
"""

from __future__ import annotations

import os

from cltorch.vision.datasets.folder import ImageFolder, default_loader
from cltorch.vision.datasets.labelled import Loader
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class Country211(ImageFolder):
    """Load photos taken in 211 countries, 150 of each to train, 50 in the split valid and 100 to test.

    The splits' folders, one folder for each country in them, are looked for in ``root/country211``. Raises RuntimeError
    where that one is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Country211.html
    """

    _URL = "https://openaipublic.azureedge.net/clip/data/country211.tgz"
    _MD5 = "84988d7644798601126c29e9877aab6a"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "valid", "test"))
        root = os.path.expanduser(os.fspath(root))
        folder = os.path.join(root, "country211")
        provide(self, download, lambda: os.path.isdir(folder), folder, self._URL, root, self._MD5)
        part = os.path.join(folder, split)
        super().__init__(part, transform=transform, target_transform=target_transform, loader=loader)
        self.root = root
