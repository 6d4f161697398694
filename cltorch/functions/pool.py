"""Pooling: the largest or the average of windows, given by their size and step or by how many there shall be.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cltorch.autograd.record import apply
from cltorch.functions.arguments import SCALAR_NAMES, need_array, read_int
from cltorch.functions.parts import as_strided
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import squeeze, unsqueeze
from cltorch.ops import pool as ops
from cltorch.ops.channels import format_of
from cltorch.ops.pool_windows import Windows, output_size

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "avg_pool_spread", "avg_pool_windows", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
    "max_pool_pick", "max_pool_spread",
]  # fmt: skip

_MAX = {1: ops.MaxPool2d, 2: ops.MaxPool2d, 3: ops.MaxPool3d}
_AVG = {1: ops.AvgPool2d, 2: ops.AvgPool2d, 3: ops.AvgPool3d}
_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}


# ---- what derivatives are composed of --------------------------------------------------------------------------
def max_pool_spread(g: Any, index: Any, windows: Windows) -> Any:
    """Add each element of a pooling's gradient to the input that an index names."""
    return apply(ops.MaxPoolSpread, g, index, windows)


def max_pool_pick(x: Any, index: Any, windows: Windows) -> Any:
    """Take for each window the input that an index names."""
    return apply(ops.MaxPoolPick, x, index, windows)


def avg_pool_windows(x: Any, windows: Windows, include_pad: bool, override: int) -> Any:
    """Average the windows of a geometry that is known already."""
    return apply(_AVG[windows.ndim], x, windows, include_pad, override)


def avg_pool_spread(g: Any, windows: Windows, include_pad: bool, override: int) -> Any:
    """Share out each element of an average's gradient to the inputs of its window."""
    return apply(ops.AvgPoolSpread, g, windows, include_pad, override)


# ---- reading of arguments ----------------------------------------------------------------------------------------
def hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_line(name: str, k: int, s: int, p: int, d: int) -> None:
    """Raise RuntimeError in PyTorch's words for the largest of a line."""
    for what, value in (("kernel_size", k), ("stride", s)):
        if value <= 0:
            raise RuntimeError(f"{name}() {what} must be greater than zero, but got {value}")
    if p < 0:
        raise RuntimeError(f"{name}() padding must be non-negative, but got {p}")
    if p > k // 2:
        raise RuntimeError(
            f"{name}() padding should be at most half of kernel size, but got padding={p} and kernel_size={k}"
        )
    if d <= 0:
        raise RuntimeError(f"{name}() dilation must be greater than zero, but got {d}")


def _ints(name: str, argument: str, value: Any, n: int) -> tuple[int, ...]:
    """Return an argument of n integers, which one integer may stand for."""
    if isinstance(value, (tuple, list)):
        if len(value) == n:
            return tuple(read_int(name, argument, 2, v) for v in value)
        if len(value) == 1:
            return (read_int(name, argument, 2, value[0]),) * n
        if n == 1:
            raise RuntimeError(
                f"{name}() {argument} must be an int, list of ints or tuple of ints of size 1 but got size {len(value)}"
            )
        omitted = "be omitted, " if argument == "stride" else "be "
        raise RuntimeError(f"{name}: {argument} must either {omitted}a single int, or a tuple of {_WORDS[n]}")
    return (read_int(name, argument, 2, value),) * n


@lru_cache(maxsize=4096)
def _windows(
    name: str, n: int, shape: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Windows:
    """Return the windows of a pooling of (channels, *sizes); raise RuntimeError where there can be none."""
    k = _ints(name, "kernel_size", kernel, n)
    s = k if stride is None or (isinstance(stride, tuple) and not stride) else _ints(name, "stride", stride, n)
    p, d = _ints(name, "padding", padding, n), _ints(name, "dilation", dilation, n)
    letters = "THW"[3 - n :] if name.startswith("max") else "DHW"[3 - n :]
    if name == "max_pool1d":
        _check_line(name, k[0], s[0], p[0], d[0])
    if any(v == 0 for v in s):
        raise RuntimeError("stride should not be zero")
    for what, values in (("kernel size", k), ("stride", s), ("dilation", d)):
        if any(v <= 0 for v in values):
            given = " ".join(f"{what.split()[0]}{c}: {v}" for c, v in zip(letters, values, strict=True))
            raise RuntimeError(f"{what} should be greater than zero, but got {given}")
    for pad, size, step in zip(p, k, d, strict=True):
        if pad < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {pad}")
        if pad > ((size - 1) * step + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={pad}, kernel_size={size} and "
                f"dilation={step}"
            )
    if name == "avg_pool3d" and any(size < window for size, window in zip(shape[1:], k, strict=True)):
        t, h, w = shape[1:]
        raise RuntimeError(
            f"input image (T: {t} H: {h} W: {w}) smaller than kernel size (kT: {k[0]} kH: {k[1]} kW: {k[2]})"
        )
    out = [output_size(*of, bool(ceil_mode)) for of in zip(shape[1:], k, s, p, d, strict=True)]
    if min(out) < 1:
        if name == "max_pool1d":
            raise RuntimeError(f"{name}() Invalid computed output size: {out[0]}")
        x, y = ("x".join(map(str, (shape[0], *sizes))) for sizes in (shape[1:], out))
        raise RuntimeError(f"Given input size: ({x}). Calculated output size: ({y}). Output size is too small")
    return Windows(shape[1:], out, k, s, p, d)


def _check(name: str, x: Any, n: int, refused: tuple[str, ...]) -> None:
    """Raise for a rank, an empty dimension (other than the batch's) or a dtype that cannot be pooled."""
    need_array(name, "input", 1, x)
    shape = x.lay.shape
    ranks = f"{n + 1}D or {n + 2}D (batch mode) tensor"
    if len(shape) not in (n + 1, n + 2) and n > 1:
        raise RuntimeError(f"{name}(): non-empty {ranks} expected for input, but got: {list(shape)}")
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise RuntimeError(f"{name}: Expected {ranks} with optional 0 dim batch size for input, but got:{list(shape)}")
    if x.dtype.name in refused:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[x.dtype.name]}'")


