"""Slices of one dimension by index: index_select, index_add, index_copy, index_fill, index_reduce.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.index_select.html and its neighbours. An index out of range
raises on the host; a device reads NaN (0 for integers) there, leaves writing out, and raises DeviceIndexError when the
program waits for it.
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.batch_levels import bare
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import uncopied
from cltorch.device import faults
from cltorch.dtypes import TYPE_NAMES
from cltorch.formats import contiguous_format
from cltorch.functions import convert, overwrite
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import fit_number, need_array, numpy_names, read_number
from cltorch.functions.create import full
from cltorch.functions.dim_orders import permute
from cltorch.functions.gather import scatter_reduce
from cltorch.functions.masked import masked_fill_
from cltorch.functions.positions import put_in_place
from cltorch.functions.shape import expand, reshape
from cltorch.ops import index as ops
from cltorch.ops.array import Array, host
from cltorch.ops.notices import warn_once
from cltorch.ops.overlap import check_apart, check_overlap
from cltorch.shapes import wrap_dim

__all__ = [
    "index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_", "index_reduce",
    "index_reduce_", "index_select",
]  # fmt: skip


def _first(x: Any, d: int) -> Any:
    """Return a view with a dimension brought to the front."""
    return x if d == 0 else permute(x, [d, *(i for i in range(x.lay.ndim) if i != d)])


def _vector(name: str, index: Any) -> Any:
    need_array(name, "index", 2, index)
    if index.lay.ndim > 1:
        if name == "index_fill_":
            raise RuntimeError("Index has to be a vector/scalar")
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if name == "index_fill_" and index.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    return reshape(index, (-1,)) if index.lay.ndim == 0 else index


def _in_range(index: Any, n: int, d: int, message: str = "", error: type[Exception] = RuntimeError) -> None:
    """Raise for an index out of range, where it lies on the host."""
    if index.device.type == "cpu" and index.lay.numel:
        a = host(bare(index))
        if not 0 <= a.min() <= a.max() < n:
            wrong = a[(a < 0) | (a >= n)].reshape(-1)[0]
            raise error(message or f"index {wrong} is out of bounds for dimension {d} with size {n}")


@numpy_names
def index_select(input: Any, dim: int, index: Any, *, out: Any = None) -> Any:
    """Take the given indices of a dimension.

    Raises IndexError for an index out of range (DeviceIndexError for one on a device, when the program waits for it);
    negative ones do not count from the end.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.index_select.html

    >>> import cltorch as torch
    >>> torch.arange(6).view(2, 3).index_select(1, torch.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    need_array("index_select", "input", 1, input)
    index = _vector("index_select", index)
    d = wrap_dim(dim, input.lay.ndim)
    scalar = not input.lay.ndim
    if scalar:
        if index.lay.numel != 1:
            raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.lay.numel} value(s)")
        input = reshape(input, (1,))
    n = input.lay.shape[d]
    if input.lay.numel:
        _in_range(index, n, d, "index out of range in self", IndexError)
    elif index.lay.numel and not n:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    else:
        _in_range(index, n, d, f"INDICES element is out of DATA bounds, axis_dim={n}")
    result = apply(ops.IndexSelect, _first(input, d), d, (d,), False, index)
    if scalar:
        result = reshape(result, ())
    if out is None:
        return result
    check_overlap(out, ())  # of whatever shape
    return p.into_out("index_select", out, result, (input, index))


def _opposite(name: str, input: Any, d: int, index: Any, source: Any, error: type[Exception]) -> Any:
    """Return the source with the indexed dimension first; raise where its shape does not fit."""
    if not source.lay.ndim:
        source = reshape(source, (1,) * max(input.lay.ndim, 1))
    n = index.lay.numel
    if source.lay.ndim != input.lay.ndim or any(
        i != d and a != b for i, (a, b) in enumerate(zip(source.lay.shape, input.lay.shape, strict=True))
    ):
        if name.startswith("index_add"):
            raise RuntimeError(
                "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
                f"{list(input.lay.shape)} source.shape = {list(source.lay.shape)}"
            )
        kind = error if source.lay.ndim != input.lay.ndim else RuntimeError
        raise kind(
            f"{name}(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{list(input.lay.shape)} at dimension {d} and source slice shape: {list(source.lay.shape)} at "
            "dimension 0."
        )
    if source.lay.shape[d] != n:
        raise error(
            f"{name}(): Number of indices ({n}) should be equal to source.size(dim): ({source.lay.shape[d]}), for "
            f"dim: {d}"
        )
    return _first(source, d)


