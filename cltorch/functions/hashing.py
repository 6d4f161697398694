"""The hash of a tensor: its elements as 64 bits each, joined by exclusive or."""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import no_grad
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, read_dims
from cltorch.functions.complex_parts import resolve_neg
from cltorch.functions.convert import to
from cltorch.functions.create import zeros
from cltorch.functions.dim_orders import permute
from cltorch.functions.join import cat
from cltorch.functions.parts import narrow
from cltorch.functions.shape import reshape, view
from cltorch.ops.reduce import kept_shape

__all__ = ["hash_tensor"]

_HALVES = (dtypes.float16, dtypes.bfloat16)
_SIGN, _INFINITE = 1 << 63, 0x7FF << 52


def _double_bits(x: Any) -> Any:
    """Return the bits that float32 numbers have in double precision, by integers: few devices need doubles for it."""
    bits = to(view(x, dtypes.int32), dtypes.int64)
    size, fraction = p.bitwise_and(bits, 0x7FFFFFFF), p.bitwise_and(bits, 0x7FFFFF)
    usual = p.add(p.bitwise_left_shift(size, 29), (1023 - 127) << 52)
    # a number below the smallest exponent is its fraction times 2 ** -149, and gets an exponent of its own
    exponent = p.sub(p.bitwise_right_shift(to(view(to(fraction, dtypes.float32), dtypes.int32), dtypes.int64), 23), 127)
    first = p.bitwise_and(p.bitwise_left_shift(fraction, p.sub(52, exponent)), (1 << 52) - 1)
    tiny = p.bitwise_or(first, p.bitwise_left_shift(p.add(exponent, 1023 - 149), 52))
    found = p.where(p.lt(size, 0x800000), p.where(p.eq(size, 0), 0, tiny), usual)
    found = p.where(p.ge(size, 0x7F800000), p.bitwise_or(p.bitwise_left_shift(fraction, 29), _INFINITE), found)
    return p.where(p.lt(bits, 0), p.bitwise_or(found, -_SIGN), found)


def _bits(x: Any) -> Any:
    x, t = resolve_neg(x), x.dtype
    if t.is_complex or t.few:
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{TYPE_NAMES[t]}'")
    if t is dtypes.float64:
        return view(x, dtypes.int64)
    if t.is_floating_point:
        return _double_bits(to(x, dtypes.float32) if t in _HALVES else x)
    return to(x, dtypes.int64)


def hash_tensor(input: Any, dim: Any = None, *, keepdim: bool = False, mode: int = 0, out: Any = None) -> Any:
    """Return the exclusive or of all elements, or along dimensions, of their bits as float64 or int64, in uint64.

    Shape: (*) to (), or to the sizes but that of ``dim``. Raises RuntimeError for another mode than 0 and for no
    elements without ``dim``, IndexError for an empty dimension, NotImplementedError for complex numbers and for dtypes
    that are there to be stored.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.hash_tensor.html

    >>> import cltorch as torch
    >>> torch.hash_tensor(torch.tensor([1, 6, 3]))
    tensor(4, dtype=torch.uint64)
    """
    need_array("hash_tensor", "input", 1, input)
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    shape = input.lay.shape
    dims = read_dims("hash_tensor", input, dim)
    if dim is None and not input.lay.numel:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
            "with the 'dim' argument."
        )
    for d in dims:
        if not shape[d]:
            raise IndexError(f"hash_tensor: Expected reduction dim {d} to have non-zero size.")
    if out is not None and out.dtype is not dtypes.uint64:
        raise RuntimeError(f"Expected result to be of dtype uint64, but got {TYPE_NAMES[out.dtype]}")
    with no_grad():
        rest = [d for d in range(len(shape)) if d not in dims]
        lines = reshape(permute(_bits(input), (*dims, *rest)), (math.prod(shape[d] for d in dims), -1 if rest else 1))
        result = reshape(_joined(lines), kept_shape(shape, dims, keepdim))
        result = view(result, dtypes.uint64)
    return result if out is None else p.into_out("hash_tensor", out, result)


def _joined(x: Any) -> Any:
    """Return the exclusive or down the first dimension: of one half with the other, until one line is left."""
    if not x.lay.numel:
        return zeros(x.lay.shape[1:], dtype=x.dtype, device=x.device)
    while (n := x.lay.shape[0]) > 1:
        half = n // 2
        pairs = p.bitwise_xor(narrow(x, 0, 0, half), narrow(x, 0, half, half))
        x = cat([pairs, narrow(x, 0, 2 * half, 1)]) if n % 2 else pairs
    return x
