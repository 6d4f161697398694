"""DLPack: memory shared with NumPy and torch both ways, given back when its last user goes."""

import gc

import numpy as np
import pytest

import cltorch
from cltorch import dlpack, dtypes

TYPES = list(dtypes.ALL)


def sample(t):
    return cltorch.arange(12).reshape(3, 4).to(t)[:, 1:3].t()


@pytest.mark.parametrize("t", [t for t in TYPES if t is not dtypes.bfloat16], ids=str)
def test_numpy_sees_the_same_memory(t):
    x = sample(t)
    a = np.from_dlpack(x)
    assert a.shape == (2, 3) and a.dtype == t.np and (a == x.numpy()).all()
    assert a.ctypes.data == x.data_ptr()


@pytest.mark.parametrize("t", [t for t in TYPES if t is not dtypes.bfloat16], ids=str)
def test_from_numpy_without_a_copy(t):
    a = np.arange(12).reshape(3, 4).astype(t.np)[:, 1:3]
    x = cltorch.from_dlpack(a)
    assert x.dtype is t and tuple(x.shape) == (3, 2) and x.data_ptr() == a.ctypes.data
    a[0, 0] = 0
    assert x[0, 0].item() == 0


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_torch_both_ways(t):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = sample(t)
    theirs = torch.from_dlpack(x)
    assert str(theirs.dtype) == str(t) and theirs.stride() == x.stride() and theirs.data_ptr() == x.data_ptr()
    back = cltorch.from_dlpack(theirs)
    assert back.dtype is t and back.data_ptr() == x.data_ptr() and back.tolist() == x.tolist() == theirs.tolist()


def test_memory_is_given_back():
    x = cltorch.ones(1000)
    before = len(dlpack._lent)
    a = np.from_dlpack(x)
    capsule = cltorch.to_dlpack(x)
    y = cltorch.from_dlpack(x)
    del x
    gc.collect()
    assert len(dlpack._lent) == before + 3 and a[0] == 1 and y[999].item() == 1
    del a, capsule, y
    gc.collect()
    assert len(dlpack._lent) == before


def test_capsule_is_used_once():
    capsule = cltorch.to_dlpack(cltorch.tensor([1.0, 2.0]))
    assert cltorch.from_dlpack(capsule).tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="can be consumed only once"):
        cltorch.from_dlpack(capsule)


def test_scalars_and_empty():
    assert cltorch.from_dlpack(np.array(3.5)).item() == 3.5
    assert tuple(cltorch.from_dlpack(np.ones((0, 3))).shape) == (0, 3)
    assert np.from_dlpack(cltorch.zeros(2, 0)).shape == (2, 0)


def test_the_host_has_no_streams():
    with pytest.raises(AssertionError, match="stream should be None on cpu"):
        cltorch.ones(2).__dlpack__(stream=1)
    assert cltorch.from_dlpack(cltorch.ones(2).__dlpack__(stream=-1)).tolist() == [1, 1]


def test_refusals(device, monkeypatch):
    with pytest.raises(BufferError, match="require gradient"):
        cltorch.ones(1, requires_grad=True).__dlpack__()
    with pytest.raises(RuntimeError, match="an invalid capsule"):
        cltorch.from_dlpack([1, 2])
    x = cltorch.ones(2, device=device)
    if x.device.type == "cpu":
        with monkeypatch.context() as patch:
            patch.setitem(dlpack._CODE_OF, cltorch.float32, 3)  # handles without a meaning
            with pytest.raises(RuntimeError, match="not supported"):
                cltorch.from_dlpack(x)
    if x.device.type == "cl":
        with pytest.raises((BufferError, RuntimeError)):
            np.from_dlpack(x)  # NumPy knows memory of the host only
        with pytest.raises(BufferError, match="to DLPack device"):
            x.__dlpack__(dl_device=(2, 0))
        with pytest.raises(ValueError, match="without copying"):
            x.__dlpack__(dl_device=(1, 0), copy=False)
        assert cltorch.from_dlpack(x).data_ptr() == x.data_ptr()


def test_copy_and_device(device):
    a = np.ones(3, np.float32)
    x = cltorch.from_dlpack(a, copy=True)
    a[:] = 0
    assert x.tolist() == [1, 1, 1]
    y = cltorch.from_dlpack(x, device=device)
    assert str(y.device) == str(cltorch.ones(1, device=device).device) and y.cpu().tolist() == [1, 1, 1]


def test_a_taker_may_ask_for_the_host(device):
    x = cltorch.arange(6.0, device=device).reshape(2, 3)[:, 1:]
    taken = cltorch.from_dlpack(x.__dlpack__(max_version=(1, 0), dl_device=(1, 0)))
    assert taken.device.type == "cpu" and taken.tolist() == [[1, 2], [4, 5]]
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        assert np.from_dlpack(x, device="cpu").tolist() == [[1, 2], [4, 5]]


def test_between_tensors_of_one_opencl_context(cl_device):
    x = cltorch.arange(12.0, device=cl_device).reshape(3, 4)[1:, 1:3]
    y = cltorch.from_dlpack(cltorch.to_dlpack(x))
    assert y.device == x.device and y.stride() == x.stride() and y.tolist() == x.tolist() == [[5, 6], [9, 10]]
    y.fill_(7)
    assert x.tolist() == [[7, 7], [7, 7]] and (y + 1).tolist() == [[8, 8], [8, 8]]
    before = len(dlpack._lent)
    del y
    gc.collect()
    assert len(dlpack._lent) == before - 1
    for _ in range(3):  # of capsules that nobody takes over only the last is kept
        x.__dlpack__()
    assert len(dlpack._lent) == before
    with pytest.raises(RuntimeError, match="can be consumed only once"):
        capsule = x.__dlpack__()
        cltorch.from_dlpack(capsule)
        cltorch.from_dlpack(capsule)


@pytest.mark.parametrize("name", ["tensor", "as_tensor", "asarray"])
def test_an_object_that_has_dlpack_alone_becomes_a_tensor(name):
    class Lender:
        def __dlpack__(self, **named):
            return array.__dlpack__(**named)

        def __dlpack_device__(self):
            return array.__dlpack_device__()

    array = np.array([[1, 2], [3, 4]], np.int16)
    found = getattr(cltorch, name)(Lender())
    assert found.dtype is cltorch.int16 and found.tolist() == [[1, 2], [3, 4]]
