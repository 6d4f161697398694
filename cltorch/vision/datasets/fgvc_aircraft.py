"""Aeroplanes of 100 variants (S. Maji et al., Fine-Grained Visual Classification of Aircraft, 2013).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FGVCAircraft.html
"""

from __future__ import annotations

import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import LabelledFiles, Loader, lines
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class FGVCAircraft(LabelledFiles):
    """Load 10,000 photos of aeroplanes in the splits train, val, trainval and test.

    ``annotation_level`` is variant (100 classes), family (70) or manufacturer (30). The folder
    ``root/fgvc-aircraft-2013b/data`` is read. Raises RuntimeError where the files are missing; the source publishes no
    checksum.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FGVCAircraft.html
    """

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
    _LEVELS = {"variant": "variants.txt", "family": "families.txt", "manufacturer": "manufacturers.txt"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        annotation_level: str = "variant",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "val", "trainval", "test"))
        self._annotation_level = verify_str_arg(annotation_level, "annotation_level", tuple(self._LEVELS))
        folder = Path(self.root) / "fgvc-aircraft-2013b"
        provide(self, download, folder.is_dir, folder, self._URL, self.root)
        data = folder / "data"
        self._name(lines(data / self._LEVELS[annotation_level]))
        rows = [line.split(" ", 1) for line in lines(data / f"images_{annotation_level}_{split}.txt")]
        images = data / "images"
        self._hold([(str(images / f"{name}.jpg"), self.class_to_idx[label]) for name, label in rows], loader)
