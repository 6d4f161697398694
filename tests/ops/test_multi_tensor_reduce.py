"""Norms over lists of tensors: every variant of the kernels, dtype and layout gives what NumPy gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch
from cltorch.device import context as contexts
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_reduce import any_not_finite, norm, norms

SIZES = [1, 3, 7, 17, 255, 8193, 32769, 65600, *range(2, 70)]
POWERS = [2.0, 1.0, 0.0, 3.0, 0.5, math.inf, -math.inf]


def reference(arrays, power):
    return np.linalg.norm(np.concatenate([a.detach().cpu().double().numpy().reshape(-1) for a in arrays]), power)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("power", POWERS)
def test_norms_of_many_tensors(cl_device, power, kind):
    xs = [cltorch.randn(n, device=cl_device) + 0.1 for n in SIZES]
    xs[3][5] = 0.0
    assert norm(xs, power, cltorch.float32, kind).item() == pytest.approx(reference(xs, power), rel=2e-5)


@pytest.mark.parametrize("dtype", [cltorch.float16, cltorch.bfloat16, cltorch.float64], ids=str)
def test_norms_of_other_dtypes(device, dtype, fp64):
    if dtype is cltorch.float64 and not fp64:
        pytest.skip("no float64 on this device")
    xs = [cltorch.randn(n).to(dtype).to(device) for n in (5, 100)]
    for kind in ("cpu", "gpu"):
        found = norm(xs, 2.0, dtype, kind)
        assert (found.dtype, found.shape) == (dtype, ())
        tolerance = {"float16": 1e-3, "bfloat16": 8e-3, "float64": 1e-14}[dtype.name]
        assert found.item() == pytest.approx(reference(xs, 2.0), rel=tolerance)


def test_dtypes_layouts_and_emptiness_may_differ(device):
    xs = [
        cltorch.randn(6, 5, device=device).t(),
        cltorch.randn(40, device=device)[7:20],
        cltorch.randn(30, device=device).to(cltorch.bfloat16),
        cltorch.empty(0, 3, device=device),
    ]
    assert norm(xs, 2.0, cltorch.float32).item() == pytest.approx(reference(xs, 2.0), rel=1e-5)
    assert norm(xs[-1:], 2.0, cltorch.float32).item() == 0.0
    with pytest.raises(RuntimeError, match="not one run"):
        norm([xs[0][::2]], 2.0, cltorch.float32)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_norm_of_each_tensor(device, kind):
    xs = [cltorch.randn(n, device=device) for n in SIZES]
    xs += [cltorch.randn(6, 5, device=device).t(), cltorch.empty(0, device=device), cltorch.ones((), device=device)]
    xs[4] = xs[4].to(cltorch.bfloat16)
    found = norms(xs, kind=kind)
    assert (found.dtype, found.shape) == (cltorch.float32, (len(xs),))
    np.testing.assert_allclose(found.cpu().numpy(), [reference([x], 2.0) for x in xs], rtol=2e-5)
    assert norms(xs[-2:-1], kind=kind).tolist() == [0.0]
    largest = norms(xs, kind=kind, largest=True).tolist()
    assert largest == pytest.approx([x.abs().max().item() if x.numel() else 0.0 for x in xs])


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_found(device, bad, kind):
    xs = [cltorch.randn(n, device=device) for n in (3, 1000, 40000)]
    assert any_not_finite(xs, kind).item() == 0.0
    for n, at in ((0, 2), (1, 999), (2, 17)):
        kept = xs[n][at].item()
        xs[n][at] = bad
        assert any_not_finite(xs, kind).item() == 1.0
        xs[n][at] = kept


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_nan_wins_over_the_largest(device, kind):
    xs = [cltorch.ones(100, device=device), cltorch.tensor([math.nan, 5.0], device=device)]
    assert math.isnan(norm(xs, math.inf, cltorch.float32, kind).item())
    assert math.isnan(norm(xs, 2.0, cltorch.float32, kind).item())


def test_one_launch_per_list_and_one_to_finish(cl_device, monkeypatch):
    xs = [cltorch.randn(n, device=cl_device) for n in range(1, 60)]
    norm(xs, 2.0, cltorch.float32)
    seen = []
    launch = contexts.Kernel.launch
    monkeypatch.setattr(contexts.Kernel, "launch", lambda self, *a: (seen.append(self), launch(self, *a))[1])
    norm(xs, 2.0, cltorch.float32)
    assert len(seen) == 2


def test_parts_of_one_storage_share_launches_with_many_others(cl_device):
    whole = cltorch.randn(6000, device=cl_device)
    parts = [whole[i * i : i * i + 2 * i + 1] for i in range(70)]
    others = [cltorch.randn(n, device=cl_device) for n in range(1, 125)]
    mixed = [x for pair in zip(parts, others, strict=False) for x in pair] + others[70:]
    wanted = [np.linalg.norm(x.cpu().numpy()) for x in mixed]
    np.testing.assert_allclose(norms(mixed).cpu().numpy(), wanted, rtol=1e-5)
    context = cltorch.device(cl_device).context
    before = context.launches
    norms(mixed)
    assert context.launches - before == 3
    # the same layouts in storages of their own are another plan
    np.testing.assert_allclose(norms([x.clone() for x in mixed]).cpu().numpy(), wanted, rtol=1e-5)


def test_an_update_takes_numbers_that_lie_on_the_device(device):
    formula = Formula("test_scaled", lambda m, x, a, s, t: (a * x * s + t,), params=3)
    scalars = [cltorch.tensor([9.0, 0.5], device=device)[1], cltorch.tensor(3.0, device=device)]
    for kind in ("cpu", "gpu"):
        whole = cltorch.ones(6, 4, device=device)
        xs = [cltorch.ones(n, device=device) for n in (1, 5, 100)] + [whole[::2, ::2]]
        update(formula, [0], [[x] for x in xs], [2.0], kind, scalars)
        for x in xs:
            np.testing.assert_array_equal(x.cpu().numpy(), np.full(x.shape, 4.0))
        assert whole.sum().item() == 24 + 3 * 6
