"""More data sets of digits, faces, scenes and easy photos in their published formats, made small."""

import json

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import datasets, tv_tensors
from tests.vision.made_up import md5, photo, seen, text

RNG = np.random.default_rng(5)


def make_imagenette(root):
    for i, name in enumerate(("n03888257/b.jpeg", "n01440764/a.jpeg", "n03888257/a.jpeg")):
        photo(root / "imagenette2-160" / "train" / name, 10 * (i + 1))


def test_imagenette(tmp_path):
    make_imagenette(tmp_path)
    data = datasets.Imagenette(tmp_path, size="160px")
    assert seen(data) == [(20, 0), (30, 1), (10, 1)] and data.wnids == ["n01440764", "n03888257"]
    assert data.classes == [("tench", "Tinca tinca"), ("parachute", "chute")] and data.class_to_idx["chute"] == 1
    with pytest.raises(RuntimeError, match=r"Imagenette: files not found .*imagenette2;"):
        datasets.Imagenette(tmp_path)
    with pytest.raises(ValueError, match="size"):
        datasets.Imagenette(tmp_path, size="64px")


def make_faces(root, which):
    """Write one of the three forms of the file and return its name, with two faces to train and two to test."""
    pixels = RNG.integers(0, 256, (4, 48 * 48))
    shown = [" ".join(map(str, row)) for row in pixels]
    usage = ("Training", "PublicTest", "Training", "PrivateTest")
    base = root / "fer2013"
    if which == "fer":
        text(base / "fer2013.csv", "emotion,pixels,Usage", *(f"{i},{shown[i]},{usage[i]}" for i in range(4)))
        return pixels, {"fer": ("fer2013.csv", md5(base / "fer2013.csv"))}
    if which == "icml":
        text(base / "icml_face_data.csv", "emotion, Usage, pixels", *(f"{i},{usage[i]},{shown[i]}" for i in range(4)))
        return pixels, {"icml": ("icml_face_data.csv", md5(base / "icml_face_data.csv"))}
    text(base / "train.csv", "emotion,pixels", f"0,{shown[0]}", f"2,{shown[2]}")
    text(base / "test.csv", "pixels", shown[1], shown[3])
    return pixels, {split: (f"{split}.csv", md5(base / f"{split}.csv")) for split in ("train", "test")}


@pytest.mark.parametrize("which", ["fer", "icml", "both"])
def test_faces(tmp_path, monkeypatch, which):
    pixels, resources = make_faces(tmp_path, which)
    with pytest.raises(RuntimeError, match="FER2013: files not found or damaged .* fetched by hand"):
        datasets.FER2013(tmp_path)
    monkeypatch.setattr(datasets.FER2013, "_RESOURCES", datasets.FER2013._RESOURCES | resources)
    train, test = datasets.FER2013(tmp_path), datasets.FER2013(tmp_path, "test")
    assert [y for _, y in (train[0], train[1])] == [0, 2] and len(train) == len(test) == 2
    assert [y for _, y in (test[0], test[1])] == ([None, None] if which == "both" else [1, 3])
    assert np.array_equal(np.asarray(test[1][0]).reshape(-1), pixels[3]) and "split=test" in repr(test)


def make_semeion(root):
    pixels = RNG.integers(0, 2, (3, 256))
    rows = [" ".join([*(f"{p}.0000" for p in row), *("01"[i == n] for i in range(10))]) for n, row in enumerate(pixels)]
    text(root / "semeion.data", *rows)
    return pixels, md5(root / "semeion.data")


def test_semeion(tmp_path, monkeypatch):
    pixels, checksum = make_semeion(tmp_path)
    with pytest.raises(RuntimeError, match="SEMEION: files not found or damaged"):
        datasets.SEMEION(tmp_path, download=False)
    monkeypatch.setattr(datasets.SEMEION, "md5_checksum", checksum)
    data = datasets.SEMEION(tmp_path)  # nothing is missing: no connection
    assert data.labels.tolist() == [0, 1, 2] and data[2][0].mode == "L" and data[2][1] == 2
    assert np.array_equal(np.asarray(data[2][0]).reshape(-1), pixels[2] * 255)


