"""Data sets of one label for each photo, in their published folders and archives, made small."""

import bz2
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cltorch.vision import datasets
from cltorch.vision.datasets import gtsrb, places365, utils
from tests.vision.made_up import md5, photo, seen, text


def make_dtd(root):
    base = root / "dtd" / "dtd"
    for i, name in enumerate(("zigzagged/b.jpg", "banded/a.jpg", "zigzagged/c.jpg")):
        photo(base / "images" / name, 10 * (i + 1))
    text(base / "labels" / "val3.txt", "zigzagged/b.jpg", "banded/a.jpg")
    text(base / "labels" / "train1.txt", "zigzagged/c.jpg")


def test_dtd(tmp_path, monkeypatch):
    make_dtd(tmp_path)
    data = datasets.DTD(tmp_path, "val", 3)
    assert seen(data) == [(10, 1), (20, 0)] and data.classes == ["banded", "zigzagged"]
    assert "split=val, partition=3" in repr(data)
    assert seen(datasets.DTD(tmp_path, target_transform=lambda label: label + 5)) == [(30, 5)]
    assert datasets.DTD(tmp_path, loader=lambda path: Path(path).name)[0] == ("c.jpg", 0)
    with pytest.raises(ValueError, match="partition must be an integer from 1 to 10, got 0.5"):
        datasets.DTD(tmp_path, partition=0.5)
    asked = []
    monkeypatch.setattr(
        utils, "download_and_extract_archive", lambda url, folder, md5: asked.append((url, folder, md5))
    )
    with pytest.raises(RuntimeError, match="DTD: files not found or damaged in .*download=True fetches them"):
        datasets.DTD(tmp_path / "new", download=True)
    assert asked == [(datasets.DTD._URL, tmp_path / "new" / "dtd", "fff73e5086ae6bdbea199a49dfb8a4c1")]


def make_eurosat(root):
    for i, name in enumerate(("River/River_1.jpg", "Forest/Forest_2.jpg", "River/River_0.jpg")):
        photo(root / "eurosat" / "2750" / name, 10 * (i + 1))


def test_eurosat(tmp_path):
    make_eurosat(tmp_path)
    data = datasets.EuroSAT(str(tmp_path))
    assert seen(data) == [(20, 0), (30, 1), (10, 1)] and data.classes == ["Forest", "River"]
    assert data.root == str(tmp_path)
    with pytest.raises(RuntimeError, match="EuroSAT: files not found"):
        datasets.EuroSAT(tmp_path / "none")


def make_food(root):
    base = root / "food-101"
    for i, name in enumerate(("waffles/7", "apple_pie/3", "waffles/9")):
        photo(base / "images" / f"{name}.jpg", 10 * (i + 1))
    text(
        base / "meta" / "train.json", json.dumps({"waffles": ["waffles/9", "waffles/7"], "apple_pie": ["apple_pie/3"]})
    )
    text(base / "meta" / "test.json", json.dumps({"waffles": ["waffles/7"]}))


def test_food(tmp_path):
    make_food(tmp_path)
    data = datasets.Food101(tmp_path)
    assert seen(data) == [(30, 1), (10, 1), (20, 0)] and data.class_to_idx == {"apple_pie": 0, "waffles": 1}
    assert seen(datasets.Food101(tmp_path, "test")) == [(10, 0)]
    with pytest.raises(ValueError, match="Unknown value 'val'"):
        datasets.Food101(tmp_path, "val")


def make_signs(root):
    base = root / "gtsrb"
    for i, name in enumerate(("00001/a.ppm", "00000/b.ppm", "00001/b.ppm")):
        photo(base / "GTSRB" / "Training" / name, 10 * (i + 1))
    for i in range(2):
        photo(base / "GTSRB" / "Final_Test" / "Images" / f"0000{i}.ppm", i + 1)
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    text(base / "GT-final_test.csv", head, "00000.ppm;53;54;6;5;48;49;16", "00001.ppm;42;45;5;5;36;40;1")


