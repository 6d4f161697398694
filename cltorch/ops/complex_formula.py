"""Complex numbers in kernels: a formula on complex operands, read as one on their real and imaginary parts.

A complex Array lies in memory as pairs of reals, so that its two parts are strided Arrays of the same storage. A row's
formula is traced with ``Complex`` values in the place of symbols, which yields a kernel of reals: every complex operand
becomes two, every complex result two. On the host NumPy reads the formula with its own complex numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.complex_math import Transcendental
from cltorch.ops.formula import Symbol, Tracer, multiplied, used_operands
from cltorch.shapes import Size

# what an operand or a result is: one of two parts, a real number, a condition (a result: a truth value)
PAIR, REAL, MASK = "c", "r", "m"


def real_layout(lay: Layout) -> Layout:
    """Return the layout of a complex Array's parts: one dimension more, of size 2, in units of a part."""
    strides = (*(2 * s for s in lay.strides), 1)
    return Layout.make(Size((*lay.shape, 2)), strides, 2 * lay.offset)


def as_real(x: Any) -> Any:
    """Return a complex Array as reals with a last dimension of real and imaginary part, outside the graph."""
    return _array(x._storage, real_layout(x.lay), x.dtype.to_real())


def part(x: Any, which: int) -> Any:
    """Return the real (0) or imaginary (1) part of a complex Array on the same memory, outside the graph."""
    lay = x.lay
    layout = Layout.make(lay.shape, tuple(2 * s for s in lay.strides), 2 * lay.offset + which)
    return _array(x._storage, layout, x.dtype.to_real())


def _array(storage: Any, layout: Layout, t: dtype) -> Any:
    x = Array()
    x._storage, x.lay, x.dtype = storage, layout, t
    return x


class Complex:
    """Stand for a complex value of a kernel by two traced ones; of a real one (or a condition) ``im`` is None."""

    __slots__ = ("m", "re", "im")

    def __init__(self, m: ComplexMath, re: Any, im: Any = None) -> None:
        self.m, self.re, self.im = m, re, im

    def _pair(self, o: Any) -> tuple[Any, Any, Any, Any]:
        o = self.m.of(o)
        return self.re, self.im, o.re, o.im

    def _new(self, re: Any, im: Any = None) -> Complex:
        return Complex(self.m, re, im)

    def __add__(self, o: Any) -> Complex:
        a, b, c, d = self._pair(o)
        return self._new(a + c, d if b is None else b if d is None else b + d)

    __radd__ = __add__

    def __sub__(self, o: Any) -> Complex:
        a, b, c, d = self._pair(o)
        return self._new(a - c, b if d is None else -d if b is None else b - d)

    def __rsub__(self, o: Any) -> Complex:
        return self.m.of(o) - self

    def __mul__(self, o: Any) -> Complex:
        if o.__class__ is int and o == 1:
            return self
        a, b, c, d = self._pair(o)
        if b is None or d is None:
            return self._new(a * c, None if b is d is None else a * d if b is None else b * c)
        return self._new(a * c - b * d, a * d + b * c)

    __rmul__ = __mul__

    def __pow__(self, n: int) -> Complex:
        power: Complex = multiplied(self, n)
        return power

    def __truediv__(self, o: Any) -> Complex:
        a, b, c, d = self._pair(o)
        if d is None:
            return self._new(a / c, None if b is None else b / c)
        if b is None:
            b = 0
        # R. L. Smith, Algorithm 116: Complex division, CACM 1962: no square that overflows
        m = self.m.real
        flat = m.abs(c) >= m.abs(d)
        large, small = m.where(flat, c, d), m.where(flat, d, c)
        ratio = m.where(large == 0, 0, small / large)
        p, q = m.where(flat, a, b), m.where(flat, b, a)
        divisor = large + small * ratio
        im = m.where(flat, q - p * ratio, p * ratio - q)
        return self._new((p + q * ratio) / divisor, im / divisor)

    def __rtruediv__(self, o: Any) -> Complex:
        return self.m.of(o) / self

    def __neg__(self) -> Complex:
        return self._new(-self.re, None if self.im is None else -self.im)

    def __eq__(self, o: Any) -> Complex:  # type: ignore[override]
        a, b, c, d = self._pair(o)
        same = a == c
        if b is None and d is None:
            return self._new(same)
        return self._new(same & ((0 if b is None else b) == (0 if d is None else d)))

    def __ne__(self, o: Any) -> Complex:  # type: ignore[override]
        a, b, c, d = self._pair(o)
        other = a != c
        if b is None and d is None:
            return self._new(other)
        return self._new(other | ((0 if b is None else b) != (0 if d is None else d)))

    __hash__ = None  # type: ignore[assignment]

    def _order(self, o: Any, compare: Callable[[Any, Any], Any]) -> Complex:
        a, b, c, d = self._pair(o)
        if b is not None or d is not None:
            raise NotImplementedError("complex numbers have no order")
        return self._new(compare(a, c))

    def __lt__(self, o: Any) -> Complex:
        return self._order(o, lambda a, b: a < b)

    def __le__(self, o: Any) -> Complex:
        return self._order(o, lambda a, b: a <= b)

    def __gt__(self, o: Any) -> Complex:
        return self._order(o, lambda a, b: a > b)

    def __ge__(self, o: Any) -> Complex:
        return self._order(o, lambda a, b: a >= b)

    def __and__(self, o: Any) -> Complex:
        return self._new(self.re & self.m.of(o).re)

    def __or__(self, o: Any) -> Complex:
        return self._new(self.re | self.m.of(o).re)

    def __xor__(self, o: Any) -> Complex:
        return self._new(self.re ^ self.m.of(o).re)

    def __invert__(self) -> Complex:
        return self._new(~self.re)


