"""Creation functions: empty, zeros, ones, full, arange, linspace, eye and their ``*_like`` and ``new_*`` forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.device import Storage, resolve
from cltorch.dtypes import dtype as DType
from cltorch.functions.arguments import (
    SCALAR_NAMES,
    check_layout,
    finish,
    into,
    need_array,
    read_dtype,
    read_int,
    read_number,
    read_size,
)
from cltorch.layout import Layout, Size
from cltorch.ops import create as ops
from cltorch.ops.array import Array, check_dtype
from cltorch.ops.array import empty as empty_array

__all__ = [
    "arange", "empty", "empty_like", "empty_permuted", "empty_strided", "eye", "full", "full_like", "linspace",
    "logspace", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros", "ones", "ones_like", "range",
    "scalar_tensor", "zeros", "zeros_like",
]  # fmt: skip

_range = range  # the function of PyTorch's name below hides Python's


def _checked_fill(value: Any, t: DType) -> Any:
    """Return the number that an element becomes; raise RuntimeError where an integer type cannot hold it."""
    if t.kind in "ui":
        if isinstance(value, float) and not math.isfinite(value):
            raise RuntimeError(f"value cannot be converted to type {t.name} without overflow")
        value = int(value)
        limits = dtypes.iinfo(t)
        lowest = -limits.max if t.kind == "u" else limits.min
        if not lowest <= value <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {t.name} without overflow")
        if t.kind == "u":
            value &= limits.max
    return value


def _filled(
    name: str, size: Any, value: Any, out: Any, dtype: Any, layout: Any, device: Any, pin_memory: bool, requires_grad: bool
) -> Any:
    check_layout(layout, pin_memory)
    t = read_dtype(name, dtype)
    if out is not None:
        need_array(name, "out", len(size) + 1, out)
        return into(out, t, ops.full(read_size(name, size), _checked_fill(value, out.dtype), out.dtype, out.device))
    if t is None:
        t = dtypes.get_default_dtype()
    return finish(ops.full(read_size(name, size), _checked_fill(value, t), t, resolve(device)), requires_grad)


def _sizes(name: str, size: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Let ``size`` be a keyword too."""
    if "size" in named:
        if size:
            raise TypeError(f"{name}() got multiple values for argument 'size'")
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    if not size:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    return size


def empty(
    *size: Any,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
    **named: Any,
) -> Any:
    """Return a tensor of a given size whose values are whatever lay in its memory.

    ``size`` is a sequence of integers or the integers one by one.
    https://docs.pytorch.org/docs/2.13/generated/torch.empty.html

    >>> import cltorch as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    check_layout(layout, pin_memory)
    t = read_dtype("empty", dtype)
    shape = read_size("empty", _sizes("empty", size, named))
    if out is not None:
        return out.resize_(shape)
    return finish(empty_array(shape, t or dtypes.get_default_dtype(), resolve(device)), requires_grad)


def zeros(
    *size: Any,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """Return a tensor of zeros.

    https://docs.pytorch.org/docs/2.13/generated/torch.zeros.html

    >>> import cltorch as torch
    >>> torch.zeros(2)
    tensor([0., 0.])
    """
    return _filled("zeros", _sizes("zeros", size, named), 0, out, dtype, layout, device, pin_memory, requires_grad)


def ones(
    *size: Any,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """Return a tensor of ones.

    https://docs.pytorch.org/docs/2.13/generated/torch.ones.html

    >>> import cltorch as torch
    >>> torch.ones(2, dtype=torch.int64)
    tensor([1, 1])
    """
    return _filled("ones", _sizes("ones", size, named), 1, out, dtype, layout, device, pin_memory, requires_grad)


def full(
    size: Sequence[int],
    fill_value: Any,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return a tensor with one value in every element; without ``dtype`` the value decides (bool, int64 or float).

    https://docs.pytorch.org/docs/2.13/generated/torch.full.html

    >>> import cltorch as torch
    >>> torch.full((2,), 3.5)
    tensor([3.5000, 3.5000])
    """
    if not isinstance(size, Sequence) or isinstance(size, str):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    value = read_number("full", "fill_value", 2, fill_value)
    if dtype is None and out is None:
        dtype = fill_value.dtype if isinstance(fill_value, Array) else dtypes.scalar_dtype(value)
    return _filled("full", (size,), value, out, dtype, layout, device, pin_memory, requires_grad)


# ---- like another tensor -----------------------------------------------------------------------------------------
def _same_order(layout: Layout) -> Layout:
    """Return a gapless layout whose dimensions lie in memory in the order of another's."""
    if layout.contiguous:
        return Layout.of(layout.shape)
    shape, strides = layout.shape, layout.strides
    order = list(_range(layout.ndim))[::-1]  # innermost first
    for i in _range(1, layout.ndim):
        at = i
        for before in _range(i - 1, -1, -1):
            a, b = order[before], order[at]
            if strides[a] == 0 or strides[b] == 0:
                continue  # an expanded dimension has no place of its own in memory
            if strides[a] < strides[b] or (strides[a] == strides[b] and shape[a] <= shape[b]):
                break
            order[before], order[at] = b, a
            at = before
    dense, step = [0] * layout.ndim, 1
    for d in order:
        dense[d] = step
        step *= max(shape[d], 1)
    return Layout.make(shape, dense, 0)


