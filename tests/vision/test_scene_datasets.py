"""Data sets of faces and of streets in their published folders, made small: labels, points, boxes, masks, pairs."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import datasets
from cltorch.vision.datasets import celeba, sbd
from tests.vision.made_up import md5, photo, shade, text

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")


def make_celeba(root):
    """Write three photos and return the class's list of files with their MD5 sums."""
    base = root / "celeba"
    names = [f"{i:06d}.jpg" for i in (1, 2, 3)]
    for i, name in enumerate(names):
        photo(base / "img_align_celeba" / name, 10 * (i + 1))

    def table(*rows):
        return [f"{name} {row}" for name, row in zip(names, rows, strict=True)]

    text(base / "list_eval_partition.txt", *table("0", "2", "0"))
    text(base / "identity_CelebA.txt", *table("2880", "2937", "8692"))
    text(
        base / "list_bbox_celeba.txt",
        "3",
        "image_id x_1 y_1 width height",
        *table("95  71 226 313", "72 94 221 306", "2 5 9 3"),
    )
    text(base / "list_landmarks_align_celeba.txt", "3", "lefteye_x lefteye_y", *table("69 109", "69  110", "76 112"))
    text(base / "list_attr_celeba.txt", "3", "Smiling Young ", *table("-1  1", " 1 -1", "-1 -1"))
    return [(n, md5(base / name) if name.endswith("txt") else s, name) for n, s, name in datasets.CelebA.file_list]


def test_celeba(tmp_path, monkeypatch):
    files = make_celeba(tmp_path)
    with pytest.raises(RuntimeError, match="CelebA: files not found or damaged"):
        datasets.CelebA(tmp_path)
    monkeypatch.setattr(datasets.CelebA, "file_list", files)
    data = datasets.CelebA(tmp_path)
    assert [(shade(image), attr.tolist()) for image, attr in (data[0], data[1])] == [(10, [0, 1]), (30, [0, 0])]
    assert data.attr.dtype == torch.int64 and data.attr_names[:2] == ["Smiling", "Young"] and len(data) == 2
    data = datasets.CelebA(tmp_path, "Test", ["identity", "bbox", "landmarks"], target_transform=lambda t: t[::-1])
    landmarks, bbox, identity = data[0][1]
    assert landmarks.tolist() == [69, 110] and bbox.tolist() == [72, 94, 221, 306]
    assert identity.shape == () and identity.item() == 2937
    assert len(datasets.CelebA(tmp_path, "all")) == 3 and datasets.CelebA(tmp_path, target_type=[])[1][1] is None
    with pytest.raises(ValueError, match="Unknown value 'hair'"):
        datasets.CelebA(tmp_path, target_type="hair")[0]
    with pytest.raises(ValueError, match="Unknown value 'val'"):
        datasets.CelebA(tmp_path, "val")
    with pytest.raises(RuntimeError, match="target_type is empty"):
        datasets.CelebA(tmp_path, target_type=[], target_transform=len)


def test_celeba_is_downloaded(tmp_path, monkeypatch):
    files = make_celeba(tmp_path / "source")
    source = tmp_path / "source" / "celeba"
    with zipfile.ZipFile(source / "img_align_celeba.zip", "w") as archive:
        for path in (source / "img_align_celeba").iterdir():
            archive.write(path, f"img_align_celeba/{path.name}")
    monkeypatch.setattr(datasets.CelebA, "file_list", files)

    def fetch(number, folder, name, md5):
        assert (number, md5, name) in files
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((source / name).read_bytes())

    monkeypatch.setattr(celeba, "download_file_from_google_drive", fetch)
    assert shade(datasets.CelebA(tmp_path / "new", "test", download=True)[0][0]) == 20


def make_lfw(root):
    """Write two people, an empty archive and the lists; return their MD5 sums."""
    base = root / "lfw-py"
    for i, name in enumerate(("Ada_L/Ada_L_0001.jpg", "Ada_L/Ada_L_0002.jpg", "Bo/Bo_0001.jpg")):
        photo(base / "lfw_funneled" / name, 10 * (i + 1))
    (base / "lfw-funneled.tgz").write_bytes(b"archive")
    text(base / "lfw-names.txt", "Ada_L\t2", "Bo\t1")
    text(base / "people.txt", "2", "1", "Bo\t1", "1", "Ada_L\t2")
    text(base / "peopleDevTest.txt", "1", "Ada_L\t2")
    text(base / "pairs.txt", "2\t1", "Ada_L\t1\t2", "Ada_L\t1\tBo\t1", "Ada_L\t2\t1", "Bo\t1\tAda_L\t2")
    text(base / "pairsDevTrain.txt", "1", "Ada_L\t1\t2", "Ada_L\t1\tBo\t1")
    return md5(base / "lfw-funneled.tgz"), {path.name: md5(path) for path in base.glob("*.txt")}


