"""Running totals, differences and areas: results, gradients and errors, against NumPy, SciPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck

INF, NAN = float("inf"), float("nan")


def host(x):
    return x.detach().cpu().numpy()


@pytest.fixture
def x(device):
    """Return normal numbers of shape (3, 4, 5)."""
    return ct.tensor(np.random.default_rng(1).standard_normal((3, 4, 5)).astype(np.float32), device=device)


def test_running_sums_and_products_follow_numpy(x):
    for dim in range(-3, 3):
        np.testing.assert_allclose(host(x.cumsum(dim)), np.cumsum(host(x), dim), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(host(ct.cumprod(x, dim)), np.cumprod(host(x), dim), rtol=1e-5, atol=1e-6)
        logs = np.logaddexp.accumulate(host(x), dim)
        np.testing.assert_allclose(host(x.logcumsumexp(dim)), logs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(host(x.transpose(0, 2).cumsum(1)), np.cumsum(host(x).transpose(2, 1, 0), 1), atol=1e-5)
    np.testing.assert_allclose(host(x[:, :1].expand(3, 6, 5).cumsum(1)[:, -1]), host(x)[:, 0] * 6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [ct.bool, ct.uint8, ct.int32])
def test_integers_count_in_int64(device, dtype):
    a = ct.tensor([1, 1, 1], device=device).to(dtype)
    for f in (ct.cumsum, ct.cumprod):
        assert f(a, 0).dtype is ct.int64
    assert a.cumsum(0).tolist() == [1, 2, 3]
    assert (ct.full((3,), 200, dtype=ct.uint8, device=device).cumsum(0)).tolist() == [200, 400, 600]


def test_a_dtype_is_taken_on_before_adding(device):
    a = ct.tensor([1.7, 1.7], device=device)
    assert a.cumsum(0, dtype=ct.int32).tolist() == [1, 2]
    assert ct.tensor([100, 100], device=device).cumsum(0, dtype=ct.int8).tolist() == [100, -56]
    assert ct.tensor([2, 3], device=device).cumprod(0, dtype=ct.float32).dtype is ct.float32
    out = ct.empty(2, dtype=ct.int64, device=device)
    assert ct.cumsum(a, 0, out=out) is out
    assert out.tolist() == [1, 2]


def test_running_totals_in_place(device, x):
    y, z = x.clone(), x.clone()
    assert y.cumsum_(1) is y
    np.testing.assert_allclose(host(y), np.cumsum(host(x), 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(host(z.cumprod_(0)), np.cumprod(host(x), 0), rtol=1e-5, atol=1e-6)
    assert ct.tensor([1, 2], dtype=ct.int8, device=device).cumsum_(0).tolist() == [1, 3]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        ct.ones(2, device=device, requires_grad=True).cumsum_(0)


def test_running_totals_of_scalars_and_of_nothing(device):
    one = ct.tensor(3.0, device=device)
    for f in (ct.cumsum, ct.cumprod, ct.logcumsumexp):
        assert f(one, 0).item() == 3.0
        assert f(ct.ones(2, 0, device=device), 1).shape == (2, 0)
        assert f(ct.ones(0, 2, device=device), 1).shape == (0, 2)
    assert [v.item() for v in one.cummax(-1)] == [3.0, 0]
    assert ct.ones(0, device=device).cummin(0).indices.shape == (0,)


def test_logcumsumexp_stays_finite_and_passes_infinities_on(device):
    a = ct.tensor([[1000.0, 1000.0], [-INF, -INF], [-INF, 1.0], [INF, 1.0], [NAN, 1.0]], device=device)
    found = host(a.logcumsumexp(1))
    np.testing.assert_allclose(found[0], [1000.0, 1000.0 + np.log(2)], rtol=1e-6)
    assert np.array_equal(found[1:], [[-INF, -INF], [-INF, 1.0], [INF, INF], [NAN, NAN]], equal_nan=True)


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_running_extremes_name_the_last_of_equals(device, name):
    a = ct.tensor([2.0, 1.0, 2.0, 3.0, NAN, 9.0, NAN], device=device)
    found = getattr(a, name)(0)
    first = ([2.0, 2.0, 2.0, 3.0], [0, 0, 2, 3]) if name == "cummax" else ([2.0, 1.0, 1.0, 1.0], [0, 1, 1, 1])
    assert np.array_equal(host(found.values), [*first[0], NAN, NAN, NAN], equal_nan=True)
    assert found.indices.tolist() == [*first[1], 4, 4, 6]
    assert repr(found).startswith(f"torch.return_types.{name}(\nvalues=")


def test_errors_of_running_totals(device, x):
    with pytest.raises(IndexError, match=r"range of \[-3, 2\], but got 3"):
        x.cumsum(3)
    with pytest.raises(TypeError, match="argument 'dim' .position 2. must be int, not str"):
        x.cumsum("a")
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        ct.cumprod([1], 0)
    with pytest.raises(NotImplementedError, match="\"logcumsumexp.* not implemented for 'Long'"):
        ct.arange(3, device=device).logcumsumexp(0)


def test_diff_follows_numpy(device, x):
    a = host(x)
    for dim in (0, 1, -1):
        for n in (0, 1, 2, 7):
            assert np.array_equal(host(ct.diff(x, n, dim)), np.diff(a, n, dim))
    edge = x[:, :1]
    assert np.array_equal(host(x.diff(0, 1, edge, edge)), a)  # PyTorch leaves out what would stand beside it
    assert np.array_equal(
        host(x.diff(dim=1, prepend=edge, append=edge)), np.diff(a, axis=1, prepend=a[:, :1], append=a[:, :1])
    )
    assert ct.tensor([True, True, False], device=device).diff().tolist() == [False, True]
    assert ct.tensor([2, 1], dtype=ct.uint8, device=device).diff().tolist() == [255]


def test_errors_of_diff(device, x):
    with pytest.raises(RuntimeError, match="expects input to be at least one-dimensional"):
        ct.tensor(1.0, device=device).diff()
    with pytest.raises(RuntimeError, match="order must be non-negative but got -1"):
        x.diff(-1)
    with pytest.raises(RuntimeError, match="same dimension as input"):
        x.diff(prepend=x[0])
    with pytest.raises(RuntimeError, match=r"input.size\(0\) = 3, but got tensor.size\(0\) = 2"):
        x.diff(append=x[:2])


def test_areas_follow_scipy(device, x):
    integrate = pytest.importorskip("scipy.integrate", reason="the reference is SciPy")
    a, places = host(x), np.array([0.0, 1.0, 1.5, 4.0, 5.0], np.float32)
    p = ct.tensor(places, device=device)
    for mine, ref in (
        (ct.trapezoid(x), integrate.trapezoid(a)),
        (ct.trapezoid(x, dx=0.5, dim=0), integrate.trapezoid(a, dx=0.5, axis=0)),
        (ct.trapz(x, p), integrate.trapezoid(a, places)),
        (ct.trapezoid(x, x.cumsum(1), dim=1), integrate.trapezoid(a, np.cumsum(a, 1), axis=1)),
        (ct.cumulative_trapezoid(x, p), integrate.cumulative_trapezoid(a, places)),
        (ct.cumulative_trapezoid(x, dx=2, dim=1), integrate.cumulative_trapezoid(a, dx=2, axis=1)),
    ):
        np.testing.assert_allclose(host(mine), ref, rtol=1e-4, atol=1e-5)
    assert ct.trapezoid(ct.arange(3, device=device)).item() == 2.0
    assert ct.trapezoid(ct.ones(2, 0, device=device)).tolist() == [0.0, 0.0]


def test_errors_of_areas(device, x):
    with pytest.raises(RuntimeError, match="trapezoid: There must be one `x` value for each sample point"):
        ct.trapezoid(x, x[0, 0, :3])
    with pytest.raises(RuntimeError, match="bool is not supported"):
        ct.trapezoid(x > 0)
    with pytest.raises(RuntimeError, match="only support dx as a real number"):
        ct.cumulative_trapezoid(x, dx=True)
    with pytest.raises(IndexError, match="tensor has no dimensions"):
        ct.trapezoid(ct.tensor(1.0, device=device))


def zeros_in(x):
    """Return a product with zeros at several places of every line, through which gradients flow."""
    return x * ct.tensor([1.0, 0.0, 1.0, 0.0], dtype=x.dtype, device=x.device)


SCANS = {
    "cumsum": lambda x: x.cumsum(0),
    "cumsum last": lambda x: x.cumsum(1),
    "cumsum_": lambda x: (x * 2).cumsum_(1),
    "cumprod": lambda x: x.cumprod(1),
    "cumprod first": lambda x: x.cumprod(0),
    "cumprod_": lambda x: (x * 2).cumprod_(1),
    "cumprod zeros": lambda x: zeros_in(x).cumprod(1),
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "cummax": lambda x: x.cummax(1).values,
    "cummin": lambda x: x.cummin(0).values,
    "diff": lambda x: x.diff(2, prepend=x[:, :1]),
    "trapezoid": lambda x: ct.trapezoid(x, x.exp()),
    "cumulative_trapezoid": lambda x: ct.cumulative_trapezoid(x, dx=0.5, dim=0),
}


@pytest.mark.parametrize("name", SCANS)
def test_gradients_of_running_totals(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    x = ct.randn(3, 4, dtype=ct.float64, device=device, requires_grad=True)
    assert gradcheck(SCANS[name], [x])
    if device == "cpu" or name in ("cumprod zeros", "logcumsumexp"):  # the rules are those of the host
        assert gradgradcheck(SCANS[name], [x])


def test_gradients_of_products_are_right_at_zeros(device):
    # by hand: outputs 2, 0, 0, 0, 0; only the first zero and what is in front of it matter
    x = ct.tensor([2.0, 0.0, 3.0, 0.0, 1.0], device=device, requires_grad=True)
    x.cumprod(0).sum().backward()
    assert x.grad.tolist() == [1.0, 8.0, 0.0, 0.0, 0.0]


def test_second_derivatives_of_products_are_right_at_zeros(device):
    # the derivative of x0 x1 by x1 is x0, and of that by x0 it is 1, also where x0 is zero
    x = ct.tensor([0.0, 5.0], device=device, requires_grad=True)
    (g,) = ct.autograd.grad(x.cumprod(0)[1], x, create_graph=True)
    (second,) = ct.autograd.grad(g[1], x)
    assert second.tolist() == [1.0, 0.0]


def test_gradients_of_logcumsumexp_bear_empty_beginnings(device):
    x = ct.tensor([-INF, 1.0, 2.0], device=device, requires_grad=True)
    x.logcumsumexp(0).sum().backward()
    np.testing.assert_allclose(host(x.grad), [0.0, 1 + 1 / (1 + np.e), np.e / (1 + np.e)], rtol=1e-6)


def test_running_totals_agree_with_pytorch(device):
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    a = np.random.default_rng(2).standard_normal((5, 33)).astype(np.float32)
    a[1, 4], a[2, 3] = 0.0, a[2, 2]
    for f in (
        lambda t, x: x.cumsum(1), lambda t, x: x.cumprod(0), lambda t, x: x.logcumsumexp(1),
        lambda t, x: x.cummax(1).values, lambda t, x: x.cummin(0).values, lambda t, x: x.cumprod(1),
        lambda t, x: x.diff(2, 0),
    ):  # fmt: skip
        ours, theirs = ct.tensor(a, device=device, requires_grad=True), torch.from_numpy(a).requires_grad_()
        mine, ref = f(ct, ours), f(torch, theirs)
        np.testing.assert_allclose(host(mine), ref.detach().numpy(), rtol=1e-4, atol=1e-5)
        weights = np.arange(mine.numel(), dtype=np.float32).reshape(mine.shape) / mine.numel()
        mine.backward(ct.tensor(weights, device=device))
        ref.backward(torch.from_numpy(weights))
        np.testing.assert_allclose(host(ours.grad), theirs.grad.numpy(), rtol=1e-3, atol=1e-4)
    for name in ("cummax", "cummin"):
        b = np.round(a * 2)
        mine, ref = getattr(ct.tensor(b, device=device), name)(1), getattr(torch.from_numpy(b), name)(1)
        assert mine.indices.tolist() == ref.indices.tolist()


def test_running_totals_may_replace_their_operand(x):
    for f in (ct.cumsum, ct.cumprod, ct.logcumsumexp):
        want, y = f(x, 1), x.clone()
        assert f(y, 1, out=y) is y and ct.equal(y, want)


def test_gradient_of_logcumsumexp_at_infinity(device):
    x = ct.tensor([0.0, float("inf"), 1.0], device=device, requires_grad=True)
    ct.logcumsumexp(x, 0).sum().backward()
    assert x.grad[::2].tolist() == [1, 0] and x.grad[1].isnan().item()
