"""CIFAR, STL-10, SVHN, folders of images and random images, from small files made here in the published formats."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from PIL import Image

import cltorch as torch
from cltorch.utils.data import DataLoader
from cltorch.vision import datasets, transforms
from cltorch.vision.datasets.utils import calculate_md5

RNG = np.random.default_rng(0)


def small_cifar(monkeypatch, cls, folder, labels):
    """Write files in CIFAR's format and make their sums the expected ones; return the images and labels."""
    (folder / cls.base_folder).mkdir()

    def write(name, entry):
        path = folder / cls.base_folder / name
        path.write_bytes(pickle.dumps(entry, protocol=2))
        return [name, calculate_md5(path)]

    images = RNG.integers(0, 256, (6, 3, 32, 32), np.uint8)
    numbers = list(range(6))
    monkeypatch.setattr(
        cls,
        "train_list",
        [
            write("data_batch_1", {"data": images[:2].reshape(2, -1), labels: numbers[:2]}),
            write("data_batch_2", {"data": images[2:4].reshape(2, -1), labels: numbers[2:4]}),
        ],
    )
    monkeypatch.setattr(cls, "test_list", [write("test_batch", {"data": images[4:].reshape(2, -1), labels: [4, 5]})])
    meta = dict(cls.meta)
    meta["md5"] = write(meta["filename"], {meta["key"]: [f"class {i}" for i in range(10)]})[1]
    monkeypatch.setattr(cls, "meta", meta)
    return images


@pytest.mark.parametrize(("name", "labels"), [("CIFAR10", "labels"), ("CIFAR100", "fine_labels")])
def test_cifar(tmp_path, monkeypatch, name, labels):
    cls = getattr(datasets, name)
    images = small_cifar(monkeypatch, cls, tmp_path, labels)
    data = cls(tmp_path, download=True)  # nothing is missing: no connection
    assert len(data) == 4 and data.targets == [0, 1, 2, 3] and data.class_to_idx["class 3"] == 3
    picture, label = data[2]
    assert np.array(picture).tolist() == images[2].transpose(1, 2, 0).tolist() and label == 2
    test = cls(tmp_path, train=False, transform=transforms.ToTensor())
    x, y = next(iter(DataLoader(test, batch_size=2)))
    np.testing.assert_allclose(x.numpy(), images[4:] / 255, rtol=1e-6)
    assert y.tolist() == [4, 5] and torch.equal(test[1][0], x[1]) and "Split: Test" in repr(test)


def test_a_damaged_or_hostile_cifar_is_refused(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.CIFAR10(tmp_path)
    small_cifar(monkeypatch, datasets.CIFAR10, tmp_path, "labels")
    path = tmp_path / datasets.CIFAR10.base_folder / "test_batch"
    target = tmp_path / "written"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(target),)

    path.write_bytes(pickle.dumps({"data": Evil()}))
    with pytest.raises(RuntimeError, match="corrupted"):
        datasets.CIFAR10(tmp_path, train=False)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", calculate_md5(path)]])
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        datasets.CIFAR10(tmp_path, train=False)
    assert not target.exists()


@pytest.fixture
def folder(tmp_path):
    for name in ("dog/a.png", "dog/deep/b.PNG", "cat/c.jpg", "cat/readme.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            path.write_text("no image")
        else:
            Image.new("RGB", (4, 3), "red").save(path)
    return tmp_path


def test_folders_are_classes(folder):
    data = datasets.ImageFolder(folder, transform=transforms.ToTensor(), target_transform=lambda t: t * 10)
    assert data.classes == ["cat", "dog"] and data.targets == [0, 1, 1] and data.imgs is data.samples
    assert [os.path.basename(path) for path, _ in data.samples] == ["c.jpg", "a.png", "b.PNG"]
    x, y = data[1]
    assert x.shape == (3, 3, 4) and x[0].min().item() == 1 and y == 10
    text = datasets.DatasetFolder(folder, lambda p: p, is_valid_file=lambda p: p.endswith(".txt"), allow_empty=True)
    assert len(text) == 1 and text[0][1] == 0


def test_folders_without_images_are_told(folder, tmp_path):
    (folder / "bird").mkdir()
    with pytest.raises(FileNotFoundError, match=r"classes bird\. Supported extensions are: \.jpg"):
        datasets.ImageFolder(folder)
    assert datasets.ImageFolder(folder, allow_empty=True).targets == [1, 2, 2]
    with pytest.raises(FileNotFoundError, match="any class folder"):
        datasets.ImageFolder(folder / "bird")


def test_random_images_are_the_same_each_time():
    data = datasets.FakeData(5, (3, 6, 7), transform=transforms.ToTensor())
    assert torch.equal(data[3][0], data[3][0]) and not torch.equal(data[3][0], data[2][0])
    assert data[0][0].shape == (3, 6, 7) and len(list(data)) == 5 and all(0 <= y < 10 for _, y in data)
    with pytest.raises(IndexError):
        data[5]


def test_stl10(tmp_path):
    base = tmp_path / "stl10_binary"
    base.mkdir()
    images = RNG.integers(0, 256, (3, 3, 96, 96), np.uint8)
    images.transpose(0, 1, 3, 2).tofile(base / "train_X.bin")
    np.array([1, 10, 5], np.uint8).tofile(base / "train_y.bin")
    images[:1].tofile(base / "unlabeled_X.bin")
    (base / "fold_indices.txt").write_text("0 2\n1\n")
    (base / "class_names.txt").write_text("airplane\nbird\n")
    data = datasets.STL10(tmp_path)
    assert np.array(data[1][0]).tolist() == images[1].transpose(1, 2, 0).tolist()
    assert [y for _, y in data] == [0, 9, 4] and data.classes == ["airplane", "bird"]
    assert [y for _, y in datasets.STL10(tmp_path, folds=0)] == [0, 4]
    assert [y for _, y in datasets.STL10(tmp_path, "train+unlabeled")] == [0, 9, 4, -1]
    with pytest.raises(ValueError, match="range"):
        datasets.STL10(tmp_path, folds=10)
    with pytest.raises(RuntimeError, match="not found"):
        datasets.STL10(tmp_path, "test")


def test_svhn(tmp_path, monkeypatch):
    savemat = pytest.importorskip("scipy.io", reason="SciPy is not installed").savemat
    images = RNG.integers(0, 256, (32, 32, 3, 4), np.uint8)
    savemat(tmp_path / "train_32x32.mat", {"X": images, "y": np.array([[1], [10], [3], [9]])})
    sums = {"train": ("train_32x32.mat", calculate_md5(tmp_path / "train_32x32.mat"))}
    monkeypatch.setattr(datasets.SVHN, "split_list", sums)
    data = datasets.SVHN(tmp_path, download=True)
    assert [y for _, y in data] == [1, 0, 3, 9]
    assert np.array(data[3][0]).tolist() == images[..., 3].tolist()
    with pytest.raises(ValueError, match="split"):
        datasets.SVHN(tmp_path, "none")