class ComplexMath(Transcendental):
    """Offer the mathematics of complex numbers in terms of a tracer of reals."""

    is_complex = True

    def __init__(self, real: Tracer) -> None:
        self.real, self.compute = real, real.compute

    def of(self, x: Any) -> Complex:
        """Return a value as a Complex: Python's numbers as constants."""
        if isinstance(x, Complex):
            return x
        return Complex(self, x.real, x.imag) if isinstance(x, complex) else Complex(self, x)

    def pair(self, re: Any, im: Any) -> Complex:
        """Return the complex value of two parts."""
        return Complex(self, re, im)

    def conj(self, x: Any) -> Complex:
        x = self.of(x)
        return x if x.im is None else Complex(self, x.re, -x.im)

    def real_part(self, x: Any) -> Complex:
        return Complex(self, self.of(x).re)

    def imag_part(self, x: Any) -> Complex:
        im = self.of(x).im
        return Complex(self, 0 if im is None else im)

    def abs(self, x: Any) -> Complex:
        x = self.of(x)
        return Complex(self, self.real.abs(x.re) if x.im is None else self.real.hypot(x.re, x.im))

    def angle(self, x: Any) -> Complex:
        x, m = self.of(x), self.real
        if x.im is not None:
            return Complex(self, m.atan2(x.im, x.re))
        return Complex(self, m.where(x.re != x.re, x.re, m.where(x.re < 0, math.pi, 0)))

    def sgn(self, x: Any) -> Complex:
        x, m = self.of(x), self.real
        if x.im is None:
            return Complex(self, m.sign(x.re))
        size = m.hypot(x.re, x.im)
        return Complex(self, *(m.where(size == 0, 0, v / size) for v in (x.re, x.im)))

    def reciprocal(self, x: Any) -> Complex:
        return 1 / self.of(x)

    def where(self, c: Any, a: Any, b: Any) -> Complex:
        c, a, b = self.of(c), self.of(a), self.of(b)
        chosen = c.re if c.im is None else (c.re != 0) | (c.im != 0)
        re = self.real.where(chosen, a.re, b.re)
        if a.im is None and b.im is None:
            return Complex(self, re)
        return Complex(self, re, self.real.where(chosen, *(0 if v.im is None else v.im for v in (a, b))))

    def isnan(self, x: Any) -> Complex:
        return self.of(x) != x


class Lowered:
    """A formula of reals made from one of complex numbers; it is used as a ``Formula`` is."""

    __slots__ = ("name", "fn", "masks", "params", "__weakref__")

    def __init__(self, name: str, fn: Callable[..., Any], masks: Sequence[int], params: int) -> None:
        self.name, self.fn, self.masks, self.params = name, fn, frozenset(masks), params


