"""Generated cases on OpenCL devices: few operators in float32, for shapes and strides are arguments of one program."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from tests.generated.drawing import SHAPES, cases, compare, draw, laid_out, numbers, wide

DIMENSIONS = [s for s in SHAPES if s]


def axis(c, a):
    return c.number(a.ndim) - (a.ndim if c.yes() else 0)


def add(c, a, x, device):
    b = numbers(c, (1, *a.shape[1:]) if c.yes() else a.shape, "float32")
    return a + b, x + laid_out(c, b, device)


def total(c, a, x, device):
    d, keep = axis(c, a), c.yes()
    return np.sum(wide(a), d, keepdims=keep), x.sum(d, keepdim=keep)


def running(c, a, x, device):
    d = axis(c, a)
    return np.cumsum(wide(a), d), x.cumsum(d)


def largest(c, a, x, device):
    return (np.max(a), x.amax()) if a.size else (a, x.clone())


def joined(c, a, x, device):
    d = axis(c, a)
    return np.concatenate((a, a), d), cltorch.cat((x, x), d)


def chosen(c, a, x, device):
    d = axis(c, a)
    index = np.array([c.number(a.shape[d]) for _ in range(3)] if a.shape[d] else [], np.int64)
    return np.take(a, index, d), x.index_select(d, cltorch.tensor(index, device=device))


def turned(c, a, x, device):
    d = axis(c, a)
    return np.flip(a, d), x.flip(d)


def sorted_(c, a, x, device):
    d = axis(c, a)
    return np.sort(a, d), x.sort(d).values


OPERATORS = {f.__name__: f for f in (add, total, running, largest, joined, chosen, turned, sorted_)}


@pytest.mark.parametrize("name", sorted(OPERATORS))
@cases("on OpenCL devices", 5)
def test_on_devices(c, name, cl_device):
    a, x = draw(c, ("float32",), cl_device, DIMENSIONS)
    want, got = OPERATORS[name](c, a, x, cl_device)
    assert got.device == cltorch.device(cl_device)
    compare(got, want, "float32", f"{name} of {a!r}")