def test_lfw(tmp_path, monkeypatch):
    archive, sums = make_lfw(tmp_path)
    with pytest.raises(RuntimeError, match="LFWPeople: files not found or damaged .* fetched by hand"):
        datasets.LFWPeople(tmp_path)
    for cls in (datasets.LFWPeople, datasets.LFWPairs):
        monkeypatch.setattr(cls, "checksums", sums)
        monkeypatch.setattr(cls, "file_dict", {"funneled": ("lfw_funneled", "lfw-funneled.tgz", archive)})
    people = datasets.LFWPeople(tmp_path)
    assert [(shade(people[i][0]), people[i][1]) for i in range(3)] == [(30, 1), (10, 0), (20, 0)]
    assert "Alignment: funneled" in repr(people) and "Classes (identities): 2" in repr(people)
    assert datasets.LFWPeople(tmp_path, "test").targets == [0, 0]
    pairs = datasets.LFWPairs(tmp_path, target_transform=lambda same: same + 5)
    found = [(shade(a), shade(b), same) for a, b, same in (pairs[i] for i in range(4))]
    assert found == [(10, 20, 6), (10, 30, 5), (20, 10, 6), (30, 20, 5)]
    assert pairs.pair_names[1] == ("Ada_L", "Bo") and datasets.LFWPairs(tmp_path, "train").targets == [1, 0]
    with pytest.raises(ValueError, match="no longer exists"):
        datasets.LFWPairs(tmp_path, download=True)


