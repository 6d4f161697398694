"""Data sets wrapped for the second transforms: boxes and masks say what they are; transforms; pickle."""

import json
import pickle

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import datasets, tv_tensors
from cltorch.vision.datasets import wrap_dataset_for_transforms_v2 as wrapped
from cltorch.vision.datasets import wrapper
from cltorch.vision.transforms import v2
from tests.vision.made_up import photo

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")


def text(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rows)


@pytest.fixture
def voc(tmp_path):
    base = tmp_path / "VOCdevkit" / "VOC2012"
    photo(base / "JPEGImages" / "a.jpg", 9)
    photo(base / "SegmentationClass" / "a.png", 15, "L")
    sides = "<xmin>1</xmin><ymin>0</ymin><xmax>3</xmax><ymax>2</ymax>"
    objects = "".join(f"<object><name>{n}</name><bndbox>{sides}</bndbox></object>" for n in ("dog", "cat"))
    text(base / "Annotations" / "a.xml", f"<annotation><folder>x</folder>{objects}</annotation>")
    for part in ("Main", "Segmentation"):
        text(base / "ImageSets" / part / "train.txt", "a\n")
    return tmp_path


def flipped(image, target):
    return v2.functional.horizontal_flip(image), {**target, "boxes": v2.functional.horizontal_flip(target["boxes"])}


def test_voc(voc):
    data = wrapped(datasets.VOCDetection(voc))
    image, target = data[0]
    boxes = target["boxes"]
    assert type(boxes) is tv_tensors.BoundingBoxes and boxes.tolist() == [[1, 0, 3, 2]] * 2
    assert boxes.canvas_size == (4, 6) and boxes.format is tv_tensors.BoundingBoxFormat.XYXY
    assert target["labels"].tolist() == [12, 8] and list(target) == ["boxes", "labels"]
    assert isinstance(data, datasets.VOCDetection) and type(data).__name__ == "WrappedVOCDetection"
    assert data.year == "2012" and len(data) == 1
    assert "annotation" in wrapped(datasets.VOCDetection(voc), "all")[0][1]
    with pytest.raises(ValueError, match=r"Target keys \['size'\] are not available"):
        wrapped(datasets.VOCDetection(voc), ["size"])
    mask = wrapped(datasets.VOCSegmentation(voc))[0][1]
    assert type(mask) is tv_tensors.Mask and mask.shape == (1, 4, 6) and mask.unique().tolist() == [15]


def test_transforms_see_boxes_also_in_another_process(voc):
    data = wrapped(datasets.VOCDetection(voc, transforms=flipped))
    for one in (data, pickle.loads(pickle.dumps(data))):
        assert one[0][1]["boxes"].tolist() == [[3, 0, 5, 2]] * 2
    only_image = wrapped(datasets.VOCDetection(voc, transform=lambda image: image.size))
    assert only_image[0][0] == (6, 4) and only_image[0][1]["labels"].tolist() == [12, 8]


@pytest.fixture
def coco(tmp_path):
    photo(tmp_path / "1.jpg", 9)
    photo(tmp_path / "2.jpg", 9)
    note = {"id": 5, "image_id": 1, "category_id": 7, "area": 6.0, "iscrowd": 0}
    note |= {"bbox": [1, 0, 2.5, 3], "segmentation": [[1, 0, 4, 0, 4, 2, 1, 2]]}
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in (1, 2)]
    (tmp_path / "notes.json").write_text(json.dumps({"images": images, "annotations": [note], "categories": []}))
    return datasets.CocoDetection(tmp_path, tmp_path / "notes.json")


def test_coco(coco, monkeypatch):
    data = wrapped(coco, ["boxes", "labels", "area", "image_id"])
    target = data[0][1]
    assert target["boxes"].tolist() == [[1, 0, 3.5, 3]] and target["labels"].tolist() == [7]
    assert target["area"] == [6.0] and target["image_id"] == 1 and len(target) == 4
    assert data[1][1] == {"image_id": 2}  # without an object

    def absent(*args):
        raise ImportError("pycocotools")

    monkeypatch.setattr(wrapper, "needed", absent)
    with pytest.raises(ImportError, match="pycocotools"):
        wrapped(coco, ["masks"])[0]


