"""Sentences of film reviews, drawn as images (A. Radford et al., Learning Transferable Visual Models, 2021).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.RenderedSST2.html
"""

from __future__ import annotations

import os
from pathlib import Path

from cltorch.vision.datasets.folder import default_loader, make_dataset
from cltorch.vision.datasets.labelled import LabelledFiles, Loader
from cltorch.vision.datasets.utils import provide, verify_str_arg
from cltorch.vision.datasets.vision import Transform


class RenderedSST2(LabelledFiles):
    """Load images of sentences, negative (0) or positive (1): 6,920 to train, 872 in val, 1,821 to test.

    The folders train, valid and test are looked for in ``root/rendered-sst2``. Raises RuntimeError where the split's
    two folders are missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.RenderedSST2.html
    """

    _URL = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz"
    _MD5 = "2384d08e9dcfa4bd55b324e610496ee5"

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
        self._split = verify_str_arg(split, "split", ("train", "val", "test"))
        self._name(["negative", "positive"])
        folder = Path(self.root) / "rendered-sst2" / ("valid" if split == "val" else split)
        there = [folder / name for name in self.classes]
        provide(self, download, lambda: all(part.is_dir() for part in there), folder, self._URL, self.root, self._MD5)
        self._hold(make_dataset(folder, extensions=("png",)), loader)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"split={self._split}"
