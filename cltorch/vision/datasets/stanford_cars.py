"""Cars of 196 models (J. Krause et al., 3D Object Representations for Fine-Grained Categorization, 2013).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.StanfordCars.html
"""

from __future__ import annotations

import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import LabelledFiles, Loader
from cltorch.vision.datasets.utils import needed, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class StanfordCars(LabelledFiles):
    """Load photos of 196 models of cars, 8,144 to train and 8,041 to test.

    ``devkit``, ``cars_train``, ``cars_test`` and ``cars_test_annos_withlabels.mat`` are looked for in
    ``root/stanford_cars``. Needs SciPy. Nobody offers the files any more: ValueError for ``download=True``. Raises
    RuntimeError where files are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.StanfordCars.html
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        loadmat = needed("scipy.io", "StanfordCars").loadmat
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        base = Path(self.root) / "stanford_cars"
        names = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
        table, images = base / names[split], base / f"cars_{split}"
        if download:
            raise ValueError("StanfordCars cannot be downloaded: its source no longer exists")
        if not ((base / "devkit").is_dir() and table.is_file() and images.is_dir()):
            raise not_found(self, base, fetch=False)
        rows = loadmat(table, squeeze_me=True)["annotations"].reshape(-1)
        self._name(loadmat(base / "devkit" / "cars_meta.mat", squeeze_me=True)["class_names"].reshape(-1).tolist())
        # the file counts from 1
        self._hold([(str(images / str(row["fname"])), int(row["class"]) - 1) for row in rows], loader)
