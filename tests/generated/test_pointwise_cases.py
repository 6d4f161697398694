"""Pointwise functions in generated cases: every call form, dtype, stride and broadcast against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from tests.generated.drawing import REAL, SHAPES, cases, compare, draw, floating, laid_out, numbers, promoted, wide

scipy = pytest.importorskip("scipy.special", reason="SciPy is not installed")

# functions of fractions: integers and bool become float32
TO_FLOAT = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "sigmoid": scipy.expit, "erf": scipy.erf, "erfc": scipy.erfc,
    "reciprocal": lambda x: 1 / x, "rsqrt": lambda x: 1 / np.sqrt(x), "deg2rad": np.deg2rad, "rad2deg": np.rad2deg,
    "sinc": np.sinc,
}  # fmt: skip
SAME = {
    "abs": np.abs, "neg": np.negative, "square": np.square, "floor": np.floor, "ceil": np.ceil,
    "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)),  # as PyTorch has it
    "trunc": np.trunc, "round": np.round,
}  # fmt: skip
TESTS = {
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": np.signbit,
    "logical_not": np.logical_not, "isposinf": np.isposinf, "isneginf": np.isneginf,
}  # fmt: skip
ARITHMETIC = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "fmax": np.fmax, "fmin": np.fmin,
}  # fmt: skip
DIVISIONS = {"div": np.true_divide, "atan2": np.arctan2, "copysign": np.copysign, "hypot": np.hypot,
             "logaddexp": np.logaddexp}  # fmt: skip
WHOLE = {"floor_divide": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod}
COMPARISONS = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
               "ge": np.greater_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
               "logical_xor": np.logical_xor}  # fmt: skip
BITS = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}


WITHOUT_OUT = "isnan", "isinf", "isfinite"  # as PyTorch's


def unary_call(c, name, x, want_dtype):
    """Call a function of one tensor as a function, a method, with out=, or in place where the dtype stays."""
    form = c.number(4)
    if form == 1:
        return getattr(x, name)()
    if form == 2 and name not in WITHOUT_OUT:
        out = cltorch.empty(0, dtype=getattr(cltorch, str(want_dtype)), device=x.device)
        assert getattr(cltorch, name)(input=x, out=out) is out
        return out
    if form == 3 and x.numpy(force=True).dtype == want_dtype and name not in TESTS:
        y = x.clone()
        assert getattr(y, name + "_")() is y
        return y
    return getattr(cltorch, name)(x)


@pytest.mark.parametrize("name", sorted(TO_FLOAT))
@cases("functions of fractions", 5)
def test_functions_of_fractions(c, name):
    a, x = draw(c, REAL, "cpu")
    t = floating(a.dtype)
    got = unary_call(c, name, x, t)
    compare(got, TO_FLOAT[name](a.astype(np.float64)), t, f"{name} of {a!r}")


@pytest.mark.parametrize("name", sorted(SAME))
@cases("functions that keep the dtype", 5)
def test_functions_that_keep_the_dtype(c, name):
    refused = name in ("abs", "neg", "floor", "ceil", "trunc", "round", "square")
    a, x = draw(c, REAL[:-1] if refused else REAL, "cpu")
    got = unary_call(c, name, x, a.dtype)
    want = a if a.dtype == bool else SAME[name](a)
    compare(got, want.astype(a.dtype), a.dtype, f"{name} of {a!r}")


@pytest.mark.parametrize("name", sorted(TESTS))
@cases("questions of elements", 3)
def test_questions(c, name):
    a, x = draw(c, REAL, "cpu")
    want = a < 0 if name == "signbit" and a.dtype.kind != "f" else TESTS[name](a.astype(np.float64))
    compare(unary_call(c, name, x, "bool"), want, bool, f"{name} of {a!r}")


def pair(c, device="cpu", dtypes=REAL, special=True):
    """Return two operands that broadcast: tensors, or a tensor and a number, as arrays and as what is passed."""
    shape = c.of(SHAPES)
    kind = c.number(5)
    other = shape
    if kind == 1 and shape:
        other = shape[1:]
    elif kind == 2 and shape:
        other = (*shape[:-1], 1)
    elif kind == 3:
        other = ()
    a = numbers(c, shape, c.of(dtypes), special)
    if kind == 4:
        value = c.of((2, 0.5, True, -3, 1.5))
        return a, value, laid_out(c, a, device), value
    b = numbers(c, other, c.of(dtypes), special)
    x, y = laid_out(c, a, device), laid_out(c, b, device)
    return (b, a, y, x) if c.yes() else (a, b, x, y)


def binary_call(c, name, x, y, t):
    """Call a function of two operands as a function, a method, with keywords or out=, or in place where that goes."""
    form = c.number(5)
    if form == 1:
        return getattr(x, name)(y)
    if form == 2:
        return getattr(cltorch, name)(input=x, other=y)
    if form == 3:
        out = cltorch.empty(0, dtype=getattr(cltorch, str(np.dtype(t))), device=x.device)
        assert getattr(cltorch, name)(x, y, out=out) is out
        return out
    if form == 4 and x.dtype is getattr(cltorch, str(np.dtype(t))) and not name.startswith("f" + "m") and (
        not isinstance(y, cltorch.Tensor) or cltorch.broadcast_shapes(x.shape, y.shape) == x.shape
    ) and hasattr(x, name + "_"):  # fmt: skip
        z = x.clone()
        assert getattr(z, name + "_")(y) is z
        return z
    return getattr(cltorch, name)(x, y)


def in_dtype(t, *operands):
    """Return operands as the computation sees them: converted to the result's dtype, fractions then widened."""
    return [wide(np.asarray(v).astype(t)) for v in operands]


