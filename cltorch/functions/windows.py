"""Windows of signal processing: hann_window and its kin, and the functions of torch.signal.windows.

A window is a handful of numbers that follow from its arguments: they are computed in double precision, and rounded once
to the dtype on the way to the device.
Source: https://docs.pytorch.org/docs/2.13/signal.html, and Harris, On the use of windows for harmonic analysis with the
discrete Fourier transform, Proceedings of the IEEE 66 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import host_memory, resolve
from cltorch.functions.arguments import SCALAR_NAMES, check_layout, finish, read_dtype, read_int
from cltorch.layout import Layout
from cltorch.ops.array import from_host

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _cosines(n: np.ndarray, width: float, a: Iterable[float]) -> np.ndarray:
    """Return a sum of cosines with alternating signs, of 0, 1, … periods over the width."""
    turns = 2 * math.pi * n / width
    return np.asarray(sum((-1) ** k * weight * np.cos(k * turns) for k, weight in enumerate(a)))


def _bartlett(n: np.ndarray, width: float) -> np.ndarray:
    return 1 - np.abs(2 * n / width - 1)


def _kaiser(n: np.ndarray, width: float, beta: float) -> np.ndarray:
    return np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (2 * n / width - 1) ** 2))) / np.i0(beta)


_BLACKMAN = (0.42, 0.5, 0.08)
_NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _window(name: str, m: Any, sym: bool, given: dict[str, Any], shape: Callable[[np.ndarray, float], Any]) -> Any:
    """Return a window of ``m`` points; a periodic one is the symmetric one of a point more without its last."""
    dtype, device = given.get("dtype"), given.get("device")
    check_layout(given.get("layout"))
    t = read_dtype(name, dtype, dtypes.get_default_dtype())
    if not t.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {SCALAR_NAMES[t.name]}")
    if m <= 1:
        points = np.ones(m)
    else:
        Layout.of((m,))  # raises where there are too many
        points = host_memory.attempt(name, lambda: shape(np.arange(m, dtype=np.float64), float(m - 1 if sym else m)))
    return finish(from_host(points, t, resolve(device)), given.get("requires_grad", False))


def _legacy(
    name: str, words: str, second: str, shape: Callable[..., Any], extra: tuple[tuple[str, float], ...] = ()
) -> Any:
    """Make one of torch.*'s windows: periodic by default, with ``extra`` parameters after ``periodic``.

    ``second`` is what the second of four points prints as, for the example.
    """

    def f(
        window_length: int, periodic: Any = None, *params: float, dtype: Any = None, layout: Any = None,
        device: Any = None, pin_memory: bool = False, requires_grad: bool = False, **named: float,
    ) -> Any:  # fmt: skip
        n = read_int(name, "window_length", 1, window_length)
        if n < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got window_length={n}")
        values = dict(extra)
        values.update(zip(values, params, strict=False))
        unknown = [k for k in named if k not in values]
        if periodic is None:
            # PyTorch's forms give the parameters after ``periodic``, one after another
            if params or named:
                raise TypeError(f"{name}() received an invalid combination of arguments: it needs periodic")
            periodic = True
        elif periodic.__class__ is not bool:
            raise TypeError(f"{name}(): argument 'periodic' must be bool, not {type(periodic).__name__}")
        if unknown or len(params) > len(extra):
            raise TypeError(f"{name}() got an unexpected argument {unknown[0] if unknown else params[-1]!r}")
        values.update(named)
        if "beta" in named and "alpha" in values and "alpha" not in named and not params:
            raise TypeError(f"{name}() received an invalid combination of arguments: beta needs alpha")
        given = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
        return _window(name, n, not periodic, given, lambda i, width: shape(i, width, *values.values()))

    f.__name__ = f.__qualname__ = name
    parameters = "".join(f", {k}={v:g}" for k, v in extra)
    f.__doc__ = (
        f"Return {words} as a vector: {name}(window_length, periodic=True{parameters}).\n\n"
        "A periodic window is a symmetric one of a point more without its last, for use with a Fourier transform.\n"
        "Raises RuntimeError for a negative length and for a dtype that is not floating point.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(4)[1:3]\ntensor([{second}, 1.0000])\n"
    )
    return f


bartlett_window = _legacy("bartlett_window", "the triangular window of Bartlett", "0.5000", _bartlett)
blackman_window = _legacy("blackman_window", "Blackman's window", "0.3400", lambda n, w: _cosines(n, w, _BLACKMAN))
hann_window = _legacy("hann_window", "Hann's window", "0.5000", lambda n, w: _cosines(n, w, (0.5, 0.5)))
hamming_window = _legacy(
    "hamming_window", "Hamming's window", "0.5400", lambda n, w, a, b: _cosines(n, w, (a, b)),
    (("alpha", 0.54), ("beta", 0.46)),
)  # fmt: skip
kaiser_window = _legacy("kaiser_window", "Kaiser's window", "0.2157", _kaiser, (("beta", 12.0),))


def _checked(name: str, m: Any, sym: bool, given: dict[str, Any], shape: Callable[[np.ndarray, float], Any]) -> Any:
    if m < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={m}")
    t = given.get("dtype") or dtypes.get_default_dtype()
    if t not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {t}")
    unknown = given.keys() - {"dtype", "layout", "device", "requires_grad"}
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument '{min(unknown)}'")
    return _window(name, m, sym, given, shape)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Return Bartlett's window, a triangle that is 0 at both ends.

    w[n] = 1 - |2 n / N - 1| with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _checked("bartlett", M, sym, options, _bartlett)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Return Blackman's window.

    w[n] = 0.42 - 0.5 cos(2π n / N) + 0.08 cos(4π n / N) with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.blackman(3).round(decimals=4)[1]
    tensor(1.)
    """
    return _checked("blackman", M, sym, options, lambda n, w: _cosines(n, w, _BLACKMAN))


