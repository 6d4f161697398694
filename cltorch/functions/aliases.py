"""PyTorch's second names of pointwise functions, and the few that choose between rows by an argument."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import pointwise_
from cltorch.functions import pointwise as p
from cltorch.functions.pointwise import number
from cltorch.ops.array import Array
from cltorch.ops.table import TABLE

absolute, negative, subtract, multiply = p.abs, p.neg, p.sub, p.mul
arccos, arcsin, arctan, arccosh, arcsinh, arctanh, arctan2 = p.acos, p.asin, p.atan, p.acosh, p.asinh, p.atanh, p.atan2
fix, greater, greater_equal, less, less_equal, not_equal = p.trunc, p.gt, p.ge, p.lt, p.le, p.ne
absolute_, negative_, subtract_, multiply_ = p.abs_, p.neg_, p.sub_, p.mul_
arccos_, arcsin_, arctan_, arccosh_, arcsinh_, arctanh_, arctan2_ = (
    p.acos_,
    p.asin_,
    p.atan_,
    p.acosh_,
    p.asinh_,
    p.atanh_,
    p.atan2_,
)
fix_, greater_, greater_equal_, less_, less_equal_, not_equal_ = p.trunc_, p.gt_, p.ge_, p.lt_, p.le_, p.ne_
divide_floor, divide_trunc = p.floor_divide, p.trunc_divide  # the names that formulas use
special_erf, special_expit, expit = p.erf, p.sigmoid, p.sigmoid

_ROUNDING = {None: "div", "floor": "floor_divide", "trunc": "trunc_divide"}


def _rounded(rounding_mode: str | None) -> str:
    if rounding_mode not in _ROUNDING:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return _ROUNDING[rounding_mode]


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """Divide elementwise: true division, or rounded towards zero ("trunc") or down ("floor").

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.div.html

    >>> import cltorch as torch
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    return getattr(p, _rounded(rounding_mode))(input, other, out=out)


def div_(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Divide in place."""
    return getattr(p, _rounded(rounding_mode) + "_")(input, other)


divide, divide_, true_divide, true_divide_ = div, div_, div, div_


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Subtract ``alpha * input`` from ``other``."""
    return p.sub(other, input, alpha=alpha)


def rdiv(input: Any, other: Any) -> Any:
    """Divide ``other`` by ``input``."""
    return p.div(other, input)


def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Raise to a power elementwise; small constant exponents use multiplications.

    Raises RuntimeError for negative integer exponents of integer tensors.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.pow.html

    >>> import cltorch as torch
    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    if exponent.__class__ in (int, float) and isinstance(input, Array):
        if input.dtype.is_floating_point:
            simple = {2: p.square, 0.5: p.sqrt, -0.5: p.rsqrt, -1: p.reciprocal}.get(exponent)
            if simple is not None:
                return simple(input, out=out)
        elif exponent.__class__ is int and exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    return p.pow(input, exponent, out=out)


def pow_(input: Any, exponent: Any) -> Any:
    """Raise to a power in place."""
    return p.pow_(input, exponent)


def clamp(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Limit elements to ``min`` … ``max``, numbers or tensors; either may be None.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.clamp.html

    >>> import cltorch as torch
    >>> torch.clamp(torch.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if max is None:
        return p.clamp_min(input, min, out=out)
    if min is None:
        return p.clamp_max(input, max, out=out)
    return p.clamp_both(input, min, max, out=out)


def clamp_(input: Any, min: Any = None, max: Any = None) -> Any:
    """Limit elements in place."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if max is None:
        return p.clamp_min_(input, min)
    if min is None:
        return p.clamp_max_(input, max)
    return p.clamp_both_(input, min, max)


clip, clip_ = clamp, clamp_


def gelu(input: Any, *, approximate: str = "none") -> Any:
    """Apply the Gaussian error linear unit, exact or by its tanh approximation.

    Source: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415
    """
    if approximate == "none":
        return p.gelu_erf(input)
    if approximate == "tanh":
        return p.gelu_tanh(input)
    raise RuntimeError("approximate argument must be either none or tanh.")


def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *, out: Any = None
) -> Any:
    """Replace NaN by ``nan`` (0) and infinities by the given numbers (the dtype's extremes)."""
    if not input.dtype.is_floating_point:
        return p.clone(input)
    limits = dtypes.finfo(input.dtype)
    return p.nan_to_num_values(
        input, nan=0.0 if nan is None else nan, posinf=limits.max if posinf is None else posinf,
        neginf=limits.min if neginf is None else neginf, out=out,
    )  # fmt: skip


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Raise to a power in double precision."""
    wide = [x.to(dtypes.float64) if isinstance(x, Array) else float(x) for x in (input, exponent)]
    return p.pow(*wide, out=out)


def isreal(input: Any) -> Any:
    """Return True for every element: complex numbers are not built yet."""
    return p.eq(p.clone(input), input) | p.isnan(input)


def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Compare elementwise within ``atol + rtol * |other|``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.isclose.html
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    same = p.eq(input, other)
    if equal_nan and input.dtype.is_floating_point:
        same = p.logical_or(same, p.logical_and(p.isnan(input), p.isnan(other)))
    wide = (
        input.dtype
        if input.dtype.is_floating_point
        else dtypes.float64
        if input.device.type == "cpu"
        else dtypes.float32
    )
    a, b = input.to(wide), other.to(wide)
    distance = p.abs(p.sub(a, b))
    near = p.logical_and(p.le(distance, p.add(p.mul(p.abs(b), rtol), atol)), p.isfinite(distance))
    return p.logical_or(same, near)


def addcmul_(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Add ``value * tensor1 * tensor2`` in place."""
    return pointwise_(TABLE["addcmul"], input, [tensor1, tensor2], (number("addcmul_", "value", 4, value),))


_HELPERS = {"Any", "Array", "TABLE", "annotations", "dtypes", "number", "p", "pointwise_"}
__all__ = [_n for _n in list(globals()) if not _n.startswith("_") and _n not in _HELPERS]
