"""Settings of saving and loading, and files without their data."""

import io
import mmap
import pickle
import sys
from types import FunctionType, SimpleNamespace

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
    assert torch.load(path, mmap=True).tolist() == [9, 1, 2, 3]
    assert torch.load(path).tolist() == [9, 1, 2, 3]  # as in PyTorch: the old values' checksum no longer counts
    monkeypatch.setattr(config.load, "mmap", True)
    assert torch.load(path).tolist() == [9, 1, 2, 3]
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


def test_settings_that_there_are_not():
    assert config.load.calculate_storage_offsets is False and config.save.use_pinned_memory_for_d2h is False
    for group in (config.load, config.save):
        with pytest.raises(AttributeError, match="misspelt does not exist"):
            group.misspelt = True


class Counting(pickle._Pickler):
    """A pickler in Python that writes functions of its own accord, as dill's does."""

    dispatch = {
        **pickle._Pickler.dispatch,
        FunctionType: lambda self, f: self.save_reduce(eval, (f.__name__,), obj=f),
    }


class Reducing(pickle.Pickler):
    """A pickler in C that says how to rebuild functions, as cloudpickle's does."""

    def reducer_override(self, obj):
        return (eval, (obj.__name__,)) if isinstance(obj, FunctionType) else NotImplemented


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", [Counting, Reducing])
def test_a_pickle_module_writes_what_pickle_cannot(kind, zipped):
    def local():
        pass

    local.__name__ = "len"
    module = SimpleNamespace(Pickler=kind, Unpickler=pickle.Unpickler)
    value = {"f": local, "x": torch.ones(2), "dtype": torch.float16}
    f = io.BytesIO()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        torch.save(value, f)
    f = io.BytesIO()
    torch.save(value, f, pickle_module=module, _use_new_zipfile_serialization=zipped)
    f.seek(0)
    found = torch.load(f, pickle_module=module, weights_only=False)
    assert found["f"] is len and found["x"].tolist() == [1, 1] and found["dtype"] is torch.float16
    f.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(f)


class Slots:
    __slots__ = ("a",)


def test_allowed_classes_without_a_dict_and_names_of_python_2():
    value = Slots()
    value.a = 3
    f = io.BytesIO()
    torch.save([value, range(4)], f)
    f.seek(0)
    name = f"{Slots.__module__}.Slots"
    assert torch.serialization.get_unsafe_globals_in_checkpoint(f) == sorted(["builtins.range", name])
    f.seek(0)
    with torch.serialization.safe_globals([Slots, range]):
        found, numbers = torch.load(f)
    assert found.a == 3 and numbers == range(4)


def test_arguments_of_an_unpickler_that_are_not_known():
    f = io.BytesIO()
    torch.save(1, f)
    f.seek(0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'fix_imports'"):
        torch.load(f, fix_imports=True)
    f.seek(0)
    assert torch.load(f, fix_imports=True, weights_only=False) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows maps files otherwise")
def test_a_file_that_was_changed_through_its_mapping_can_be_read(tmp_path):
    path = tmp_path / "shared.pt"
    torch.save({"x": torch.zeros(3), "y": torch.arange(2)}, path)
    with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        mapped = torch.load(path, mmap=True)
    mapped["x"].fill_(7)
    del mapped
    found = torch.load(path)
    assert found["x"].tolist() == [7, 7, 7] and found["y"].tolist() == [0, 1]
