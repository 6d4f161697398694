"""Creation functions: the same results, dtypes, strides and kinds of error as torch, and golden values without it."""

import array
import warnings

import numpy as np
import pytest

import cltorch
from cltorch import dtypes

# Every expression is evaluated with torch standing for cltorch and, where it is installed, for torch itself.
RESULTS = """
torch.tensor([[1, 2], [3, 4]])
torch.tensor([1, 2.5])
torch.tensor([True, 1])
torch.tensor([True, False])
torch.tensor(3)
torch.tensor(3.5)
torch.tensor([])
torch.tensor([[], []])
torch.tensor(())
torch.tensor(range(3))
torch.tensor([1.7, -1.7], dtype=torch.int64)
torch.tensor([0.0, 1.7], dtype=torch.bool)
torch.tensor([-1], dtype=torch.uint8)
torch.tensor(1e40)
torch.tensor([70000.0], dtype=torch.float16)
torch.tensor(2**63, dtype=torch.float32)
torch.tensor(np.float64(3))
torch.tensor([np.float64(3)])
torch.tensor([np.float32(3), 1.0])
torch.tensor([np.int32(3)])
torch.tensor(np.int32(3))
torch.tensor(np.bool_(1))
torch.tensor(np.arange(6).reshape(2, 3).T)
torch.tensor([np.array([1, 2]), np.array([2, 3])])
torch.tensor([torch.tensor(1.0), 2])
torch.tensor([torch.tensor([1.0]), torch.tensor([2.0])])
torch.tensor(bytearray(b"ab"))
torch.tensor([1.0, 2], dtype=float)
torch.tensor([1], dtype=int)
torch.tensor(5, dtype=torch.bool)
torch.tensor(1.5, dtype=torch.int32)
torch.tensor([1.0], requires_grad=True).requires_grad
torch.as_tensor(np.float32(3))
torch.as_tensor(torch.ones(2), dtype=torch.int64)
torch.as_tensor(np.ones(2), dtype=torch.float32)
torch.asarray([1, 2])
torch.asarray(5.0)
torch.asarray(np.ones(2), dtype=torch.float32)
torch.asarray(bytearray(b"ab"), dtype=torch.uint8)
torch.scalar_tensor(3)
torch.scalar_tensor(True)
torch.scalar_tensor(3, dtype=torch.int8)
torch.zeros(2, 3)
torch.zeros((2, 3))
torch.zeros([2])
torch.zeros(())
torch.zeros(size=(2,))
torch.zeros(0, 3)
torch.zeros(np.int64(2))
torch.zeros(torch.Size([2, 1]))
torch.zeros(2, dtype=int)
torch.zeros(2, 3, out=torch.ones(2, 3))
torch.ones(2, dtype=torch.bool)
torch.full((2,), 1)
torch.full((2,), True)
torch.full((2,), 1.5)
torch.full((2,), torch.tensor(3.0))
torch.full((2,), 1, dtype=torch.float32)
torch.full((2,), 1.7, dtype=torch.int32)
torch.full((2,), -1, dtype=torch.uint8)
torch.full((2,), float("-inf"))
torch.full((2,), 1, out=torch.tensor([1.0, 2.0]))
torch.full_like(torch.tensor([1]), 1.5)
torch.ones_like(torch.tensor([1, 2]), dtype=torch.float64)
torch.zeros_like(torch.ones(2, 3).t())
torch.empty_like(torch.ones(2, 3).t()).stride()
torch.empty_like(torch.ones(2, 3, 4)[:, :, ::2]).stride()
torch.empty_like(torch.ones(1, 3).expand(2, 3)).stride()
torch.empty_like(torch.ones(2, 1, 4).expand(2, 3, 4).permute(2, 1, 0)).stride()
torch.empty_like(torch.ones(2, 3, 4).permute(2, 0, 1)[:, 1:]).stride()
torch.empty_strided((2, 3), (1, 2)).stride()
torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
torch.tensor([1.0]).new_zeros(2, 3)
torch.tensor([1]).new_tensor([1.5])
torch.tensor([1]).new_full((2,), 1.5)
torch.tensor([1]).new_ones((2,))
torch.tensor([1], dtype=torch.int8).new_empty(0)
torch.arange(5)
torch.arange(0)
torch.arange(5.0)
torch.arange(5, 1, -2)
torch.arange(0, 1, 0.3)
torch.arange(1, 2.5)
torch.arange(torch.tensor(3))
torch.arange(torch.tensor(3.0))
torch.arange(5, dtype=torch.float16)
torch.arange(2.5, dtype=torch.int32)
torch.arange(0.5, 3.5, dtype=torch.int64)
torch.arange(True)
torch.arange(start=1, end=3)
torch.arange(end=3)
torch.arange(1, 10, step=4)
torch.arange(300, dtype=torch.uint8)
torch.arange(1, 1)
torch.arange(2**62, 2**62 + 3)
torch.arange(0, 1000, 0.1)
torch.range(1, 4)
torch.range(0, 1, 0.5)
torch.linspace(0, 1, 5)
torch.linspace(0, 1, 0)
torch.linspace(0, 1, 1)
torch.linspace(0, 10, 5, dtype=torch.int64)
torch.linspace(0, 10, 4, dtype=torch.int32)
torch.linspace(10, 0, 4, dtype=torch.int32)
torch.linspace(-3, 3, 4, dtype=torch.int32)
torch.linspace(torch.tensor(0.0), torch.tensor(1.0), 3)
torch.linspace(0, 1, 3, dtype=torch.float16)
torch.linspace(-1, 1, 1001, dtype=torch.float64)
torch.linspace(start=0, end=1, steps=7)
torch.logspace(0, 2, 3)
torch.logspace(0, 2, 3, base=2)
torch.logspace(0, 2, 3, dtype=torch.int32)
torch.logspace(0, 1, 4, base=-2)
torch.eye(3)
torch.eye(2, 3)
torch.eye(3, 2, dtype=torch.bool)
torch.eye(0)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, offset=2)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.uint8, count=3)
torch.arange(-2.5, 2.5, dtype=torch.int8)
torch.arange(0.5, 4, 1.5, dtype=torch.int64)
torch.arange(5.9, 1.2, -1.5, dtype=torch.int32)
torch.arange(-5, 5, 2.5)
torch.arange(10, 0, -3, dtype=torch.int16)
torch.arange(1, 2, 0.1, dtype=torch.float64)
torch.arange(1e10, 1e10 + 3)
torch.arange(2, dtype=float)
torch.arange(5, dtype=torch.bfloat16)
torch.arange(np.int64(3))
torch.arange(np.float32(2.5))
torch.linspace(0, 3, 10, dtype=torch.int8)
torch.linspace(1e10, 1e-10, 7)
torch.linspace(5, 5, 4)
torch.linspace(True, 3, 3)
torch.logspace(-3, 3, 7, dtype=torch.float64)
torch.logspace(2, -2, 5, base=0.5)
torch.logspace(0, 4, 1)
torch.full_like(torch.ones(2, 3).t(), 2).stride()
torch.full_like(torch.ones(2), True)
torch.full((2, 2), 3)
torch.full((), 2.5)
torch.full([1, 2], -1, dtype=torch.int8)
torch.zeros_like(torch.ones(2, 1).expand(2, 3)).stride()
torch.empty_like(torch.ones(2, 3, 4).permute(2, 0, 1)).stride()
torch.eye(3, dtype=torch.int8)
torch.eye(2, 5, dtype=torch.float64)
torch.ones(2, 3, dtype=torch.bool)
torch.ones((0, 3)).shape
torch.empty(2, 0, 3).numel()
torch.randperm(0)
torch.randperm(5).sort()[0]
torch.as_tensor(np.arange(3))
torch.randint(5, (0,))
torch.randperm(4, dtype=torch.int32).sort()[0]
torch.tensor(np.array(3, dtype=np.int16))
torch.tensor([[True], [False]])
torch.tensor([1, 2], dtype=torch.float16)
torch.tensor([float("nan"), float("inf")])
torch.as_tensor([1, 2], dtype=torch.uint8)
torch.asarray(torch.ones(2), dtype=torch.int64)
torch.asarray(np.float64(2))
torch.asarray(True)
torch.from_numpy(np.arange(6).reshape(2, 3)[:, ::2]).stride()
torch.empty_strided((2, 3), (3, 1)).stride()
torch.empty_strided((0, 3), (3, 1)).shape
torch.ones(2).new_zeros(3, dtype=torch.int32)
torch.ones(2).new_full((2,), 7)
torch.ones(2, dtype=torch.int8).new_tensor([1.7, 2])
torch.ones(2).new_empty((0, 2)).shape
torch.scalar_tensor(2.5, dtype=torch.float64)
torch.range(3, 1, -1)
torch.range(1, 2, 0.4, dtype=torch.float64)
torch.Tensor([1, 2])
torch.Tensor(2, 0).shape
torch.multinomial(torch.tensor([0.0, 1.0, 0.0]), 1)
torch.multinomial(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 3, replacement=True)
torch.multinomial(torch.tensor([1.0, 1.0, 1.0]), 3).sort()[0]
torch.bernoulli(torch.tensor([0.0, 1.0]))
torch.randint(3, 4, (2, 2))
torch.rand(0, 3).shape
torch.randn((2, 3)).shape
torch.normal(torch.tensor([1.0, 2.0]), 0.0)
torch.normal(3.0, 0.0, (2,))
torch.rand_like(torch.ones(2, 3).t()).stride()
torch.randint_like(torch.ones(2), 7, 8)
torch.empty(3).uniform_(2, 2)
torch.zeros(3).random_(4, 5)
torch.poisson(torch.zeros(2))
""".strip().splitlines()

