"""PyTorch's second names of pointwise functions, and the few that choose between rows by an argument."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings
from cltorch.autograd.layers import active as _active
from cltorch.autograd.renaming import called as _called
from cltorch.dtypes import TYPE_NAMES as _TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array
from cltorch.functions.arguments import need_limits as _need_limits
from cltorch.functions.arguments import need_room as _need_room
from cltorch.functions.old_forms import in_old_forms
from cltorch.functions.outputs import check_dtype as _check_dtype
from cltorch.ops.array import Array

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
divide_floor, divide_trunc = p.floor_quotient, p.trunc_divide  # the names that formulas use
special_erf, special_expit, expit = p.erf, p.sigmoid, p.sigmoid

_ROUNDING = {None: "div", "floor": "floor_quotient", "trunc": "trunc_divide"}


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
    """Subtract ``alpha * input`` from ``other``.

    >>> import cltorch as torch
    >>> torch.rsub(torch.tensor([1.0, 2.0]), 5)
    tensor([4., 3.])
    """
    return p.sub(other, input, alpha=alpha)


def rdiv(input: Any, other: Any) -> Any:
    """Divide ``other`` by ``input``, as PyTorch does: the reciprocal, times ``other``."""
    inverse = p.reciprocal(input)
    if other.__class__ in (int, float) and other == 1 and not inverse._requires_grad and not _active:
        return inverse  # one launch where no graph and no mode would tell of the second
    return p.mul(inverse, other)


def _alike(name: str, low: Any, high: Any) -> None:
    # a tensor without dimensions is a number too
    one, other = (isinstance(x, Array) and x.lay.ndim > 0 for x in (low, high))
    if (one and not isinstance(high, Array)) or (other and not isinstance(low, Array)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments: min and max must be two numbers or two tensors"
        )


def _clamp_name(bound: Any) -> str:
    return "ClampBackward0" if isinstance(bound, Array) else "ClampBackward1"


def _need_bounds(input: Any, low: Any, high: Any) -> None:
    if isinstance(input, Array):
        _need_room(input, low, high)


def clamp(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Limit elements to ``min`` … ``max``, numbers or tensors; either may be None.

    Raises RuntimeError for a number that the result's dtype cannot hold.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.clamp.html

    >>> import cltorch as torch
    >>> torch.clamp(torch.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if max is None:
        return _called(p.clamp_min(input, min, out=out), _clamp_name(min), out)
    if min is None:
        return _called(p.clamp_max(input, max, out=out), _clamp_name(max), out)
    _alike("clamp", min, max)
    _need_bounds(input, min, max)
    return p.clamp_both(input, min, max, out=out)


def clamp_(input: Any, min: Any = None, max: Any = None) -> Any:
    """Limit elements in place."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if max is None:
        return p.clamp_min_(input, min)
    if min is None:
        return p.clamp_max_(input, max)
    _alike("clamp_", min, max)
    _need_bounds(input, min, max)
    return p.clamp_both_(input, min, max)


clip, clip_ = clamp, clamp_


def gelu(input: Any, *, approximate: str = "none", out: Any = None) -> Any:
    """Return x · Φ(x) elementwise, or with ``approximate="tanh"`` x · (1 + tanh(√(2 / π) (x + 0.044715 x³))) / 2.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.gelu.html;
    Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415
    Shape: (*) to (*), of a floating dtype.

    >>> import cltorch as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.1587,  0.0000,  1.9545])
    """
    if approximate == "none":
        return p.gelu_erf(input, out=out)
    if approximate == "tanh":
        return p.gelu_tanh(input, out=out)
    raise RuntimeError("approximate argument must be either none or tanh.")


def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *, out: Any = None
) -> Any:
    """Replace NaN by ``nan`` (0) and infinities by the given numbers (the dtype's extremes); parts of complex numbers.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nan_to_num.html

    >>> import cltorch as torch
    >>> torch.nan_to_num(torch.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    need_array("nan_to_num", "input", 1, input)
    if input.dtype.is_complex:
        m = Settings.functions
        whole = m.view_as_complex(m.contiguous(nan_to_num(m.view_as_real(m.resolve_conj(input)), nan, posinf, neginf)))
        return whole if out is None else p.into_out("nan_to_num", out, whole)
    if not input.dtype.is_floating_point:
        if out is not None:
            _check_dtype("nan_to_num", input.dtype, p.need_out("nan_to_num", out).dtype)
        return p.clone(input, out=out) if input.dtype is not dtypes.bool_ else p.logical_or(input, input, out=out)
    return p.nan_to_num_values(input, **_replacements(input, nan, posinf, neginf), out=out)


def nan_to_num_(input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Replace NaN and infinities in place."""
    need_array("nan_to_num_", "input", 1, input)
    if input.dtype.is_complex:
        m = Settings.functions
        if m.is_conj(input):  # a NaN's part of the memory gets the replacement with its sign turned
            return m.copy_(input, nan_to_num(input, nan, posinf, neginf))
        nan_to_num_(m.view_as_real(input), nan, posinf, neginf)
    if not input.dtype.is_floating_point:
        return input
    return p.nan_to_num_values_(input, **_replacements(input, nan, posinf, neginf))


