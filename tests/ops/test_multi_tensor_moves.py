"""Copies and zeros over lists of tensors of every kind of dtype and layout, and operators over whole lists."""

from __future__ import annotations

import pytest

import cltorch
from cltorch.ops.multi_tensor_each import each_in_place
from cltorch.ops.multi_tensor_moves import arranged, copy_each, zero_each

DTYPES = [
    cltorch.float32, cltorch.float16, cltorch.bfloat16, cltorch.int64, cltorch.uint8, cltorch.bool, cltorch.complex64,
    cltorch.uint16, cltorch.float8_e5m2,
]  # fmt: skip


def drawn(shape, dtype, device):
    return (cltorch.rand(shape) * 9 - 3).to(dtype).to(device)


def same(a, b):
    a, b = (x.cpu().to(cltorch.complex64 if x.is_complex() else cltorch.float32) for x in (a, b))
    return a.tolist() == b.tolist()


def test_copies_of_every_dtype_and_layout(device):
    sources = [drawn(shape, t, device) for t in DTYPES for shape in ((3, 4), (), (0, 2))]
    sources += [drawn((4, 3), t, device).t() for t in DTYPES]
    targets = [cltorch.zeros(x.shape, dtype=x.dtype, device=device) for x in sources]
    copy_each(targets, sources)
    assert all(same(a, b) for a, b in zip(targets, sources, strict=True))
    assert all(x._version == 1 for x in targets)
    # between dtypes, as copy_ does
    pairs = [(cltorch.float32, cltorch.bfloat16), (cltorch.int64, cltorch.float32), (cltorch.float32, cltorch.int64)]
    for to, source in pairs:
        x, y = drawn((5,), source, device), cltorch.zeros(5, dtype=to, device=device)
        copy_each([y], [x])
        assert same(y, x.to(to))


def test_zeros_of_every_dtype_and_layout(device):
    xs = [drawn((3, 4), t, device) for t in DTYPES]
    wholes = [drawn((3, 8), t, device) for t in DTYPES]
    kept = [x.clone() for x in wholes]
    zero_each([*xs, *(x[:, ::2] for x in wholes)])
    assert all(same(x, cltorch.zeros(3, 4, dtype=x.dtype)) for x in xs)
    for x, before in zip(wholes, kept, strict=True):
        assert same(x[:, ::2], cltorch.zeros(3, 4, dtype=x.dtype)) and same(x[:, 1::2], before[:, 1::2])


def test_only_what_does_not_fit_is_copied(device):
    whole = cltorch.rand(4, 6, device=device)
    xs = [whole, whole.t(), whole[:, ::2], whole[1:]]
    runs, dense = arranged(xs), arranged(xs, contiguous=True)
    assert [a is b for a, b in zip(runs, xs, strict=True)] == [True, True, False, True]
    assert [a is b for a, b in zip(dense, xs, strict=True)] == [True, False, False, True]
    assert all(same(a, b) for made in (runs, dense) for a, b in zip(made, xs, strict=True))


def test_lists_that_are_refused(cl_device):
    a, b = (cltorch.ones(3, device=cl_device) for _ in range(2))
    assert each_in_place("mul", [[a, b]], [2.0]) and a.tolist() == b.tolist() == [2.0] * 3
    refused = [
        ("mul", [[a, b]], []), ("pow", [[a, b]], [2.0]), ("mul", [[a, a]], [2.0]), ("mul", [[a.int(), b.int()]], [2.0]),
        ("mul", [[a.cpu(), b.cpu()]], [2.0]), ("mul", [[a, b], [b, a]], []), ("mul", [[a], [b[:1]]], []),
        ("mul", [[a], [b.half()]], []),
    ]  # fmt: skip
    assert not any(each_in_place(*given) for given in refused)
    assert a.tolist() == b.tolist() == [2.0] * 3


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.75, 1.0])
def test_both_ends_of_a_way_are_reached(weight, cl_device):
    start, end = ([drawn((5,), cltorch.float32, cl_device) for _ in range(3)] for _ in range(2))
    wanted = [cltorch.lerp(a, b, weight) for a, b in zip(start, end, strict=True)]
    assert each_in_place("lerp near" if weight < 0.5 else "lerp far", [start, end], [weight])
    assert all(cltorch.allclose(a, b, rtol=1e-6, atol=1e-6) for a, b in zip(start, wanted, strict=True))
    if weight in (0.0, 1.0):
        assert all(same(a, b) for a, b in zip(start, wanted, strict=True))
