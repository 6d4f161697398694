"""Short-time Fourier transforms: the spectra of windows that slide along a signal, and the signal of such spectra.

The transforms run on the device through pyvkfft where that is installed, on the host otherwise (see
``set_host_fallback``), everything around them on the tensors' device.
Source: https://docs.pytorch.org/docs/2.13/generated/torch.stft.html, and D. Griffin and J. Lim, Signal estimation from
modified short-time Fourier transform, IEEE Transactions on Acoustics, Speech and Signal Processing 32(2), 1984
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.autograd.graph import Settings
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, read_int
from cltorch.functions.complex_parts import view_as_real
from cltorch.functions.create import ones
from cltorch.functions.dim_orders import transpose
from cltorch.functions.extremes import amin
from cltorch.functions.fft import fft_fft, fft_ifft, fft_irfft, fft_rfft
from cltorch.functions.pad import pad, pad_dims
from cltorch.functions.parts import as_strided_back, narrow, unfold
from cltorch.functions.shape import expand, reshape, squeeze, unsqueeze
from cltorch.layout import Layout
from cltorch.ops.fallback import callers_level

__all__ = ["istft", "stft"]

_LOWEST = 1e-11  # what PyTorch takes for no window at all


def _sizes(name: str, n_fft: Any, hop_length: Any, win_length: Any) -> tuple[int, int, int]:
    n = read_int(name, "n_fft", 2, n_fft)
    hop = n // 4 if hop_length is None else read_int(name, "hop_length", 3, hop_length)
    return n, hop, n if win_length is None else read_int(name, "win_length", 4, win_length)


def _refuse(name: str, x: Any, sizes: tuple[int, int, int], words: str) -> None:
    n, hop, win = sizes
    raise RuntimeError(f"{name}({x.dtype}{list(x.lay.shape)}, n_fft={n}, hop_length={hop}, win_length={win}): {words}")


def _centred(x: Any, window: Any, n: int, win: int) -> Any:
    """Return the window, or ones, with zeros on both sides up to n points."""
    if window is None:
        window = ones(win, dtype=x.dtype.to_real(), device=x.device)
    left = (n - win) // 2
    return window if win == n else pad_dims(window, ((left, n - win - left),), "constant", 0)


def _check_window(name: str, window: Any, win: int) -> None:
    if window is not None:
        need_array(name, "window", 5, window)
    elif win > 1:
        warnings.warn(
            f"{name}: no window is given, so that a rectangular one is used, whose spectrum leaks; another one, as "
            "torch.hann_window, is advised",
            stacklevel=callers_level(),
        )


def stft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Any:  # fmt: skip
    """Return the spectra of windows along a signal (L) or a batch of signals (N, L): (frequencies, windows).

    A window begins every ``hop_length`` points (``n_fft // 4`` by default), is ``win_length`` long and has zeros on
    both sides up to ``n_fft``. With ``center`` the signal is padded, so that window t lies round the point
    ``t * hop_length``; without it ``align_to_window`` lets the first one begin with the signal, not with the zeros
    before the window. Real signals and windows give ``n_fft // 2 + 1`` frequencies unless ``onesided`` is False, and
    for them ``return_complex`` must be given; False gives real and imaginary part along a last dimension.
    Raises RuntimeError for integers, half precision, and sizes that do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.stft.html

    >>> import cltorch as torch
    >>> torch.stft(torch.ones(8), 4, window=torch.ones(4), center=False, return_complex=True).shape
    torch.Size([3, 5])
    """
    x = need_array("stft", "input", 1, input)
    n, hop, win = sizes = _sizes("stft", n_fft, hop_length, win_length)
    _check_window("stft", window, win)
    whole = x.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not whole:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require that "
            "return_complex=True in a future PyTorch release."
        )
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if center:
        shape = x.lay.shape
        x = pad(reshape(x, (*(1,) * (3 - len(shape)), *shape)), (n // 2, n // 2), pad_mode)
        x = reshape(x, (*shape[:-1], x.lay.shape[-1]))
    if not x.dtype.differentiable:
        _refuse("stft", x, sizes, "expected a tensor of floating point or complex values")
    if x.lay.ndim not in (1, 2):
        _refuse("stft", x, sizes, "expected a 1D or 2D tensor")
    length = x.lay.shape[-1]
    if not 0 < n <= length:
        _refuse("stft", x, sizes, f"expected 0 < n_fft < {length}, but got n_fft={n}")
    if hop <= 0:
        _refuse("stft", x, sizes, f"expected hop_length > 0, but got hop_length={hop}")
    if not 0 < win <= n:
        _refuse("stft", x, sizes, f"expected 0 < win_length <= n_fft, but got win_length={win}")
    if window is not None and tuple(window.lay.shape) != (win,):
        _refuse(
            "stft", x, sizes, f"expected a 1D window tensor of size equal to win_length={win}, but got window with "
            f"size {list(window.lay.shape)}",
        )  # fmt: skip
    if onesided and whole:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if align_to_window and win < n:
        left = (n - win) // 2
        x = pad_dims(x, (*((0, 0),) * (x.lay.ndim - 1), (left, n - win - left)), "constant", 0)
    frames = p.mul(unfold(x, -1, n, hop), _centred(x, window, n, win))
    transform = fft_fft if whole or onesided is False else fft_rfft
    y = transpose(transform(frames, norm="ortho" if normalized else None), -1, -2)
    return view_as_real(y) if return_complex is False else y


def istft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Any:  # fmt: skip
    """Return the signals whose spectra, as ``stft`` gives them, come nearest to those given.

    Of spectra ([N,] frequencies, windows) the signals ([N,] ``length``) are made by adding up the windows, divided by
    the sum of their squares. Arguments mean what they mean in ``stft``; ``onesided`` is by default whether there are
    other than ``n_fft`` frequencies. Raises RuntimeError for spectra that are not complex, for sizes that do not fit,
    and where no window reaches a point of the signal.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.istft.html

    >>> import cltorch as torch
    >>> x, window = torch.arange(8.0), torch.hann_window(4)
    >>> torch.istft(torch.stft(x, 4, window=window, return_complex=True), 4, window=window).round(decimals=3).abs()
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    x = need_array("istft", "input", 1, input)
    n, hop, win = sizes = _sizes("istft", n_fft, hop_length, win_length)
    _check_window("istft", window, win)
    _check_spectra(x, sizes, window, onesided, return_complex)
    batch = x.lay.ndim == 3
    x = transpose(x if batch else unsqueeze(x, 0), 1, 2)
    window = _centred(x, window, n, win)
    norm = "ortho" if normalized else None
    # of a whole spectrum only the half counts where the signal is to be real: irfft reads no more
    frames = fft_ifft(x, norm=norm) if return_complex else fft_irfft(x, n, norm=norm)
    count, total = x.lay.shape[1], n + hop * (x.lay.shape[1] - 1)
    y = _overlaid(p.mul(frames, window), hop, total)
    weight = _overlaid(expand(reshape(p.square(window), (1, 1, n)), (1, count, n)), hop, total)
    start = n // 2 if center else 0
    stop = start + length if length is not None else total - n // 2 if center else total
    kept = min(stop, total) - start
    if kept < 1:
        _refuse("istft", input, sizes, "expected spectra of more windows: nothing is left between the padding")
    y, weight = narrow(y, 1, start, kept), narrow(weight, 1, start, kept)
    lowest = float(amin(p.abs(weight.detach())).item())
    if not lowest > _LOWEST:
        _refuse("istft", input, sizes, f"window overlap add min: {lowest:g}, but every point needs a window")
    y = p.div(y, weight)
    if stop > total:
        warnings.warn(
            "istft: the signal is shorter than length, and is filled up with zeros; see center and hop_length",
            stacklevel=callers_level(),
        )
        y = pad_dims(y, ((0, 0), (0, stop - total)), "constant", 0)
    return y if batch else squeeze(y, 0)


def _check_spectra(x: Any, sizes: tuple[int, int, int], window: Any, onesided: Any, return_complex: bool) -> None:
    """Raise RuntimeError where the spectra or the window do not fit."""
    n, hop, win = sizes
    if not x.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if not x.lay.numel:
        _refuse("istft", x, sizes, "input tensor cannot be empty.")
    if x.lay.ndim not in (2, 3):
        _refuse("istft", x, sizes, f"expected a complex tensor with 2 or 3 dimensions, but got {x.lay.ndim}")
    have = x.lay.shape[-2]
    half = have != n if onesided is None else bool(onesided)
    if have != (n // 2 + 1 if half else n):
        wanted = "n_fft / 2 + 1 when onesided=True" if half else "n_fft when onesided=False"
        _refuse("istft", x, sizes, f"expected the frequency dimension of the input to match {wanted}, but got {have}")
    if not 0 < hop <= win:
        _refuse("istft", x, sizes, "expected 0 < hop_length <= win_length")
    if not win <= n:
        _refuse("istft", x, sizes, "expected 0 < win_length <= n_fft")
    if window is not None:
        if tuple(window.lay.shape) != (win,):
            _refuse("istft", x, sizes, "Invalid window shape. window has to be 1D and length of `win_length`")
        if window.dtype.is_complex and not return_complex:
            raise RuntimeError("Complex windows are incompatible with return_complex=False")
    if half and return_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")


def _overlaid(frames: Any, hop: int, total: int) -> Any:
    """Add up frames (N, count, n) that begin every ``hop`` points: (N, total)."""
    base = Layout.of((frames.lay.shape[0], total))
    return as_strided_back(Settings.functions, frames, base, base.unfold(1, frames.lay.shape[2], hop))
