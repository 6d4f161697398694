"""Normalisation by neighbouring channels: both kinds of kernel against sums written out, gradients, launches."""

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.autograd.record import apply
from cltorch.nn import functional as F
from cltorch.ops.local_response import LocalResponseNorm

ALPHA, BETA, K = 0.3, 0.6, 0.7
SHAPES = [(2, 5, 40), (2, 7, 3, 4), (1, 4, 2, 3, 2), (3, 1, 1)]


def reference(x, g, size):
    """Return result and gradient in float64, channel by channel."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    windows = [slice(max(0, c - size // 2), c + (size - 1) // 2 + 1) for c in range(x.shape[1])]
    d = np.stack([K + ALPHA / size * (x[:, w] ** 2).sum(1) for w in windows], 1)
    gx = g / d**BETA
    for c, w in enumerate(windows):
        gx[:, w] -= (g * x / d ** (BETA + 1))[:, c, None] * 2 * ALPHA / size * BETA * x[:, w]
    return x / d**BETA, gx


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 20])
def test_both_kinds_of_kernel(size, variant, cl_device):
    for shape in SHAPES:
        a, b = draw(*shape), draw(*shape, seed=1)
        x = cltorch.tensor(a, device=cl_device, requires_grad=True)
        out = apply(LocalResponseNorm, x, size, ALPHA, BETA, K, variant)
        (g,) = cltorch.autograd.grad(out, x, cltorch.tensor(b, device=cl_device))
        for found, wanted in zip((out.detach(), g), reference(a, b, size), strict=True):
            np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("size", [2, 5])
def test_result_and_gradient(size, device):
    for shape in SHAPES:
        a, b = draw(*shape), draw(*shape, seed=1)
        x = cltorch.tensor(a, device=device, requires_grad=True)
        out = F.local_response_norm(x, size, ALPHA, BETA, K)
        out.backward(cltorch.tensor(b, device=device))
        for found, wanted in zip((out.detach(), x.grad), reference(a, b, size), strict=True):
            np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_halves_are_computed_in_float(name, device):
    dtype = getattr(cltorch, name)
    a, b = (cltorch.tensor(draw(2, 6, 21, seed=i) * 30).to(dtype) for i in range(2))
    x = a.to(device).detach().requires_grad_()
    out = F.local_response_norm(x, 3, ALPHA, BETA, K)
    out.backward(b.to(device))
    assert out.dtype is x.grad.dtype is dtype
    wanted = reference(a.float().numpy(), b.float().numpy(), 3)
    for found, w in zip((out.detach(), x.grad), wanted, strict=True):
        np.testing.assert_allclose(found.cpu().float().numpy(), w, rtol=1e-2, atol=1e-2)


def test_operands_of_any_strides_and_formats(device):
    a, b = draw(2, 4, 5, 3), draw(2, 4, 5, 3, seed=1)
    wanted = reference(a, b, 3)
    for form in (
        lambda x: x.to(memory_format=cltorch.channels_last), lambda x: cltorch.stack([x, x], -1)[..., 1],
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    ):  # fmt: skip
        x = form(cltorch.tensor(a, device=device)).detach().requires_grad_()
        out = F.local_response_norm(x, 3, ALPHA, BETA, K)
        (g,) = cltorch.autograd.grad(out, x, form(cltorch.tensor(b, device=device)))
        last = x.is_contiguous(memory_format=cltorch.channels_last)
        assert out.is_contiguous(memory_format=cltorch.channels_last) == last
        for found, w in zip((out.detach(), g), wanted, strict=True):
            np.testing.assert_allclose(found.cpu().numpy(), w, rtol=2e-5, atol=1e-6)


def test_one_launch_forward_and_two_backward(cl_device):
    context = cltorch.device(cl_device).resolve().context
    x = cltorch.ones(2, 4, 30, device=cl_device, requires_grad=True)
    g = cltorch.ones(2, 4, 30, device=cl_device)
    counts = [context.launches]
    out = F.local_response_norm(x, 3)
    counts.append(context.launches)
    cltorch.autograd.grad(out, x, g)
    counts.append(context.launches)
    assert np.diff(counts).tolist() == [1, 2]


def test_gradients_of_both_orders(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.tensor(draw(2, 4, 3), dtype=cltorch.float64, device=device, requires_grad=True)
    gradcheck(lambda x: F.local_response_norm(x, 3, ALPHA, BETA, K), (x,))
    if device == "cpu":  # second derivatives are made of the same functions on every device
        gradgradcheck(lambda x: F.local_response_norm(x, 4, ALPHA, BETA, K), (x,))


def test_what_is_refused_and_what_is_empty(device):
    x = cltorch.ones(2, 3, 4, device=device)
    for size in (0, -1):
        with pytest.raises(RuntimeError, match="kernel size should be greater than zero"):
            F.local_response_norm(x, size)
    with pytest.raises(TypeError):
        F.local_response_norm(x, 3.0)
    assert F.local_response_norm(x[:0], 3).shape == (0, 3, 4)
    assert F.local_response_norm(x, 3).requires_grad is False
