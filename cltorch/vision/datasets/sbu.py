"""Photos of Flickr with their captions (V. Ordonez et al., Im2Text, 2011).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SBU.html
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import Loader
from cltorch.vision.datasets.utils import check_integrity, download_and_extract_archive, download_url, not_found
from cltorch.vision.datasets.vision import Transform, VisionDataset


class SBU(VisionDataset):
    """Load photos with a sentence for each: those of the million that are there, in ``root/dataset``.

    The archive SBUCaptionedPhotoDataset.tar.gz is looked for in ``root``; ``download``, on by default, fetches it and
    the photos whose addresses it lists, many of which are gone. Raises RuntimeError where the archive is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SBU.html
    """

    url = "https://www.cs.rice.edu/~vo9/sbucaptions/SBUCaptionedPhotoDataset.tar.gz"
    filename = "SBUCaptionedPhotoDataset.tar.gz"
    md5_checksum = "9aec147b3488753cf758b4d493422285"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = True,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found(self, self.root)
        self.photos: list[str] = []
        self.captions: list[str] = []
        for url, caption in zip(self._lines("urls"), self._lines("captions"), strict=False):
            photo = os.path.basename(url)
            if os.path.exists(self._path(photo)):
                self.photos.append(photo)
                self.captions.append(caption)

    def _path(self, name: str) -> str:
        return os.path.join(self.root, "dataset", name)

    def _lines(self, what: str) -> list[str]:
        with open(self._path(f"SBU_captioned_photo_dataset_{what}.txt"), encoding="utf-8") as file:
            return [line.rstrip() for line in file]

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.md5_checksum)

    def download(self) -> None:
        """Fetch the archive and the photos, unless the archive is there."""
        if self._check_integrity():
            return
        download_and_extract_archive(self.url, self.root, self.root, self.filename, self.md5_checksum)
        for url in filter(None, self._lines("urls")):
            with contextlib.suppress(RuntimeError, OSError):  # people take their photos away
                download_url(url, os.path.join(self.root, "dataset"))

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, caption = self.loader(self._path(self.photos[index])), self.captions[index]
        return (image, caption) if self.transforms is None else self.transforms(image, caption)
