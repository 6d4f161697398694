"""One formula, four readings.

A formula is a Python function ``fwd(m, x, y, …)`` of operands and a namespace ``m`` of mathematics. What it means is
decided by what it is called with:

- ``m`` a ``Tracer`` and symbols: the C text of an OpenCL kernel, for any vector width;
- ``m`` ``HOST`` (formula_host.py) and NumPy arrays: the host path;
- ``m`` the differentiable functions and Tensors: an expression that autograd can differentiate again;
- ``m`` ``WORDS`` (formula_words.py) and words: the text of a docstring.

Text rules of a traced formula: ``V`` is the compute type (``float16`` in a vector body, ``float`` in a scalar tail),
``SEL(c, a, b)`` chooses, comparisons give masks that ``&``, ``|`` and ``!`` combine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.ops import elementary

FORMULAS: dict[str, Callable[..., Any]] = {}  # formulas that others may call by their names: m.digamma(x)


def multiplied(x: Any, n: int) -> Any:
    """Return a small whole power of a traced value as a product, which is faster than C's ``pow`` and rounds less."""
    if n.__class__ is not int or not 1 <= n <= 4:
        raise TypeError(f"a formula raises to the powers 1 to 4 by **, to {n} by m.pow")
    result = x
    for _ in range(n - 1):
        result = result * x
    return result


class Symbol:
    """Stand for a value of the kernel being traced: its C name and whether it is a mask."""

    __slots__ = ("tracer", "text", "mask")

    def __init__(self, tracer: Tracer, text: str, mask: bool = False) -> None:
        self.tracer, self.text, self.mask = tracer, text, mask

    def _op(self, other: Any, c: str, swap: bool = False) -> Symbol:
        a, b = self.tracer.number(self), self.tracer.number(other)
        if swap:
            a, b = b, a
        return self.tracer.emit(f"{a} {c} {b}")

    def _compare(self, other: Any, c: str) -> Symbol:
        return self.tracer.emit(f"{self.tracer.number(self)} {c} {self.tracer.number(other)}", mask=True)

    def __add__(self, o: Any) -> Symbol:
        return self._op(o, "+")

    def __radd__(self, o: Any) -> Symbol:
        return self._op(o, "+", True)

    def __sub__(self, o: Any) -> Symbol:
        return self._op(o, "-")

    def __rsub__(self, o: Any) -> Symbol:
        return self._op(o, "-", True)

    def __mul__(self, o: Any) -> Symbol:
        return self if o.__class__ is int and o == 1 and not self.mask else self._op(o, "*")

    def __rmul__(self, o: Any) -> Symbol:
        return self if o.__class__ is int and o == 1 and not self.mask else self._op(o, "*", True)

    def __truediv__(self, o: Any) -> Symbol:
        return self._op(o, "/")

    def __rtruediv__(self, o: Any) -> Symbol:
        return self._op(o, "/", True)

    def __pow__(self, n: int) -> Symbol:
        power: Symbol = multiplied(self, n)
        return power

    def __neg__(self) -> Symbol:
        return self.tracer.emit(f"-{self.tracer.number(self)}")

    def __lt__(self, o: Any) -> Symbol:
        return self._compare(o, "<")

    def __le__(self, o: Any) -> Symbol:
        return self._compare(o, "<=")

    def __gt__(self, o: Any) -> Symbol:
        return self._compare(o, ">")

    def __ge__(self, o: Any) -> Symbol:
        return self._compare(o, ">=")

    def __eq__(self, o: Any) -> Symbol:  # type: ignore[override]
        return self._compare(o, "==")

    def __ne__(self, o: Any) -> Symbol:  # type: ignore[override]
        return self._compare(o, "!=")

    __hash__ = None  # type: ignore[assignment]

    def _logic(self, o: Any, c: str, swap: bool = False) -> Symbol:
        if self.mask and isinstance(o, Symbol) and o.mask:
            return self.tracer.emit(f"{self.text} {c} {o.text}", mask=True)
        return self._op(o, c, swap)

    def __and__(self, o: Any) -> Symbol:
        return self._logic(o, "&")

    def __or__(self, o: Any) -> Symbol:
        return self._logic(o, "|")

    def __xor__(self, o: Any) -> Symbol:
        return self._logic(o, "^")

    def __invert__(self) -> Symbol:
        return self.tracer.emit(f"!{self.text}", mask=True) if self.mask else self.tracer.emit(f"~{self.text}")