ERRORS = """
torch.tensor([[1, 2], [3]])
torch.tensor([1, "a"])
torch.tensor("a")
torch.tensor([1, [2]])
torch.tensor([[1], 2])
torch.tensor(None)
torch.tensor([None])
torch.tensor({1: 2})
torch.tensor([2**63])
torch.tensor(2**63)
torch.tensor([10**400])
torch.tensor(300, dtype=torch.uint8)
torch.tensor([300], dtype=torch.uint8)
torch.tensor([float("nan")], dtype=torch.int64)
torch.tensor(float("inf"), dtype=torch.int64)
torch.tensor([1e20], dtype=torch.int64)
torch.tensor(3000000000, dtype=torch.int32)
torch.tensor([torch.tensor([1.0, 2]), torch.tensor([2.0, 3])])
torch.tensor([1], requires_grad=True)
torch.tensor(np.array(["a"]))
torch.tensor(np.ones(3)[::-1])
torch.tensor(b"ab")
torch.tensor([1], dtype="float32")
torch.tensor(object())
torch.tensor([1], device="foo")
torch.tensor([1], [2])
torch.as_tensor(np.ones(3)[::-1])
torch.from_numpy([1])
torch.from_numpy(np.ones(3)[::-1])
torch.from_numpy(np.ones(3, dtype=">f4"))
torch.from_numpy(np.array(["a"]))
torch.asarray([1], copy=False)
torch.asarray(np.ones(2), copy=False, dtype=torch.float32)
torch.zeros()
torch.zeros(2, 3.0)
torch.zeros([2, [3]])
torch.zeros(None)
torch.zeros(2, -1)
torch.zeros(2, requires_grad=True, dtype=int)
torch.zeros(True)
torch.zeros(2, dtype="a")
torch.zeros_like([1])
torch.full(2, 1)
torch.full((2,), "a")
torch.full((2,), 300, dtype=torch.uint8)
torch.full((2,), float("nan"), dtype=torch.int32)
torch.full((2,), 1, out=torch.tensor([1.0, 2.0]), dtype=torch.int32)
torch.empty_strided((2, 3), (1,))
torch.empty_strided((2, 3), (1, -1))
torch.arange(1, 5, 0)
torch.arange(5, 1)
torch.arange(0, -0.5)
torch.arange(float("inf"))
torch.arange(float("nan"))
torch.arange(5, dtype=torch.bool)
torch.arange("a")
torch.arange()
torch.linspace(0, 1)
torch.linspace(0, 1, -1)
torch.linspace(0, 1, 2.5)
torch.linspace(torch.tensor([0.0]), 1, 3)
torch.linspace(1, 2, 3, dtype=torch.bool)
torch.logspace(0, 2, -1)
torch.eye(-1)
torch.eye(2, -3)
torch.eye(2.0)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, count=3)
torch.frombuffer(bytearray(b"abcde"), dtype=torch.int16)
torch.frombuffer(bytearray(b""), dtype=torch.int16)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, offset=4)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, count=0)
torch.frombuffer(5, dtype=torch.int16)
""".strip().splitlines()


