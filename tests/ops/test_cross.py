"""Cross products in one launch: every layout and dtype against NumPy, and the gradients' own gradients."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.linalg import cross


def draw(*shape, seed=0):
    return (4 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("shapes", "dim"),
    [(((7, 3), (7, 3)), 1), (((3, 9), (3, 1)), 0), (((2, 3, 5), (1, 3, 1)), 1), (((0, 3), (1, 3)), 1)],
)
def test_of_any_layout(shapes, dim, device):
    a, b = (draw(*shape, seed=i) for i, shape in enumerate(shapes))
    x, y = (cltorch.tensor(v.T.copy(), device=device).permute(*range(v.ndim)[::-1]) for v in (a, b))
    wanted = np.cross(a, b, axis=dim) if a.size else a
    for found in (cross(x, y, dim=dim), cross(x.contiguous(), y.contiguous(), dim=dim)):
        assert found.is_contiguous()
        np.testing.assert_allclose(found.numpy(force=True), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "int8", "int64", "uint8", "complex64"])
def test_of_any_dtype(name, device):
    a, b = draw(4, 3), draw(4, 3, seed=1)
    x, y = (cltorch.tensor(abs(v) if name == "uint8" else v).to(getattr(cltorch, name)) for v in (a, b))
    if x.is_complex():
        x = x * (1 + 2j)
    found = cross(x.to(device), y.to(device))
    wide = (v.numpy() if name in ("int8", "uint8", "int64", "complex64") else v.float().numpy() for v in (x, y))
    wanted = np.cross(*wide)  # whole numbers go round
    assert found.dtype is x.dtype
    found = found.cpu() if found.is_complex() else found.cpu().double()
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-2 if "16" in name else 1e-5, atol=0.1)


def test_gradients_broadcast_too(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x, y = (cltorch.tensor(draw(*shape), device=device).double().requires_grad_() for shape in ((2, 3), (1, 3)))
    assert gradcheck(cross, (x, y)) and gradgradcheck(cross, (x, y))


def test_one_launch(cl_device):
    x = cltorch.ones(5, 3, device=cl_device)
    cross(x, x)
    before = x.device.context.launches
    cross(x, x)
    assert x.device.context.launches == before + 1