def test_signs(tmp_path, monkeypatch):
    make_signs(tmp_path)
    assert seen(datasets.GTSRB(tmp_path)) == [(20, 0), (10, 1), (30, 1)]
    assert seen(datasets.GTSRB(tmp_path, "test")) == [(1, 16), (2, 1)]
    asked = []
    monkeypatch.setattr(gtsrb, "download_and_extract_archive", lambda url, folder, md5: asked.append(url))
    with pytest.raises(RuntimeError, match="GTSRB: files not found"):
        datasets.GTSRB(tmp_path / "new", "test", download=True)
    assert [url.rsplit("/", 1)[1] for url in asked] == ["GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip"]


def make_omniglot(root):
    """Write both parts and return the MD5 sums of their archives."""
    base, sums = root / "omniglot-py", {}
    for part, names in (
        ("images_background", ("Greek/character01/1_02.png", "Greek/character01/1_01.png", "Latin/character02/3.png")),
        ("images_evaluation", ("Tifinagh/character01/9.png",)),
    ):
        for i, name in enumerate(names):
            photo(base / part / name, 10 * (i + 1), "L")
        with zipfile.ZipFile(base / f"{part}.zip", "w") as archive:
            for name in names:
                archive.write(base / part / name, f"{part}/{name}")
        sums[part] = md5(base / f"{part}.zip")
    return sums


def test_omniglot(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="Omniglot: files not found or damaged"):
        datasets.Omniglot(tmp_path)
    sums = make_omniglot(tmp_path)
    with pytest.raises(RuntimeError, match="Omniglot: files not found or damaged"):
        datasets.Omniglot(tmp_path)  # an archive with another sum
    monkeypatch.setattr(datasets.Omniglot, "zips_md5", sums)
    data = datasets.Omniglot(tmp_path)
    assert seen(data) == [(20, 0), (10, 0), (30, 1)] and data[0][0].mode == "L"
    assert seen(datasets.Omniglot(tmp_path, background=False)) == [(10, 0)]
    assert datasets.Omniglot(tmp_path, loader=lambda path: Path(path).name)[2] == ("3.png", 1)


def test_omniglot_is_downloaded(tmp_path, monkeypatch):
    sums = make_omniglot(tmp_path / "source")
    monkeypatch.setattr(datasets.Omniglot, "zips_md5", sums)
    source = (tmp_path / "source" / "omniglot-py").as_uri()
    monkeypatch.setattr(datasets.Omniglot, "download_url_prefix", source)
    assert seen(datasets.Omniglot(tmp_path / "new", download=True)) == [(20, 0), (10, 0), (30, 1)]
    monkeypatch.setattr(datasets.Omniglot, "zips_md5", {**sums, "images_evaluation": "0" * 32})
    with pytest.raises(RuntimeError, match="MD5 sum"):
        datasets.Omniglot(tmp_path / "new", background=False, download=True)


def make_usps(root):
    shades = np.linspace(-1, 1, 512, dtype=np.float32).reshape(2, 256)
    rows = [
        " ".join([str(label), *(f"{i}:{shade:.6f}" for i, shade in enumerate(row, 1))])
        for label, row in zip((7, 10), shades, strict=True)
    ]
    (root / "usps.bz2").write_bytes(bz2.compress(("\n".join(rows) + "\n").encode()))
    (root / "usps.t.bz2").write_bytes(bz2.compress((rows[1] + "\n").encode()))
    return shades


def test_usps(tmp_path):
    shades = make_usps(tmp_path)
    data = datasets.USPS(tmp_path)
    assert data.targets == [6, 9] and data.data.shape == (2, 16, 16) and data.data.dtype == np.uint8
    assert np.abs(data.data.reshape(2, 256) - (shades + 1) * 127.5).max() < 1.001
    image, label = data[1]
    assert image.mode == "L" and np.array_equal(np.asarray(image), data.data[1]) and label == 9
    assert datasets.USPS(tmp_path, train=False, transform=lambda image: image.size)[0] == ((16, 16), 9)
    with pytest.raises(FileNotFoundError):
        datasets.USPS(tmp_path / "none")


