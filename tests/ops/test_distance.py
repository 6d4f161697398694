"""The kernels of distances, of CPUs and of GPUs, against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch as ct
from cltorch.ops.distance import distances, gradient

SHAPES = [((3, 5), (4, 5)), ((2, 17, 33), (2, 18, 33)), ((1, 1), (1, 1)), ((2, 1, 20, 3), (2, 1, 1, 3))]


def host(x):
    return x.float().cpu().numpy().astype(np.float64)


def norms(d, p):
    if p == 0:
        return (d != 0).sum(-1).astype(np.float64)
    return np.abs(d).max(-1) if p == math.inf else (np.abs(d) ** p).sum(-1) ** (1 / p)


def random(*shape, dtype, device, seed):
    return ct.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype, device=device)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, math.inf])
def test_distances_of_both_kinds_of_kernel(cl_device, variant, p):
    for a, b in SHAPES:
        x, y = (random(*s, dtype=ct.float32, device=cl_device, seed=i) for i, s in enumerate((a, b)))
        d = host(x)[..., :, None, :] - host(y)[..., None, :, :]
        found = distances(x, y, float(p), variant)
        np.testing.assert_allclose(host(found), norms(d, p), 1e-4, 1e-4)
        if p == 0:
            continue
        w = random(*found.shape, dtype=ct.float32, device=cl_device, seed=3)
        if p == math.inf:
            term = np.sign(d) * (np.abs(d) == np.abs(d).max(-1, keepdims=True))
        else:
            term = np.sign(d) * np.abs(d) ** (p - 1)
        term = term * host(w)[..., None]
        for second, want in ((False, term.sum(-2)), (True, -term.sum(-3))):
            g = gradient(w, x, y, found, float(p), second, variant)
            np.testing.assert_allclose(host(g), want, 2e-3, 2e-3 * np.abs(want).max())


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", [ct.float16, ct.bfloat16, ct.float64])
def test_distances_of_other_dtypes(cl_device, fp64_of, variant, dtype):
    if dtype is ct.float64 and not fp64_of(cl_device):
        pytest.skip("no double precision on this device")
    x, y = (random(n, 20, dtype=dtype, device=cl_device, seed=n) for n in (5, 6))
    want = norms(host(x)[:, None] - host(y), 2)
    loose = {ct.float16: 2e-3, ct.bfloat16: 1e-2, ct.float64: 1e-6}[dtype]
    found = distances(x, y, 2.0, variant)
    assert found.dtype is dtype
    np.testing.assert_allclose(host(found), want, loose)


@pytest.fixture
def fp64_of():
    return lambda name: ct.device(name).context.caps.fp64


def test_views_are_read_where_they_lie(device):
    x = random(6, 5, dtype=ct.float32, device=device, seed=1).requires_grad_()
    y = random(5, 7, dtype=ct.float32, device=device, seed=2).requires_grad_()
    found = ct.cdist(x[2:], y.t(), p=3)
    np.testing.assert_allclose(host(found.detach()), norms(host(x.detach())[2:, None] - host(y.detach()).T, 3), 1e-4)
    weight = random(8, 7, dtype=ct.float32, device=device, seed=3)[4:]
    for p in (1, 2, math.inf):
        by_view = ct.autograd.grad(ct.cdist(x[2:], y.t(), p=p), [x, y], weight)
        by_copy = ct.autograd.grad(ct.cdist(x[2:].clone(), y.t().contiguous(), p=p), [x, y], weight.clone())
        for a, b in zip(by_view, by_copy, strict=True):
            np.testing.assert_allclose(host(a), host(b), 1e-5, 1e-5)


def test_the_host_cuts_large_sets(monkeypatch):
    x, y = (random(n, 4, dtype=ct.float64, device="cpu", seed=n) for n in (9, 5))
    whole = ct.cdist(x, y, p=1), gradient(ct.ones(9, 5, dtype=ct.float64), x, y, ct.cdist(x, y, p=1), 1.0)
    monkeypatch.setattr("cltorch.ops.distance._CHUNK", 40)
    parts = ct.cdist(x, y, p=1), gradient(ct.ones(9, 5, dtype=ct.float64), x, y, ct.cdist(x, y, p=1), 1.0)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(host(a), host(b))