def make_cityscapes(root):
    for city, name, value in (("ulm", "ulm_000001_000019", 10), ("bonn", "bonn_000000_000019", 20)):
        photo(root / "leftImg8bit" / "train" / city / f"{name}_leftImg8bit.png", value)
        labels = root / "gtFine" / "train" / city
        labels.mkdir(parents=True)
        objects = np.full((4, 6), 7, np.uint16)
        objects[:2, :2], objects[:2, 2:4] = 26001, 26002
        Image.fromarray(objects).save(labels / f"{name}_gtFine_instanceIds.png")
        photo(labels / f"{name}_gtFine_labelIds.png", value // 10, "L")
        photo(labels / f"{name}_gtFine_color.png", value + 1, "RGBA")
        text(labels / f"{name}_gtFine_polygons.json", json.dumps({"imgHeight": 4, "objects": []}))


def test_cityscapes(tmp_path):
    make_cityscapes(tmp_path)
    data = datasets.Cityscapes(tmp_path, target_type=["instance", "semantic", "polygon", "color"])
    assert len(data) == 2 and shade(data[0][0]) == 20  # bonn comes first
    objects, kinds, polygons, colours = data[1][1]
    assert np.unique(objects).tolist() == [7, 26001, 26002] and shade(kinds) == 1 and shade(colours) == 11
    assert polygons == {"imgHeight": 4, "objects": []} and "Mode: gtFine" in repr(data)
    with pytest.raises(ValueError, match="Unknown value 'test'"):
        datasets.Cityscapes(tmp_path, "test", "coarse")
    with pytest.raises(ValueError, match="target_type"):
        datasets.Cityscapes(tmp_path, target_type="depth")
    with pytest.raises(RuntimeError, match="Cityscapes: files not found .* fetched by hand"):
        datasets.Cityscapes(tmp_path, mode="coarse")


def test_the_classes_of_cityscapes():
    found = {kind.name: kind for kind in datasets.Cityscapes.classes}
    assert len(found) == 35 and [kind.id for kind in datasets.Cityscapes.classes] == [*range(34), -1]
    assert found["rider"] == ("rider", 25, 12, "human", 6, True, False, (255, 0, 0))
    assert found["tunnel"] == ("tunnel", 16, 255, "construction", 2, False, True, (150, 120, 90))
    assert sorted(kind.train_id for kind in found.values() if not kind.ignore_in_eval) == list(range(19))


def test_cityscapes_is_unpacked(tmp_path):
    make_cityscapes(tmp_path / "source")
    (tmp_path / "new").mkdir()
    for folder, name in (("leftImg8bit", "leftImg8bit_trainvaltest.zip"), ("gtFine", "gtFine_trainvaltest.zip")):
        with zipfile.ZipFile(tmp_path / "new" / name, "w") as archive:
            for path in (tmp_path / "source" / folder).rglob("*.*"):
                archive.write(path, path.relative_to(tmp_path / "source"))
    assert len(datasets.Cityscapes(tmp_path / "new")) == 2


def make_sbd(root, scipy):
    kinds = np.array([[0, 3, 3], [0, 0, 3]], np.uint8)
    edges = np.empty((20, 1), object)
    for i in range(20):
        edges[i, 0] = scipy.sparse.csc_matrix((kinds == i + 1).astype(np.uint8))
    record = np.zeros((1, 1), [("Segmentation", object), ("Boundaries", object)])
    record[0, 0] = (kinds, edges)
    photo(root / "img" / "2008_1.jpg", 10)
    (root / "cls").mkdir()
    scipy.io.savemat(root / "cls" / "2008_1.mat", {"GTcls": record})
    text(root / "train.txt", "2008_1")
    return kinds


def test_sbd(tmp_path, monkeypatch):
    scipy = pytest.importorskip("scipy", reason="the outlines are MATLAB files")
    pytest.importorskip("scipy.io", reason="the outlines are MATLAB files")
    pytest.importorskip("scipy.sparse", reason="the outlines are sparse")
    kinds = make_sbd(tmp_path, scipy)
    image, edges = datasets.SBDataset(tmp_path)[0]
    assert shade(image) == 10 and edges.shape == (20, 2, 3) and edges.sum() == 3
    assert np.array_equal(edges[2], kinds == 3)
    assert np.array_equal(datasets.SBDataset(tmp_path, mode="segmentation")[0][1], kinds)
    with pytest.raises(RuntimeError, match="SBDataset: files not found"):
        datasets.SBDataset(tmp_path / "none")
    asked = []

    def fetch(url, root, filename, md5):
        asked.append((filename, md5))
        made = Path(root) / "benchmark_RELEASE" / "dataset"
        make_sbd(made, scipy)
        (made / "inst").mkdir()
        text(made / "val.txt")

    monkeypatch.setattr(sbd, "download_and_extract_archive", fetch)
    assert len(datasets.SBDataset(tmp_path / "new", download=True)) == 1
    assert asked == [("benchmark.tgz", "82b4d87ceb2ed10f6038a1cba92111cb")]


def make_kitti(root):
    raw = root / "Kitti" / "raw"
    for i in (1, 0):
        photo(raw / "training" / "image_2" / f"00000{i}.png", 10 * i)
    photo(raw / "testing" / "image_2" / "000000.png", 70)
    box, gone = (
        "712.40 143.00 810.73 307.92 1.89 0.48 1.20 1.84 1.47 8.41 0.01",
        "1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10",
    )
    text(raw / "training" / "label_2" / "000000.txt", f"Pedestrian 0.00 0 -0.20 {box}")
    text(raw / "training" / "label_2" / "000001.txt", f"Car 0.50 2 1.55 {box}", f"DontCare -1 -1 -10 {gone}")


def test_kitti(tmp_path):
    make_kitti(tmp_path)
    data = datasets.Kitti(tmp_path)
    image, (car, rest) = data[1]
    assert shade(image) == 10 and len(data) == 2 and data[0][1][0]["type"] == "Pedestrian"
    assert (car["type"], car["truncated"], car["occluded"], car["alpha"]) == ("Car", 0.5, 2, 1.55)
    assert car["bbox"] == [712.40, 143.0, 810.73, 307.92] and car["dimensions"] == [1.89, 0.48, 1.2]
    assert car["location"] == [1.84, 1.47, 8.41] and car["rotation_y"] == 0.01 and rest["occluded"] == -1
    image, target = datasets.Kitti(tmp_path, train=False)[0]
    assert shade(image) == 70 and target is None
    with pytest.raises(RuntimeError, match="Kitti: files not found"):
        datasets.Kitti(tmp_path / "none")