def _write(name: str, input: Any, d: int, index: Any, source: Any, accumulate: bool, wrap: bool = False) -> Any:
    x = reshape(input, (1,)) if not input.lay.ndim else input
    put_in_place(_first(x, d), [index], source, accumulate, wrap, name, (d,))
    return input


def index_add_(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Add ``alpha`` times the slices of ``source`` at the given indices of a dimension; equal indices add up in order.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.index_add_.html

    >>> import cltorch as torch
    >>> torch.zeros(3).index_add_(0, torch.tensor([0, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    need_array("index_add_", "source", 4, source)
    index = _vector("index_add_", index)
    d = wrap_dim(dim, input.lay.ndim)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_add_(): self ({TYPE_NAMES[input.dtype]}) and source ({TYPE_NAMES[source.dtype]}) must have the "
            "same scalar type"
        )
    if alpha.__class__ is not int or alpha != 1:
        alpha = fit_number(read_number("index_add_", "alpha", 5, alpha), input.dtype)
    x = input if input.lay.ndim else reshape(input, (1,))
    if x.lay.ndim > 1:
        if x.lay.numel or not x.lay.shape[d]:
            _in_range(index, x.lay.shape[d], d)
    else:
        _in_range(index, x.lay.shape[d], d, "index out of range in self", IndexError)
    check_overlap(input, ())
    check_apart(input, (index, source))
    moved = _opposite("index_add_", x, d, index, source, RuntimeError)
    return _write("index_add_", input, d, index, moved if alpha == 1 else p.mul(moved, alpha), True)


@numpy_names
def _packed_copy(x: Any, *others: Any) -> Any:
    return convert.writable_copy(x, *others, memory_format=contiguous_format)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """Return a copy with slices of ``source`` added at the given indices of a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.index_add.html

    >>> import cltorch as torch
    >>> torch.index_add(torch.zeros(3), 0, torch.tensor([2, 2]), torch.tensor([5.0, 7.0]))
    tensor([ 0.,  0., 12.])
    """
    need_array("index_add", "input", 1, input)
    need_array("index_add", "source", 4, source)
    result = index_add_(_packed_copy(input, index, source), dim, index, source, alpha=alpha)
    uncopied(result, "IndexAddBackward0")
    return result if out is None else p.into_out("index_add", out, result, (index, source))


def index_copy_(input: Any, dim: int, index: Any, source: Any) -> Any:
    """Copy slices of ``source`` to the given indices of a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.index_copy_.html
    """
    need_array("index_copy_", "source", 3, source)
    index = _vector("index_copy_", index)
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {TYPE_NAMES[index.dtype]}")
    d = wrap_dim(dim, input.lay.ndim)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{TYPE_NAMES[input.dtype]} and (source) {TYPE_NAMES[source.dtype]}"
        )
    x = input if input.lay.ndim else reshape(input, (1,))
    if x.lay.numel:
        _in_range(index, x.lay.shape[d], d, error=IndexError)
    check_overlap(input, ())
    check_apart(input, (index, source))
    moved = _opposite("index_copy_", x, d, index, source, IndexError)
    if not x.lay.numel:
        return input
    return _write("index_copy_", input, d, index, moved, False)


@numpy_names
def index_copy(input: Any, dim: int, index: Any, source: Any, *, out: Any = None) -> Any:
    """Return a copy with slices of ``source`` at the given indices of a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.index_copy.html

    >>> import cltorch as torch
    >>> torch.index_copy(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([5.0, 7.0]))
    tensor([7., 0., 5.])
    """
    need_array("index_copy", "input", 1, input)
    need_array("index_copy", "source", 4, source)
    result = uncopied(index_copy_(_packed_copy(input, index, source), dim, index, source), "IndexCopyBackward0")
    return result if out is None else p.into_out("index_copy", out, result, (index, source))


def index_fill_(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Set the given indices of a dimension to a number or the value of a 0-d tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.index_fill_.html
    """
    index = _vector("index_fill_", index)
    d = wrap_dim(dim, input.lay.ndim)
    if not isinstance(value, Array):
        value = full((), value, dtype=input.dtype, device=input.device)
    elif value.lay.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.lay.ndim} dimension(s)."
        )
    if value.dtype.is_complex and not input.dtype.is_complex:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    value = convert.to(value, input.dtype, device=input.device)
    check_apart(input, (index,))
    shape = input.lay.shape or (1,)
    if mode.enabled and needs_grad(value):  # an index given twice counts once in the value's gradient
        chosen = index_fill_(full((shape[d],), False, dtype=dtypes.bool_, device=input.device), 0, index, True)
        after = [1] * (len(shape) - 1 - d) if input.lay.ndim else []
        return masked_fill_(input, reshape(chosen, (-1, *after)) if input.lay.ndim else reshape(chosen, ()), value)
    rest = [n for i, n in enumerate(shape) if i != d]
    return _write("index_fill_", input, d, index, expand(value, (index.lay.numel, *rest)), False, True)


@numpy_names
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Return a copy with the given indices of a dimension set to a value.

    >>> import cltorch as torch
    >>> torch.index_fill(torch.zeros(3), 0, torch.tensor([2]), 5)
    tensor([0., 0., 5.])
    """
    need_array("index_fill", "input", 1, input)
    result = index_fill_(convert.writable_copy(input, index, value), dim, index, value)
    return result if isinstance(value, Array) else uncopied(result, "IndexFillBackward0")


def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Any:
    """Return a copy in which slices of ``source`` are reduced into the given indices of a dimension.

    ``reduce`` is "prod", "mean", "amax" or "amin"; without ``include_self`` the old slices do not take part.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.index_reduce_.html

    >>> import cltorch as torch
    >>> torch.index_reduce(torch.ones(2), 0, torch.tensor([1, 1]), torch.tensor([3.0, 5.0]), "prod")
    tensor([ 1., 15.])
    """
    warn_once("index_reduce() is in beta and the API may change at any time.")
    need_array("index_reduce", "input", 1, input)
    need_array("index_reduce", "source", 4, source)
    index = _vector("index_reduce", index)
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )  # fmt: skip
    d = wrap_dim(dim, input.lay.ndim)
    if input.dtype is dtypes.bool_ or input.dtype.is_complex:
        raise NotImplementedError(f"\"index_reduce\" not implemented for '{TYPE_NAMES[input.dtype]}'")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_reduce(): self ({TYPE_NAMES[input.dtype]}) and source ({TYPE_NAMES[source.dtype]}) must have the "
            "same scalar type"
        )
    x = input if input.lay.ndim else reshape(input, (1,))
    _in_range(index, x.lay.shape[d], d, "index out of range in self", IndexError)
    moved = _opposite("index_reduce", x, d, index, source, RuntimeError)
    back = [*range(1, d + 1), 0, *range(d + 1, moved.lay.ndim)]
    line = [1] * x.lay.ndim
    line[d] = index.lay.numel
    places = expand(reshape(index, line), [index.lay.numel if i == d else n for i, n in enumerate(x.lay.shape)])
    with faults.told_as("index_reduce"):
        result = scatter_reduce(x, d, places, permute(moved, back), reduce, include_self=include_self)
    if not input.lay.ndim:
        result = reshape(result, ())
    return result if out is None else p.into_out("index_reduce", out, result, (index, source))


def index_reduce_(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
) -> Any:  # fmt: skip
    """Reduce slices of ``source`` into the given indices of a dimension, in place."""
    check_apart(input, (index, source))
    before = convert.old_value(input, source)
    return overwrite.copy_(input, index_reduce(before, dim, index, source, reduce, include_self=include_self))
