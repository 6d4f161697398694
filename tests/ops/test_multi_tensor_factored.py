"""Adafactor's estimate over lists of tensors: both kinds of kernel, every dtype, against NumPy's broadcasting."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.ops.multi_tensor_factored import divide_by_factors

WEIGHT, EPS = 0.3, 1e-3
# matrices of one element, small ones by the hundred, sides around the vector width, large ones in blocks
SHAPES = [
    (1, 1),
    (3, 4),
    (70, 9, 3, 3),
    (5, 6, 1, 1),
    (16, 17),
    (1, 3000),
    (3000, 1),
    (40, 50),
    (2, 300, 40),
    (600, 301),
]


def reference(g, rows, columns):
    square = g**2
    rows = rows + WEIGHT * (square.mean(-1, keepdims=True) - rows)
    columns = columns + WEIGHT * (square.mean(-2, keepdims=True) - columns)
    estimate = rows * columns / np.maximum(rows.mean(-2, keepdims=True), EPS)
    return g / np.sqrt(np.maximum(estimate, EPS**2)), rows, columns


def check(device, dtypes, shapes, kind, rtol):
    rng = np.random.default_rng(0)
    rows = []
    for i, shape in enumerate(shapes):
        each = [shape, (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])]
        values = [rng.standard_normal(each[0]), *(rng.random(s) for s in each[1:])]
        rows.append([cltorch.tensor(v).to(dtypes[i % len(dtypes)]).to(device) for v in values])
    wanted = [reference(*(x.cpu().double().numpy() for x in row)) if row[0].numel() else row for row in rows]
    wide = cltorch.float64 if cltorch.float64 in dtypes else cltorch.float32
    sizes = [row[0].numel() for row in rows]
    places = [sum(sizes[:i]) + 2 * i + 1 for i in range(len(rows))]
    out = cltorch.full((sum(sizes) + 2 * len(rows),), 7.0, dtype=wide, device=device)
    divide_by_factors(rows, out, places, WEIGHT, EPS, kind)
    found = out.cpu().double().numpy()
    for row, at, n, (divided, *means) in zip(rows, places, sizes, wanted, strict=True):
        if not n:  # no mean of nothing, and nothing to divide
            continue
        np.testing.assert_allclose(found[at : at + n], divided.reshape(-1), rtol=rtol, atol=rtol)
        for x, w in zip(row[1:], means, strict=True):
            np.testing.assert_allclose(x.cpu().double().numpy(), w, rtol=rtol, atol=rtol)
        assert found[at - 1] == 7.0  # nothing between the places is touched
        assert [x._version for x in row] == [0, 1, 1]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_matrices_of_any_size(device, kind):
    check(device, [cltorch.float32], SHAPES, kind, 2e-5)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_other_dtypes(device, kind, fp64):
    check(device, [cltorch.bfloat16, cltorch.float32], SHAPES[1:3] * 2 + [SHAPES[-1], SHAPES[-2]], kind, 1e-2)
    if fp64 and kind == "cpu":
        check(device, [cltorch.float64], [SHAPES[1], SHAPES[7]], kind, 1e-13)


def test_what_does_not_belong_together_is_refused(device):
    g, rows, columns = (cltorch.ones(s, device=device) for s in ((3, 4), (3, 1), (1, 4)))
    out = cltorch.empty(12, device=device)
    for row in ([g, columns, rows], [g, rows, columns.reshape(4)], [g.t(), rows, columns]):
        with pytest.raises(RuntimeError, match="means of a gradient"):
            divide_by_factors([row], out, [0], WEIGHT, EPS)


def test_more_tensors_than_a_launch_takes_and_empty_ones(cl_device):
    shapes = [(2, 0), (0, 3), *((i, 70 - i) for i in range(1, 45))]
    check(cl_device, [cltorch.float32], shapes, "", 2e-5)
