"""Loading files that PyTorch wrote (files/make.py): both formats, without PyTorch."""

import io
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch

FILES = Path(__file__).parent / "files"
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


@pytest.fixture(params=["zip.pt", "legacy.pt"])
def path(request):
    return FILES / request.param


def test_tensors(path):
    found = torch.load(path)
    for name in DTYPES:
        t = found["dtypes"][name]
        assert t.dtype is getattr(torch, name) and t.device.type == "cpu"
        assert t.tolist() == ([False, True, True, True] if name == "bool" else [0, 1, 2, 3])
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    assert found["base"].tolist() == base.ravel().tolist()
    assert found["transposed"].stride() == (1, 6) and found["transposed"].tolist() == base.T.tolist()
    assert found["window"].storage_offset() == 8 and found["window"].tolist() == base[1:3, 2:5].tolist()
    assert found["scalar"].shape == () and found["scalar"].item() == 2.5
    assert found["empty"].shape == (0, 3)
    assert found["expanded"].stride() == (0, 1) and found["expanded"].tolist() == [[1.0] * 3] * 2


def test_views_share_their_storage_again(path):
    found = torch.load(path)
    found["base"][8] = -1.0
    assert found["window"][0, 0].item() == -1.0 and found["transposed"][2, 1].item() == -1.0


def test_parameters_and_requires_grad(path):
    found = torch.load(path)
    assert isinstance(found["parameter"], torch.nn.Parameter) and not found["parameter"].requires_grad
    assert found["needs_grad"].requires_grad and not isinstance(found["needs_grad"], torch.nn.Parameter)
    assert not found["base"].requires_grad


def test_state_dicts(path):
    found = torch.load(path)
    state = found["state_dict"]
    assert type(state) is OrderedDict and list(state) == ["weight", "bias"] and state._metadata == {"": {"version": 1}}
    layer = torch.nn.Linear(2, 3)
    layer.load_state_dict(state)
    assert layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and layer.bias.tolist() != [0, 0, 0]
    optimizer = torch.optim.Adam(layer.parameters())
    optimizer.load_state_dict(found["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.state[layer.weight]["exp_avg"].numpy() == pytest.approx(0.1)


def test_plain_values(path):
    found = torch.load(path)
    plain = [None, True, -7, 2**70, 1.5, "text", b"bytes", (1, (2, 3)), {"a": {4, 5}}, 1j, OrderedDict(b=1)]
    assert found["plain"] == plain and [type(v) for v in found["plain"]] == [type(v) for v in plain]
    assert found["size"] == torch.Size([2, 3]) and isinstance(found["size"], torch.Size)
    assert found["dtype"] is torch.float16 and found["device"] == torch.device("cpu")


def test_trusting_unpickler_finds_our_classes(path):
    found = torch.load(path, weights_only=False)
    assert isinstance(found["parameter"], torch.nn.Parameter) and isinstance(found["size"], torch.Size)
    assert found["base"].tolist() == list(range(24)) and found["dtype"] is torch.float16


def test_sources(path):
    expected = list(range(24))
    with open(path, "rb") as f:
        assert torch.load(f)["base"].tolist() == expected
    data = path.read_bytes()
    assert torch.load(io.BytesIO(data))["base"].tolist() == expected
    assert torch.load(str(path))["base"].tolist() == expected
    # a stream may hold something in front
    f = io.BytesIO(b"12345" + data)
    f.seek(5)
    assert torch.load(f)["base"].tolist() == expected
    with pytest.raises(AttributeError, match="seekable"):
        torch.load(object())
    with pytest.raises(FileNotFoundError):
        torch.load(path.with_suffix(".missing"))


def test_mmap(tmp_path):
    copy = tmp_path / "copy.pt"
    copy.write_bytes((FILES / "zip.pt").read_bytes())
    found = torch.load(copy, mmap=True)
    assert found["window"].tolist() == torch.load(copy)["window"].tolist()
    found["base"].fill_(5.0)  # changes the pages in memory, not the file
    assert torch.load(copy)["base"][1].item() == 1.0
    with pytest.raises(RuntimeError, match="mmap can only be used"):
        torch.load(FILES / "legacy.pt", mmap=True)
    with pytest.raises(ValueError, match="file path"):
        torch.load(io.BytesIO(copy.read_bytes()), mmap=True)


def _stream(*objects, tail=b""):
    """Return a file of the legacy format whose last pickles are given as they are."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    return io.BytesIO(b"".join([*(pickle.dumps(x, 2) for x in head), *objects, tail]))


@pytest.mark.parametrize("weights_only", [True, False])
def test_what_python_2_wrote_is_text_of_an_encoding_or_bytes(weights_only):
    # its str are bytes: [a letter, a tensor]
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x011U\x03cpuK\x01NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x01\x85K\x01\x85\x89NtR"
    graph, keys = b"\x80\x02](U\x02\xc5\xbc" + tensor + b"e.", b"\x80\x02]U\x011a."
    for encoding, letter in (("utf-8", "ż"), ("bytes", b"\xc5\xbc")):
        file = _stream(graph, keys, tail=b"\x01" + bytes(7) + b"\x00\x00\x80?")
        found = torch.load(file, weights_only=weights_only, encoding=encoding)
        assert found[0] == letter and found[1].tolist() == [1.0]


def _reference(offset, count, key):
    return (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x001X\x03\x00\x00\x00cpuK\x04X\x01\x00\x00\x00"
        + key + b"K%cK%c\x87tQ" % (offset, count)
    )  # fmt: skip


def test_parts_of_storages_are_parts_of_one_memory(device):
    graph = b"\x80\x02" + _reference(0, 1, b"2") + _reference(1, 3, b"3") + b"\x86."
    values = np.arange(4, dtype="<f4").tobytes()
    file = _stream(graph, pickle.dumps(["1"], 2), tail=b"\x04" + bytes(7) + values)
    first, rest = torch.load(file, map_location=device)
    assert first.tolist() == [0.0] and rest.tolist() == [1.0, 2.0, 3.0] and rest.device == first.device
    if device == "cpu":
        assert first.data_ptr() + 4 == rest.data_ptr()


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_the_first_versions_are_built_from_what_they_view(zipped):
    class Old:
        def __init__(self, x):
            self.x = x

        def __reduce__(self):
            x = self.x
            return torch.Tensor, (), (x.storage(), x.storage_offset(), tuple(x.shape), x.stride())

    for x in (torch.arange(30.0), torch.arange(30)):
        x, file = x.as_strided((2, 3), (9, 3), 2), io.BytesIO()
        torch.save([Old(x), x], file, _use_new_zipfile_serialization=zipped)
        file.seek(0)
        old, new = torch.load(file)
        assert torch.equal(old, x) and old.stride() == (9, 3) and old.dtype is x.dtype
        old.zero_()
        assert new.sum().item() == 0  # they share their memory
