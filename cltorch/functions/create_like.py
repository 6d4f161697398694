"""Creation functions that take size, dtype or device from a tensor: ``*_like`` and ``Tensor.new_*``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import settings
from cltorch.device import Storage, resolve
from cltorch.dtypes import dtype as DType
from cltorch.formats import need_format, preserve_format
from cltorch.functions.arguments import (
    check_layout,
    finish,
    fit_number,
    need_array,
    read_dtype,
    read_number,
)
from cltorch.functions.create import empty, empty_strided, full, ones, zeros
from cltorch.layout import Layout
from cltorch.ops import create as ops
from cltorch.ops.array import Array, check_dtype

__all__ = [
    "empty_like", "full_like", "like", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros",
    "ones_like", "zeros_like",
]  # fmt: skip


def _same_order(layout: Layout) -> Layout:
    """Return a gapless layout whose dimensions lie in memory in the order of another's."""
    plain = Layout.of(layout.shape)
    if layout.strides == plain.strides:
        return plain
    if layout.numel == 0 or layout.packed():  # also where dimensions of size 1 have other strides
        return Layout.make(layout.shape, layout.strides, 0)
    shape, strides = layout.shape, layout.strides
    order = list(range(layout.ndim))[::-1]  # innermost first
    for i in range(1, layout.ndim):
        at = i
        for before in range(i - 1, -1, -1):
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
    if memory_format is None or need_format(memory_format) is preserve_format:
        lay = _same_order(x.lay)
    else:
        lay = memory_format.lay(x.shape)
    check_dtype(t, dev)
    storage = Storage.allocate(lay.numel * t.itemsize, dev)
    return Array.new(storage, lay, t), Array.new(storage, Layout.of((lay.numel,)), t)


def _like_filled(
    name: str, x: Any, value: Any, dtype: Any, device: Any, layout: Any, memory_format: Any, grad: bool
) -> Any:
    out, flat = like(name, x, dtype, device, layout, memory_format)
    ops.fill(flat, fit_number(value, out.dtype))
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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.empty_like.html

    >>> import cltorch as torch
    >>> torch.empty_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    made = like("empty_like", input, dtype, device, layout, memory_format)[0]
    if settings.fills_memory():
        ops.fill_memory(made)
    return finish(made, requires_grad)


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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.zeros_like.html

    >>> import cltorch as torch
    >>> torch.zeros_like(torch.ones(2))
    tensor([0., 0.])
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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.ones_like.html

    >>> import cltorch as torch
    >>> torch.ones_like(torch.zeros(2))
    tensor([1., 1.])
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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.full_like.html

    >>> import cltorch as torch
    >>> torch.full_like(torch.zeros(2), 3)
    tensor([3., 3.])
    """
    value = read_number("full_like", "fill_value", 2, fill_value)
    return _like_filled("full_like", input, value, dtype, device, layout, memory_format, requires_grad)


# ---- Tensor.new_* ------------------------------------------------------------------------------------------------
def new_empty(
    self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Any:
    """Return an uninitialised tensor of another size with this dtype and device."""
    return empty(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)


def new_zeros(
    self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Any:
    """Return zeros of another size with this dtype and device."""
    return zeros(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)


def new_ones(
    self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Any:
    """Return ones of another size with this dtype and device."""
    return ones(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)


def new_full(
    self: Any, size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Return one value in a tensor of another size with this dtype and device."""
    return full(
        size,
        fill_value,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
        layout=layout,
    )


def new_empty_strided(
    self: Any, size: Sequence[int], stride: Sequence[int], dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Return an uninitialised tensor of given strides with this dtype and device."""
    return empty_strided(
        size,
        stride,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
        layout=layout,
    )
