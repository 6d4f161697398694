"""German traffic signs (J. Stallkamp et al., Man vs. computer, 2012).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.GTSRB.html
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader, make_dataset
from cltorch.vision.datasets.labelled import LabelledFiles
from cltorch.vision.datasets.utils import download_and_extract_archive, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class GTSRB(LabelledFiles):
    """Load photos of 43 kinds of traffic signs, 26,640 to train and 12,630 to test.

    ``GTSRB/Training``, or ``GTSRB/Final_Test/Images`` and ``GT-final_test.csv``, are looked for in ``root/gtsrb``.
    Raises RuntimeError where they are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.GTSRB.html
    """

    _SOURCE = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _ARCHIVES = {
        "train": (("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478"),),
        "test": (
            ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
            ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
        ),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        base = Path(self.root) / "gtsrb"
        folder = base / "GTSRB" / ("Training" if split == "train" else "Final_Test/Images")
        if download and not folder.is_dir():
            for name, md5 in self._ARCHIVES[split]:
                download_and_extract_archive(self._SOURCE + name, base, md5=md5)
        if not folder.is_dir():
            raise not_found(self, base)
        if split == "train":
            self._hold(make_dataset(folder, extensions=(".ppm",)), default_loader)
        else:
            with open(base / "GT-final_test.csv", encoding="utf-8", newline="") as table:
                rows = list(csv.DictReader(table, delimiter=";", skipinitialspace=True))
            self._hold([(str(folder / row["Filename"]), int(row["ClassId"])) for row in rows], default_loader)
