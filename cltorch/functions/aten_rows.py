"""What rows of the pointwise table, and their derivatives, are for PyTorch's dispatcher: operators with arguments.

``__torch_dispatch__`` gets these (``cltorch.autograd.dispatch``). What is not here is told under cltorch's own name.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.dispatch import ROW_DERIVATIVES, ROWS, Told
from cltorch.ops.array import Array

__all__: list[str] = []


def _given(row: Any, params: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row's numbers up to the last one that is not what it is by default."""
    found = list(params)
    while found and found[-1] == row.defaults[len(found) - 1]:
        found.pop()
    return tuple(found)


def _plain(name: str, overload: str = "default") -> Callable[..., Told]:
    return lambda row, operands, params: Told(name, overload, (*operands, *_given(row, params)))


def _kind(x: Any) -> str:
    return "Tensor" if isinstance(x, Array) else "Scalar"


def _arithmetic(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told | None:
    a, b = operands
    scale = {"alpha": params[0]} if _given(row, params) else {}
    if isinstance(a, Array):
        return Told(row.name, "Tensor", (a, b), scale)
    if scale or (row.name == "div" and a != 1):
        return None
    if row.name == "div":
        return Told("reciprocal", args=(b,))
    return Told("rsub", "Scalar", (b, a)) if row.name == "sub" else Told(row.name, "Tensor", (b, a))


def _second(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told | None:
    """Tell of a row whose overload says whether the second operand is a tensor."""
    if not isinstance(operands[0], Array):
        return None
    return Told(row.name, _kind(operands[1]), tuple(operands))


def _power(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told:
    kinds = [_kind(x) for x in operands]
    return Told("pow", "Scalar" if kinds[0] == "Scalar" else "_".join(("Tensor", kinds[1])), tuple(operands))


def _bounds(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told:
    name = "clamp" if row.name == "clamp_both" else row.name
    return Told(name, "Tensor" if isinstance(operands[1], Array) else "default", tuple(operands))


def _division(how: str) -> Callable[..., Told | None]:
    def told(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told | None:
        kind = f"{_kind(operands[1])}_mode"
        return Told("div", kind, tuple(operands), {"rounding_mode": how}) if isinstance(operands[0], Array) else None

    return told


def _error(name: str) -> Callable[..., Told]:
    """Tell of a loss that is neither summed nor averaged."""
    return lambda row, operands, params: Told(name, args=(*operands, 0, *params))


def _masked(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told:
    x, mask, value = operands
    if isinstance(value, Array) and value.lay.ndim:
        return Told("where", "self", (mask, value, x))
    return Told("masked_fill", _kind(value), (x, mask, value))


def _fused(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Told:
    return Told(row.name, args=tuple(operands), kwargs={"value": params[0]} if _given(row, params) else {})


_SAME = (
    "relu relu6 sigmoid silu mish leaky_relu elu celu selu hardtanh hardsigmoid hardswish softplus softshrink "
    "hardshrink threshold lgamma digamma igamma igammac i0 nextafter gcd lcm neg reciprocal square abs sign sgn "
    "positive exp exp2 expm1 log log2 log10 log1p sqrt rsqrt logaddexp logaddexp2 sin cos tan asin acos atan atan2 "
    "sinh cosh tanh asinh acosh atanh hypot sinc deg2rad rad2deg angle floor ceil trunc round frac maximum minimum "
    "fmax fmin heaviside erf erfc erfinv logical_and logical_or logical_xor logical_not isnan isinf isfinite "
    "isposinf isneginf signbit bitwise_not clone floor_divide _standard_gamma_grad"
)
_SPECIAL = (
    "entr erfcx ndtr ndtri log_ndtr i0e i1 i1e modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 "
    "scaled_modified_bessel_k1 bessel_j0 bessel_j1 bessel_y0 bessel_y1 spherical_bessel_j0 airy_ai"
)
ROWS.update({name: _plain(name) for name in _SAME.split()})
ROWS.update({name: _plain(f"special_{name}") for name in _SPECIAL.split()})
ROWS.update(dict.fromkeys("eq ne lt le gt ge remainder fmod bitwise_and bitwise_or bitwise_xor".split(), _second))
ROWS.update(dict.fromkeys("bitwise_left_shift bitwise_right_shift copysign".split(), _second))
ROWS.update(dict.fromkeys(("add", "sub", "mul", "div"), _arithmetic))
ROWS.update(dict.fromkeys(("clamp_min", "clamp_max", "clamp_both"), _bounds))
ROWS.update(
    pow=_power,
    cube=lambda row, operands, params: Told("pow", "Tensor_Scalar", (*operands, 3)),
    logsigmoid=_plain("log_sigmoid"),
    gelu_erf=_plain("gelu"),
    gelu_tanh=lambda row, operands, params: Told("gelu", args=tuple(operands), kwargs={"approximate": "tanh"}),
    logit_plain=_plain("logit"),
    conj_values=_plain("_conj_physical"),
    prelu_kernel=_plain("_prelu_kernel"),
    nan_to_num_values=_plain("nan_to_num"),
    trunc_divide=_division("trunc"),
    floor_quotient=_division("floor"),
    where=lambda row, operands, params: Told("where", "self", tuple(operands)),
    masked_value=_masked,
    xlogy=lambda row, operands, params: Told("xlogy", "Tensor", tuple(operands)),
    lerp=lambda row, operands, params: Told("lerp", _kind(operands[2]), tuple(operands)),
    addcmul=_fused,
    addcdiv=_fused,
    squared_error=_error("mse_loss"),
    absolute_error=_error("l1_loss"),
    smooth_l1_error=_error("smooth_l1_loss"),
    huber_error=_error("huber_loss"),
    soft_margin_error=_error("soft_margin_loss"),
)

# derivatives of rows that are operators of their own: of the gradient, the operands, the result and the numbers
_BY_RESULT = {"sigmoid": "sigmoid_backward", "tanh": "tanh_backward"}
_BY_OPERAND = {
    "silu": "silu_backward", "mish": "mish_backward", "hardswish": "hardswish_backward", "gelu_erf": "gelu_backward",
    "hardsigmoid": "hardsigmoid_backward", "hardtanh": "hardtanh_backward", "softplus": "softplus_backward",
    "hardshrink": "hardshrink_backward", "softshrink": "softshrink_backward",
}  # fmt: skip


def _by_result(name: str) -> Callable[..., Told]:
    return lambda g, x, y: Told(name, args=(g, y))


def _by_operand(name: str) -> Callable[..., Told]:
    return lambda g, x, y, *params: Told(name, args=(g, x, *params))


ROW_DERIVATIVES.update({row: _by_result(name) for row, name in _BY_RESULT.items()})
ROW_DERIVATIVES.update({row: _by_operand(name) for row, name in _BY_OPERAND.items()})
ROW_DERIVATIVES.update(
    relu=lambda g, x, y: Told("threshold_backward", args=(g, x if y is None else y, 0)),
    gelu_tanh=lambda g, x, y: Told("gelu_backward", args=(g, x), kwargs={"approximate": "tanh"}),
    leaky_relu=lambda g, x, y, slope: Told("leaky_relu_backward", args=(g, x, slope, False)),
)