def run(text, module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, {"torch": module, "np": np})


@pytest.mark.parametrize("text", RESULTS)
def test_result_is_torchs(text):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, theirs = run(text, cltorch), run(text, torch)
    if not isinstance(theirs, torch.Tensor):
        assert ours == theirs
        return
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    assert ours.stride() == theirs.stride()
    a, b = (x.detach().double().numpy() for x in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=3e-7 if theirs.dtype is torch.float32 else 1e-15, atol=1e-7)


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    with pytest.raises(Exception) as ours:
        run(text, cltorch)
    assert isinstance(ours.value, (RuntimeError, TypeError, ValueError)) and str(ours.value)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        run(text, torch)
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


@pytest.mark.parametrize("t", dtypes.ALL, ids=str)
def test_filled(t, device):
    if t is dtypes.float64 and not fp64(device):
        pytest.skip("the device has no float64")
    for n in (0, 1, 5, 300_001):
        for make, value in ((cltorch.zeros, 0), (cltorch.ones, 1)):
            assert (numbers(make(n, dtype=t, device=device)) == value).all()
        assert (numbers(cltorch.full((n,), 3, dtype=t, device=device)) == (1 if t is dtypes.bool_ else 3)).all()
    x = cltorch.full((3,), -0.0, device=device)
    assert np.signbit(numbers(x)).all()


