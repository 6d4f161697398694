"""What the generated tests draw and how they compare: tensors of awkward shapes and strides, with NumPy beside them.

Hypothesis draws a string of bytes for each example, and every case of it reads its choices from there one after the
other: that is quick, and a failing example shrinks towards zeros, which are the simplest choices. NumPy's side shares
nothing with cltorch but the numbers; result dtypes follow from the rules below, written down anew.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import cltorch

CASES_PER_EXAMPLE = 20
BYTES_PER_CASE = 16
#: How many times as many examples as usual: for a long run, CLTORCH_CASES=20 python -m pytest tests/generated
FACTOR = int(os.environ.get("CLTORCH_CASES", "1"))
#: How many cases have run, by family.
COUNTS: Counter[str] = Counter()

SHAPES = [
    (3,), (), (2, 3), (1,), (0,), (3, 1), (1, 4), (2, 0, 3), (2, 3, 4), (5,), (2, 1, 3), (7, 5), (1, 1), (3, 4, 2),
    (2, 2, 2, 2), (33,), (17, 2), (4, 3),
]  # fmt: skip
FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int64", "int32", "uint8", "int16", "int8")
REAL = FLOATS + INTEGERS + ("bool",)
_PLAIN_NUMBERS = np.array([1, 2, -1, 3, -2, 0, 4, -3, 5, 7, -4, 6])
_FRACTIONS = np.array([0.5, 1.25, -0.75, 2.0, -1.5, 0.0, 3.25, -2.5, 0.125, 1.75, -0.25, 2.875])
_SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 1.5, -2.0, 0.0])


class Choices:
    """Read choices from a string of bytes; past its end every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, n: int) -> int:
        """Return a number from 0 to n - 1."""
        byte = self.data[self.at] if self.at < len(self.data) else 0
        self.at += 1
        return byte % n

    def of(self, options):
        """Return one of several options."""
        return options[self.number(len(options))]

    def yes(self) -> bool:
        """Return a truth value, False first."""
        return self.number(2) == 1


def cases(family: str, examples: int, size: int = BYTES_PER_CASE):
    """Make a test of a function ``case(c, device, …)`` that runs for many cases in each of many examples.

    A case has ``size`` bytes to choose by.
    """

    def decorate(case):
        def test(*args, **named):
            @settings(
                max_examples=examples * FACTOR, deadline=None, database=None, derandomize=True,
                suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
                # a case that names its whole call needs no shrinking
                phases=(Phase.explicit, Phase.generate, Phase.shrink)[: 3 if size == BYTES_PER_CASE else 2],
            )  # fmt: skip
            @given(data=st.binary(min_size=CASES_PER_EXAMPLE * size, max_size=CASES_PER_EXAMPLE * size))
            def run(data):
                with np.errstate(all="ignore"):
                    for i in range(CASES_PER_EXAMPLE):
                        part = data[i * size : (i + 1) * size]
                        # equal bytes in every case would be equal cases: the place counts too, but not for zeros
                        c = Choices(bytes((b * (2 * i + 1)) % 256 for b in part))
                        case(c, *args, **named)
                        COUNTS[family] += 1

            run()

        given_to_case = list(inspect.signature(case).parameters.values())[1:]
        test.__signature__ = inspect.Signature(given_to_case)  # what pytest looks at
        test.__name__ = test.__qualname__ = case.__name__
        return test

    return decorate


def numbers(c: Choices, shape, dtype: str, special: bool = True) -> np.ndarray:
    """Return values of a dtype, sometimes with NaN and infinities."""
    n = int(np.prod(shape))
    start, kind = c.number(12), c.number(4)
    if dtype == "bool":
        base = _PLAIN_NUMBERS > 0
    elif dtype in FLOATS:
        base = _SPECIAL if kind == 3 and special else _FRACTIONS
    else:
        base = np.abs(_PLAIN_NUMBERS) if dtype == "uint8" else _PLAIN_NUMBERS
    return np.resize(np.roll(base, -start), n).reshape(shape).astype(dtype)


def laid_out(c: Choices, a: np.ndarray, device: str):
    """Return a tensor of these values: contiguous, or with permuted, wide or shifted strides."""
    kind = c.number(4)
    if kind == 1 and a.ndim > 1:
        order = tuple(reversed(range(a.ndim)))
        return cltorch.tensor(np.ascontiguousarray(a.transpose(order)), device=device).permute(order)
    if kind == 2 and a.ndim:
        wide = np.zeros((*a.shape[:-1], a.shape[-1] * 2 + 1), a.dtype)
        wide[..., 1::2] = a
        return cltorch.tensor(wide, device=device)[..., 1::2]
    if kind == 3 and a.ndim:
        longer = np.zeros((a.shape[0] + 1, *a.shape[1:]), a.dtype)
        longer[1:] = a
        return cltorch.tensor(longer, device=device)[1:]
    return cltorch.tensor(a, device=device)


def draw(c: Choices, dtypes, device: str, shapes=SHAPES, special: bool = True):
    """Return an array and a tensor of the same values."""
    a = numbers(c, c.of(shapes), c.of(dtypes), special)
    return a, laid_out(c, a, device)


_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2}


def promoted(*arrays) -> np.dtype:
    """Return PyTorch's result dtype: tensors of dimensions before 0-d ones before Python's numbers, by category."""
    groups = [[], [], []]
    for a in arrays:
        if not isinstance(a, np.ndarray):
            kind = np.dtype({bool: "bool", int: "int64", float: "float32"}[type(a)])
            groups[2].append(kind)
        else:
            groups[0 if a.ndim else 1].append(a.dtype)
    result = None
    for group in groups:
        if not group:
            continue
        kind = group[0]
        for other in group[1:]:
            kind = _pair(kind, other)
        if result is None or _CATEGORY[kind.kind] > _CATEGORY[result.kind]:
            result = kind
    return result


def _pair(a: np.dtype, b: np.dtype) -> np.dtype:
    if _CATEGORY[a.kind] != _CATEGORY[b.kind]:
        return a if _CATEGORY[a.kind] > _CATEGORY[b.kind] else b
    return np.promote_types(a, b)


def floating(t: np.dtype) -> np.dtype:
    """Return the dtype of a function of fractions: float32 for integers."""
    return t if t.kind == "f" else np.dtype("float32")


_TOLERANCE = {"float16": 3e-3, "float32": 3e-5, "float64": 1e-11}


def compare(got, want, dtype=None, what: str = "", rtol: float | None = None) -> None:
    """Assert that a tensor has the values of an array, its shape, and a dtype."""
    want = np.asarray(want)
    assert isinstance(got, cltorch.Tensor), f"{what}: {type(got)}"
    assert tuple(got.shape) == want.shape, f"{what}: shape {tuple(got.shape)}, but {want.shape} expected"
    found = got.numpy(force=True)
    if dtype is not None:
        assert found.dtype == np.dtype(dtype), f"{what}: dtype {found.dtype}, but {np.dtype(dtype)} expected"
    if found.dtype.kind != "f":
        assert (found == want).all(), f"{what}: {found} but {want} expected"
        return
    tolerance = rtol or _TOLERANCE[found.dtype.name]
    with np.errstate(all="ignore"):
        want = want.astype(found.dtype) if want.dtype.kind == "f" else want  # overflows as the dtype does
        np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance, err_msg=what)


def wide(a):
    """Return values in double precision, in which references are computed."""
    return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
