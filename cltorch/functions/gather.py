"""Elements by index along a dimension: gather, scatter and their reductions.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.gather.html. On the host an index out of range raises
RuntimeError; a device raises DeviceIndexError when the program waits for it (gather gives NaN there, 0 for integers,
and scatter leaves the element out).
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import mode as recording
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.links import refusing
from cltorch.autograd.record import apply, inplace
from cltorch.functions import convert, overwrite
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array, numpy_names
from cltorch.functions.create import full
from cltorch.functions.create_like import ones_like, zeros_like
from cltorch.functions.parts import narrow
from cltorch.functions.shape import expand, reshape
from cltorch.ops import gather as ops
from cltorch.ops.array import Array
from cltorch.ops.notices import warn_once
from cltorch.ops.overlap import check_apart, check_overlap
from cltorch.shapes import broadcast_shapes, wrap_dim

__all__ = [
    "gather", "scatter", "scatter_", "scatter_add", "scatter_add_", "refused_where", "scatter_counts", "scatter_reduce",
    "scatter_reduce_", "take_along_dim",
]  # fmt: skip

_MODES = {None: "assign", "add": "add", "multiply": "multiply"}


def _read(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any, Any]:
    """Return the dimension, and input and index of at least one dimension."""
    need_array(name, "input", 1, input)
    need_array(name, "index", 3, index)
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        if index.lay.numel:
            raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
        index = index.to(dtypes.int64)  # the dtype of no index at all does not matter
    if index.device is not input.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but got index is on {index.device}, different from other "
            f"tensors on {input.device}"
        )
    if not index.lay.numel:  # with any number of dimensions
        index = reshape(index, (0,) * max(input.lay.ndim, 1))
    if max(index.lay.ndim, 1) != max(input.lay.ndim, 1):
        what = "input" if name == "gather" else "self"
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {what} tensor")
    d = wrap_dim(dim, input.lay.ndim)
    return d, *(x if x.lay.ndim else reshape(x, (1,)) for x in (input, index))


@numpy_names
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False, out: Any = None) -> Any:
    """Take, at every place of ``index``, the element it names along a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.gather.html

    >>> import cltorch as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    need_array("gather", "input", 1, input)
    need_array("gather", "index", 3, index)
    if not index.lay.numel:  # of any dtype, and with any number of dimensions
        wrap_dim(dim, input.lay.ndim)
        result = convert.clone(reshape(narrow(reshape(input, (-1,)), 0, 0, 0), index.lay.shape))
        return result if out is None else p.into_out("gather", out, result, (input,))
    d, x, places = _read("gather", input, dim, index)
    for i, (n, k) in enumerate(zip(x.lay.shape, places.lay.shape, strict=True)):
        if k > n and i != d:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(places.lay.shape)} to be no larger than "
                f"self {list(x.lay.shape)} apart from dimension {d}"
            )
    result = apply(ops.Gather, x, d, places)
    if not index.lay.ndim:
        result = reshape(result, ())
    if out is None:
        return result
    if p.need_out("gather", out).dtype is not input.dtype:
        raise RuntimeError(f"Expected out tensor to have dtype {input.dtype.name}, but got {out.dtype.name} instead")
    check_overlap(out, (index,))
    return p.into_out("gather", out, result, (input,))


def _prepare(name: str, input: Any, dim: int, index: Any, src: Any) -> tuple[int, Any, Any, Any]:
    """Return dimension, input, index and source of one rank, after the checks of all scatters."""
    d, x, places = _read(name, input, dim, index)
    if not isinstance(src, Array):
        src = expand(full((), src, dtype=x.dtype, device=x.device), places.lay.shape)
    elif src.lay.ndim == 0:
        src = reshape(src, (1,))
    if src.dtype is not x.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not places.lay.numel:
        src = expand(full((), 0, dtype=x.dtype, device=x.device), places.lay.shape)
    if src.lay.ndim != places.lay.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    shapes = zip(x.lay.shape, places.lay.shape, src.lay.shape, strict=True)
    if places.lay.numel and any(k > m or (k > n and i != d) for i, (n, k, m) in enumerate(shapes)):
        raise RuntimeError(
            f"Expected index {list(places.lay.shape)} to be no larger than self {list(x.lay.shape)} apart from "
            f"dimension {d} and to be no larger size than src {list(src.lay.shape)}"
        )
    return d, x, places, src


