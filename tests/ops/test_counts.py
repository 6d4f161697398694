"""Counting on devices, both forms of the kernels: against NumPy, in every dtype, layout and number of parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch
from cltorch.ops import counts
from cltorch.ops.counts import Bins, counted

VARIANTS = ("cpu", "gpu")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [0, 1, 7, 1000, 70000])
def test_numbers_are_their_own_places(size, variant, cl_device):
    a = np.random.default_rng(0).integers(-3, 40, size)
    x = cltorch.tensor(a, device=cl_device)
    found, least, most = counted(x, 30, ends=True, variant=variant)
    inside = a[(a >= 0) & (a < 30)]
    assert found.dtype is cltorch.int64 and found.tolist() == np.bincount(inside, minlength=30).tolist()
    assert (least, most) == ((a.min(), a.max()) if size else (None, None))
    assert counted(x, 0, ends=True, variant=variant) == (None, least, most)


@pytest.mark.parametrize("variant", VARIANTS)
def test_more_places_than_local_memory_has_room_for(variant, monkeypatch, cl_device):
    a = np.random.default_rng(1).integers(0, 5000, 9000)
    x = cltorch.tensor(a, device=cl_device)
    assert counted(x[1::2], 5000, variant=variant)[0].tolist() == np.bincount(a[1::2], minlength=5000).tolist()
    # several rows, as where numbers of 32 bits do not suffice for all elements
    monkeypatch.setattr(counts, "_ROW", 1 << 11)
    assert counted(x, 5000, variant=variant)[0].tolist() == np.bincount(a, minlength=5000).tolist()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_smaller_integers(dtype, variant, cl_device):
    a = np.random.default_rng(2).integers(0, 100, (30, 50)).astype(dtype)
    x = cltorch.tensor(a, device=cl_device).t()[3:]
    found, least, most = counted(x, 100, variant=variant, ends=True)
    part = a.T[3:].reshape(-1)
    assert found.tolist() == np.bincount(part, minlength=100).tolist() and (least, most) == (part.min(), part.max())
    found, _, _ = counted(x, 9, x.dtype, Bins(10, 90), variant=variant)
    exact = part[(part >= 10) & (part <= 90)].astype(np.int64)
    wanted = np.bincount(np.minimum((exact - 10) * 9 // 80, 8), minlength=9).astype(dtype)
    assert found.dtype is x.dtype and found.tolist() == wanted.tolist()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_bins(dtype, variant, cl_device):
    if dtype == "float64" and not cltorch.device(cl_device).resolve().context.caps.fp64:
        pytest.skip("the device has no double precision")
    x = cltorch.tensor(np.random.default_rng(3).standard_normal(3000)).to(getattr(cltorch, dtype))
    x[5], x[7], x[9] = math.nan, math.inf, -2.0
    a = x.double().numpy()
    y = x.to(cl_device)
    found, _, _ = counted(y, 8, y.dtype, Bins(-2.0, 2.0), variant=variant)
    wanted = cltorch.tensor(np.histogram(a, 8, (-2, 2))[0]).to(x.dtype)  # which may have to be rounded
    assert found.dtype is x.dtype and found.tolist() == wanted.tolist()
    assert all(math.isnan(v) for v in counted(y, 0, ends=True, variant=variant)[1:])
    assert counted(y[10:], 0, ends=True, variant=variant)[1:] == (a[10:].min(), a[10:].max())
    assert counted(y[:4], 3, y.dtype, Bins(-9.0, 9.0, 2), variant=variant)[0].tolist() == [0, 0, 4]


def test_what_is_waited_for(cl_device):
    x = cltorch.tensor([3, 1, 3], device=cl_device)
    y, context = x.float(), x.device.context
    for work, launches, waits in (
        (lambda: x.bincount(minlength=4), 1, 1),
        (lambda: x.bincount(minlength=2), 2, 1),
        (lambda: y.histc(4, 0, 4), 1, 0),
        (lambda: y.histc(4), 2, 1),
    ):
        work()
        before = context.launches, context.syncs
        work()
        if context.caps.kind == "cpu":
            assert (context.launches - before[0], context.syncs - before[1]) == (launches, waits)
