"""Quantiles looked up by a kernel: against those of the host, whose steps are others."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.device import debug
from cltorch.errors import DeviceIndexError
from cltorch.ops.quantile import MODES


@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_as_on_the_host(name, interpolation, cl_device):
    if name == "float64" and not cltorch.device(cl_device).resolve().context.caps.fp64:
        pytest.skip("the device has no double precision")
    a = np.random.default_rng(0).standard_normal((4, 9, 5)).astype(name)
    a[0, :3, 0] = a[1, :, 2] = np.nan
    a[2, 0, 1] = np.inf
    q = np.array([0.0, 0.77, 0.25, 0.5, 1.0], name)
    for f in (cltorch.quantile, cltorch.nanquantile):
        for dim, keepdim in ((None, False), (None, True), (0, True), (1, False), (2, True)):
            for levels in (0.3, 1, q[3], q[::2], q[:0]):
                found = []
                for device in ("cpu", cl_device):
                    given = levels if isinstance(levels, (int, float)) else cltorch.tensor(q, device=device)
                    if isinstance(levels, np.ndarray):
                        given = given[::2] if levels.size else given[:0]
                    elif not isinstance(levels, (int, float)):
                        given = given[3]
                    x = cltorch.tensor(a.T.copy(), device=device).permute(2, 1, 0)
                    found.append(f(x, given, dim, keepdim, interpolation=interpolation))
                host, ours = found
                assert ours.dtype is x.dtype and ours.shape == host.shape
                np.testing.assert_allclose(ours.cpu().numpy(), host.numpy(), rtol=1e-6, atol=1e-7)


def test_few_launches_unless_a_gradient_is_asked_for(cl_device):
    x = cltorch.tensor([4.0, 1.0, 2.0], device=cl_device)
    x.quantile(0.5)
    context = x.device.context
    before = context.asked(), context.syncs
    assert not x.quantile(0.75).requires_grad
    if not debug.wanted():  # which launches kernels of its own, and waits for each
        assert context.asked() <= before[0] + 2 and context.syncs == before[1]
    w = x.clone().requires_grad_()
    w.quantile(0.75).backward()
    assert w.grad.tolist() == [0.5, 0.0, 0.5]
    with cltorch.no_grad():
        assert w.quantile(0.75).item() == 3.0
    assert cltorch.vmap(lambda q: x.quantile(q))(cltorch.tensor([0.5, 1.0], device=cl_device)).tolist() == [2.0, 4.0]


@pytest.mark.skipif(debug.wanted(), reason="CLTORCH_DEBUG raises at the launch already")
def test_a_level_that_is_no_place_is_noted(cl_device):
    x = cltorch.arange(4.0, device=cl_device).reshape(2, 2)
    for wrong in (-0.5, 1.5, float("nan")):
        found = x.quantile(cltorch.tensor([0.5, wrong], device=cl_device), 1)
        with pytest.raises(DeviceIndexError, match="quantile"):
            found.tolist()
        assert found[0].tolist() == [0.5, 2.5] and found[1].isnan().all()
