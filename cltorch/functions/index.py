"""Indexing: ``x[...]`` and ``x[...] = v`` in all forms, index_put, take and put, embedding.

Source: https://docs.pytorch.org/docs/2.13/tensors.html and NumPy's rules of advanced indexing
(https://numpy.org/doc/stable/user/basics.indexing.html).

An index out of range raises IndexError on the host. An index tensor is never read back from a device: there reading
gives NaN (0 for integers), writing is left out, and DeviceIndexError is raised when the program waits for the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.batch_levels import bare
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import uncopied
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import convert, overwrite
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array
from cltorch.functions.create import full
from cltorch.functions.dim_orders import permute
from cltorch.functions.index_parse import NO_NUMBER, Advanced, parse
from cltorch.functions.masked import masked_fill_
from cltorch.functions.outputs import resize_out
from cltorch.functions.parts import slice_view
from cltorch.functions.positions import put_front, put_in_place
from cltorch.functions.shape import expand, reshape
from cltorch.layout import Layout
from cltorch.ops import index as ops
from cltorch.ops.array import Array, host, two_devices
from cltorch.ops.embedding import Embedding
from cltorch.ops.overlap import check_apart, check_meeting, check_overlap
from cltorch.ops.strided import copy_into
from cltorch.shapes import broadcast_shapes

__all__ = [
    "embedding", "getitem", "index_put", "index_put_", "put", "put_", "setitem_", "take", "write_out",
]  # fmt: skip


def getitem(input: Any, index: Any) -> Any:
    """Return ``input[index]``: a view for ints, slices, None and Ellipsis, a copy for index tensors, lists and masks.

    Raises IndexError for an index out of range; for index tensors on a device DeviceIndexError, when the program waits
    for the device. The number of true elements of a mask is read back, which waits.

    >>> import cltorch as torch
    >>> torch.arange(6).view(2, 3)[1, ::2]
    tensor([3, 5])
    """
    found: Any = _row(input.lay, index) if index.__class__ is int else parse(input, index)
    if found.__class__ is Layout:
        return slice_view(input, found, lambda base: parse(input, index, base), _name(index))
    x, at = _front(input, index, found)
    return apply(ops.Index, x, at, found.dims, True, *found.tensors)


def _name(index: Any) -> str:
    """Return what PyTorch calls the last of the views that it makes of an index."""
    kind = index.__class__
    if kind is int or kind is slice:
        return "SelectBackward0" if kind is int else "SliceBackward0"
    name = "AliasBackward0"
    for it in index if kind is tuple else (index,):
        if it is None:
            name = "UnsqueezeBackward0"
        elif isinstance(it, slice):
            if it.start not in (None, 0) or it.stop is not None or it.step not in (None, 1):
                name = "SliceBackward0"
        elif it is not Ellipsis:
            name = "SelectBackward0"
    return name


def _row(layout: Layout, i: int) -> Layout:
    """Return what one int leaves of a layout: the index that loops use most."""
    shape = tuple(layout.shape)
    n = shape[0] if shape else 0
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for dimension 0 with size {n}" if shape else NO_NUMBER)
    strides = layout.strides
    return Layout.make(shape[1:], strides[1:], layout.offset + (i + n if i < 0 else i) * strides[0])


def _front(input: Any, index: Any, found: Advanced) -> tuple[Any, int]:
    """Return the view whose first dimensions are those that the tensors index, and where their dimensions go."""
    x = input
    if found.lay is not input.lay:
        x = slice_view(input, found.lay, lambda base: parse(input, index, base).lay)
    return (x if found.order == sorted(found.order) else permute(x, found.order)), found.at


def setitem_(input: Any, index: Any, value: Any) -> None:
    """Assign ``input[index] = value`` for a number or a tensor, which broadcasts.

    Raises TypeError for any other value, RuntimeError where the shape does not fit, or where a tensor assigned at index
    tensors is of another dtype.
    """
    if not isinstance(value, Array):
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, (int, float, complex)):
            raise TypeError(f"can't assign a {type(value).__name__} to a {input.type()}")
    if isinstance(index, Array) and index.dtype is dtypes.bool_ and not isinstance(value, Array):
        # a number where a mask holds: no need to know how often it does
        shape, lead = input.lay.shape, index.lay.ndim
        if lead and tuple(index.lay.shape) == tuple(shape[:lead]) and index.device is input.device:
            masked_fill_(input, reshape(index, (*shape[:lead], *[1] * (len(shape) - lead))), value)
            return
    found = parse(input, index)
    if found.__class__ is Layout:
        x = slice_view(input, found, lambda base: parse(input, index, base))
        if not isinstance(value, Array):
            check_overlap(x, ())
            overwrite.fill_(x, value)
            return
        lead = value.lay.ndim - found.ndim
        if lead > 0 and all(n == 1 for n in value.lay.shape[:lead]):
            value = reshape(value, value.lay.shape[lead:])
        if value.lay.shape != found.shape:
            value = expand(value, found.shape)
        overwrite.copy_(x, value)
        return
    if not isinstance(value, Array):
        value = full((), value, dtype=input.dtype, device=input.device)
    _assign(input, index, found, value, False)


def _one_for_a_mask(value: Any, index: Any) -> bool:
    """Return whether one element is put where a mask alone holds, which PyTorch does as masked_fill does."""
    tensors = [i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, (Array, list, np.ndarray))]
    return value.lay.numel == 1 and len(tensors) == 1 and getattr(tensors[0], "dtype", None) is dtypes.bool_


def _assign(input: Any, index: Any, found: Advanced, value: Any, accumulate: bool) -> None:
    """Put values at index tensors of a tensor, in place."""
    places = index if isinstance(index, tuple) else (index,)
    if not accumulate and _one_for_a_mask(value, index):
        check_meeting(input, places)
    else:
        check_apart(input, (value, *places))
    if value.dtype is not input.dtype and _one_for_a_mask(value, index):
        if input.dtype.is_complex or not value.dtype.is_complex:
            value = convert.to(value, input.dtype)
    if value.dtype is not input.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {TYPE_NAMES[input.dtype]} for the "
            f"destination and {TYPE_NAMES[value.dtype]} for the source."
        )
    if value.device is not input.device:
        if value.lay.ndim:
            raise two_devices(input.device, value.device)
        value = convert.to(value, input.device)
    shape = found.shape
    lead = value.lay.ndim - len(shape)
    if lead > 0 and all(n == 1 for n in value.lay.shape[:lead]):
        value = reshape(value, value.lay.shape[lead:])
    if lead > 0 and value.lay.ndim > len(shape) or tuple(_common(value, shape)) != tuple(shape):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.lay.shape)} cannot be broadcast to indexing result "
            f"of shape {list(shape)}"
        )
    value = expand(value, shape)
    x, at = _front(input, index, found)
    if at:
        n = found.tensors[0].lay.ndim
        value = permute(value, [*range(at, at + n), *range(at), *range(at + n, len(shape))])
    put_in_place(x, found.tensors, value, accumulate, dims=found.dims)


def _common(value: Any, shape: Any) -> Any:
    try:
        return broadcast_shapes(value.lay.shape, shape)
    except RuntimeError:
        return ()


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Return a copy with ``values`` put at a tuple of index tensors, or added there.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.index_put_.html

    >>> import cltorch as torch
    >>> torch.index_put(torch.zeros(3), (torch.tensor([0, 2]),), torch.tensor([5.0, 7.0]))
    tensor([5., 0., 7.])
    """
    need_array("index_put", "input", 1, input)
    need_array("index_put", "values", 3, values)
    result = index_put_(convert.writable_copy(input, values, *indices), indices, values, accumulate)
    return uncopied(result, "IndexPutBackward0")


