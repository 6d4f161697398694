"""Kernels of running totals, both variants, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops import scan as ops
from cltorch.ops.array import from_host, values

# (shape, dimension): tails of blocks, whole blocks, columns of several widths
WHOLE = [((5,), 0), ((33, 40), 1), ((17, 3), 0), ((2, 9, 70), 1)]
# lines and columns that are cut in parts
CUT = [((4201,), 0), ((9, 4200), 1), ((600, 70), 0)]
VARIANTS = ("cpu", "gpu")


def running(op, a, dim, reverse=False, factor=None, lag=0):
    """Compute running totals one element after the other, in NumPy."""
    a = np.moveaxis(a, dim, 0)
    a = a[::-1] if reverse else a
    if factor is not None:
        factor = np.moveaxis(factor, dim, 0)
        factor = factor[::-1] if reverse else factor
        out = a.copy()
        for j in range(1, len(a)):
            out[j] += factor[j - lag] * out[j - 1]
    elif op == ops.LSE:
        out = np.logaddexp.accumulate(a, 0)
    else:
        out = (np.cumsum if op == ops.SUM else np.cumprod)(a, 0)
    return np.moveaxis(out[::-1] if reverse else out, 0, dim)


def extremes(a, dim, largest):
    """Return running extremes and their positions by PyTorch's rule, element by element."""
    a = np.moveaxis(a, dim, 0)
    best, at = a[0].copy(), np.zeros(a[0].shape, np.int64)
    out, indices = [], []
    for j, x in enumerate(a):
        newer = np.isnan(x) | (~np.isnan(best) & ((x >= best) if largest else (x <= best)))
        best, at = np.where(newer, x, best), np.where(newer, j, at)
        out.append(best)
        indices.append(at)
    return np.moveaxis(np.array(out), 0, dim), np.moveaxis(np.array(indices), 0, dim)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sums_of_floats_from_either_end(cl_device, variant):
    rng = np.random.default_rng(1)
    for reverse, shapes in ((False, WHOLE + CUT), (True, WHOLE[1:2] + (CUT[1:2] if variant == "cpu" else []))):
        for shape, dim in shapes:
            a = rng.standard_normal(shape).astype(np.float32)
            x = from_host(a, dtypes.float32, cltorch.device(cl_device))
            found = values(ops.scan(ops.SUM, x, dim, dtypes.float32, reverse, variant=variant))
            np.testing.assert_allclose(found, running(ops.SUM, a.astype(np.float64), dim, reverse), atol=2e-3)


@pytest.mark.parametrize("t", [dtypes.int64, dtypes.bool_], ids=str)
def test_sums_of_integers_are_exact_in_int64(cl_device, t):
    rng = np.random.default_rng(2)
    for shape, dim in WHOLE + (CUT if t is dtypes.int64 else []):
        a = rng.integers(0, 2 if t is dtypes.bool_ else 200, shape)
        x = from_host(a, t, cltorch.device(cl_device))
        assert np.array_equal(values(ops.scan(ops.SUM, x, dim, dtypes.int64)), np.cumsum(a, dim))


@pytest.mark.parametrize("op, variant", [(ops.PROD, "cpu"), (ops.LSE, "cpu"), (ops.LSE, "gpu")])
def test_products_and_logarithms_of_sums(cl_device, op, variant):
    rng = np.random.default_rng(3)
    for shape, dim in WHOLE:
        a = rng.choice([-1, 1], shape) * (1 + 0.001 * rng.standard_normal(shape))
        x = from_host(a, dtypes.float32, cltorch.device(cl_device))
        found = values(ops.scan(op, x, dim, dtypes.float32, variant=variant))
        np.testing.assert_allclose(found, running(op, a, dim), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    "t, op, variant",
    [(dtypes.float32, ops.MAX, "cpu"), (dtypes.float32, ops.MAX, "gpu"), (dtypes.int16, ops.MIN, "cpu")],
)
def test_extremes_know_their_positions(cl_device, t, op, variant):
    rng = np.random.default_rng(4)
    for shape, dim in WHOLE + (CUT[1:] if op == ops.MAX and t is dtypes.float32 and variant == "cpu" else []):
        a = np.round(rng.standard_normal(shape) * 2)
        if t is dtypes.float32:
            a[rng.random(shape) < 5 / shape[dim]] = np.nan
        x = from_host(a, t, cltorch.device(cl_device))
        found = ops.scan(op, x, dim, t, variant=variant)
        best, at = extremes(a, dim, op == ops.MAX)
        assert np.array_equal(values(found[0]), best.astype(values(x).dtype), equal_nan=t is dtypes.float32)
        assert np.array_equal(values(found[1]), at)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("reverse, lag", [(False, 0), (True, 1)])
def test_recurrences_go_from_either_end(cl_device, variant, reverse, lag):
    rng = np.random.default_rng(5)
    for shape, dim in WHOLE + (CUT if reverse and variant == "cpu" else []):
        a, b = rng.uniform(-1, 1, shape).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
        if lag == 0:
            # the factor in front of the first element must not matter, whatever it is
            first = [slice(None)] * len(shape)
            first[dim] = slice(-1, None) if reverse else slice(0, 1)
            a[tuple(first)] = np.nan
        x, f = (from_host(v, dtypes.float32, cltorch.device(cl_device)) for v in (b, a))
        found = values(ops.scan(ops.REC, x, dim, dtypes.float32, reverse, f, lag, variant))
        expected = running(ops.REC, b.astype(np.float64), dim, reverse, a.astype(np.float64), lag)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_host_computes_recurrences_alike():
    rng = np.random.default_rng(6)
    for shape, dim in (((7,), 0), ((3, 50), 1), ((50, 3), 0)):
        a, b = rng.uniform(-1, 1, shape), rng.standard_normal(shape)
        for reverse in (False, True):
            for lag in (0, 1):
                x, f = (from_host(v, dtypes.float64, cltorch.device("cpu")) for v in (b, a))
                found = values(ops.scan(ops.REC, x, dim, dtypes.float64, reverse, f, lag))
                np.testing.assert_allclose(found, running(ops.REC, b, dim, reverse, a, lag), atol=1e-12)


@pytest.mark.parametrize("t", [dtypes.float16, dtypes.bfloat16], ids=str)
def test_halves_add_up_in_float32(device, t):
    x = from_host(np.full((3, 1000), 0.1), t, cltorch.device(device))
    one = float(values(x)[0, 0])
    found = values(ops.scan(ops.SUM, x, 1, t))
    # rounded once at the end: within one unit of the last place of the stored type
    np.testing.assert_allclose(
        found, np.cumsum(np.full((3, 1000), one), 1), rtol=2.0**-10 if t is dtypes.float16 else 2**-7
    )


def test_float64_keeps_its_precision(device, fp64):
    if not fp64:
        pytest.skip("no double precision on this device")
    a = np.random.default_rng(7).standard_normal((9, 5000))
    x = from_host(a, dtypes.float64, cltorch.device(device))
    np.testing.assert_allclose(values(ops.scan(ops.SUM, x, 1, dtypes.float64)), np.cumsum(a, 1), atol=1e-11)


def test_results_are_the_same_bits_every_time(cl_device):
    a = np.random.default_rng(8).standard_normal(20000).astype(np.float32)
    x = from_host(a, dtypes.float32, cltorch.device(cl_device))
    first = values(ops.scan(ops.SUM, x, 0, dtypes.float32))
    for _ in range(3):
        assert np.array_equal(values(ops.scan(ops.SUM, x, 0, dtypes.float32)), first)