def make_sun(root):
    base = root / "SUN397"
    for i, name in enumerate(
        ("b/bakery/shop/sun_b.jpg", "a/abbey/sun_z.jpg", "a/abbey/sun_a.jpg", "a/abbey/other.jpg")
    ):
        photo(base / name, 10 * (i + 1))
    text(base / "ClassName.txt", "/a/abbey", "/b/bakery/shop")


def test_sun(tmp_path):
    make_sun(tmp_path)
    data = datasets.SUN397(tmp_path)
    assert seen(data) == [(30, 0), (20, 0), (10, 1)] and data.classes == ["abbey", "bakery/shop"]
    with pytest.raises(RuntimeError, match="SUN397: files not found"):
        datasets.SUN397(tmp_path / "none")


def make_cars(root, savemat):
    base = root / "stanford_cars"
    kinds = np.array(["AM General Hummer SUV 2000", "Acura RL Sedan 2012"], object)
    (base / "devkit").mkdir(parents=True)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": kinds})
    fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    for split, path in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = [(1, 1, 3, 3, 2, "00001.jpg"), (1, 1, 3, 3, 1, "00002.jpg")]
        savemat(base / path, {"annotations": np.array([rows], fields)})
        for i in (1, 2):
            photo(base / f"cars_{split}" / f"0000{i}.jpg", 10 * i)


def test_cars(tmp_path):
    make_cars(tmp_path, pytest.importorskip("scipy.io", reason="the labels are MATLAB files").savemat)
    for split in ("train", "test"):
        data = datasets.StanfordCars(tmp_path, split)
        assert seen(data) == [(10, 1), (20, 0)] and data.class_to_idx["Acura RL Sedan 2012"] == 1
    with pytest.raises(ValueError, match="cannot be downloaded"):
        datasets.StanfordCars(tmp_path, download=True)
    with pytest.raises(RuntimeError, match="StanfordCars: files not found .* fetched by hand"):
        datasets.StanfordCars(tmp_path / "none")


def make_aircraft(root):
    data = root / "fgvc-aircraft-2013b" / "data"
    for i in (1, 2):
        photo(data / "images" / f"000000{i}.jpg", 10 * i)
    text(data / "variants.txt", "A300B4", "Boeing 707-320")
    text(data / "manufacturers.txt", "Airbus", "Boeing")
    text(data / "images_variant_trainval.txt", "0000002 Boeing 707-320", "0000001 A300B4")
    text(data / "images_manufacturer_test.txt", "0000001 Airbus")


def test_aircraft(tmp_path):
    make_aircraft(tmp_path)
    data = datasets.FGVCAircraft(tmp_path)
    assert seen(data) == [(20, 1), (10, 0)] and data.classes == ["A300B4", "Boeing 707-320"]
    assert seen(datasets.FGVCAircraft(tmp_path, "test", "manufacturer")) == [(10, 0)]
    with pytest.raises(ValueError, match="annotation_level"):
        datasets.FGVCAircraft(tmp_path, "test", "engine")


def make_countries(root):
    for i, name in enumerate(("train/CH/a.jpg", "train/AD/b.jpg", "valid/AD/c.jpg")):
        photo(root / "country211" / name, 10 * (i + 1))


def test_countries(tmp_path):
    make_countries(tmp_path)
    assert seen(datasets.Country211(tmp_path)) == [(20, 0), (10, 1)]
    data = datasets.Country211(tmp_path, "valid")
    assert seen(data) == [(30, 0)] and data.classes == ["AD"] and data.root == str(tmp_path)
    with pytest.raises(ValueError, match="Unknown value 'val'"):
        datasets.Country211(tmp_path, "val")


def make_pcam(root, h5py):
    (root / "pcam").mkdir()
    images = np.arange(2 * 96 * 96 * 3, dtype=np.uint32).astype(np.uint8).reshape(2, 96, 96, 3)
    for axis, values in (("x", images), ("y", np.array([1, 0], np.uint8).reshape(2, 1, 1, 1))):
        with h5py.File(root / "pcam" / f"camelyonpatch_level_2_split_valid_{axis}.h5", "w") as file:
            file[axis] = values
    return images


