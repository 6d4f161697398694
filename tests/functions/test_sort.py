"""sort, argsort, topk, kthvalue, median, mode: results, gradients and errors, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck

NAN = float("nan")


def host(x):
    return x.detach().cpu().numpy()


@pytest.fixture
def x(device):
    """Return whole numbers with repetitions, shape (3, 4, 5)."""
    a = np.random.default_rng(1).integers(-4, 5, (3, 4, 5)).astype(np.float32)
    return ct.tensor(a, device=device)


def test_sort_returns_values_and_indices_by_name(device):
    found = ct.sort(ct.tensor([3.0, 1.0, 2.0], device=device))
    assert found.values.tolist() == found[0].tolist() == [1.0, 2.0, 3.0]
    assert found.indices.tolist() == [1, 2, 0]
    assert found.indices.dtype is ct.int64
    values, _ = found
    assert values is found.values
    assert repr(found).startswith("torch.return_types.sort(\nvalues=tensor([1., 2., 3.]")


def test_sort_goes_along_any_dimension(x):
    for dim in range(-3, 3):
        order = np.argsort(host(x), dim, kind="stable")
        assert np.array_equal(host(x.sort(dim).indices), order)
        assert np.array_equal(host(x.argsort(dim, stable=True)), order)
        assert np.array_equal(host(x.sort(dim, stable=True)[0]), np.sort(host(x), dim))
        assert np.array_equal(host(x.sort(dim, True)[0]), -np.sort(-host(x), dim))
    assert np.array_equal(host(ct.msort(x)), np.sort(host(x), 0))


def test_nan_is_largest_and_zeros_are_equal(device):
    a = ct.tensor([NAN, 1.0, -0.0, float("inf"), 0.0, NAN, -0.0], device=device)
    assert a.sort().indices.tolist() == [2, 4, 6, 1, 3, 0, 5]
    assert a.sort(descending=True).indices.tolist() == [0, 5, 3, 1, 2, 4, 6]
    assert np.signbit(host(a.sort().values)[:3]).tolist() == [True, False, True]


def test_sorting_of_scalars_and_of_nothing(device):
    one = ct.tensor(2.0, device=device)
    assert [v.item() for v in one.sort()] == [2.0, 0]
    assert [v.item() for v in one.topk(1)] == [2.0, 0]
    assert [v.item() for v in one.median(0)] == [2.0, 0]
    assert ct.ones(0, 3, device=device).sort(0).values.shape == (0, 3)
    assert ct.ones(2, 0, device=device).kthvalue(1, 0).values.shape == (0,)


def test_topk_takes_the_ends_in_order(x):
    a = host(x)
    for dim, k in ((0, 2), (1, 4), (-1, 1), (2, 0)):
        large, small = x.topk(k, dim), x.topk(k, dim, largest=False)
        assert np.array_equal(host(large.values), np.take(-np.sort(-a, dim), np.arange(k), dim))
        assert np.array_equal(host(small.values), np.take(np.sort(a, dim), np.arange(k), dim))
        assert np.array_equal(np.take_along_axis(a, host(large.indices), dim), host(large.values))
    assert x.topk(3, sorted=False).values.shape == (3, 4, 3)


def test_few_of_many_are_selected(device):
    a = np.random.default_rng(2).standard_normal((5, 400)).astype(np.float32)
    a[1, 7] = NAN
    found = ct.tensor(a, device=device).topk(6)
    order = 399 - np.flip(np.argsort(np.flip(a, 1), 1, kind="stable"), 1)[:, :6]
    assert np.array_equal(host(found.indices), order)
    down = ct.tensor(a.T.copy(), device=device).topk(6, 0)
    assert np.array_equal(host(down.indices), order.T)


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_picked_from_many_lines(dtype, device):
    a = np.random.default_rng(8).integers(0, 90, (7, 5, 300)).astype(dtype)
    x = ct.tensor(a, device=device)
    for dim, k in ((0, 7), (1, 2), (2, 1)):
        values, indices = x.kthvalue(k, dim)
        wanted = np.argsort(a, dim, kind="stable").take(k - 1, dim)
        assert values.dtype is x.dtype and (indices.cpu().numpy() == wanted).all()
        assert (values.cpu().numpy() == np.sort(a, dim).take(k - 1, dim)).all()
        middle = (a.shape[dim] - 1) // 2
        assert (x.median(dim).values.cpu().numpy() == np.sort(a, dim).take(middle, dim)).all()


def test_kthvalue_counts_from_one(x):
    for dim in (0, 1, -1):
        found = x.kthvalue(2, dim)
        assert np.array_equal(host(found.values), np.sort(host(x), dim).take(1, dim))
        picked = np.take_along_axis(host(x), np.expand_dims(host(found.indices), dim), dim)
        assert np.array_equal(picked.squeeze(dim), host(found.values))
    assert x.kthvalue(1, 1, keepdim=True).values.shape == (3, 1, 5)


@pytest.mark.parametrize("dtype", [ct.float32, ct.int64])
def test_median_is_the_lower_one(device, x, dtype):
    x = x.to(dtype)
    for dim in (0, 1, 2):
        middle = (x.shape[dim] - 1) // 2
        assert np.array_equal(host(x.median(dim).values), np.sort(host(x), dim).take(middle, dim))
    assert x.median().item() == np.sort(host(x).ravel())[29]
    assert x.median(1, keepdim=True).indices.shape == (3, 1, 5)


def test_medians_differ_over_nan(device):
    a = ct.tensor([[3.0, NAN, 1.0, NAN], [4.0, 2.0, 1.0, 3.0], [NAN] * 4], device=device)
    median, nanmedian = a.median(1), a.nanmedian(1)
    assert np.array_equal(host(median.values), [NAN, 2.0, NAN], equal_nan=True)
    assert median.indices.tolist() == [1, 1, 0]
    assert np.array_equal(host(nanmedian.values), [1.0, 2.0, NAN], equal_nan=True)
    assert nanmedian.indices.tolist() == [2, 1, 0]
    assert np.isnan(a.median().item())
    assert a.nanmedian().item() == 2.0
    assert np.isnan(ct.ones(0, device=device).median().item())


def test_mode_is_the_smallest_of_the_most_frequent(device):
    a = ct.tensor([[3, 3, 1, 1, 2], [5, 4, 5, 4, 5], [1, 2, 3, 4, 5]], device=device)
    found = a.mode()
    assert found.values.tolist() == [1, 5, 1]
    assert found.indices.tolist() == [3, 4, 0]
    assert a.mode(0, keepdim=True).values.tolist() == [[1, 2, 1, 4, 5]]
    assert ct.tensor([NAN, NAN, NAN, 1.0, 1.0], device=device).mode().values.item() == 1.0


def test_out_takes_both_results(device, x):
    out = ct.empty(0, device=device), ct.empty(0, dtype=ct.int64, device=device)
    found = ct.topk(x, 2, out=out)
    assert found.values is out[0]
    assert np.array_equal(host(out[1]), host(x.topk(2).indices))
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype long int, but got float"):
        ct.sort(x, out=(out[0], out[0]))


def test_errors_of_sorting(device, x):
    with pytest.raises(IndexError, match=r"range of \[-3, 2\], but got 3"):
        x.sort(3)
    for k in (-1, 6):
        with pytest.raises(RuntimeError, match="selected index k out of range"):
            x.topk(k)
    for k in (0, 6):
        with pytest.raises(RuntimeError, match="selected number k out of range for dimension 2"):
            x.kthvalue(k)
    with pytest.raises(IndexError, match=r"median\(\): Expected reduction dim 1 to have non-zero size"):
        ct.ones(2, 0, device=device).median(1)
    with pytest.raises(TypeError, match="argument 'k' .position 2. must be int, not float"):
        x.topk(1.0)
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        ct.sort([1, 2])


PICKS = {
    "sort": lambda x: x.sort(0, True).values,
    "msort": lambda x: x.msort(),
    "topk": lambda x: x.topk(2, 1).values,
    "kthvalue": lambda x: x.kthvalue(2, 1, True).values,
    "median": lambda x: x.median(),
    "nanmedian": lambda x: x.nanmedian(0).values,
    "mode": lambda x: x.mode(1).values,
}


@pytest.mark.parametrize("name", PICKS)
def test_gradients_go_back_to_the_chosen_elements(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    x = ct.randn(3, 4, dtype=ct.float64, device=device, requires_grad=True)
    assert gradcheck(PICKS[name], [x])
    if device == "cpu" or name == "sort":  # the rules are those of the host, their kernels were just tested
        assert gradgradcheck(PICKS[name], [x])


def test_indices_carry_no_gradient(device):
    x = ct.randn(3, 4, device=device, requires_grad=True)
    for found in (x.sort(), x.topk(2), x.kthvalue(1), x.median(1), x.mode()):
        assert found.values.requires_grad
        assert not found.indices.requires_grad
    assert not x.argsort().requires_grad


@pytest.mark.parametrize("name", ["float32", "bfloat16", "uint8"])
def test_sorting_agrees_with_pytorch(device, name):
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    a = np.random.default_rng(3).integers(0, 40, (6, 31)).astype(np.float32)
    if "float" in name:
        a[0, 3:5], a[1, 2] = NAN, float("inf")
    ours, theirs = ct.tensor(a, device=device).to(getattr(ct, name)), torch.from_numpy(a).to(getattr(torch, name))
    for f in (
        lambda t, x: t.sort(x, dim=1, stable=True), lambda t, x: t.sort(x, dim=0, descending=True, stable=True),
        lambda t, x: [t.topk(x, 5).values, t.kthvalue(x, 9, 1).values, t.mode(x).values, t.median(x)],
        lambda t, x: [t.median(x, 1).values, t.nanmedian(x, 0).values, t.argsort(x, stable=True)],
    ):  # fmt: skip
        for mine, ref in zip(f(ct, ours), f(torch, theirs), strict=True):
            assert str(mine.dtype) == str(ref.dtype)
            assert np.array_equal(host(mine.float()), ref.float().numpy(), equal_nan=True)
