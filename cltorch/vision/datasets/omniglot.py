"""Handwritten characters of 50 alphabets (B. M. Lake et al., Human-level concept learning, 2015).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Omniglot.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.labelled import LabelledFiles, Loader
from cltorch.vision.datasets.utils import check_integrity, download_and_extract_archive, not_found
from cltorch.vision.datasets.vision import Transform


def _grey(path: Any) -> Any:
    return require("Omniglot").open(path).convert("L")


class Omniglot(LabelledFiles):
    """Load 20 drawings of each of 964 characters, or with ``background=False`` of 659 others to evaluate on.

    The archive and the folder it unpacks to are looked for in ``root/omniglot-py``; alphabets, characters and drawings
    come in the order of their names. ``loader`` reads an image, in shades of grey without one. Raises RuntimeError
    where the archive is missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Omniglot.html
    """

    folder = "omniglot-py"
    download_url_prefix = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    zips_md5 = {
        "images_background": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        background: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader | None = None,
    ) -> None:
        super().__init__(os.path.join(root, self.folder), transform=transform, target_transform=target_transform)
        self.background = background
        part = "images_background" if background else "images_evaluation"
        archive, md5 = f"{part}.zip", self.zips_md5[part]
        if download and not check_integrity(os.path.join(self.root, archive), md5):
            download_and_extract_archive(f"{self.download_url_prefix}/{archive}", self.root, filename=archive, md5=md5)
        if not check_integrity(os.path.join(self.root, archive), md5):
            raise not_found(self, self.root)
        self.target_folder = os.path.join(self.root, part)
        characters = [one for alphabet in _folders(Path(self.target_folder)) for one in _folders(alphabet)]
        self._characters = [os.path.join(one.parent.name, one.name) for one in characters]
        drawings = [(str(file), i) for i, one in enumerate(characters) for file in sorted(one.glob("*.png"))]
        self._hold(drawings, loader or _grey)


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir())
