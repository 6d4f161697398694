"""Drawn scenes of three to ten simple objects (J. Johnson et al., CLEVR, 2017), to be counted.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CLEVRClassification.html
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import LabelledFiles, Loader
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class CLEVRClassification(LabelledFiles):
    """Load images with the number of their objects: 70,000 to train, 15,000 in val, 15,000 to test without labels.

    The folders ``images`` and ``scenes`` are looked for in ``root/clevr/CLEVR_v1.0``. Raises RuntimeError where that
    one is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CLEVRClassification.html
    """

    _URL = "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip"
    _MD5 = "b11922020e72d0cd9154779b2d3d07d2"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "val", "test"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        base = Path(self.root) / "clevr"
        folder = base / "CLEVR_v1.0"
        provide(self, download, folder.is_dir, folder, self._URL, base, self._MD5)
        files = sorted((folder / "images" / split).glob("*"))
        counts: dict[str, int] = {}
        if split != "test":
            scenes = json.loads((folder / "scenes" / f"CLEVR_{split}_scenes.json").read_text("utf-8"))["scenes"]
            counts = {scene["image_filename"]: len(scene["objects"]) for scene in scenes}
        self._hold([(file, None if split == "test" else counts[file.name]) for file in files], loader)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"split={self._split}"
