"""Shapes, joining, indexing, sorting and searching in generated cases against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from tests.generated.drawing import REAL, SHAPES, cases, compare, draw, laid_out, numbers, wide

DIMENSIONS = [s for s in SHAPES if s]


def dim_of(c, rank):
    """Return a dimension, counted from the front or from the back."""
    return c.number(rank) - (rank if c.yes() else 0)


def flip(c, a, x):
    d = dim_of(c, a.ndim)
    return np.flip(a, d), cltorch.flip(x, (d,))


def roll(c, a, x):
    d, n = dim_of(c, a.ndim), c.number(9) - 4
    return np.roll(a, n, d), x.roll(n, d)


def transpose(c, a, x):
    i, j = dim_of(c, a.ndim), dim_of(c, a.ndim)
    return np.swapaxes(a, i, j), cltorch.transpose(x, i, j)


def movedim(c, a, x):
    i, j = dim_of(c, a.ndim), dim_of(c, a.ndim)
    return np.moveaxis(a, i, j), cltorch.movedim(x, source=i, destination=j)


def flatten(c, a, x):
    i = c.number(a.ndim)
    j = i + c.number(a.ndim - i)
    return a.reshape((*a.shape[:i], int(np.prod(a.shape[i : j + 1])), *a.shape[j + 1 :])), x.flatten(i, j - a.ndim)


def unsqueeze(c, a, x):
    d = dim_of(c, a.ndim + 1)
    return np.expand_dims(a, d), x.unsqueeze(dim=d)


def squeeze(c, a, x):
    return a.squeeze(), cltorch.squeeze(x)


def tile(c, a, x):
    n = c.number(3) + 1
    return np.tile(a, (n, 2)), x.tile((n, 2))


def repeat_interleave(c, a, x):
    d, n = dim_of(c, a.ndim), c.number(4)
    return np.repeat(a, n, d), cltorch.repeat_interleave(x, n, dim=d)


def cat(c, a, x):
    d = dim_of(c, a.ndim)
    b = numbers(c, a.shape, str(a.dtype))
    return np.concatenate((a, b, a), d), cltorch.cat((x, laid_out(c, b, "cpu"), x), dim=d)


def stack(c, a, x):
    d = dim_of(c, a.ndim + 1)
    return np.stack((a, a), d), cltorch.stack([x, x], d)


def narrow(c, a, x):
    d = c.number(a.ndim)
    start = c.number(a.shape[d] + 1)
    n = c.number(a.shape[d] - start + 1)
    return np.take(a, range(start, start + n), d), x.narrow(d, start, n)


def triangle(c, a, x):
    if a.ndim < 2:
        a, x = np.stack((a, a)), cltorch.stack((x, x))
    k = c.number(5) - 2
    return (np.tril(a, k), x.tril(k)) if c.yes() else (np.triu(a, k), cltorch.triu(x, diagonal=k))


def diagonal(c, a, x):
    if a.ndim < 2:
        a, x = np.stack((a, a)), cltorch.stack((x, x))
    k = c.number(3) - 1
    return np.diagonal(a, k, -2, -1), x.diagonal(k, -2, -1)


def expand(c, a, x):
    n = c.number(3)
    return np.broadcast_to(a, (n, *a.shape)), x.expand(n, *([-1] * a.ndim))


def rot90(c, a, x):
    if a.ndim < 2:
        a, x = np.stack((a, a)), cltorch.stack((x, x))
    k = c.number(5) - 1
    return np.rot90(a, k), cltorch.rot90(x, k)


def sort(c, a, x):
    d, down = dim_of(c, a.ndim), c.yes()
    if a.dtype == bool or down:
        return np.sort(a, d), x.sort(d).values
    return np.sort(a, d), cltorch.sort(x, dim=d, stable=True)[0]


def descending(c, a, x):
    d = dim_of(c, a.ndim)
    return np.flip(np.sort(a, d), d), x.sort(d, descending=True)[0]


def argsort(c, a, x):
    d = dim_of(c, a.ndim)
    return np.argsort(a, d, kind="stable"), cltorch.argsort(x, d, stable=True)


def topk(c, a, x):
    if a.dtype == bool:  # which has no order there
        return flip(c, a, x)
    d = dim_of(c, a.ndim)
    k = c.number(a.shape[d] + 1)
    return np.take(np.flip(np.sort(a, d), d), range(k), d), x.topk(k, d).values


def kthvalue(c, a, x):
    d = dim_of(c, a.ndim)
    if not a.shape[d] or a.dtype == bool:
        return flip(c, a, x)
    k = c.number(a.shape[d])
    return np.take(np.sort(a, d), k, d), x.kthvalue(k + 1, d).values


def unique(c, a, x):
    return np.unique(a[~np.isnan(a)]), cltorch.unique(x[~cltorch.isnan(x)])


def nonzero(c, a, x):
    return np.argwhere(a), x.nonzero()


def searchsorted(c, a, x):
    line = np.sort(numbers(c, (9,), "float32", special=False))
    right = c.yes()
    got = cltorch.searchsorted(cltorch.tensor(line), x, right=right)
    plain = np.where(np.isnan(a), np.inf, a) if a.dtype.kind == "f" else a  # NaN goes behind all
    want = np.searchsorted(line, plain, "right" if right else "left")
    return np.where(np.isnan(a), 9, want), got


def isin(c, a, x):
    if a.dtype == bool:
        return flip(c, a, x)
    tests = numbers(c, (4,), str(a.dtype))
    return np.isin(a, tests), cltorch.isin(x, cltorch.tensor(tests))


def index_select(c, a, x):
    d = dim_of(c, a.ndim)
    index = np.array([c.number(a.shape[d]) for _ in range(3)] if a.shape[d] else [], np.int64)
    return np.take(a, index, d), x.index_select(d, cltorch.tensor(index))


def take_along_dim(c, a, x):
    d = dim_of(c, a.ndim)
    order = np.argsort(a, d, kind="stable")
    return np.take_along_axis(a, order, d), cltorch.take_along_dim(x, cltorch.tensor(order), dim=d)


def masked_fill(c, a, x):
    mask = numbers(c, a.shape, "bool")
    return np.where(mask, np.asarray(1, a.dtype), a), x.masked_fill(cltorch.tensor(mask), 1)


def masked_select(c, a, x):
    mask = numbers(c, a.shape, "bool")
    return a[mask], cltorch.masked_select(x, cltorch.tensor(mask))


def where(c, a, x):
    mask, b = numbers(c, a.shape[1:], "bool"), numbers(c, a.shape, str(a.dtype))
    return np.where(mask, a, b), cltorch.where(cltorch.tensor(mask), x, laid_out(c, b, "cpu"))


def scatter_add(c, a, x):
    index = np.array([c.number(4) for _ in range(a.shape[0])], np.int64)
    line = a.reshape(a.shape[0], -1)[:, 0].astype(np.float32) if a.size else np.zeros(a.shape[0], np.float32)
    line = np.where(np.isfinite(line), line, 1).astype(np.float32)
    want = np.zeros(4, np.float32)
    np.add.at(want, index, line)
    return want, cltorch.zeros(4).scatter_add(0, cltorch.tensor(index), cltorch.tensor(line))


MOVES = {f.__name__: f for f in (
    flip, roll, transpose, movedim, flatten, unsqueeze, squeeze, tile, repeat_interleave, cat, stack, narrow, triangle,
    diagonal, expand, rot90, sort, descending, argsort, topk, kthvalue, unique, nonzero, searchsorted, isin,
    index_select, take_along_dim, masked_fill, masked_select, where, scatter_add,
)}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MOVES))
@cases("shapes, sorting and indexing", 6)
def test_moves(c, name):
    special = name not in ("topk", "descending", "sort", "argsort", "kthvalue", "take_along_dim")
    a, x = draw(c, REAL, "cpu", DIMENSIONS, special)
    want, got = MOVES[name](c, a, x)
    compare(got, want, None if name in ("nonzero", "scatter_add") else want.dtype, f"{name} of {a!r}")


def index_of(c, shape):
    """Return an index of a tensor: numbers, slices, None, an ellipsis, and one array of numbers or truth values."""
    items, used_array, d = [], False, 0
    while d < len(shape):
        kind, n = c.number(7), shape[d]
        if kind == 1 and n:
            items.append(c.number(n) - (n if c.yes() else 0))
        elif kind == 2:
            items.append(slice(c.number(n + 1), None, c.number(2) + 1))
        elif kind == 3:
            items.append(slice(-c.number(3) - 1, None))
        elif kind == 4:
            items.append(None)
            d -= 1
            if len(items) > 6:
                break
        elif kind == 5:
            items.append(...)
            break
        elif kind == 6 and n and not used_array:
            used_array = True
            if c.yes():
                items.append(np.resize([True, False, True], n))
            else:
                items.append(np.array([c.number(n), c.number(n) - n, c.number(n)]))
        else:
            items.append(slice(None))
        d += 1
    if used_array:  # where NumPy counts a number among the arrays, PyTorch selects first
        items = [slice(i, i + 1 or None) if isinstance(i, int) else i for i in items]
    return tuple(items)


def as_tensors(index):
    return tuple(cltorch.tensor(i) if isinstance(i, np.ndarray) else i for i in index)


@cases("indexing", 36)
def test_reading_by_index(c):
    a, x = draw(c, REAL, "cpu", DIMENSIONS)
    index = index_of(c, a.shape)
    compare(x[as_tensors(index)], a[index], a.dtype, f"{index} of {a!r}")


@cases("indexing", 36)
def test_writing_by_index(c):
    a, x = draw(c, REAL, "cpu", DIMENSIONS)
    index = index_of(c, a.shape)
    b, y = a.copy(), x.clone()
    if c.yes():
        b[index] = y[as_tensors(index)] = 1
    else:
        part = np.flip(a[index].reshape(-1)).reshape(a[index].shape)
        b[index] = part
        y[as_tensors(index)] = cltorch.tensor(part.copy())
    compare(y, b, a.dtype, f"{index} of {a!r}")


MATRICES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 2)), ((2, 0), (0, 3)), ((0, 2), (2, 3)),
            ((4, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)), ((2, 1, 2, 3), (3, 3, 1)), ((1, 1), (1, 5)),
            ((7, 5), (5, 17))]  # fmt: skip


@cases("products", 36)
def test_products(c):
    left, right = c.of(MATRICES)
    t = c.of(("float32", "float64", "int64"))
    a, b = numbers(c, left, t, False), numbers(c, right, t, False)
    x, y = laid_out(c, a, "cpu"), laid_out(c, b, "cpu")
    got = x @ y if c.yes() else cltorch.matmul(x, other=y)
    compare(got, np.matmul(wide(a), wide(b)), t, f"{a!r} @ {b!r}")