def like(name: str, x: Any, dtype: Any, device: Any, layout: Any = None, memory_format: Any = None) -> tuple[Any, Any]:
    """Return an uninitialised tensor that resembles another, and the same memory as a flat array to be filled."""
    need_array(name, "input", 1, x)
    check_layout(layout)
    t = read_dtype(name, dtype, x.dtype)
    dev = x.device if device is None else resolve(device)
    plain = memory_format is not None and str(memory_format) == "torch.contiguous_format"
    lay = Layout.of(x.shape) if plain else _same_order(x.layout)
    check_dtype(t, dev)
    storage = Storage.allocate(lay.numel * t.itemsize, dev)
    return Array.new(storage, lay, t), Array.new(storage, Layout.of((lay.numel,)), t)


def _like_filled(name: str, x: Any, value: Any, dtype: Any, device: Any, layout: Any, memory_format: Any, grad: bool) -> Any:
    out, flat = like(name, x, dtype, device, layout, memory_format)
    ops.fill(flat, _checked_fill(value, out.dtype))
    return finish(out, grad)


def empty_like(
    input: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return an uninitialised tensor with the size, dtype, device and order in memory of another.

    https://docs.pytorch.org/docs/2.13/generated/torch.empty_like.html
    """
    return finish(like("empty_like", input, dtype, device, layout, memory_format)[0], requires_grad)


def zeros_like(
    input: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return zeros with the size, dtype and device of another tensor.

    https://docs.pytorch.org/docs/2.13/generated/torch.zeros_like.html
    """
    return _like_filled("zeros_like", input, 0, dtype, device, layout, memory_format, requires_grad)


def ones_like(
    input: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return ones with the size, dtype and device of another tensor.

    https://docs.pytorch.org/docs/2.13/generated/torch.ones_like.html
    """
    return _like_filled("ones_like", input, 1, dtype, device, layout, memory_format, requires_grad)


def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return one value in a tensor with the size, dtype and device of another.

    https://docs.pytorch.org/docs/2.13/generated/torch.full_like.html
    """
    value = read_number("full_like", "fill_value", 2, fill_value)
    return _like_filled("full_like", input, value, dtype, device, layout, memory_format, requires_grad)


# ---- Tensor.new_* ------------------------------------------------------------------------------------------------
def new_empty(self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Any:
    """Return an uninitialised tensor of another size with this dtype and device."""
    return empty(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)


def new_zeros(self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Any:
    """Return zeros of another size with this dtype and device."""
    return zeros(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)


def new_ones(self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Any:
    """Return ones of another size with this dtype and device."""
    return ones(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)


def new_full(
    self: Any, size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Return one value in a tensor of another size with this dtype and device."""
    return full(
        size, fill_value, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, layout=layout
    )


def new_empty_strided(
    self: Any, size: Sequence[int], stride: Sequence[int], dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Return an uninitialised tensor of given strides with this dtype and device."""
    return empty_strided(
        size, stride, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, layout=layout
    )


# ---- strides -----------------------------------------------------------------------------------------------------
def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return an uninitialised tensor of given sizes and strides, on as much memory as they reach.

    https://docs.pytorch.org/docs/2.13/generated/torch.empty_strided.html

    >>> import cltorch as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    check_layout(layout, pin_memory)
    shape, steps = read_size("empty_strided", (tuple(size),)), tuple(stride)
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(steps)})"
        )
    if any(s < 0 for s in steps):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(steps)}")
    t, dev = read_dtype("empty_strided", dtype, dtypes.get_default_dtype()), resolve(device)
    check_dtype(t, dev)
    lay = Layout.make(shape, steps, 0)
    return finish(Array.new(Storage.allocate(lay.extent() * t.itemsize, dev), lay, t), requires_grad)


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return an uninitialised gapless tensor whose dimensions lie in memory in a given order, outermost first.

    https://docs.pytorch.org/docs/2.13/generated/torch.empty_permuted.html

    >>> import cltorch as torch
    >>> torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
    (3, 1, 6)
    """
    shape, order = read_size("empty_permuted", (tuple(size),)), tuple(physical_layout)
    if len(shape) != len(order):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = {len(shape)} "
            f"is not equal to len(physical_layout) = {len(order)}"
        )
    if sorted(order) != list(_range(len(order))):
        raise RuntimeError(f"Dimension out of range or duplicate in physical_layout {list(order)}")
    strides, step = [0] * len(shape), 1
    for d in reversed(order):
        strides[d] = step
        step *= max(shape[d], 1)
    return empty_strided(shape, strides, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


# ---- numbers in order --------------------------------------------------------------------------------------------
def _as_number(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


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
    leads away from the end.

    https://docs.pytorch.org/docs/2.13/generated/torch.arange.html

    >>> import cltorch as torch
    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end, step = _bounds("arange", args, named)
    check_layout(layout, pin_memory)
    t = out.dtype if out is not None else read_dtype("arange", dtype)
    if t is None:
        t = dtypes.int64 if all(isinstance(v, int) for v in (start, end, step)) else dtypes.get_default_dtype()
    if t is dtypes.bool_:
        raise NotImplementedError("\"arange\" not implemented for 'Bool'")
    if t.kind in "ui":
        start, end, step = int(start), int(end), int(step)
    _check_direction(start, end, step)
    n = -(-(end - start) // step) if t.kind in "ui" else math.ceil((end - start) / step)
    dev = out.device if out is not None else resolve(device)
    if t.kind == "f":
        start, step = float(start), float(step)
    result = ops.spaced(int(n), start, 0, step, t, dev)
    return into(out, dtype, result) if out is not None else finish(result, requires_grad)


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
        raise TypeError(f"{name}() received an invalid combination of arguments - got {len(args)} numbers, expected (end), (start, end) or (start, end, step)")
    numbers = [read_number(name, key, i + 1, given.get(key, default)) for i, (key, default) in enumerate((("start", 0), ("end", 0), ("step", 1)))]
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

    https://docs.pytorch.org/docs/2.13/generated/torch.range.html

    >>> import cltorch as torch
    >>> torch.range(1, 3)
    tensor([1., 2., 3.])
    """
    if end is None:
        raise TypeError("range() missing 1 required positional argument: 'end'")
    low, high, gap = _bounds("range", (start, end, step), {})
    t = out.dtype if out is not None else read_dtype("range", dtype, dtypes.get_default_dtype())
    _check_direction(low, high, gap)
    n = int((high - low) / gap) + 1
    if t.kind == "f":
        low, gap = float(low), float(gap)
    result = ops.spaced(n, low, 0, gap, t, out.device if out is not None else resolve(device))
    return into(out, dtype, result) if out is not None else finish(result, requires_grad)


def _ends(name: str, start: Any, end: Any, steps: Any) -> tuple[Any, Any, int]:
    for value in (start, end):
        if isinstance(value, Array) and value.layout.ndim != 0:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got {'start' if value is start else 'end'} "
                f"with {value.layout.ndim} dimension(s)."
            )
    low, high = read_number(name, "start", 1, start), read_number(name, "end", 2, end)
    if steps is None:
        raise TypeError(f"{name}() received an invalid combination of arguments: steps is missing")
    count = read_int(name, "steps", 3, steps)
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return low, high, count


def _evenly(
    name: str, start: Any, end: Any, steps: Any, base: float | None, out: Any, dtype: Any, layout: Any, device: Any, grad: bool
) -> Any:
    check_layout(layout)
    low, high, n = _ends(name, start, end, steps)
    t = out.dtype if out is not None else read_dtype(name, dtype, dtypes.get_default_dtype())
    if t is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if t.kind in "ui":
        low, high = int(low), int(high)
    step = (float(high) - float(low)) / (n - 1) if n > 1 else 0.0
    dev = out.device if out is not None else resolve(device)
    result = ops.spaced(n, float(low), float(high), step, t, dev, 1 if n == 1 else n // 2, base)
    return into(out, dtype, result) if out is not None else finish(result, grad)


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

    https://docs.pytorch.org/docs/2.13/generated/torch.linspace.html

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

    https://docs.pytorch.org/docs/2.13/generated/torch.logspace.html

    >>> import cltorch as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    return _evenly("logspace", start, end, steps, float(base), out, dtype, layout, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return an ``n`` by ``m`` (default ``n``) matrix with ones on the diagonal and zeros elsewhere.

    https://docs.pytorch.org/docs/2.13/generated/torch.eye.html

    >>> import cltorch as torch
    >>> torch.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    check_layout(layout, pin_memory)
    rows = read_int("eye", "n", 1, n)
    columns = rows if m is None else read_int("eye", "m", 2, m)
    for letter, size in (("n", rows), ("m", columns)):
        if size < 0:
            raise RuntimeError(f"{letter} must be greater or equal to 0, got {size}")
    t = out.dtype if out is not None else read_dtype("eye", dtype, dtypes.get_default_dtype())
    result = ops.eye(rows, columns, t, out.device if out is not None else resolve(device))
    return into(out, dtype, result) if out is not None else finish(result, requires_grad)


def scalar_tensor(
    s: Any, *, dtype: DType | None = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Return a 0-d tensor of a number, of the default floating type unless ``dtype`` is given.

    >>> import cltorch as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    return full((), read_number("scalar_tensor", "s", 1, s), dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)
