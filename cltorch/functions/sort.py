"""Sorting along a dimension and what follows from it: sort, argsort, topk, kthvalue, median, mode.

All sorting is stable. NaN counts as larger than everything, minus zero equals zero.
Source: https://docs.pytorch.org/docs/2.13/torch.html#comparison-ops
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.dtypes import C_NAMES, TYPE_NAMES
from cltorch.functions.arguments import need_array, numpy_names, read_int
from cltorch.functions.create import full, zeros
from cltorch.functions.gather import scatter
from cltorch.functions.pointwise import into_out, into_outs, need_out
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import reshape
from cltorch.ops import pick as ops
from cltorch.ops.overlap import check_apart
from cltorch.ops.sort import Sort, sort_as_laid
from cltorch.ops.topk import TopK
from cltorch.shapes import wrap_dim

__all__ = [
    "argsort",
    "kthvalue",
    "median",
    "mode",
    "msort",
    "nanmedian",
    "scatter_back",
    "sort",
    "topk",
]

sort_return, topk_return, kthvalue_return, median_return, nanmedian_return, mode_return = (
    result_class(name, "values", "indices") for name in ("sort", "topk", "kthvalue", "median", "nanmedian", "mode")
)


def scatter_back(g: Any, indices: Any, dim: int, shape: Any) -> Any:
    """Return zeros of ``shape`` with ``g`` at ``indices`` along ``dim``, of which no two are the same in a line."""
    if not shape:
        return g
    return scatter(zeros(shape, dtype=g.dtype, device=g.device), dim, indices, g)


def _results(name: str, kind: Any, out: Any, values: Any, indices: Any) -> Any:
    if out is None:
        return kind(values, indices)
    if isinstance(out, (tuple, list)) and len(out) == 2:
        t = need_out(name, out[1]).dtype
        if name == "mode":
            for x, what, wanted in ((out[0], "values", values.dtype), (out[1], "indices", dtypes.int64)):
                if need_out(name, x).dtype is not wanted:
                    one, two = TYPE_NAMES[wanted], TYPE_NAMES[x.dtype]
                    raise RuntimeError(f"expected scalar type '{one}' but got '{two}' for {what} output")
        if t is not dtypes.int64:
            raise RuntimeError(f"Expected out tensor to have dtype long int, but got {TYPE_NAMES[t].lower()} instead")
    return kind(*into_outs(name, out, (values, indices)))


@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None, out: Any = None) -> Any:
    """Return (values, indices) of the elements in order along a dimension; equal ones keep theirs, ``stable`` or not.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sort.html

    >>> import cltorch as torch
    >>> torch.sort(torch.tensor([3, 1, 2]))
    torch.return_types.sort(
    values=tensor([1, 2, 3]),
    indices=tensor([1, 2, 0]))
    """
    need_array("sort", "input", 1, input)
    d = wrap_dim(read_int("sort", "dim", 2, dim), input.lay.ndim)
    return _results("sort", sort_return, out, *apply(Sort, input, d, bool(descending)))


@numpy_names
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False, out: Any = None) -> Any:
    """Return the indices that sort a tensor along a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.argsort.html

    >>> import cltorch as torch
    >>> torch.argsort(torch.tensor([3, 1, 2]), descending=True)
    tensor([0, 2, 1])
    """
    need_array("argsort", "input", 1, input)
    d = wrap_dim(read_int("argsort", "dim", 2, dim), input.lay.ndim)
    if input.dtype.is_complex:
        raise NotImplementedError("argsort is not implemented for complex tensors")
    if out is not None and need_array("argsort", "out", 5, out).dtype is not dtypes.int64:
        raise RuntimeError(f"Expected out tensor to have dtype long int, but got {C_NAMES[out.dtype.name]} instead")
    result = sort_as_laid(input, d, bool(descending))[1]
    return result if out is None else into_out("argsort", out, result)


def msort(input: Any, *, out: Any = None) -> Any:
    """Return the elements in order along the first dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.msort.html

    >>> import cltorch as torch
    >>> torch.msort(torch.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    values = sort(input, 0).values
    return values if out is None else into_out("msort", out, values)


@numpy_names
def topk(
    input: Any, k: int, dim: int | None = None, largest: bool = True, sorted: bool = True, *, out: Any = None
) -> Any:
    """Return (values, indices) of the ``k`` largest or smallest elements along a dimension (the last by default).

    They come in order, ``sorted`` or not; of equal elements those in front are taken. Raises RuntimeError for a ``k``
    that is negative or larger than the dimension.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.topk.html

    >>> import cltorch as torch
    >>> torch.topk(torch.tensor([1, 4, 2, 3]), 2).values
    tensor([4, 3])
    """
    need_array("topk", "input", 1, input)
    k = read_int("topk", "k", 2, k)
    d = wrap_dim(-1 if dim is None else dim, input.lay.ndim)
    if not 0 <= k <= (input.lay.shape[d] if input.lay.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if input.dtype is dtypes.bool_:
        raise RuntimeError(f"topk does not support bool dtypes on {input.device.type.upper()}")
    k = k if input.lay.ndim else 1
    return _results("topk", topk_return, out, *apply(TopK, input, k, d, bool(largest)))


#: the nodes of the elements that are picked along a dimension
_NODES = {"median": "MedianBackward1", "nanmedian": "NanmedianBackward1", "mode": "ModeBackward0"}


def _along(name: str, what: str, kind: Any, input: Any, k: int, dim: int, keepdim: bool, out: Any) -> Any:
    d = wrap_dim(dim, input.lay.ndim)
    if input.lay.ndim and not input.lay.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    if what != ops.MODE:
        _refuse_bool(name, input)
    values, indices = apply(ops.Pick, input, what, d, k, bool(keepdim))
    return _results(name, kind, out, called(values, _NODES.get(name, "KthvalueBackward0")), indices)


def _read_dim(name: str, dim: Any) -> int:
    if isinstance(dim, bool):
        raise TypeError(f"{name}(): argument 'dim' (position 2) must be int, not bool")
    return read_int(name, "dim", 2, dim)


def _refuse_bool(name: str, x: Any) -> None:
    if x.dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")


@numpy_names
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """Return (values, indices) of the ``k``-th smallest elements along a dimension, counted from 1.

    Raises RuntimeError for a ``k`` out of range, IndexError for a dimension of size 0.
    Shape: (*, n, *) to two without the dimension of n.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.kthvalue.html

    >>> import cltorch as torch
    >>> torch.kthvalue(torch.tensor([5, 1, 3]), 2).values
    tensor(3)
    """
    need_array("kthvalue", "input", 1, input)
    k = read_int("kthvalue", "k", 2, k)
    d = wrap_dim(dim, input.lay.ndim)
    n = input.lay.shape[d] if input.lay.ndim else 1
    if n and not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    if isinstance(out, (tuple, list)) and len(out) == 2:
        check_apart(need_out("kthvalue", out[0]), (input,))
    return _along("kthvalue", ops.KTH, kthvalue_return, input, k - 1, dim, keepdim, out)


def _median(name: str, what: str, kind: Any) -> Any:
    def f(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
        need_array(name, "input", 1, input)
        if dim is not None:
            return _along(name, what, kind, input, 0, _read_dim(name, dim), keepdim, out)
        _refuse_bool(name, input)
        if input.lay.numel:
            values, _ = apply(ops.Pick, reshape(input, (-1,)), what, 0, 0, False, True)
            called(values, f"{name.capitalize()}Backward0")
        else:
            t = input.dtype
            nothing = (
                math.nan if t.is_floating_point or t.is_complex else 0 if t.family in "bu" else dtypes.iinfo(t).min
            )
            values = full((), nothing, dtype=t, device=input.device)
        return values if out is None else into_out(name, out, values)

    f.__name__ = f.__qualname__ = name
    skip = "not counting NaN" if what == ops.NANMEDIAN else "NaN if there is one"
    f.__doc__ = (
        f"Return the median of all elements, {skip}; with ``dim`` (values, indices) along it.\n\n"
        "Of an even number of elements it is the lower one of the two in the middle.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([4.0, 1.0, 3.0, 2.0]))\ntensor(2.)\n"
    )
    return numpy_names(f)


median = _median("median", ops.MEDIAN, median_return)
nanmedian = _median("nanmedian", ops.NANMEDIAN, nanmedian_return)


@numpy_names
def mode(input: Any, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """Return (values, indices) of the most frequent elements along a dimension; the smallest of equally frequent ones.

    The index is the last one at which the value stands.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.mode.html

    >>> import cltorch as torch
    >>> torch.mode(torch.tensor([1, 3, 3, 2])).values
    tensor(3)
    """
    need_array("mode", "input", 1, input)
    return _along("mode", ops.MODE, mode_return, input, 0, _read_dim("mode", dim), keepdim, out)
