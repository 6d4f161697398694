"""The kernel that samples by a grid: against the composition of functions on the host, in every mode and layout."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional as F
from cltorch.ops.grid_sample import sampled

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
