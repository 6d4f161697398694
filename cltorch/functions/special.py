"""Special functions that are more than one row of the pointwise table: polygamma, mvlgamma, frexp, nextafter."""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply, noted
from cltorch.functions import pointwise as rows
from cltorch.functions import reduce
from cltorch.functions.arguments import need_array, read_int
from cltorch.functions.pointwise import can_hold, into_out, into_outs
from cltorch.functions.ranges import arange
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import broadcast_to, unsqueeze
from cltorch.ops.array import Array
from cltorch.ops.frexp import Frexp
from cltorch.ops.promotion import result_type
from cltorch.ops.table import TABLE
from cltorch.shapes import broadcast_shapes

__all__ = ["frexp", "mvlgamma", "mvlgamma_", "nextafter", "nextafter_", "polygamma", "polygamma_"]

frexp_return = result_class("frexp", "mantissa", "exponent")


def _order(n: Any, input: Any) -> tuple[int, Any]:
    """Return the order and the tensor, which the method gives the other way round."""
    if isinstance(n, Array) and (not isinstance(input, Array) or n.lay.ndim):
        n, input = input, n
    n = read_int("polygamma", "n", 1, n)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return n, input


def _factor(n: int) -> float:
    """Return (-1)**(n + 1) n!, infinite where it is beyond float64."""
    return (-1.0 if n % 2 == 0 else 1.0) * (float(math.factorial(n)) if n <= 170 else math.inf)


def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """Return the n-th derivative of digamma elementwise.

    (-1)^(n + 1) · n! · Σ_k 1 / (x + k)^(n + 1) over k = 0, 1, … for n > 0.
    Raises RuntimeError for a negative n.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/special.html

    >>> import cltorch as torch
    >>> torch.polygamma(1, torch.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    n, input = _order(n, input)
    return rows.digamma(input, out=out) if n == 0 else rows.scaled_zeta(input, n + 1.0, _factor(n), out=out)


def polygamma_(n: int, input: Any) -> Any:
    """Replace elements by the n-th derivative of digamma, in place."""
    n, input = _order(n, input)
    return rows.digamma_(input) if n == 0 else rows.scaled_zeta_(input, n + 1.0, _factor(n))


def mvlgamma(input: Any, p: int, *, out: Any = None) -> Any:
    """Return the logarithm of the multivariate gamma function of dimension ``p`` elementwise.

    p (p - 1) / 4 · log π + Σ_i log Γ(x - i / 2) over i = 0 … p - 1.
    Integers become floating point. Raises RuntimeError for ``p < 1``.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/special.html

    >>> import cltorch as torch
    >>> torch.mvlgamma(torch.tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    result = _sum_of_lgammas(input, p)
    return result if out is None else into_out("mvlgamma", out, result)


def mvlgamma_(input: Any, p: int) -> Any:
    """Replace elements by the logarithm of the multivariate gamma function, in place."""
    result = _sum_of_lgammas(input, p)
    can_hold(input, result)
    return input.copy_(result)


def _sum_of_lgammas(input: Any, count: int) -> Any:
    need_array("mvlgamma", "input", 1, input)
    count = read_int("mvlgamma", "p", 2, count)
    if count < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    t = input.dtype if input.dtype.is_floating_point else dtypes.get_default_dtype()
    halves = rows.mul(arange(count, dtype=t, device=input.device), 0.5)
    each = rows.lgamma(rows.sub(unsqueeze(input, -1), halves))
    return rows.add(reduce.sum(each, -1), 0.25 * count * (count - 1) * math.log(math.pi))


def frexp(input: Any, *, out: Any = None) -> Any:
    """Return mantissas of a size in [0.5, 1) and int32 exponents with ``input = mantissa * 2**exponent``.

    Raises RuntimeError for integers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.frexp.html

    >>> import cltorch as torch
    >>> torch.frexp(torch.tensor([10.0, 0.25]))
    torch.return_types.frexp(
    mantissa=tensor([0.6250, 0.5000]),
    exponent=tensor([ 4, -1], dtype=torch.int32))
    """
    need_array("frexp", "input", 1, input)
    if not input.dtype.is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    results = apply(Frexp, input)
    if out is not None:
        for x in out[:1] if isinstance(out, (tuple, list)) else ():
            if need_array("frexp", "out", 2, x).dtype is not input.dtype:
                raise RuntimeError(
                    f"torch.frexp() expects mantissa to have dtype {input.dtype.name} but got {x.dtype.name}"
                )
        for x in out[1:2] if isinstance(out, (tuple, list)) else ():
            if need_array("frexp", "out", 2, x).dtype is not dtypes.int32:
                raise RuntimeError(f"torch.frexp() expects exponent to have int dtype but got {x.dtype.name}")
        results = into_outs("frexp", out, results)
    return frexp_return(*results)


def nextafter(input: Any, other: Any, *, out: Any = None) -> Any:
    """Return the next number of the dtype after ``input`` towards ``other`` elementwise.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nextafter.html

    >>> import cltorch as torch
    >>> torch.nextafter(torch.tensor([1.0]), torch.tensor([2.0])) - 1
    tensor([1.1921e-07])
    """
    common = result_type([x for x in (input, other) if isinstance(x, Array)])
    if common.itemsize != 2 or not common.is_floating_point:
        return rows.nextafter(input, other, out=out)
    result = _next_half(input, other, common)
    if not result._batch:
        result = noted(TABLE["nextafter"], (input, other), (), result)
    return result if out is None else into_out("nextafter", out, result)


def nextafter_(input: Any, other: Any) -> Any:
    """Go to the next number towards ``other``, in place."""
    if input.dtype.itemsize != 2 or not input.dtype.is_floating_point:
        return rows.nextafter_(input, other)
    return input.copy_(_next_half(input, other, input.dtype))


def _next_half(x: Any, y: Any, t: Any) -> Any:
    """Step in the bits, for the arithmetic is float32 whose neighbours are nearer."""
    x, y = x.detach(), y.detach()
    wide, towards = x.to(dtypes.float32), y.to(dtypes.float32)
    bits = broadcast_to(x.to(t).contiguous().view(dtypes.int16), broadcast_shapes(x.shape, y.shape))
    away = rows.eq(rows.lt(wide, towards), rows.gt(wide, 0))  # from zero
    step = rows.add(bits, rows.sub(rows.mul(away.to(dtypes.int16), 2), 1))
    least = rows.add(rows.mul(rows.lt(towards, 0).to(dtypes.int16), -(2**15)), 1)
    moved = rows.where(rows.eq(wide, 0), least, step).to(dtypes.int16).contiguous().view(t)
    unknown = rows.logical_or(rows.isnan(wide), rows.isnan(towards))
    return rows.where(rows.eq(wide, towards), y.to(t), rows.where(unknown, math.nan, moved))
