"""Results that lie in memory as the images they are made of: with their channels last.

Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#torch-memory-format
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import formats
from cltorch.formats import channels_last, channels_last_3d, follows, memory_format
from cltorch.layout import Layout
from cltorch.ops.array import empty_layout, view
from cltorch.ops.plan import like_layout
from cltorch.ops.strided import copy_into


def format_of(lay: Layout) -> memory_format | None:
    """Return the format of images whose channels come last in memory, None for all other layouts."""
    if lay.contiguous:
        return None
    return next((f for f in (channels_last, channels_last_3d) if follows(lay, f)), None)


def suggested(lay: Layout) -> memory_format | None:
    """Return the format that the strides of an image suggest, gaps between its elements or not; None for contiguous."""
    found = formats.contiguous_format if lay.contiguous else formats.suggested(lay)
    return None if found is formats.contiguous_format else found


def turned(x: Any) -> Any:
    """Return a view of an image with its channels behind all other dimensions."""
    lay = x.lay
    return view(x, lay.permute((0, *range(2, lay.ndim), 1)))


def turned_back(x: Any) -> Any:
    """Undo ``turned``."""
    n = x.lay.ndim
    return view(x, x.lay.permute((0, n - 1, *range(1, n - 1))))


def turned_dim(dim: int, ndim: int) -> int:
    """Return where a dimension of an image stands in its ``turned`` view."""
    return 0 if dim == 0 else (dim - 2) % (ndim - 1) + 1


def in_turn(x: Any, f: Callable[..., Any], dims: tuple[int, ...] = ()) -> Any:
    """Return ``f(x, dims)``, of an image whose channels come last in memory computed on its ``turned`` view."""
    if suggested(x.lay) is None:
        return f(x, dims)
    return turned_back(f(turned(x), tuple(turned_dim(d, x.lay.ndim) for d in dims)))


def in_memory_order(x: Any, f: Callable[..., Any], dims: tuple[int, ...] = ()) -> Any:
    """Return ``f(x, dims)``, computed on a view with the dimensions in the order in which they lie in memory.

    The results, one or several of x's shape, get the order of x.
    """
    order = order_of(x.lay)
    if order is None:
        return f(x, dims)
    found = f(view(x, x.lay.permute(order)), tuple(order.index(d) for d in dims))
    back = tuple(order.index(d) for d in range(len(order)))
    if isinstance(found, tuple):
        return tuple(view(y, y.lay.permute(back)) for y in found)
    return view(found, found.lay.permute(back))


def order_of(lay: Layout) -> tuple[int, ...] | None:
    """Return the dimensions as a copy that keeps their order has them in memory, None where that is contiguous."""
    if lay.contiguous:
        return None
    kept = like_layout(lay)
    if kept.contiguous or kept.numel == 0:
        return None
    return tuple(sorted(range(kept.ndim), key=lambda d: (-kept.strides[d], d)))


def laid_like(out: Any, x: Any) -> Any:
    """Return a dense result, copied into the order of x's dimensions."""
    if order_of(x.lay) is None:
        return out
    moved = empty_layout(like_layout(x.lay), out.dtype, out.device)
    copy_into(moved, out)
    return moved


def laid_as(out: Any, *operands: Any) -> Any:
    """Return a dense result, copied into the format of the operands if the channels of one come last in memory."""
    for x in operands:
        format = formats.suggested(x.lay)  # of weights of 1x1, too, which are dense in either order
        if format is not formats.contiguous_format:
            return copied_in(format, out)
    return out


def copied_in(format: memory_format, out: Any) -> Any:
    """Return a copy of a dense result in a format, whose strides dimensions of size 1 have too."""
    moved = empty_layout(format.lay(out.lay.shape), out.dtype, out.device)
    copy_into(moved, out)
    return moved


def in_format(m: Any, format: memory_format | None, g: Any) -> Any:
    """Return a gradient in the format of what it is the gradient of, as it is where that has none or is not needed."""
    return g if g is None or format is None else m.contiguous(g, format)
