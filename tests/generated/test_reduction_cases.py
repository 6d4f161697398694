"""Reductions and scans in generated cases: dims, keepdim, dtype= and out= against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from tests.generated.drawing import REAL, SHAPES, cases, compare, draw, wide


def whole_sums(t):
    return t if t.kind == "f" else np.dtype("int64")


# name: reference, dtypes, result dtype, whether several dims may be given, whether empty dims have a result
REDUCTIONS = {
    "sum": (np.sum, REAL, whole_sums, True, True),
    "nansum": (np.nansum, REAL, whole_sums, True, True),
    "prod": (np.prod, REAL, whole_sums, False, True),
    "mean": (np.mean, REAL[:3], lambda t: t, True, True),
    "nanmean": (np.nanmean, REAL[:2], lambda t: t, True, True),
    "amax": (np.max, REAL, lambda t: t, True, False),
    "amin": (np.min, REAL, lambda t: t, True, False),
    "all": (np.all, REAL, lambda t: t if t == np.uint8 else np.dtype(bool), True, True),
    "any": (np.any, REAL, lambda t: t if t == np.uint8 else np.dtype(bool), True, True),
    "argmax": (np.argmax, ("int64", "int32", "int8", "float32"), lambda t: np.dtype("int64"), False, False),
    "argmin": (np.argmin, ("int64", "int32", "int8", "float32"), lambda t: np.dtype("int64"), False, False),
    "logsumexp": (lambda a, axis, keepdims: np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims)), REAL[:2],
                  lambda t: t, True, True),
    "count_nonzero": (np.count_nonzero, REAL, lambda t: np.dtype("int64"), True, True),
}  # fmt: skip
FORMS = frozenset("sum prod mean".split())  # take dtype=
DIMENSIONS = [s for s in SHAPES if s]


def some_dims(c, rank, several):
    """Return dims as NumPy takes them and as they are passed: none, one (perhaps negative) or several."""
    kind = c.number(4)
    if kind == 0 or not rank:
        return None
    first = c.number(rank)
    if kind == 3 and several and rank > 1:
        return (first, (first + 1) % rank - rank)
    return first - rank if kind == 2 else first


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
@cases("reductions", 14)
def test_reductions(c, name):
    reference, dtypes, result, several, empty = REDUCTIONS[name]
    a, x = draw(c, dtypes, "cpu", SHAPES if empty else [s for s in SHAPES if 0 not in s], name != "logsumexp")
    dim = some_dims(c, a.ndim, several)
    if dim is None and name == "logsumexp":
        dim = tuple(range(a.ndim))
    keepdim, t = c.yes(), result(a.dtype)
    if name == "count_nonzero":
        keepdim = False
    options, named = {"axis": dim, "keepdims": keepdim}, {}
    values = wide(a)
    if name in FORMS and c.yes():
        named["dtype"], t = cltorch.float64, np.dtype("float64")
        values = a.astype(np.float64)
    if name in ("sum", "prod", "nansum") and values.dtype.kind in "iub":
        values = values.astype(np.int64)
    want = reference(values, **options)
    if dim is None and name in ("prod", "argmax", "argmin") and keepdim:
        keepdim, want = False, reference(values, axis=None)  # PyTorch keeps dims only where it reduces along one
    form, call = c.number(4), getattr(cltorch, name)
    given = () if dim is None else (dim,)
    if name != "count_nonzero" and dim is not None and (keepdim or c.yes()):
        named["keepdim"] = keepdim
    elif keepdim:
        named["keepdim"] = keepdim
        given = (None,) if dim is None and name not in ("amax", "amin") else given
    if form == 1:
        got = getattr(x, name)(*given, **named)
    elif form == 2 and given and given[0] is not None:
        got = call(input=x, dim=given[0], **named)
    elif form == 3 and name not in ("count_nonzero", "nanmean") and (given or name not in ("prod", "sum")):
        out = cltorch.empty(0, dtype=getattr(cltorch, str(t)))
        got = call(x, *given, **named, out=out)
        assert got is out
    else:
        got = call(x, *given, **named)
    compare(got, np.asarray(want), t, f"{name} of {a!r} along {dim}", 5e-3 if t == np.float16 else None)


@pytest.mark.parametrize("name", ["var", "std", "var_mean"])
@cases("moments", 12)
def test_moments(c, name):
    a, x = draw(c, REAL[:2], "cpu", special=False)
    dim, correction, keepdim = some_dims(c, a.ndim, True), c.number(2), c.yes()
    got = getattr(cltorch, name)(x, dim=dim, correction=correction, keepdim=keepdim)
    n = a.size if dim is None else np.prod([a.shape[d] for d in np.atleast_1d(dim)])
    values = a.astype(np.float64)
    mean = np.sum(values, axis=dim, keepdims=True) / np.float64(n)
    squares = np.sum((values - mean) ** 2, axis=dim, keepdims=keepdim)
    want = squares / np.float64(max(n - correction, 0))
    if name == "var_mean":
        compare(got[1], mean if keepdim else mean.reshape(squares.shape), a.dtype, f"mean of {a!r}")
        got = got[0]
    compare(got, np.sqrt(want) if name == "std" else want, a.dtype, f"{name} of {a!r} along {dim}")


SCANS = {"cumsum": np.cumsum, "cumprod": np.cumprod, "cummax": np.maximum.accumulate,
         "cummin": np.minimum.accumulate}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SCANS))
@cases("scans", 12)
def test_scans(c, name):
    a, x = draw(c, REAL[:-1], "cpu", DIMENSIONS)
    d = c.number(a.ndim) - (a.ndim if c.yes() else 0)
    t = whole_sums(a.dtype) if name in ("cumsum", "cumprod") else a.dtype
    got = getattr(x, name)(d) if c.yes() else getattr(cltorch, name)(x, dim=d)
    values = wide(a) if a.dtype.kind == "f" else a.astype(t)
    if name in ("cummax", "cummin"):
        places = got.indices.numpy()
        got = got.values
        np.testing.assert_array_equal(np.take_along_axis(a, places, d), got.numpy())
    compare(got, SCANS[name](values, axis=d), t, f"{name} of {a!r} along {d}", 5e-3 if t == np.float16 else None)


@cases("differences", 12)
def test_differences(c):
    a, x = draw(c, REAL[:-1], "cpu", DIMENSIONS, special=False)
    d, n = c.number(a.ndim), c.number(3)
    compare(cltorch.diff(x, n, d), np.diff(a, n, d), a.dtype, f"diff of {a!r}", 5e-3 if a.dtype == "f2" else None)
