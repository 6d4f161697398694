"""Scenes of 397 kinds (J. Xiao et al., SUN Database, 2010).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SUN397.html
"""

from __future__ import annotations

import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import LabelledFiles, Loader, lines
from cltorch.vision.datasets.utils import provide
from cltorch.vision.datasets.vision import Transform


class SUN397(LabelledFiles):
    """Load 108,753 photos of 397 kinds of places, in the order of their files' paths.

    ``ClassName.txt`` and the folders of the first letters are looked for in ``root/SUN397``. Raises RuntimeError where
    that folder is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SUN397.html
    """

    _DATASET_URL = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    _DATASET_MD5 = "8ca2778205c41d23104230ba66911c7a"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        folder = Path(self.root) / "SUN397"
        provide(self, download, folder.is_dir, folder, self._DATASET_URL, self.root, self._DATASET_MD5)
        self._name(line[3:] for line in lines(folder / "ClassName.txt"))  # without the letter's folder, as in /a/abbey
        files = sorted(folder.rglob("sun_*.jpg"))
        kinds = ["/".join(file.relative_to(folder).parts[1:-1]) for file in files]
        self._hold([(file, self.class_to_idx[kind]) for file, kind in zip(files, kinds, strict=True)], loader)
