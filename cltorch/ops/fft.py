"""Discrete Fourier transforms over some dimensions: complex to complex, real to half a spectrum, and back.

On a device they run through pyvkfft (``fft_device.py``); without it, and for what it cannot do, on the host in NumPy
(see ``set_host_fallback``), single precision in single precision. Each is linear, and its adjoint is one of the three:
a complex transform's the one of the other direction, unscaled; that of a real one the transform between the same two
spaces, in which every frequency of the half spectrum that stands for its conjugate too (all but the first, and the last
of an even length) counts twice. ``weighted`` says that they do.
Source of the gradients: https://docs.pytorch.org/docs/2.13/notes/autograd.html#autograd-for-complex-numbers
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cltorch.ops import fft_device
from cltorch.ops.fallback import on_host
from cltorch.ops.op import Op


def _by_stride(dims: Iterable[int], strides: Sequence[int]) -> list[int]:
    """Return dimensions by their strides, the largest first."""
    return sorted(dims, key=lambda d: -strides[d])


def _c2c_order(x: Any, dims: Sequence[int], *rest: Any) -> list[int]:
    """Return the dimensions of a result as they lie in memory, as PyTorch's do: those that are transformed last."""
    strides = x.lay.strides
    return [*_by_stride(set(range(x.lay.ndim)) - set(dims), strides), *_by_stride(dims, strides)]


def _r2c_order(x: Any, dims: Sequence[int], *rest: Any) -> list[int]:
    strides = x.lay.strides
    others = set(range(x.lay.ndim)) - set(dims)
    return [*_by_stride(others, strides), *_by_stride(dims[:-1], strides), dims[-1]]


def _c2r_order(x: Any, dims: Sequence[int], *rest: Any) -> list[int]:
    order = _c2c_order(x, dims[:-1])  # the last one is transformed after the others
    return [*(d for d in order if d != dims[-1]), dims[-1]]


@on_host("fft_c2c", lambda x, *rest: [(x.shape, "c")], "pyvkfft", fft_device.c2c, order=_c2c_order)
def _c2c(x: Any, dims: tuple[int, ...], scale: float, forward: bool) -> Any:
    y = np.fft.fftn(x, axes=dims) if forward else np.fft.ifftn(x, axes=dims, norm="forward")
    return _scaled(y, scale)


@on_host(
    "fft_r2c", lambda x, dims, *rest: [(_sized(x, dims[-1], x.shape[dims[-1]] // 2 + 1), "c")], "pyvkfft",
    fft_device.r2c, order=_r2c_order,
)  # fmt: skip
def _r2c(x: Any, dims: tuple[int, ...], scale: float, weighted: bool) -> Any:
    y = _scaled(np.fft.rfftn(x, axes=dims), scale)
    if weighted:
        y[_paired(y, dims[-1], x.shape[dims[-1]])] *= 2
    return y


@on_host(
    "fft_c2r", lambda x, dims, n, *rest: [(_sized(x, dims[-1], n), "f")], "pyvkfft", fft_device.c2r, order=_c2r_order
)
def _c2r(x: Any, dims: tuple[int, ...], n: int, scale: float, weighted: bool) -> Any:
    if weighted:
        x = np.array(x)
        x[_paired(x, dims[-1], n)] *= 0.5
    sizes = [*(x.shape[d] for d in dims[:-1]), n]
    return _scaled(np.fft.irfftn(x, sizes, axes=dims, norm="forward"), scale)


def _sized(x: Any, dim: int, n: int) -> list[int]:
    """Return a shape with another size of one dimension."""
    shape = list(x.shape)
    shape[dim] = n
    return shape


def _scaled(y: np.ndarray, scale: float) -> np.ndarray:
    """Return new values times a number."""
    if scale != 1:
        y *= scale
    return y


def _paired(half: np.ndarray, dim: int, n: int) -> tuple[slice, ...]:
    """Return where in the half of a spectrum of n those frequencies lie whose conjugates are in the other half."""
    where = [slice(None)] * half.ndim
    where[dim] = slice(1, (n + 1) // 2)
    return tuple(where)


class C2C(Op):
    """The transform of complex numbers, or real ones, in one direction, times ``scale``."""

    name = "fft_c2c"
    node = "FftC2C"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], scale: float, forward: bool) -> Any:
        c.real, c.given = not x.dtype.is_complex, (dims, scale, not forward)
        return _c2c(x, dims, scale, forward)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        gx = m.fft_c2c(g, *c.given)
        return (m.real(gx) if c.real else gx), None, None, None


class R2C(Op):
    """The transform of real numbers: half of the spectrum along the last of the dimensions."""

    name = "fft_r2c"
    node = "FftR2C"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], scale: float, weighted: bool) -> Any:
        c.given = dims, x.lay.shape[dims[-1]], scale, not weighted
        return _r2c(x, dims, scale, weighted)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.fft_c2r(g, *c.given), None, None, None


class C2R(Op):
    """The transform back to n real numbers from half of their spectrum."""

    name = "fft_c2r"
    node = "FftC2R"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], n: int, scale: float, weighted: bool) -> Any:
        c.real, c.given = not x.dtype.is_complex, (dims, scale, not weighted)
        return _c2r(x, dims, n, scale, weighted)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        gx = m.fft_r2c(g, *c.given)
        return (m.real(gx) if c.real else gx), None, None, None, None
