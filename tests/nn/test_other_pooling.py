"""Pooling by a norm, at random distances and undone, and normalization over channels, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import cltorch
from cltorch import nn
from cltorch.nn import functional as F


def sample(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def both(torch, arrays, device, call):
    """Return [result, gradients …] of ours and of PyTorch's."""
    out = []
    for library, kw in ((cltorch, {"device": device}), (torch, {})):
        xs = [library.tensor(a, **kw).requires_grad_() for a in arrays]
        y = call(library, *xs)
        grads = library.autograd.grad((y * y).sum(), xs)
        out.append([v.detach().cpu().numpy() for v in (y, *grads)])
    return zip(*out, strict=True)


# ---- by a norm ---------------------------------------------------------------------------------------------------
def test_norms_of_windows_are_numpys(device):
    a = np.abs(sample((2, 3, 8)))
    found = F.lp_pool1d(cltorch.tensor(a, device=device), 3, 4, 2)
    wanted = np.linalg.norm(sliding_window_view(a, 4, -1)[..., ::2, :], 3, -1)
    np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize(("n", "shape"), [(1, (2, 3, 9)), (2, (2, 9, 7)), (3, (1, 2, 5, 4, 6))])
def test_norms_of_windows_are_pytorchs(n, shape, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for norm, stride, ceil in ((2, None, False), (1.5, 1, True), (float("inf"), 2, False), (-float("inf"), 2, True)):
        call = lambda lib, x: getattr(lib.nn.functional, f"lp_pool{n}d")(x, norm, 2, stride, ceil)  # noqa: B023, E731
        for ours, theirs in both(torch, [np.abs(sample(shape)) + 0.1], device, call):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


# ---- undone ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "shape"), [(1, (2, 3, 9)), (2, (2, 9, 7)), (3, (1, 2, 5, 4, 6))])
def test_unpooling_puts_elements_back(n, shape, device):
    a = sample(shape)
    pool, unpool = (getattr(F, f"{name}_{end}") for name, end in (("max", f"pool{n}d"), ("max", f"unpool{n}d")))
    x = cltorch.tensor(a, device=device, requires_grad=True)
    y, at = pool(x, 2, return_indices=True)
    back = unpool(y, at, 2, output_size=shape[-n:])
    wanted = np.zeros(shape, np.float32)
    planes = wanted.reshape(*shape[:-n], -1)
    np.put_along_axis(
        planes, at.cpu().numpy().reshape(*shape[:-n], -1), y.detach().cpu().numpy().reshape(*shape[:-n], -1), -1
    )
    np.testing.assert_array_equal(back.detach().cpu().numpy(), wanted)
    (g,) = cltorch.autograd.grad((back * back).sum(), x)
    np.testing.assert_allclose(g.cpu().numpy(), 2 * wanted, rtol=1e-6)


def test_the_sizes_of_unpooling_are_pytorchs(device):
    y, at = F.max_pool2d(cltorch.randn(1, 1, 6, 7, device=device), 3, 2, 1, return_indices=True)
    assert F.max_unpool2d(y, at, 3, 2, 1, output_size=(1, 1, 6, 7)).shape == (1, 1, 6, 7)
    assert nn.MaxUnpool2d(2)(y[0], at[0] * 0).shape == (1, 6, 8)
    assert F.max_unpool2d(y[:0], at[:0], 2).shape == (0, 1, 6, 8)


def test_unpooling_is_differentiable_twice(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.randn(1, 2, 2, dtype=cltorch.float64, device=device, requires_grad=True)
    at = cltorch.tensor([[[1, 3], [8, 10]]], device=device)

    def call(x):
        return F.max_unpool2d(x, at, 2) ** 2

    assert cltorch.autograd.gradcheck(call, [x]) and cltorch.autograd.gradgradcheck(call, [x])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x, i: F.max_unpool2d(x, i.int(), 2),
            RuntimeError,
            "elements in indices should be type int64 but got: Int",
        ),
        (lambda x, i: F.max_unpool2d(x, i[:, :, :1], 2), RuntimeError, "Expected shape of indices to be same"),
        (lambda x, i: F.max_unpool2d(x, i, 2, output_size=(9, 9)), ValueError, r"dim 0 must be between 2 and 6"),
        (lambda x, i: F.max_unpool2d(x, i, 2, output_size=(5,)), ValueError, "containing 2 or 4 elements"),
        (
            lambda x, i: F.max_unpool2d(x, i + 100, 2),
            RuntimeError,
            r"invalid max index: 1\d\d \(output volumes are of size 4x4",
        ),
        (lambda x, i: F.max_unpool2d(x[0, 0], i[0, 0], 2), RuntimeError, "should be a 3d or 4d Tensor"),
        (lambda x, i: F.max_unpool2d(x.int(), i, 2), NotImplementedError, "not implemented for 'Int'"),
    ],
)
def test_errors_of_unpooling_are_pytorchs(call, error, message):
    with pytest.raises(error, match=message):
        call(*F.max_pool2d(cltorch.randn(1, 1, 4, 4), 2, return_indices=True))