@pytest.mark.parametrize("t", [t for t in dtypes.ALL if t is not dtypes.bool_], ids=str)
def test_spaced(t, device):
    if t is dtypes.float64 and not fp64(device):
        pytest.skip("the device has no float64")
    np.testing.assert_array_equal(numbers(cltorch.arange(3, 100, 7, dtype=t, device=device)), np.arange(3, 100, 7))
    host = numbers(cltorch.linspace(0, 9, 23, dtype=t))
    got = numbers(cltorch.linspace(0, 9, 23, dtype=t, device=device))
    # a device's product and sum are one operation: in float64 that may be the last digit
    np.testing.assert_allclose(got, host, rtol=3e-16 if t is dtypes.float64 else 0)
    assert got[0] == 0 and got[-1] == 9
    long = numbers(cltorch.arange(100_000, dtype=dtypes.int64, device=device))
    np.testing.assert_array_equal(long, np.arange(100_000))


@pytest.mark.parametrize("rows, columns", [(3, 5), (5, 3), (1, 1), (200, 130), (130, 200), (1, 7), (7, 1), (0, 3)])
def test_eye(rows, columns, device):
    for t in (dtypes.float32, dtypes.bfloat16, dtypes.int64, dtypes.bool_):
        np.testing.assert_array_equal(
            numbers(cltorch.eye(rows, columns, dtype=t, device=device)), np.eye(rows, columns)
        )


def test_like_keeps_device_dtype_and_order(device):
    x = cltorch.zeros(2, 3, 4, dtype=dtypes.int32, device=device).permute(2, 0, 1)
    for make in (cltorch.ones_like, lambda v: cltorch.full_like(v, 1), lambda v: cltorch.empty_like(v).fill_(1)):
        y = make(x)
        assert y.dtype is x.dtype and y.device == x.device and y.stride() == x.stride() and (numbers(y) == 1).all()


