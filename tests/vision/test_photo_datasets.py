"""PhotoTour, SBU's captions and LSUN's databases, made small in their published formats."""

import io

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import datasets
from tests.vision.made_up import md5, photo, seen, text

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")


def test_patches_of_photo_tours(tmp_path):
    folder = tmp_path / "liberty"
    folder.mkdir()
    sheets = np.random.default_rng(0).integers(0, 256, (2, 128, 192), dtype=np.uint8)
    for i, sheet in enumerate(sheets):
        Image.fromarray(sheet).save(folder / f"patches{i:04d}.bmp")
    text(folder / "info.txt", *(f"{i // 2} 0" for i in range(12)))
    text(folder / "m50_100000_100000_0.txt", "0 7 0 1 7 0 0", "2 1 0 9 2 0 0")
    data = datasets.PhotoTour(tmp_path, "liberty")
    assert len(data) == 12 and data.labels.tolist() == [i // 2 for i in range(12)]
    # six patches a sheet, line by line
    assert data[4].dtype == torch.uint8 and np.array_equal(data[4].numpy(), sheets[0, 64:, 64:128])
    assert np.array_equal(data[6].numpy(), sheets[1, :64, :64])
    assert (data.mean, data.std, data.lens["liberty"]) == (0.4437, 0.2019, 450092) and "Split: Train" in repr(data)
    (folder / "info.txt").unlink()  # the folder is read once
    test = datasets.PhotoTour(tmp_path, "liberty", train=False, transform=lambda patch: patch.float())
    assert [same.item() for *_, same in (test[0], test[1])] == [1, 0] and len(test) == 2
    assert torch.equal(test[1][1], data[9].float())
    with pytest.raises(KeyError):
        datasets.PhotoTour(tmp_path, "nowhere")


def test_captions_of_sbu(tmp_path, monkeypatch):
    for name, dark in (("a", 10), ("c", 30)):
        photo(tmp_path / "dataset" / f"{name}.png", dark)
    text(tmp_path / "dataset" / "SBU_captioned_photo_dataset_urls.txt", *(f"http://x/{n}.png" for n in "abc"))
    text(tmp_path / "dataset" / "SBU_captioned_photo_dataset_captions.txt", "a dog", "gone", "a cat ")
    with pytest.raises(RuntimeError, match="SBU: files not found"):
        datasets.SBU(tmp_path, download=False)
    (tmp_path / datasets.SBU.filename).write_bytes(b"packed")
    monkeypatch.setattr(datasets.SBU, "md5_checksum", md5(tmp_path / datasets.SBU.filename))
    data = datasets.SBU(tmp_path)  # the archive is there: nothing is fetched
    assert seen(data) == [(10, "a dog"), (30, "a cat")] and data.photos == ["a.png", "c.png"]
    assert datasets.SBU(tmp_path, loader=str, target_transform=len)[1] == (str(tmp_path / "dataset" / "c.png"), 5)


def test_classes_of_lsun(monkeypatch, tmp_path):
    for classes, what in (
        (["bedroom"], "Unknown value '' for LSUN class"),
        (["attic_train"], "Unknown value 'attic' for LSUN class"),
        (["tower_all"], "Unknown value 'all' for postfix. Valid values are {'train', 'val', 'test'}"),
        ([3], "Expected type str for elements"),
        (3, "Expected type str or Iterable"),
    ):
        with pytest.raises(ValueError, match=what):
            datasets.LSUN(tmp_path, classes)
    asked = []
    monkeypatch.setattr("cltorch.vision.datasets.lsun.LSUNClass", lambda root, **_: asked.append(root) or range(2))
    data = datasets.LSUN(str(tmp_path), "val")
    assert data.classes[2] == "church_outdoor_val" and asked[2] == f"{tmp_path}/church_outdoor_val_lmdb"
    assert len(data) == 20 and data.indices[:3] == [2, 4, 6] and "Classes: ['bedroom_val'" in repr(data)
    assert datasets.LSUN(str(tmp_path), "test").classes == ["test"]


def test_photos_of_lsun(tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="LSUN's files are databases")
    for name, darks in (("tower_train", (1, 2)), ("bridge_train", (3,))):
        with lmdb.open(str(tmp_path / f"{name}_lmdb")) as base, base.begin(write=True) as transaction:
            for i, dark in enumerate(darks):
                out = io.BytesIO()
                Image.new("L", (6, 4), dark).save(out, "PNG")
                transaction.put(str(i).encode(), out.getvalue())
    data = datasets.LSUN(str(tmp_path), ["tower_train", "bridge_train"])
    assert seen(data) == [(1, 0), (2, 0), (3, 1)] and data[0][0].mode == "RGB"
