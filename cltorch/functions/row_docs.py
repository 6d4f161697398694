"""The docstrings of the pointwise table's functions: the formula in words, operands and dtypes, and an example.

What an example prints is recorded in ``row_examples.py`` by ``python ci/stubs.py``, so that importing computes nothing.
"""

from __future__ import annotations

import math

from cltorch.functions.row_examples import EXAMPLES
from cltorch.ops import pointwise as rules
from cltorch.ops.formula_words import in_words
from cltorch.ops.pointwise import FUNCTIONAL, INNER, SPECIAL, Pointwise

_PLACES = {FUNCTIONAL: "nn.functional.", SPECIAL: "special."}
_DTYPES = {
    rules.FLOAT: "Integers become the default floating dtype",
    rules.FLOAT_ONLY: "The dtype is a floating one",
    rules.ARITH: "The result has the promoted dtype",
    rules.COMPARE: "The result is bool",
    rules.BITWISE: "The dtype is an integer or bool",
    rules.INTEGER: "The dtype is an integer",
    rules.SIGNED: "The result has the promoted dtype, which must not be bool",
    rules.REAL: "The result has the operand's dtype, which must not be bool",
}
_COMPLEX = {rules.COMPLEX: "; complex numbers are taken too", rules.PARTS: "; of complex numbers the result is real"}
_SHOWN = frozenset("celu elu hardtanh leaky_relu relu selu".split())  # torch.nn.functional has their in-place forms
_SHARES = ((0.2, 0.5, 0.8), (0.6, 0.3, 0.7), (0.4, 0.8, 0.2))  # of the domain, where an example's operands lie
_WHOLE = ((12, 10, 7), (8, 6, 2), (1, 2, 3))
_MOST = 80  # characters of a formula that still reads well


def operands(row: Pointwise) -> list[str]:
    """Return the operands of a row's example as text."""
    found = []
    for i, name in enumerate(row.args):
        values: tuple[float, ...]
        if i in row.masks:
            values = (True, False, True)
        elif i == 0 and row.sample:
            values = tuple(row.sample)
        elif row.rule in (rules.BITWISE, rules.INTEGER):
            values = _WHOLE[2] if row.sample else _WHOLE[i]
        elif name == "n":
            values = _WHOLE[2]
        else:
            low, high = row.domain
            values = tuple(round(low + share * (high - low), 1) + 0.0 for share in _SHARES[i])
        found.append(f"[{', '.join(_literal(x) for x in values)}]")
    return found


def _literal(x: float) -> str:
    return repr(x) if math.isfinite(x) else f'float("{x}")'


def call(row: Pointwise) -> str:
    """Return the line of Python that a row's example runs."""
    given = ", ".join(f"torch.tensor({text})" for text in operands(row))
    if row.arity == 1:
        given += "".join(f", {value}" for value in row.defaults)
    return f"torch.{_PLACES.get(row.scope, '')}{row.name}({given})"


def doc(row: Pointwise) -> str:
    """Return the docstring of a row's function."""
    words = row.doc
    if not words:
        formula = in_words(row.fwd, [*row.args, *row.params], _MOST)
        what = f"whether {formula}" if row.rule is rules.COMPARE else formula
        words = f"Return {what} elementwise." if formula else f"Compute {row.name.replace('_', ' ')} elementwise."
    shape = "(*) to (*)" if row.arity == 1 else "operands broadcast"
    page = "special" if row.scope == SPECIAL else f"generated/torch.{_PLACES.get(row.scope, '')}{row.name}"
    text = (
        f"{words}\n\nShape: {shape}. {_DTYPES[row.rule]}{_COMPLEX.get(row.complex, '')}.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/{page}.html\n"
    )
    if row.name not in EXAMPLES or row.scope == INNER:
        return text
    return f"{text}\n>>> import cltorch as torch\n>>> {call(row)}\n{EXAMPLES[row.name]}\n"


def inplace_doc(row: Pointwise) -> str:
    """Return the docstring of a row's in-place function."""
    text = (
        f"Do what ``{row.name}`` does, in place on the first operand.\n\n"
        f"Shape: (*) to the same{'' if row.arity == 1 else ', to which the other operands broadcast'}.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.{row.name}_.html\n"
    )
    if row.name not in _SHOWN:
        return text
    changed = call(row).replace(f".{row.name}(", f".{row.name}_(", 1)
    return f"{text}\n>>> import cltorch as torch\n>>> {changed}\n{EXAMPLES[row.name]}\n"
