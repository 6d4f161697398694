"""Norms, moments, products and running totals of complex numbers, by NumPy and by finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.nn import functional as f

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
    "logsumexp": (lambda z: z.logsumexp(1, True), lambda z: np.log(np.exp(z).sum(1, keepdims=True))),
    "logcumsumexp": (lambda z: z.logcumsumexp(0), lambda z: np.log(np.exp(z).cumsum(0))),
    "logaddexp": (lambda z: cltorch.logaddexp(z, z.flip(1)), lambda z: np.log(np.exp(z) + np.exp(z[:, ::-1]))),
    "rms_norm": (lambda z: f.rms_norm(z, (5,), z[0], 0.5),
                 lambda z: z / np.sqrt((z**2).mean(1, keepdims=True) + 0.5) * z[0]),
    "sinc": (cltorch.sinc, np.sinc),
    "silu": (f.silu, lambda z: z / (1 + np.exp(-z))),
    "softsign": (f.softsign, lambda z: z / (1 + abs(z))),
    "tanhshrink": (f.tanhshrink, lambda z: z - np.tanh(z)),
    "l1_loss": (lambda z: f.l1_loss(z, z.real * 2), lambda z: np.asarray(abs(z - z.real * 2).mean())),
    "embedding": (lambda z: f.embedding(cltorch.tensor([2, 0, 2], device=z.device), z), lambda z: z[[2, 0, 2]]),
    "unfold": (lambda z: f.unfold(z[None], (2, 3)),
               lambda z: np.lib.stride_tricks.sliding_window_view(z, (2, 3)).reshape(-1, 6).T),
    "fold": (lambda z: f.fold(z.reshape(3, 5), (1, 7), (1, 3)),
             lambda z: sum(np.pad(z[i], (i, 2 - i)) for i in range(3)).reshape(1, 1, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(device, name):
    of, ref = CASES[name]
    got, want = of(cltorch.tensor(Z, dtype=cltorch.complex64, device=device)).cpu().numpy(), ref(Z)
    assert got.dtype == (np.complex64 if want.dtype.kind == "c" else np.float32) and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    z = cltorch.tensor(Z, dtype=cltorch.complex128, requires_grad=True)
    of = CASES[name][0]
    assert gradcheck(of, (z,), check_forward_ad=True) and gradgradcheck(of, (z,))


@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions(device, transposed):
    x, w, b = Z[:2, :4][:, None].repeat(2, 1), Z.ravel()[:12].reshape(2, 2, 3), Z[0, :2]

    def of(x, w, b):
        return (f.conv_transpose1d if transposed else f.conv1d)(x, w, b, padding=1)

    want = np.empty((2, 2, 4), complex)
    for i in range(2):
        for o in range(2):
            rows = (np.convolve(x[i, j], w[j, o] if transposed else w[o, j, ::-1]) for j in range(2))
            want[i, o] = sum(rows)[1:-1] + b[o]
    got = of(*(cltorch.tensor(a, dtype=cltorch.complex64, device=device) for a in (x, w, b)))
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-5, atol=1e-5)
    if device == "cpu":
        assert gradcheck(of, [cltorch.tensor(a, requires_grad=True) for a in (x, w, b)], check_forward_ad=True)


def test_what_is_not_finite():
    inf, nan = float("inf"), float("nan")
    z = cltorch.tensor([complex(nan, inf), complex(-inf, 1)])
    assert cltorch.nan_to_num(z, posinf=5.0, neginf=-3.0).tolist() == [5j, -3 + 1j]
    none, all_of = cltorch.full((2,), complex(-inf, 0)), cltorch.full((2,), complex(inf, 0))
    assert cltorch.logaddexp(none, none).real.tolist() == none.logsumexp(0).real.expand(2).tolist() == [-inf, -inf]
    assert (
        cltorch.logaddexp(none, all_of).real.tolist() == cltorch.logaddexp(all_of, all_of).real.tolist() == [inf, inf]
    )
    assert cltorch.float_power(cltorch.tensor([2j]), 2).tolist() == [-4 + 0j]


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
    refused = (lambda x: f.avg_pool1d(x, 1),)
    for of in refused:
        with pytest.raises(NotImplementedError, match="not implemented for complex tensors"):
            of(z)
    with pytest.raises(RuntimeError, match="dtype should be complex for complex inputs, but got Float"):
        cltorch.linalg.vector_norm(z, dtype=cltorch.float32)
    with pytest.raises(RuntimeError, match="dtype should be real for real inputs, but got ComplexFloat"):
        cltorch.linalg.vector_norm(z.real, dtype=cltorch.complex64)


def test_products_of_no_complex_numbers_belong_to_the_graph(device):
    x = cltorch.ones(3, 0, dtype=cltorch.complex64, device=device, requires_grad=True)
    y = cltorch.prod(x, 1)
    assert y.tolist() == [1, 1, 1] and y.requires_grad
    assert cltorch.autograd.grad(y.sum().real, x)[0].shape == (3, 0)
