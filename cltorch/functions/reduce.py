"""Sums, means, products, counts and tests of all elements or along dimensions.

Source: https://docs.pytorch.org/docs/2.13/torch.html#reduction-ops
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.dtypes import TYPE_NAMES, dtype
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, numpy_names, read_dims, read_dtype, read_int
from cltorch.functions.complex_sums import product_of
from cltorch.functions.convert import to
from cltorch.functions.outputs import check_asked
from cltorch.functions.pointwise import into_out
from cltorch.layout import Layout
from cltorch.ops import reduce as rows
from cltorch.ops.array import Array
from cltorch.ops.few import refuse
from cltorch.ops.op import Op
from cltorch.ops.reduce import Reduction, kept_shape, reduce
from cltorch.shapes import wrap_dim

__all__ = ["all", "any", "count_nonzero", "mean", "nanmean", "nansum", "prod", "prod_dims", "prod_others", "sum"]


def spread(m: Any, g: Any, shape: Any, dims: tuple[int, ...]) -> Any:
    """Give a result's gradient the shape of the input, without copying."""
    return m.expand(m.reshape(g, kept_shape(shape, dims, True)) if g.lay.shape else g, shape)


def keep(out: Any, shape: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    """Return a result of ``reduce`` with its reduced dimensions as dimensions of size 1, where that is wanted."""
    return Array.new(out._storage, Layout.of(kept_shape(shape, dims, True)), out.dtype) if keepdim and dims else out


def store(name: str, result: Any, out: Any) -> Any:
    """Return a result, or write it into ``out``."""
    return result if out is None else into_out(name, out, result)


def _dtype_or_outs(name: str, asked: Any, out: Any) -> dtype:
    t = read_dtype(name, asked, None if out is None else need_array(name, "out", 3, out).dtype)
    check_asked(t, out)
    return t


class Sum(Op):
    """Sum or mean: the gradient is spread evenly."""

    name = "sum"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(
        c: Any, x: Any, row: Reduction, dims: tuple[int, ...], keepdim: bool, out_dtype: dtype, params: tuple[Any, ...]
    ) -> Any:
        c.shape, c.dims, c.scale, c.dtype = x.lay.shape, dims, params[0] if params else 1, x.dtype
        return keep(reduce(row, x, dims, out_dtype, params), c.shape, dims, keepdim)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        if c.scale != 1:
            g = m.div(g, c.scale)
        if g.dtype is not c.dtype:
            g = g.to(c.dtype)
        return spread(m, g, c.shape, c.dims), None, None, None, None, None


class Mean(Sum):
    """The mean: a sum with a scale."""

    name = "mean"


@numpy_names
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Add elements, all of them or along dimensions; integers are summed in int64.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sum.html

    >>> import cltorch as torch
    >>> torch.tensor([[1, 2], [3, 4]]).sum(0)
    tensor([4, 6])
    """
    dims = read_dims("sum", input, dim)
    if dtype is not None or out is not None:
        t = _dtype_or_outs("sum", dtype, out)
        input = to(input, t)
    else:
        t = input.dtype if input.dtype.differentiable else dtypes.int64
        input = _common(input, t)
    result = apply(Sum, input, rows.SUM, dims, keepdim, t, ())
    return store("sum", result if dim is None else called(result, "SumBackward1"), out)


@numpy_names
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Average elements, all of them or along dimensions.

    Raises RuntimeError for integer tensors without ``dtype``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.mean.html

    >>> import cltorch as torch
    >>> torch.tensor([1.0, 2.0, 6.0]).mean()
    tensor(3.)
    """
    dims = read_dims("mean", input, dim)
    t = read_dtype("mean", dtype, input.dtype)
    if dtype is not None and out is not None:
        check_asked(t, need_array("mean", "out", 3, out))
    if not t.differentiable:
        given = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {given} dtype must be either a floating point or complex "
            f"dtype. Got: {TYPE_NAMES[t]}"
        )
    input = to(input, t)
    n = math.prod(input.lay.shape[d] for d in dims)
    if n == 0:
        result = p.mul(sum(input, dim, keepdim), math.nan)
    else:
        result = apply(Mean, input, rows.MEAN, dims, keepdim, t, (float(n),))
        if dim is not None:
            called(result, "MeanBackward1")
    return store("mean", result, out)


class NanSum(Op):
    """The sum of the elements that are not NaN."""

    name = "nansum"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        c.shape, c.dims = x.lay.shape, dims
        c.save(x)
        return keep(reduce(rows.NANSUM, x, dims, x.dtype), c.shape, dims, keepdim)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (x,) = c.saved
        return m.where(m.isnan(x), 0, spread(m, g, c.shape, c.dims)), None, None


