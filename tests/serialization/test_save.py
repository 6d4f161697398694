"""Saving: round trips, shared storages, atomic replacement."""

import gc
import gzip
import io
import os
import pickle
import sys
import warnings
import zipfile
from collections import OrderedDict

import pytest

import cltorch as torch

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def round_trip(obj, **kwargs):
    f = io.BytesIO()
    torch.save(obj, f, **kwargs)
    f.seek(0)
    return torch.load(f)


@pytest.fixture(params=[{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 5}])
def form(request):
    return request.param


def test_round_trip(device, form):
    x = torch.arange(12.0, device=device).reshape(3, 4)
    obj = {
        "x": x,
        "t": x.t(),
        "part": x[1:, ::2],
        "p": torch.nn.Parameter(torch.ones(2, device=device)),
        "grad": torch.zeros(1, device=device, requires_grad=True),
        "od": OrderedDict(b=1, a=[2]),
        "plain": ["text", b"bytes", bytearray(b"12"), {1, 2}, (3,), None, 2**80, float("inf"), 1 + 2j],
        "kind": (torch.bfloat16, torch.Size([1, 2]), torch.device(device)),
        3: "number as a key",
    }
    found = round_trip(obj, **form)
    assert list(found) == list(obj) and found["plain"] == obj["plain"] and found["od"] == obj["od"]
    assert found["kind"] == obj["kind"] and isinstance(found["kind"][1], torch.Size)
    for key in ("x", "t", "part", "p", "grad"):
        a, b = found[key], obj[key]
        assert type(a) is type(b) and a.device == b.device and a.requires_grad == b.requires_grad
        assert a.stride() == b.stride() and a.storage_offset() == b.storage_offset() and a.tolist() == b.tolist()
    found["x"][1, 2] = 99.0
    assert found["t"][2, 1].item() == found["part"][0, 1].item() == 99.0


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype(name, form):
    x = torch.tensor([0, 1, 2, 100]).to(getattr(torch, name))
    found = round_trip(x, **form)
    assert found.dtype is x.dtype and found.tolist() == x.tolist()


def test_storages(form):
    typed = torch.FloatStorage([1.0, 2.0])
    raw = torch.UntypedStorage([1, 2, 3])
    found = round_trip([typed, raw], **form)
    assert found[0].tolist() == [1.0, 2.0] and found[0].dtype is torch.float32 and found[1].tolist() == [1, 2, 3]
    x = torch.zeros(2)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        round_trip([x, x.view(torch.int32)])


def test_detached_tensors_share(form):
    x = torch.zeros(3, requires_grad=True)
    found = round_trip([x, x.detach()], **form)
    found[1][0] = 4.0
    assert found[0].tolist() == [4.0, 0.0, 0.0]


def test_cycles_and_repeated_objects(form):
    x = torch.ones(2)
    loop = [x, x]
    loop.append(loop)
    found = round_trip(loop, **form)
    assert found[0] is found[1] and found[2] is found


def test_attributes_of_a_tensor(form):
    x = torch.ones(2)
    x.note = "from the user"
    found = round_trip(x, **form)
    assert found.note == "from the user" and found.tolist() == [1, 1]
    p = torch.nn.Parameter(torch.ones(1))
    p.note = {"a": 1}
    assert round_trip(p, **form).note == {"a": 1}


