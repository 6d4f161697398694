"""Data sets of photos in their published folders and archives, made small; labels, targets, checksums, downloads."""

import tarfile
import zipfile

import numpy as np
import pytest

from cltorch.vision import datasets
from cltorch.vision.datasets import caltech, flowers102, imagenet, oxford_iiit_pet, voc
from tests.vision.made_up import md5, photo, shade

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")


def packed(path, folder, names, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name in names:
            archive.add(folder / name, name)
    return path


@pytest.fixture
def caltech_files(tmp_path):
    root = tmp_path / "caltech101"
    for name, shades in (("BACKGROUND_Google", (1,)), ("Faces", (10, 20)), ("ant", (30,))):
        for i, s in enumerate(shades, 1):
            photo(root / "101_ObjectCategories" / name / f"image_{i:04d}.jpg", s)
    return root


def test_caltech101(caltech_files, tmp_path):
    found = datasets.Caltech101(tmp_path, target_transform=lambda t: t + 100)
    assert found.categories == ["Faces", "ant"] and len(found) == 3
    assert [(shade(image), t) for image, t in found] == [(10, 100), (20, 100), (30, 101)]
    assert found.annotation_categories == ["Faces_2", "ant"] and "Target type: ['category']" in repr(found)
    scipy_io = pytest.importorskip("scipy.io", reason="the outlines are MATLAB files")
    outline = tmp_path / "caltech101" / "Annotations" / "Faces_2" / "annotation_0002.mat"
    outline.parent.mkdir(parents=True)
    scipy_io.savemat(outline, {"obj_contour": np.arange(6.0).reshape(2, 3)})
    _, (label, points) = datasets.Caltech101(tmp_path, ["category", "annotation"])[1]
    assert label == 0 and points.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="Unknown value 'shape'"):
        datasets.Caltech101(tmp_path, "shape")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.Caltech101(tmp_path / "elsewhere")


def test_caltech101_is_unpacked_twice(caltech_files, tmp_path, monkeypatch):
    inner = packed(tmp_path / "101_ObjectCategories.tar.gz", caltech_files, ["101_ObjectCategories"], "w:gz")
    outer = tmp_path / "caltech-101.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(inner, "caltech-101/101_ObjectCategories.tar.gz")

    def fetch(url, root, filename, md5, remove_finished):
        assert filename == "caltech-101.zip" and md5 == "3138e1922a9193bfa496528edbbc45d0"
        zipfile.ZipFile(outer).extractall(root)

    monkeypatch.setattr(caltech, "download_and_extract_archive", fetch)
    assert len(datasets.Caltech101(tmp_path / "new", download=True)) == 3
    assert not (tmp_path / "new" / "caltech101" / "caltech-101").exists()


def test_caltech256(tmp_path):
    for label, name, shades in ((1, "001.ak47", (5, 6)), (2, "002.american-flag", (7,))):
        for i, s in enumerate(shades, 1):
            photo(tmp_path / "caltech256" / "256_ObjectCategories" / name / f"{label:03d}_{i:04d}.jpg", s)
    found = datasets.Caltech256(tmp_path, transform=shade)
    assert [found[i] for i in range(len(found))] == [(5, 0), (6, 0), (7, 1)]


@pytest.fixture
def pets(tmp_path):
    root = tmp_path / "oxford-iiit-pet"
    rows = [("Abyssinian_1", 1, 1), ("american_bulldog_7", 2, 2), ("Abyssinian_2", 1, 1)]
    for i, (name, _, _) in enumerate(rows):
        photo(root / "images" / f"{name}.jpg", 10 * i)
        photo(root / "annotations" / "trimaps" / f"{name}.png", i + 1, "L")
    text = "".join(f"{name} {breed} {kind} 1\n" for name, breed, kind in rows)
    (root / "annotations" / "trainval.txt").write_text(text)
    return root