def _scatter(name: str, input: Any, dim: int, index: Any, src: Any, mode: str) -> Any:
    by_number = not isinstance(src, Array)
    d, x, places, src = _prepare(name, input, dim, index, src)
    op = ops.ScatterAdd if mode == "add" else ops.ScatterNumber if by_number else ops.Scatter
    out = apply(op, x, d, places, src, mode)
    return out if input.lay.ndim else reshape(out, ())


def _one_of(name: str, src: Any, value: Any) -> Any:
    if src is not None and value is not None:
        raise TypeError(f"{name}() received an invalid combination of arguments: it takes src or value, not both")
    return value if src is None else src


def _check_reduce(reduce: str | None, src: Any) -> None:
    if reduce not in _MODES:
        raise RuntimeError("reduce argument must be either add or multiply.")
    if reduce is not None and isinstance(src, Array):
        warn_once(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
            "PyTorch release. Use torch.scatter_reduce instead for more reduction options."
        )


@numpy_names
def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None, out: Any = None
) -> Any:
    """Return a copy with values written at the places that ``index`` names along a dimension.

    The last of equal places stays; ``reduce`` "add" or "multiply" combines values with what is there.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.scatter_.html

    >>> import cltorch as torch
    >>> torch.scatter(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([5.0, 7.0]))
    tensor([7., 0., 5.])
    """
    need_array("scatter", "input", 1, input)
    need_array("scatter", "index", 3, index)
    src = _one_of("scatter", src, value)
    _check_reduce(reduce, src)
    if reduce == "multiply":  # its derivative is that of a product
        result = scatter_reduce(input, dim, index, _source(input, index, src), "prod")
    else:
        result = _scatter("scatter", input, dim, index, src, _MODES[reduce])
    return result if out is None else p.into_out("scatter", out, result, (index, src))


def _scatter_in_place(name: str, input: Any, dim: int, index: Any, src: Any, mode: str) -> Any:
    d, x, places, src = _prepare(name, input, dim, index, src)
    check_overlap(x, [])
    check_apart(x, (index, src))
    if src._storage is x._storage:
        src = convert.contiguous_copy(src)
    if places._storage is x._storage:
        places = convert.contiguous_copy(places)
    inplace(
        x, ops.ScatterInPlace, x, d, places, src, mode, write=lambda: ops.scatter_into(mode, x, d, places, src, name)
    )  # fmt: skip
    return input


def _source(input: Any, index: Any, src: Any) -> Any:
    if isinstance(src, Array):
        return src
    return expand(full((), src, dtype=input.dtype, device=input.device), index.lay.shape)


