"""torch.fft: values against NumPy and sums of exponentials, derivatives against finite differences, errors."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import cltorch
from cltorch import fft
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.device import fourier

RNG = np.random.default_rng(7)
X = RNG.standard_normal((3, 4, 5))
Z = X + 1j * RNG.standard_normal(X.shape)
NORMS = (None, "backward", "forward", "ortho")
ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
MANY = ("fftn", "ifftn", "rfftn", "irfftn")
HERMITIAN = ("hfftn", "ihfftn")
REAL = ("rfft", "ihfft", "rfftn", "ihfftn", "rfft2", "ihfft2")


def given(name):
    return X if name in REAL else Z


def tensor(a, device="cpu"):
    return cltorch.tensor(a, device=device)


def close(got, want, rtol=1e-12, atol=1e-12):
    got, want = got.detach().cpu().resolve_conj().numpy(), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol, atol)


def numpy_hermitian(name, a, s, dims, norm):
    """Return hfftn or ihfftn of NumPy's transforms of one dimension, as they are defined."""
    if s is None:
        s = [a.shape[d] for d in dims]
        if name == "hfftn":
            s[-1] = 2 * (s[-1] - 1)
    if name == "hfftn":
        half = a
        for d, n in zip(dims[:-1], s[:-1], strict=True):
            half = np.fft.fft(half, n, d, norm)
        return np.fft.hfft(half, s[-1], dims[-1], norm)
    half = np.fft.ihfft(a, s[-1], dims[-1], norm)
    for d, n in zip(dims[:-1], s[:-1], strict=True):
        half = np.fft.ifft(half, n, d, norm)
    return half


@pytest.mark.parametrize("name", ONE)
def test_one_dimension(name):
    a, f, reference = given(name), getattr(fft, name), getattr(np.fft, name)
    for norm in NORMS:
        for n in (None, 1, 2, 3, 5, 6, 9):
            for dim in (-1, 0, 1):
                close(f(tensor(a), n, dim, norm), reference(a, n, dim, norm))
    close(f(tensor(a).transpose(0, 2)[::2]), reference(a.transpose(2, 1, 0)[::2]))


@pytest.mark.parametrize("name", MANY)
def test_several_dimensions(name):
    a, f, reference = given(name), getattr(fft, name), getattr(np.fft, name)
    for norm in NORMS:
        for s, dim in ((None, None), (None, (0, 2)), (None, (2, 0)), ((2, 6), (1, 2)), ((4, 3, 7), (0, 1, 2))):
            close(f(tensor(a), s, dim, norm), reference(a, s, dim, norm))
    close(f(tensor(a), (3, 6)), reference(a, (3, 6), (1, 2)))
    close(f(tensor(a), (-1, 6)), reference(a, (a.shape[1], 6), (1, 2)))
    close(f(tensor(a), 6, -2), reference(a, (6,), (-2,)))
    two, reference2 = getattr(fft, f"{name[:-1]}2"), getattr(np.fft, f"{name[:-1]}2")
    close(two(tensor(a)), reference2(a))
    close(two(tensor(a), (5, 3), (2, 0), "ortho"), reference2(a, (5, 3), (2, 0), "ortho"))


@pytest.mark.parametrize("name", HERMITIAN)
def test_hermitian_in_several_dimensions(name):
    a, f, two = given(name), getattr(fft, name), getattr(fft, f"{name[:-1]}2")
    for norm in NORMS:
        for s, dims in ((None, (0, 1, 2)), (None, (2, 0)), ((2, 6), (1, 2)), ((4, 3, 7), (0, 1, 2))):
            close(f(tensor(a), s, dims, norm), numpy_hermitian(name, a, s, dims, norm))
        close(two(tensor(a), norm=norm), numpy_hermitian(name, a, None, (-2, -1), norm))


def test_against_sums_of_exponentials():
    k = np.arange(5)
    waves = np.exp(-2j * np.pi * np.outer(k, k) / 5)
    close(fft.fft(tensor(Z)), Z @ waves)
    close(fft.ifft(tensor(Z)), Z @ waves.conj() / 5)
    close(fft.rfft(tensor(X)), (X @ waves)[..., :3])
    whole = np.concatenate((Z[..., :1].real, Z[..., 1:3], Z[..., 2:0:-1].conj()), -1)
    close(fft.irfft(tensor(Z[..., :3]), 5), (whole @ waves.conj()).real / 5)
    close(fft.hfft(tensor(Z[..., :3]), 5), (whole @ waves).real)


