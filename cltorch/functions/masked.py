"""Elements by mask: where, masked_fill, masked_select, masked_scatter.

Source: https://docs.pytorch.org/docs/2.13/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.renaming import called
from cltorch.dtypes import TYPE_NAMES
from cltorch.formats import contiguous_format
from cltorch.functions import convert, overwrite, reduce
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import fit_number, need_array, need_room, no_room, read_number
from cltorch.functions.expanded import folded, warn_expanded, zero_strides
from cltorch.functions.parts import narrow
from cltorch.functions.positions import nonzero, put_front, take_front
from cltorch.functions.shape import expand, reshape
from cltorch.ops.array import Array
from cltorch.ops.few import refuse
from cltorch.ops.nonzero import nonzero as find_nonzero
from cltorch.ops.notices import warn_once
from cltorch.ops.overlap import check_meeting
from cltorch.shapes import broadcast_shapes

__all__ = [
    "masked_fill", "masked_fill_", "masked_scatter", "masked_scatter_", "masked_select", "where",
]  # fmt: skip


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """Choose elementwise between two tensors or numbers; with the condition alone, return where it holds.

    Raises RuntimeError for a number that the tensor's dtype cannot hold.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.where.html

    >>> import cltorch as torch
    >>> torch.where(torch.tensor([True, False]), 1.0, 0.0)
    tensor([1., 0.])
    """
    if not isinstance(condition, Array):
        raise TypeError(f"where(): argument 'condition' (position 1) must be Tensor, not {type(condition).__name__}")
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where(): needs both input and other, or neither")
    if condition.dtype is not dtypes.bool_:
        if condition.dtype is not dtypes.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{TYPE_NAMES[condition.dtype]}"
            )
        warn_once(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
            "version of PyTorch. Use a boolean condition instead."
        )
        condition = convert.to(condition, dtypes.bool_)
    if isinstance(input, Array) or isinstance(other, Array):
        need_room(input, other)
    return p.where(condition, input, other, out=out)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """Return a copy with a number (or the value of a 0-d tensor) where the mask holds; the mask broadcasts.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.masked_fill_.html

    >>> import cltorch as torch
    >>> torch.tensor([1, 2]).masked_fill(torch.tensor([True, False]), 0)
    tensor([0, 2])
    """
    return convert.contiguous(_filled(input, mask, value))


def _filled(input: Any, mask: Any, value: Any) -> Any:
    need_array("masked_fill", "input", 1, input)
    need_array("masked_fill", "mask", 2, mask)
    refuse("masked_fill", input.dtype)
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Array):
        if value.lay.ndim:
            raise RuntimeError(
                "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.lay.ndim} dimension(s)."
            )
        if value.dtype.is_complex and not input.dtype.is_complex:
            raise no_room(input.dtype)
        value = convert.to(value, input.dtype)
    else:
        value = fit_number(read_number("masked_fill", "value", 3, value), input.dtype)
    result = p.masked_value(input, mask, value)
    return result if result.dtype is input.dtype else convert.to(result, input.dtype)


def masked_fill_(input: Any, mask: Any, value: Any) -> Any:
    """Set elements where the mask holds to a number."""
    if isinstance(input, Array):
        check_meeting(input, (mask,))
    if isinstance(input, Array) and isinstance(mask, Array) and input.lay.overlaps():
        warn_expanded("masked_fill_", "tensor[mask] = scalar")
        base = folded(input)
        overwrite.copy_(
            base, _filled(base, reduce.any(expand(mask, input.lay.shape), zero_strides(input), True), value)
        )
        return input
    return overwrite.copy_(input, _filled(input, mask, value))


def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """Return the elements where the mask holds, as a vector; input and mask broadcast.

    Their number is read back, which waits for the device.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.masked_select.html

    >>> import cltorch as torch
    >>> torch.masked_select(torch.tensor([1, 2, 3]), torch.tensor([True, False, True]))
    tensor([1, 3])
    """
    need_array("masked_select", "input", 1, input)
    need_array("masked_select", "mask", 2, mask)
    refuse("masked_select", input.dtype)
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(input.lay.shape, mask.lay.shape)
    found = find_nonzero(expand(mask, shape), flat=True)
    result = called(take_front(reshape(expand(input, shape), (-1,)), (found,)), "MaskedSelectBackward0")
    return result if out is None else p.into_out("masked_select", out, result, (input, mask))


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """Return a copy with the elements of ``source``, one after the other, where the mask holds; the mask broadcasts.

    The number of places is read back, which waits for the device. Raises RuntimeError where the source has too few.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.masked_scatter_.html

    >>> import cltorch as torch
    >>> torch.zeros(3).masked_scatter(torch.tensor([True, False, True]), torch.tensor([5.0, 6.0]))
    tensor([5., 0., 6.])
    """
    need_array("masked_scatter", "input", 1, input)
    need_array("masked_scatter", "mask", 2, mask)
    need_array("masked_scatter", "source", 3, source)
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{TYPE_NAMES[input.dtype]} and {TYPE_NAMES[source.dtype]}"
        )
    refuse("masked_scatter", input.dtype)
    shape = broadcast_shapes(input.lay.shape, mask.lay.shape)
    if input.device.type == "meta":  # how many places there are is not known, nor needed
        return convert.clone(expand(input, shape), memory_format=contiguous_format)
    found = find_nonzero(expand(mask, shape), flat=True)
    count = found.lay.shape[0]
    if source.lay.numel < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    line = reshape(expand(input, shape), (-1,))
    changed = put_front(line, (found,), narrow(reshape(source, (-1,)), 0, 0, count), False)
    return reshape(changed, shape)


def masked_scatter_(input: Any, mask: Any, source: Any) -> Any:
    """Write the elements of ``source``, one after the other, where the mask holds."""
    need_array("masked_scatter_", "mask", 1, mask)
    if tuple(broadcast_shapes(input.lay.shape, mask.lay.shape)) != tuple(input.lay.shape):
        raise RuntimeError(
            f"output with shape {list(input.lay.shape)} doesn't match the broadcast shape "
            f"{list(broadcast_shapes(input.lay.shape, mask.lay.shape))}"
        )
    return overwrite.copy_(input, masked_scatter(input, mask, source))
