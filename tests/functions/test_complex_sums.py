"""Norms, moments, products and running totals of complex numbers, by NumPy and by finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck

_DRAW = np.random.default_rng(3)
Z = _DRAW.normal(size=(3, 5)) + 1j * _DRAW.normal(size=(3, 5))
INF = float("inf")

CASES = {
    "var": (lambda z: z.var(1), lambda z: np.asarray(z.var(1, ddof=1))),
    "var of all": (lambda z: z.var(correction=0), lambda z: np.asarray(z.var())),
    "std": (lambda z: z.std(0, keepdim=True), lambda z: z.std(0, ddof=1, keepdims=True)),
    "std_mean": (lambda z: cltorch.std_mean(z, 1)[1], lambda z: z.mean(1)),
    "norm": (lambda z: z.norm(), lambda z: np.asarray(np.linalg.norm(z))),
    "vector_norm 2": (lambda z: cltorch.linalg.vector_norm(z, 2, 1, True),
                      lambda z: np.linalg.norm(z, axis=1, keepdims=True)),
    "vector_norm 1": (lambda z: cltorch.linalg.vector_norm(z, 1, 0), lambda z: abs(z).sum(0)),
    "vector_norm 3": (lambda z: cltorch.linalg.vector_norm(z, 3, -1), lambda z: (abs(z)**3).sum(1) ** (1 / 3)),
    "vector_norm inf": (lambda z: cltorch.linalg.vector_norm(z, INF, 1), lambda z: abs(z).max(1)),
    "matrix_norm fro": (cltorch.linalg.matrix_norm, lambda z: np.asarray(np.linalg.norm(z))),
    "matrix_norm 1": (lambda z: cltorch.linalg.matrix_norm(z, 1), lambda z: np.asarray(np.linalg.norm(z, 1))),
    "matrix_norm inf": (lambda z: cltorch.linalg.norm(z, INF), lambda z: np.asarray(np.linalg.norm(z, INF))),
    "prod": (lambda z: z.prod(), lambda z: np.asarray(z.prod())),
    "prod of rows": (lambda z: z.prod(1, keepdim=True), lambda z: z.prod(1, keepdims=True)),
    "cumsum": (lambda z: z.cumsum(0), lambda z: z.cumsum(0)),
    "cumprod": (lambda z: z.cumprod(-1), lambda z: z.cumprod(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(device, name):
    f, ref = CASES[name]
    got, want = f(cltorch.tensor(Z, dtype=cltorch.complex64, device=device)).cpu().numpy(), ref(Z)
    assert got.dtype == (np.complex64 if want.dtype.kind == "c" else np.float32) and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    z = cltorch.tensor(Z, dtype=cltorch.complex128, requires_grad=True)
    f = CASES[name][0]
    assert gradcheck(f, (z,), check_forward_ad=True) and gradgradcheck(f, (z,))


def test_zeros_among_the_factors():
    z = cltorch.tensor([0, 2j, 1 + 1j], requires_grad=True)
    z.prod().real.backward()
    assert z.grad.tolist() == [-2 - 2j, 0, 0]
    still = cltorch.full((3,), 1j, requires_grad=True)
    (still.std() + (still * 0).norm()).backward()
    assert still.grad.tolist() == [0, 0, 0]


def test_of_nothing():
    z = cltorch.zeros(2, 0, dtype=cltorch.complex64)
    assert z.prod(1).tolist() == [1, 1] and z.cumprod(1).shape == z.cumsum(1).shape == (2, 0)
    assert cltorch.tensor(2j).cumprod(0).item() == cltorch.tensor(2j).cumsum(0).item() == 2j


def test_refusals_say_what_is_missing():
    z = cltorch.ones(2, 2, dtype=cltorch.complex64)
    refused = (
        lambda x: x.logsumexp(0),
        lambda x: cltorch.float_power(x, 2),
        lambda x: cltorch.nn.functional.conv1d(x[None], x[None]),
    )
    for f in refused:
        with pytest.raises(NotImplementedError, match="not implemented for complex tensors"):
            f(z)
    with pytest.raises(RuntimeError, match="dtype should be complex for a complex input"):
        cltorch.linalg.vector_norm(z, dtype=cltorch.float32)
    with pytest.raises(RuntimeError, match="dtype should be real for a real input"):
        cltorch.linalg.vector_norm(z.real, dtype=cltorch.complex64)