class Tracer:
    """Collect the statements of one formula; as ``m`` it offers the mathematics of OpenCL C."""

    def __init__(self, compute: dtype) -> None:
        self.compute = compute  # the dtype whose arithmetic the kernel does
        self.floating = compute.is_floating_point
        self.statements: list[str] = []
        self.single = False  # True: the statements are for one element, not for a vector
        self._count = 0

    def emit(self, text: str, mask: bool = False) -> Symbol:
        """Add a statement and return the symbol of its value."""
        name = f"t{self._count}"
        self._count += 1
        self.statements.append(f"{'M' if mask else 'V'} {name} = {text};")
        return Symbol(self, name, mask)

    def literal(self, value: float) -> str:
        """Return a constant as C text of the compute type."""
        if not self.floating:
            return f"((V)({int(value)}{'L' if self.compute.itemsize == 8 else ''}))"
        suffix = "" if self.compute.itemsize == 8 else "f"
        if math.isnan(value):
            return "((V)(NAN))"
        if math.isinf(value):
            return "((V)(INFINITY))" if value > 0 else "((V)(-INFINITY))"
        text = repr(float(np.float32(value))) if suffix else repr(float(value))
        return f"((V)({text if '.' in text or 'e' in text else text + '.0'}{suffix}))"

    def number(self, x: Any) -> str:
        """Return an operand as C text: a symbol's name (a mask as 0 or 1) or a literal."""
        if isinstance(x, Symbol):
            return f"SEL({x.text}, ((V)(1)), ((V)(0)))" if x.mask else x.text
        return self.literal(x)

    def condition(self, x: Any) -> str:
        """Return an operand as the C text of a mask."""
        if isinstance(x, Symbol):
            return x.text if x.mask else f"({x.text} != ((V)(0)))"
        return f"((M)({-1 if x else 0}))"

    def call(self, function: str, *args: Any) -> Symbol:
        """Call an OpenCL C function of numbers."""
        return self.emit(f"{function}({', '.join(self.number(a) for a in args)})")

    def where(self, c: Any, a: Any, b: Any) -> Symbol:
        return self.emit(f"SEL({self.condition(c)}, {self.number(a)}, {self.number(b)})")

    def logical_not(self, x: Any) -> Symbol:
        return self.emit(f"!{self.condition(x)}", mask=True)

    def abs(self, x: Any) -> Symbol:
        if self.floating:
            return self.call("fabs", x)
        return x if not self.compute.is_signed else self.where(x < 0, -x, x)

    def isnan(self, x: Any) -> Symbol:
        return x != x

    def maximum(self, a: Any, b: Any) -> Symbol:
        """Return the larger value; NaN wins."""
        if not self.floating:
            return self.call("max", a, b)
        return self.where((a > b) | (a != a), a, b)

    def minimum(self, a: Any, b: Any) -> Symbol:
        """Return the smaller value; NaN wins."""
        if not self.floating:
            return self.call("min", a, b)
        return self.where((a < b) | (a != a), a, b)

    def round(self, x: Any) -> Any:
        if not self.floating:
            return x
        return self.call("rint", x)  # half to even; OpenCL's round() is half away from zero

    def rounded_off(self, a: Any, b: Any, product: Any) -> Symbol:
        """Return what a product lost when it was rounded."""
        return self.call("fma", a, b, -product)

    def reciprocal(self, x: Any) -> Symbol:
        return 1 / x

    def conj(self, x: Any) -> Any:
        return x

    real_part = conj

    def angle(self, x: Any) -> Symbol:
        return self.where(x != x, x, self.where(x < 0, math.pi, 0))

    def sgn(self, x: Any) -> Symbol:
        return self.sign(x)

    def sign(self, x: Any) -> Symbol:
        """Return -1, 0 or 1; NaN has the sign 0, as in PyTorch."""
        return self.where(x > 0, 1, self.where(x < 0, -1, 0)) if self.compute.is_signed else self.where(x > 0, 1, 0)

    def shift_left(self, a: Any, b: Any) -> Symbol:
        """Return the bits moved up; a count outside the width of the type leaves none (OpenCL C would wrap it)."""
        inside, bits = self._shift_count(b)
        return self.where(inside, self._bits(a, "<<", bits), 0)

    def shift_right(self, a: Any, b: Any) -> Symbol:
        """Return the bits moved down; a count outside the width of the type leaves only the sign."""
        inside, bits = self._shift_count(b)
        if not self.compute.is_signed:
            return self.where(inside, self._bits(a, ">>", bits), 0)
        return self._bits(a, ">>", self.where(inside, bits, self.compute.itemsize * 8 - 1))

    def _shift_count(self, b: Any) -> tuple[Symbol, Symbol]:
        width = self.compute.itemsize * 8
        inside = (b < width) & (b >= 0) if self.compute.is_signed else b < width
        return inside, self.where(inside, b, 0)

    def _bits(self, a: Any, c: str, b: Any) -> Symbol:
        return self.emit(f"{self.number(a)} {c} {self.number(b)}")

    def divide_floor(self, a: Any, b: Any) -> Symbol:
        """Return the quotient rounded down, with PyTorch's results for zero and for floating-point edges."""
        if self.floating:
            r = self._lanes("fmod", a, b)
            q = (a - r) / b
            q = self.where((r != 0) & ((r < 0) ^ (b < 0)), q - 1, q)
            f = self.call("floor", q)
            f = self.where(q - f > 0.5, f + 1, f)
            exact = self.where(q != 0, f, self.call("copysign", 0.0, a / b))
            return self.where(b == 0, a / b, exact)
        q, r, safe = self._divide(a, b)
        return self.where((r != 0) & ((r < 0) ^ (safe < 0)), q - 1, q) if self.compute.is_signed else q

    def divide_trunc(self, a: Any, b: Any) -> Symbol:
        if self.floating:
            return self.call("trunc", a / b)
        return self._divide(a, b)[0]

    def _divide(self, a: Any, b: Any) -> tuple[Symbol, Symbol, Symbol]:
        """Return quotient, remainder and a divisor without 0 and -1, by which processors stop (-1: the least number).

        A division by zero gives 0 and leaves the remainder 0.
        """
        if not self.compute.is_signed:
            safe = self.where(b == 0, 1, b)
            q = self.where(b == 0, 0, a / safe)
            return q, self.where(b == 0, 0, a - q * safe), safe
        safe = self.where((b == 0) | (b == -1), 1, b)
        q = a / safe
        r = a - q * safe
        return self.where(b == 0, 0, self.where(b == -1, -a, q)), r, safe

    def remainder(self, a: Any, b: Any) -> Symbol:
        """Return the remainder that takes the divisor's sign."""
        if self.floating:
            r = self._lanes("fmod", a, b)
            return self.where((r != 0) & ((r < 0) ^ (b < 0)), r + b, r)
        _, r, safe = self._divide(a, b)
        return self.where((r != 0) & ((r < 0) ^ (safe < 0)), r + safe, r) if self.compute.is_signed else r

    def fmod(self, a: Any, b: Any) -> Symbol:
        if self.floating:
            return self._lanes("fmod", a, b)
        return self._divide(a, b)[1]

    def _lanes(self, name: str, a: Any, b: Any) -> Symbol:
        return self.call(f"ct_{name}_lanes" if self.compute.itemsize == 8 else name, a, b)

    def pow(self, a: Any, b: Any) -> Symbol:
        if self.floating and self.compute.itemsize < 8:
            return elementary.power(self, a, b)
        if self.floating:
            return self._lanes("pow", a, b)
        return self._integer_pow(a, b)

    def _integer_pow(self, a: Any, b: Any) -> Symbol:
        # square and multiply over the bits of the exponent; a negative exponent leaves only ±1 and 0
        result, base, left = self.emit("((V)(1))"), self.emit(self.number(a)), self.emit(self.number(b))
        r, s, e = result.text, base.text, left.text
        self.statements.append(
            f"for (int bit = 0; bit < {self.compute.itemsize * 8 - 1}; ++bit) {{ "
            f"{r} = SEL(({e} & ((V)(1))) != ((V)(0)), {r} * {s}, {r}); {s} = {s} * {s}; {e} = {e} >> 1; }}"
        )
        if not self.compute.is_signed:
            return self.where((left & 1) != 0, result * base, result)  # the eighth bit
        negative = self.where(a == 1, 1, self.where(a == -1, self.where((b & 1) != 0, -1, 1), 0))
        return self.where(b < 0, negative, result)

    def gcd(self, a: Any, b: Any) -> Symbol:
        """Return the greatest common divisor by Euclid's steps, as many as the largest numbers of the type can need."""
        x, y, r = (self.emit(self.number(v)) for v in (self.abs(a), self.abs(b), 0))
        p, q, t = x.text, y.text, r.text
        zero, one = self.literal(0), self.literal(1)
        steps = {1: 13, 2: 25, 4: 48, 8: 93}[self.compute.itemsize]
        self.statements.append(
            f"for (int step = 0; step < {steps}; ++step) {{ {t} = {p} % SEL({q} == {zero}, {one}, {q}); "
            f"{p} = SEL({q} == {zero}, {p}, {q}); {q} = SEL({q} == {zero}, {zero}, {t}); }}"
        )
        return x

    def frexp(self, x: Any) -> tuple[Symbol, Symbol]:
        """Return mantissa and exponent, both in the type of the arithmetic."""
        self.single = True  # OpenCL C has no name for a vector of int as wide as V
        exponent = f"e{self._count}"
        self.statements.append(f"int {exponent} = 0;")
        return self.emit(f"frexp({self.number(x)}, &{exponent})"), self.emit(f"(V){exponent}")

    def loop(
        self, limit: int, state: Sequence[Any], go: Callable[..., Any], step: Callable[..., Sequence[Any]]
    ) -> list[Symbol]:
        """Replace a state by ``step(*state)`` while ``go(*state)`` holds, at most ``limit`` times; return the last.

        A vector goes on while any of its elements does; those that are through keep their state.
        """
        held = [self.emit(self.number(v)) for v in state]
        outer, self.statements = self.statements, []
        going = self.condition(go(*held))
        self.statements.append(f"if (!ANY({going})) break;")
        # all of the next state before any of it is replaced
        fresh = [self.emit(self.number(v)) for v in step(*held)]
        inner = " ".join(self.statements)
        moves = " ".join(f"{a.text} = SEL({going}, {b.text}, {a.text});" for a, b in zip(held, fresh, strict=True))
        self.statements = outer
        turn = f"turn{self._count}"
        self.statements.append(f"for (int {turn} = 0; {turn} < {limit}; ++{turn}) {{ {inner} {moves} }}")
        return held

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        if self.floating and self.compute.itemsize < 8 and name in _SINGLE:
            return lambda x: _SINGLE[name](self, x)
        if name in FORMULAS:
            return lambda *args: FORMULAS[name](self, *args)
        if name.startswith("_") or name not in C_FUNCTIONS:
            raise AttributeError(f"no OpenCL C function for {name!r}")
        if not self.floating and name in ("floor", "ceil", "trunc"):
            return lambda x: x
        return lambda *args: self.call(C_FUNCTIONS[name], *args)


