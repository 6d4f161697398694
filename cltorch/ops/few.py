"""Which operators there are for the dtypes that are there to store: uint16, uint32, uint64 and the fractions of 8 bits.

PyTorch has few for them, moves and conversions first of all, and refuses the others; a row or an operator that takes
such a dtype is named here.
"""

from __future__ import annotations

from typing import Any

from cltorch.dtypes import TYPE_NAMES, dtype

_UNSIGNED, _FLOAT8, _SCALE = "unsigned", "float8", "scale"
_FRACTIONS = (_FLOAT8, _SCALE)
_ALL = (_UNSIGNED, *_FRACTIONS)

#: the groups of dtypes that a pointwise row takes; unsigned numbers become float32 by the rule of its own
ROWS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mul", "eq", "ne", "isnan", "where", "masked_value", "clone", "conj_values"), _ALL),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "floor", "ceil", "trunc", "round"), (_UNSIGNED,)),
    **dict.fromkeys(("isposinf", "isneginf", "signbit", "isinf", "isfinite"), (_UNSIGNED,)),
    "abs": (_FLOAT8,),
}
#: the groups that an operator takes whose operands or result have such a dtype
OPS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "to_copy", "clone", "copy", "fill", "zero", "cat", "stack", "block_diag", "repeat", "roll", "flip", "pad",
            "index", "index_select", "embedding", "as_strided_scatter_zeros", "as_strided_gather", "as_strided_replace",
        ),
        _ALL,
    ),
    **dict.fromkeys(("index_backward", "masked_select", "eye"), _FRACTIONS),
    **dict.fromkeys(("index_put", "index_put_", "mm", "addmm", "linear"), (_FLOAT8,)),
    **dict.fromkeys(("sort", "isin", "randint"), (_UNSIGNED,)),
}  # fmt: skip
_INFINITE, _FINITE = {"isinf", "isfinite"}, {"isfinite"}


def takes(name: str, t: dtype, known: dict[str, tuple[str, ...]] = OPS) -> bool:
    """Return whether PyTorch has an operator for a dtype of one of the groups."""
    if t.few in known.get(name, ()):
        return True
    # these two are there for the forms that have codes of their own for what they ask about
    return t.form is not None and name in (_INFINITE if t.form.infinity else _FINITE if t.few == _SCALE else ())


def refuse(name: str, t: dtype, known: dict[str, tuple[str, ...]] = OPS) -> None:
    """Raise NotImplementedError where PyTorch has no operator of this name for a dtype."""
    if t.few and not takes(name, t, known):
        raise absent(name, t)


def absent(name: str, t: dtype) -> NotImplementedError:
    """Return the error for an operator that there is not for a dtype."""
    return NotImplementedError(f"\"{name}\" not implemented for '{TYPE_NAMES[t]}'")


def refuse_operand(op: Any, t: dtype) -> None:
    """Raise NotImplementedError where a structured operator does not take a dtype: a complex one, or one of few."""
    if t.is_complex:
        if not op.complex:
            raise NotImplementedError(f"{op.name} is not implemented for complex tensors")
    else:
        refuse(op.name, t)