def test_dtypes():
    single = tensor(X.astype(np.float32))
    assert fft.fft(single).dtype is fft.rfft(single).dtype is cltorch.complex64
    assert fft.irfft(single).dtype is fft.hfft(single.to(cltorch.complex64)).dtype is cltorch.float32
    close(fft.fft(tensor(X.astype(np.float32))), np.fft.fft(X).astype(np.complex64), 1e-5, 1e-6)
    whole = np.arange(6).reshape(2, 3)
    for t in (cltorch.uint8, cltorch.int16, cltorch.int64):
        close(fft.fft(tensor(whole).to(t)), np.fft.fft(whole).astype(np.complex64), 1e-6, 1e-6)
        close(fft.irfftn(tensor(whole).to(t)), np.fft.irfftn(whole).astype(np.float32), 1e-6, 1e-6)
    close(fft.rfft(tensor([True, False])), np.array([1, 1], np.complex64))
    for t in (cltorch.float16, cltorch.bfloat16):
        with pytest.raises(RuntimeError, match="Unsupported dtype"):
            fft.fft(cltorch.ones(3, dtype=t))
    with pytest.raises(RuntimeError, match="Unsupported dtype ComplexHalf"):
        fft.fft(cltorch.empty(3, dtype=cltorch.complex32))


def test_nothing_to_transform():
    assert fft.fft(cltorch.ones(0, 3)).shape == (0, 3)
    close(fft.fftn(cltorch.tensor(2.0)), np.complex64(2))
    close(fft.fftn(tensor(X), dim=()), X.astype(complex))
    for name in ("rfftn", "irfftn", "hfftn", "ihfftn"):
        with pytest.raises(RuntimeError, match=f"^{name} must transform at least one axis"):
            getattr(fft, name)(cltorch.ones(2), dim=())


@pytest.mark.parametrize("name", (*ONE, *MANY, *HERMITIAN))
def test_derivatives(name):
    f = getattr(fft, name)
    a = given(name)[:2, :3, :3]
    x = tensor(a).requires_grad_()
    sizes = [(4, -1), (-1, 3)] if name.endswith("n") else [4, 3, 2]
    for size in sizes:
        for norm in (None, "ortho"):
            assert gradcheck(lambda x, size=size, norm=norm: f(x, size, norm=norm), (x,))
    assert gradgradcheck(lambda x: f(x, sizes[0]), (x,))
    if name not in REAL:  # real numbers in the place of complex ones have real gradients
        x = tensor(X[:2, :2, :3]).requires_grad_()
        assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))
        assert cltorch.autograd.grad(f(x).abs().sum(), x)[0].dtype is cltorch.float64


def test_batches_are_slices():
    for f in (fft.fft, fft.irfft2, fft.hfft, lambda z: fft.rfftn(z.real)):
        z = tensor(Z)
        close(cltorch.vmap(f, 1, 1)(z), np.stack([f(z[:, i]).resolve_conj().numpy() for i in range(4)], 1))


def test_frequencies():
    for n in (0, 1, 4, 5):
        for d in (1.0, 0.25, 3):
            if n:
                close(fft.fftfreq(n, d, dtype=cltorch.float64), np.fft.fftfreq(n, d))
                close(fft.rfftfreq(n, d=d, dtype=cltorch.float64), np.fft.rfftfreq(n, d))
            assert fft.fftfreq(n, d).dtype is cltorch.float32
    assert fft.fftfreq(0).shape == (0,) and fft.rfftfreq(0).shape == (1,)
    assert fft.fftfreq(3, requires_grad=True).requires_grad
    out = cltorch.empty(4, dtype=cltorch.float64)
    assert fft.rfftfreq(6, out=out) is out and out[-1].item() == 0.5
    with pytest.raises(RuntimeError, match="negative dimension -1"):
        fft.fftfreq(-1)
    with pytest.raises(RuntimeError, match="^rfftfreq requires a floating point or complex dtype"):
        fft.rfftfreq(3, dtype=cltorch.int64)


def test_shifts():
    for a in (np.arange(5), X, Z):
        for dim in (None, -1, (0,)):
            close(fft.fftshift(tensor(a), dim), np.fft.fftshift(a, dim))
            close(fft.ifftshift(tensor(a), dim), np.fft.ifftshift(a, dim))
    with pytest.raises(RuntimeError, match="`shifts` required"):
        fft.fftshift(cltorch.tensor(1.0))
    with pytest.raises(IndexError, match="got 3"):
        fft.ifftshift(tensor(X), 3)


