"""Describable textures of 47 kinds (M. Cimpoi et al., Describing Textures in the Wild, 2014).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.DTD.html
"""

from __future__ import annotations

import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import LabelledFiles, Loader, lines
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class DTD(LabelledFiles):
    """Load photos of textures, 120 of each of 47 kinds, in the splits train, val and test.

    ``partition``, 1 to 10, chooses which images belong to which split. The folders ``images`` and ``labels`` are
    looked for in ``root/dtd/dtd``. Raises ValueError for another split or partition, RuntimeError where files are
    missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.DTD.html
    """

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    _MD5 = "fff73e5086ae6bdbea199a49dfb8a4c1"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        partition: int = 1,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "val", "test"))
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ValueError(f"partition must be an integer from 1 to 10, got {partition!r}")
        self._partition = partition
        super().__init__(root, transform=transform, target_transform=target_transform)
        base = Path(self.root) / "dtd"
        folder = base / "dtd"
        provide(self, download, folder.is_dir, base, self._URL, base, self._MD5)
        names = [line.split("/") for line in lines(folder / "labels" / f"{split}{partition}.txt")]
        self._name(sorted({kind for kind, _ in names}))
        self._hold([(folder / "images" / kind / file, self.class_to_idx[kind]) for kind, file in names], loader)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"split={self._split}, partition={self._partition}"