def make_wider(root):
    base = root / "widerface"
    for split in ("train", "val", "test"):
        photo(base / f"WIDER_{split}" / "images" / "0--Parade" / "a.jpg", 10)
        photo(base / f"WIDER_{split}" / "images" / "0--Parade" / "b.jpg", 20)
    rows = (
        "0--Parade/b.jpg",
        2,
        "1 0 3 4 0 1 0 2 0 0 ",
        "2 2 1 1 2 0 0 0 1 1 ",
        "0--Parade/a.jpg",
        0,
        "0 0 0 0 0 0 0 0 0 0 ",
    )
    for split in ("train", "val"):
        text(base / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt", *rows)
    text(base / "wider_face_split" / "wider_face_test_filelist.txt", "0--Parade/a.jpg")


def test_wider(tmp_path):
    make_wider(tmp_path)
    data = datasets.WIDERFace(tmp_path)
    image, target = data[0]
    assert len(data) == 2 and np.asarray(image).flat[0] == 20
    assert target["bbox"].tolist() == [[1, 0, 3, 4], [2, 2, 1, 1]] and target["bbox"].dtype == torch.int64
    assert target["occlusion"].tolist() == [2, 0] and target["invalid"].tolist() == [0, 1]
    assert data[1][1]["bbox"].tolist() == [[0, 0, 0, 0]] and datasets.WIDERFace(tmp_path, "test")[0][1] is None
    boxes = datasets.wrap_dataset_for_transforms_v2(data, ["bbox"])[0][1]["bbox"]
    assert type(boxes) is tv_tensors.BoundingBoxes and boxes.tolist() == [[1, 0, 4, 4], [2, 2, 3, 3]]
    with pytest.raises(RuntimeError, match="WIDERFace: files not found"):
        datasets.WIDERFace(tmp_path / "none")


def make_films(root):
    films = RNG.integers(0, 256, (20, 3, 8, 8), np.uint8)
    (root / "MovingMNIST").mkdir()
    np.save(root / "MovingMNIST" / "mnist_test_seq.npy", films)
    return films


def test_films(tmp_path):
    films = make_films(tmp_path)
    data = datasets.MovingMNIST(tmp_path)
    assert len(data) == 3 and data[1].shape == (20, 1, 8, 8) and data[1].dtype == torch.uint8
    assert np.array_equal(data[1].numpy()[:, 0], films[:, 1])
    first, rest = (datasets.MovingMNIST(tmp_path, split, split_ratio=5)[2] for split in ("train", "test"))
    assert torch.equal(torch.cat([first, rest]), data[2]) and len(first) == 5
    assert datasets.MovingMNIST(tmp_path, transform=lambda film: film.shape[0])[0] == 20
    for ratio, error in ((0, ValueError), (20, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="split_ratio"):
            datasets.MovingMNIST(tmp_path, split_ratio=ratio)


def make_clevr(root):
    base = root / "clevr" / "CLEVR_v1.0"
    for split in ("val", "test"):
        for i in (1, 0):
            photo(base / "images" / split / f"CLEVR_{split}_00000{i}.png", 10 * (i + 1))
    scenes = [{"image_filename": f"CLEVR_val_00000{i}.png", "objects": [{}] * (i + 3)} for i in (1, 0)]
    text(base / "scenes" / "CLEVR_val_scenes.json", json.dumps({"scenes": scenes}))


def test_clevr(tmp_path):
    make_clevr(tmp_path)
    assert seen(datasets.CLEVRClassification(tmp_path, "val")) == [(10, 3), (20, 4)]
    assert seen(datasets.CLEVRClassification(tmp_path, "test")) == [(10, None), (20, None)]
    with pytest.raises(RuntimeError, match="CLEVRClassification: files not found"):
        datasets.CLEVRClassification(tmp_path / "none")
