"""Reductions and positions of extremes as kernels, for both kinds of device and every shape of walk, against NumPy."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops import argreduce, reduce

VARIANTS = ("cpu", "gpu")


def expsum(x, ax):
    hi = x.max(ax, keepdims=True)
    return np.log(np.exp(x - hi).sum(ax)) + np.squeeze(hi, ax)


# row -> (reference in float64, its numbers)
ROWS = {
    reduce.SUM: (np.sum, ()),
    reduce.MEAN: (lambda x, ax: x.sum(ax) / 7, (7,)),
    reduce.PROD: (np.prod, ()),
    reduce.AMAX: (np.max, ()),
    reduce.AMIN: (np.min, ()),
    reduce.ANY: (lambda x, ax: (x != 0).any(ax), ()),
    reduce.ALL: (lambda x, ax: (x != 0).all(ax), ()),
    reduce.COUNT: (lambda x, ax: (x != 0).sum(ax), ()),
    reduce.NANSUM: (np.nansum, ()),
    reduce.SQUARES: (lambda x, ax: np.sqrt((x * x).sum(ax)), ()),
    reduce.ABSSUM: (lambda x, ax: np.abs(x).sum(ax), ()),
    reduce.ABSMAX: (lambda x, ax: np.abs(x).max(ax), ()),
    reduce.ABSMIN: (lambda x, ax: np.abs(x).min(ax), ()),
    reduce.PNORM: (lambda x, ax: (np.abs(x) ** 3).sum(ax) ** (1 / 3), (3,)),
    reduce.LOGSUM: (lambda x, ax: np.log(x.sum(ax)), ()),
    reduce.VAR: (lambda x, ax: x.var(ax) * math.prod(x.shape[d] for d in ax) / 5, (5,)),
    reduce.STD: (lambda x, ax: np.sqrt(x.var(ax) * math.prod(x.shape[d] for d in ax) / 5), (5,)),
    reduce.EXPSUM: (expsum, ()),
}
AUX = {reduce.VAR: np.mean, reduce.STD: np.mean, reduce.EXPSUM: np.max}
# short and long, rows and columns, cut into parts and not, with rests of vectors
SHAPES = [
    ((5, 3), (1,)),
    ((300, 70), (0,)),
    ((70, 300), (1,)),
    ((3, 40_003), (1,)),
    ((40_003, 3), (0,)),
    ((90_001,), (0,)),
]


def skip_without_fp64(t, device):
    if t is dtypes.float64 and not (cltorch.device(device).type == "cpu" or cltorch.device(device).context.caps.fp64):
        pytest.skip("the device has no float64")


def numbers(x):
    x = x.cpu()
    return (x.float() if x.dtype in (dtypes.bfloat16, dtypes.float16) else x).numpy()


def reference(row, a, dims):
    return ROWS[row][0](a.astype(np.float64), dims)


def run(row, x, dims, out_dtype, variant, a):
    aux = None
    if row.aux:
        acc = dtypes.float64 if x.dtype is dtypes.float64 else dtypes.float32
        aux = cltorch.tensor(AUX[row](a.astype(np.float64), dims), dtype=acc, device=x.device)
    return numbers(reduce.reduce(row, x, dims, out_dtype, ROWS[row][1], aux, variant))


# on the second kind of device only rows that differ in their types and arguments: the formulas are the same text
CASES = [(row, "cpu") for row in ROWS]
CASES += [(row, "gpu") for row in (reduce.SUM, reduce.AMAX, reduce.COUNT, reduce.PNORM, reduce.STD, reduce.EXPSUM)]


@pytest.mark.parametrize("row, variant", CASES, ids=lambda v: getattr(v, "name", v))
def test_every_row_on_every_kind_of_walk(row, variant, cl_device):
    rng = np.random.default_rng(0)
    for shape, dims in SHAPES if row is reduce.SUM else SHAPES[1:3] + SHAPES[5:]:
        a = (1 + 0.1 * rng.standard_normal(shape)).astype(np.float32)
        if row is reduce.PROD:
            a = np.exp(0.01 * rng.standard_normal(shape)).astype(np.float32)
        elif row in (reduce.ANY, reduce.ALL, reduce.COUNT):
            a *= rng.random(shape) < (0.001 if row is reduce.ANY else 0.999)
        elif row is reduce.NANSUM:
            a[rng.random(shape) < 0.1] = np.nan
        out = {reduce.ANY: dtypes.bool_, reduce.ALL: dtypes.bool_, reduce.COUNT: dtypes.int64}.get(row, dtypes.float32)
        got = run(row, cltorch.tensor(a, device=cl_device), dims, out, variant, a)
        np.testing.assert_allclose(got, reference(row, a, dims), rtol=3e-5 if row is reduce.PROD else 2e-6)


def layouts(device, t=dtypes.float32):
    """Yield (name, tensor, its values) for every way in which elements can lie in memory."""
    rng = np.random.default_rng(1)

    def make(*shape):
        a = rng.integers(-50, 50, shape).astype(np.float32)
        return cltorch.tensor(a, dtype=t, device=device), a

    x, a = make(4, 5, 33, 6)
    yield "dense", x, a
    yield "permuted", x.permute(2, 0, 3, 1), a.transpose(2, 0, 3, 1)
    yield "steps", x[:, ::2, 1::3], a[:, ::2, 1::3]
    yield "offset", x[1:, :, 2:30], a[1:, :, 2:30]
    x, a = make(7, 1, 35)
    yield "expanded", x.expand(7, 4, 35), np.broadcast_to(a, (7, 4, 35))
    x, a = make(1, 3)
    yield "one number thrice", x[:, :1].expand(5, 4), np.broadcast_to(a[:, :1], (5, 4))
    x, a = make(257)
    yield "reversed rows", x.as_strided((16, 16), (1, 16)), np.lib.stride_tricks.as_strided(a, (16, 16), (4, 64))
    yield "windows", x.unfold(0, 9, 2), np.lib.stride_tricks.sliding_window_view(a, 9)[::2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_layout_over_all_dimensions(variant, cl_device):
    for name, x, a in layouts(cl_device):
        if variant == "gpu" and name not in ("permuted", "steps", "windows"):
            continue  # work-items of a GPU walk one by one: there are fewer forms
        for k in range(a.ndim + 1):
            for dims in itertools.combinations(range(a.ndim), k):
                got = numbers(reduce.reduce(reduce.SUM, x, dims, dtypes.float32, variant=variant))
                np.testing.assert_array_equal(got, a.sum(dims), err_msg=f"{name} over {dims}")


FEW = (dtypes.bool_, dtypes.int64, dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@pytest.mark.parametrize(
    "t, variant", [(t, "cpu") for t in dtypes.ALL] + [(t, "gpu") for t in FEW], ids=lambda v: str(v)
)  # fmt: skip
def test_every_dtype(t, variant, cl_device):
    skip_without_fp64(t, cl_device)
    rng = np.random.default_rng(2)
    a = rng.integers(0 if t.family in "bu" else -3, 4, (70, 130))
    a = a.astype(t.np if t is not dtypes.bfloat16 else np.float32)
    x = cltorch.tensor(a, dtype=t, device=cl_device)
    total = t if t.is_floating_point else dtypes.int64
    wide = a.astype(np.float64)
    for dims in ((0,), (1,)):
        got = numbers(reduce.reduce(reduce.SUM, x, dims, total, variant=variant))
        np.testing.assert_array_equal(got, wide.sum(dims))  # small whole numbers: exact in every dtype
    got = numbers(reduce.reduce(reduce.AMAX, x, (1,), t, variant=variant))
    np.testing.assert_array_equal(got, wide.max(1))
    got = numbers(reduce.reduce(reduce.COUNT, x, (1,), dtypes.int64, variant=variant))
    np.testing.assert_array_equal(got, (wide != 0).sum(1))
    for dim in (0, 1) if variant == "cpu" else (1,):
        values, at = argreduce.extreme(x, dim, dim == 1, True, variant)
        find = np.argmin if dim == 1 else np.argmax
        np.testing.assert_array_equal(numbers(at), find(wide, dim))
        np.testing.assert_array_equal(numbers(values), wide.min(dim) if dim == 1 else wide.max(dim))


def test_fractions_are_not_zero(cl_device):
    x = cltorch.full((100,), 0.25, device=cl_device)
    for t in (dtypes.float16, dtypes.bfloat16, dtypes.float32):
        assert reduce.reduce(reduce.COUNT, x.to(t), (0,), dtypes.int64).item() == 100
        assert reduce.reduce(reduce.ALL, x.to(t), (0,), dtypes.bool_).item() is True


@pytest.mark.parametrize("variant", VARIANTS)
def test_sums_of_ten_million_lose_no_digits(variant, cl_device):
    a = np.random.default_rng(3).random(10_000_000, dtype=np.float32)
    exact = a.sum(dtype=np.float64)
    x = cltorch.tensor(a, device=cl_device)
    for view in (x, x.view(2500, 4000).t(), x.view(-1, 4), x.view(5_000_000, 2)[:, 0]):
        got = numbers(reduce.reduce(reduce.SUM, view, tuple(range(view.ndim)), dtypes.float32, variant=variant))
        half = a[::2].sum(dtype=np.float64) if view.numel() < a.size else exact
        assert abs(got - half) / half < 1e-6
    columns = numbers(reduce.reduce(reduce.SUM, x.view(-1, 4), (0,), dtypes.float32, variant=variant))
    np.testing.assert_allclose(columns, a.reshape(-1, 4).sum(0, dtype=np.float64), rtol=1e-6)


def test_parts_that_are_read_at_the_same_time(cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, cache=1))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    monkeypatch.setattr(reduce, "_LONG_RUN", 1)
    monkeypatch.setattr(reduce, "_GRAIN", 100)
    for shape in ((1,), (100,), (30_011,), (4, 5000), (3, 7001), (2, 3, 4099)):
        a = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        x = cltorch.tensor(a, device=cl_device)
        for dims in (tuple(range(len(shape))), (len(shape) - 1,)):
            exact = a.astype(np.float64)
            np.testing.assert_allclose(numbers(x.sum(dims)), exact.sum(dims), rtol=1e-5, atol=1e-4)
            np.testing.assert_array_equal(numbers(x.amax(dims)), a.max(dims))
            if shape != (1,):
                np.testing.assert_allclose(numbers(x.var(dims)), exact.var(dims, ddof=1), rtol=1e-5)
        np.testing.assert_array_equal(numbers(x.long().sum()), a.astype(np.int64).sum())
        np.testing.assert_array_equal(numbers(x.sum()), numbers(x.sum()))
        x[..., -1] = math.nan
        assert math.isnan(x.amax().item()) and math.isnan(x.sum().item())


@pytest.mark.parametrize("t", [dtypes.float32, dtypes.float16], ids=str)
def test_rows_that_are_asked_for_ahead(t, cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, cache=1))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    a = np.random.default_rng(5).integers(-8, 9, (37, 1100)).astype(np.float32)
    whole = cltorch.tensor(a, device=cl_device).to(t)
    for x, wanted in ((whole, a), (whole[:, 3:1050], a[:, 3:1050]), (whole[5], a[5]), (whole[::3], a[::3])):
        np.testing.assert_array_equal(numbers(x.float().sum(-1)), wanted.sum(-1))
        np.testing.assert_array_equal(numbers(x.amax(-1)), wanted.max(-1))


def test_host_sums_lose_no_digits():
    a = np.random.default_rng(3).random((3_000_000, 2), dtype=np.float32)
    got = numbers(reduce.reduce(reduce.SUM, cltorch.tensor(a), (0,), dtypes.float32))
    np.testing.assert_allclose(got, a.sum(0, dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_reduction_of_nothing_is_the_identity(variant, cl_device):
    for shape in ((0,), (3, 0), (0, 4), (2, 0, 3)):
        x = cltorch.empty(shape, device=cl_device)
        for k in range(1, len(shape) + 1):
            for dims in itertools.combinations(range(len(shape)), k):
                for row, identity in ((reduce.SUM, 0), (reduce.PROD, 1)):
                    got = numbers(reduce.reduce(row, x, dims, dtypes.float32, variant=variant))
                    np.testing.assert_array_equal(got, np.full(reduce.kept_shape(shape, dims, False), identity))


@pytest.mark.parametrize("variant", VARIANTS)
def test_nan_wins_and_infinities_are_numbers(variant, cl_device):
    nan, inf = math.nan, math.inf
    a = np.array([[1, nan, 2], [inf, -inf, 0], [-inf, -inf, -inf], [nan, inf, nan], [inf, inf, 1]], np.float32)
    a = np.concatenate([a, np.ones((5, 500), np.float32)], 1)
    x = cltorch.tensor(a, device=cl_device)
    for less, row, ref in ((False, reduce.AMAX, np.max), (True, reduce.AMIN, np.min)):
        np.testing.assert_array_equal(
            numbers(reduce.reduce(row, x, (1,), dtypes.float32, variant=variant)), ref(a, 1)
        )  # fmt: skip
        for dim, b in ((1, a), (0, a), (None, a)):
            values, at = argreduce.extreme(x, dim, less, True, variant)
            np.testing.assert_array_equal(numbers(at), (np.argmin if less else np.argmax)(b, dim))
            np.testing.assert_array_equal(numbers(values), ref(b, dim))


@pytest.mark.parametrize("variant", VARIANTS)
def test_first_of_equal_extremes_in_every_layout(variant, cl_device):
    for name, x, a in layouts(cl_device):
        if name in ("steps", "windows", "expanded") and variant == "gpu":
            continue
        a = np.round(a / 20)  # many equal ones
        x = cltorch.round(x / 20) if name == "dense" else x
        b = a if name == "dense" else numbers(x)
        for dim in (*range(b.ndim), None):
            _, at = argreduce.extreme(x, dim, False, False, variant)
            np.testing.assert_array_equal(numbers(at), np.argmax(b, dim), err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape, dim", [((200_003,), None), ((3, 70_001), 1), ((70_001, 5), 0), ((40, 3, 999), None)])
def test_positions_in_long_ranges_cut_into_parts(shape, dim, variant, cl_device):
    a = np.random.default_rng(5).integers(0, 1000, shape).astype(np.float32)  # every extreme occurs many times
    x = cltorch.tensor(a, device=cl_device)
    for less in (False, True):
        values, at = argreduce.extreme(x, dim, less, True, variant)
        np.testing.assert_array_equal(numbers(at), (np.argmin if less else np.argmax)(a, dim))
        np.testing.assert_array_equal(numbers(values), (np.min if less else np.max)(a, dim))


def test_same_bits_every_time(cl_device):
    x = cltorch.randn(300, 1000, device=cl_device)
    for variant in VARIANTS:
        for dims in ((0,), (1,), (0, 1)):
            first, second = (numbers(reduce.reduce(reduce.SUM, x, dims, dtypes.float32, variant=variant)) for _ in "ab")
            np.testing.assert_array_equal(first, second)