def cosine(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Return half a period of a sine, sampled in the middle of ``M`` pieces.

    w[n] = sin(π (n + 1/2) / N) with N = M, or M + 1 without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return _checked("cosine", M, sym, options, lambda n, w: np.sin(math.pi * (n + 0.5) / (w + 1)))


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any) -> Any:
    """Return ``exp(-|n - center| / tau)``; the centre is the middle unless it is given, for a periodic window only.

    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return _checked(
        "exponential", M, sym, options, lambda n, w: np.exp(-np.abs(n - (w / 2 if center is None else center)) / tau)
    )


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Any:
    """Return a bell curve of the standard deviation ``std`` in samples.

    w[n] = exp(-((n - N / 2) / std)² / 2) with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _checked("gaussian", M, sym, options, lambda n, w: np.exp(-(((n - w / 2) / std) ** 2) / 2))


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Any:
    """Return a sum of cosines with the weights ``a`` and alternating signs.

    w[n] = Σ_i (-1)^i a[i] cos(2π i n / N) with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    weights = [float(x) for x in a]
    if not weights:
        raise ValueError("Coefficients cannot be empty")
    return _checked("general_cosine", M, sym, options, lambda n, w: _cosines(n, w, weights))


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Any:
    """Return ``alpha - (1 - alpha) cos(2 pi n / (M - 1))``.

    M - 1 is M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.general_hamming(3, alpha=0.5)
    tensor([0., 1., 0.])
    """
    return _checked("general_hamming", M, sym, options, lambda n, w: _cosines(n, w, (alpha, 1 - alpha)))


def hamming(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Return Hamming's window.

    w[n] = 0.54 - 0.46 cos(2π n / N) with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return _checked("hamming", M, sym, options, lambda n, w: _cosines(n, w, (0.54, 0.46)))


def hann(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Return Hann's window, a raised cosine.

    w[n] = (1 - cos(2π n / N)) / 2 with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.hann(3)
    tensor([0., 1., 0.])
    """
    return _checked("hann", M, sym, options, lambda n, w: _cosines(n, w, (0.5, 0.5)))


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Any:
    """Return Kaiser's window, a Bessel function of a half circle.

    w[n] = I₀(beta √(1 - (2 n / N - 1)²)) / I₀(beta) with N = M - 1, or M without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.kaiser(3, beta=1.0)
    tensor([0.7898, 1.0000, 0.7898])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _checked("kaiser", M, sym, options, lambda n, w: _kaiser(n, w, beta))


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Return Nuttall's window, a sum of four cosines.

    w[n] = 0.3635819 - 0.4891775 cos(2π n / N) + 0.1365995 cos(4π n / N) - 0.0106411 cos(6π n / N) with N = M - 1, or M
    without ``sym``.
    Shape: (M).
    Source: https://docs.pytorch.org/docs/2.13/signal.html

    >>> import cltorch as torch
    >>> torch.signal.windows.nuttall(3).round(decimals=4)[1]
    tensor(1.)
    """
    return _checked("nuttall", M, sym, options, lambda n, w: _cosines(n, w, _NUTTALL))
