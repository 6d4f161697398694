"""Ways of sorting and selecting on devices, against NumPy's stable argsort."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops.array import from_host, to_numpy, values
from cltorch.ops.sort import choose, sort
from cltorch.ops.topk import topk

WAYS = ("lanes", "rows", "tiles", "local", "merge")
# (shape, dimension): one element, fewer lines than lanes, strided lines, several dimensions, more than one tile
SHAPES = [((1,), 0), ((3, 17), 1), ((17, 3), 0), ((2, 100, 3), 1), ((19, 33), 1), ((2, 1500), 1), ((1500, 2), 0)]


def sample(shape, t, rng):
    """Return values with many equal ones, and with NaN, infinities and both zeros where the dtype has them."""
    a = rng.standard_normal(shape) * 5
    if t.is_floating_point:
        for special in (np.nan, np.inf, -np.inf, 0.0, -0.0):
            a[rng.random(shape) < 0.1] = special
        return a
    a = np.round(a)
    if t is dtypes.bool_:
        return a > 0
    if t is dtypes.uint8:
        return np.abs(a)
    return a.astype(np.int64) * 10**12 if t is dtypes.int64 else a


def stable_order(a, dim, descending):
    """Return the indices of NumPy's stable sort, equal elements in order in either direction."""
    if not descending:
        return np.argsort(a, dim, kind="stable")
    return a.shape[dim] - 1 - np.flip(np.argsort(np.flip(a, dim), dim, kind="stable"), dim)


def check(x, dim, descending, found, k=None):
    """Compare values and indices with the reference; what kind of NaN it is does not matter."""
    order = stable_order(values(x), dim, descending)
    if k is not None:
        order = np.take(order, np.arange(k), dim)
    assert np.array_equal(to_numpy(found[1]), order)
    expected = np.take_along_axis(values(x), order, dim)
    assert np.array_equal(values(found[0]), expected, equal_nan=x.dtype.is_floating_point)
    if x.dtype.is_floating_point:
        assert np.array_equal(np.signbit(values(found[0]))[expected == 0], np.signbit(expected)[expected == 0])


def wanted(t, device):
    """Skip float64 on a device that has none."""
    d = cltorch.device(device)
    if t is dtypes.float64 and d.type == "cl" and not d.context.caps.fp64:
        pytest.skip("no double precision on this device")
    return d


@pytest.mark.parametrize("t", dtypes.ALL, ids=str)
def test_every_dtype_sorts_stably_downwards(device, t):
    d = wanted(t, device)
    rng = np.random.default_rng(1)
    for shape, dim in SHAPES[:5]:
        x = from_host(sample(shape, t, rng), t, d)
        check(x, dim, True, sort(x, dim, True))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("t", [dtypes.float32, dtypes.float16, dtypes.int64], ids=str)
def test_every_way_of_sorting_gives_the_stable_order(cl_device, t, way):
    rng = np.random.default_rng(2)
    for shape, dim in SHAPES:
        if way == "local" and shape[dim] > 1024:
            continue
        x = from_host(sample(shape, t, rng), t, cltorch.device(cl_device))
        check(x, dim, False, sort(x, dim, False, way))


@pytest.mark.parametrize("way", ["tiles", "merge"])
def test_a_long_line_is_cut_and_joined_again(cl_device, way):
    rng = np.random.default_rng(3)
    d = cltorch.device(cl_device)
    for t in (dtypes.float32, dtypes.int64):
        x = from_host(sample((70001,), t, rng), t, d)
        check(x, 0, False, sort(x, 0, False, way))


def test_digits_above_the_range_of_integers_may_be_passed_over(cl_device):
    d = cltorch.device(cl_device)
    for low, span in ((-5, 3), (-(2**40), 300), (2**62, 70000), (-(2**63), 2**63 - 1), (7, 1)):
        a = (np.random.default_rng(4).integers(0, span, 5000) + low).astype(np.int64)
        x = from_host(a, dtypes.int64, d)
        check(x, 0, False, sort(x, 0, False, "tiles"))


def test_the_way_follows_the_device_and_the_shape():
    class Caps:
        kind, compute_units = "cpu", 4

    class Context:
        caps = Caps

    assert [choose(Context, *s) for s in ((5, 100), (1000, 2000), (1, 2000), (1, 10**6))] == [
        "lanes", "rows", "rows", "tiles",
    ]  # fmt: skip
    Caps.kind = "gpu"
    assert [choose(Context, *s) for s in ((5, 100), (1, 10**6))] == ["local", "merge"]


@pytest.mark.parametrize("way", ["list", "rounds", "sort"])
@pytest.mark.parametrize("t", [dtypes.float32, dtypes.uint8], ids=str)
def test_every_way_of_selecting_gives_the_first_of_the_stable_order(cl_device, t, way):
    rng = np.random.default_rng(5)
    for shape, dim in (((1,), 0), ((3, 170), 1), ((2, 100, 3), 1))[: 3 if t is dtypes.float32 else 2]:
        x = from_host(sample(shape, t, rng), t, cltorch.device(cl_device))
        for k in (1, 3, 20):
            if k <= shape[dim]:
                check(x, dim, True, topk(x, k, dim, True, way), k)
    if t is dtypes.float32:
        check(x, dim, False, topk(x, 4, dim, False, way), 4)


def test_float64_is_selected_by_all_its_bits(cl_device):
    d = wanted(dtypes.float64, cl_device)
    a = 1 + np.random.default_rng(6).permutation(300).astype(np.float64) * 2.0**-50
    x = from_host(a, dtypes.float64, d)
    for way in ("list", "rounds"):
        check(x, 0, True, topk(x, 5, 0, True, way), 5)


def test_sorting_reads_views_in_place_of_copies(device):
    a = np.random.default_rng(7).standard_normal((6, 8)).astype(np.float32)
    x = cltorch.tensor(a, device=device)
    for view, ref in ((x.t(), a.T), (x[1:, ::2], a[1:, ::2]), (x[:, 3:4].expand(6, 5), np.repeat(a[:, 3:4], 5, 1))):
        found = sort(view, 1, False)
        order = np.argsort(ref, 1, kind="stable")
        assert np.array_equal(to_numpy(found[1]), order)
        assert np.array_equal(to_numpy(found[0]), np.take_along_axis(ref, order, 1))