def test_pets(pets, tmp_path, monkeypatch):
    found = datasets.OxfordIIITPet(tmp_path, target_types=["category", "binary-category", "segmentation"])
    assert found.classes == ["Abyssinian", "American Bulldog"] and found.bin_class_to_idx == {"Cat": 0, "Dog": 1}
    image, (breed, kind, trimap) = found[1]
    assert shade(image) == 10 and (breed, kind, shade(trimap)) == (1, 1, 2)
    assert datasets.OxfordIIITPet(tmp_path, transforms=lambda i, t: (shade(i), -t))[1] == (10, -1)
    with pytest.raises(ValueError, match="Unknown value 'train'"):
        datasets.OxfordIIITPet(tmp_path, split="train")
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.OxfordIIITPet(tmp_path / "elsewhere")
    asked = []
    monkeypatch.setattr(
        oxford_iiit_pet, "download_and_extract_archive", lambda url, folder, md5: asked.append((url, md5))
    )
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.OxfordIIITPet(tmp_path / "elsewhere", download=True)
    assert [url.rsplit("/", 1)[1] for url, _ in asked] == ["images.tar.gz", "annotations.tar.gz"]
    assert all(len(sum_) == 32 for _, sum_ in asked)


def test_flowers(tmp_path, monkeypatch):
    scipy_io = pytest.importorskip("scipy.io", reason="the labels are MATLAB files")
    root = tmp_path / "flowers-102"
    for i in range(1, 5):
        photo(root / "jpg" / f"image_{i:05d}.jpg", 10 * i)
    scipy_io.savemat(root / "imagelabels.mat", {"labels": np.array([[77, 102, 1, 5]])})
    scipy_io.savemat(root / "setid.mat", {"trnid": [[3, 1]], "valid": [[2, 4]], "tstid": [[4, 3]]})
    with pytest.raises(RuntimeError, match="not found or corrupted"):  # the checksums are those of the real files
        datasets.Flowers102(tmp_path)
    sums = {name: md5(root / name) for name in ("imagelabels.mat", "setid.mat")}
    monkeypatch.setattr(datasets.Flowers102, "_tables", sums)
    found = datasets.Flowers102(tmp_path, transform=shade)
    assert [found[i] for i in range(len(found))] == [(30, 0), (10, 76)]
    assert datasets.Flowers102(tmp_path, "val", transform=shade)[0] == (20, 101)
    assert len(set(found.classes)) == 102 and found.classes[76] == "passion flower" and "split=train" in repr(found)
    asked = []
    monkeypatch.setattr(flowers102, "download_and_extract_archive", lambda url, root, md5: asked.append(url))
    monkeypatch.setattr(flowers102, "download_url", lambda url, root, md5: asked.append(url))
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.Flowers102(tmp_path / "elsewhere", download=True)
    assert [url.rsplit("/", 1)[1] for url in asked] == ["102flowers.tgz", "imagelabels.mat", "setid.mat"]


def test_imagenet_unpacks_its_archives(tmp_path, monkeypatch):
    scipy_io = pytest.importorskip("scipy.io", reason="the classes are in a MATLAB file")
    work, root = tmp_path / "work", tmp_path / "imagenet"
    root.mkdir()
    data = work / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(1, "n02", "cat, puss", "-", 0), (2, "n01", "dog", "-", 0), (3, "n00", "animal", "-", 2)]
    scipy_io.savemat(data / "meta.mat", {"synsets": np.array(rows, kinds)})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n2\n")
    for wnid, s in (("n01", 50), ("n02", 60)):
        photo(work / f"{wnid}_1.jpg", s)
        packed(work / f"{wnid}.tar", work, [f"{wnid}_1.jpg"])
    for i in range(3):
        photo(work / f"ILSVRC2012_val_{i:08d}.jpg", 10 * i)
    archives = {
        "devkit": packed(root / "ILSVRC2012_devkit_t12.tar.gz", work, ["ILSVRC2012_devkit_t12"], "w:gz"),
        "train": packed(root / "ILSVRC2012_img_train.tar", work, ["n01.tar", "n02.tar"]),
        "val": packed(root / "ILSVRC2012_img_val.tar", work, [f"ILSVRC2012_val_{i:08d}.jpg" for i in range(3)]),
    }
    with pytest.raises(RuntimeError, match="archive ILSVRC2012_devkit_t12.tar.gz is not present .* or is corrupted"):
        datasets.ImageNet(root)
    monkeypatch.setattr(imagenet, "ARCHIVE_META", {part: (p.name, md5(p)) for part, p in archives.items()})
    train = datasets.ImageNet(root, transform=shade)
    assert train.wnids == ["n01", "n02"] and train.classes == [("dog",), ("cat", "puss")]
    assert train.class_to_idx == {"dog": 0, "cat": 1, "puss": 1} and "Split: train" in repr(train)
    assert [train[i] for i in range(2)] == [(50, 0), (60, 1)]
    for archive in archives.values():
        archive.write_bytes(b"gone")  # what is unpacked is not unpacked again
    assert len(datasets.ImageNet(root)) == 2
    with pytest.raises(RuntimeError, match="ILSVRC2012_img_val.tar is not present"):
        datasets.ImageNet(root, "val")


