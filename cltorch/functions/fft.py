"""Discrete Fourier transforms, under the names that torch.fft gives them (``fft_fft`` is ``torch.fft.fft``).

They run on the device through pyvkfft where that is installed, on the host otherwise (see ``set_host_fallback``), in
single or double precision; half precision is refused. Real and
integer tensors are taken in the place of complex ones. ``n`` and ``s`` cut the input or fill it up with zeros at the
end; ``norm`` divides by the number of points on the way "forward", on the way back ("backward", the default) or by its
square root on both ("ortho").
Source: https://docs.pytorch.org/docs/2.13/fft.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.device import host_memory, resolve
from cltorch.functions.arguments import SCALAR_NAMES, check_layout, finish, need_array, read_dtype, read_int
from cltorch.functions.complex_parts import conj
from cltorch.functions.convert import to_copy
from cltorch.functions.pad import pad_dims
from cltorch.functions.parts import narrow
from cltorch.functions.pointwise import into_out
from cltorch.functions.ranges import into_line
from cltorch.functions.rearrange import roll
from cltorch.ops import fft as ops
from cltorch.ops.array import Array, from_host
from cltorch.shapes import wrap_dim

__all__ = [
    "fft_c2c", "fft_c2r", "fft_fft", "fft_fft2", "fft_fftfreq", "fft_fftn", "fft_fftshift", "fft_hfft", "fft_hfft2",
    "fft_hfftn", "fft_ifft", "fft_ifft2", "fft_ifftn", "fft_ifftshift", "fft_ihfft", "fft_ihfft2", "fft_ihfftn",
    "fft_irfft", "fft_irfft2", "fft_irfftn", "fft_r2c", "fft_rfft", "fft_rfft2", "fft_rfftfreq", "fft_rfftn",
]  # fmt: skip

_LAST_TWO = (-2, -1)


# ---- the three transforms ----------------------------------------------------------------------------------------
def fft_c2c(x: Any, dims: tuple[int, ...], scale: float, forward: bool) -> Any:
    """Return the transform of (complex or real) numbers, times ``scale``."""
    result = apply(ops.C2C, x, dims, scale, forward)
    return result if x.dtype.is_complex or len(dims) > 1 else called(result, "FftR2CBackward0")


def fft_r2c(x: Any, dims: tuple[int, ...], scale: float, weighted: bool = False) -> Any:
    """Return half of the spectrum of real numbers; ``weighted``: what stands for its conjugate too, twice."""
    return apply(ops.R2C, x, dims, scale, weighted)


def fft_c2r(x: Any, dims: tuple[int, ...], n: int, scale: float, weighted: bool = False) -> Any:
    """Return n real numbers along the last dimension from half of their spectrum; the inverse of ``fft_r2c``."""
    return apply(ops.C2R, x, dims, n, scale, weighted)


# ---- arguments ---------------------------------------------------------------------------------------------------
def _operand(name: str, input: Any, real: str = "") -> Any:
    """Return an input as floating point, without checks of its shape; ``real`` is what to say to complex numbers."""
    t = need_array(f"fft_{name}", "input", 1, input).dtype
    if real and t.is_complex:
        raise RuntimeError(f"{real}{SCALAR_NAMES[t.name]}")
    if t in (dtypes.float16, dtypes.bfloat16, dtypes.complex32):
        raise RuntimeError(f"Unsupported dtype {SCALAR_NAMES[t.name]}")
    return input if t.differentiable else to_copy(input, dtypes.get_default_dtype(), input.device)


def _scale(name: str, norm: Any, points: int, forward: bool) -> float:
    if norm is not None and not isinstance(norm, str):
        raise TypeError(f"fft_{name}(): argument 'norm' must be str, not {type(norm).__name__}")
    if norm not in (None, "forward", "backward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1 / math.sqrt(points)
    return 1 / points if (norm == "forward") is forward else 1.0


def _checked(sizes: list[int]) -> list[int]:
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return sizes


def _wrapped(dim: int, ndim: int) -> int:
    if not ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, ndim)


def _one(name: str, x: Any, n: Any, dim: Any) -> tuple[tuple[int, ...], int | None]:
    """Return the dimension of a transform along one, and the size asked for."""
    dim = _wrapped(read_int(f"fft_{name}", "dim", 3, dim), x.lay.ndim)
    return (dim,), None if n is None else read_int(f"fft_{name}", "n", 2, n)


def _integers(name: str, argument: str, position: int, given: Any) -> list[int] | None:
    if given is None:
        return None
    values = given if isinstance(given, (tuple, list)) else (given,)
    return [read_int(f"fft_{name}", argument, position, v) for v in values]


def _many(name: str, x: Any, s: Any, dim: Any) -> tuple[tuple[int, ...], list[int | None]]:
    """Return the dimensions of a transform along several, and the sizes asked for, None where none is."""
    shape = _integers(name, "s", 2, s)
    given = _integers(name, "dim", 3, dim)
    ndim = x.lay.ndim
    if given is not None:
        dims = tuple(_wrapped(d, ndim) for d in given)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if shape is not None and len(shape) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif shape is None:
        dims = tuple(range(ndim))
    elif len(shape) > ndim:
        raise RuntimeError(f"Got shape with {len(shape)} values but input tensor only has {ndim} dimensions.")
    else:
        dims = tuple(range(ndim - len(shape), ndim))
    return dims, [None if n == -1 else n for n in shape] if shape is not None else [None] * len(dims)


def _resized(x: Any, dims: tuple[int, ...], sizes: list[int]) -> Any:
    """Cut dimensions or fill them up with zeros at their ends."""
    pads = [(0, 0)] * x.lay.ndim
    for d, n in zip(dims, sizes, strict=True):
        have = x.lay.shape[d]
        if n < have:
            x = narrow(x, d, 0, n)
        else:
            pads[d] = (0, n - have)
    return pad_dims(x, tuple(pads), "constant", 0) if any(after for _, after in pads) else x


def _stored(name: str, out: Any, result: Any) -> Any:
    if out is None:
        return result
    if isinstance(out, Array):
        t = out.dtype
        if not (t.is_complex if result.dtype.is_complex else t.is_floating_point):
            kind = "complex" if result.dtype.is_complex else "floating point"
            raise RuntimeError(f"{name} expects a {kind} output tensor, but got {SCALAR_NAMES[t.name]}")
    return into_out(f"fft_{name}", out, result)


# ---- transforms by what goes in and what comes out ---------------------------------------------------------------
def _complex(name: str, x: Any, dims: Any, asked: Any, norm: Any, forward: bool) -> Any:
    sizes = _checked([x.lay.shape[d] if n is None else n for d, n in zip(dims, asked, strict=True)])
    scale = _scale(name, norm, math.prod(sizes), forward)
    if not dims:
        return to_copy(x, x.dtype.to_complex(), x.device)
    return fft_c2c(_resized(x, dims, sizes), dims, scale, forward)


def _halved(name: str, x: Any, dims: Any, asked: Any, norm: Any, forward: bool) -> Any:
    """Return half of the spectrum of real numbers; on the way back (``forward`` is False) its conjugate."""
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    sizes = _checked([x.lay.shape[d] if n is None else n for d, n in zip(dims, asked, strict=True)])
    x, scale = _resized(x, dims, sizes), _scale(name, norm, math.prod(sizes), forward)
    if forward:
        return fft_r2c(x, dims, scale)
    y = conj(fft_r2c(x, dims[-1:], scale))
    return fft_c2c(y, dims[:-1], 1.0, False) if len(dims) > 1 else y


def _whole(name: str, x: Any, dims: Any, asked: Any, norm: Any, forward: bool) -> Any:
    """Return the real numbers whose half spectrum is given; on the way ``forward`` those of its conjugate."""
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    sizes = [x.lay.shape[d] if n is None else n for d, n in zip(dims, asked, strict=True)]
    if asked[-1] is None:
        sizes[-1] = 2 * (sizes[-1] - 1)
    scale = _scale(name, norm, math.prod(_checked(sizes)), forward)
    x = _resized(x, dims, [*sizes[:-1], sizes[-1] // 2 + 1])
    return fft_c2r(conj(x) if forward else x, dims, sizes[-1], scale)


def _along_one(name: str, kind: Any, forward: bool, words: str) -> Any:
    real = f"{name} expects a real input tensor, but got " if kind is _halved else ""

    def f(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
        x = _operand(name, input, real)
        dims, size = _one(name, x, n, dim)
        return _stored(name, out, kind(name, x, dims, [size], norm, forward))

    return _named(f, name, words + _ONE)


def _along_two(name: str, kind: Any, forward: bool, words: str) -> Any:
    several = _several(f"{name[:-1]}n", kind, forward)

    def f(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Any = None) -> Any:
        if dim is None:
            raise TypeError(f"fft_{name}(): argument 'dim' must be tuple of ints, not NoneType")
        return several(input, s, dim, norm, out)

    return _named(f, name, words + _SOME)


def _along_many(name: str, kind: Any, forward: bool, words: str) -> Any:
    several = _several(name, kind, forward)

    def f(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
        return several(input, s, dim, norm, out)

    return _named(f, name, words + _SOME)


def _several(name: str, kind: Any, forward: bool) -> Any:
    real = ""
    if kind is _halved:
        said = f"{name} expects a real-valued input tensor, but got "
        real = said if forward else "Only supports floating-point dtypes, but found: "

    def f(input: Any, s: Any, dim: Any, norm: Any, out: Any) -> Any:
        x = _operand(name, input, real)
        dims, sizes = _many(name, x, s, dim)
        return _stored(name, out, kind(name, x, dims, sizes, norm, forward))

    return f


_ONE = """

    {formula}.
    With the norm "ortho" the sum is divided by √N, with "forward" it is the forward transform that is divided by N.
    ``n`` is the size of the transform along ``dim``. Raises RuntimeError for a size below 1, for half precision and for
    another norm than "forward", "backward" and "ortho", IndexError for a dimension that is not there.
    Shape: {shape}.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fft.{name}.html
    """
_SOME = """

    {formula}
    along one dimension, and so along all; norms are as of ``fft``, with the product of the sizes for N.
    ``s`` holds the sizes of the transform along the dimensions ``dim``, or where that is None along the last ones; -1
    leaves a size as it is. Raises RuntimeError for a size below 1, for lists of different lengths, a dimension named
    twice, half precision and an unknown norm, IndexError for a dimension that is not there.
    Shape: {shape}, and so for each dimension{last}.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fft.{name}.html
    """


# what each computes, and the sizes along a dimension of n elements
_FORMULAS = {
    "fft": ("X[k] = Σ_j x[j] exp(-2πi j k / N)", "(*, n, *) to complex (*, n, *)"),
    "ifft": ("x[j] = Σ_k X[k] exp(2πi j k / N) / N", "(*, n, *) to complex (*, n, *)"),
    "rfft": ("X[k] = Σ_j x[j] exp(-2πi j k / N) for k <= N / 2", "(*, n, *) to complex (*, n // 2 + 1, *)"),
    "irfft": ("x[j] = Σ_k X[k] exp(2πi j k / N) / N with X[N - k] = conj X[k]",
              "(*, m, *) to (*, n, *), n = 2 (m - 1) unless given"),
    "hfft": ("X[k] = Σ_j x[j] exp(-2πi j k / N) with x[N - j] = conj x[j]",
             "(*, m, *) to (*, n, *), n = 2 (m - 1) unless given"),
    "ihfft": ("x[j] = Σ_k X[k] exp(2πi j k / N) / N for j <= N / 2", "(*, n, *) to complex (*, n // 2 + 1, *)"),
}  # fmt: skip
_EXAMPLES = {  # a line of numbers, what is taken of its transform, and how that prints
    "fft": ("[1.0, 2.0]", "", "[ 3.+0.j, -1.+0.j]"),
    "ifft": ("[3.0, -1.0]", ".real", "[1., 2.]"),
    "rfft": ("[1.0, 2.0, 3.0, 4.0]", "", "[10.+0.j, -2.+2.j, -2.+0.j]"),
    "irfft": ("[4.0, 0.0, 0.0]", "", "[1., 1., 1., 1.]"),
    "hfft": ("[1.0, 2.0, 3.0]", "", "[ 8., -2.,  0., -2.]"),
    "ihfft": ("[1.0, 2.0, 3.0, 4.0]", ".real", "[ 2.5000, -0.5000, -0.5000]"),
}


def _named(f: Any, name: str, words: str) -> Any:
    given, taken, printed = _EXAMPLES[name.rstrip("2n")]
    if name[-1] in "2n":
        given, printed = f"[{given}]", f"[{printed}]"
    f.__name__ = f.__qualname__ = f"fft_{name}"
    formula, shape = _FORMULAS[name.rstrip("2n")]
    last = "" if name.rstrip("2n") in ("fft", "ifft") else ", of which only the last is halved"
    f.__doc__ = (
        f"{words.format(name=name, formula=formula, shape=shape, last=last)}\n    >>> import cltorch as torch\n"
        f"    >>> torch.fft.{name}(torch.tensor({given})){taken}\n    tensor({printed})\n    "
    )
    return f


fft_fft = _along_one("fft", _complex, True, "Return the discrete Fourier transform along a dimension.")
fft_ifft = _along_one("ifft", _complex, False, "Return the inverse discrete Fourier transform along a dimension.")
fft_rfft = _along_one("rfft", _halved, True, "Return the transform of real numbers: ``n // 2 + 1`` frequencies.")
fft_irfft = _along_one(
    "irfft", _whole, False, "Return n real numbers (by default an even count) from the half of their spectrum."
)
fft_hfft = _along_one("hfft", _whole, True, "Return the real spectrum of a signal of which half is given.")
fft_ihfft = _along_one("ihfft", _halved, False, "Return half of the signal whose spectrum is real; inverse of hfft.")
fft_fft2 = _along_two("fft2", _complex, True, "Return the transform along two dimensions, by default the last.")
fft_ifft2 = _along_two("ifft2", _complex, False, "Return the inverse transform along two dimensions.")
fft_rfft2 = _along_two("rfft2", _halved, True, "Return the transform of real numbers along two dimensions.")
fft_irfft2 = _along_two("irfft2", _whole, False, "Return real numbers from the half of their spectrum, in 2-D.")
fft_hfft2 = _along_two("hfft2", _whole, True, "Return the real spectrum of a 2-D signal of which half is given.")
fft_ihfft2 = _along_two("ihfft2", _halved, False, "Return half of the 2-D signal whose spectrum is real.")
fft_fftn = _along_many("fftn", _complex, True, "Return the transform along several dimensions, by default all.")
fft_ifftn = _along_many("ifftn", _complex, False, "Return the inverse transform along several dimensions.")
fft_rfftn = _along_many("rfftn", _halved, True, "Return the transform of real numbers along several dimensions.")
fft_irfftn = _along_many("irfftn", _whole, False, "Return real numbers from the half of their spectrum, in n-D.")
fft_hfftn = _along_many("hfftn", _whole, True, "Return the real spectrum of an n-D signal of which half is given.")
fft_ihfftn = _along_many("ihfftn", _halved, False, "Return half of the n-D signal whose spectrum is real.")


# ---- what goes with them -----------------------------------------------------------------------------------------
def _frequencies(name: str, n: Any, d: Any, out: Any, points: Any, given: tuple[Any, Any, Any, bool]) -> Any:
    n = read_int(f"fft_{name}", "n", 1, n)
    t, layout, device, requires_grad = given
    check_layout(layout)
    t = read_dtype(
        f"fft_{name}", t, dtypes.get_default_dtype() if out is None else need_array(f"fft_{name}", "out", 3, out).dtype
    )
    if t.is_complex:
        raise NotImplementedError(f"{name} is not implemented for '{SCALAR_NAMES[t.name]}'")
    if not t.is_floating_point:
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    dev = resolve(device) if out is None else out.device

    def work() -> Any:
        with np.errstate(all="ignore"):
            return from_host(points(n) * (1 / np.float64(n * d)), t, dev)

    result = host_memory.attempt(name, work)
    return finish(result, requires_grad) if out is None else into_line(out, t, result, warns=True)


def _around_zero(n: int) -> np.ndarray:
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    return np.concatenate((np.arange((n + 1) // 2), np.arange(-(n // 2), 0))).astype(np.float64)


def _half_way(n: int) -> np.ndarray:
    return np.arange(int(n / 2) + 1, dtype=np.float64)


def fft_fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """Return the frequencies of ``fft``'s n results, in cycles per unit, for samples at a distance of ``d``.

    (0, 1, …, ⌈n / 2⌉ - 1, -⌊n / 2⌋, …, -1) / (n d).
    Raises RuntimeError for a negative n and for a dtype that is not floating point.
    Shape: (n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fft.fftfreq.html

    >>> import cltorch as torch
    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _frequencies("fftfreq", n, d, out, _around_zero, (dtype, layout, device, requires_grad))


def fft_rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """Return the frequencies of ``rfft``'s results for n samples at a distance of ``d``.

    (0, 1, …, ⌊n / 2⌋) / (n d).
    Raises RuntimeError for a dtype that is not floating point.
    Shape: (⌊n / 2⌋ + 1).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fft.rfftfreq.html

    >>> import cltorch as torch
    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies("rfftfreq", n, d, out, _half_way, (dtype, layout, device, requires_grad))


def _shifted(name: str, input: Any, dim: Any, up: bool) -> Any:
    need_array(f"fft_{name}", "input", 1, input)
    given = _integers(name, "dim", 2, dim)
    ndim = input.lay.ndim
    dims = list(range(ndim)) if given is None else [wrap_dim(d, ndim) for d in given]
    sizes = [input.lay.shape[d] for d in dims]
    return roll(input, tuple(n // 2 if up else (n + 1) // 2 for n in sizes), tuple(dims))


def fft_fftshift(input: Any, dim: Any = None) -> Any:
    """Rotate dimensions (all by default) so that the frequency zero comes into their middle.

    out[(i + ⌊N / 2⌋) mod N] = x[i] in each of the dimensions, N being its size.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fft.fftshift.html

    >>> import cltorch as torch
    >>> torch.fft.fftshift(torch.fft.fftfreq(4))
    tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    return _shifted("fftshift", input, dim, True)


def fft_ifftshift(input: Any, dim: Any = None) -> Any:
    """Rotate dimensions (all by default) so that the frequency zero comes first: the inverse of fftshift.

    out[i] = x[(i + ⌊N / 2⌋) mod N] in each of the dimensions, N being its size.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fft.ifftshift.html

    >>> import cltorch as torch
    >>> torch.fft.ifftshift(torch.tensor([1, 2, 3]))
    tensor([2, 3, 1])
    """
    return _shifted("ifftshift", input, dim, False)
