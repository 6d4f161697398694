"""Data sets whose targets are tensors that say what they are, so that the second transforms know what to do with each.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.wrap_dataset_for_transforms_v2.html
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.vision import tv_tensors
from cltorch.vision.datasets.caltech import Caltech101, Caltech256
from cltorch.vision.datasets.celeba import CelebA
from cltorch.vision.datasets.cifar import CIFAR10
from cltorch.vision.datasets.cityscapes import Cityscapes
from cltorch.vision.datasets.coco import CocoCaptions, CocoDetection
from cltorch.vision.datasets.folder import DatasetFolder
from cltorch.vision.datasets.gtsrb import GTSRB
from cltorch.vision.datasets.imagenette import Imagenette
from cltorch.vision.datasets.kitti import Kitti
from cltorch.vision.datasets.mnist import MNIST
from cltorch.vision.datasets.oxford_iiit_pet import OxfordIIITPet
from cltorch.vision.datasets.sbd import SBDataset
from cltorch.vision.datasets.utils import needed
from cltorch.vision.datasets.vision import VisionDataset
from cltorch.vision.datasets.voc import VOCDetection, VOCSegmentation
from cltorch.vision.datasets.widerface import WIDERFace
from cltorch.vision.transforms.v2 import functional as F

Change = Callable[[int, Any], Any]  # of an index and a sample
Keys = Collection[str] | None

_VOC = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
).split()
_KITTI = "Car Van Truck Pedestrian Person_sitting Cyclist Tram Misc DontCare".split()


def wrap_dataset_for_transforms_v2(dataset: Any, target_keys: Keys = None) -> Any:
    """Return a data set that gives boxes and masks of its own as ``BoundingBoxes`` and ``Mask``.

    Targets that are lists of objects become dicts of lists; ``target_keys`` names the entries to keep ("all" for each
    of them), for ``CocoDetection``, ``VOCDetection``, ``Kitti``, ``WIDERFace``. The transforms move to the new data
    set, whose class is derived from the old one's. Raises TypeError for a data set that has no such form, ValueError
    for unknown keys, RuntimeError for kinds of targets without a form (such as landmarks).
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.wrap_dataset_for_transforms_v2.html
    """
    strings = isinstance(target_keys, Collection) and all(isinstance(key, str) for key in target_keys)
    if not (target_keys is None or strings):
        raise ValueError(f"target_keys must be None, 'all' or a collection of strings, got {target_keys}")
    cls = type(dataset)
    if not isinstance(dataset, VisionDataset):
        raise TypeError(f"only subclasses of VisionDataset can be wrapped, not {cls.__name__}")
    base = next((one for one in cls.__mro__ if one in _CHANGES), None)
    if base is None:
        raise TypeError(f"no wrapper exists for {cls.__name__}: wrap its samples yourself")
    if target_keys is not None and base not in _KEYS:
        raise ValueError(
            "`target_keys` is currently only supported for `CocoDetection`, `VOCDetection`, `Kitti`, and `WIDERFace`, "
            f"but got {cls.__name__}."
        )
    return type(f"Wrapped{cls.__name__}", (_Wrapped, cls), {})(dataset, target_keys, _CHANGES[base])


class _Wrapped:
    """Give what a data set gives, changed; everything else is the data set's own."""

    def __init__(self, dataset: Any, target_keys: Keys, change: Callable[[Any, Keys], Change]) -> None:
        self._dataset, self._target_keys = dataset, target_keys
        self._change = change(dataset, target_keys)
        # the transforms are to see the changed samples
        for name in ("transform", "target_transform", "transforms"):
            setattr(self, name, getattr(dataset, name))
            setattr(dataset, name, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_dataset"], name)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        sample = self._change(index, self._dataset[index])
        return sample if self.transforms is None else self.transforms(*sample)

    def __reduce__(self) -> Any:
        # the class and the change are made when they are needed, so pickle goes by way of the function
        dataset = copy.copy(self._dataset)
        for name in ("transform", "target_transform", "transforms"):
            setattr(dataset, name, getattr(self, name))
        return wrap_dataset_for_transforms_v2, (dataset, self._target_keys)


def _wanted(target_keys: Keys, available: set[str], default: set[str]) -> set[str]:
    if target_keys is None:
        return default
    if isinstance(target_keys, str) and target_keys == "all":
        return available
    unknown = set(target_keys) - available
    if unknown:
        raise ValueError(f"Target keys {sorted(unknown)} are not available: {sorted(available)} are")
    return set(target_keys)


def _lists(objects: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in objects:
        for key, value in one.items():
            found.setdefault(key, []).append(value)
    return found


def _boxes(values: Any, format: str, canvas_size: Sequence[int]) -> Any:
    """Return boxes of a list of fours, with their corners."""
    boxes = tv_tensors.BoundingBoxes(
        functions.as_tensor(values).reshape(-1, 4), format=format, canvas_size=(canvas_size[0], canvas_size[1])
    )
    return boxes if format == "XYXY" else F.convert_bounding_box_format(boxes, new_format="XYXY")


def _canvas(image: Any) -> tuple[int, int]:
    height, width = F.get_size(image)
    return height, width


def _by_type(kinds: Sequence[str], changes: dict[str, Callable[..., Any]], pictured: bool = False) -> Change:
    """Return a change of each of the targets by its kind; ``pictured`` gives the image to the functions too."""

    def change(index: int, sample: Any) -> Any:
        image, target = sample
        if target is None:
            return sample
        targets = list(target) if len(kinds) > 1 else [target]
        for i, kind in enumerate(kinds):
            if kind in changes:
                targets[i] = changes[kind](targets[i], image) if pictured else changes[kind](targets[i])
        return image, tuple(targets) if len(targets) > 1 else targets[0]

    return change


def _refuse(kinds: Sequence[str], *unknown: str) -> None:
    found = [kind for kind in kinds if kind in unknown]
    if found:
        raise RuntimeError(f"a target_type of {', '.join(found)} is currently not supported by this wrapper")


def _same(dataset: Any, target_keys: Keys) -> Change:
    return lambda index, sample: sample


def _caltech101(dataset: Any, target_keys: Keys) -> Change:
    _refuse(dataset.target_type, "annotation")
    return _same(dataset, target_keys)


def _segmentation(dataset: Any, target_keys: Keys) -> Change:
    return lambda index, sample: (sample[0], tv_tensors.Mask(sample[1]))


def _sbd(dataset: Any, target_keys: Keys) -> Change:
    _refuse([dataset.mode], "boundaries")
    return _segmentation(dataset, target_keys)


def _pets(dataset: Any, target_keys: Keys) -> Change:
    return _by_type(dataset._target_types, {"segmentation": tv_tensors.Mask})


def _celeba(dataset: Any, target_keys: Keys) -> Change:
    _refuse(dataset.target_type, "attr", "landmarks")
    boxes = {"bbox": lambda box, image: _boxes(box, "XYWH", (image.height, image.width))}
    return _by_type(dataset.target_type, boxes, pictured=True)


def _cityscapes(dataset: Any, target_keys: Keys) -> Change:
    _refuse(dataset.target_type, "polygon", "color")
    return _by_type(dataset.target_type, {"instance": _instances, "semantic": tv_tensors.Mask})


def _instances(picture: Any) -> dict[str, Any]:
    """Return a mask for each number in a picture, and its class: the thousands of what counts the class's objects."""
    numbers = np.array(picture)
    found = np.unique(numbers).astype(np.int32)
    masks = functions.as_tensor(np.stack([numbers == number for number in found])[:, None])
    labels = np.where(found >= 1000, found // 1000, found)
    kind = np.uint8 if numbers.dtype == np.uint8 else np.int32
    return {"masks": tv_tensors.Mask(masks), "labels": functions.as_tensor(labels.astype(kind))}


_KITTI_KEYS = {"type", "truncated", "occluded", "alpha", "bbox", "dimensions", "location", "rotation_y"}


def _kitti(dataset: Any, target_keys: Keys) -> Change:
    keys = _wanted(target_keys, _KITTI_KEYS | {"boxes", "labels"}, {"boxes", "labels"})

    def change(index: int, sample: Any) -> Any:
        image, objects = sample
        if objects is None:
            return sample
        found = _lists(objects)
        target = {}
        if "boxes" in keys:
            target["boxes"] = _boxes(found.get("bbox", []), "XYXY", (image.height, image.width))
        if "labels" in keys:
            target["labels"] = functions.tensor([_KITTI.index(kind) for kind in found.get("type", [])])
        return image, {**target, **{key: found.get(key, []) for key in sorted(keys & _KITTI_KEYS)}}

    return change


def _voc(dataset: Any, target_keys: Keys) -> Change:
    keys = _wanted(target_keys, {"annotation", "boxes", "labels"}, {"boxes", "labels"})

    def change(index: int, sample: Any) -> Any:
        image, known = sample
        found = _lists(known["annotation"]["object"])
        target = known if "annotation" in keys else {}
        if "boxes" in keys:
            sides = ("xmin", "ymin", "xmax", "ymax")
            corners = [[int(box[side]) for side in sides] for box in found.get("bndbox", [])]
            target["boxes"] = _boxes(corners, "XYXY", (image.height, image.width))
        if "labels" in keys:
            target["labels"] = functions.tensor([_VOC.index(name) for name in found.get("name", [])])
        return image, target

    return change


def _widerface(dataset: Any, target_keys: Keys) -> Change:
    available = {"bbox", "blur", "expression", "illumination", "occlusion", "pose", "invalid"}
    keys = _wanted(target_keys, available, available)

    def change(index: int, sample: Any) -> Any:
        image, found = sample
        if found is None:
            return sample
        target = {key: found[key] for key in sorted(keys)}
        if "bbox" in keys:
            target["bbox"] = _boxes(found["bbox"], "XYWH", (image.height, image.width))
        return image, target

    return change


_COCO_KEYS = {"segmentation", "area", "iscrowd", "bbox", "category_id"}


def _coco(dataset: Any, target_keys: Keys) -> Change:
    keys = _wanted(target_keys, _COCO_KEYS | {"image_id", "boxes", "masks", "labels"}, {"image_id", "boxes", "labels"})

    def change(index: int, sample: Any) -> Any:
        image, objects = sample
        if not objects:
            return image, {"image_id": dataset.ids[index]}
        canvas, found = _canvas(image), _lists(objects)
        target: dict[str, Any] = {}
        if "image_id" in keys:
            target["image_id"] = dataset.ids[index]
        if "boxes" in keys:
            target["boxes"] = _boxes(found["bbox"], "XYWH", canvas)
        if "masks" in keys:
            target["masks"] = tv_tensors.Mask(np.stack([_outlined(one, canvas) for one in found["segmentation"]]))
        if "labels" in keys:
            target["labels"] = functions.tensor(found["category_id"])
        return image, {**target, **{key: found[key] for key in sorted(keys & _COCO_KEYS)}}

    return change


def _outlined(segmentation: Any, canvas: tuple[int, int]) -> np.ndarray:
    """Return the mask of an object given by polygons or by lengths of runs."""
    coder = needed("pycocotools.mask", "the mask of an outline", ImportError)
    if isinstance(segmentation, dict):
        if not isinstance(segmentation["counts"], str):
            segmentation = coder.frPyObjects(segmentation, *canvas)
    elif isinstance(segmentation, list):
        segmentation = coder.merge(coder.frPyObjects(segmentation, *canvas))
    else:
        raise ValueError(f"a segmentation is a dict or a list, not {type(segmentation).__name__}")
    mask: np.ndarray = coder.decode(segmentation)
    return mask


_KEYS = {CocoDetection, VOCDetection, Kitti, WIDERFace}
_CHANGES: dict[type, Callable[[Any, Keys], Change]] = {
    **dict.fromkeys((Caltech256, CIFAR10, CocoCaptions, DatasetFolder, GTSRB, Imagenette, MNIST), _same),
    Caltech101: _caltech101,
    CelebA: _celeba,
    Cityscapes: _cityscapes,
    CocoDetection: _coco,
    Kitti: _kitti,
    OxfordIIITPet: _pets,
    SBDataset: _sbd,
    VOCDetection: _voc,
    VOCSegmentation: _segmentation,
    WIDERFace: _widerface,
}
