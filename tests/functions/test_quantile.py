"""quantile and nanquantile against NumPy's, their gradients, and what they refuse."""

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck

MODES = ("linear", "lower", "higher", "midpoint", "nearest")
NAN = float("nan")


@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize("dim", [None, 0, -1])
def test_against_numpy(device, interpolation, dim):
    a = np.random.randn(5, 6).astype(np.float32)
    q = np.array([0.0, 0.3, 0.5, 1.0], np.float32)
    got = cltorch.quantile(cltorch.tensor(a, device=device), cltorch.tensor(q, device=device), dim,
                           interpolation=interpolation)  # fmt: skip
    np.testing.assert_allclose(got.numpy(force=True), np.quantile(a, q, dim, method=interpolation), rtol=1e-5)
    one = cltorch.quantile(cltorch.tensor(a, device=device), 0.3, dim, True, interpolation=interpolation)
    want = np.quantile(a, np.float32(0.3), dim, method=interpolation, keepdims=True)
    np.testing.assert_allclose(one.numpy(force=True), want, rtol=1e-5)


@pytest.mark.parametrize("interpolation", MODES)
def test_nan(device, interpolation):
    a = np.random.randn(4, 7).astype(np.float32)
    a[0, 2] = a[1, :3] = a[2] = NAN
    x = cltorch.tensor(a, device=device)
    plain = cltorch.quantile(x, 0.4, 1, interpolation=interpolation).tolist()
    assert np.isnan(plain[:3]).all() and not np.isnan(plain[3])
    got = cltorch.nanquantile(x, 0.4, 1, interpolation=interpolation).numpy(force=True)
    rows = [np.quantile(r[~np.isnan(r)], np.float32(0.4), method=interpolation) for r in a[[0, 1, 3]]]
    np.testing.assert_allclose(got[[0, 1, 3]], rows, rtol=1e-5)
    assert np.isnan(got[2])


def test_shapes_and_out():
    x = cltorch.arange(24.0).reshape(2, 3, 4)
    q = cltorch.tensor([0.25, 0.75])
    assert cltorch.quantile(x, q, 1).shape == (2, 2, 4)
    assert cltorch.quantile(x, q, 1, keepdim=True).shape == (2, 2, 1, 4)
    assert cltorch.quantile(x, q, keepdim=True).shape == (2, 1, 1, 1)
    assert cltorch.quantile(x, q[0], keepdim=True).shape == (1, 1, 1)
    assert cltorch.quantile(cltorch.tensor(3.0), q).tolist() == [3, 3]
    assert cltorch.quantile(x, q[:0], 0).shape == (0, 3, 4)
    out = cltorch.empty(0)
    assert cltorch.quantile(x, 0.5, -1, out=out) is out and out.tolist()[0] == [1.5, 5.5, 9.5]
    assert x.quantile(0.5).item() == 11.5 == x.nanquantile(0.5).item()


@pytest.mark.parametrize("interpolation", MODES)
def test_gradients(interpolation):
    x = cltorch.randn(3, 5, dtype=cltorch.float64, requires_grad=True)
    q = cltorch.tensor([0.2, 0.7], dtype=cltorch.float64)

    def f(x):
        return cltorch.quantile(x, q, 1, interpolation=interpolation), cltorch.nanquantile(
            x, 0.55, interpolation=interpolation
        )

    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


def test_errors():
    x = cltorch.arange(4.0)
    for wrong, message in (
        (lambda: cltorch.quantile(x.int(), 0.5), "must be either float or double"),
        (lambda: cltorch.quantile(x.half(), 0.5), "must be either float or double"),
        (lambda: cltorch.quantile(x[:0], 0.5), "must be non-empty"),
        (lambda: cltorch.quantile(x, 1.5), r"must be in the range \[0, 1\] but got 1.5"),
        (lambda: cltorch.nanquantile(x, cltorch.tensor([0.5, 2.0])), r"nanquantile\(\) q values must be in the range"),
        (lambda: cltorch.quantile(x, cltorch.tensor([[0.5]])), "scalar or 1D"),
        (lambda: cltorch.quantile(x, cltorch.tensor(0.5).double()), "same dtype as the input"),
        (lambda: cltorch.quantile(x, 0.5, interpolation="x"), "but got x"),
        (lambda: cltorch.quantile(x, 0.5, out=x.double()), "out tensor must be same dtype"),
    ):
        with pytest.raises(RuntimeError, match=message):
            wrong()
    with pytest.raises(IndexError, match="Dimension out of range"):
        cltorch.quantile(x, 0.5, 1)
    with pytest.raises(TypeError):
        cltorch.quantile(x, [0.5])