def test_pcam(tmp_path):
    images = make_pcam(tmp_path, pytest.importorskip("h5py", reason="PCAM's files are HDF5"))
    data = datasets.PCAM(tmp_path, "val")
    assert len(data) == 2 and [label for _, label in (data[0], data[1])] == [1, 0]
    assert np.array_equal(np.asarray(data[1][0]), images[1])
    with pytest.raises(RuntimeError, match="PCAM: files not found"):
        datasets.PCAM(tmp_path)


def test_what_needs_another_package_says_which(monkeypatch, tmp_path):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(utils.importlib, "import_module", absent)
    for make, package in (
        (lambda: datasets.PCAM(tmp_path), "PCAM needs h5py"),
        (lambda: datasets.StanfordCars(tmp_path), "StanfordCars needs scipy"),
        (lambda: datasets.SBDataset(tmp_path), "SBDataset needs scipy"),
        (lambda: datasets.CelebA(tmp_path, download=True), "Google Drive needs gdown"),
    ):
        with pytest.raises(RuntimeError, match=f"{package}, which is not installed: pip install"):
            make()


def make_sentences(root):
    for i, name in enumerate(("train/positive/a.png", "train/negative/b.png", "valid/positive/c.png")):
        photo(root / "rendered-sst2" / name, 10 * (i + 1))
    (root / "rendered-sst2" / "valid" / "negative").mkdir()
    photo(root / "rendered-sst2" / "valid" / "negative" / "d.png", 40)


def test_sentences(tmp_path):
    make_sentences(tmp_path)
    data = datasets.RenderedSST2(tmp_path)
    assert seen(data) == [(20, 0), (10, 1)] and data.classes == ["negative", "positive"]
    assert seen(datasets.RenderedSST2(tmp_path, "val")) == [(40, 0), (30, 1)]
    with pytest.raises(RuntimeError, match="RenderedSST2: files not found"):
        datasets.RenderedSST2(tmp_path, "test")


def make_places(root):
    """Write three splits and return the tables with their MD5 sums."""
    text(root / "categories_places365.txt", "/a/airfield 0", "/b/bakery/shop 1")
    text(root / "places365_train_standard.txt", "/b/bakery/shop/2.jpg 1", "/a/airfield/1.jpg 0")
    text(root / "places365_val.txt", "V1.jpg 1")
    text(root / "places365_test.txt", "T1.jpg")
    for i, name in enumerate(
        (
            "data_256_standard/a/airfield/1.jpg",
            "data_256_standard/b/bakery/shop/2.jpg",
            "val_large/V1.jpg",
            "test_256/T1.jpg",
        )
    ):
        photo(root / name, 10 * (i + 1))
    splits = {"train-standard": "train_standard", "val": "val", "test": "test"}
    files = {split: f"places365_{name}.txt" for split, name in splits.items()}
    lists = {split: (name, md5(root / name)) for split, name in files.items()}
    return ("categories_places365.txt", md5(root / "categories_places365.txt")), lists


def test_places(tmp_path, monkeypatch):
    categories, lists = make_places(tmp_path)
    with pytest.raises(RuntimeError, match="Places365: files not found or damaged"):
        datasets.Places365(tmp_path)
    monkeypatch.setattr(datasets.Places365, "_CATEGORIES_META", categories)
    monkeypatch.setattr(datasets.Places365, "_FILE_LIST_META", lists)
    data = datasets.Places365(tmp_path, small=True)
    assert seen(data) == [(20, 1), (10, 0)] and data.targets == [1, 0]
    assert data.classes == ["/a/airfield", "/b/bakery/shop"] and "Split: train-standard" in repr(data)
    assert seen(datasets.Places365(tmp_path, "val")) == [(30, 1)]
    assert seen(datasets.Places365(tmp_path, "test", small=True)) == [(40, None)]
    asked = []

    def fetch(url, root, md5):
        asked.append((url.rsplit("/", 1)[1], md5))
        (Path(root) / "data_large").mkdir()

    monkeypatch.setattr(places365, "download_and_extract_archive", fetch)
    assert Path(datasets.Places365(tmp_path, download=True).images_dir).is_dir()
    assert asked == [("train_large_places365standard.tar", "67e186b496a84c929568076ed01a8aa1")]
