"""Views of some of a tensor's elements: ranges, indices, diagonals, windows, any strides.

Source: https://docs.pytorch.org/docs/2.13/tensor_view.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.record import view as record_view
from cltorch.autograd.views import IntoZeros
from cltorch.functions.arguments import need_array, numpy_names, read_int
from cltorch.functions.convert import contiguous_copy
from cltorch.functions.pointwise import into_out
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.array import view as raw_view
from cltorch.ops.turned import Turned, plain, turns
from cltorch.shapes import wrap_dim

__all__ = [
    "as_strided", "as_strided_back", "diagonal", "narrow", "narrow_copy", "select", "slice_view", "unfold",
]  # fmt: skip


@numpy_names
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """Keep a range of one dimension, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.narrow.html

    >>> import cltorch as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    need_array("narrow", "input", 1, input)
    layout = input.lay
    if isinstance(start, Array) and (start.lay.ndim or start.dtype.family not in "ui"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    first = int(start)
    found = layout.narrow(dim, first, length)
    return _part(input, found, "SliceBackward0", lambda base: base.narrow(dim, first, length))


def _part(input: Any, layout: Layout, name: str, again: Callable[[Layout], Layout]) -> Any:
    """Return a view of some elements, whose adjoint puts the gradient into zeros.

    ``again`` takes the same part of another layout: where the input's own elements share memory, as after ``expand``,
    the gradient has a layout of its own.
    """
    base, part = input.lay, layout
    if mode.enabled and not base.contiguous and needs_grad(input) and not _injective(base):
        base = Layout.of(base.shape)
        part = again(base)
    return record_view(input, layout, name, IntoZeros(base, part))


def slice_view(input: Any, layout: Layout, again: Callable[[Layout], Layout], name: str = "SliceBackward0") -> Any:
    """Return a view by ints, slices and None; ``again`` applies them to another layout."""
    return _part(input, layout, name, again)


@numpy_names
def select(input: Any, dim: int, index: int) -> Any:
    """Take one index of a dimension, as a view without that dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.select.html

    >>> import cltorch as torch
    >>> torch.arange(6).view(2, 3).select(0, 1)
    tensor([3, 4, 5])
    """
    need_array("select", "input", 1, input)
    layout = input.lay
    i = int(index)
    return _part(input, layout.select(dim, i), "SelectBackward0", lambda base: base.select(dim, i))


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return the diagonal of two dimensions as the last dimension of a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.diagonal.html

    >>> import cltorch as torch
    >>> torch.arange(4).view(2, 2).diagonal()
    tensor([0, 3])
    """
    need_array("diagonal", "input", 1, input)
    layout = input.lay
    found = layout.diagonal(offset, dim1, dim2)
    return _part(input, found, "DiagonalBackward0", lambda base: base.diagonal(offset, dim1, dim2))


def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Return a view of the storage with any sizes and strides.

    Raises RuntimeError where it would reach beyond the storage, and under vmap beyond what the slice itself reaches.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.as_strided.html

    >>> import cltorch as torch
    >>> torch.as_strided(torch.arange(6), (2, 2), (2, 1))
    tensor([[0, 1],
            [2, 3]])
    """
    need_array("as_strided", "input", 1, input)
    # tensors of one integer are sizes, too
    sizes, strides = (
        tuple([operator.index(n) if isinstance(n, Array) else n for n in what]) for what in (size, stride)
    )
    layout = input.lay.as_strided(sizes, strides, storage_offset)
    held = input._storage.nbytes // input.dtype.itemsize
    if layout.numel and layout.extent() > held:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {layout.offset}, and "
            f"itemsize {input.dtype.itemsize} "
            f"requiring a storage size of {layout.extent() * input.dtype.itemsize} are out of bounds for "
            f"storage of size {input._storage.nbytes}"
        )
    before = input.lay
    within = before.offset <= layout.offset and layout.extent() <= before.extent()
    if input._batch and layout.numel and not within:  # the memory of other slices
        raise RuntimeError(
            f"result = tensor.as_strided({list(size)}, {list(stride)}, {layout.offset}) can access memory outside of "
            f"`tensor`. `result` can access some memory in range [{layout.offset}, {layout.extent()}], but `tensor` "
            f"can only access some memory in range [{before.offset}, {before.extent()}]. This is not supported inside "
            "of vmap, please try to rewrite the `as_strided` call as a sequence of PyTorch view operations"
        )
    out = record_view(input, layout, "AsStridedBackward0", lambda m, g: as_strided_back(m, g, before, layout))
    conj, neg = turns(input)
    if conj or neg:  # it may reach elements that the tensor does not show
        out._storage = Turned(plain(input._storage), layout, input.dtype, conj, neg)
    return out


def as_strided_back(m: Any, g: Any, base: Layout, part: Layout) -> Any:
    """Put a gradient of a view at its strided place of zeros; indices that mean one element add up.

    Where several indices of the base mean one element, each has an equal part of that element's gradient.
    """
    own = base.contiguous or _injective(base)
    within = own and base.offset <= part.offset and part.extent() <= base.extent()
    dense = base.extent() - base.offset == base.numel
    if within and dense and _injective(part) and not part.overlaps():
        return m.scatter_into_layout(g, base, part)
    # several indices of the view mean one element, or some none of the base's: add up by element, in a fixed order
    extent = max(base.extent(), part.extent())
    positions = m.arange(extent, device=g.device)
    where = m.reshape(raw_view(positions, part), (-1,))
    zeros = m.zeros(extent, dtype=g.dtype, device=g.device)
    flat = m.index_add(zeros, 0, m.contiguous(where), m.reshape(g, (-1,)))
    if not own:
        shared = m.contiguous(m.reshape(raw_view(positions, base), (-1,)))
        count, ones = (
            m.full((n,), v, dtype=g.dtype.to_real(), device=g.device) for n, v in ((extent, 0), (base.numel, 1))
        )
        flat = flat / m.clamp(m.index_add(count, 0, shared, ones), min=1)
    return m.contiguous(m.as_strided(flat, base.shape, base.strides, base.offset))


def _injective(lay: Layout) -> bool:
    reach = 0
    for s, n in sorted((s, n) for n, s in zip(lay.shape, lay.strides, strict=True) if n > 1):
        if s <= reach:
            return False
        reach += s * (n - 1)
    return True


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Return windows of ``size`` every ``step`` along a dimension, as a view with the windows last.

    >>> import cltorch as torch
    >>> torch.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    given = (("dimension", dimension), ("size", size), ("step", step))
    dimension, size, step = (read_int("unfold", name, i, value) for i, (name, value) in enumerate(given, 1))
    base = input.lay
    layout = part = base.unfold(dimension, size, step)
    if not base.contiguous and not _injective(base):  # the gradient of what overlaps has a layout of its own
        base = Layout.of(base.shape)
        part = base.unfold(dimension, size, step)
    return record_view(input, layout, "UnfoldBackward0", lambda m, g: as_strided_back(m, g, base, part))


def narrow_copy(input: Any, dim: int, start: int, length: int, *, out: Any = None) -> Any:
    """Return a copy of a range of one dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.narrow_copy.html

    >>> import cltorch as torch
    >>> torch.narrow_copy(torch.arange(4), 0, 1, 2)
    tensor([1, 2])
    """
    need_array("narrow_copy", "input", 1, input)
    if isinstance(length, int) and length < 0:
        d = wrap_dim(dim, input.lay.ndim)
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({input.lay.shape[d]}).")
    result = contiguous_copy(narrow(input, dim, start, length))
    if out is None:
        return result
    return into_out("narrow_copy", out, result)