def test_coco_masks(coco):
    pytest.importorskip("pycocotools", reason="outlines become masks by pycocotools")
    masks = wrapped(coco, ["masks"])[0][1]["masks"]
    expected = np.zeros((1, 4, 6))
    expected[0, :2, 1:4] = 1
    assert type(masks) is tv_tensors.Mask and masks.tolist() == expected.tolist()


def test_kitti(tmp_path):
    raw = tmp_path / "Kitti" / "raw"
    photo(raw / "training" / "image_2" / "1.png", 9)
    photo(raw / "testing" / "image_2" / "1.png", 9)
    text(raw / "training" / "label_2" / "1.txt", "Tram 0 1 0.5 1 0 5 3.5 1 2 3 4 5 6 0.1\n")
    target = wrapped(datasets.Kitti(tmp_path))[0][1]
    assert target["boxes"].tolist() == [[1, 0, 5, 3.5]] and target["labels"].tolist() == [6] and len(target) == 2
    assert wrapped(datasets.Kitti(tmp_path), ["occluded"])[0][1] == {"occluded": [1]}
    assert wrapped(datasets.Kitti(tmp_path, train=False))[0][1] is None


def test_cityscapes(tmp_path):
    photo(tmp_path / "leftImg8bit" / "val" / "ulm" / "u_leftImg8bit.png", 9)
    objects = np.array([[7, 26001, 26001], [7, 7, 26002]], np.uint16)
    labels = tmp_path / "gtFine" / "val" / "ulm"
    labels.mkdir(parents=True)
    Image.fromarray(objects).save(labels / "u_gtFine_instanceIds.png")
    photo(labels / "u_gtFine_labelIds.png", 3, "L")
    found, kinds = wrapped(datasets.Cityscapes(tmp_path, "val", target_type=["instance", "semantic"]))[0][1]
    assert found["labels"].tolist() == [7, 26, 26] and found["masks"].shape == (3, 1, 2, 3)
    assert found["masks"][1, 0].tolist() == (objects == 26001).tolist() and type(kinds) is tv_tensors.Mask
    Image.fromarray((objects % 256).astype(np.uint8)).save(labels / "u_gtFine_instanceIds.png")
    found = wrapped(datasets.Cityscapes(tmp_path, "val"))[0][1]
    assert found["labels"].tolist() == [7, 145, 146] and found["labels"].dtype is torch.uint8
    with pytest.raises(RuntimeError, match="color is currently not supported by this wrapper"):
        wrapped(datasets.Cityscapes(tmp_path, "val", target_type="color"))


def test_labels_stay_labels(tmp_path):
    photo(tmp_path / "eurosat" / "2750" / "River" / "a.jpg", 9)
    data = wrapped(datasets.EuroSAT(tmp_path, transform=v2.ToImage()))
    assert type(data[0][0]) is tv_tensors.Image and data[0][1] == 0 and data.classes == ["River"]
    with pytest.raises(ValueError, match="but got EuroSAT"):
        wrapped(datasets.EuroSAT(tmp_path), "all")
    with pytest.raises(TypeError, match="no wrapper exists for FakeData"):
        wrapped(datasets.FakeData(2))
    with pytest.raises(TypeError, match="only subclasses of VisionDataset"):
        wrapped([1, 2])
    with pytest.raises(ValueError, match="target_keys must be"):
        wrapped(datasets.EuroSAT(tmp_path), 3)


def test_pictures_of_16_bits_keep_their_numbers():
    numbers = np.array([[0, 65535], [1000, 7]], np.uint16)
    mask = tv_tensors.Mask(Image.fromarray(numbers))
    assert mask.dtype is torch.uint16 and mask.tolist() == [numbers.tolist()]
