"""The reading of formulas as words, for docstrings.

``m`` is ``WORDS`` and the operands are ``Words`` here; what comes out is the formula as one writes it, for instance
"input + alpha * other". What loops, or asks values for their sign, has no such text and raises Unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import dtypes

# how tightly a text holds together; what is looser than its surroundings gets parentheses
_CHOICE, _OR, _AND, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(9)
_NAMED = {
    math.pi: "π", math.pi / 180: "π / 180", 180 / math.pi: "180 / π", math.log(2.0): "log(2)",
}  # fmt: skip


class Unreadable(Exception):
    """A formula that is no single expression."""


class Words:
    """Stand for a value by its text and by how tightly that holds together."""

    __slots__ = ("text", "rank")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str, rank: int = _ATOM) -> None:
        self.text, self.rank = text, rank

    def __bool__(self) -> bool:
        raise Unreadable("a formula that branches on a value")

    def __add__(self, o: Any) -> Words:
        return _join(self, "+", o, _SUM)

    def __radd__(self, o: Any) -> Words:
        return _join(o, "+", self, _SUM)

    def __sub__(self, o: Any) -> Words:
        return _join(self, "-", o, _SUM)

    def __rsub__(self, o: Any) -> Words:
        return _join(o, "-", self, _SUM)

    def __mul__(self, o: Any) -> Words:
        if isinstance(o, Words) and o.text == self.text:
            return Words(f"{_within(self, _ATOM)}²", _POWER)
        return _join(self, "*", o, _PRODUCT)

    def __rmul__(self, o: Any) -> Words:
        return _join(o, "*", self, _PRODUCT)

    def __truediv__(self, o: Any) -> Words:
        return _join(self, "/", o, _PRODUCT)

    def __rtruediv__(self, o: Any) -> Words:
        return _join(o, "/", self, _PRODUCT)

    def __neg__(self) -> Words:
        return Words(f"-{_within(self, _SIGN)}", _SIGN)

    def __lt__(self, o: Any) -> Words:
        return _join(self, "<", o, _COMPARISON)

    def __le__(self, o: Any) -> Words:
        return _join(self, "<=", o, _COMPARISON)

    def __gt__(self, o: Any) -> Words:
        return _join(self, ">", o, _COMPARISON)

    def __ge__(self, o: Any) -> Words:
        return _join(self, ">=", o, _COMPARISON)

    def __eq__(self, o: Any) -> Words:  # type: ignore[override]
        return _join(self, "==", o, _COMPARISON)

    def __ne__(self, o: Any) -> Words:  # type: ignore[override]
        if isinstance(o, Words) and o.text == self.text:  # only NaN differs from itself
            return Words(f"{_within(self, _SUM)} is NaN", _COMPARISON)
        return _join(self, "!=", o, _COMPARISON)

    def __and__(self, o: Any) -> Words:
        return _join(self, "and" if self.rank == _COMPARISON else "&", o, _AND)

    def __or__(self, o: Any) -> Words:
        return _join(self, "or" if self.rank == _COMPARISON else "|", o, _OR)

    def __xor__(self, o: Any) -> Words:
        return _join(self, "^", o, _OR)

    def __invert__(self) -> Words:
        return Words(f"~{_within(self, _SIGN)}", _SIGN)


def _within(x: Any, rank: int) -> str:
    """Return the text of an operand for a place that asks for ``rank`` at least."""
    if isinstance(x, Words):
        return x.text if x.rank >= rank else f"({x.text})"
    name = _NAMED.get(x)
    if name is not None:
        return f"({name})" if "/" in name and rank > _SUM else name
    return f"{x:.6g}"


def _join(a: Any, sign: str, b: Any, rank: int) -> Words:
    # what is subtracted or divided by needs parentheses where it is a sum or product itself
    tighter = rank + 1 if sign in "-/" or rank == _COMPARISON else rank
    return Words(f"{_within(a, rank + (rank == _COMPARISON))} {sign} {_within(b, tighter)}", rank)


class _Mathematics:
    """Offer every function of mathematics by writing its call."""

    compute = dtypes.float32
    is_complex = False

    def __getattr__(self, name: str) -> Callable[..., Words]:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "loop":
            raise Unreadable("a formula that loops")
        return lambda *args: Words(f"{name}({', '.join(_within(a, _CHOICE) for a in args)})")

    def abs(self, x: Any) -> Words:
        return Words(f"|{_within(x, _CHOICE)}|")

    def where(self, c: Any, a: Any, b: Any) -> Words:
        return Words(f"{_within(a, _OR)} where {_within(c, _OR)}, else {_within(b, _CHOICE)}", _CHOICE)

    def maximum(self, a: Any, b: Any) -> Words:
        return self.max(a, b)

    def minimum(self, a: Any, b: Any) -> Words:
        return self.min(a, b)

    def pow(self, a: Any, b: Any) -> Words:
        return Words(f"{_within(a, _ATOM)} ** {_within(b, _ATOM)}", _POWER)

    def reciprocal(self, x: Any) -> Words:
        return _join(1, "/", x, _PRODUCT)

    def divide_floor(self, a: Any, b: Any) -> Words:
        return self.floor(_join(a, "/", b, _PRODUCT))

    def divide_trunc(self, a: Any, b: Any) -> Words:
        return self.trunc(_join(a, "/", b, _PRODUCT))

    def shift_left(self, a: Any, b: Any) -> Words:
        return _join(a, "<<", b, _COMPARISON)

    def shift_right(self, a: Any, b: Any) -> Words:
        return _join(a, ">>", b, _COMPARISON)

    def conj(self, x: Any) -> Any:
        return x  # of a real number, as in C

    real_part = conj


WORDS = _Mathematics()


def in_words(fwd: Callable[..., Any], names: Sequence[str], most: int) -> str:
    """Return a formula as text, its operands called ``names``; "" where it has none of at most ``most`` characters."""
    try:
        read = fwd(WORDS, *(Words(name) for name in names))
    except (Unreadable, TypeError, AttributeError):
        return ""
    text = _within(read, _CHOICE)
    return text if len(text) <= most else ""
