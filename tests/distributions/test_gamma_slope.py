"""How gamma and beta variables move with their parameters: against values of 40 digits, and by autograd.

The values are -(dF/da) / p(x), with F from mpmath's incomplete functions and the derivative by central differences.
"""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import functions as fn

GAMMA = [
    (0.001, 1e-30, 6.850198085801e-26),
    (0.05, 0.2, 6.223423958896),
    (0.3, 1e-12, 9.153943409028e-11),
    (0.3, 2.0, 3.564110321247),
    (0.9, 0.55, 0.9173151655509),
    (1.0, 0.1, 0.2892731166159),
    (1.0, 3.0, 1.937911693825),
    (1.5, 0.5, 0.6077154397968),
    (3.0, 9.0, 1.739755412064),
    (8.0, 1.4, 0.3767091607544),
    (30.0, 22.0, 0.8576622327359),
    (30.0, 50.0, 1.284126230251),
    (300.0, 250.0, 0.9121138246873),
    (300.0, 299.7, 1.000055295563),
    (1000.0, 1100.0, 1.048586678562),
]
BETA = [
    (0.02, 0.5, 1e-20, 2.368748367896e-17),
    (0.02, 0.02, 0.5, 642.5622857154),
    (0.5, 0.5, 0.001, 0.01505251357295),
    (0.5, 0.5, 0.75, 2.343907238689),
    (1.0, 1.0, 0.3, 0.5159883447111),
    (1.0, 3.0, 0.9, 0.5850517140562),
    (3.0, 0.5, 0.97, 0.3551196368625),
    (3.0, 3.0, 0.4, 0.1657285203763),
    (50.0, 0.5, 0.995, 0.02004957689224),
    (0.5, 50.0, 0.03, 0.04489914736699),
    (50.0, 40.0, 0.6, 0.01162657243368),
    (200.0, 300.0, 0.39, 0.001977745417106),
    (2.0, 200.0, 0.001, 0.001363961656618),
]


@pytest.mark.parametrize(("dtype", "tolerance"), [(cltorch.float64, 1e-10), (cltorch.float32, 4e-5)])
def test_slope_of_gamma_variables(dtype, tolerance):
    a, x, expected = np.array(GAMMA).T
    if dtype is cltorch.float32:  # what the rounding of x changes is no error
        keep = x > 1e-37
        a, x, expected = a[keep], x[keep], expected[keep]
    found = fn.gamma_slope(cltorch.tensor(a, dtype=dtype), cltorch.tensor(x, dtype=dtype))
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(cltorch.float64, 1e-10), (cltorch.float32, 1e-4)])
def test_slope_of_beta_variables(dtype, tolerance):
    a, b, x, expected = np.array(BETA).T
    found = fn.dirichlet_slope(*(cltorch.tensor(v, dtype=dtype) for v in (x, a, a + b)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance)


def test_devices_agree(cl_device):
    a = np.array([0.05, 0.9, 3.0, 300.0], np.float32)
    drawn = []
    for device in ("cpu", cl_device):
        shape = cltorch.tensor(a, device=device, requires_grad=True)
        generator = cltorch.Generator(device).manual_seed(7)
        x = cltorch._standard_gamma(shape, generator)
        x.sum().backward()
        again = shape.detach().requires_grad_()
        y = cltorch._sample_dirichlet(again, generator)
        y[1].backward()
        drawn.append([v.detach().cpu().numpy() for v in (x, shape.grad, y, again.grad)])
    for host, device in zip(*drawn, strict=True):
        np.testing.assert_allclose(device, host, rtol=2e-4)


def test_slope_of_dirichlet_variables():
    # x0 is a beta variable of a0 and the rest: its slope by a0 is known, and the others share what it gains
    a = cltorch.tensor([0.7, 2.0, 3.0], dtype=cltorch.float64, requires_grad=True)
    x = cltorch._sample_dirichlet(a)
    slopes = cltorch.stack([cltorch.autograd.grad(v, a, retain_graph=True)[0] for v in x])
    np.testing.assert_allclose(slopes.sum(0).numpy(), 0, atol=1e-12)  # the sum stays 1
    gain = fn.dirichlet_slope(x.detach(), a.detach(), a.detach().sum().expand(3))
    np.testing.assert_allclose(slopes.diagonal().numpy(), (gain * (1 - x)).detach().numpy(), rtol=1e-10)
    expected = -x[1:] * gain[0]
    np.testing.assert_allclose(slopes[1:, 0].numpy(), expected.detach().numpy(), rtol=1e-10)


def test_edges_and_errors():
    given = cltorch.tensor([0.0, -1.0, float("nan")])
    drawn = cltorch._standard_gamma(given).numpy()
    assert drawn[0] == np.finfo(np.float32).tiny and np.isnan(drawn[1:]).all()
    assert cltorch._standard_gamma(cltorch.zeros(0)).shape == (0,)
    with pytest.raises(NotImplementedError):
        cltorch._standard_gamma(cltorch.ones(2, dtype=cltorch.int64))
    a = cltorch.ones(2, dtype=cltorch.float64, requires_grad=True)
    (slope,) = cltorch.autograd.grad(cltorch._standard_gamma(a).sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="is not implemented"):
        slope.sum().backward()


@pytest.mark.parametrize("dtype", [cltorch.float16, cltorch.bfloat16])
def test_halves(dtype):
    drawn = cltorch._standard_gamma(cltorch.full((4000,), 4.0, dtype=dtype))
    assert drawn.dtype is dtype
    assert abs(drawn.float().mean().item() - 4) < 0.15
