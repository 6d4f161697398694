"""Creation functions for numbers in order: arange, range, linspace, logspace."""

from __future__ import annotations

import math
import warnings
from typing import Any

from cltorch import dtypes
from cltorch.device import resolve
from cltorch.dtypes import TYPE_NAMES
from cltorch.dtypes import dtype as DType
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import (
    check_layout,
    finish,
    into,
    read_int,
    read_number,
    wanted_dtype,
)
from cltorch.functions.shape import reshape
from cltorch.ops import create as ops
from cltorch.ops.array import Array
from cltorch.ops.fallback import callers_level

__all__ = ["arange", "linspace", "logspace", "range"]


_MOST = 2**62  # more numbers than any memory holds


def _as_number(value: Any) -> Any:
    """Return a real number; raise RuntimeError for a complex one."""
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError("value cannot be converted to type double without overflow")
        return value.real
    return int(value) if isinstance(value, bool) else value


def into_line(out: Any, dtype: Any, result: Any, warns: bool = False) -> Any:
    """Store a line in ``out``, which keeps its shape where that has as many elements."""
    if isinstance(out, Array):
        if out.lay.numel == result.lay.numel:
            result = reshape(result, out.lay.shape)
        elif warns and out.lay.numel:
            warnings.warn(
                f"The number of elements in the out tensor of shape {list(out.lay.shape)} is {out.lay.numel}, "
                f"which does not match the computed number of elements {result.lay.numel}. The out tensor will be "
                f"resized to a tensor of shape {tuple(result.lay.shape)}.",
                stacklevel=callers_level(),
            )
            out.resize_(result.lay.shape)
    return into(out, dtype, result)


def arange(
    *args: Any,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """Return the numbers from ``start`` (0) up to but not including ``end``, ``step`` (1) apart.

    Called as ``arange(end)``, ``arange(start, end)`` or ``arange(start, end, step)``. Without ``dtype`` the result is
    int64 if all three are integers, else of the default floating type. Raises RuntimeError where the step is zero or
    leads away from the end, ValueError where it is zero as an integer of 64 bits.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.arange.html

    >>> import cltorch as torch
    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end, step = _bounds("arange", args, named)
    check_layout(layout, pin_memory)
    t = wanted_dtype("arange", out, dtype)
    if t is None:
        t = dtypes.int64 if all(isinstance(v, int) for v in (start, end, step)) else dtypes.get_default_dtype()
    if t is dtypes.bool_ or t.is_complex:
        raise NotImplementedError(f"\"arange\" not implemented for '{TYPE_NAMES[t]}'")
    n = None
    if step != step:
        raise RuntimeError("step must be nonzero")
    _check_direction(start, end, step)
    if abs(end - start) > abs(step) * _MOST:
        raise RuntimeError("invalid size, possible overflow?")
    if t.family in "ui":
        if t is not dtypes.int64:
            n = math.ceil((end - start) / step)  # narrower integers are counted as fractions, as in PyTorch
        start, end, step = int(start), int(end), int(step)
        if step == 0 and t is dtypes.int64:  # of a fraction; narrower integers repeat the start
            raise ValueError("step must be nonzero")
    if step != 0:
        _check_direction(start, end, step)
    if n is None:
        n = -(-(end - start) // step) if t.family in "ui" else math.ceil((end - start) / step)
    dev = out.device if out is not None else resolve(device)
    if t.family == "f":
        start, step = float(start), float(step)
    result = ops.spaced(int(n), start, 0, step, t, dev)
    return into_line(out, dtype, result, warns=True) if out is not None else finish(result, requires_grad)


def _bounds(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return start, end and step from any of the ways to give them."""
    if len(args) == 1 and "end" not in named:
        args = (named.pop("start", 0), args[0])
    given = dict(zip(("start", "end", "step"), args, strict=False))
    for key in list(named):
        if key in given or key not in ("start", "end", "step"):
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        given[key] = named.pop(key)
    if "end" not in given or len(args) > 3:
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got {len(args)} numbers, "
            "but expected (end), (start, end) or (start, end, step)"
        )
    numbers = [
        read_number(name, key, i + 1, given.get(key, default))
        for i, (key, default) in enumerate((("start", 0), ("end", 0), ("step", 1)))
    ]
    start, end, step = (_as_number(v) for v in numbers)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    return start, end, step


