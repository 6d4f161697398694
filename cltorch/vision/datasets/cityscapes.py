"""Streets of 50 cities with every pixel labelled (M. Cordts et al., The Cityscapes Dataset, 2016).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Cityscapes.html
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import extract_archive, iterable_to_str, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class CityscapesClass(NamedTuple):
    """Say what a number in a photo's labels stands for."""

    name: str
    id: int
    train_id: int  # 255 for what is not to be learnt
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


# name and colour in the order of the numbers; what starts with - is not evaluated
_CLASSES = {
    "void": [
        ("-unlabeled", (0, 0, 0)), ("-ego vehicle", (0, 0, 0)), ("-rectification border", (0, 0, 0)),
        ("-out of roi", (0, 0, 0)), ("-static", (0, 0, 0)), ("-dynamic", (111, 74, 0)), ("-ground", (81, 0, 81)),
    ],
    "flat": [
        ("road", (128, 64, 128)), ("sidewalk", (244, 35, 232)), ("-parking", (250, 170, 160)),
        ("-rail track", (230, 150, 140)),
    ],
    "construction": [
        ("building", (70, 70, 70)), ("wall", (102, 102, 156)), ("fence", (190, 153, 153)),
        ("-guard rail", (180, 165, 180)), ("-bridge", (150, 100, 100)), ("-tunnel", (150, 120, 90)),
    ],
    "object": [
        ("pole", (153, 153, 153)), ("-polegroup", (153, 153, 153)), ("traffic light", (250, 170, 30)),
        ("traffic sign", (220, 220, 0)),
    ],
    "nature": [("vegetation", (107, 142, 35)), ("terrain", (152, 251, 152))],
    "sky": [("sky", (70, 130, 180))],
    "human": [("person", (220, 20, 60)), ("rider", (255, 0, 0))],
    "vehicle": [
        ("car", (0, 0, 142)), ("truck", (0, 0, 70)), ("bus", (0, 60, 100)), ("-caravan", (0, 0, 90)),
        ("-trailer", (0, 0, 110)), ("train", (0, 80, 100)), ("motorcycle", (0, 0, 230)), ("bicycle", (119, 11, 32)),
    ],
}  # fmt: skip


def _classes() -> list[CityscapesClass]:
    found: list[CityscapesClass] = []
    learnt = 0
    for category_id, (category, members) in enumerate(_CLASSES.items()):
        for name, color in members:
            ignored, several = name.startswith("-"), category in ("human", "vehicle")
            train_id = 255 if ignored else learnt
            found.append(
                CityscapesClass(name.lstrip("-"), len(found), train_id, category, category_id, several, ignored, color)
            )
            learnt += not ignored
    plate = CityscapesClass("license plate", -1, -1, "vehicle", len(_CLASSES) - 1, False, True, (0, 0, 142))
    return [*found, plate]


class Cityscapes(VisionDataset):
    """Load photos of streets with what their pixels show, in the order of the cities' and photos' names.

    ``mode`` is fine (splits train, val and test) or coarse (train, train_extra and val). ``target_type`` is instance,
    semantic, color (PIL images), polygon (the JSON file's content) or a list of them. The folders ``leftImg8bit`` and
    ``gtFine`` or ``gtCoarse`` are looked for in ``root``, or the archives they are unpacked from. Raises RuntimeError
    where neither is there; they have to be fetched by hand.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Cityscapes.html
    """

    CityscapesClass = CityscapesClass
    classes = _classes()
    _FILES = {
        "instance": "instanceIds.png",
        "semantic": "labelIds.png",
        "polygon": "polygons.json",
        "color": "color.png",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        mode: str = "fine",
        target_type: list[str] | str = "instance",
        transform: Transform = None,
        target_transform: Transform = None,
        transforms: Transform = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        verify_str_arg(mode, "mode", ("fine", "coarse"))
        self.mode = "gtFine" if mode == "fine" else "gtCoarse"
        splits = ("train", "test", "val") if mode == "fine" else ("train", "train_extra", "val")
        wrong = f"Unknown value '{split}' for argument split if mode is '{mode}'. Valid values are "
        self.split = verify_str_arg(split, "split", splits, f"{wrong}{{{iterable_to_str(splits)}}}.")
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        for kind in self.target_type:
            verify_str_arg(kind, "target_type", tuple(self._FILES))
        self.images_dir = os.path.join(self.root, "leftImg8bit", split)
        self.targets_dir = os.path.join(self.root, self.mode, split)
        if not (os.path.isdir(self.images_dir) and os.path.isdir(self.targets_dir)):
            self._unpack()
        self.images: list[str] = []
        self.targets: list[list[str]] = []
        for image in sorted(Path(self.images_dir).glob("*/*")):
            stem = image.name.split("_leftImg8bit")[0]
            names = [f"{stem}_{self.mode}_{self._FILES[kind]}" for kind in self.target_type]
            self.images.append(str(image))
            self.targets.append([os.path.join(self.targets_dir, image.parent.name, name) for name in names])

    def _unpack(self) -> None:
        part = "trainextra" if self.split == "train_extra" else "trainvaltest"
        labels = "gtFine_trainvaltest.zip" if self.mode == "gtFine" else "gtCoarse.zip"
        archives = [os.path.join(self.root, name) for name in (f"leftImg8bit_{part}.zip", labels)]
        if not all(os.path.isfile(archive) for archive in archives):
            raise not_found(self, self.root, fetch=False)
        for archive in archives:
            extract_archive(archive, self.root)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = require("Cityscapes").open(self.images[index]).convert("RGB")
        targets = [self._load(path) for path in self.targets[index]]
        target: Any = tuple(targets) if len(targets) > 1 else targets[0]
        return (image, target) if self.transforms is None else self.transforms(image, target)

    @staticmethod
    def _load(path: str) -> Any:
        if path.endswith(".json"):
            return json.loads(Path(path).read_text("utf-8"))
        return require("Cityscapes").open(path)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.split}\nMode: {self.mode}\nType: {self.target_type}"
