"""Settings of saving and loading, and files without their data."""

import io
import mmap
import sys

import pytest

import cltorch as torch
from cltorch.utils.serialization import config


def test_data_can_be_left_out(tmp_path):
    path = tmp_path / "x.pt"
    obj = {"x": torch.ones(2, 3), "n": 1}
    torch.save(obj, path)
    full = path.stat().st_size
    with torch.serialization.skip_data():
        found = torch.load(path)
        torch.save(obj, path)
    assert found["x"].shape == (2, 3) and found["n"] == 1 and path.stat().st_size == full
    assert torch.load(path)["x"].tolist() == [[0.0] * 3] * 2
    with torch.serialization.skip_data(), pytest.raises(RuntimeError, match="zip format only"):
        torch.save(obj, io.BytesIO(), _use_new_zipfile_serialization=False)


@pytest.mark.skipif(sys.platform == "win32", reason="no such flags")
def test_mapping(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    torch.save(torch.arange(4), path)
    torch.load(path, mmap=True).fill_(7)
    assert torch.load(path).tolist() == [0, 1, 2, 3]  # a private map
    with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        torch.load(path, mmap=True)[0] = 9
    assert torch.serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    # the checksum in the file is that of the old values: only a map does not look at it
    assert torch.load(path, mmap=True).tolist() == [9, 1, 2, 3]
    monkeypatch.setattr(config.load, "mmap", True)
    assert torch.load(path).tolist() == [9, 1, 2, 3]
    with pytest.raises(RuntimeError, match="bad CRC-32"):
        torch.load(path, mmap=False)
    with pytest.raises(ValueError, match="MAP_PRIVATE or mmap.MAP_SHARED"):
        torch.serialization.set_default_mmap_options(99)


@pytest.mark.parametrize("alignment", [1, 4, 4096])
def test_alignment(tmp_path, monkeypatch, alignment):
    monkeypatch.setattr(config.save, "storage_alignment", alignment)
    path = tmp_path / "x.pt"
    torch.save([torch.arange(3), torch.ones(5)], path)
    assert torch.load(path)[0].tolist() == [0, 1, 2]
    if alignment > 1:
        data = path.read_bytes()
        assert data.index(torch.ones(5).numpy().tobytes()) % alignment == 0
    assert [x.tolist() for x in torch.load(path, mmap=True)] == [[0, 1, 2], [1.0] * 5]


def test_byte_order_and_checksums():
    s = torch.serialization
    assert s.get_default_load_endianness() is None and s.get_crc32_options() is True
    s.set_default_load_endianness(s.LoadEndianness.BIG)
    assert config.load.endianness is s.LoadEndianness.BIG
    f = io.BytesIO()
    torch.save(torch.tensor([1], dtype=torch.int16), f, _disable_byteorder_record=True)
    try:
        f.seek(0)
        assert torch.load(f).tolist() == [256]
    finally:
        s.set_default_load_endianness(None)
    s.set_crc32_options(False)
    try:
        torch.save(torch.ones(1), f := io.BytesIO())
    finally:
        s.set_crc32_options(True)
    f.seek(0)
    assert torch.load(f).tolist() == [1.0]
    with pytest.raises(TypeError, match="set_default_load_endianness"):
        s.set_default_load_endianness("big")
