"""Windows of images as columns, and back: what torch.nn.functional.unfold and fold are made of.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Unfold.html and torch.nn.Fold.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cltorch.autograd.record import apply
from cltorch.functions.arguments import SCALAR_NAMES, need_array, read_int
from cltorch.functions.complex_parts import complex, imag, real
from cltorch.ops import fold as ops
from cltorch.shapes import wrap_dim

__all__ = ["col2im", "col2im_blocks", "im2col", "im2col_blocks"]


def im2col_blocks(x: Any, blocks: ops.Blocks) -> Any:
    """Return the windows of images as columns, without checks."""
    return _of_parts(x, lambda part: apply(ops.Im2Col, part, blocks))


def col2im_blocks(x: Any, blocks: ops.Blocks) -> Any:
    """Return the sums of columns over their windows, without checks."""
    return _of_parts(x, lambda part: apply(ops.Col2Im, part, blocks))


def _of_parts(x: Any, f: Callable[[Any], Any]) -> Any:
    """Return a linear function's result: of complex numbers from those of their parts."""
    return complex(f(real(x)), f(imag(x))) if x.dtype.is_complex else f(x)


def _pair(what: str, value: Any) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)):
        n = read_int("unfold", what, 2, value)
        return n, n
    if len(value) != 2:
        raise RuntimeError(f"It is expected {what} equals to 2, but got size {len(value)}")
    a, b = (read_int("unfold", what, 2, v) for v in value)
    return a, b


def _blocks(size: tuple[int, int], kernel: Any, dilation: Any, padding: Any, stride: Any) -> ops.Blocks:
    k, d = _pair("kernel_size", kernel), _pair("dilation", dilation)
    p, s = _pair("padding", padding), _pair("stride", stride)
    for what, word, values in (("kernel size", "kernel", k), ("dilation", "dilation", d), ("stride", "stride", s)):
        if min(values) <= 0:
            raise RuntimeError(
                f"{what} should be greater than zero, but got {word}_height: {values[0]} {word}_width: {values[1]}"
            )
    if min(p) < 0:
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {p[0]} pad_width: {p[1]}")
    return ops.Blocks(size, k, d, p, s)


def _check_dtype(name: str, t: Any) -> None:
    if not (t.differentiable or t.name == "bool"):
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[t.name]}'")


def im2col(input: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Return the windows of (N, C, H, W) or (C, H, W) as columns: (N, C kh kw, windows).

    Raises RuntimeError for sizes that do not fit, IndexError for fewer than three dimensions and NotImplementedError
    for integers.
    """
    need_array("unfold", "input", 1, input)
    shape = input.lay.shape
    if 0 < len(shape) < 3:  # PyTorch looks for a dimension that is not there
        wrap_dim(len(shape), len(shape))
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
            f"input, but got: {list(shape)}"
        )
    b = _blocks((shape[-2], shape[-1]), kernel_size, dilation, padding, stride)
    if min(b.out) < 1:
        raise RuntimeError(
            f"Given input with spatial size {b.size}, kernel_size={b.kernel}, dilation={b.dilation}, "
            f"padding={b.padding}, calculated shape of the array of sliding blocks as {b.out}, but its components "
            "must be at least one."
        )
    _check_dtype("im2col", input.dtype)
    return im2col_blocks(input, b)


def col2im(input: Any, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Return the sums of columns (N, C kh kw, windows) or (C kh kw, windows) over their windows: (N, C, H, W).

    Raises RuntimeError for sizes that do not fit and NotImplementedError for integers.
    """
    need_array("fold", "input", 1, input)
    shape = input.lay.shape
    size = _pair("output_size", output_size)
    b = _blocks(size, kernel_size, dilation, padding, stride)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(shape)}"
        )
    if shape[-2] % math.prod(b.kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={shape[-2]} and kernel_size={b.kernel}."
        )
    if min(b.out) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={b.kernel}, dilation={b.dilation}, padding={b.padding}, "
            f"stride={b.stride}, calculated shape of the array of sliding blocks as {b.out}, which is too small "
            "(non-positive)"
        )
    if shape[-1] != math.prod(b.out):
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={b.kernel}, dilation={b.dilation}, padding={b.padding}, "
            f"stride={b.stride}, expected size of input's dimension 2 to match the calculated number of sliding "
            f"blocks {b.out[0]} * {b.out[1]} = {math.prod(b.out)}, but got input.size(2)={shape[-1]}."
        )
    _check_dtype("col2im", input.dtype)
    return col2im_blocks(input, b)