def test_models_and_optimizers(device):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.BatchNorm1d(4)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 3, device=device)).sum().backward()
    optimizer.step()
    found = round_trip({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert found["model"]._metadata == model.state_dict()._metadata
    for a, b in zip(found["model"].values(), model.state_dict().values(), strict=True):
        assert a.device == b.device and a.tolist() == b.tolist()
    again = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    again.load_state_dict(found["optimizer"])
    assert again.param_groups[0]["lr"] == 0.1


def test_a_whole_module_needs_trust():
    model = torch.nn.Linear(2, 1)
    f = io.BytesIO()
    torch.save(model, f)
    f.seek(0)
    with pytest.raises(Exception, match="add_safe_globals"):
        torch.load(f)
    f.seek(0)
    assert torch.load(f, weights_only=False).weight.tolist() == model.weight.tolist()


def test_archive_is_laid_out_as_pytorch_does(tmp_path):
    path = tmp_path / "model.v1.pt"
    torch.save({"a": torch.arange(5), "b": torch.zeros(3)}, path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = [i.filename for i in archive.infolist()]
        for i in archive.infolist():
            start = i.header_offset + 30 + int.from_bytes(data[i.header_offset + 26 : i.header_offset + 28], "little")
            start += int.from_bytes(data[i.header_offset + 28 : i.header_offset + 30], "little")
            assert start % 64 == 0 and i.compress_type == zipfile.ZIP_STORED
        assert archive.read("model.v1/version") == b"3\n" and archive.read("model.v1/data/0") == bytes(
            torch.arange(5).numpy()
        )
        assert archive.read("model.v1/byteorder").decode() == sys.byteorder
    assert names[0] == "model.v1/data.pkl" and "model.v1/.data/serialization_id" in names


def test_the_same_object_gives_the_same_bytes(tmp_path):
    obj = {"a": torch.arange(5), "n": [1, 2]}
    torch.save(obj, tmp_path / "x.pt")
    first = (tmp_path / "x.pt").read_bytes()
    torch.save(obj, tmp_path / "x.pt")
    assert (tmp_path / "x.pt").read_bytes() == first


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_was_packed_anew_is_read(tmp_path, kind):
    x = torch.arange(1000.0)
    torch.save({"x": x, "zeros": torch.zeros(4000), "part": x[3:5]}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as old, zipfile.ZipFile(tmp_path / "y.pt", "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    found = torch.load(tmp_path / "y.pt")
    assert torch.equal(found["x"], x) and not found["zeros"].any() and found["part"].tolist() == [3.0, 4.0]
    assert found["part"].untyped_storage().data_ptr() == found["x"].untyped_storage().data_ptr()
    with pytest.raises(RuntimeError, match="cannot be mapped"):
        torch.load(tmp_path / "y.pt", mmap=True)


class Explodes:
    def __reduce__(self):
        raise RuntimeError("in the middle of saving")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.ones(3), path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="in the middle"):
        torch.save([torch.zeros(9), Explodes()], path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.pt"]


def test_a_killed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    torch.save(torch.ones(3), path)

    def cut(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(KeyboardInterrupt):
        torch.save(torch.zeros(9), path)
    monkeypatch.undo()
    assert torch.load(path).tolist() == [1, 1, 1] and os.listdir(tmp_path) == ["x.pt"]


@pytest.mark.skipif(os.name != "posix", reason="needs permissions and links")
def test_permissions_and_links(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    torch.save(1, real)
    umask = os.umask(0)
    os.umask(umask)
    assert real.stat().st_mode & 0o777 == 0o666 & ~umask
    real.chmod(0o640)
    link.symlink_to(real)
    torch.save(2, link)
    assert link.is_symlink() and torch.load(real) == 2 and real.stat().st_mode & 0o777 == 0o640


def test_bad_targets(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(1, tmp_path / "missing" / "x.pt")
    with pytest.raises(AttributeError, match="'write' attribute"):
        torch.save(1, object())
    with pytest.raises(IsADirectoryError):
        torch.save(1, tmp_path)
    with pytest.raises(ValueError, match="pickle protocol"):
        torch.save(1, io.BytesIO(), pickle_protocol=99)
    with pytest.raises(Exception, match="pickle"):
        torch.save(lambda: 0, io.BytesIO())


@pytest.mark.parametrize("zipped", [True, False])
def test_lazy_modules_are_saved_before_they_know_their_shapes(zipped):
    net = torch.nn.Sequential(torch.nn.LazyLinear(3, dtype=torch.float64), torch.nn.LazyBatchNorm1d())
    file = io.BytesIO()
    torch.save(net, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    found = torch.load(file, weights_only=False)
    assert type(found[0].weight) is torch.nn.parameter.UninitializedParameter
    assert type(found[1].running_mean) is torch.nn.parameter.UninitializedBuffer
    assert found[0](torch.ones(2, 4, dtype=torch.float64)).shape == (2, 3)
    assert found[0].weight.shape == (3, 4) and found[1](torch.ones(2, 4)).shape == (2, 4)


def test_streams_that_cannot_go_back(tmp_path):
    with gzip.open(tmp_path / "model.pt.gz", "wb") as f:
        torch.save({"x": torch.arange(4)}, f)
    with gzip.open(tmp_path / "model.pt.gz") as f:
        assert torch.load(f)["x"].tolist() == [0, 1, 2, 3]


def test_hooks_are_not_saved_and_a_warning_says_so():
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: g)
    with pytest.warns(UserWarning, match="on tensor will not be serialized"):
        assert round_trip(x).requires_grad
    with pytest.warns(UserWarning, match="on tensor will not be serialized"):
        assert pickle.loads(pickle.dumps(x)).requires_grad
    y = torch.ones(2, requires_grad=True)
    y.register_hook(torch.utils.hooks.unserializable_hook(lambda g: g))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        round_trip(y), pickle.loads(pickle.dumps(y))


def test_names_in_an_archive_are_ascii(tmp_path):
    torch.save(torch.ones(1), tmp_path / "é.pt")
    assert "archive/data.pkl" in zipfile.ZipFile(tmp_path / "é.pt").namelist()


def test_a_save_that_fails_writes_no_more_afterwards(monkeypatch):
    class Full(io.BytesIO):
        refused, after = 0, b""

        def write(self, data):
            if self.tell() + len(data) > 5000:
                self.refused += 1
                raise OSError(28, "No space left on device")
            if self.refused:
                self.after += data
            return super().write(data)

    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    f = Full()
    with pytest.raises(OSError, match="No space left"):
        torch.save(torch.zeros(10000), f)
    gc.collect()
    assert not said and b"PK\x05\x06" not in f.after  # the mark of a directory's end
