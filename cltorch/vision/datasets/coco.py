"""Common Objects in Context (T.-Y. Lin et al., Microsoft COCO, 2014): objects and captions, and whatever is stored so.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CocoDetection.html
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cltorch.vision._pillow import require
from cltorch.vision.datasets.vision import Transform, VisionDataset


class Annotations:
    """What a file of annotations holds, by numbers, under the names that pycocotools gives it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.dataset: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
        self.imgs = {image["id"]: image for image in self.dataset["images"]}
        self.anns = {note["id"]: note for note in self.dataset.get("annotations", ())}
        self.cats = {kind["id"]: kind for kind in self.dataset.get("categories", ())}
        self.imgToAnns: defaultdict[Any, list[Any]] = defaultdict(list)
        for note in self.dataset.get("annotations", ()):
            self.imgToAnns[note["image_id"]].append(note)

    def getAnnIds(self, imgIds: Any = ()) -> list[Any]:
        """Return the numbers of the annotations of some images, of all without any."""
        images = _several(imgIds)
        return [note["id"] for image in images for note in self.imgToAnns.get(image, ())] if images else list(self.anns)

    def getImgIds(self) -> list[Any]:
        """Return the numbers of the images."""
        return list(self.imgs)

    def getCatIds(self) -> list[Any]:
        """Return the numbers of the categories."""
        return list(self.cats)

    def loadAnns(self, ids: Any = ()) -> list[Any]:
        """Return the annotations of these numbers."""
        return [self.anns[i] for i in _several(ids)]

    def loadImgs(self, ids: Any = ()) -> list[Any]:
        """Return what is known about the images of these numbers."""
        return [self.imgs[i] for i in _several(ids)]

    def loadCats(self, ids: Any = ()) -> list[Any]:
        """Return the categories of these numbers."""
        return [self.cats[i] for i in _several(ids)]


def _several(ids: Any) -> list[Any]:
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids]


class CocoDetection(VisionDataset):
    """Load images with the list of their annotations: dicts with ``bbox``, ``category_id``, ``segmentation`` and so on.

    ``root`` is the folder of the images, ``annFile`` the JSON file of the annotations, whose content is ``coco``;
    ``ids`` are the numbers of the images in order. Raises ValueError for an index that is no integer.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CocoDetection.html
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        annFile: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        transforms: Transform = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.coco = Annotations(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        path = os.path.join(self.root, self.coco.imgs[id]["file_name"])
        return require("CocoDetection").open(path).convert("RGB")

    def _load_target(self, id: int) -> list[Any]:
        return list(self.coco.imgToAnns.get(id, ()))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        image, target = self._load_image(self.ids[index]), self._load_target(self.ids[index])
        return (image, target) if self.transforms is None else self.transforms(image, target)


class CocoCaptions(CocoDetection):
    """Load images with the list of sentences that describe them; arguments as of ``CocoDetection``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CocoCaptions.html
    """

    def _load_target(self, id: int) -> list[str]:
        return [note["caption"] for note in super()._load_target(id)]
