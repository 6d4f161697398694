"""Photos with outlined objects of 20 kinds (M. Everingham et al., The PASCAL Visual Object Classes Challenge, 2010).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.VOCDetection.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import download_and_extract_archive, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class _Archive(NamedTuple):
    name: str  # below the folder of the year at the source
    md5: str
    folder: str  # what it holds


_SOURCE = "https://thor.robots.ox.ac.uk/pascal/VOC/"
_ARCHIVES = {
    "2007": _Archive("VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", "VOCdevkit/VOC2007"),
    "2007-test": _Archive("VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", "VOCdevkit/VOC2007"),
    "2008": _Archive("VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a", "VOCdevkit/VOC2008"),
    "2009": _Archive("VOCtrainval_11-May-2009.tar", "a3e00b113cfcfebf17e343f59da3caa1", "VOCdevkit/VOC2009"),
    "2010": _Archive("VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb", "VOCdevkit/VOC2010"),
    "2011": _Archive("VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e", "TrainVal/VOCdevkit/VOC2011"),
    "2012": _Archive("VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", "VOCdevkit/VOC2012"),
}


class _VOC(VisionDataset):
    """The photos of a year's split, and the files of what is to be found in them."""

    _SPLITS, _TARGETS, _ENDING = "", "", ""

    def __init__(
        self,
        root: str | os.PathLike[str],
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Transform = None,
        target_transform: Transform = None,
        transforms: Transform = None,
    ) -> None:
        super().__init__(root, transforms=transforms, transform=transform, target_transform=target_transform)
        self.year = verify_str_arg(year, "year", [key for key in _ARCHIVES if key.isdigit()])
        splits = ("train", "trainval", "val", "test") if year == "2007" else ("train", "trainval", "val")
        self.image_set = verify_str_arg(image_set, "image_set", splits)
        archive = _ARCHIVES["2007-test" if image_set == "test" else year]
        self.url, self.filename, self.md5 = f"{_SOURCE}voc{year}/{archive.name}", archive.name, archive.md5
        folder = Path(self.root) / archive.folder
        if download:
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.md5)
        if not folder.is_dir():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        lines = (folder / "ImageSets" / self._SPLITS / f"{image_set}.txt").read_text("utf-8").splitlines()
        names = [line.strip() for line in lines]
        self.images = [str(folder / "JPEGImages" / f"{name}.jpg") for name in names]
        self.targets = [str(folder / self._TARGETS / f"{name}{self._ENDING}") for name in names]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = require(type(self).__name__).open(self.images[index]).convert("RGB")
        target = self._target(index)
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def _target(self, index: int) -> Any:
        raise NotImplementedError


class VOCSegmentation(_VOC):
    """Load photos and the class of each of their pixels, a PIL image of numbers: 0 is none, 255 an edge.

    The folder ``VOCdevkit/VOC2012`` (or of another ``year`` from 2007 on) is looked for in ``root``. ``image_set`` is
    train, trainval or val, and test for 2007. Raises RuntimeError where the folder is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.VOCSegmentation.html
    """

    _SPLITS, _TARGETS, _ENDING = "Segmentation", "SegmentationClass", ".png"

    @property
    def masks(self) -> list[str]:
        """Return the files of the classes of pixels."""
        return self.targets

    def _target(self, index: int) -> Any:
        return require("VOCSegmentation").open(self.masks[index])


class VOCDetection(_VOC):
    """Load photos and what is in them: a dict with the key annotation, whose object is a list.

    The folder ``VOCdevkit/VOC2012`` (or of another ``year`` from 2007 on) is looked for in ``root``. ``image_set`` is
    train, trainval or val, and test for 2007. Raises RuntimeError where the folder is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.VOCDetection.html
    """

    _SPLITS, _TARGETS, _ENDING = "Main", "Annotations", ".xml"

    @property
    def annotations(self) -> list[str]:
        """Return the files that say what is in the photos."""
        return self.targets

    def _target(self, index: int) -> Any:
        return self.parse_voc_xml(ElementTree.parse(self.annotations[index]).getroot())

    @staticmethod
    def parse_voc_xml(node: ElementTree.Element) -> dict[str, Any]:
        """Return an element as {tag: text} or, with elements in it, {tag: dict}; what is there twice is a list."""
        if not len(node):
            return {} if node.text is None else {node.tag: node.text.strip()}
        found: dict[str, list[Any]] = {}
        for child in node:
            for tag, value in VOCDetection.parse_voc_xml(child).items():
                found.setdefault(tag, []).append(value)
        content = {tag: values[0] if len(values) == 1 else values for tag, values in found.items()}
        if node.tag == "annotation":
            content["object"] = found.get("object", [])
        return {node.tag: content}