# ---- at random distances -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "shape"), [(2, (2, 3, 9, 8)), (3, (1, 2, 7, 6, 8)), (2, (3, 9, 8))])
def test_windows_at_given_samples_are_pytorchs(n, shape, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    planes = (1, shape[0]) if len(shape) == n + 1 else shape[:2]
    u = np.random.default_rng(3).random((*planes, n)).astype(np.float32)
    a = sample(shape)
    for size, ratio in (((4,) * n, None), (tuple(range(3, 3 + n)), None), ((1,) * n, None), (None, (0.5,) * n)):
        results = []
        for library, kw in ((cltorch, {"device": device}), (torch, {})):
            x = library.tensor(a, **kw).requires_grad_()
            f = getattr(library.nn.functional, f"fractional_max_pool{n}d")
            y, at = f(x, 2, size, ratio, True, _random_samples=library.tensor(u, **kw))
            (g,) = library.autograd.grad((y * y).sum(), x)
            results.append([v.detach().cpu().numpy() for v in (y, at, g)])
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_windows_of_16_bit_samples_are_pytorchs(name, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, u = np.tile(np.arange(50.0, dtype=np.float32)[:, None], (1, 6, 1, 50)), sample((1, 6, 2)) % 1.0
    found = []
    for library, kw in ((torch, {}), (cltorch, {"device": device})):
        t = getattr(library, name)
        given = library.tensor(x, dtype=t, **kw), library.tensor(u, dtype=t, **kw)
        found.append([
            library.nn.functional.fractional_max_pool2d(given[0], 1, m, _random_samples=given[1]).tolist()
            for m in (3, 10, 25)
        ])  # fmt: skip
    assert found[0] == found[1]


def test_windows_can_be_none(device):
    x = cltorch.ones(2, 3, 8, 8, device=device)
    assert F.fractional_max_pool2d(x, 2, output_size=(0, 1)).shape == (2, 3, 0, 1)
    assert F.fractional_max_pool3d(x, (1, 2, 2), output_size=(0, 1, 1)).shape == (2, 0, 1, 1)


def test_random_windows_hold_their_largest_elements(device):
    m = nn.FractionalMaxPool2d(3, output_ratio=0.5, return_indices=True)
    a = sample((2, 3, 12, 10))
    y, at = m(cltorch.tensor(a, device=device))
    assert y.shape == (2, 3, 6, 5)
    flat = np.take_along_axis(a.reshape(2, 3, -1), at.cpu().numpy().reshape(2, 3, -1), -1)
    np.testing.assert_array_equal(y.cpu().numpy().reshape(2, 3, -1), flat)
    with pytest.raises(ValueError, match="requires specifying either an output size, or a pooling ratio"):
        nn.FractionalMaxPool2d(2)
    with pytest.raises(ValueError, match="only one of output_size and output_ratio"):
        nn.FractionalMaxPool3d(2, 2, 0.5)
    with pytest.raises(ValueError, match=r"output_ratio must be between 0 and 1 \(got 1.5\)"):
        nn.FractionalMaxPool2d(2, output_ratio=1.5)
    with pytest.raises(RuntimeError, match="pool height 3 too large relative to input height 4"):
        F.fractional_max_pool2d(cltorch.randn(1, 1, 4, 4), 3, 4)


# ---- over channels -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 6, 3, 4), (1, 4, 2, 3, 2)])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_local_response_norm_is_its_formula(shape, size, device):
    a = sample(shape)
    padded = np.pad(a * a, [(0, 0), (size // 2, (size - 1) // 2)] + [(0, 0)] * (len(shape) - 2))
    total = sliding_window_view(padded, size, 1).sum(-1)
    wanted = a / (0.7 + 0.3 * total / size) ** 0.6
    found = nn.LocalResponseNorm(size, 0.3, 0.6, 0.7)(cltorch.tensor(a, device=device))
    np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("size", [3, 4, 5, 9])
def test_norms_over_channels_are_pytorchs(size, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    calls = [lambda lib, x: lib.nn.LocalResponseNorm(size, 0.3, 0.6, 0.7)(x)]
    for call in calls:
        for ours, theirs in both(torch, [sample((2, 6, 3, 4))], device, call):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_norms_over_channels_refuse_other_ranks():
    with pytest.raises(ValueError, match="Expected 3D or higher dimensionality"):
        F.local_response_norm(cltorch.zeros(2, 2), 2)


def test_modules_describe_themselves():
    modules = [
        nn.LPPool1d(2, 3), nn.MaxUnpool1d(2), nn.MaxUnpool2d(2, stride=3, padding=1), nn.LocalResponseNorm(3),
        nn.FractionalMaxPool2d(2, 3),
    ]  # fmt: skip
    assert [repr(m) for m in modules] == [
        "LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)",
        "MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))",
        "MaxUnpool2d(kernel_size=(2, 2), stride=(3, 3), padding=(1, 1))",
        "LocalResponseNorm(3, alpha=0.0001, beta=0.75, k=1.0)",
        "FractionalMaxPool2d()",
    ]