def test_imagenet_sorts_its_validation_images(tmp_path, monkeypatch):
    for i in range(3):
        photo(tmp_path / f"ILSVRC2012_val_{i:08d}.jpg", 10 * i)
    path = packed(tmp_path / "val.tar", tmp_path, [f"ILSVRC2012_val_{i:08d}.jpg" for i in range(3)])
    monkeypatch.setitem(imagenet.ARCHIVE_META, "val", ("val.tar", md5(path)))
    imagenet.parse_val_archive(str(tmp_path), wnids=["n02", "n01", "n02"])
    found = sorted(str(p.relative_to(tmp_path / "val")) for p in (tmp_path / "val").rglob("*.jpg"))
    assert found == [f"{w}/ILSVRC2012_val_{i:08d}.jpg" for w, i in (("n01", 1), ("n02", 0), ("n02", 2))]


@pytest.fixture
def voc_files(tmp_path):
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    for name, grey in (("000001", 50), ("000002", 90)):
        photo(folder / "JPEGImages" / f"{name}.jpg", grey)
        classes = Image.new("P", (6, 4), grey // 10)
        classes.putpalette([i % 256 for i in range(768)])
        (folder / "SegmentationClass").mkdir(exist_ok=True)
        classes.save(folder / "SegmentationClass" / f"{name}.png")
    for kind in ("Main", "Segmentation"):
        (folder / "ImageSets" / kind).mkdir(parents=True)
        (folder / "ImageSets" / kind / "test.txt").write_text("000001\n000002\n")
    (folder / "Annotations").mkdir()
    box = "<bndbox><xmin>1</xmin><xmax> 2 </xmax></bndbox>"
    for name, objects in (("000001", 1), ("000002", 2)):
        inside = f"<object><name>dog</name>{box}</object>" * objects
        text = f"<annotation><folder>VOC2007</folder><segmented/>{inside}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    return tmp_path


def test_pascal_voc(voc_files):
    found = datasets.VOCDetection(voc_files, "2007", "test")
    dog = {"name": "dog", "bndbox": {"xmin": "1", "xmax": "2"}}
    assert [shade(image) for image, _ in found] == [50, 90] and len(found.annotations) == 2
    assert [target["annotation"]["object"] for _, target in found] == [[dog], [dog, dog]]
    assert found[0][1]["annotation"]["folder"] == "VOC2007" and "segmented" not in found[0][1]["annotation"]
    assert found.url.endswith("VOC/voc2007/VOCtest_06-Nov-2007.tar")
    pixels = datasets.VOCSegmentation(voc_files, "2007", "test", transforms=lambda x, y: (x.size, y))
    assert pixels[1][0] == (6, 4) and pixels[1][1].mode == "P" and shade(pixels[1][1]) == 9
    with pytest.raises(ValueError, match="Unknown value 'test' for argument image_set"):
        datasets.VOCDetection(voc_files, "2012", "test")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.VOCDetection(voc_files, "2012")


def test_pascal_voc_is_downloaded(voc_files, tmp_path, monkeypatch):
    archive = packed(tmp_path / "voc.tar", voc_files, ["VOCdevkit"])
    row = voc._Archive("voc.tar", md5(archive), "VOCdevkit/VOC2007")
    monkeypatch.setitem(voc._ARCHIVES, "2007-test", row)
    (tmp_path / "voc2007").mkdir()
    archive.rename(tmp_path / "voc2007" / "voc.tar")
    monkeypatch.setattr(voc, "_SOURCE", tmp_path.as_uri() + "/")
    assert len(datasets.VOCDetection(tmp_path / "new", "2007", "test", download=True)) == 2
