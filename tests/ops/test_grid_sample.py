"""The kernel that samples by a grid: against the composition of functions on the host, in every mode and layout."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional as F
from cltorch.ops.grid_sample import grid_gradient, input_gradient, sampled

VARIANTS = ("cpu", "gpu")


def sample(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sizes", [(5, 4), (3, 1, 4)], ids=["images", "volumes"])
def test_every_mode_and_padding(sizes, variant, cl_device):
    dims = len(sizes)
    a, g = sample(2, 3, *sizes), 1.6 * sample(2, *(7, 6, 2)[:dims], dims, seed=1)
    g[0, 0, 0] = np.nan, *[0.5] * (dims - 1)
    g[1, 1, 1] = *[-0.5] * (dims - 1), np.inf
    g[1, 0, 1] = 1.0  # a corner
    x, grid = (cltorch.tensor(v, device=cl_device) for v in (a, g))
    for mode, padding, align in itertools.product((0, 1, 2)[: 5 - dims], (0, 1, 2), (False, True)):
        found = sampled(x, grid, mode, padding, align, variant).cpu().numpy()
        wanted = cltorch.grid_sampler(cltorch.tensor(a), cltorch.tensor(g), mode, padding, align).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-5, err_msg=f"{mode} {padding} {align}")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sizes", [(5, 4), (3, 1, 4)], ids=["images", "volumes"])
def test_gradients_in_every_mode_and_padding(sizes, variant, cl_device):
    """Against the composition's on the host, at places inside, outside and on the edge."""
    dims = len(sizes)
    a, v = sample(2, 3, *sizes), 1.6 * sample(2, *(7, 6, 2)[:dims], dims, seed=1)
    v[1, 1, 1] = *[-0.5] * (dims - 1), 7.0
    host = cltorch.tensor(a, requires_grad=True), cltorch.tensor(v, requires_grad=True)
    x, grid = (cltorch.tensor(b, device=cl_device) for b in (a, v))
    g = sample(2, 3, *v.shape[1:-1], seed=2)
    for mode, padding, align in itertools.product((0, 1, 2)[: 5 - dims], (0, 1, 2), (False, True)):
        wanted = cltorch.autograd.grad(cltorch.grid_sampler(*host, mode, padding, align), host, cltorch.tensor(g))
        given = cltorch.tensor(g, device=cl_device)
        found = (
            input_gradient(given, x.shape, grid, mode, padding, align, variant),
            grid_gradient(given, x, grid, mode, padding, align, variant),
        )
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(
                one.cpu().numpy(), other.numpy(), rtol=1e-3, atol=1e-4, err_msg=f"{mode} {padding} {align}"
            )


def test_gradients_take_a_launch_each_and_have_the_same_bits_every_time(cl_device):
    a, v = sample(2, 5, 30, 31), 1.2 * sample(2, 20, 33, 2, seed=1)
    host = cltorch.tensor(a, requires_grad=True), cltorch.tensor(v, requires_grad=True)
    wanted = cltorch.autograd.grad(F.grid_sample(*host, align_corners=False).sum(), host)
    context = cltorch.device(cl_device).resolve().context
    seen = []
    for permuted in (False, True):
        x, grid = (cltorch.tensor(b, device=cl_device, requires_grad=True) for b in (a, v))
        y = F.grid_sample(x.mT.contiguous().mT if permuted else x, grid, align_corners=False)
        assert y.grad_fn.name() == "GridSampler2DBackward0"
        g = cltorch.ones_like(y)
        before = context.launches
        found = cltorch.autograd.grad(y, (x, grid), g)
        if not permuted:
            assert context.launches - before == 2
        seen.append([b.cpu().numpy() for b in found])
    for one, other, host_one in zip(*seen, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, host_one.numpy(), rtol=1e-3, atol=1e-4)


def test_gradients_of_halves_are_summed_in_float(cl_device):
    a, v = sample(1, 2, 6, 5), np.zeros((1, 50, 60, 2), np.float32)
    x, grid = (cltorch.tensor(b, device=cl_device).half().requires_grad_() for b in (a, v))
    F.grid_sample(x, grid, align_corners=True).sum().backward()
    assert x.grad.dtype is grid.grad.dtype is cltorch.float16
    assert x.grad.sum().item() == pytest.approx(2 * 3000, rel=2e-3)


def test_gradients_can_be_differentiated_again(cl_device):
    a, v = sample(1, 2, 4, 5), 0.8 * sample(1, 3, 2, 2, seed=1)
    results = []
    for device in ("cpu", cl_device):
        x, grid = (cltorch.tensor(b, device=device, requires_grad=True) for b in (a, v))
        y = F.grid_sample(x, grid, align_corners=False)
        first = cltorch.autograd.grad((y * y).sum(), (x, grid), create_graph=True)
        second = cltorch.autograd.grad(sum((f * f).sum() for f in first), (x, grid))
        results.append([r.detach().cpu().numpy() for r in (*first, *second)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-3)


def test_any_layout_and_many_places(cl_device):
    a, g = sample(2, 20, 30, 4), 1.2 * sample(2, 2, 40, 30, seed=1)
    x, grid = (cltorch.tensor(v, device=cl_device) for v in (a, g))
    turned = x.permute(0, 3, 1, 2)[:, 1:], grid.permute(0, 2, 3, 1)
    found = F.grid_sample(*turned, align_corners=False)
    host = F.grid_sample(*(v.cpu() for v in turned), align_corners=False)
    assert found.is_contiguous() and found.shape == (2, 3, 40, 30)
    np.testing.assert_allclose(found.cpu().numpy(), host.numpy(), rtol=1e-4, atol=2e-5)
    again = F.grid_sample(*(v.requires_grad_() for v in turned), align_corners=False)
    assert again.requires_grad
    np.testing.assert_allclose(again.detach().cpu().numpy(), host.numpy(), rtol=1e-4, atol=2e-5)


def test_halves_are_computed_in_float(cl_device):
    a, g = sample(1, 2, 6, 5), 0.9 * np.clip(sample(1, 4, 3, 2, seed=1), -1, 1)
    for dtype, tolerance in ((cltorch.float16, 1e-3), (cltorch.bfloat16, 1e-2)):
        x, grid = (cltorch.tensor(v).to(dtype) for v in (a, g))
        wanted = F.grid_sample(x.float(), grid.float(), align_corners=True).numpy()
        found = F.grid_sample(x.to(cl_device), grid.to(cl_device), align_corners=True)
        assert found.dtype is dtype
        np.testing.assert_allclose(found.float().cpu().numpy(), wanted, rtol=tolerance, atol=tolerance)


def test_one_launch_samples(cl_device):
    x, grid = cltorch.ones(1, 1, 3, 3, device=cl_device), cltorch.zeros(1, 2, 2, 2, device=cl_device)
    context = cltorch.device(cl_device).resolve().context
    before = context.launches
    assert F.grid_sample(x, grid, align_corners=False).tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]
    assert context.launches == before + 1
