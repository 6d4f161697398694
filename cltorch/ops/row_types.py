"""The dtypes of pointwise operators: what a row computes in and returns, and which dtypes it refuses.

Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#type-promotion-doc
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.dtypes import C_NAMES, TYPE_NAMES, dtype
from cltorch.ops.array import Array
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.few import ROWS, absent, refuse
from cltorch.ops.promotion import result_type

# dtype rules: what an operator computes in and returns for the promoted dtype of its operands
FLOAT = "float"  # integers become the default floating dtype
FLOAT_ONLY = "float only"  # integers are refused
ARITH = "arith"  # the promoted dtype
COMPARE = "compare"  # computed in the promoted dtype, returned as bool
BITWISE = "bitwise"  # integers and bool only
INTEGER = "integer"  # integers only
SIGNED = "signed"  # the promoted dtype, which must not be bool
REAL = "real"  # functions of fractions, which leave integers as they are and refuse bool (floor, round, …)

# what a row makes of complex operands
COMPLEX = "complex"  # a complex result
PARTS = "parts"  # a real one


class RowTypes:
    """Give a row the dtypes that its rule makes of operands."""

    name: str
    rule: str
    masks: tuple[int, ...]
    complex: str

    def promoted(self, operands: Sequence[Any]) -> dtype:
        """Return the dtype to which operands are promoted, before the rule."""
        return result_type([x for i, x in enumerate(operands) if i not in self.masks])

    def types(self, operands: Sequence[Any]) -> tuple[dtype, dtype]:
        """Return (dtype of the arithmetic, dtype of the result); raise PyTorch's error for a dtype it refuses."""
        common, rule = self.promoted(operands), self.rule
        if self.name == "lerp" and isinstance(operands[0], Array) and not operands[0].dtype.differentiable:
            common = operands[0].dtype  # a number as weight changes no dtype here
        if common.is_complex:
            return self._complex_types(common, operands)
        if common.few and (rule is not FLOAT or common.is_floating_point):
            refuse(self.name, common, ROWS)
        if rule is FLOAT and not common.is_floating_point:
            if common is dtypes.bool_ and self.name in _NO_BOOLS:
                raise _refuse_bool(self.name)
            common = dtypes.get_default_dtype()
        elif (
            common.is_floating_point
            if rule is BITWISE or rule is INTEGER
            else rule is FLOAT_ONLY and common.family != "f"
        ):
            raise NotImplementedError(f"\"{self.name}\" not implemented for '{TYPE_NAMES[common]}'")
        elif rule is FLOAT_ONLY and any(x.dtype.few for x in operands if isinstance(x, Array)):
            raise absent(self.name, next(x.dtype for x in operands if isinstance(x, Array) and x.dtype.few))
        elif (rule is SIGNED or rule is REAL or rule is INTEGER) and common is dtypes.bool_:
            raise _refuse_bool(self.name)
        elif self.name in _DIFFERENCES and any(x is True or x is False or _is_bool(x) for x in operands):
            raise RuntimeError(_SUB_OF_ONE_BOOL)
        if self.name in _ALIKE:
            self._check_alike(operands)
        return compute_dtype(common), dtypes.bool_ if rule is COMPARE else common

    def _complex_types(self, common: dtype, operands: Sequence[Any]) -> tuple[dtype, dtype]:
        if not self.complex or (common is dtypes.complex32 and self.name not in _OF_COMPLEX_HALF):
            words = None if self.complex else _COMPLEX_REFUSALS.get(self.name)
            if words:
                raise NotImplementedError(words)
            raise NotImplementedError(f"\"{self.name}\" not implemented for '{TYPE_NAMES[common]}'")
        if self.name == "sub" and any(x is True or x is False or _is_bool(x) for x in operands):
            raise RuntimeError(_SUB_OF_ONE_BOOL)
        compute = compute_dtype(common)
        if self.rule is COMPARE:
            return compute, dtypes.bool_
        return compute, common.to_real() if self.complex is PARTS else common

    def _check_alike(self, operands: Sequence[Any]) -> None:
        """Raise RuntimeError where operands that PyTorch does not promote to one another are of different dtypes."""
        first, *rest = operands
        for x, role in zip(rest, _ALIKE[self.name], strict=True):
            if not isinstance(x, Array) or not isinstance(first, Array) or x.dtype is first.dtype:
                continue
            if role == "values":
                raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
            if role == "end" or x.lay.ndim:
                raise RuntimeError(
                    f"expected dtype {C_NAMES[first.dtype.name]} for `{role}` but got dtype {C_NAMES[x.dtype.name]}"
                )


_SUB_OF_ONE_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the "
    "`~` or `logical_not()` operator instead."
)
# rows that take pairs of float16, as PyTorch's do; the others, like all other operators, take none
_OF_COMPLEX_HALF = frozenset("abs add addcmul clone conj_values eq isfinite isinf isnan mul ne neg sgn sub".split())
_DIFFERENCES = frozenset({"sub", "absolute_error"})
# rows that promote nothing, with the roles of the operands after the first
_ALIKE = {"lerp": ("end", "weight"), "heaviside": ("values",)}
_NO_BOOLS = frozenset({"softsign", "tanhshrink"})  # of those that compute integers as fractions
_BOOL_REFUSALS = {
    "sub": "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
    "operator instead.",
    "neg": "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
    "the `~` or `logical_not()` operator instead.",
    "relu": "Boolean inputs not supported for relu",
    "relu6": "Bool inputs not supported for hardtanh",
    "hardtanh": "Bool inputs not supported for hardtanh",
    "tanhshrink": _SUB_OF_ONE_BOOL,
}
_COMPLEX_REFUSALS = {
    "sign": "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
    "heaviside": "heaviside is not yet implemented for complex tensors.",
    "signbit": "signbit is not implemented for complex tensors.",
    "maximum": "maximum not implemented for complex tensors.",
    "minimum": "minimum not implemented for complex tensors.",
    **{name: f"{name} is not supported for complex inputs" for name in ("ceil", "floor", "trunc")},
    **{name: f"{name} is not supported for complex tensors." for name in ("deg2rad", "rad2deg")},
    **{name: f"{name} does not support complex inputs." for name in ("isneginf", "isposinf")},
    **dict.fromkeys(("clamp_both", "clamp_max", "clamp_min"), "clamp is not supported for complex types"),
}


def _is_bool(x: Any) -> bool:
    return isinstance(x, Array) and x.dtype is dtypes.bool_


def _refuse_bool(name: str) -> Exception:
    words = _BOOL_REFUSALS.get(name)
    return RuntimeError(words) if words else NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