def scatter_(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """Write values at the places that ``index`` names along a dimension.

    >>> import cltorch as torch
    >>> torch.zeros(1, 3).scatter_(1, torch.tensor([[2]]), 1.0)
    tensor([[0., 0., 1.]])
    """
    if reduce == "multiply":
        before = convert.old_value(input, src)
        return overwrite.copy_(input, scatter(before, dim, index, src, value=value, reduce=reduce))
    _check_reduce(reduce, src)
    return _scatter_in_place("scatter_", input, dim, index, _one_of("scatter_", src, value), _MODES[reduce])


@numpy_names
def scatter_add(input: Any, dim: int, index: Any, src: Any, *, out: Any = None) -> Any:
    """Return a copy with values added at the places that ``index`` names; equal places add up in order.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.scatter_add_.html

    >>> import cltorch as torch
    >>> torch.scatter_add(torch.zeros(3), 0, torch.tensor([2, 2]), torch.tensor([5.0, 7.0]))
    tensor([ 0.,  0., 12.])
    """
    result = _scatter("scatter_add", input, dim, index, src, "add")
    return result if out is None else p.into_out("scatter_add", out, result, (index, src))


def scatter_add_(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Add values at the places that ``index`` names."""
    return _scatter_in_place("scatter_add_", input, dim, index, src, "add")


def scatter_counts(x: Any, dim: int, index: Any, include_self: bool) -> Any:
    """Return by how many values each place of a mean is made, at least 1."""
    start = ones_like(x) if include_self else zeros_like(x)
    one = expand(full((), 1, dtype=x.dtype, device=x.device), index.lay.shape)
    counts = scatter_add(start, dim, index, one)
    return counts if include_self else p.maximum(counts, full((), 1, dtype=x.dtype, device=x.device))


def refused_where(condition: Any, gradient: Any, why: str) -> Any:
    """Return a gradient that raises RuntimeError when it is differentiated, where a condition holds anywhere.

    The condition is looked at only where a graph of the gradient is made.
    """
    if not recording.enabled or condition._batch or not condition.any().item():
        return gradient
    return refusing(why, [gradient])[0]


@numpy_names
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Any:
    """Return a copy in which values are reduced by the places that ``index`` names along a dimension.

    ``reduce`` is "sum", "prod", "mean", "amax" or "amin"; without ``include_self`` the old elements do not take part.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.scatter_reduce_.html

    >>> import cltorch as torch
    >>> torch.zeros(2).scatter_reduce(0, torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, 3.0]), "amax")
    tensor([2., 3.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    d, x, places, src = _prepare("scatter_reduce", input, dim, index, src)
    if x.dtype.is_complex:
        if reduce in ("amax", "amin"):
            raise NotImplementedError(f"\"scatter_reduce_{reduce}\" not implemented for '{SCALAR_NAMES[x.dtype.name]}'")
        if recording.enabled and (needs_grad(x) or needs_grad(src)):
            raise RuntimeError(
                "scatter_reduce does not support automatic differentiation for outputs with complex dtype."
            )
    if reduce == "mean":
        total = apply(ops.ScatterReduce, x, d, places, src, "sum", include_self)
        counts = scatter_counts(x.detach(), d, places, include_self)
        result = p.div(total, counts) if x.dtype.differentiable else p.floor_divide(total, counts)
    else:
        result = apply(ops.ScatterReduce, x, d, places, src, reduce, include_self)
    if not input.lay.ndim:
        result = reshape(result, ())
    return result if out is None else p.into_out("scatter_reduce", out, result, (index, src))


def scatter_reduce_(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:  # fmt: skip
    """Reduce values by the places that ``index`` names along a dimension, in place."""
    check_apart(input, (index, src))
    before = convert.old_value(input, src)
    return overwrite.copy_(input, scatter_reduce(before, dim, index, src, reduce, include_self=include_self))


def _from_front(indices: Any, size: int) -> Any:
    """Return indices of which negative ones counted from the end; what is out of range stays so."""
    return p.add(indices, p.mul(p.lt(indices, 0), size))


@numpy_names
def take_along_dim(input: Any, indices: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """Take the elements that ``indices`` names along a dimension, broadcasting the others.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.take_along_dim.html

    >>> import cltorch as torch
    >>> torch.take_along_dim(torch.tensor([[10, 30, 20]]), torch.tensor([[1]]), dim=1)
    tensor([[30]])
    """
    need_array("take_along_dim", "input", 1, input)
    need_array("take_along_dim", "indices", 2, indices)
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}")
    if dim is None:
        flat = reshape(input, (-1,))
        result = gather(flat, 0, _from_front(reshape(indices, (-1,)), flat.lay.numel))
        return result if out is None else p.into_out("take_along_dim", out, result, (input, indices))
    if input.lay.ndim != indices.lay.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.lay.ndim} dimensions for input, and {indices.lay.ndim} dimensions for indices"
        )
    if not input.lay.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim, input.lay.ndim)
    lines = [[1 if i == d else n for i, n in enumerate(x.lay.shape)] for x in (input, indices)]
    common = list(broadcast_shapes(*lines))
    a, b = list(common), list(common)
    a[d], b[d] = size, _ = input.lay.shape[d], indices.lay.shape[d]
    result = gather(expand(input, a), d, _from_front(expand(indices, b), size))
    return result if out is None else p.into_out("take_along_dim", out, result, (input, indices))