TENSORS_ONLY = frozenset("maximum minimum fmax fmin atan2 hypot logaddexp".split())


def operands(c, name, dtypes=REAL, special=True):
    a, b, x, y = pair(c, dtypes=dtypes, special=special)
    if name in TENSORS_ONLY and not isinstance(y, cltorch.Tensor):
        b = np.asarray(b, "float32")
        y = cltorch.tensor(b)
    return a, b, x, y


@pytest.mark.parametrize("name", sorted(ARITHMETIC))
@cases("arithmetic", 10)
def test_arithmetic(c, name):
    a, b, x, y = operands(c, name, REAL[:-1] if name == "sub" else REAL)
    if name == "sub" and isinstance(b, bool):
        b = y = 2
    t = promoted(a, b)
    got = binary_call(c, name, x, y, t)
    compare(got, ARITHMETIC[name](*in_dtype(t, a, b)), t, f"{name} of {a!r} and {b!r}")


@pytest.mark.parametrize("name", sorted(DIVISIONS))
@cases("functions of two fractions", 10)
def test_functions_of_two_fractions(c, name):
    dtypes = ("float32", "float64") if name in ("hypot", "logaddexp") else REAL
    a, b, x, y = operands(c, name, dtypes)
    t = floating(promoted(a, b))
    got = binary_call(c, name, x, y, t)
    compare(got, DIVISIONS[name](*in_dtype(t, a, b)), t, f"{name} of {a!r} and {b!r}")


@pytest.mark.parametrize("name", sorted(WHOLE))
@cases("whole quotients and remainders", 10)
def test_whole_quotients(c, name):
    a, b, x, y = operands(c, name, ("int64", "float32", "float64", "int32", "uint8"), special=False)
    b_values = np.where(np.asarray(b) == 0, np.asarray(3).astype(np.asarray(b).dtype), b)
    if isinstance(y, cltorch.Tensor):
        b = b_values.astype(b.dtype)
        y = cltorch.tensor(b)
    else:
        b = y = int(b) or 2
    t = promoted(a, b)
    got = binary_call(c, name, x, y, t)
    compare(got, WHOLE[name](*in_dtype(t, a, b)), t, f"{name} of {a!r} and {b!r}")


@pytest.mark.parametrize("name", sorted(COMPARISONS))
@cases("comparisons", 8)
def test_comparisons(c, name):
    a, b, x, y = pair(c)
    if name.startswith("logical") and not isinstance(y, cltorch.Tensor):
        b = np.asarray(b)
        y = cltorch.tensor(b)
    t = promoted(a, b)
    want = COMPARISONS[name](*(in_dtype(t, a, b) if not name.startswith("logical") else (a, b)))
    compare(binary_call(c, name, x, y, "bool"), want, bool, f"{name} of {a!r} and {b!r}")


@pytest.mark.parametrize("name", sorted(BITS))
@cases("bits", 5)
def test_bits(c, name):
    a, b, x, y = pair(c, dtypes=("int64", "bool", "uint8", "int32", "int8", "int16"))
    if isinstance(b, float):
        b = y = 5
    t = promoted(a, b)
    compare(binary_call(c, name, x, y, t), BITS[name](*in_dtype(t, a, b)), t, f"{name} of {a!r} and {b!r}")
