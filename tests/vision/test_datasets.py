"""The MNIST family on small IDX files made here, and the download code on local mirrors."""

import functools
import gzip
import hashlib
import http.server
import io
import lzma
import os
import struct
import tarfile
import threading
import urllib.error
import zipfile

import numpy as np
import pytest

import cltorch as torch
from cltorch.utils.data import DataLoader, Subset
from cltorch.vision import datasets, transforms
from cltorch.vision.datasets.idx import read_idx
from cltorch.vision.datasets.utils import (
    check_integrity,
    check_md5,
    download_and_extract_archive,
    download_url,
    extract_archive,
    list_dir,
    list_files,
    verify_str_arg,
)

TYPES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(array):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, TYPES[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(folder, n=12, compress=False, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    made = {}
    for part, count in (("train", n), ("t10k", n // 2)):
        images = rng.integers(0, 256, (count, 5, 4), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        made[part] = images, labels
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            data = idx(array)
            if compress:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
    return made


@pytest.mark.parametrize("compress", [False, True], ids=["raw", "gz"])
@pytest.mark.parametrize("place", ["FashionMNIST/raw", "FashionMNIST", "."])
def test_files_are_found_in_torchvisions_folders_and_in_root(tmp_path, place, compress):
    made = write_mnist(tmp_path / place, compress=compress)
    for train, part in ((True, "train"), (False, "t10k")):
        data = datasets.FashionMNIST(tmp_path, train=train, download=True)  # nothing is missing: no connection
        images, labels = made[part]
        assert len(data) == len(images) and data.data.dtype == torch.uint8 and data.targets.dtype == torch.int64
        assert data.data.tolist() == images.tolist() and data.targets.tolist() == labels.tolist()
    assert data.classes[9] == "Ankle boot" and data.class_to_idx["Coat"] == 4
    assert "Split: Test" in repr(data) and "Number of datapoints: 6" in repr(data)


def test_older_names_and_lists_of_mirrors(tmp_path):
    write_mnist(tmp_path / "MNIST/raw")
    shown = transforms.Compose([transforms.ToTensor()])
    data = datasets.MNIST(tmp_path, transform=shown, target_transform=str)
    assert repr(data).splitlines()[3:] == [
        "    Split: Train", "    StandardTransform", "Transform: Compose(", "               ToTensor()", "           )",
        "Target transform: <class 'str'>",
    ]  # fmt: skip
    for older, now in (("train_data", data.data), ("test_labels", data.targets)):
        with pytest.warns(UserWarning, match=f"{older} has been renamed"):
            assert getattr(data, older) is now
    assert data.processed_folder == str(tmp_path / "MNIST" / "processed")
    assert (data.training_file, data.test_file) == ("training.pt", "test.pt")
    # programs put a mirror of their own before the others
    for kind in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        assert isinstance(["https://example.org/", *kind.mirrors] + kind.mirrors, list) and type(kind.resources) is list


def test_samples(tmp_path):
    made = write_mnist(tmp_path)
    image, label = datasets.MNIST(str(tmp_path))[3]
    assert image.mode == "L" and image.size == (4, 5) and np.array_equal(np.asarray(image), made["train"][0][3])
    assert label == 3 and type(label) is int
    data = datasets.MNIST(tmp_path, transform=transforms.ToTensor(), target_transform=lambda y: -y)
    image, label = data[3]
    assert image.shape == (1, 5, 4) and label == -3
    assert np.allclose(image.numpy()[0] * 255, made["train"][0][3])


@pytest.mark.parametrize("steps", [[], [transforms.Normalize((0.5,), (0.25,))]], ids=["ToTensor", "Normalize"])
def test_a_batch_equals_its_samples(tmp_path, steps):
    write_mnist(tmp_path)
    data = datasets.MNIST(tmp_path, transform=transforms.Compose([transforms.ToTensor(), *steps]))
    images, labels = next(iter(DataLoader(data, batch_size=5)))
    assert images.shape == (5, 1, 5, 4) and images.dtype == torch.float32 and labels.dtype == torch.int64
    for i in range(5):
        image, label = data[i]
        assert np.allclose(images[i].numpy(), image.numpy(), atol=1e-6) and labels[i].item() == label
    # a collate function of the user's own sees the same samples as without batches
    (samples,) = DataLoader(Subset(data, [2, 0]), batch_size=2, collate_fn=list)
    assert [label for _, label in samples] == [2, 0] and all(type(label) is int for _, label in samples)
    # a transform for single images switches to them
    data.transform = transforms.Compose([transforms.Lambda(lambda im: im.rotate(180)), transforms.ToTensor()])
    turned, _ = next(iter(DataLoader(data, batch_size=5)))
    raw = data.data[0].numpy()
    assert np.allclose(turned[0, 0].numpy() * 255, raw[::-1, ::-1])


def test_random_transforms_draw_for_each_image_of_a_batch(tmp_path):
    write_mnist(tmp_path, n=64)
    torch.manual_seed(0)
    flip = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    data = datasets.MNIST(tmp_path, transform=flip)
    images, _ = next(iter(DataLoader(data, batch_size=64)))
    raw = data.data.numpy() / np.float32(255)
    same = [np.allclose(a[0], b) for a, b in zip(images.numpy(), raw, strict=True)]
    mirrored = [np.allclose(a[0], b[:, ::-1]) for a, b in zip(images.numpy(), raw, strict=True)]
    assert all(s or m for s, m in zip(same, mirrored, strict=True)) and 10 < sum(same) < 54
    data.transform = transforms.Compose([transforms.ToTensor(), transforms.RandomCrop(4, padding=1)])
    images, _ = next(iter(DataLoader(data, batch_size=64)))
    padded = np.pad(raw, ((0, 0), (1, 1), (1, 1)))
    found = set()
    for a, b in zip(images.numpy(), padded, strict=True):
        places = [(i, j) for i in range(4) for j in range(3) if np.allclose(a[0], b[i : i + 4, j : j + 4])]
        assert places
        found.update(places)
    assert len(found) > 6


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found.*download=True"):
        datasets.MNIST(tmp_path)
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    whole = path.read_bytes()
    for data, message in (
        (whole[:-1], "holds 239 bytes"),
        (whole + b"x", "holds more"),
        (whole[:9], "within its header"),
        (b"\x89PNG" + whole, "not an IDX file"),
        (b"", "not an IDX file"),
        (whole[:4] + b"\xff" * 12, "holds"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            datasets.MNIST(tmp_path)
    path.write_bytes(whole)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(ValueError, match="do not fit"):
        datasets.MNIST(tmp_path)
    (tmp_path / "x.gz").write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(ValueError, match="damaged"):
        read_idx(tmp_path / "x.gz")


@pytest.mark.parametrize("name", TYPES)
def test_idx_types(tmp_path, name):
    array = np.arange(-6, 6).reshape(3, 4).astype(name)
    (tmp_path / "a.xz").write_bytes(lzma.compress(idx(array)))
    found = read_idx(tmp_path / "a.xz")
    assert np.array_equal(found, array) and found.dtype == array.dtype and found.flags.writeable


def test_kmnist_emnist_qmnist(tmp_path):
    write_mnist(tmp_path / "KMNIST" / "raw")
    assert len(datasets.KMNIST(tmp_path)) == 12 and len(datasets.KMNIST(tmp_path).classes) == 10
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in (("images-idx3", np.ones((2, 3, 3), np.uint8)), ("labels-idx1", np.array([1, 26], np.uint8))):
        (raw / f"emnist-letters-train-{name}-ubyte").write_bytes(idx(array))
    letters = datasets.EMNIST(tmp_path, "letters", train=True)
    assert letters.targets.tolist() == [1, 26] and letters.classes[26] == "z" and len(letters.classes) == 27
    sizes = {s: len(c) for s, c in datasets.EMNIST.classes_split_dict.items()}
    assert sizes == {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 27, "digits": 10, "mnist": 10}
    with pytest.raises(ValueError, match="Unknown value 'words' for argument split"):
        datasets.EMNIST(tmp_path, "words")
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "qmnist-test-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((10_002, 2, 2), np.uint8))))
    labels = np.arange(10_002 * 8, dtype=np.int32).reshape(-1, 8)
    (raw / "qmnist-test-labels-idx2-int.gz").write_bytes(gzip.compress(idx(labels)))
    first = datasets.QMNIST(tmp_path, train=False, transform=transforms.ToTensor())
    assert first.targets.shape == (10_002, 8) and first.targets[:2, 0].tolist() == [0, 8]
    assert [first[i][1] for i in range(2)] == [0, 8] and first[1][1].__class__ is int
    assert next(iter(DataLoader(first, batch_size=3)))[1].tolist() == [0, 8, 16]
    last = datasets.QMNIST(tmp_path, "test50k", compat=False, transform=transforms.ToTensor())
    assert len(last) == 2 and last[1][1].tolist() == labels[-1].tolist()
    assert next(iter(DataLoader(last, batch_size=2)))[1].shape == (2, 8)


# ---- downloading: from file:// mirrors ------------------------------------------------------------------------------
def test_download_tries_mirrors_and_checks_sums(tmp_path):
    good, bad, root = tmp_path / "good", tmp_path / "bad", tmp_path / "root"
    write_mnist(good, compress=True)
    bad.mkdir()
    names = sorted(p.name for p in good.iterdir())
    (bad / names[0]).write_bytes(b"<html>moved</html>")  # a wrong answer; the others are missing

    class Local(datasets.MNIST):
        mirrors = (bad.as_uri() + "/", good.as_uri() + "/")
        resources = tuple((n, hashlib.md5((good / n).read_bytes()).hexdigest()) for n in names)

    data = Local(root, download=True)
    assert len(data) == 12 and sorted(p.name for p in (root / "Local" / "raw").iterdir()) == names
    Local.mirrors = ()
    assert len(Local(root, download=True, train=False)) == 6  # nothing is fetched again


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_others_may_read_a_download_as_any_new_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    path = download_url((tmp_path / "x").as_uri(), tmp_path / "root")
    assert os.stat(path).st_mode == os.stat(tmp_path / "x").st_mode


def test_download_failure_says_what_each_mirror_said(tmp_path):
    (tmp_path / "x.gz").write_bytes(b"wrong")
    urls = [(tmp_path / "x.gz").as_uri(), (tmp_path / "missing.gz").as_uri()]
    with pytest.raises(RuntimeError) as error:
        download_url(urls, tmp_path / "root", "x.gz", md5="0" * 32)
    assert "not 00000000" in str(error.value) and "missing.gz" in str(error.value)
    assert list((tmp_path / "root").iterdir()) == []


@pytest.fixture
def server(tmp_path):
    """Return the address of a server whose folder is ``tmp_path``."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


def test_a_server_is_asked(tmp_path, server):
    (tmp_path / "x.txt").write_bytes(b"abc")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "x.txt", "inside.txt")
    right = hashlib.md5((tmp_path / "x.zip").read_bytes()).hexdigest()
    download_and_extract_archive(f"{server}/x.zip", tmp_path / "root", md5=right)
    assert (tmp_path / "root" / "inside.txt").read_bytes() == b"abc"
    with pytest.raises(RuntimeError, match="File not found or corrupted"):
        download_url(f"{server}/x.txt", tmp_path / "root", md5=right)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        download_url(f"{server}/y.txt", tmp_path / "root")
    assert sorted(p.name for p in (tmp_path / "root").iterdir()) == ["inside.txt", "x.zip"]


def test_check_integrity(tmp_path):
    path = tmp_path / "f"
    assert not check_integrity(path)
    path.write_bytes(b"abc")
    assert check_integrity(path) and check_integrity(path, "900150983cd24fb0d6963f7d28e17f72")
    assert not check_integrity(path, "0" * 32)


def test_entries_of_folders(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("x.png", "y.jpg", "z.txt"):
        (tmp_path / name).write_bytes(b"abc")
    assert list_dir(tmp_path) == ["b"] and list_dir(tmp_path, prefix=True) == [str(tmp_path / "b")]
    assert sorted(list_files(tmp_path, (".png", ".jpg"))) == ["x.png", "y.jpg"]
    assert list_files(str(tmp_path), ".txt", prefix=True) == [str(tmp_path / "z.txt")]
    assert check_md5(tmp_path / "x.png", "900150983cd24fb0d6963f7d28e17f72", chunk_size=2)
    assert not check_md5(tmp_path / "x.png", "0")


def test_a_text_among_others():
    assert verify_str_arg("a", "part", ("a", "b")) == verify_str_arg("a") == "a"
    with pytest.raises(ValueError, match=r"Unknown value 'c' for argument part. Valid values are \{'a', 'b'\}\."):
        verify_str_arg("c", "part", ("a", "b"))
    with pytest.raises(ValueError, match="Expected type str for argument part, but got type <class 'int'>"):
        verify_str_arg(3, "part", ("a", "b"))
    with pytest.raises(ValueError, match="^no$"):
        verify_str_arg("c", "part", {"a": 1}, custom_msg="no")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tbz2", "gz", "xz"])
def test_extract_archive(tmp_path, kind):
    packed = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as z:
            z.writestr("folder/f.txt", "hello")
    elif kind.startswith("t"):
        with tarfile.open(packed, {"tar.gz": "w:gz", "tbz2": "w:bz2"}.get(kind, "w")) as t:
            member = tarfile.TarInfo("folder/f.txt")
            member.size = 5
            t.addfile(member, io.BytesIO(b"hello"))
    else:
        packed.write_bytes((gzip if kind == "gz" else lzma).compress(b"hello"))
    out = tmp_path / "out"
    out.mkdir()
    result = extract_archive(packed, out, remove_finished=True)
    assert not packed.exists()
    path = out / "folder" / "f.txt" if kind in ("zip", "tar", "tar.gz", "tbz2") else out / "a"
    assert path.read_text() == "hello" and result == (out if path.parent != out else path)


def test_archives_cannot_write_elsewhere(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("../escaped.txt", "x")
    with tarfile.open(tmp_path / "b.tar", "w") as t:
        t.addfile(tarfile.TarInfo("../escaped.txt"))
    with tarfile.open(tmp_path / "c.tar", "w") as t:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        t.addfile(link)
    for name in ("a.zip", "b.tar", "c.tar"):
        with pytest.raises(RuntimeError, match="outside|links"):
            extract_archive(tmp_path / name, out)
    assert not (tmp_path / "escaped.txt").exists() and list(out.iterdir()) == []
    (tmp_path / "d.rar").write_bytes(b"")
    with pytest.raises(RuntimeError, match="Unknown compression"):
        extract_archive(tmp_path / "d.rar", out)
