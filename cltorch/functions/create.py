"""Creation functions: tensors of a given size that are empty, filled with one value, or the identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, settings
from cltorch.device import Storage, host_memory, resolve
from cltorch.dtypes import dtype as DType
from cltorch.formats import need_format
from cltorch.functions.arguments import (
    check_layout,
    finish,
    fit_number,
    into,
    need_array,
    read_dtype,
    read_int,
    read_number,
    read_size,
    wanted_dtype,
)
from cltorch.layout import Layout
from cltorch.ops import create as ops
from cltorch.ops.array import Array, check_dtype, empty_layout
from cltorch.ops.array import empty as empty_array

__all__ = ["empty", "empty_permuted", "empty_strided", "eye", "full", "ones", "scalar_tensor", "zeros"]


def _filled(
    name: str,
    size: Any,
    value: Any,
    out: Any,
    dtype: Any,
    layout: Any,
    device: Any,
    pin_memory: bool,
    requires_grad: bool,
) -> Any:
    check_layout(layout, pin_memory)
    t = read_dtype(name, dtype)
    if out is not None:
        need_array(name, "out", 3, out)
        return into(out, t, ops.full(read_size(name, size), fit_number(value, out.dtype), out.dtype, out.device))
    if t is None:
        t = dtypes.get_default_dtype()
    return finish(ops.full(read_size(name, size), fit_number(value, t), t, resolve(device)), requires_grad)


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
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.empty.html

    >>> import cltorch as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    check_layout(layout, pin_memory)
    t = read_dtype("empty", dtype)
    shape = read_size("empty", _sizes("empty", size, named))
    if out is not None:
        made = need_array("empty", "out", 2, out).resize_(shape)
        if settings.fills_memory():
            ops.fill_memory(made)
        return made
    t = t or dtypes.get_default_dtype()
    if memory_format is not None:
        made = empty_layout(need_format(memory_format).lay(shape), t, resolve(device))
    else:
        made = empty_array(shape, t, resolve(device))
    if settings.fills_memory():
        ops.fill_memory(made)
    return finish(made, requires_grad)


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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.zeros.html

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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.ones.html

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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.full.html

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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.empty_strided.html

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
    made = Array.new(Storage.allocate(lay.extent() * t.itemsize, dev), lay, t)
    if settings.fills_memory():
        ops.fill_memory(made)
    return finish(made, requires_grad)


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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.empty_permuted.html

    >>> import cltorch as torch
    >>> torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
    (3, 1, 6)
    """
    shape, order = read_size("empty_permuted", (tuple(size),)), tuple(physical_layout)
    if len(shape) != len(order):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    if sorted(order) != list(range(len(order))):
        raise RuntimeError(f"Dimension out of range or duplicate in physical_layout {list(order)}")
    strides, step = [0] * len(shape), 1
    for d in reversed(order):
        strides[d] = step
        step *= max(shape[d], 1)
    return empty_strided(shape, strides, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.eye.html

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
    t = wanted_dtype("eye", out, dtype, dtypes.get_default_dtype())
    dev = out.device if out is not None else resolve(device)
    result = host_memory.attempt("eye", lambda: ops.eye(rows, columns, t, dev))
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
    return full(
        (),
        read_number("scalar_tensor", "s", 1, s),
        dtype=dtype or dtypes.get_default_dtype(),
        device=device,
        requires_grad=requires_grad,
    )
