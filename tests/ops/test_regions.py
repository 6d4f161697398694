"""The kernels of pooled regions, of CPUs and of GPUs, against the matrices of the host; and that they are adjoint."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.errors import DeviceIndexError
from cltorch.ops.regions import Bins, means, spread

BINS = {
    "samples": Bins((3, 2), 0.5, 2, True, False, False, "roi_align"),
    "as many samples as elements": Bins((2, 3), 0.75, 0, False, False, False, "roi_align"),
    "samples of own channels": Bins((2, 3), 0.75, 0, True, True, False, "ps_roi_align"),
    "covered": Bins((2, 3), 0.5, 0, False, True, True, "ps_roi_pool"),
    "largest": Bins((3, 2), 0.5, 0, False, False, True, "roi_pool", largest=True),
}
# inside, over the edges, outside, turned round, of no size
ROIS = [[0, 1, 2, 11, 9], [1, -6, -3, 7, 30], [1, 3, 3, 3.5, 4], [0, 40, 40, 50, 60], [1, 9, 8, 2, 1], [0, 5, 5, 5, 5]]


def maps(device, *shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return ct.tensor(values), ct.tensor(values, device=device)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("kind", BINS)
def test_both_kinds_of_kernel_give_what_the_host_gives(cl_device, variant, kind):
    b = BINS[kind]
    (on_host, x), rois = maps(cl_device, 2, 12, 9, 10), ct.tensor(ROIS)
    expected = means(on_host, rois, b)
    found = means(x, rois.to(cl_device), b, variant)
    np.testing.assert_allclose(found.cpu().numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    if b.largest:
        return
    on_host, g = maps(cl_device, *expected.shape, seed=1)
    back = spread(g, rois.to(cl_device), (2, 12, 9, 10), b, variant)
    np.testing.assert_allclose(
        back.cpu().numpy(), spread(on_host, rois, (2, 12, 9, 10), b).numpy(), rtol=1e-4, atol=1e-5
    )
    again = spread(g, rois.to(cl_device), (2, 12, 9, 10), b, variant)
    assert (again == back).all().item()


def test_maps_may_be_views(cl_device):
    b = BINS["samples"]
    (on_host, x), rois = maps(cl_device, 10, 2, 12, 9), ct.tensor(ROIS)
    expected = means(on_host.permute(1, 2, 3, 0), rois[1:], b)
    found = means(x.permute(1, 2, 3, 0), rois.to(cl_device)[1:], b)
    np.testing.assert_allclose(found.cpu().numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [k for k in BINS if k != "largest"])
def test_the_gradient_is_the_adjoint(device, fp64, kind):
    if not fp64:
        pytest.skip("no float64")
    x = ct.tensor(maps("cpu", 2, 6, 9, 10)[0].double().numpy(), device=device, requires_grad=True)
    rois = ct.tensor(ROIS, dtype=ct.float64, device=device)
    y = ct.functions.region_means(x, rois, BINS[kind])
    g = ct.tensor(maps("cpu", *y.shape, seed=1)[0].double().numpy(), device=device, requires_grad=True)
    (back,) = ct.autograd.grad(y, x, g, create_graph=True)
    (twice,) = ct.autograd.grad(back, g, x.detach())
    assert (y * g).sum().item() == pytest.approx((x * back).sum().item())
    np.testing.assert_allclose(twice.cpu().numpy(), y.detach().cpu().numpy(), rtol=1e-12, atol=1e-12)


def test_a_map_that_is_not_there(device):
    x, rois = ct.ones(2, 6, 4, 4, device=device), ct.tensor([[2.0, 0, 0, 2, 2]], device=device)
    wrong = IndexError if device == "cpu" else DeviceIndexError
    for kind, b in BINS.items():
        with pytest.raises(wrong, match=rf"{b.name}\(\): index 2 is out of bounds for dimension 0 with size 2"):
            ct.functions.region_largest(x, rois, b).cpu() if kind == "largest" else means(x, rois, b).cpu()
