"""Products of complex matrices: NumPy is the reference of values, finite differences that of derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck

_DRAW = np.random.default_rng(11)


def draw(*shape):
    return _DRAW.normal(size=shape) + 1j * _DRAW.normal(size=shape)


A, B, C = draw(4, 3), draw(3, 5), draw(4, 5)
BATCH, OTHER = draw(2, 4, 3), draw(2, 3, 5)
V, U = draw(3), draw(3)
BIAS = draw(4)


def check(got, want, rtol=2e-5):
    got = got.detach().cpu().numpy()
    assert got.dtype == np.complex64 and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-5)


def test_values(device):
    a, b, c, batch, other, v, u, bias = (
        cltorch.tensor(x, dtype=cltorch.complex64, device=device) for x in (A, B, C, BATCH, OTHER, V, U, BIAS)
    )
    check(a @ b, A @ B)
    check(b.t() @ a.t(), (A @ B).T)
    check(cltorch.addmm(c, a, b, beta=2, alpha=1 - 0.5j), 2 * C + (1 - 0.5j) * (A @ B))
    check(cltorch.mm(a[:, ::2], b[::2]), A[:, ::2] @ B[::2])
    check(cltorch.bmm(batch, other), BATCH @ OTHER)
    check(batch @ b, BATCH @ B)
    check(cltorch.baddbmm(c, batch, other), C + BATCH @ OTHER)
    check(cltorch.mv(a, v), A @ V)
    check(cltorch.addmv(bias, a, v, alpha=2j), BIAS + 2j * (A @ V))
    check(cltorch.dot(u, v), np.asarray(U @ V))
    check(cltorch.vdot(u, v), np.vdot(U, V))
    check(cltorch.outer(u, v), np.outer(U, V))
    check(cltorch.nn.functional.linear(b.t(), a, bias), B.T @ A.T + BIAS)
    check(cltorch.einsum("bij,bjk->ik", batch, other), np.einsum("bij,bjk->ik", BATCH, OTHER))
    check(cltorch.tensordot(batch, other, ([0, 2], [0, 1])), np.einsum("bij,bjk->ik", BATCH, OTHER))
    check(cltorch.linalg.matrix_power(a[:3], 3), A[:3] @ A[:3] @ A[:3])


def test_operands_that_do_not_match():
    z, x = cltorch.ones(2, 2, dtype=cltorch.complex64), cltorch.ones(2, 2)
    with pytest.raises(RuntimeError, match="same dtype, but got: float != c10::complex<float>"):
        x @ z
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        z @ z[:1]
    assert (z[:, :0] @ z[:0]).tolist() == [[0, 0], [0, 0]]


DIFFERENTIABLE = {
    "mm": (lambda a, b: a @ b, A, B),
    "addmm": (lambda c, a, b: cltorch.addmm(c, a, b, beta=2j, alpha=1 - 1j), C, A, B),
    "bmm": (cltorch.bmm, BATCH[:, :2], OTHER[..., :2]),
    "broadcast": (lambda a, b: a @ b, BATCH[:, :2], B[:, :2]),
    "mv": (cltorch.mv, A, V),
    "dot": (cltorch.dot, U, V),
    "vdot": (cltorch.vdot, U, V),
    "linear": (cltorch.nn.functional.linear, B.T, A, BIAS),
    "einsum": (lambda a, b: cltorch.einsum("bij,bjk->ik", a, b), BATCH[:, :2], OTHER[..., :2]),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name):
    f, *operands = DIFFERENTIABLE[name]
    xs = tuple(cltorch.tensor(x, dtype=cltorch.complex128, requires_grad=True) for x in operands)
    assert gradcheck(f, xs, check_forward_ad=True) and gradgradcheck(f, xs)


def test_gradients_on_devices(device):
    a, b = (cltorch.tensor(x, dtype=cltorch.complex64, device=device, requires_grad=True) for x in (A, B))
    (a @ b).real.sum().backward()
    ones = np.ones((4, 5))
    check(a.grad, ones @ B.conj().T)
    check(b.grad, A.conj().T @ ones)
