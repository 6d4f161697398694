"""The kernels behind indexing, gather, scatter and nonzero, as both kinds of device run them, against NumPy."""

import dataclasses

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops import gather, index
from cltorch.ops.nonzero import nonzero

VARIANTS = ("cpu", "gpu")
# shape of x, dimensions indexed, shape of the index, where its dimensions go
CASES = [
    ((7, 5), 2, (3, 2), 0),
    ((50, 3, 4, 2), 1, (6, 2), 2),
    ((9, 300), 1, (40,), 1),
    ((1000,), 1, (3000,), 0),
    ((3, 20_000), 1, (5,), 0),
    ((4, 3, 5, 6), 3, (7, 1, 2), 1),
]


# every dtype on one kind of device, on the other those that are loaded and stored in ways of their own
TYPES = [(t, "cpu") for t in dtypes.ALL]
TYPES += [(t, "gpu") for t in (dtypes.bool_, dtypes.float16, dtypes.bfloat16, dtypes.int64)]


def skip_without_fp64(t, device):
    if t is dtypes.float64 and not (cltorch.device(device).type == "cpu" or cltorch.device(device).context.caps.fp64):
        pytest.skip("the device has no float64")


def numbers(x):
    x = x.cpu()
    return (x.float() if x.dtype in (dtypes.bfloat16, dtypes.float16) else x).numpy()


def index_arrays(rng, shape, k, index_shape, device, t=dtypes.int64):
    """Return index arrays and tensors, some with strides of their own."""
    arrays, tensors = [], []
    for d in range(k):
        a = rng.integers(-shape[d], shape[d], index_shape)
        if d == 1:  # one that broadcasts
            a = np.broadcast_to(a[:1], index_shape)
            tensors.append(cltorch.tensor(a[:1].copy(), dtype=t, device=device).expand(*index_shape))
        else:
            wide = np.repeat(a[..., None], 2, -1)
            tensors.append(cltorch.tensor(wide, dtype=t, device=device)[..., 0])
        arrays.append(a)
    return tuple(arrays), tensors


def strided(a, device):
    """Return a tensor of these values whose dimensions lie in another order."""
    order = list(range(a.ndim))[::-1]
    return cltorch.tensor(np.ascontiguousarray(a.transpose(order)), device=device).permute(*order)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("t", ["float32", "uint8", "complex64"])
def test_positions_of_narrow_dimensions(t, variant, cl_device):
    """Those of dimensions with few elements behind, with indices from the end, and some that are out of range."""
    rng = np.random.default_rng(21)
    a = rng.integers(0, 90, (60, 3, 40, 5)).astype(t)
    at = rng.integers(-40, 40, 70)
    x, i = cltorch.tensor(a, device=cl_device), cltorch.tensor(at, device=cl_device)
    for order in ((2, 0, 1, 3), (2, 1, 0, 3), (2, 0, 3, 1)):
        q = x.permute(order)[..., : 2 if order[3] == 3 else 3]
        p = a.transpose(order)[..., : q.shape[-1]]
        for part in (slice(None), 0):
            lead = q.ndim - 2 if part == 0 else q.ndim - 1
            found = index.take(q[..., part], [i], lead - 1, variant=variant)
            np.testing.assert_array_equal(numbers(found), np.moveaxis(p[..., part][at], 0, lead - 1))
    wide = np.concatenate([at, [40, -41]])
    found = numbers(
        index.take(x.permute(2, 0, 1, 3)[..., 1], [cltorch.tensor(wide, device=cl_device)], 2, variant=variant)
    )
    np.testing.assert_array_equal(found[..., :-2], np.moveaxis(a[..., 1], 2, 0)[at].transpose(1, 2, 0))
    assert (found[..., -2:] == 0).all() if t == "uint8" else np.isnan(found[..., -2:]).all()
    with pytest.raises(IndexError, match="index 40 is out of bounds for dimension 1 with size 40"):
        x[:, 0][:, cltorch.tensor([3, 40], device=cl_device)].cpu()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_take_put_and_add(case, variant, cl_device):
    shape, k, index_shape, at = case
    rng = np.random.default_rng(0)
    a = rng.integers(-100, 100, shape).astype(np.float32)
    for t in (dtypes.int64, dtypes.int32) if case is CASES[0] else (dtypes.int64,):
        arrays, tensors = index_arrays(rng, shape, k, index_shape, cl_device, t)
        expected = a[arrays]
        n = len(index_shape)
        moved = np.moveaxis(expected, range(n), range(at, at + n))
        for x in (cltorch.tensor(a, device=cl_device), strided(a, cl_device)):
            np.testing.assert_array_equal(numbers(index.take(x, tensors, at, variant=variant)), moved)
    values = rng.integers(-100, 100, expected.shape).astype(np.float32)
    for v in (cltorch.tensor(values, device=cl_device), strided(values, cl_device)):
        for x in (cltorch.tensor(a, device=cl_device), strided(a, cl_device)):
            index.put(x, tensors, v, True, variant=variant)
            added = a.copy()
            np.add.at(added, arrays, values)
            np.testing.assert_array_equal(numbers(x), added)
            index.put(x, tensors, v, False, variant=variant)
            added[arrays] = values
            np.testing.assert_array_equal(numbers(x), added)