def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Put ``values`` at a tuple of index tensors (None keeps a dimension), or add them there.

    With ``accumulate`` values at equal places add up, in the same order every time.

    >>> import cltorch as torch
    >>> torch.zeros(3).index_put_((torch.tensor([0, 2, 0]),), torch.tensor(1.0), accumulate=True)
    tensor([2., 0., 1.])
    """
    need_array("index_put_", "input", 1, input)
    need_array("index_put_", "values", 3, values)
    if isinstance(indices, Array):
        raise TypeError("index_put_(): argument 'indices' (position 1) must be tuple of Tensors, not Tensor")
    for i in indices:
        if i is not None and not isinstance(i, Array):
            raise TypeError(f"index_put_(): indices must be tensors, not {type(i).__name__}")
    if len(indices) > input.lay.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.lay.ndim} (got {len(indices)})")
    index = tuple(slice(None) if i is None else _at_least_1d(i) for i in indices)
    found = parse(input, index)
    if found.__class__ is Layout:
        return overwrite.copy_(input, p.add(input, values) if accumulate else values)
    _assign(input, index, found, values, accumulate)
    return input


def _at_least_1d(i: Any) -> Any:
    # a 0-d index is an index tensor here, not a number: its dimension stays away from the result all the same
    return i if i.lay.ndim or i.dtype in (dtypes.bool_, dtypes.uint8) else reshape(i, (1,))


def _flat_index(name: str, index: Any, n: int) -> Any:
    if not isinstance(index, Array):
        raise TypeError(f"{name}(): argument 'index' (position 1) must be Tensor, not {type(index).__name__}")
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {TYPE_NAMES[index.dtype]}")
    if index.device.type == "cpu" and index.lay.numel:
        a = host(bare(index))
        if not -n <= a.min() <= a.max() < n:
            wrong = a[(a < -n) | (a >= n)].reshape(-1)[0]
            raise IndexError(f"out of range: tried to access index {wrong} on a tensor of {n} elements.")
    return index


def take(input: Any, index: Any, *, out: Any = None) -> Any:
    """Take elements by their position in the flattened tensor.

    Shape: (*) and an index of any shape to that.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.take.html

    >>> import cltorch as torch
    >>> torch.take(torch.tensor([[4, 3], [5, 6]]), torch.tensor([0, -1]))
    tensor([4, 6])
    """
    need_array("take", "input", 1, input)
    if isinstance(index, Array) and index.lay.numel and not input.lay.numel:
        raise IndexError("take(): tried to take from an empty tensor")
    index = _flat_index("take", index, input.lay.numel)
    result = apply(ops.Take, reshape(input, (-1,)), 0, None, True, index)
    return result if out is None else p.into_out("take", out, result, (input, index))


def put_(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Put the elements of ``source`` at positions of the flattened tensor, or add them there.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.put_.html

    >>> import cltorch as torch
    >>> torch.zeros(2, 2).put_(torch.tensor([1, -1]), torch.tensor([5.0, 6.0]))
    tensor([[0., 5.],
            [0., 6.]])
    """
    index = _flat_index("put_", index, input.lay.numel)
    need_array("put_", "source", 2, source)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{TYPE_NAMES[input.dtype]} and source.dtype = {TYPE_NAMES[source.dtype]}"
        )
    if source.lay.numel != index.lay.numel:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.lay.numel}, index.numel() = {index.lay.numel}"
        )
    check_overlap(input, ())
    check_apart(input, (index, source))
    index, source = reshape(index, (-1,)), reshape(source, (-1,))
    line = input.lay.view((-1,))
    if line is None:
        changed = put_front(reshape(input, (-1,)), (index,), source, accumulate)
        return overwrite.copy_(input, reshape(changed, input.lay.shape))
    flat = input if line is input.lay else reshape(input, (-1,))
    put_in_place(flat, (index,), source, accumulate, what="put_")
    return input


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Return a copy with the elements of ``source`` at positions of the flattened tensor.

    >>> import cltorch as torch
    >>> torch.put(torch.zeros(2, 2), torch.tensor([1, 2]), torch.tensor([5.0, 7.0]))
    tensor([[0., 5.],
            [7., 0.]])
    """
    need_array("put", "input", 1, input)
    return uncopied(put_(convert.writable_copy(input, index, source), index, source, accumulate), "PutBackward0")


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Take rows of a table; the gradient adds up by row, none goes to ``padding_idx``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.embedding.html

    >>> import cltorch as torch
    >>> torch.embedding(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([1]))
    tensor([[2., 3.]])
    """
    need_array("embedding", "weight", 1, weight)
    need_array("embedding", "indices", 2, indices)
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got {indices.type()} instead (while checking arguments for embedding)"
        )
    if sparse:
        raise NotImplementedError("embedding with sparse gradients is not built")
    if weight.lay.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    return apply(Embedding, weight, indices, padding_idx, scale_grad_by_freq)


def write_out(input: Any, result: Any, in_order: bool = False) -> Any:
    """Store a result in the tensor given as ``out=``: resized to its shape, its dtype kept.

    Where it is resized it takes, ``in_order``, the result's strides too. Warns where that shape is another one and
    ``input`` has elements.

    Raises RuntimeError where the result cannot be cast or lies on another device.
    """
    p.can_hold(input, result)
    resized = input.lay.shape != result.lay.shape
    resize_out(input, result.lay.shape)
    if resized and in_order:
        input.lay = Layout.make(result.lay.shape, result.lay.strides, input.lay.offset)
    copy_into(input, result)
    input._storage.version += 1
    return input
