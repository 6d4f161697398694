"""Interchange with PyTorch itself, in both directions."""

import io
from collections import Counter, OrderedDict

import pytest

import cltorch

torch = pytest.importorskip("torch", reason="compares with PyTorch")

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
FORMS = [{}, {"_use_new_zipfile_serialization": False}]


def to_cltorch(obj, **form):
    f = io.BytesIO()
    torch.save(obj, f, **form)
    f.seek(0)
    return cltorch.load(f)


def to_torch(obj, **form):
    f = io.BytesIO()
    cltorch.save(obj, f, **form)
    f.seek(0)
    return torch.load(f)


@pytest.mark.parametrize("form", FORMS, ids=["zip", "legacy"])
@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_both_ways(name, form):
    x = torch.arange(6).reshape(2, 3).to(getattr(torch, name)).t()
    there = to_cltorch(x, **form)
    assert there.tolist() == x.tolist() and there.stride() == x.stride()
    back = to_torch(there, **form)
    assert back.dtype is x.dtype and back.equal(x) and back.stride() == x.stride()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("form", FORMS, ids=["zip", "legacy"])
def test_structures_both_ways(form):
    base = torch.arange(12.0)
    obj = {
        "base": base,
        "view": base.view(3, 4)[1:, 1:3],
        "p": torch.nn.Parameter(torch.ones(2)),
        "grad": torch.ones(2, requires_grad=True),
        "od": OrderedDict(a=1),
        "plain": [None, True, 2**70, 1.5, "ü", b"\xff", (1, 2), {1, 2}, 1j, bytearray(b"x"), Counter("aab")],
        "kinds": (torch.float64, torch.Size([1, 2]), torch.device("cpu"), torch.strided),
        "typed": torch.FloatStorage([1.0, 2.0]),
    }
    if not form:  # PyTorch cannot read an untyped storage back from its older format
        obj["storage"] = torch.arange(3).untyped_storage()
    there = to_cltorch(obj, **form)
    back = to_torch(there, **form)
    assert list(back) == list(obj)
    for key in ("od", "plain", "kinds"):
        assert back[key] == obj[key]
    for key in ("base", "view", "p", "grad"):
        assert type(back[key]) is type(obj[key]) and back[key].equal(obj[key])
        assert back[key].requires_grad == obj[key].requires_grad and back[key].stride() == obj[key].stride()
    assert back["base"].untyped_storage().data_ptr() == back["view"].untyped_storage().data_ptr()
    assert list(back["typed"]) == [1.0, 2.0]
    assert form or list(back["storage"]) == list(obj["storage"])


def test_a_trained_model_moves_both_ways():
    def build(t):
        return t.nn.Sequential(
            t.nn.Conv2d(1, 2, 3), t.nn.BatchNorm2d(2), t.nn.ReLU(), t.nn.Flatten(), t.nn.Linear(8, 3)
        )

    torch.manual_seed(0)
    theirs, ours = build(torch), build(cltorch)
    optimizer = torch.optim.Adam(theirs.parameters())
    theirs(torch.randn(4, 1, 4, 4)).sum().backward()
    optimizer.step()
    found = to_cltorch({"model": theirs.state_dict(), "optimizer": optimizer.state_dict()})
    ours.load_state_dict(found["model"])
    x = torch.randn(2, 1, 4, 4)
    theirs.eval(), ours.eval()
    expected = theirs(x).detach().numpy()
    assert ours(cltorch.from_numpy(x.numpy())).detach().numpy() == pytest.approx(expected, abs=1e-5)
    adam = cltorch.optim.Adam(ours.parameters())
    adam.load_state_dict(found["optimizer"])
    back = to_torch({"model": ours.state_dict(), "optimizer": adam.state_dict()})
    fresh = build(torch)
    fresh.load_state_dict(back["model"])
    assert all(a.equal(b) for a, b in zip(fresh.state_dict().values(), theirs.state_dict().values(), strict=True))
    again = torch.optim.Adam(fresh.parameters())
    again.load_state_dict(back["optimizer"])
    assert again.state[fresh[0].weight]["exp_avg"].equal(optimizer.state[theirs[0].weight]["exp_avg"])


def test_files_by_path_and_mapping(tmp_path):
    cltorch.save({"x": cltorch.arange(1000)}, tmp_path / "ours.pt")
    assert torch.load(tmp_path / "ours.pt", mmap=True)["x"].equal(torch.arange(1000))
    torch.save({"x": torch.arange(1000)}, tmp_path / "theirs.pt")
    assert cltorch.load(tmp_path / "theirs.pt", mmap=True)["x"].tolist() == list(range(1000))


def test_a_device_tensor_is_tagged_for_torch(device):
    f = io.BytesIO()
    cltorch.save(cltorch.arange(3.0, device=device), f)
    f.seek(0)
    assert torch.load(f, map_location="cpu").tolist() == [0, 1, 2]


def test_attributes_both_ways():
    x = torch.ones(2)
    x.note = "hello"
    there = to_cltorch(x)
    assert there.note == "hello"
    assert to_torch(there).note == "hello"


def test_what_has_no_counterpart_says_so():
    with pytest.raises(Exception, match="GLOBAL torch|sparse"):
        to_cltorch(torch.zeros(2, 2).to_sparse())


def test_complex_numbers():
    for t in (torch.complex64, torch.complex128):
        found = to_cltorch(torch.tensor([[1 + 2j, 3 - 1j]], dtype=t).T)
        assert str(found.dtype) == str(t) and found.tolist() == [[1 + 2j], [3 - 1j]]


def test_files_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        assert to_cltorch(torch.arange(3)).tolist() == [0, 1, 2]
    finally:
        torch.serialization.set_crc32_options(True)
