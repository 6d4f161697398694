"""Loading files that PyTorch wrote (files/make.py): both formats, without PyTorch."""

import io
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
