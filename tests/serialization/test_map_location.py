"""map_location in every form, and files that were saved on a GPU."""

import io
from pathlib import Path

import pytest

import cltorch as torch

FILES = Path(__file__).parent / "files"
without_device = pytest.mark.skipif("torch.cl.is_available()", reason="needs a machine without an OpenCL device")


@pytest.fixture(params=["cuda.pt", "cuda_legacy.pt"])
def path(request):
    return FILES / request.param


@pytest.mark.parametrize(
    "where",
    [
        "cpu",
        torch.device("cpu"),
        {"cuda:0": "cpu"},
        {"cl:0": "cpu"},
        {torch.device("cl:0"): torch.device("cpu")},
        lambda storage, tag: storage,
        lambda storage, tag: storage.cpu() if tag == "cuda:0" else None,
    ],
)
def test_a_gpu_file_on_the_host(path, where):
    x = torch.load(path, map_location=where)["x"]
    assert x.device.type == "cpu" and x.tolist() == [0, 1, 2]


def test_to_a_device(path, device):
    for where in (device, str(device), {"cuda:0": device}):
        x = torch.load(path, map_location=where)["x"]
        assert x.device == torch.device(device) and x.tolist() == [0, 1, 2]


def test_from_a_device_and_back(device):
    x = torch.arange(6.0, device=device).reshape(2, 3)
    f = io.BytesIO()
    torch.save({"x": x, "row": x[1]}, f)
    f.seek(0)
    found = torch.load(f)
    assert found["x"].device == x.device and found["row"].tolist() == [3, 4, 5]
    found["row"].fill_(7.0)
    assert found["x"].tolist() == [[0, 1, 2], [7, 7, 7]]
    f.seek(0)
    assert torch.load(f, map_location="cpu")["x"].device.type == "cpu"
    f.seek(0)
    assert torch.load(f, lambda storage, tag: None)["x"].device == x.device


def test_a_gpu_file_goes_to_the_opencl_device(path):
    if torch.cl.is_available():
        assert torch.load(path)["x"].device == torch.device("cl:0")
    else:
        with pytest.raises(RuntimeError, match="map_location=torch.device.'cpu'."):
            torch.load(path)


def test_errors(path):
    with pytest.raises(RuntimeError, match="device_count"):
        if not torch.cl.is_available():
            pytest.skip("no OpenCL device")
        torch.load(path, map_location="cl:99")
    with pytest.raises(TypeError, match="map_location"):
        torch.load(path, map_location=3.5)
    with pytest.raises(TypeError, match="not a storage"):
        torch.load(path, map_location=lambda storage, tag: "cpu")
    with pytest.raises(RuntimeError, match="tagged with mps"):
        torch.serialization.default_restore_location(torch.UntypedStorage(4), "mps")