def test_new_keeps_device_and_dtype(device):
    x = cltorch.zeros(1, dtype=dtypes.float16, device=device)
    for y in (x.new_zeros(2), x.new_ones(2), x.new_full((2,), 3), x.new_empty(2), x.new_tensor([1, 2])):
        assert y.dtype is x.dtype and y.device == x.device and tuple(y.shape) == (2,)


def test_tensor_copies_and_from_numpy_does_not():
    a = np.zeros(3, np.float32)
    copied, shared, also = cltorch.tensor(a), cltorch.from_numpy(a), cltorch.as_tensor(a)
    a[0] = 5
    assert copied.tolist() == [0, 0, 0] and shared.tolist() == also.tolist() == [5, 0, 0]
    shared[1] = 7
    assert a.tolist() == [5, 7, 0]
    assert cltorch.as_tensor(shared) is shared


def test_from_numpy_keeps_strides():
    a = np.arange(24).reshape(2, 3, 4)[:, ::2].transpose(2, 0, 1)
    x = cltorch.from_numpy(a)
    assert x.stride() == tuple(s // 8 for s in a.strides) and (x.numpy() == a).all()
    x[0, 0, 0] = 99
    assert a[0, 0, 0] == 99


def test_read_only_numpy_warns():
    a = np.zeros(2)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        cltorch.from_numpy(a)


def test_tensor_of_a_tensor_warns():
    with pytest.warns(UserWarning, match="sourceTensor.detach"):
        cltorch.tensor(cltorch.ones(1))


def test_frombuffer_shares():
    buffer = array.array("f", [1, 2, 3])
    x = cltorch.frombuffer(buffer, dtype=dtypes.float32)
    buffer[0] = 9
    assert x.tolist() == [9, 2, 3]


def test_asarray_keeps_history_unless_told(device):
    x = cltorch.ones(2, device=device, requires_grad=True)
    assert cltorch.asarray(x * 2, requires_grad=False).requires_grad is False
    assert cltorch.asarray(x, requires_grad=True) is x


def test_default_device_and_dtype(device):
    with cltorch.device(device):
        assert cltorch.zeros(1).device == cltorch.zeros(1, device=device).device
        assert cltorch.tensor([1]).device == cltorch.arange(2).device == cltorch.eye(2).device
    cltorch.set_default_dtype(dtypes.float64)
    try:
        assert cltorch.tensor([1.0]).dtype is cltorch.ones(1).dtype is cltorch.linspace(0, 1, 2).dtype is dtypes.float64
    finally:
        cltorch.set_default_dtype(dtypes.float32)


def fp64(device):
    d = cltorch.device(device)
    return d.type == "cpu" or d.context.caps.fp64


def numbers(x):
    x = x.cpu()
    return x.float().numpy() if x.dtype in (dtypes.bfloat16, dtypes.float16) else x.numpy()


def test_arange_of_integers_whose_step_is_a_fraction(device):
    assert cltorch.arange(3, 4, 0.5, dtype=cltorch.uint8, device=device).tolist() == [3, 3]
    with pytest.raises(ValueError, match="step must be nonzero"):
        cltorch.arange(3, 4, 0.5, dtype=cltorch.int64, device=device)
    with pytest.raises(RuntimeError, match="step must be nonzero"):
        cltorch.arange(3, 4, 0, device=device)


def test_a_chosen_device_takes_tensors_and_arrays_too(device):
    x, a = cltorch.ones(2), np.ones(2, np.float32)
    here = cltorch.ones(1, device=device).device
    with cltorch.device(device):
        made = [cltorch.asarray(x), cltorch.asarray(a), cltorch.as_tensor(x), cltorch.as_tensor(a)]
        made += [cltorch.asarray(a.data), cltorch.asarray(x, copy=True)]
    assert all(y.device == here and y.tolist() == [1, 1] for y in made)
    y = cltorch.ones(2, device=device)
    assert cltorch.asarray(y) is y and cltorch.as_tensor(y) is y  # nothing is chosen: they stay
    with cltorch.device("cpu"):
        assert cltorch.asarray(y).device.type == cltorch.as_tensor(y).device.type == "cpu"