@pytest.mark.parametrize("t, variant", TYPES, ids=str)
def test_every_dtype(t, variant, cl_device):
    skip_without_fp64(t, cl_device)
    rng = np.random.default_rng(1)
    a = rng.integers(0, 2 if t is dtypes.bool_ else 9, (6, 10)).astype(np.float32)
    x = cltorch.tensor(a, device=cl_device).to(t)
    i = np.array([5, 0, -1, 5])
    at = cltorch.tensor(i, device=cl_device)
    np.testing.assert_array_equal(numbers(index.take(x, [at], variant=variant)), a[i])
    index.put(x, [at], x.clone()[:4], True, variant=variant)
    added = a.copy()
    np.add.at(added, i, a[:4])
    np.testing.assert_array_equal(numbers(x), added != 0 if t is dtypes.bool_ else added)
    x = cltorch.tensor(a, device=cl_device).to(t)
    index.put(x, [at], x.clone()[:4], False, variant=variant)
    a[i] = a[:4].copy()
    np.testing.assert_array_equal(numbers(x), a)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_last_of_equal_positions_stays(variant, cl_device):
    for count, width in ((100, 1), (20_000, 1), (5000, 3)):
        i = np.random.default_rng(2).integers(0, 50, count)
        v = np.arange(count * width, dtype=np.float32).reshape(count, width)
        x = cltorch.zeros(50, width, device=cl_device)
        index.put(x, [cltorch.tensor(i, device=cl_device)], cltorch.tensor(v, device=cl_device), False, variant=variant)
        expected = np.zeros((50, width), np.float32)
        expected[i] = v
        np.testing.assert_array_equal(numbers(x), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sums_at_equal_positions_are_the_same_bits_every_time(variant, cl_device):
    i = cltorch.tensor(np.random.default_rng(3).integers(0, 7, 30_000), device=cl_device)
    v = cltorch.randn(30_000, 5, device=cl_device)
    found = []
    for _ in range(2):
        x = cltorch.zeros(7, 5, device=cl_device)
        index.put(x, [i], v, True, variant=variant)
        found.append(numbers(x))
    np.testing.assert_array_equal(*found)
    exact = np.zeros((7, 5))
    np.add.at(exact, numbers(i), numbers(v))
    np.testing.assert_allclose(found[0], exact, atol=1e-3)


def test_rows_that_are_asked_for_ahead(cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, cache=1))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    rng = np.random.default_rng(6)
    for shape in ((50, 300), (3, 5), (9, 4, 70)):
        a, at = rng.standard_normal(shape).astype(np.float32), rng.integers(0, shape[0], 41)
        x, places = cltorch.tensor(a, device=cl_device), cltorch.tensor(at, device=cl_device)
        for each, wanted in ((places, at), (places[::2], at[::2]), (places.int()[1:], at[1:])):
            np.testing.assert_array_equal(cltorch.index_select(x, 0, each).cpu().numpy(), a[wanted])
        np.testing.assert_array_equal(x[1:][places[places > 0] - 1].cpu().numpy(), a[at[at > 0]])
    with pytest.raises(cltorch.errors.DeviceIndexError):
        cltorch.index_select(x, 0, cltorch.tensor([0, 2**40, -3], device=cl_device)).cpu()


@pytest.mark.parametrize("variant", VARIANTS)
def test_out_of_range_touches_nothing_else(variant, cl_device):
    at = cltorch.tensor([2, 3, -4, 2**40, 0], device=cl_device)
    for t in (dtypes.float32, dtypes.float16, dtypes.bfloat16, dtypes.int32):
        x = cltorch.arange(6, dtype=t, device=cl_device).reshape(3, 2)
        got = numbers(index.take(x, [at], variant=variant))
        assert got[[0, 4]].tolist() == [[4, 5], [0, 1]]
        assert (np.isnan(got[1:4]) if t.is_floating_point else got[1:4] == 0).all()
    for accumulate in (False, True):
        x = cltorch.zeros(9, 2, device=cl_device)
        index.put(x[3:6], [at], cltorch.ones(5, 2, device=cl_device), accumulate, variant=variant)
        assert numbers(x).sum(1).tolist() == [0, 0, 0, 2, 0, 2, 0, 0, 0]
    x = cltorch.zeros(9, device=cl_device)
    index.put(x, [cltorch.tensor([-1, 3], device=cl_device)], cltorch.ones(2, device=cl_device), False, False, variant)
    assert x.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    g = cltorch.tensor([[0, 9, -1], [1, 0, 2]], device=cl_device)
    x = cltorch.arange(6.0, device=cl_device).reshape(2, 3)
    out = cltorch.zeros(2, 3, device=cl_device)
    gather.along("gather", x, 1, g, out, variant)
    np.testing.assert_array_equal(numbers(out), [[0, np.nan, np.nan], [4, 3, 5]])
    for mode in ("assign", "add", "amax"):
        wide = cltorch.zeros(2, 9, device=cl_device)
        gather.along(mode, wide[:, 3:6], 1, g, x + 1, variant)
        np.testing.assert_array_equal(numbers(wide)[:, 3:6], [[1, 0, 0], [5, 4, 6]])
        assert numbers(wide).sum() == 16