def test_out():
    out = cltorch.empty(0, dtype=cltorch.complex128)
    assert fft.rfft2(tensor(X), out=out) is out
    close(out, np.fft.rfft2(X))
    for f, x, t, words in (
        (fft.fft, X, cltorch.float64, "^fft expects a complex output tensor, but got Double"),
        (fft.ihfft2, X, cltorch.int64, "^ihfftn expects a complex output tensor, but got Long"),
        (fft.irfft, Z, cltorch.complex64, "^irfft expects a floating point output tensor, but got ComplexFloat"),
    ):
        out = cltorch.full((2,), 3, dtype=t)
        with pytest.raises(RuntimeError, match=words):
            f(tensor(x), out=out)
        assert out.tolist() == [3, 3]


def test_errors():
    x, z = cltorch.ones(4, 3), cltorch.ones(4, 3).to(cltorch.complex64)
    points = r"^Invalid number of data points \({}\) specified"
    for f, error, words in (
        (lambda: fft.fft(cltorch.tensor(1.0)), IndexError, "Dimension specified as -1 but tensor has no dimensions"),
        (lambda: fft.fft2(cltorch.tensor(1.0)), IndexError, "Dimension specified as -2 but tensor has no dimensions"),
        (lambda: fft.irfftn(cltorch.tensor(1.0), dim=0), IndexError, "Dimension specified as 0 but tensor has no"),
        (lambda: fft.fft(x, dim=2), IndexError, r"expected to be in range of \[-2, 1\], but got 2"),
        (lambda: fft.fft2(x[0]), IndexError, r"expected to be in range of \[-1, 0\], but got -2"),
        (lambda: fft.fft(x, 0), RuntimeError, points.format(0)),
        (lambda: fft.rfft(x, -4), RuntimeError, points.format(-4)),
        (lambda: fft.irfft(x[:, :1]), RuntimeError, points.format(0)),
        (lambda: fft.hfft(cltorch.ones(0)), RuntimeError, points.format(-2)),
        (lambda: fft.fftn(x, (-2, 2)), RuntimeError, points.format(-2)),
        (lambda: fft.irfftn(cltorch.ones(0, 3)), RuntimeError, points.format(0)),
        (lambda: fft.fft(x, norm="bad"), RuntimeError, '^Invalid normalization mode: "bad"'),
        (lambda: fft.ihfft2(x, norm="bad"), RuntimeError, '^Invalid normalization mode: "bad"'),
        (lambda: fft.fft(x, norm=3), TypeError, "argument 'norm' must be str, not int"),
        (lambda: fft.fft(x, 2.5), TypeError, r"^fft_fft\(\): argument 'n' .*must be int, not float"),
        (lambda: fft.ifft("a"), TypeError, r"^fft_ifft\(\): argument 'input' \(position 1\) must be Tensor, not str"),
        (lambda: fft.rfft(z), RuntimeError, "^rfft expects a real input tensor, but got ComplexFloat"),
        (lambda: fft.ihfft(z), RuntimeError, "^ihfft expects a real input tensor, but got ComplexFloat"),
        (lambda: fft.rfft2(z), RuntimeError, "^rfftn expects a real-valued input tensor, but got ComplexFloat"),
        (lambda: fft.ihfftn(z), RuntimeError, "^Only supports floating-point dtypes, but found: ComplexFloat"),
        (lambda: fft.fft2(x, (3,)), RuntimeError, "dim and shape arguments must have the same length"),
        (lambda: fft.fftn(x, (3, 3, 3)), RuntimeError, "shape with 3 values but input tensor only has 2 dimensions"),
        (lambda: fft.irfftn(x, dim=(0, -2)), RuntimeError, "^FFT dims must be unique"),
    ):
        with pytest.raises(error, match=words):
            f()


