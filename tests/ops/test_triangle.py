"""Triangle kernels, both variants, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops import triangle as ops
from cltorch.ops.array import empty, from_host, values, view


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("upper", [False, True])
def test_both_variants_keep_the_triangle(cl_device, variant, upper):
    d = cltorch.device(cl_device)
    rng = np.random.default_rng(1)
    for shape in ((1, 1), (4, 7), (7, 4), (2, 3, 5, 5)):
        a = rng.standard_normal(shape).astype(np.float32)
        x = from_host(a, dtypes.float32, d)
        for k in (-8, -1, 0, 2, 9):
            out = empty(shape, dtypes.float32, d)
            ops.keep(out, x, k, upper, variant)
            assert np.array_equal(values(out), (np.triu if upper else np.tril)(a, k))


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_only_the_view_changes_in_place(cl_device, variant):
    a = np.arange(60, dtype=np.int64).reshape(3, 4, 5)
    x = from_host(a, dtypes.int64, cltorch.device(cl_device))
    part = view(x, x.lay.slice(0, 0, 3, 2).transpose(1, 2))
    ops.keep(part, None, 0, False, variant)
    expected = a.copy()
    expected[::2] = np.swapaxes(np.tril(np.swapaxes(a[::2], 1, 2)), 1, 2)
    assert np.array_equal(values(x), expected)


@pytest.mark.parametrize("upper", [False, True])
def test_coordinates_come_row_by_row(device, upper):
    for rows, columns in ((0, 3), (3, 0), (1, 1), (4, 6), (6, 4)):
        for k in (-7, -2, 0, 1, 5, 8):
            ref = (np.triu_indices if upper else np.tril_indices)(rows, k, columns)
            found = ops.indices(rows, columns, k, upper, dtypes.int64, cltorch.device(device))
            assert np.array_equal(values(found), np.array(ref))
