"""Powers: pow and square, float_power in double precision, ldexp."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.renaming import called
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_room
from cltorch.functions.convert import to
from cltorch.ops.array import Array

__all__ = ["float_power", "float_power_", "ldexp", "ldexp_", "pow", "pow_", "square"]


def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Raise to a power elementwise; small constant exponents use multiplications.

    Raises RuntimeError for negative integer exponents of integer tensors.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.pow.html

    >>> import cltorch as torch
    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    if exponent.__class__ in (int, float) and isinstance(input, Array):
        if input.dtype.differentiable:
            simple = {2: p.square, 3: p.cube, 0.5: p.sqrt, -0.5: p.rsqrt, -1: p.reciprocal}.get(exponent)
            if simple is not None:
                return called(simple(input, out=out), "PowBackward0", out)
        elif exponent.__class__ is int and exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    elif exponent.__class__ is bool and isinstance(input, Array) and input.dtype is dtypes.bool_:
        return p.logical_or(input, not exponent, out=out)
    if isinstance(input, Array):
        need_room(input, exponent)
    return p.pow(input, exponent, out=out)


def pow_(input: Any, exponent: Any) -> Any:
    """Raise to a power in place."""
    if exponent.__class__ is int and exponent < 0 and isinstance(input, Array) and not input.dtype.differentiable:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return p.pow_(input, exponent)


def square(input: Any, *, out: Any = None) -> Any:
    """Square elementwise; truth values become integers.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.square.html

    >>> import cltorch as torch
    >>> torch.square(torch.tensor([-2.0, 3.0]))
    tensor([4., 9.])
    """
    if isinstance(input, Array) and input.dtype is dtypes.bool_:
        input = to(input, dtypes.int64)
    return p.square(input, out=out)


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Raise to a power in double precision, which is complex128 where an operand is complex.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.float_power.html

    >>> import cltorch as torch
    >>> torch.float_power(torch.tensor([1, 2]), 3)
    tensor([1., 8.], dtype=torch.float64)
    """
    t = _power_dtype(input, exponent)
    if out is not None and p.need_out("float_power", out).dtype is not t:
        raise RuntimeError(
            f"the output given to float_power has dtype {SCALAR_NAMES[out.dtype.name]} but the operation's result "
            f"requires dtype {SCALAR_NAMES[t.name]}"
        )
    return p.pow(*(_in_double(x, t) for x in (input, exponent)), out=out)


def _power_dtype(*operands: Any) -> Any:
    found = any(x.dtype.is_complex if isinstance(x, Array) else isinstance(x, complex) for x in operands)
    return dtypes.complex128 if found else dtypes.float64


def _in_double(x: Any, t: Any) -> Any:
    return to(x, t) if isinstance(x, Array) else x if isinstance(x, complex) else float(x)


def float_power_(input: Any, exponent: Any) -> Any:
    """Raise to a power in place, in double precision. Raises RuntimeError for dtypes that cannot hold the result."""
    t = _power_dtype(input, exponent)
    if input.dtype is not t:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {SCALAR_NAMES[input.dtype.name]} but the operation's result "
            f"requires dtype {SCALAR_NAMES[t.name]}"
        )
    return p.pow_(input, _in_double(exponent, t))


def ldexp(input: Any, other: Any, *, out: Any = None) -> Any:
    """Return ``input * 2**other``, of integer exponents in the dtype of a floating-point input.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.ldexp.html

    >>> import cltorch as torch
    >>> torch.ldexp(torch.tensor([1.0, 3.0]), torch.tensor([2, 1]))
    tensor([4., 6.])
    """
    powers = p.pow(2.0, other)
    short = isinstance(input, Array) and input.dtype.itemsize == 2 and input.dtype.is_floating_point
    if short and isinstance(other, Array) and not other.dtype.differentiable:
        result = to(p.mul(input, powers), input.dtype)  # the powers themselves need float32's range
        return result if out is None else p.into_out("ldexp", out, result)
    return p.mul(input, powers, out=out)


def ldexp_(input: Any, other: Any) -> Any:
    """Multiply by ``2**other`` in place."""
    return p.mul_(input, p.pow(2.0, other))
