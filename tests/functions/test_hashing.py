"""hash_tensor against NumPy's exclusive or of the same bits, on every device."""

import numpy as np
import pytest

import cltorch

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool"]


def bits(x):
    a = x.cpu().float().numpy() if x.dtype in (cltorch.bfloat16, cltorch.float16) else x.cpu().numpy()
    return (a.astype(np.float64) if a.dtype.kind == "f" else a.astype(np.int64)).view(np.uint64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_elements_or_some_dimensions(dtype, device, fp64):
    if dtype == "float64" and not fp64:
        pytest.skip("the device has no float64")
    rng = np.random.default_rng(1)
    x = cltorch.tensor(rng.normal(0, 9, (4, 5, 3))).to(getattr(cltorch, dtype)).to(device)
    want = bits(x)
    for dim, axes in ((None, (0, 1, 2)), (1, 1), ((0, -1), (0, 2)), ((), (0, 1, 2))):
        got = cltorch.hash_tensor(x, dim)
        assert got.dtype is cltorch.uint64
        np.testing.assert_array_equal(got.cpu().numpy(), np.bitwise_xor.reduce(want, axes))
    assert x.hash_tensor(0, keepdim=True).shape == (1, 5, 3)
    part = x.transpose(0, 2)[1:, ::2]
    np.testing.assert_array_equal(part.hash_tensor(2).cpu().numpy(), np.bitwise_xor.reduce(bits(part), 2))


def test_rare_numbers(device):
    x = np.array([1e-42, 1.4e-45, -3e-39, 1.17e-38, 0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38], np.float32)
    got = cltorch.hash_tensor(cltorch.tensor(x[:, None], device=device), 1)
    np.testing.assert_array_equal(got.cpu().numpy(), x.astype(np.float64).view(np.uint64))


def test_no_elements_and_what_is_refused(device):
    x, empty = cltorch.ones(2, 3, device=device), cltorch.ones(0, 3, device=device)
    assert cltorch.hash_tensor(empty, 1).shape == (0,)
    out = cltorch.empty(0, dtype=cltorch.uint64, device=device)
    assert cltorch.hash_tensor(x[:1], 1, out=out) is out and out.tolist() == [bits(x)[0, 0]]
    assert not cltorch.hash_tensor(x.requires_grad_()).requires_grad
    for call, error, words in (
        (lambda: cltorch.hash_tensor(empty), RuntimeError, "Expected reduction dim to be specified"),
        (lambda: cltorch.hash_tensor(empty, 0), IndexError, "reduction dim 0 to have non-zero size"),
        (lambda: cltorch.hash_tensor(x, 5), IndexError, "Dimension out of range"),
        (lambda: cltorch.hash_tensor(x, mode=1), RuntimeError, "Unknown hash_tensor mode: 1"),
        (lambda: cltorch.hash_tensor(x + 0j), NotImplementedError, "not implemented for 'ComplexFloat'"),
        (lambda: cltorch.hash_tensor(x, 0, out=x.long()), RuntimeError, "result to be of dtype uint64"),
    ):
        with pytest.raises(error, match=words):
            call()