ALONG = [
    ((5, 6), (5, 9), 1),
    ((5, 6), (8, 6), 0),
    ((5, 6), (3, 4), 0),
    ((3, 4, 5), (3, 7, 5), 1),
    ((3, 4, 200), (2, 6, 150), 1),
    ((500,), (3000,), 0),
    ((3, 1000), (3, 5000), 1),
    ((40, 70), (90, 70), 0),
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", ALONG, ids=str)
def test_gather_and_scatters(case, variant, cl_device):
    shape, index_shape, dim = case
    rng = np.random.default_rng(4)
    a = rng.integers(1, 4, shape).astype(np.float32)
    at = rng.integers(0, shape[dim], index_shape)
    places = [*np.ogrid[tuple(slice(n) for n in index_shape)]]
    places[dim] = at
    place = tuple(places)
    values = rng.integers(-3, 4, index_shape).astype(np.float32)
    pairs = [(cltorch.tensor(at, device=cl_device), cltorch.tensor(values, device=cl_device), cltorch.tensor)]
    pairs.append((strided(at, cl_device), strided(values, cl_device), strided))
    for g, v, make in pairs:
        x = make(a, device=cl_device)
        out = cltorch.zeros(*index_shape, device=cl_device)
        gather.along("gather", x, dim, g, out, variant)
        np.testing.assert_array_equal(numbers(out), a[place])
        modes = {"add": np.add, "amax": np.maximum, "amin": np.minimum, "multiply": np.multiply}
        for mode, combine in modes.items() if case is ALONG[0] else [("add", np.add)]:
            x, expected = make(a, device=cl_device), a.copy()
            gather.along(mode, x, dim, g, v, variant)
            combine.at(expected, place, values)
            np.testing.assert_array_equal(numbers(x), expected, err_msg=mode)
        x, expected = make(a, device=cl_device), a.copy()
        gather.along("assign", x, dim, g, v, variant)
        expected[place] = values
        np.testing.assert_array_equal(numbers(x), expected)


@pytest.mark.parametrize("t, variant", TYPES, ids=str)
def test_scatter_of_every_dtype(t, variant, cl_device):
    skip_without_fp64(t, cl_device)
    a = np.array([[1, 0, 1], [0, 1, 1]], np.float32) * (1 if t is dtypes.bool_ else 3)
    at, v = np.array([[0, 0], [2, 1]]), np.array([[1, 2], [0, 4]], np.float32)
    g = cltorch.tensor(at, dtype=dtypes.int32, device=cl_device)
    values = cltorch.tensor(v, device=cl_device).to(t)
    for mode, combine in [("add", np.add), ("amax", np.maximum)][: 2 if t.itemsize == 2 else 1]:
        x = cltorch.tensor(a, device=cl_device).to(t)
        gather.along(mode, x, 1, g, values, variant)
        expected = a.copy()
        combine.at(expected, (np.arange(2)[:, None], at), (v != 0) if t is dtypes.bool_ else v)
        np.testing.assert_array_equal(numbers(x), expected != 0 if t is dtypes.bool_ else expected)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (7, 9), (3, 4, 5), (300_001,), (100, 1000)], ids=str)
def test_nonzero(shape, variant, cl_device):
    rng = np.random.default_rng(5)
    for share in (0, 0.01, 0.5, 1):
        a = (rng.random(shape) < share).astype(np.float32) * 0.25
        x = cltorch.tensor(a, device=cl_device)
        for y, b in (
            ((x, a), (x.to(dtypes.bool_), a)) if len(shape) < 2 else ((x, a), (x.transpose(0, 1), a.swapaxes(0, 1)))
        ):
            places = np.argwhere(b) if shape else np.zeros((int(b != 0), 0))
            np.testing.assert_array_equal(numbers(nonzero(y, variant=variant)), places)
            np.testing.assert_array_equal(numbers(nonzero(y, True, variant)), np.flatnonzero(b))


def test_nothing_to_do(device):
    x = cltorch.ones(3, 0, device=device)
    none = cltorch.zeros(0, dtype=dtypes.int64, device=device)
    some = cltorch.tensor([0, 1], device=device)
    assert tuple(index.take(x, [some]).shape) == (2, 0) and tuple(index.take(x, [none]).shape) == (0, 0)
    index.put(x, [some], cltorch.ones(2, 0, device=device), True)
    y = cltorch.ones(3, device=device)
    index.put(y, [none], cltorch.ones(0, device=device), False)
    gather.along("add", y, 0, none, cltorch.ones(0, device=device))
    assert y.tolist() == [1, 1, 1] and tuple(nonzero(x).shape) == (0, 2)
