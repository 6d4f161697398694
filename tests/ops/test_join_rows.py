"""Several arrays joined by one launch: any dimension, number and element size, both forms of the kernel."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.device import debug
from cltorch.ops import plan
from cltorch.ops.join_rows import joined

VARIANTS = ("cpu", "gpu")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).integers(-100, 100, shape)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["int8", "bfloat16", "float32", "complex64"])
def test_of_any_element_size(name, variant, cl_device):
    arrays = [draw(3, n, 5, seed=n) for n in (2, 0, 1, 4)]
    xs = [cltorch.tensor(a, device=cl_device).to(getattr(cltorch, name)) for a in arrays]
    found = joined(1, xs[0].dtype, xs, False, variant)
    assert found.dtype is xs[0].dtype and found.is_contiguous()
    assert (found.cpu().to(cltorch.complex64).numpy() == np.concatenate(arrays, 1)).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [2, 3, 7, 8, 9, 17])
def test_any_number_along_any_dimension(count, variant, cl_device):
    arrays = [draw(4, 3, 2, seed=i) for i in range(count)]
    storage = cltorch.tensor(np.stack(arrays), device=cl_device)
    xs = [storage[i] for i in range(count)]  # each somewhere else in the same memory
    for dim in range(3):
        assert (joined(dim, xs[0].dtype, xs, False, variant).cpu().numpy() == np.concatenate(arrays, dim)).all()
    for dim in range(4):
        assert (joined(dim, xs[0].dtype, xs, True, variant).cpu().numpy() == np.stack(arrays, dim)).all()


def test_several_work_items(monkeypatch, cl_device):
    monkeypatch.setattr(plan, "_COPIED", 64)
    arrays = [draw(101, n, seed=n) for n in (3, 6)]
    xs = [cltorch.tensor(a, device=cl_device) for a in arrays]
    assert (joined(1, xs[0].dtype, xs, False).cpu().numpy() == np.concatenate(arrays, 1)).all()


def test_what_is_left_to_others(cl_device):
    x, y = cltorch.ones(2, 3, device=cl_device), cltorch.ones(3, 2, device=cl_device).t()
    whole = cltorch.ones(2, 3, device=cl_device, dtype=cltorch.int32)
    large = cltorch.ones(1 << 17, device=cl_device)
    none = x[:, :0]
    for some in ((x, y), (x, whole), (x,), (large, large), (none, none)):
        assert joined(len(some[0].shape) - 1, some[0].dtype, some, False) is None
    assert cltorch.cat([x, y], 1).shape == (2, 6) and cltorch.cat([none, none], 1).shape == (2, 0)


@pytest.mark.skipif(debug.wanted(), reason="CLTORCH_DEBUG launches kernels of its own")
def test_one_launch(cl_device):
    x = cltorch.ones(2, 3, device=cl_device)
    for join in (lambda: cltorch.cat([x, x, x], -1), lambda: cltorch.stack([x, x], 1), lambda: cltorch.hstack([x, x])):
        join()
        before = x.device.context.asked()
        join()
        assert x.device.context.asked() == before + 1
