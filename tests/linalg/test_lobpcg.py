"""Eigenvalues by iteration, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct


def host(x):
    return x.detach().cpu().numpy()


def matrix(n, device, dtype=ct.float32, batch=()):
    x = np.random.default_rng(4).standard_normal((*batch, n, n))
    return ct.tensor(x @ np.swapaxes(x, -2, -1) / n + np.diag(np.arange(n)), dtype=dtype, device=device)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("method", ["basic", "ortho"])
def test_eigenpairs_are_those_of_numpy(device, largest, method):
    A = matrix(20, device)
    E, X = ct.lobpcg(A, k=3, largest=largest, method=method)
    w = np.linalg.eigvalsh(host(A))
    want = w[::-1][:3] if largest else w[:3]
    assert E.shape == (3,) and X.shape == (20, 3)
    np.testing.assert_allclose(host(E), want, 2e-4, 2e-4)
    np.testing.assert_allclose(host(A @ X), host(X * E), 0, 0.05)
    np.testing.assert_allclose(host(X.mT @ X), np.eye(3), 0, 1e-4)


def test_general_problems_batches_and_first_vectors(device):
    linalg = pytest.importorskip("scipy.linalg", reason="the reference is SciPy's")
    A, B = matrix(12, device), ct.diag(ct.arange(1.0, 13.0, device=device))
    E, _ = ct.lobpcg(A, k=2, B=B, iK=B.inverse())
    np.testing.assert_allclose(host(E), linalg.eigh(host(A), host(B))[0][::-1][:2], 1e-3, 1e-3)
    many = matrix(15, device, batch=(2, 2))
    E, X = ct.lobpcg(many, X=ct.randn(2, 2, 15, 4, device=device), k=2)
    assert X.shape == (2, 2, 15, 2)
    np.testing.assert_allclose(host(E), np.linalg.eigvalsh(host(many))[..., ::-1][..., :2], 1e-3, 1e-3)
    assert ct.lobpcg(A, niter=0)[0].shape == (1,)


def test_eigenvalues_that_are_equal_do_no_harm(device):
    E, X = ct.lobpcg(ct.eye(9, device=device) * 2, k=3)
    np.testing.assert_allclose(host(E), [2, 2, 2], 1e-5)
    np.testing.assert_allclose(host(X.mT @ X), np.eye(3), 0, 1e-4)


def test_gradients_are_those_of_eigh(device, fp64):
    if not fp64:
        pytest.skip("no double precision on this device")
    A = matrix(9, device, ct.float64).requires_grad_()
    weight = ct.arange(1.0, 10.0, dtype=ct.float64, device=device)[:, None]

    def loss(E, X):
        return (E * E[:1]).sum() + (X**2 * weight).sum()  # the signs of vectors do not matter

    E, X = ct.lobpcg(A, k=2, tol=1e-11)
    w, v = ct.linalg.eigh((A + A.mT) / 2)
    want = ct.autograd.grad(loss(w.flip(0)[:2], v.flip(1)[:, :2]), [A])[0]
    np.testing.assert_allclose(host(ct.autograd.grad(loss(E, X), [A])[0]), host(want), 1e-6, 1e-6)
    with pytest.raises(ValueError, match="gradients are not supported where B is given"):
        ct.lobpcg(A, k=2, B=ct.eye(9, dtype=ct.float64, device=device))


def test_errors_of_lobpcg(device):
    A = matrix(5, device)
    with pytest.raises(ValueError, match=r"number of A rows \(=5\) is smaller than 3 x .* eigenpairs \(=2\)"):
        ct.lobpcg(A, k=2)
    with pytest.raises(ValueError, match="method must be 'basic' or 'ortho', but got 'x'"):
        ct.lobpcg(A, method="x")
    with pytest.raises(ValueError, match="square matrices"):
        ct.lobpcg(A[:3])
    with pytest.raises(NotImplementedError, match="a tracker is not supported"):
        ct.lobpcg(A, tracker=print)