def _replacements(input: Any, nan: Any, posinf: Any, neginf: Any) -> dict[str, Any]:
    limits = dtypes.finfo(input.dtype)
    return {
        "nan": 0.0 if nan is None else nan,
        "posinf": limits.max if posinf is None else posinf,
        "neginf": limits.min if neginf is None else neginf,
    }


def round(input: Any, *, decimals: int | None = None, out: Any = None) -> Any:
    """Round to the nearest integer, halves to even, or to ``decimals`` places (to the left for a negative number).

    round(x · 10^decimals) / 10^decimals.
    Shape: (*) to the same.
    Raises NotImplementedError for integers with ``decimals``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.round.html

    >>> import cltorch as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.5]))
    tensor([0., 2., 2.])
    >>> torch.round(torch.tensor([0.1234567]), decimals=3)
    tensor([0.1230])
    """
    _check_places(input, decimals)
    if not decimals:
        return p.round(input, out=out)
    return p.round_places(input, *_powers_of_ten(decimals), out=out)


def round_(input: Any, *, decimals: int | None = None) -> Any:
    """Round in place."""
    _check_places(input, decimals)
    return p.round_(input) if not decimals else p.round_places_(input, *_powers_of_ten(decimals))


def _check_places(input: Any, decimals: int | None) -> None:
    if decimals is not None and isinstance(input, Array) and not input.dtype.differentiable:
        raise NotImplementedError(f"\"round\" not implemented for '{_TYPE_NAMES[input.dtype]}'")


def _powers_of_ten(decimals: int) -> tuple[float, float]:
    power = 10.0 ** abs(decimals) if abs(decimals) < 309 else float("inf")
    return (power, 1.0) if decimals > 0 else (1.0, power)


def _check_threshold(input: Any, *limits: Any) -> None:
    t = need_array("threshold", "input", 1, input).dtype
    if t is dtypes.bool_:
        raise NotImplementedError("\"threshold\" not implemented for 'Bool'")
    _need_limits(t, *limits)


def threshold(input: Any, threshold: float, value: float, *, out: Any = None) -> Any:
    """Replace what is not above a threshold by a value.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.threshold.html

    >>> import cltorch as torch
    >>> torch.threshold(torch.tensor([1.0, 2.0, 3.0]), 1.5, 0)
    tensor([0., 2., 3.])
    """
    _check_threshold(input, threshold, value)
    result = p.threshold(input, threshold, value)
    return result if out is None else p.into_out("threshold", out, result)


def threshold_(input: Any, threshold: float, value: float) -> Any:
    """Replace what is not above a threshold, in place.

    x ← x if x > threshold, else value.
    Shape: (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.threshold_.html

    >>> import cltorch as torch
    >>> torch.threshold_(torch.tensor([1.0, 2.0, 3.0]), 1.5, 0)
    tensor([0., 2., 3.])
    """
    _check_threshold(input, threshold, value)
    return p.threshold_(input, threshold, value)


@in_old_forms(3, "value")
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1, out: Any = None) -> Any:
    """Return ``input + value * tensor1 / tensor2``.

    Raises RuntimeError where both divisor and dividend are integers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.addcdiv.html

    >>> import cltorch as torch
    >>> torch.addcdiv(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]), value=2)
    tensor([0.5000, 1.0000])
    """
    _refuse_integer_division(tensor1, tensor2)
    return p.addcdiv(input, tensor1, tensor2, value=value, out=out)


@in_old_forms(3, "value")
def addcdiv_(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Add ``value * tensor1 / tensor2`` in place."""
    _refuse_integer_division(tensor1, tensor2)
    return p.addcdiv_(input, tensor1, tensor2, value=value)


def _refuse_integer_division(a: Any, b: Any) -> None:
    if isinstance(a, Array) and isinstance(b, Array) and not (a.dtype.differentiable or b.dtype.differentiable):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value "
            "* torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value "
            "* tensor1 / tensor2), for all dtypes."
        )


def logit(input: Any, eps: float | None = None, *, out: Any = None) -> Any:
    """Return ``log(x / (1 - x))``, of the input limited to ``eps`` … ``1 - eps`` where that is given.

    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.logit.html

    >>> import cltorch as torch
    >>> torch.logit(torch.tensor([0.5]))
    tensor([0.])
    """
    return p.logit_plain(input if eps is None else clamp(input, float(eps), 1 - float(eps)), out=out)


def logit_(input: Any, eps: float | None = None) -> Any:
    """Replace by ``log(x / (1 - x))`` in place."""
    return p.logit_plain_(input if eps is None else clamp_(input, float(eps), 1 - float(eps)))


_HELPERS = set("need_array Any Array Settings annotations dtypes in_old_forms p".split())
__all__ = [_n for _n in list(globals()) if not _n.startswith("_") and _n not in _HELPERS]
