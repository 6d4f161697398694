"""bincount, histc, histogram and histogramdd against NumPy, and what they refuse."""

import numpy as np
import pytest

import cltorch


def test_bincount(device):
    a = np.random.randint(0, 9, 200)
    x = cltorch.tensor(a, device=device)
    assert cltorch.bincount(x).tolist() == np.bincount(a).tolist()
    assert x.bincount(minlength=12).tolist() == np.bincount(a, minlength=12).tolist()
    w = np.random.rand(200).astype(np.float32)
    got = cltorch.bincount(x[::2], cltorch.tensor(w, device=device)[::2])
    assert got.dtype is cltorch.float32
    np.testing.assert_allclose(got.numpy(force=True), np.bincount(a[::2], w[::2]), rtol=1e-5)


def test_bincount_of_any_sizes(device):
    x = cltorch.tensor([[5, 0], [2, 1], [2, 7]], dtype=cltorch.int32, device=device)[:, 0]
    assert x.bincount(minlength=3).tolist() == [0, 0, 2, 0, 0, 1]  # too few places are asked for
    for n in (6, 4000):
        assert x.bincount(minlength=n).tolist() == np.bincount([5, 2, 2], minlength=n).tolist()
    for given in ({}, {"minlength": 3}, {"weights": cltorch.ones(3, device=device)}):
        with pytest.raises(RuntimeError, match="non-negative"):
            (x - 3).bincount(**given)
    with pytest.raises(NotImplementedError, match="\"bincount_cpu\" not implemented for 'UInt16'"):
        x.to(cltorch.uint16).bincount()


def test_bincount_dtypes_and_errors():
    x = cltorch.tensor([1, 3, 1], dtype=cltorch.uint8)
    assert cltorch.bincount(x).dtype is cltorch.int64
    assert cltorch.bincount(x, cltorch.tensor([1, 2, 3])).dtype is cltorch.float64
    assert cltorch.bincount(x[:0], minlength=2).tolist() == [0, 0]
    for wrong, kind, message in (
        (lambda: cltorch.bincount(x.float()), NotImplementedError, "not implemented for 'Float'"),
        (lambda: cltorch.bincount(x.reshape(1, 3)), RuntimeError, "only supports 1-d non-negative"),
        (lambda: cltorch.bincount(cltorch.tensor([-1])), RuntimeError, "only supports 1-d non-negative"),
        (lambda: cltorch.bincount(x, minlength=-1), RuntimeError, "minlength should be >= 0"),
        (lambda: cltorch.bincount(x, cltorch.ones(2)), RuntimeError, "same length as input"),
    ):
        with pytest.raises(kind, match=message):
            wrong()


def test_histc(device):
    a = np.random.randn(300).astype(np.float32)
    x = cltorch.tensor(a, device=device)
    got = cltorch.histc(x, 7, -2, 2)
    assert got.dtype is cltorch.float32 and got.tolist() == np.histogram(a, 7, (-2, 2))[0].tolist()
    assert cltorch.histc(x, bins=5).sum().item() == 300
    y = cltorch.tensor([float("nan"), 1.0, 2.0, float("inf")], device=device)
    assert cltorch.histc(y, 2, 0, 2).tolist() == [0, 2]
    assert cltorch.histc(cltorch.tensor([2.0, 2.0], device=device), 4).tolist() == [0, 0, 2, 0]


def test_histc_of_any_limits(device):
    x = cltorch.tensor([[-1.0, 2.0], [3.0, -4.0]], device=device).t()
    assert x.histc(2, -1e30, 1e30).tolist() == [0, 4]
    for value in (0.1, 3e8, -1e20):  # equal numbers lie in the middle, also where one more is the same
        assert cltorch.full((3,), value, device=device).histc(5).tolist() == [0, 0, 3, 0, 0]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(RuntimeError, match="is not finite"):
            cltorch.tensor([bad, 1.0], device=device).histc(3)
    with pytest.raises(RuntimeError, match="cannot be converted to type float without overflow"):
        x.histc(2, -1e300, 1e300)


def test_of_nothing(device):
    x = cltorch.zeros(5, 0, 5, device=device)
    assert cltorch.histc(x, 3, -10, 10).tolist() == cltorch.histogram(x, 3).hist.tolist() == [0, 0, 0]
    assert cltorch.histogramdd(x, [2] * 5, density=True).hist.isnan().all()


def test_histc_counts_integers_on_a_device(cl_device):
    x = cltorch.tensor([0, 3, 3, 7, 9, -1], dtype=cltorch.int32, device=cl_device)
    counts = x.histc(4, min=0, max=7)
    assert counts.dtype is cltorch.int32 and counts.tolist() == [1, 2, 0, 1]
    assert x.to(cltorch.uint8)[:4].histc(8, 0, 8).tolist() == np.histogram([0, 3, 3, 7], 8, (0, 8))[0].tolist()
    assert cltorch.full((3,), 5, device=cl_device).histc(2).tolist() == [0, 3]
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        (x > 0).histc(2)


def test_histc_dtypes_and_errors():
    x = cltorch.arange(4.0)
    assert cltorch.histc(x.half(), 3).tolist() == [1, 1, 2] and cltorch.histc(x.half(), 3).dtype is cltorch.float16
    assert x[:0].histc(3).tolist() == [0, 0, 0]
    out = cltorch.empty(0)
    assert cltorch.histc(x, 2, out=out) is out and out.tolist() == [2, 2]
    for wrong, kind, message in (
        (lambda: cltorch.histc(x.int()), NotImplementedError, "not implemented for 'Int'"),
        (lambda: cltorch.histc(x, 0), RuntimeError, "bins must be > 0"),
        (lambda: cltorch.histc(x, 4, 3, 1), RuntimeError, "max must be larger than min"),
        (lambda: cltorch.histc(x / 0, 4), RuntimeError, "is not finite"),
        (lambda: cltorch.histc(x, 4.5), TypeError, "must be int, not float"),
    ):
        with pytest.raises(kind, match=message):
            wrong()


