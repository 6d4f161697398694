"""stft and istft: against frames cut and added up in NumPy, one after another."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.device import fourier

RNG = np.random.default_rng(11)
X = RNG.standard_normal((2, 30))
Z = X + 1j * RNG.standard_normal(X.shape)
SIZES = ((8, 2, 8), (7, 2, 4), (8, 3, 5), (5, 5, 5))
MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge", "circular": "wrap"}


def window_of(n, whole=False):
    w = np.random.default_rng(n).random(n) + 0.5
    return w + 1j * w[::-1] if whole else w


def spectra(x, n, hop, win, window, center=True, mode="reflect", normalized=False, half=True):
    """Return the spectra of frames, cut one after another."""
    if center:
        x = np.pad(x, ((0, 0), (n // 2, n // 2)), MODES[mode])
    left = (n - win) // 2
    padded = np.pad(window, (left, n - win - left))
    frames = [x[:, t : t + n] * padded for t in range(0, x.shape[1] - n + 1, hop)]
    f = np.fft.rfft if half else np.fft.fft
    return np.stack([f(frame, norm="ortho" if normalized else None) for frame in frames], -1)


def tensor(a, device="cpu"):
    return cltorch.tensor(a, device=device)


def close(got, want, rtol=1e-11, atol=1e-11):
    got, want = got.detach().cpu().numpy(), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol, atol)


@pytest.mark.parametrize("n,hop,win", SIZES)
def test_spectra(n, hop, win):
    w = window_of(win)
    for mode in MODES:
        got = cltorch.stft(tensor(X), n, hop, win, tensor(w), pad_mode=mode, return_complex=True)
        close(got, spectra(X, n, hop, win, w, mode=mode))
    got = cltorch.stft(tensor(X), n, hop, win, tensor(w), False, normalized=True, onesided=False, return_complex=True)
    close(got, spectra(X, n, hop, win, w, center=False, normalized=True, half=False))
    for x, v in ((Z, w), (X, window_of(win, True)), (Z, window_of(win, True))):
        close(cltorch.stft(tensor(x), n, hop, win, tensor(v)), spectra(x, n, hop, win, v, half=False))
    one = tensor(X[0]).stft(n, hop, win, tensor(w), return_complex=False)
    want = spectra(X[:1], n, hop, win, w)[0]
    close(one, np.stack((want.real, want.imag), -1))


def test_the_first_window_begins_with_the_signal():
    w = window_of(4)
    got = cltorch.stft(tensor(X), 8, 3, 4, tensor(w), False, return_complex=True, align_to_window=True)
    close(got, spectra(np.pad(X, ((0, 0), (2, 2))), 8, 3, 4, w, center=False))
    assert cltorch.stft(tensor(X), 8, 3, 4, tensor(w), False, return_complex=True).shape[-1] == got.shape[-1] - 1


def test_defaults():
    with pytest.warns(UserWarning, match="no window is given"):
        got = cltorch.stft(tensor(X), 8, return_complex=True)
    close(got, spectra(X, 8, 2, 8, np.ones(8)))
    with pytest.warns(UserWarning, match="no window is given"):
        close(cltorch.istft(got, 8), X)


@pytest.mark.parametrize("n,hop,win", SIZES[:3])
def test_there_and_back(n, hop, win):
    w = tensor(window_of(win))
    for normalized in (False, True):
        y = cltorch.stft(tensor(X), n, hop, win, w, normalized=normalized, return_complex=True)
        back = y.istft(n, hop, win, w, normalized=normalized)
        close(back, X[:, : back.shape[1]])
        assert back.shape[1] > 30 - hop - n % 2
        close(cltorch.istft(y, n, hop, win, w, normalized=normalized, length=20), X[:, :20])
        close(cltorch.istft(y[0], n, hop, win, w, normalized=normalized, length=20), X[0, :20])
    v = tensor(window_of(win))
    y = cltorch.stft(tensor(Z), n, hop, win, v)
    close(cltorch.istft(y, n, hop, win, v, length=20, return_complex=True), Z[:, :20])


def test_frames_add_up_over_the_squares_of_the_windows():
    y, w = RNG.standard_normal((2, 5, 4)) + 1j * RNG.standard_normal((2, 5, 4)), window_of(8)
    total, weight = np.zeros((2, 17)), np.zeros(17)
    for t in range(4):
        total[:, 3 * t : 3 * t + 8] += np.fft.irfft(y[:, :, t], 8) * w
        weight[3 * t : 3 * t + 8] += w**2
    for center, cut in ((True, slice(4, 13)), (False, slice(None))):
        close(cltorch.istft(tensor(y), 8, 3, window=tensor(w), center=center), (total / weight)[:, cut])
    with pytest.warns(UserWarning, match="shorter than length"):
        got = cltorch.istft(tensor(y), 8, 3, window=tensor(w), length=20)
    close(got, np.pad((total / weight)[:, 4:], ((0, 0), (0, 7))))


def test_derivatives():
    x, z = tensor(X[:, :9]).requires_grad_(), tensor(Z[0, :9]).requires_grad_()
    w, v = tensor(window_of(4)).requires_grad_(), tensor(window_of(4, True)).requires_grad_()
    assert gradcheck(lambda x, w: cltorch.stft(x, 5, 3, 4, w, return_complex=True), (x, w))
    assert gradgradcheck(lambda x, w: cltorch.stft(x, 5, 3, 4, w, return_complex=True), (x, w))
    assert gradcheck(lambda z, v: cltorch.stft(z, 5, 2, 4, v), (z, v))
    y = tensor(RNG.standard_normal((3, 3)) + 1j * RNG.standard_normal((3, 3))).requires_grad_()
    assert gradcheck(lambda y, w: cltorch.istft(y, 4, 2, window=w), (y, w))
    assert gradgradcheck(lambda y, w: cltorch.istft(y, 4, 2, window=w), (y, w))


def test_errors():
    x, w = cltorch.ones(20), cltorch.ones(8)
    y = cltorch.ones(5, 10).to(cltorch.complex64)
    for f, error, words in (
        (lambda: cltorch.stft(x, 8, window=w), RuntimeError, "requires the return_complex parameter be given"),
        (lambda: cltorch.stft(x.int(), 8, window=w, return_complex=True), RuntimeError, "floating point or complex"),
        (lambda: cltorch.stft(x.half(), 8, window=w.half(), return_complex=True), RuntimeError, "dtype Half"),
        (lambda: cltorch.stft(x, 21, window=w, center=False, return_complex=True), RuntimeError, "but got n_fft=21"),
        (lambda: cltorch.stft(x, 8, 0, window=w, return_complex=True), RuntimeError, "expected hop_length > 0"),
        (lambda: cltorch.stft(x, 8, 2, 9, w, return_complex=True), RuntimeError, "but got win_length=9"),
        (lambda: cltorch.stft(x, 8, 2, 4, w, return_complex=True), RuntimeError, r"window with size \[8\]"),
        (lambda: cltorch.stft(x[None, None], 8, window=w, return_complex=True), RuntimeError, "1D or 2D tensor"),
        (lambda: cltorch.stft(x, 8, window=w + 0j, onesided=True), RuntimeError, "Cannot have onesided output"),
        (lambda: cltorch.stft(x, 8, window=w, return_complex=True, align_to_window=True), RuntimeError, "align_to_win"),
        (lambda: cltorch.stft(x[:3], 8, window=w, return_complex=True), RuntimeError, "Padding size should be less"),
        (lambda: cltorch.stft(x, 8, window=3, return_complex=True), TypeError, "argument 'window' .* must be Tensor"),
        (lambda: cltorch.istft(y.real, 8, window=w), RuntimeError, "requires a complex-valued input"),
        (
            lambda: cltorch.istft(y, 8, window=w, center=False, onesided=False),
            RuntimeError,
            "n_fft when onesided=False",
        ),
        (lambda: cltorch.istft(y, 10, window=w), RuntimeError, "n_fft / 2 . 1 when onesided=True"),
        (lambda: cltorch.istft(y, 8, 9, window=w), RuntimeError, "0 < hop_length <= win_length"),
        (lambda: cltorch.istft(y, 8, 2, 4, w), RuntimeError, "Invalid window shape"),
        (lambda: cltorch.istft(y, 8, window=w + 0j), RuntimeError, "Complex windows are incompatible"),
        (lambda: cltorch.istft(y, 8, window=w, return_complex=True), RuntimeError, "Cannot have onesided output"),
        (lambda: cltorch.istft(y[:, :0], 8, window=w), RuntimeError, "cannot be empty"),
        (lambda: cltorch.istft(y[:, :1], 8, window=w), RuntimeError, "nothing is left"),
        (lambda: cltorch.istft(y, 8, window=w * 0), RuntimeError, "window overlap add min: 0"),
    ):
        with pytest.raises(error, match=words), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f()


def test_on_devices(device, monkeypatch):
    monkeypatch.setattr(fourier, "library", lambda: None)  # as where pyvkfft is not installed
    x, w = tensor(X.astype(np.float32), device).requires_grad_(), tensor(window_of(8).astype(np.float32), device)
    cltorch.set_host_fallback("warn")  # every operator warns anew
    with pytest.warns(UserWarning, match="runs on the host") if x.device.type == "cl" else contextlib.nullcontext():
        y = cltorch.stft(x, 8, 2, window=w, return_complex=True)
        back = cltorch.istft(y, 8, 2, window=w)
    close(y, spectra(X, 8, 2, 8, window_of(8)).astype(np.complex64), 1e-5, 1e-5)
    close(back, X.astype(np.float32), 1e-5, 1e-5)
    (g,) = cltorch.autograd.grad((back * back).sum(), x)
    close(g, (2 * X).astype(np.float32), 1e-4, 1e-4)


def test_through_pyvkfft_on_the_device(cl_device):
    if fourier.library() is None:
        pytest.skip("pyvkfft is not installed")
    before = cltorch.get_host_fallback()
    cltorch.set_host_fallback("error")
    try:
        x, w = tensor(X.astype(np.float32), cl_device), tensor(window_of(8).astype(np.float32), cl_device)
        y = cltorch.stft(x, 8, 2, window=w, return_complex=True)
        back = cltorch.istft(y, 8, 2, window=w)
    finally:
        cltorch.set_host_fallback(before)
    close(y, spectra(X, 8, 2, 8, window_of(8)).astype(np.complex64), 1e-5, 1e-5)
    close(back, X.astype(np.float32), 1e-5, 1e-5)