def _check_direction(start: float, end: float, step: float) -> None:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (step > 0 and start > end) or (step < 0 and start < end):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def range(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Return the numbers from ``start`` to ``end`` inclusive; deprecated in PyTorch in favour of arange.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.range.html

    >>> import cltorch as torch
    >>> torch.range(1, 3)
    tensor([1., 2., 3.])
    """
    if end is None:
        raise TypeError("range() missing 1 required positional argument: 'end'")
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=callers_level(),
    )
    low, high, gap = _bounds("range", (start, end, step), {})
    t = wanted_dtype("range", out, dtype, dtypes.get_default_dtype())
    _check_direction(low, high, gap)
    n = int((high - low) / gap) + 1
    if t.family == "f":
        low, gap = float(low), float(gap)
    result = ops.spaced(n, low, 0, gap, t, out.device if out is not None else resolve(device))
    return into_line(out, dtype, result, warns=True) if out is not None else finish(result, requires_grad)


def _ends(name: str, start: Any, end: Any, steps: Any) -> tuple[Any, Any, int]:
    for value in (start, end):
        if isinstance(value, Array) and value.lay.ndim != 0:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, "
                f"but got {'start' if value is start else 'end'} with {value.lay.ndim} dimension(s)."
            )
    low, high = read_number(name, "start", 1, start), read_number(name, "end", 2, end)
    if steps is None:
        raise TypeError(f"{name}() received an invalid combination of arguments: steps is missing")
    if isinstance(steps, float):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({type(start).__name__}, "
            f"{type(end).__name__}, float), but steps must be an int"
        )
    count = read_int(name, "steps", 3, steps)
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return low, high, count


def _line(n: int, low: float, high: float, t: DType, dev: Any, base: float | None) -> Any:
    step = (high - low) / (n - 1) if n > 1 else 0.0
    return ops.spaced(n, low, high, step, t, dev, 1 if n == 1 else n // 2, base)


def _evenly(
    name: str,
    start: Any,
    end: Any,
    steps: Any,
    base: float | None,
    out: Any,
    dtype: Any,
    layout: Any,
    device: Any,
    grad: bool,
) -> Any:
    check_layout(layout)
    if any(isinstance(x, Array) and x.device.type == "meta" for x in (start, end)):  # only its shape is known
        device = "meta"
        start, end = (0.0 if isinstance(x, Array) and not x.lay.ndim else x for x in (start, end))
    low, high, n = _ends(name, start, end, steps)
    t = dtypes.scalar_dtype(1j if isinstance(low, complex) or isinstance(high, complex) else 1.0)
    found = wanted_dtype(name, out, dtype, t)
    if t.is_complex and not found.is_complex:
        raise RuntimeError(f"{name}(): numbers of dtype {t} can't be safely cast to the dtype {found}")
    t = found
    if t is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if t.family in "ui":
        low, high = int(low), int(high)
    dev = out.device if out is not None else resolve(device)
    if t.is_complex:
        low, high = complex(low), complex(high)
        real = _line(n, low.real, high.real, t.to_real(), dev, None)
        imag = _line(n, low.imag, high.imag, t.to_real(), dev, None)
        result = p.add(real, p.mul(imag, 1j))
        if base is not None:
            result = p.pow(base, result)
    else:
        result = _line(n, float(low), float(high), t, dev, base)
    return into_line(out, dtype, result) if out is not None else finish(result, grad)


def linspace(
    start: Any,
    end: Any,
    steps: int | None = None,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return ``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linspace.html

    >>> import cltorch as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    return _evenly("linspace", start, end, steps, None, out, dtype, layout, device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int | None = None,
    base: float = 10.0,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return ``steps`` numbers from ``base ** start`` to ``base ** end``, evenly spaced on a logarithmic scale.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.logspace.html

    >>> import cltorch as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    return _evenly("logspace", start, end, steps, float(base), out, dtype, layout, device, requires_grad)