@pytest.mark.parametrize("density", [False, True])
def test_histogram(device, density):
    a, w = np.random.randn(100).astype(np.float32), np.random.rand(100).astype(np.float32)
    x, v = cltorch.tensor(a, device=device), cltorch.tensor(w, device=device)
    for bins, options in ((6, {}), (5, {"range": (-1.0, 2.0)}), (np.array([-1, 0, 0.5, 2], np.float32), {})):
        ours = cltorch.tensor(bins, device=device) if isinstance(bins, np.ndarray) else bins
        hist, edges = cltorch.histogram(x, ours, weight=v, density=density, **options)
        want, want_edges = np.histogram(a, bins, weights=w, density=density, **options)
        np.testing.assert_allclose(hist.numpy(force=True), want, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(edges.numpy(force=True), want_edges, rtol=1e-6, atol=1e-6)
        plain = cltorch.histogram(x, ours, **options).hist
        assert plain.tolist() == np.histogram(a, bins, **options)[0].tolist()


def test_histogramdd(device):
    a, w = np.random.rand(80, 3).astype(np.float32), np.random.rand(80).astype(np.float32)
    x = cltorch.tensor(a, device=device)
    hist, edges = cltorch.histogramdd(x, [2, 3, 4], range=[0.0, 1.0, 0.1, 0.9, 0.0, 1.0])
    want, want_edges = np.histogramdd(a, [2, 3, 4], [(0, 1), (0.1, 0.9), (0, 1)])
    assert hist.tolist() == want.tolist() and isinstance(edges, tuple)
    for e, f in zip(edges, want_edges, strict=True):
        np.testing.assert_allclose(e.numpy(force=True), f, rtol=1e-6)
    given = [np.array([0, 0.5, 1], np.float32)] * 3
    hist = cltorch.histogramdd(
        x, [cltorch.tensor(e, device=device) for e in given], weight=cltorch.tensor(w, device=device), density=True
    ).hist
    np.testing.assert_allclose(hist.numpy(force=True), np.histogramdd(a, given, weights=w, density=True)[0], rtol=1e-5)


def test_histogram_results_and_errors():
    x = cltorch.arange(4.0)
    out = cltorch.empty(0), cltorch.empty(0)
    assert cltorch.histogram(x, 2, out=out).hist is out[0] and out[1].tolist() == [0, 1.5, 3]
    assert cltorch.histogram(x[:0], 2).bin_edges.tolist() == [0, 0.5, 1]
    assert cltorch.histogramdd(cltorch.arange(12.0).reshape(2, 3, 2), [2, 1]).hist.tolist() == [[3], [3]]
    for wrong, kind, message in (
        (lambda: cltorch.histogram(x.int(), 2), NotImplementedError, "not implemented for 'Int'"),
        (lambda: cltorch.histogram(x, 0), RuntimeError, "bins must be > 0"),
        (lambda: cltorch.histogram(x, 3, range=(3, 1)), RuntimeError, "min should not exceed max"),
        (lambda: cltorch.histogram(x, 3, range=(0, 1, 2)), RuntimeError, "should have 2 elements"),
        (lambda: cltorch.histogram(x / 0, 3), RuntimeError, "is not finite"),
        (lambda: cltorch.histogram(x, 3, weight=x[:2]), RuntimeError, "should have the same shape"),
        (lambda: cltorch.histogram(x, 3, weight=x.double()), RuntimeError, "should have the same dtype"),
        (lambda: cltorch.histogram(x, cltorch.tensor([0, 1])), RuntimeError, "long int"),
        (lambda: cltorch.histogram(x, cltorch.ones(2, 2)), RuntimeError, "should have one dimension"),
        (lambda: cltorch.histogram(x, x, range=(0, 1)), TypeError, "range"),
        (lambda: cltorch.histogramdd(x, [2]), RuntimeError, "at least 2 dimensions"),
        (lambda: cltorch.histogramdd(x.reshape(2, 2), [2]), RuntimeError, "size of bins must be equal"),
    ):
        with pytest.raises(kind, match=message):
            wrong()


def test_counted_and_weights_are_on_one_device(cl_device):
    for here, there in (("cpu", cl_device), (cl_device, "cpu")):
        x, weights = cltorch.tensor([1, 0, 1], device=here), cltorch.ones(3, device=there)
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but got weights"):
            cltorch.bincount(x, weights)


def test_numbers_so_large_that_one_more_is_the_same_are_counted(device):
    most = cltorch.finfo(cltorch.float32).max
    assert cltorch.histc(cltorch.full((3,), most, device=device), 4).tolist() == [0, 0, 0, 3]
    assert cltorch.histc(cltorch.full((3,), -most, device=device), 4).tolist() == [3, 0, 0, 0]


def test_what_is_wrong_with_a_histogram_is_told_as_by_pytorch(device):
    x, one = cltorch.arange(4.0, device=device), cltorch.ones(1, device=device)
    with pytest.raises(RuntimeError, match="max must be larger than min"):
        cltorch.histc(x.int(), 4, min=5, max=1)
    with pytest.raises(TypeError, match="received an invalid combination of arguments"):
        cltorch.histogram(x, one, range=(0, 1))
    with pytest.raises(RuntimeError, match="bins tensor should have at least 1 element"):
        cltorch.histogram(x, x[:0])
    with pytest.raises(RuntimeError, match="input tensor and bin_edges tensor should have the same dtype"):
        cltorch.histogram(x, 1, out=(one, one.half()))
