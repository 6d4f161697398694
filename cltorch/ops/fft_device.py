"""Discrete Fourier transforms on an OpenCL device, by the plans of VkFFT (``cltorch/device/fourier.py``).

All three are made of two kinds of plans, so that few are compiled: complex ones over some axes, and real ones over the
last axis alone. VkFFT takes contiguous operands; copies by our own kernels bring others into that order. Each function
returns None where there is no plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch.dtypes import float64
from cltorch.ops.array import empty, view
from cltorch.ops.complex_formula import as_real, part
from cltorch.ops.evaluate import Formula, run_into
from cltorch.ops.strided import copy_into, fill

_SCALED = Formula("scaled", lambda m, x, s: x * s, params=1)


def c2c(x: Any, dims: tuple[int, ...], scale: float, forward: bool) -> Any:
    """Return the transform of complex numbers, or real ones, in one direction, times ``scale``."""
    plans = _complex_plans(x, x.shape, dims)
    if plans is None:
        return None
    t = x.dtype.to_complex()
    y = _dense(x) if x.dtype is t and plans else _copied(x, t)
    return _times(_transformed(y, plans, forward), _factor(x.shape, dims, scale, forward))


def r2c(x: Any, dims: tuple[int, ...], scale: float, weighted: bool) -> Any:
    """Return half of the spectrum of real numbers; ``weighted``: what stands for its conjugate too, twice."""
    last, n = dims[-1], x.shape[dims[-1]]
    line = _last(x, last)
    half = [*line.shape[:-1], n // 2 + 1]
    there = _places(dims[:-1], last)
    plans, real = _complex_plans(x, half, there), _real_plan(x, line.shape)
    if plans is None or real is None:
        return None
    t = x.dtype.to_complex()
    if n == 1:
        y = _copied(line, t)
    else:
        y = empty(half, t, x.device)
        if y.lay.numel:
            _run(real[0], _dense(line), y, True)
    y = _transformed(y, plans, True)
    _times(y, scale)
    if weighted and n > 2:
        _times(view(y, y.lay.narrow(-1, 1, (n - 1) // 2)), 2.0)
    return _back(y, last)


def c2r(x: Any, dims: tuple[int, ...], n: int, scale: float, weighted: bool) -> Any:
    """Return n real numbers along the last of the dimensions from half of their spectrum."""
    last = dims[-1]
    line = _last(x, last)
    if line.shape[-1] != n // 2 + 1:
        return None
    there = _places(dims[:-1], last)
    shape = [*line.shape[:-1], n]
    plans, real = _complex_plans(x, line.shape, there), _real_plan(x, shape)
    if plans is None or real is None:
        return None
    t = x.dtype.to_complex()
    y = _dense(line) if x.dtype is t and plans else _copied(line, t)
    y = _transformed(y, plans, False)
    # the frequencies that are their own conjugates are real; VkFFT would not look at that
    for k in {0, n // 2} if n % 2 == 0 else {0}:
        fill(_imaginary(y, k), 0.0)
    if weighted and n > 2:
        _times(view(y, y.lay.narrow(-1, 1, (n - 1) // 2)), 0.5)
    out = empty(shape, x.dtype.to_real(), x.device)
    if n == 1:
        copy_into(out, part(y, 0))
    elif out.lay.numel:
        _run(real[0], y, out, False)
    return _back(_times(out, _factor(shape, (*there, -1), scale, False)), last)


# ---- plans -------------------------------------------------------------------------------------------------------
def _double(x: Any) -> bool:
    return x.dtype.to_real() is float64


def _complex_plans(x: Any, shape: Sequence[int], dims: Sequence[int]) -> list[Any] | None:
    """Return the plans that one after the other transform complex numbers along some dimensions; None: there are none.

    One for all dimensions; where there is no such, one for each.
    """
    fourier = x.device.context.fourier
    if not math.prod(shape):
        return []
    sizes, axes = _merged(shape, dims)
    if not axes:
        return []
    whole = fourier.plan(sizes, axes, _double(x), False)
    if whole is not None:
        return [whole]
    if len(axes) == 1:
        return None
    single = [_merged(sizes, (axis,)) for axis in axes]
    plans = [fourier.plan(*each, _double(x), False) for each in single]
    return None if None in plans else plans


def _real_plan(x: Any, shape: Sequence[int]) -> tuple[Any] | None:
    """Return the plan along the last dimension of real numbers, (None,) where nothing is to be done; None: no plan."""
    if not math.prod(shape) or shape[-1] == 1:
        return (None,)
    lines = math.prod(shape[:-1]), shape[-1]
    plan = x.device.context.fourier.plan(lines, (1,), _double(x), True)
    return None if plan is None else (plan,)


def _merged(shape: Sequence[int], dims: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a shape and the axes in it of the same transform, without sizes of 1 and with neighbours in one."""
    sizes: list[int] = []
    axes: list[int] = []
    for d, n in enumerate(shape):
        if n == 1:
            continue
        if d in dims:
            axes.append(len(sizes))
        elif sizes and len(sizes) - 1 not in axes:
            sizes[-1] *= n
            continue
        sizes.append(n)
    return tuple(sizes), tuple(axes)


def _factor(shape: Sequence[int], dims: Sequence[int], scale: float, forward: bool) -> float:
    """Return what is left of a scale after a plan, which divides on the way back."""
    left = scale if forward else scale * math.prod(shape[d] for d in dims)
    return 1.0 if abs(left - 1) < 1e-14 else left


# ---- arrays ------------------------------------------------------------------------------------------------------
def _run(plan: Any, x: Any, out: Any, forward: bool) -> None:
    x.device.context.fourier.run(plan, x._storage.buf, out._storage.buf, forward)


def _transformed(y: Any, plans: list[Any], forward: bool) -> Any:
    """Return y after some plans."""
    for plan in plans:
        out = empty(y.shape, y.dtype, y.device)
        _run(plan, y, out, forward)
        y = out
    return y


def _copied(x: Any, t: Any) -> Any:
    """Return a contiguous copy in a dtype."""
    out = empty(x.shape, t, x.device)
    copy_into(out, x)
    return out


def _dense(x: Any) -> Any:
    """Return an Array that lies contiguous at the beginning of its storage: itself, or a copy."""
    return x if x.lay.contiguous and not x.lay.offset else _copied(x, x.dtype)


def _last(x: Any, dim: int) -> Any:
    """Return a view with one dimension after all others."""
    order = [d for d in range(x.lay.ndim) if d != dim]
    return view(x, x.lay.permute([*order, dim]))


def _back(x: Any, dim: int) -> Any:
    """Return an Array with its last dimension in the place ``dim``, contiguous."""
    order = list(range(x.lay.ndim - 1))
    order.insert(dim, x.lay.ndim - 1)
    return x if dim == len(order) - 1 else _dense(view(x, x.lay.permute(order)))


def _places(dims: Sequence[int], last: int) -> tuple[int, ...]:
    """Return where dimensions are after ``last`` was moved behind all others."""
    return tuple(d - (d > last) for d in dims)


def _imaginary(x: Any, k: int) -> Any:
    """Return the imaginary parts at the place k of the last dimension, on the same memory."""
    return part(view(x, x.lay.select(-1, k)), 1)


def _times(x: Any, factor: float) -> Any:
    """Multiply an Array by a number in place, and return it."""
    if factor != 1 and x.lay.numel:
        numbers = as_real(x) if x.dtype.is_complex else x
        run_into(_SCALED, numbers.dtype, [numbers], (factor,), [numbers])
    return x