@lru_cache(maxsize=4096)
def _lowered(formula: Any, operands: str, params: str, outs: str) -> Lowered:
    """Return a formula of the parts; a letter tells what each operand, parameter and result is."""

    def fn(m: Tracer, *flat: Any) -> Any:
        found: list[Any] = []
        for r, kind in zip(_read(formula.fn, m, flat, operands + params), outs, strict=True):
            if kind == PAIR:
                found += (r.re, 0 if r.im is None else r.im)
            elif kind == MASK and r.im is not None:
                found.append((r.re != 0) | (r.im != 0))
            else:
                found.append(r.re)
        return found[0] if len(found) == 1 else tuple(found)

    places: list[str] = []
    for kind in operands:
        places += (kind, kind) if kind == PAIR else kind
    masks = [i for i, kind in enumerate(places) if kind == MASK]
    return Lowered(f"{formula.name}_complex", fn, masks, len(params) + params.count(PAIR))


def _read(fn: Callable[..., Any], m: Tracer, flat: Sequence[Any], kinds: str) -> list[Complex]:
    """Call a formula with the complex reading, its operands put together from their parts."""
    math_, rest = ComplexMath(m), iter(flat)
    values = [Complex(math_, next(rest), next(rest) if kind == PAIR else None) for kind in kinds]
    results = fn(math_, *values)
    return [math_.of(r) for r in (results if isinstance(results, tuple) else (results,))]


def lower(
    formula: Any, compute: dtype, operands: Sequence[Any], params: Sequence[Any], outs: Sequence[Any]
) -> tuple[Any, dtype, list[Any], list[Any], list[Any]]:
    """Return formula, dtype of the arithmetic, operands, parameters and results of a launch, in terms of real parts."""
    ins: list[Any] = []
    kinds = ""
    for i, x in enumerate(operands):
        if isinstance(x, Array) and x.dtype.is_complex:
            kinds += PAIR
            ins += (part(x, 0), part(x, 1))
        elif isinstance(x, complex):
            kinds += PAIR
            ins += (x.real, x.imag)
        else:
            kinds += MASK if i in formula.masks else REAL
            ins.append(x)
    numbers: list[Any] = []
    for p in params:
        numbers += (p.real, p.imag) if isinstance(p, complex) else (p,)
    results: list[Any] = []
    for x in outs:
        results += (part(x, 0), part(x, 1)) if x.dtype.is_complex else (x,)
    given = "".join(PAIR if isinstance(p, complex) else REAL for p in params)
    wanted = "".join(PAIR if x.dtype.is_complex else MASK if x.dtype.family == "b" else REAL for x in outs)
    return _lowered(formula, kinds, given, wanted), compute.to_real(), ins, numbers, results


def complex_operands(fn: Callable[..., Any], operands: int, params: int, results: int) -> set[int]:
    """Return the indices of the operands on which a formula of complex numbers depends."""

    def flat(m: Tracer, *values: Any) -> tuple[Any, ...]:
        found = _read(fn, m, values, PAIR * operands + REAL * params)
        return tuple(v for r in found for v in (r.re, 0 if r.im is None else r.im))

    used = used_operands(flat, 2 * operands, params, dtypes.float32, [True] * (2 * results))
    return {i // 2 for i in used}


def handed_on(fn: Callable[..., Any], operands: int, params: int, ones: bool) -> tuple[bool, ...]:
    """Tell for each result of a formula of complex numbers whether it is its first operand, unchanged."""
    tracer = Tracer(dtypes.float32)
    m = ComplexMath(tracer)
    values = [Complex(m, Symbol(tracer, f"x{2 * i}"), Symbol(tracer, f"x{2 * i + 1}")) for i in range(operands)]
    numbers = [1 if ones else Complex(m, Symbol(tracer, f"p{k}")) for k in range(params)]
    results = fn(m, *values, *numbers)
    return tuple(
        isinstance(r, Complex) and [v.text if isinstance(v, Symbol) else None for v in (r.re, r.im)] == ["x0", "x1"]
        for r in (results if isinstance(results, tuple) else (results,))
    )
