"""What reductions, copies and parts by index are for PyTorch's dispatcher: operators with arguments.

What is not here is told under cltorch's own name.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.dispatch import OPERATORS, Told
from cltorch.functions import convert, extremes, moments, norms, overwrite, reduce
from cltorch.ops import argreduce, gather, index, join, scan, sort, topk, triangle
from cltorch.ops.array import Array
from cltorch.ops.op import Op

__all__: list[str] = []


# ---- reductions -----------------------------------------------------------------------------------------------------
def _told_sum(op: type[Op], x: Any, row: Any, dims: Any, keepdim: bool, t: Any, params: Any) -> Told:
    to = {} if t is x.dtype else {"dtype": t}
    if len(dims) == x.lay.ndim and not keepdim:
        return Told(op.name, args=(x,), kwargs=to)
    return Told(op.name, "dim_IntList" if op.name == "sum" else "dim", (x, list(dims), keepdim), to)


def _told_moment(op: type[Op], x: Any, dims: Any, keepdim: bool, n: int, freedom: Any) -> Told:
    return Told(op.name, "correction", (x, list(dims)), {"correction": n - freedom, "keepdim": keepdim})


def _told_extreme(op: type[Op], x: Any, row: Any, dims: Any, keepdim: bool) -> Told:
    return Told(op.name, args=(x,) if op.name in ("max", "min") else (x, list(dims), keepdim))


OPERATORS[reduce.Sum] = _told_sum
OPERATORS[reduce.NanSum] = lambda op, x, dims, keepdim: Told("nansum", args=(x, list(dims), keepdim))
OPERATORS[moments.Var] = OPERATORS[moments.Std] = _told_moment
OPERATORS[moments.VarMean] = OPERATORS[moments.StdMean] = _told_moment
OPERATORS[extremes.Extreme] = _told_extreme
OPERATORS[moments.LogSumExp] = lambda op, x, dims, keepdim: Told("logsumexp", args=(x, list(dims), keepdim))
OPERATORS[norms.Norm] = lambda op, x, ord, dims, keepdim: Told("linalg_vector_norm", args=(x, ord, list(dims), keepdim))
OPERATORS[argreduce.MaxDim] = lambda op, x, dim, keepdim, less: Told(op.name, "dim", (x, dim, keepdim))
OPERATORS[scan.CumSum] = lambda op, x, dim, t, reverse: (
    None if reverse else Told("cumsum", args=(x, dim), kwargs={} if t is x.dtype else {"dtype": t})
)
OPERATORS[scan.CumProd] = lambda op, x, dim, t: Told(
    "cumprod", args=(x, dim), kwargs={} if t is x.dtype else {"dtype": t}
)
OPERATORS[scan.LogCumSumExp] = lambda op, x, dim: Told("logcumsumexp", args=(x, dim))
OPERATORS[sort.Sort] = lambda op, x, dim, descending: Told("sort", args=(x, dim, descending))
OPERATORS[topk.TopK] = lambda op, x, k, dim, largest: Told("topk", args=(x, k, dim, largest))


# ---- copies, and parts by index -------------------------------------------------------------------------------------
def _told_copy(op: type[Op], x: Any, t: Any, dev: Any, later: bool = False) -> Told:
    to = {"dtype": (x.dtype, t), "device": (x.device, dev), "non_blocking": (False, later)}
    return Told("_to_copy", args=(x,), kwargs={k: new for k, (old, new) in to.items() if old != new})


def _told_index(op: type[Op], x: Any, at: int, dims: Any, wrap: bool, *indices: Any) -> Told | None:
    if op.name == "index_select":
        return None  # its dimension is in front by now
    if op.name == "take":
        return Told("take", args=(x, *indices))
    return Told("index", "Tensor", (x, list(indices))) if at == 0 else None


def _told_put(op: type[Op], x: Any, v: Any, accumulate: bool, wrap: bool, *indices: Any) -> Told:
    name = "index_put_" if issubclass(op, index.PutInPlace) else "index_put"
    return Told(name, args=(x, list(indices), v, accumulate))


def _told_scatter(op: type[Op], x: Any, dim: int, places: Any, v: Any, mode: str) -> Told:
    name = "scatter_add" if mode == "add" else "scatter"
    kind = "default" if name == "scatter_add" else "src" if isinstance(v, Array) else "value"
    return Told(name + "_" * issubclass(op, gather.ScatterInPlace), kind, (x, dim, places, v))


OPERATORS[convert.ToCopy] = _told_copy
OPERATORS[convert.ContiguousCopy] = lambda op, x, wanted=None: Told(
    "clone", args=(x,), kwargs={} if wanted is None else {"memory_format": wanted}
)
OPERATORS[overwrite._Copy] = lambda op, x, src: Told("copy_", args=(x, src))
OPERATORS[overwrite._Fill] = lambda op, x, value: Told("fill_", "Scalar", (x, value))
OPERATORS[overwrite._Zero] = lambda op, x, value: Told("zero_", args=(x,))
OPERATORS[index.Index] = _told_index
OPERATORS[index.PutFront] = _told_put
OPERATORS[gather.Gather] = lambda op, x, dim, places: Told("gather", args=(x, dim, places))
OPERATORS[join.Cat] = lambda op, dim, t, *tensors: Told("cat", args=(list(tensors), *((dim,) if dim else ())))
OPERATORS[join.Stack] = lambda op, dim, t, *tensors: Told("stack", args=(list(tensors), *((dim,) if dim else ())))
for _op in (gather.Scatter, gather.ScatterAdd, gather.ScatterInPlace):
    OPERATORS[_op] = _told_scatter
OPERATORS[join.Repeat] = lambda op, x, outer, inner: (
    None if any(n != 1 for n in inner) else Told("repeat", args=(x, list(outer)))
)
OPERATORS[join.Flip] = lambda op, x, dims: Told("flip", args=(x, list(dims)))
OPERATORS[join.Roll] = lambda op, x, shifts, dims: Told("roll", args=(x, list(shifts), list(dims)))
OPERATORS[triangle.Triangle] = lambda op, x, k, upper: Told("triu" if upper else "tril", args=(x, k))
