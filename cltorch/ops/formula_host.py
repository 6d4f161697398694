"""The host's reading of a formula: mathematics on NumPy arrays under the names that formulas use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch.ops.elementary import erfinv_on_host
from cltorch.ops.erf import erf, erfc
from cltorch.ops.formula import FORMULAS


class Host:
    """Offer the mathematics of NumPy under the names that formulas use."""

    where = staticmethod(np.where)
    logical_not = staticmethod(np.logical_not)
    abs = staticmethod(np.abs)
    isnan = staticmethod(np.isnan)
    maximum = staticmethod(np.maximum)
    minimum = staticmethod(np.minimum)
    asin, acos, atan = staticmethod(np.arcsin), staticmethod(np.arccos), staticmethod(np.arctan)
    asinh, acosh, atanh = staticmethod(np.arcsinh), staticmethod(np.arccosh), staticmethod(np.arctanh)
    atan2 = staticmethod(np.arctan2)
    erf, erfc = staticmethod(erf), staticmethod(erfc)

    def erfinv(self, x: Any) -> Any:
        return erfinv_on_host(x) if x.dtype == np.float32 else FORMULAS["erfinv"](self, x)

    @staticmethod
    def conj(x: Any) -> Any:
        return np.conjugate(x) if np.iscomplexobj(x) else x

    @staticmethod
    def real_part(x: Any) -> Any:
        return np.real(x)

    @staticmethod
    def imag_part(x: Any) -> Any:
        return np.imag(x)

    @staticmethod
    def angle(x: Any) -> Any:
        if np.iscomplexobj(x):
            return np.arctan2(np.imag(x), np.real(x))
        return np.where(x != x, x, np.where(x < 0, math.pi, 0))

    @staticmethod
    def sgn(x: Any) -> Any:
        if not np.iscomplexobj(x):
            return HOST.sign(x)
        size = np.abs(x)
        size = np.where(size == 0, 1, size)
        found = np.empty_like(x)  # part by part: what is infinite along one axis has no part along the other
        found.real, found.imag = x.real / size, x.imag / size
        return np.where(x == 0, 0, found)

    @staticmethod
    def floor(x: Any) -> Any:
        return np.floor(x) if x.dtype.kind == "f" else x

    @staticmethod
    def ceil(x: Any) -> Any:
        return np.ceil(x) if x.dtype.kind == "f" else x

    @staticmethod
    def trunc(x: Any) -> Any:
        return np.trunc(x) if x.dtype.kind == "f" else x

    @staticmethod
    def round(x: Any) -> Any:
        return np.rint(x) if x.dtype.kind == "f" else x

    @staticmethod
    def sign(x: Any) -> Any:
        return (x > 0).astype(x.dtype) - (x < 0) if x.dtype.kind in "if" else x > 0

    @staticmethod
    def shift_left(a: Any, b: Any) -> Any:
        width = np.result_type(a, b).itemsize * 8
        inside = (np.asarray(b) >= 0) & (np.asarray(b) < width)
        return np.where(inside, np.left_shift(a, np.where(inside, b, 0).astype(np.result_type(b))), 0)

    @staticmethod
    def shift_right(a: Any, b: Any) -> Any:
        t = np.result_type(a, b)
        inside = (np.asarray(b) >= 0) & (np.asarray(b) < t.itemsize * 8)
        moved = np.right_shift(a, np.where(inside, b, t.itemsize * 8 - 1).astype(np.result_type(b)))
        return moved if t.kind == "i" else np.where(inside, moved, 0)

    @staticmethod
    def rounded_off(a: Any, b: Any, product: Any) -> Any:
        """Return what a product of two numbers of moderate size lost when it was rounded."""
        if np.result_type(a, b) == np.float32:
            return (np.float64(a) * np.float64(b) - product).astype(np.float32)
        (a, c), (b, d) = _halves(a), _halves(b)
        return ((a * b - product) + a * d + c * b) + c * d

    @staticmethod
    def rsqrt(x: Any) -> Any:
        return 1 / np.sqrt(x)

    @staticmethod
    def reciprocal(x: Any) -> Any:
        return 1 / x

    @staticmethod
    def divide_floor(a: Any, b: Any) -> Any:
        if np.result_type(a, b).kind == "f":
            return np.where(np.asarray(b) == 0, np.divide(a, b), np.floor_divide(a, b))
        _refuse_zero(a, b)
        return np.floor_divide(a, b)

    @staticmethod
    def divide_trunc(a: Any, b: Any) -> Any:
        if np.result_type(a, b).kind == "f":
            return np.trunc(np.divide(a, b))
        _refuse_zero(a, b)
        q = np.floor_divide(a, b)
        return q + ((a - q * b != 0) & ((np.asarray(a) < 0) != (np.asarray(b) < 0)))

    @staticmethod
    def remainder(a: Any, b: Any) -> Any:
        if np.result_type(a, b).kind == "f":
            # np.remainder gives NaN for a finite value and an infinite divisor of the other sign; PyTorch gives inf
            r = np.fmod(a, b)
            return np.where((r != 0) & ((r < 0) != (np.asarray(b) < 0)), r + b, r)
        _refuse_zero(a, b)
        return np.remainder(a, b)

    @staticmethod
    def fmod(a: Any, b: Any) -> Any:
        if np.result_type(a, b).kind != "f":
            _refuse_zero(a, b)
        return np.fmod(a, b)

    @staticmethod
    def pow(a: Any, b: Any) -> Any:
        kind = np.result_type(a, b)
        if kind.kind in "fc":
            return np.power(a, b)
        safe = np.power(a, np.where(np.asarray(b) < 0, 0, b))
        small = np.where(
            np.asarray(a) == 1, 1, np.where(np.asarray(a) == -1, np.where(np.asarray(b) % 2 != 0, -1, 1), 0)
        )
        return np.where(np.asarray(b) < 0, small, safe).astype(kind)

    @staticmethod
    def loop(limit: int, state: Sequence[Any], go: Callable[..., Any], step: Callable[..., Sequence[Any]]) -> Any:
        held = list(state)
        for _ in range(limit):
            going = np.asarray(go(*held))
            if not going.any():
                break
            fresh = step(*held)
            t = np.result_type(*(v for v in fresh if hasattr(v, "dtype") and v.dtype.kind == "f"))
            held = [np.where(going, new, old).astype(t, copy=False) for new, old in zip(fresh, held, strict=True)]
        return held

    def __getattr__(self, name: str) -> Any:
        if name in FORMULAS:
            return lambda *args: FORMULAS[name](self, *args)
        return getattr(np, name)


HOST = Host()


def _refuse_zero(a: Any, b: Any) -> None:
    if np.any(np.asarray(b) == 0) and np.broadcast(a, b).size:
        raise RuntimeError("ZeroDivisionError")


def _halves(x: Any) -> tuple[Any, Any]:
    """Return a double as the sum of two numbers of 26 bits."""
    wide = x * (2.0**27 + 1)
    upper = wide - (wide - x)
    return upper, x - upper
