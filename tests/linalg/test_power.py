"""Exponentials, Vandermonde's matrices, products of vectors, covariances, against NumPy and SciPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck


def host(x):
    return x.detach().cpu().numpy()


def near(found, want, loose=2e-4):
    assert found.shape == np.shape(want)
    np.testing.assert_allclose(host(found), want, loose, loose)


def random(*shape, device, dtype=ct.float32, seed=11):
    return ct.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype, device=device)


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 8.0])
def test_exponentials_follow_scipy(device, fp64, size):
    scipy = pytest.importorskip("scipy.linalg", reason="the reference is SciPy's")
    for dtype, loose in ((ct.float32, 3e-6), (ct.float64, 1e-14)):
        if dtype is ct.float64 and not fp64:
            continue
        x = random(3, 4, 4, device=device, dtype=dtype) * size
        found, want = host(ct.matrix_exp(x)), scipy.expm(host(x).astype(np.float64))
        error = np.abs(found - want).max((-2, -1)) / np.abs(want).max((-2, -1))
        assert error.max() < loose * max(size * 8, 1)
    near(ct.linalg.matrix_exp(x[0].mT), scipy.expm(host(x[0]).T), 1e-3)


def test_exponentials_at_the_edges(device):
    near(ct.linalg.matrix_exp(ct.zeros(2, 3, 3, device=device)), np.broadcast_to(np.eye(3), (2, 3, 3)))
    assert ct.linalg.matrix_exp(ct.zeros(2, 0, 0, device=device)).shape == (2, 0, 0)
    both = ct.stack([ct.eye(2, device=device), ct.full((2, 2), ct.nan, device=device)])
    found = host(ct.matrix_exp(both))
    assert np.isnan(found[1]).all() and np.allclose(found[0], np.e * np.eye(2))
    half = ct.matrix_exp(ct.eye(2, dtype=ct.float16, device=device))
    assert half.dtype is ct.float16 and half[0, 0].item() == pytest.approx(np.e, abs=2e-3)
    with pytest.raises(RuntimeError, match="linalg.matrix_exp: A must be batches of square matrices"):
        ct.matrix_exp(ct.ones(2, 3, device=device))
    with pytest.raises(RuntimeError, match="Expected a floating point or complex tensor as input. Got Long"):
        ct.matrix_exp(ct.ones(2, 2, dtype=ct.int64, device=device))


def test_powers_of_matrices(device):
    x = random(2, 3, 3, device=device)
    for n in (-3, -1, 0, 1, 2, 5):
        near(ct.linalg.matrix_power(x, n), np.linalg.matrix_power(host(x), n), 5e-3)


def test_vandermonde_matrices(device):
    x = random(4, device=device)
    near(ct.vander(x), np.vander(host(x)))
    near(ct.vander(x, 3, increasing=True), np.vander(host(x), 3, increasing=True))
    assert (ct.vander(x, 1).shape, ct.vander(x, 0).shape) == ((4, 1), (4, 0))
    y = random(2, 3, device=device)
    near(ct.linalg.vander(y, N=4), host(y)[..., None] ** np.arange(4))
    near(ct.linalg.vander(y), host(y)[..., None] ** np.arange(3))
    small = ct.tensor([1, 2], dtype=ct.int8, device=device)
    assert (ct.linalg.vander(small, N=3).dtype, ct.linalg.vander(small, N=3).tolist()) == (
        ct.int64,
        [[1, 1, 1], [1, 2, 4]],
    )
    for call, words in (
        (lambda: ct.linalg.vander(x, N=1), "N must be greater than 1."),
        (lambda: ct.vander(y), "x must be a one-dimensional tensor."),
        (lambda: ct.vander(x, -1), "N must be non-negative."),
        (lambda: ct.linalg.vander(x > 0), "supports floating point, complex, and integer tensors, but got Bool"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()


def test_products_of_vectors(device):
    x, y = random(2, 3, device=device), random(4, 1, 3, device=device, seed=12)
    near(ct.linalg.vecdot(x, y), (host(x) * host(y)).sum(-1))
    near(ct.linalg.vecdot(x, x, dim=0), (host(x) ** 2).sum(0))
    near(ct.linalg.cross(x, x[:1]), np.cross(host(x), host(x[:1])))
    near(ct.linalg.cross(x.mT, x.mT + 1, dim=0), np.cross(host(x), host(x) + 1).T)
    near(ct.linalg.multi_dot([x, x.mT, x]), host(x) @ host(x).T @ host(x))
    near(ct.linalg.matmul(x, x.mT), host(x) @ host(x).T)
    assert ct.linalg.diagonal(ct.ones(2, 3, 4, device=device), offset=1).shape == (2, 3)
    with pytest.raises(
        RuntimeError, match="linalg.vecdot: Expected x and y to have the same dtype, but found x of type"
    ):
        ct.linalg.vecdot(x, y.half())
    with pytest.raises(RuntimeError, match="linalg.cross: inputs must have the same number of dimensions"):
        ct.linalg.cross(x, x[0])


def test_covariances_follow_numpy(device):
    x = random(3, 5, device=device)
    f, a = ct.tensor([1, 2, 0, 1, 3], device=device), random(5, device=device, seed=13).abs()
    for named in ({}, {"correction": 0}, {"fweights": f}, {"aweights": a}, {"fweights": f, "aweights": a},
                  {"aweights": a, "correction": 0}):  # fmt: skip
        numpy = {"ddof": named.get("correction", 1)}
        numpy |= {k: host(v) for k, v in named.items() if k != "correction"}
        near(ct.cov(x, **named), np.cov(host(x), **numpy))
        near(x[0].cov(**named), np.cov(host(x[0]), **numpy))
    near(ct.corrcoef(x), np.corrcoef(host(x)))
    near(x[0].corrcoef(), 1.0)
    assert ct.cov(f).item() == pytest.approx(np.cov(host(f)))


def test_errors_of_covariances(device):
    x = ct.ones(2, 3, device=device)
    for named, words in (
        (
            {"fweights": ct.ones(3, device=device)},
            "expected fweights to have integral dtype but got fweights with Float",
        ),
        ({"fweights": ct.ones(2, dtype=ct.int32, device=device)}, "observations in the input but got 2 != 3"),
        (
            {"aweights": ct.ones(3, 1, device=device)},
            "aweights to have one or fewer dimensions but got aweights with 2",
        ),
        ({"aweights": ct.ones(3, dtype=ct.int32, device=device)}, "aweights to have floating point dtype"),
        ({"aweights": -ct.ones(3, device=device)}, "aweights cannot be negative"),
        ({"fweights": ct.zeros(3, dtype=ct.int64, device=device)}, "weights sum to zero, can't be normalized"),
    ):
        with pytest.raises(RuntimeError, match=rf"cov\(\): .*{words}"):
            ct.cov(x, **named)
    with pytest.raises(RuntimeError, match="expected input to have two or fewer dimensions but got an input with 3"):
        ct.cov(x[None])
    with pytest.raises(RuntimeError, match=r"corrcoef\(\): expected input to have two or fewer dimensions"):
        ct.corrcoef(x[None])
    with pytest.raises(RuntimeError, match="bool dtype is not supported for input"):
        ct.cov(x > 0)
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert np.isnan(host(ct.cov(x, correction=5))).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ct.cov(x)


GRADIENTS = {
    "matrix_exp": (ct.linalg.matrix_exp, (2, 3, 3)),
    "matrix_power": (lambda x: ct.linalg.matrix_power(x, -2), (3, 3)),
    "vander": (lambda x: ct.linalg.vander(x, N=4), (2, 3)),
    "vecdot": (lambda x: ct.linalg.vecdot(x, x[0]), (2, 3)),
    "cross": (lambda x: ct.linalg.cross(x[0], x[1]), (2, 3)),
    "cov": (lambda x: ct.cov(x, aweights=ct.tensor([1.0, 2, 1, 3], dtype=x.dtype, device=x.device)), (2, 4)),
    "corrcoef": (lambda x: ct.corrcoef(x)[0, 1], (2, 5)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_powers(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    f, shape = GRADIENTS[name]
    x = random(*shape, device=device, dtype=ct.float64).requires_grad_()
    assert gradcheck(f, [x])
    if device == "cpu":
        assert gradgradcheck(f, [x])


def test_gradients_that_are_zero():
    a = random(2, 2, device="cpu").requires_grad_()
    ct.linalg.matrix_power(a, 0).sum().backward()
    ct.linalg.slogdet(a).sign.backward()
    assert a.grad.tolist() == [[0, 0], [0, 0]]


def test_float_weights_of_doubles_are_summed_as_floats():
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    x, w = np.random.default_rng(3).standard_normal((3, 6)), np.array([0.1, 0.7, 0.3, 0.9, 0.2, 0.6], np.float32)
    for correction in (0, 1):
        ours = ct.cov(ct.tensor(x), correction=correction, aweights=ct.tensor(w))
        theirs = torch.cov(torch.from_numpy(x), correction=correction, aweights=torch.from_numpy(w))
        np.testing.assert_allclose(host(ours), theirs.numpy(), rtol=1e-12)
