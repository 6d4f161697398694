"""Photos with five sentences about each (M. Hodosh et al., 2013; P. Young et al., 2014).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Flickr8k.html
"""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.labelled import Loader
from cltorch.vision.datasets.vision import Transform, VisionDataset


class Flickr8kParser(HTMLParser):
    """Read the page of captions: a table of links to photos, each followed by a list of sentences."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__()
        self.root = root
        self.annotations: dict[str, list[str]] = {}
        self._in_table = False
        self._tag: str | None = None
        self._photo: str | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._tag = tag
        self._in_table = self._in_table or tag == "table"

    def handle_endtag(self, tag: str) -> None:
        self._tag = None
        self._in_table = self._in_table and tag != "table"

    def handle_data(self, data: str) -> None:
        if not self._in_table:
            return
        if data == "Image Not Found":
            self._photo = None
        elif self._tag == "a":
            number = data.split("/")[-2]  # of the photo's page, with which the file's name begins
            self._photo = os.path.join(self.root, sorted(Path(self.root).glob(f"{number}_*.jpg"))[0].name)
            self.annotations[self._photo] = []
        elif self._tag == "li" and self._photo:
            self.annotations[self._photo].append(data.strip())


class _Flickr(VisionDataset):
    """Photos in the order of their names, each with its sentences."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        ann_file: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.ann_file = os.path.expanduser(ann_file)
        self.annotations = self._read(Path(self.ann_file).read_text("utf-8"))
        self.ids = sorted(self.annotations)
        self.loader = loader

    def _read(self, text: str) -> dict[str, list[str]]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        name = self.ids[index]
        image, target = self.loader(os.path.join(self.root, name)), self.annotations[name]
        return (image, target) if self.transforms is None else self.transforms(image, target)


class Flickr8k(_Flickr):
    """Load 8,000 photos, each with a list of sentences about it.

    ``root`` is the folder of the photos, ``ann_file`` the page of the sentences; both have to be fetched by hand.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Flickr8k.html
    """

    def _read(self, text: str) -> dict[str, list[str]]:
        parser = Flickr8kParser(self.root)
        parser.feed(text)
        return parser.annotations


class Flickr30k(_Flickr):
    """Load 31,783 photos, each with a list of sentences about it.

    ``root`` is the folder of the photos, ``ann_file`` the lines of name, number and sentence; both have to be fetched
    by hand.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Flickr30k.html
    """

    def _read(self, text: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in text.splitlines():
            name, sentence = line.strip().split("\t")
            found.setdefault(name.rpartition("#")[0], []).append(sentence)
        return found