def test_on_devices(device, monkeypatch):
    monkeypatch.setattr(fourier, "library", lambda: None)  # as where pyvkfft is not installed
    x = tensor(X.astype(np.float32), device).requires_grad_()
    cltorch.set_host_fallback("warn")  # every operator warns anew
    warns = pytest.warns(UserWarning, match="fft_.2. runs on the host")
    with warns if x.device.type == "cl" else contextlib.nullcontext():
        half, whole = fft.rfft2(x, (3, 6)), fft.fft(x)
        back = fft.irfft2(half, (3, 6))
    close(half, np.fft.rfft2(X, (3, 6)).astype(np.complex64), 1e-5, 1e-5)
    close(whole, np.fft.fft(X).astype(np.complex64), 1e-5, 1e-5)
    assert half.device == whole.device == x.device
    filled = np.pad(X[:, :3], ((0, 0), (0, 0), (0, 1)))
    close(back, filled.astype(np.float32), 1e-5, 1e-5)
    (g,) = cltorch.autograd.grad((back * back).sum(), x)
    close(g, (2 * np.pad(X[:, :3], ((0, 0), (0, 1), (0, 0)))).astype(np.float32), 1e-5, 1e-5)
    assert fft.fftfreq(4, device=device).device == x.device


# ---- on the device, through pyvkfft ------------------------------------------------------------------------------
@pytest.fixture
def through_vkfft(cl_device):
    """A device whose transforms must not run on the host."""
    if fourier.library() is None:
        pytest.skip("pyvkfft is not installed")
    before = cltorch.get_host_fallback()
    cltorch.set_host_fallback("error")
    yield cl_device
    cltorch.set_host_fallback(before)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("dims", [(2,), (0,), (1, 2), (0, 2), (2, 0, 1)])
def test_transforms_stay_on_the_device(dims, double, through_vkfft):
    if double and not cltorch.device(through_vkfft).context.caps.fp64:
        pytest.skip("the device has no float64")
    near = {"rtol": 1e-11, "atol": 1e-11} if double else {"rtol": 2e-5, "atol": 2e-5}
    a, z = (X, Z) if double else (X.astype(np.float32), Z.astype(np.complex64))
    for norm in NORMS[1:]:
        for name in MANY:
            x = tensor(a if name in REAL else z, through_vkfft)
            got = getattr(fft, name)(x, dim=dims, norm=norm)
            want = getattr(np.fft, name)(given(name), axes=dims, norm=norm)
            close(got, want.astype(got.detach().cpu().resolve_conj().numpy().dtype), **near)
            np.testing.assert_array_equal(x.cpu().numpy(), a if name in REAL else z)  # as it was
    turned = tensor(z.transpose(2, 0, 1).copy(), through_vkfft).permute(1, 2, 0)
    close(fft.fftn(turned, dim=dims), np.fft.fftn(Z, axes=dims).astype(z.dtype), **near)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 101, 8209])
def test_sizes_that_are_awkward_on_the_device(n, through_vkfft):
    if n == 0:
        x = cltorch.zeros(0, 4, device=through_vkfft)
        assert fft.fft(x).shape == (0, 4) and fft.rfft(x).shape == (0, 3) and fft.irfft(x).shape == (0, 6)
        return
    a = RNG.standard_normal((2, n)).astype(np.float32)
    x = tensor(a, through_vkfft)
    if n > 8192:  # a large prime: the host has it, and says so
        with pytest.raises(RuntimeError, match="fft_r2c runs on the host.*pyvkfft"):
            fft.rfft(x)
        return
    bound = 1e-6 * n**0.5
    close(fft.rfft(x), np.fft.rfft(a).astype(np.complex64), 1e-4, bound)
    close(fft.irfft(fft.rfft(x), n), a, 1e-4, bound)


def test_derivatives_on_the_device(through_vkfft):
    if not cltorch.device(through_vkfft).context.caps.fp64:
        pytest.skip("the device has no float64")
    x = tensor(X[:2, :2], through_vkfft).requires_grad_()
    z = tensor(Z[:2, :2], through_vkfft).requires_grad_()
    for f, v in ((fft.rfft2, x), (fft.fftn, z), (fft.irfft, z), (fft.hfft, z)):
        gradcheck(f, (v,))
        gradgradcheck(f, (v,))


def test_transforms_take_their_turn_among_launches(through_vkfft):
    x = cltorch.arange(60.0, device=through_vkfft).reshape(3, 4, 5)
    for k in range(20):  # what is written before a transform is read by it, what is written after it is not
        x.fill_(float(k))
        y = fft.fftn(x)
        x.add_(1.0)
        assert y[0, 0, 0].item() == 60 * k


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies_into_a_tensor_of_another_size(device, name):
    out = cltorch.empty((), device=device)
    with pytest.warns(UserWarning, match="out tensor will be resized"):
        getattr(cltorch.fft, name)(8, d=0.5, out=out)
    assert out.tolist() == getattr(cltorch.fft, name)(8, d=0.5).tolist()
