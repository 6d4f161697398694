"""COCO's files: images by number with their annotations or captions, from a JSON file."""

import json

import numpy as np
import pytest

from cltorch.vision import datasets

Image = pytest.importorskip("PIL.Image", reason="reads images")

NOTES = [
    {"id": 7, "image_id": 20, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0, "caption": "a cat"},
    {"id": 8, "image_id": 10, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0, "caption": "a dog"},
    {"id": 9, "image_id": 20, "category_id": 1, "bbox": [5, 5, 2, 2], "area": 4, "iscrowd": 1, "caption": "a dog too"},
]


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "images").mkdir()
    images = [{"id": number, "file_name": f"{number}.png", "width": 5, "height": 4} for number in (30, 20, 10)]
    for image in images:
        pixels = np.full((4, 5), image["id"], np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / image["file_name"])
    kinds = [{"id": 1, "name": "dog"}, {"id": 3, "name": "cat"}]
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps({"images": images, "annotations": NOTES, "categories": kinds}))
    return tmp_path / "images", file


def test_images_come_by_number_with_their_annotations(stored):
    data = datasets.CocoDetection(*stored)
    assert data.ids == [10, 20, 30] and len(data) == 3
    image, target = data[1]
    assert image.mode == "RGB" and image.size == (5, 4) and image.getpixel((0, 0)) == (20, 20, 20)
    assert target == [NOTES[0], NOTES[2]] and data[0][1] == [NOTES[1]] and data[2][1] == []
    with pytest.raises(ValueError, match="integer"):
        data[1:2]


def test_captions_and_transforms(stored):
    data = datasets.CocoCaptions(*stored, transform=lambda image: image.size, target_transform=len)
    assert [data[i] for i in range(3)] == [((5, 4), 1), ((5, 4), 2), ((5, 4), 0)]
    both = datasets.CocoCaptions(*stored, transforms=lambda image, target: (target, image.mode))
    assert both[1] == (["a cat", "a dog too"], "RGB")


def test_annotations_are_found_as_pycocotools_finds_them(stored):
    coco = datasets.CocoDetection(*stored).coco
    assert coco.getAnnIds() == [7, 8, 9] and coco.getAnnIds(20) == [7, 9] and coco.getAnnIds([10, 30]) == [8]
    assert coco.loadAnns(coco.getAnnIds(imgIds=10)) == [NOTES[1]] and coco.loadImgs(30)[0]["file_name"] == "30.png"
    assert coco.getImgIds() == [30, 20, 10] and [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["dog", "cat"]
