"""Tissue with and without tumours (B. S. Veeling et al., Rotation Equivariant CNNs for Digital Pathology, 2018).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.PCAM.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import (
    download_file_from_google_drive,
    extract_archive,
    needed,
    not_found,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset


class PCAM(VisionDataset):
    """Load colour images of 96×96, labelled 1 where there is a tumour in the middle: 262,144, 32,768 and 32,768.

    ``split`` is train, val or test; its two HDF5 files are looked for in ``root/pcam``. Reading them needs h5py and
    downloading gdown. Raises RuntimeError where one of these or a file is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.PCAM.html
    """

    # the names at the source end so, with the number of the file in Google Drive and its MD5 sum
    _FILES = {
        "train": (
            ("train_x.h5", "1Ka0XfEMiwgCYPdTI-vv6eUElOBnKFKQ2", "1571f514728f59376b705fc836ff4b63"),
            ("train_y.h5", "1269yhu3pZDP8UYFQs-NYs3FPwuK-nGSG", "35c2d7259d906cfc8143347bb8e05be7"),
        ),
        "test": (
            ("test_x.h5", "1qV65ZqZvWzuIVthK8eVDhIwrbnsJdbg_", "d8c2d60d490dbd479f8199bdfa0cf6ec"),
            ("test_y.h5", "17BHrSrwWKjYsOgTMmoqrIjDy6Fa2o_gP", "60a7035772fbdb7f34eb86d4420cf66a"),
        ),
        "val": (
            ("valid_x.h5", "1hgshYGWK8V-eGRy8LToWJJgDU_rXWVJ3", "d5b63470df7cfa627aeec8b9dc0c066e"),
            ("valid_y.h5", "1bH8ZRbhSVAhScTS0p9-ZzGnX91cHT3uO", "2b85f58b927af9964a4c15b8f7e8f179"),
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
        self.h5py = needed("h5py", "PCAM")
        self._split = verify_str_arg(split, "split", ("train", "test", "val"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        folder = Path(self.root) / "pcam"
        names = [f"camelyonpatch_level_2_split_{name}" for name, _, _ in self._FILES[split]]
        self._images, self._labels = (folder / name for name in names)
        if download and not self._check_exists():
            for name, (_, number, md5) in zip(names, self._FILES[split], strict=True):
                download_file_from_google_drive(number, folder, f"{name}.gz", md5)
                extract_archive(folder / f"{name}.gz")
        if not self._check_exists():
            raise not_found(self, folder)

    def _check_exists(self) -> bool:
        return self._images.is_file() and self._labels.is_file()

    def __len__(self) -> int:
        with self.h5py.File(self._images) as file:
            return int(file["x"].shape[0])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        # opened anew each time: a file that is open does not follow into the processes of a DataLoader
        with self.h5py.File(self._images) as images, self.h5py.File(self._labels) as labels:
            image: Any = require("PCAM").fromarray(images["x"][index]).convert("RGB")
            label = int(labels["y"][index, 0, 0, 0])
        return (image, label) if self.transforms is None else self.transforms(image, label)
