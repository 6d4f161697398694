"""Windows against SciPy's and NumPy's, and what they refuse."""

import numpy as np
import pytest

import cltorch
from cltorch.signal import windows

scipy = pytest.importorskip("scipy.signal.windows", reason="SciPy is not installed")
CASES = {
    "bartlett": {}, "blackman": {}, "cosine": {}, "exponential": {"tau": 2.5}, "gaussian": {"std": 1.7},
    "general_cosine": {"a": [0.4, 0.5, 0.1]}, "general_hamming": {"alpha": 0.6}, "hamming": {}, "hann": {},
    "kaiser": {"beta": 7.0}, "nuttall": {},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_against_scipy(device, name):
    for m in (0, 1, 2, 7, 8):
        for sym in (True, False):
            got = getattr(windows, name)(m, sym=sym, device=device, **CASES[name])
            want = getattr(scipy, name)(m, sym=sym, **CASES[name])
            np.testing.assert_allclose(got.numpy(force=True), want, rtol=1e-6, atol=1e-7)
            assert got.dtype is cltorch.float32


def test_legacy_names():
    for name, args, want in (
        ("bartlett_window", (6,), scipy.bartlett(6, False)),
        ("blackman_window", (6, False), np.blackman(6)),
        ("hamming_window", (6, True, 0.5, 0.5), scipy.hann(6, False)),
        ("hann_window", (6, False), np.hanning(6)),
        ("kaiser_window", (6, False, 3.0), np.kaiser(6, 3.0)),
    ):
        got = getattr(cltorch, name)(*args, dtype=cltorch.float64)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)
    assert cltorch.hann_window(4, dtype=cltorch.float16).dtype is cltorch.float16
    assert cltorch.hann_window(4, requires_grad=True).requires_grad


def test_errors():
    for wrong, message in (
        (lambda: windows.hann(-1), "non-negative window length, got M=-1"),
        (lambda: windows.hann(3, dtype=cltorch.float16), "expects float32 or float64"),
        (lambda: windows.kaiser(3, beta=-1), "beta must be non-negative"),
        (lambda: windows.gaussian(3, std=0), "Standard deviation must be positive"),
        (lambda: windows.exponential(3, tau=0), "Tau must be positive"),
        (lambda: windows.exponential(3, center=1.0), "Center must be None"),
        (lambda: windows.general_cosine(3, a=[]), "cannot be empty"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    for wrong, kind in (
        (lambda: windows.hann(3, foo=1), TypeError),
        (lambda: windows.general_cosine(3, a=3), TypeError),
        (lambda: cltorch.hann_window(-1), RuntimeError),
        (lambda: cltorch.hann_window(3, dtype=cltorch.int64), RuntimeError),
        (lambda: cltorch.hann_window(3.5), TypeError),
        (lambda: cltorch.hann_window(3, True, 0.5), TypeError),
    ):
        with pytest.raises(kind):
            wrong()