# what is computed otherwise than by a built-in where the arithmetic is float
_SINGLE = {
    f.__name__: f
    for f in (
        elementary.erf,
        elementary.erfc,
        elementary.erfinv,
        elementary.expm1,
        elementary.log,
        elementary.log2,
        elementary.sin,
        elementary.cos,
        elementary.tan,
        elementary.tanh,
    )  # fmt: skip
}

# name in ``m`` -> OpenCL C built-in of floating-point values
C_FUNCTIONS = {
    name: name
    for name in (
        "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
        "floor ceil trunc erf erfc atan2 hypot copysign fmax fmin nextafter"
    ).split()
}


def trace(
    fn: Callable[..., Any], compute: dtype, operands: Sequence[bool], params: int
) -> tuple[list[str], list[Symbol | float], Tracer]:
    """Read a formula as C: return its statements, the symbols of its results, and the tracer.

    ``operands`` tells for each operand whether it is a mask; operands are named x0, x1, …, parameters p0, p1, ….
    """
    tracer = Tracer(compute)
    symbols = [Symbol(tracer, f"x{i}", mask) for i, mask in enumerate(operands)]
    numbers = [Symbol(tracer, f"p{i}") for i in range(params)]
    result = fn(tracer, *symbols, *numbers)
    results = list(result) if isinstance(result, tuple) else [result]
    return tracer.statements, results, tracer


def used_operands(fn: Callable[..., Any], operands: int, params: int, compute: dtype, keep: Sequence[bool]) -> set[int]:
    """Return the indices of the operands on which the kept results of a formula depend."""
    statements, results, _ = trace(fn, compute, [False] * operands, params)
    defined: dict[str, set[str]] = {}
    for line in statements:
        if line.startswith("for "):  # everything in a loop may depend on everything else in it
            names = set(_NAMES.findall(line))
            defined.update({name: defined.get(name, set()) | names for name in names if name[0] == "t"})
            continue
        left, _, right = line.partition(" = ")
        defined[left.split()[1]] = set(_NAMES.findall(right))
    todo = {r.text for r, k in zip(results, keep, strict=True) if k and isinstance(r, Symbol)}
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo |= defined.get(name, set())
    return {int(name[1:]) for name in seen if name[0] == "x"}


_NAMES = re.compile(r"\b[tx]\d+\b")
