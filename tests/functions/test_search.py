"""searchsorted, bucketize, isin, unique: results and errors, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct

NAN = float("nan")


def host(x):
    return x.detach().cpu().numpy()


@pytest.mark.parametrize("dtype", [ct.float32, ct.int64, ct.bfloat16])
def test_searchsorted_follows_numpy(device, dtype):
    rng = np.random.default_rng(1)
    sequence, values = np.sort(rng.integers(0, 50, 40)), rng.integers(-5, 60, (7, 200))
    s, v = (ct.tensor(a, device=device).to(dtype) for a in (sequence, values))
    for side in ("left", "right"):
        assert np.array_equal(host(ct.searchsorted(s, v, side=side)), np.searchsorted(sequence, values, side))
    assert np.array_equal(host(ct.searchsorted(s, v.t())), np.searchsorted(sequence, values.T))
    found = ct.bucketize(v, s, out_int32=True, right=True)
    assert found.dtype is ct.int32
    assert np.array_equal(host(found), np.searchsorted(sequence, values, "right"))


def test_every_line_has_its_own_sequence(device):
    rng = np.random.default_rng(2)
    sequence, values = np.sort(rng.standard_normal((2, 3, 9)), -1), rng.standard_normal((2, 3, 4))
    s, v = (ct.tensor(a, dtype=ct.float32, device=device) for a in (sequence, values))
    expected = [
        [np.searchsorted(p, q) for p, q in zip(a, b, strict=True)] for a, b in zip(sequence, values, strict=True)
    ]
    assert np.array_equal(host(ct.searchsorted(s, v)), expected)


def test_a_sorter_sorts_on_the_way(device):
    s, v = ct.tensor([[5, 1, 3], [9, 8, 7]], device=device), ct.tensor([[2, 5], [8, 10]], device=device)
    assert ct.searchsorted(s, v, sorter=s.argsort(-1)).tolist() == [[1, 2], [1, 3]]
    with pytest.raises(RuntimeError, match="sorter index out of range"):
        ct.searchsorted(s, v, sorter=s)
    with pytest.raises(RuntimeError, match="sorter must be a tensor of long dtype but got dtype Float"):
        ct.searchsorted(s, v, sorter=s.float())


def test_numbers_mixed_dtypes_and_nan_are_searched(device):
    s = ct.tensor([1.0, 2.0, 3.0], device=device)
    assert ct.searchsorted(s, 2.5).item() == 2
    assert ct.bucketize(2, s).item() == 1
    assert ct.searchsorted(ct.arange(4, device=device), 1.5).item() == 2
    assert ct.searchsorted(s, ct.tensor([2], device=device)).tolist() == [1]
    assert ct.searchsorted(s, ct.tensor([NAN, -NAN], device=device)).tolist() == [3, 3]
    assert ct.searchsorted(s[:0], s).tolist() == [0, 0, 0]
    assert ct.searchsorted(s, s[:0]).shape == (0,)


def test_errors_of_searches(device):
    s = ct.ones(2, 2, device=device)
    with pytest.raises(RuntimeError, match=r"boundaries tensor \[2, 2\] and input value tensor \[3\]"):
        ct.searchsorted(s, ct.ones(3, device=device))
    with pytest.raises(RuntimeError, match="only when boundaries tensor dimension is 1"):
        ct.searchsorted(s, 1.0)
    with pytest.raises(RuntimeError, match="side can only be 'left' or 'right' but got up"):
        ct.searchsorted(s, s, side="up")
    with pytest.raises(RuntimeError, match="got side of left while right was True"):
        ct.searchsorted(s, s, side="left", right=True)
    with pytest.raises(RuntimeError, match=r"must be 1 dimension, but got dim\(2\)"):
        ct.bucketize(s, s)
    with pytest.raises(RuntimeError, match="output tensor's dtype is wrong"):
        ct.searchsorted(s[0], s, out=ct.empty(2, 2, dtype=ct.int32, device=device))


@pytest.mark.parametrize("dtype", [ct.int64, ct.float32])
def test_isin_follows_numpy(device, dtype):
    rng = np.random.default_rng(3)
    a, tests = rng.integers(0, 100, (5, 40)), rng.integers(0, 100, (3, 5))
    x, t = (ct.tensor(v, device=device).to(dtype) for v in (a, tests))
    assert np.array_equal(host(ct.isin(x, t)), np.isin(a, tests))
    assert np.array_equal(host(ct.isin(x.t(), t, invert=True)), np.isin(a.T, tests, invert=True))


def test_isin_of_numbers_zeros_nan_and_nothing(device):
    x = ct.tensor([0.0, -0.0, NAN, 2.0], device=device)
    assert ct.isin(x, 2).tolist() == [False, False, False, True]
    assert ct.isin(x, ct.tensor([NAN, -0.0], device=device)).tolist() == [True, True, False, False]
    assert ct.isin(2.0, x).item() is True
    assert ct.isin(x, x[:0]).tolist() == [False] * 4
    assert ct.isin(ct.tensor([1, 2], device=device), ct.tensor([1.5, 2.0], device=device)).tolist() == [False, True]
    with pytest.raises(RuntimeError, match="Unsupported input type encountered for isin.*Bool"):
        ct.isin(x > 0, x)
    with pytest.raises(TypeError, match="must be a Tensor"):
        ct.isin(1, 2)


@pytest.mark.parametrize("dtype", [ct.int64, ct.float32, ct.bool])
def test_unique_follows_numpy(device, dtype):
    a = np.random.default_rng(4).integers(0, 2 if dtype is ct.bool else 30, (20, 60))
    x = ct.tensor(a, device=device).to(dtype)
    ref = np.unique(host(x), return_inverse=True, return_counts=True)
    values, inverse, counts = ct.unique(x, return_inverse=True, return_counts=True)
    assert np.array_equal(host(values), ref[0])
    assert np.array_equal(host(inverse), ref[1].reshape(20, 60))
    assert np.array_equal(host(counts), ref[2])
    assert np.array_equal(host(x.unique()), ref[0])
    assert [len(r) for r in (x.unique(return_inverse=True), x.unique(return_counts=True))] == [2, 2]


def test_unique_slices_follow_numpy(device):
    a = np.random.default_rng(5).integers(0, 2, (40, 2, 3)).astype(np.float32)
    x = ct.tensor(a, device=device)
    for dim, t in ((0, x), (1, x.transpose(0, 1)), (-1, x.permute(1, 2, 0))):
        ref = np.unique(host(t), axis=dim, return_inverse=True, return_counts=True)
        for mine, theirs in zip(t.unique(dim=dim, return_inverse=True, return_counts=True), ref, strict=True):
            assert np.array_equal(host(mine), theirs.reshape(mine.shape))


def test_consecutive_elements_are_joined(device):
    x = ct.tensor([1, 1, 2, 2, 2, 1, 3], device=device)
    values, inverse, counts = x.unique_consecutive(return_inverse=True, return_counts=True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 1, 3], [0, 0, 1, 1, 1, 2, 3], [2, 3, 1, 1])
    rows = ct.tensor([[1, 2], [1, 2], [1, 3], [1, 2]], device=device)
    values, counts = ct.unique_consecutive(rows, return_counts=True, dim=0)
    assert (values.tolist(), counts.tolist()) == ([[1, 2], [1, 3], [1, 2]], [2, 1, 1])


def test_unique_of_nan_zeros_scalars_and_nothing(device):
    x = ct.tensor([NAN, 0.0, NAN, -0.0], device=device)
    values, counts = x.unique(return_counts=True)
    assert np.array_equal(host(values), [0.0, NAN, NAN], equal_nan=True)
    assert counts.tolist() == [2, 1, 1]
    assert ct.tensor(3.0, device=device).unique().tolist() == [3.0]
    values, inverse, counts = ct.ones(0, 3, device=device).unique(return_inverse=True, return_counts=True)
    assert (values.shape, inverse.shape, counts.shape) == ((0,), (0, 3), (0,))
    assert ct.ones(0, 3, device=device).unique(dim=0).shape == (0, 3)
    with pytest.raises(RuntimeError, match="There are 0 sized dimensions"):
        ct.ones(0, 3, device=device).unique(dim=1)
    with pytest.raises(IndexError, match="tensor has no dimensions"):
        ct.tensor(1.0, device=device).unique(dim=0)


def test_many_elements_are_made_unique(device):
    a = np.random.default_rng(6).integers(-1000, 1000, 30000)
    ref = np.unique(a, return_inverse=True, return_counts=True)
    found = ct.tensor(a, device=device).unique(return_inverse=True, return_counts=True)
    for mine, theirs in zip(found, ref, strict=True):
        assert np.array_equal(host(mine), theirs)


def test_searches_agree_with_pytorch(device):
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    a = np.round(np.random.default_rng(7).standard_normal((6, 50)).astype(np.float32) * 3)
    a[2, :3] = NAN
    ours, theirs = ct.tensor(a, device=device), torch.from_numpy(a)
    for f in (
        lambda t, x: [t.searchsorted(x[0].sort().values, x), t.bucketize(x, x[1].sort().values, right=True)],
        lambda t, x: t.unique(x, return_inverse=True, return_counts=True)[0::2],
        lambda t, x: t.unique(x[:2], dim=1, return_inverse=True, return_counts=True),
        lambda t, x: t.unique_consecutive(x, return_inverse=True, return_counts=True),
        lambda t, x: [t.isin(x, x[2]), t.isin(x, 3.0, invert=True)],
    ):  # fmt: skip
        for mine, ref in zip(f(ct, ours), f(torch, theirs), strict=True):
            assert str(mine.dtype) == str(ref.dtype)
            assert np.array_equal(host(mine), ref.numpy(), equal_nan=mine.dtype is ct.float32)


def test_a_sequence_that_is_not_sorted_is_searched_as_by_pytorch(device):
    a = ct.tensor([[[1, 3, 5], [2, 4, 6]], [[1, 2, 3], [4, 5, 6]]], device=device).permute(2, 1, 0)
    ct.set_warn_always(True)
    try:
        with pytest.warns(UserWarning, match="tensor is non-contiguous"):
            found = ct.searchsorted(a.float(), a.int())
    finally:
        ct.set_warn_always(False)
    assert found.tolist() == [[[0, 0], [0, 1]], [[2, 0], [0, 1]], [[2, 0], [0, 0]]]
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        ct.bucketize(a > 1, ct.tensor([False, True], device=device))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 33])
def test_every_place_is_found(device, n):
    sequence = np.arange(n) * 2.0
    values = np.arange(-1.0, 2 * n + 1)
    s, v = ct.tensor(sequence, dtype=ct.float32, device=device), ct.tensor(values, dtype=ct.float32, device=device)
    for side in ("left", "right"):
        assert np.array_equal(host(ct.searchsorted(s, v, side=side)), np.searchsorted(sequence, values, side))
