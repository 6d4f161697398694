"""Sliding windows as columns and back: both variants of the kernel, gradients and errors, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import cltorch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.ops import fold as ops

# kernel, dilation, padding, stride
CASES = [
    ((2, 3), (1, 1), (0, 0), (1, 1)),
    ((3, 3), (1, 1), (1, 1), (2, 2)),
    ((2, 3), (2, 2), (2, 1), (1, 3)),
    ((1, 1), (1, 1), (0, 2), (3, 1)),
    ((2, 2), (1, 3), (4, 3), (2, 5)),
]


def sample(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def columns(a, kernel, dilation, padding, stride):
    """Return the columns by NumPy's windows of the padded images."""
    p = np.pad(a, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    w = sliding_window_view(p, reach, (2, 3))[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    n, c, oh, ow, kh, kw = w.shape
    return w.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * kh * kw, oh * ow)


@pytest.mark.parametrize("case", CASES)
def test_windows_are_numpys(case, device):
    a = sample((2, 3, 6, 7))
    found = F.unfold(cltorch.tensor(a, device=device), *case)
    np.testing.assert_array_equal(found.cpu().numpy(), columns(a, *case))


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("case", CASES)
def test_both_variants_of_the_kernel_are_right(case, kind, cl_device):
    a = sample((2, 3, 6, 7))
    b = ops.Blocks((6, 7), *case)
    found = ops.run(cltorch.tensor(a, device=cl_device), (2, 3), b, False, kind)
    wanted = columns(a, *case)
    np.testing.assert_array_equal(found.cpu().numpy(), wanted)
    # the adjoint sums over all places of an element, which the columns of the elements' numbers tell
    g = sample(wanted.shape, 1)
    for dtype, rtol in ((cltorch.float32, 1e-5), (cltorch.bfloat16, 1e-2)):
        x = cltorch.tensor(g, device=cl_device).to(dtype)
        back = ops.run(x, (2, 3), b, True, kind)
        places = columns(np.arange(1, a.size + 1).reshape(a.shape), *case).astype(int)
        sums = np.bincount(places.reshape(-1), x.float().cpu().numpy().reshape(-1), a.size + 1)[1:]
        np.testing.assert_allclose(back.float().cpu().numpy(), sums.reshape(a.shape), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("case", CASES)
def test_columns_and_gradients_are_pytorchs(case, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a = sample((2, 3, 6, 7))
    y = sample(columns(a, *case).shape, 1)
    results = []
    for library, kw in ((cltorch, {"device": device}), (torch, {})):
        f = library.nn.functional
        x, v = (library.tensor(v, **kw).requires_grad_() for v in (a, y))
        image = f.fold(v, (6, 7), *case)
        pairs = ((f.unfold(x, *case), x), (image, v))
        grads = [library.autograd.grad((out**2).sum(), of)[0] for out, of in pairs]
        results.append([r.detach().cpu().numpy() for r in (image, *grads)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_gradients_are_right_to_the_second_order(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.randn(1, 2, 3, 4, dtype=cltorch.float64, device=device, requires_grad=True)
    y = cltorch.randn(1, 8, 6, dtype=cltorch.float64, device=device, requires_grad=True)
    for call, v in ((lambda x: F.unfold(x, 2, padding=1, stride=2) ** 2, x), (lambda y: F.fold(y, (3, 4), 2) ** 2, y)):
        assert cltorch.autograd.gradcheck(call, [v]) and cltorch.autograd.gradgradcheck(call, [v])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "bool"])
def test_every_dtype_that_pytorch_takes_is_unfolded(dtype, device, fp64):
    if dtype == "float64" and not fp64:
        pytest.skip("the device has no float64")
    a = np.arange(12.0).reshape(1, 1, 3, 4) % 3
    x = cltorch.tensor(a, dtype=cltorch.float32, device=device).to(getattr(cltorch, dtype))
    out = F.unfold(x, 2)
    assert out.dtype is x.dtype
    assert (
        out.float().tolist()
        == columns(a.astype(dtype if dtype == "bool" else "f4"), *CASES[0][:0], (2, 2), *CASES[0][1:]).tolist()
    )


def test_views_samples_without_a_batch_and_empty_batches(device):
    a = sample((5, 4, 3, 2))
    x = cltorch.tensor(a, device=device).permute(3, 2, 1, 0)[:, 1:]
    wanted = columns(a.transpose(3, 2, 1, 0)[:, 1:], (2, 2), (1, 1), (0, 0), (1, 1))
    np.testing.assert_array_equal(F.unfold(x, 2).cpu().numpy(), wanted)
    one = F.unfold(x[0], 2)
    np.testing.assert_array_equal(one.cpu().numpy(), wanted[0])
    assert F.fold(one, (4, 5), 2).shape == (2, 4, 5)
    assert F.unfold(cltorch.zeros(0, 2, 4, 4, device=device), 2).shape == (0, 8, 9)
    assert F.fold(cltorch.zeros(0, 8, 9, device=device), 4, 2).shape == (0, 2, 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, y: F.unfold(x, (2, 2, 2)), RuntimeError, "It is expected kernel_size equals to 2, but got size 3"),
        (lambda x, y: F.unfold(x, 5), RuntimeError, r"sliding blocks as \(0, 0\), but its components must be"),
        (
            lambda x, y: F.unfold(x, 0),
            RuntimeError,
            "kernel size should be greater than zero, but got kernel_height: 0",
        ),
        (lambda x, y: F.unfold(x, 2, stride=0), RuntimeError, "stride should be greater than zero"),
        (
            lambda x, y: F.unfold(x, 2, padding=-1),
            RuntimeError,
            "padding should be non-negative, but got pad_height: -1",
        ),
        (lambda x, y: F.unfold(x.int(), 2), NotImplementedError, "not implemented for 'Int'"),
        (lambda x, y: F.unfold(x[0, 0], 2), IndexError, r"expected to be in range of \[-2, 1\], but got 2"),
        (lambda x, y: F.unfold(x[0, 0, 0], 2), IndexError, r"expected to be in range of \[-1, 0\], but got 1"),
        (lambda x, y: F.unfold(x[:, :0], 2), RuntimeError, r"Expected 3D or 4D \(batch mode\) tensor"),
        (lambda x, y: F.fold(y, (4, 4), 3), RuntimeError, "divisible by the product of kernel_size"),
        (lambda x, y: F.fold(y, (5, 4), 2), RuntimeError, r"number of sliding blocks 4 \* 3 = 12, but got"),
        (lambda x, y: F.fold(y[0, 0], 4, 2), RuntimeError, r"Expected 2D or 3D \(batch mode\) tensor"),
    ],
)
def test_errors_are_pytorchs(call, error, message):
    with pytest.raises(error, match=message):
        call(cltorch.zeros(1, 2, 4, 4), cltorch.zeros(1, 8, 9))


def test_modules_describe_themselves(device):
    x = cltorch.tensor(sample((1, 2, 4, 4)), device=device)
    out = nn.Unfold(2, stride=2)(x)
    assert nn.Fold((4, 4), 2, stride=2)(out).tolist() == x.tolist()
    assert repr(nn.Unfold(2)) == "Unfold(kernel_size=2, dilation=1, padding=0, stride=1)"
    assert repr(nn.Fold(3, 2)) == "Fold(output_size=3, kernel_size=2, dilation=1, padding=0, stride=1)"
