"""Comparing and making tensors in tests: torch.testing.

Source: https://docs.pytorch.org/docs/2.13/testing.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes, functions
from cltorch.dtypes import dtype
from cltorch.tensor import Tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# what PyTorch allows by default: (relative, absolute)
_TOLERANCE = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, (bool, int, float, complex, np.ndarray, np.generic)):
        return functions.as_tensor(value)
    return None


def _fail(text: str, where: str, msg: Any) -> None:
    text = f"{text}\n\nThe failure occurred for item {where}" if where else text
    raise AssertionError(msg(text) if callable(msg) else text if msg is None else msg)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless two tensors, numbers, or sequences or mappings of them are close.

    Close is ``|actual - expected| <= atol + rtol * |expected|``; the tolerances follow from the dtypes by default.

    >>> import cltorch as torch
    >>> assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    checks = {"device": check_device, "dtype": check_dtype, "stride": check_stride}
    _compare(actual, expected, (rtol, atol), equal_nan, checks, msg, "")


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True,
    msg: str = "",
) -> None:  # fmt: skip
    """Do what ``assert_close`` does, without a look at dtypes and devices."""
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=False, check_dtype=False,
        msg=msg or None,
    )  # fmt: skip


def _compare(
    actual: Any, expected: Any, tolerance: Any, equal_nan: bool, checks: dict[str, bool], msg: Any, where: str
) -> None:
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            _fail(f"The keys of the mappings do not match: {sorted(actual)} and {sorted(expected)}", where, msg)
        for key in actual:
            _compare(actual[key], expected[key], tolerance, equal_nan, checks, msg, f"{where}[{key!r}]")
        return
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            _fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where, msg)
        for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, b, tolerance, equal_nan, checks, msg, f"{where}[{i}]")
        return
    if actual is None or expected is None:
        if actual is not expected:
            _fail(f"None mismatch: {actual} is not {expected}", where, msg)
        return
    numbers = [isinstance(x, (bool, int, float, complex)) for x in (actual, expected)]
    a, b = _as_tensor(actual), _as_tensor(expected)
    if a is None or b is None or numbers[0] != numbers[1]:
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")
    _compare_tensors(a, b, isinstance(actual, Tensor) or isinstance(expected, Tensor), tolerance, equal_nan,
                     checks, msg, where)  # fmt: skip


def _compare_tensors(
    a: Tensor, b: Tensor, tensors: bool, tolerance: Any, equal_nan: bool, checks: dict[str, bool], msg: Any, where: str
) -> None:
    if tuple(a.shape) != tuple(b.shape):
        _fail(f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}.", where, msg)
    for name, wanted in checks.items():
        if not wanted or not tensors:
            continue
        mine, other = (x.stride() if name == "stride" else getattr(x, name) for x in (a, b))
        if mine != other:
            _fail(f"The values for attribute '{name}' do not match: {mine} != {other}.", where, msg)
    rtol, atol = tolerance
    if rtol is None:
        pairs = [_TOLERANCE.get(x.dtype, (0.0, 0.0)) for x in (a, b)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    x, y = _numbers(a), _numbers(b)
    with np.errstate(all="ignore"):
        close = np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)
        if close.all():
            return
        apart = np.abs(x - y)
        relative = apart / np.abs(y)
    wrong = int((~close).sum())
    if not a.shape:
        _fail(
            f"Scalars are not close!\n\nExpected {y} but got {x}.\nAbsolute difference: {apart} (up to {atol} allowed)"
            f"\nRelative difference: {relative} (up to {rtol} allowed)", where, msg,
        )  # fmt: skip
    at, by = (
        np.unravel_index(int(np.nanargmax(np.where(close, -1, np.nan_to_num(d, nan=np.inf)))), d.shape)
        for d in (apart, relative)
    )
    _fail(
        f"Tensor-likes are not close!\n\nMismatched elements: {wrong} / {close.size} ({wrong / close.size:.1%})\n"
        f"Greatest absolute difference: {apart[at]} at index {tuple(map(int, at))} (up to {atol} allowed)\n"
        f"Greatest relative difference: {relative[by]} at index {tuple(map(int, by))} (up to {rtol} allowed)",
        where, msg,
    )  # fmt: skip


def _numbers(x: Tensor) -> np.ndarray:
    x = x.cpu()
    if x.dtype.opaque:
        x = x.float()
    values = x.numpy()
    # an extended float holds every int64, which a float64 does not
    if values.dtype.kind == "c":
        return values.astype(np.complex128)
    return values.astype(np.float64 if values.dtype.kind == "f" else np.longdouble)


def _check_range(low: float, high: float) -> None:
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
    if low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")


def make_tensor(
    *shape: int | Sequence[int], dtype: dtype, device: Any, low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return a tensor of random numbers from [low, high): by default [-9, 9), [0, 10) for uint8 and bool's two.

    >>> import cltorch as torch
    >>> make_tensor(2, 3, dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    if low is not None or high is not None:
        _check_range(-math.inf if low is None else low, math.inf if high is None else high)
    if requires_grad and not dtype.differentiable:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if dtype is dtypes.bool_:
        made = functions.randint(0, 2, sizes, device=device, dtype=dtype)
    elif dtype.differentiable:
        first, last = -9.0 if low is None else low, 9.0 if high is None else high
        middle = first * (1 + 1j) if dtype.is_complex else first
        made = functions.rand(sizes, device=device, dtype=dtype) * (last - first) + middle
    else:
        whole_low, whole_high = (0 if dtype is dtypes.uint8 else -9), 10
        made = functions.randint(
            whole_low if low is None else int(low), whole_high if high is None else int(high), sizes,
            device=device, dtype=dtype,
        )  # fmt: skip
    if exclude_zero:
        made = functions.where(made == 0, functions.ones_like(made), made)
    if noncontiguous and made.numel() > 1:
        made = functions.repeat_interleave(made, 2, dim=-1)[..., ::2]
    if memory_format is not None:
        made = made.contiguous(memory_format=memory_format)
    return made.requires_grad_() if requires_grad else made