_COMPLEX = ("complex32", "complex64", "complex128")
_NO_MAX = ("bool", *_COMPLEX)
NO_AVG = ("bool", "uint8", "int8", "int16", "int32")


# ---- the largest -------------------------------------------------------------------------------------------------
def max_windows(
    n: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Windows:  # fmt: skip
    """Return the windows of the largest elements of an operand; raise where there can be none."""
    name = f"max_pool{n}d"
    _check(name, x, n, _NO_MAX)
    return _windows(
        name, n, tuple(x.lay.shape[-n - 1 :]), hashable(kernel), hashable(stride), hashable(padding),
        hashable(dilation), ceil_mode,
    )  # fmt: skip


def _max_pool(
    n: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    w = max_windows(n, x, kernel, stride, padding, dilation, ceil_mode)
    if n == 3 and x.lay.ndim == 4 and (form := format_of(unsqueeze(x, 0).lay)) is not None:
        # a sample of volumes whose channels come last in memory keeps them there
        shape = (1, *x.lay.shape)
        found = apply(_MAX[n], as_strided(x, shape, form.lay(shape).strides), w, bool(indices))
        return tuple(squeeze(v, 0) for v in found) if indices else squeeze(found, 0)
    return apply(_MAX[n], x, w, bool(indices))


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of (N, C, L) or (C, L); NaN counts as larger than any number.

    out[i] = max_k x[i · stride + k · dilation - padding] over the elements k of the window.
    With ``return_indices`` the places of the largest elements come too, int64, the first of equal ones.
    Raises RuntimeError for windows that do not fit the input.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = floor((L + 2 padding - dilation (kernel_size - 1) -
    1) / stride) + 1, or rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where not given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_pool1d.html

    >>> import cltorch as torch
    >>> torch.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of (N, C, H, W) or (C, H, W).

    out[i] = max_k x[i · stride + k · dilation - padding], and so in each dimension; places in the padding do not count.
    With ``return_indices`` the places within the plane come too, int64, row by row, the first of equal ones.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = floor((L + 2 padding - dilation
    (kernel_size - 1) - 1) / stride) + 1 for each dimension, or rounded up with ``ceil_mode``; ``stride`` is
    ``kernel_size`` where not given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_pool2d.html

    >>> import cltorch as torch
    >>> torch.max_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of (N, C, D, H, W) or (C, D, H, W).

    out[i] = max_k x[i · stride + k · dilation - padding], and so in each dimension; places in the padding do not count.
    Shape: as of ``max_pool2d``, with a depth D in front of H.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.max_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.max_pool3d(torch.ones(1, 2, 4, 4), 2).shape
    torch.Size([1, 1, 2, 2])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Any, Any]:
    """Return the largest element of each window of a line, and its place.

    >>> import cltorch as torch
    >>> torch.max_pool1d_with_indices(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Any, Any]:
    """Return the largest element of each window of a plane, and its place."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Any, Any]:
    """Return the largest element of each window of a volume, and its place."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


# ---- averages ----------------------------------------------------------------------------------------------------
def _avg_pool(
    n: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include_pad: bool, override: Any,
    out: Any = None,
) -> Any:  # fmt: skip
    name = f"avg_pool{n}d"
    _check(name, x, n, NO_AVG)
    if override is not None and override == 0:
        raise RuntimeError("divisor must be not zero")
    w = _windows(
        name, n, tuple(x.lay.shape[-n - 1 :]), hashable(kernel), hashable(stride), hashable(padding), 1, ceil_mode
    )
    result = apply(_AVG[n], x, w, bool(include_pad), 0 if override is None else int(override))
    return result if out is None else into_out(name, out, result)


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the average of each window of (N, C, L) or (C, L).

    out[i] = Σ_k x[i · stride + k - padding] / kernel_size over the elements k of the window.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), with L' = floor((L + 2 padding - kernel_size) / stride) + 1, or
    rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where not given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.avg_pool1d.html

    >>> import cltorch as torch
    >>> torch.avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Any = None,
) -> Any:
    """Return the average of each window of (N, C, H, W) or (C, H, W).

    out[i] = Σ_k x[i · stride + k - padding] / kernel_size, and so in each dimension. Zeros of the padding count as
    elements unless ``count_include_pad`` is False; ``divisor_override`` divides instead of any count.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), with L' = floor((L + 2 padding - kernel_size) /
    stride) + 1 for each dimension, or rounded up with ``ceil_mode``; ``stride`` is ``kernel_size`` where not given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.avg_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.avg_pool2d(torch.arange(4.0).view(1, 2, 2), 2)
    tensor([[[1.5000]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Any = None,
) -> Any:
    """Return the average of each window of (N, C, D, H, W) or (C, D, H, W).

    out[i] = Σ_k x[i · stride + k - padding] / kernel_size, and so in each dimension.
    Shape: as of ``avg_pool2d``, with a depth D in front of H.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.avg_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.avg_pool3d(torch.ones(1, 2, 4, 4), 2).shape
    torch.Size([1, 1, 2, 2])
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out)