@numpy_names
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Add elements, NaN counting as zero.

    Shape: (*) to (), or to the sizes but that of ``dim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nansum.html

    >>> import cltorch as torch
    >>> torch.nansum(torch.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    dims = read_dims("nansum", input, dim)
    if input.dtype.is_complex:
        where = "on CPU " if input.device.type == "cpu" else ""
        raise RuntimeError(f"nansum {where}does not support complex inputs")
    if not input.dtype.is_floating_point:
        return sum(input, dim, keepdim, dtype=dtype, out=out)
    t = read_dtype("nansum", dtype, input.dtype if out is None else need_array("nansum", "out", 3, out).dtype)
    if out is not None and out.dtype is not t:
        raise RuntimeError(
            f"nansum: provided dtype must match dtype of result. Got {TYPE_NAMES[out.dtype]} and {TYPE_NAMES[t]}."
        )
    if not t.is_floating_point:  # NaN has no integer: it must be gone before the conversion
        input = p.where(p.isnan(input), 0.0, input)
        return sum(input, dim, keepdim, dtype=t, out=out)
    return store("nansum", apply(NanSum, to(input, t), dims, keepdim), out)


@numpy_names
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Average the elements that are not NaN; raise RuntimeError for integer tensors.

    Shape: (*) to (), or to the sizes but that of ``dim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nanmean.html

    >>> import cltorch as torch
    >>> torch.nanmean(torch.tensor([float("nan"), 1.0, 3.0]))
    tensor(2.)
    """
    read_dims("nanmean", input, dim)
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{TYPE_NAMES[input.dtype]}"
        )  # fmt: skip
    if dtype is not None and not read_dtype("nanmean", dtype).differentiable:
        raise RuntimeError(
            "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. "
            f"Got: {TYPE_NAMES[read_dtype('nanmean', dtype)]}"
        )
    total = nansum(input, dim, keepdim, dtype=dtype)
    return store("nanmean", p.div(total, sum(p.logical_not(p.isnan(input)), dim, keepdim)), out)


class Prod(Op):
    """A product along dimensions; the gradient of an element is the product of the others, zeros or not."""

    name = "prod"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], keepdim: bool, t: dtype) -> Any:
        c.dims, c.shape = dims, x.lay.shape
        c.save(x)
        return keep(reduce(rows.PROD, x, dims, t), c.shape, dims, keepdim)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (x,) = c.saved
        g = spread(m, g, c.shape, c.dims)
        if m.is_grad_enabled():
            return m.mul(g, m.prod_others(x, c.dims)), None, None, None
        zero = m.eq(x, 0)
        zeros = m.sum(zero, c.dims, True) if c.dims else zero.to(dtypes.int64)
        safe = m.where(zero, 1, x)
        others = m.prod_dims(safe, c.dims)
        share = m.where(zero, m.where(m.eq(zeros, 1), others, 0), m.where(m.eq(zeros, 0), m.div(others, safe), 0))
        return m.mul(g, share), None, None, None


def prod_dims(x: Any, dims: tuple[int, ...]) -> Any:
    """Multiply along several dimensions, keeping them."""
    return apply(Prod, x, dims, True, x.dtype)


def prod_others(x: Any, dims: tuple[int, ...]) -> Any:
    """Return for each element the product of the others along dimensions, without divisions.

    It is the running product from the front times that from the back: zeros do not matter, to any order.
    """
    m = Settings.functions
    shape = x.lay.shape
    if not dims or not x.lay.numel:
        return m.ones_like(x)
    order = [d for d in range(len(shape)) if d not in dims] + list(dims)
    kept = [shape[d] for d in order[: len(shape) - len(dims)]]
    line = m.reshape(m.permute(x, order), (*kept, -1))
    last = len(kept)
    before = m.cumprod(m.shifted(line, last, 1, False), last)
    after = m.flip(m.cumprod(m.shifted(m.flip(line, (last,)), last, 1, False), last), (last,))
    moved = m.reshape(m.mul(before, after), [shape[d] for d in order])
    back = [order.index(d) for d in range(len(shape))]
    return m.permute(moved, back)


@numpy_names
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Multiply elements, all of them or along one dimension; integers multiply in int64.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.prod.html

    >>> import cltorch as torch
    >>> torch.tensor([2, 3, 4]).prod()
    tensor(24)
    """
    need_array("prod", "input", 1, input)
    dims = read_dims("prod", input, dim if dim is None else wrap_dim(read_int("prod", "dim", 2, dim), input.lay.ndim))
    if dtype is not None or out is not None:
        input = to(input, _dtype_or_outs("prod", dtype, out))
    elif not input.dtype.differentiable:
        input = to(input, dtypes.int64)
    if input.dtype.is_complex:
        return store("prod", product_of(input, dims, keepdim), out)
    result = apply(Prod, input, dims, keepdim, input.dtype)
    return store("prod", result if dim is None else called(result, "ProdBackward1"), out)


def _common(x: Any, t: dtype) -> Any:
    """Return a tensor of one of the unsigned dtypes that kernels of sums do not know in another dtype."""
    return to(x, t) if x.dtype.few == "unsigned" else x


def _truth(x: Any) -> Any:
    """Return numbers that kernels of tests do not know as whether they are zero, and others as they are."""
    return p.ne(x, 0) if x.dtype.rare else x


def _logical(name: str, row: Reduction) -> Any:
    def f(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
        dims = read_dims(name, input, dim)
        if isinstance(dim, (tuple, list)) and not dim:
            dims = ()  # here, and only here, an empty list means no dimension
        t = dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_
        if out is not None:
            t = need_array(name, "out", 3, out).dtype
            if t not in (dtypes.bool_, dtypes.uint8):
                raise RuntimeError(f"{name} only supports bool tensor for result, got: {TYPE_NAMES[t]}")
        input = _truth(input)
        return store(name, keep(reduce(row, input, dims, t), input.lay.shape, dims, keepdim), out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Test whether {name} elements are nonzero, of all or along dimensions; uint8 stays uint8, as in PyTorch.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([True, False]))\ntensor({name == 'any'})\n"
    )
    return numpy_names(f)


any, all = _logical("any", rows.ANY), _logical("all", rows.ALL)


@numpy_names
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Count the elements that are not zero.

    Shape: (*) to (), or to the sizes but that of ``dim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.count_nonzero.html

    >>> import cltorch as torch
    >>> torch.count_nonzero(torch.tensor([0, 1, 2]))
    tensor(2)
    """
    need_array("count_nonzero", "input", 1, input)
    refuse("count_nonzero", input.dtype)
    return reduce(rows.COUNT, _truth(input), read_dims("count_nonzero", input, dim), dtypes.int64)
