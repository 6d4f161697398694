"""Dishes of 101 kinds (L. Bossard et al., Food-101, 2014).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Food101.html
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import LabelledFiles, Loader
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class Food101(LabelledFiles):
    """Load photos of 101 dishes, 750 of each to train and 250 to test.

    The folders ``images`` and ``meta`` are looked for in ``root/food-101``. Raises RuntimeError where they are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Food101.html
    """

    _URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5 = "85eeb15f3717b99a5da872d97d918f87"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        self._base_folder = Path(self.root) / "food-101"
        provide(self, download, self._check_exists, self._base_folder, self._URL, self.root, self._MD5)
        table = json.loads((self._base_folder / "meta" / f"{split}.json").read_text("utf-8"))
        self._name(sorted(table))
        images = self._base_folder / "images"
        self._hold(
            [(images / f"{name}.jpg", self.class_to_idx[dish]) for dish in table for name in table[dish]], loader
        )

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"split={self._split}"

    def _check_exists(self) -> bool:
        return all((self._base_folder / name).is_dir() for name in ("meta", "images"))
