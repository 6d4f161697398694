"""Reductions: sum, mean, extremes, variance, norms and their kin.

Source: https://docs.pytorch.org/docs/2.13/torch.html#reduction-ops
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.dtypes import dtype
from cltorch.functions import pointwise as p
from cltorch.functions.pointwise import into_out
from cltorch.functions.ranges import arange
from cltorch.functions.shape import reshape
from cltorch.layout import Layout, wrap_dim, wrap_dims
from cltorch.ops import reduce as rows
from cltorch.ops.argreduce import MaxDim, extreme
from cltorch.ops.array import Array
from cltorch.ops.op import Op
from cltorch.ops.pointwise import _TYPE_NAMES
from cltorch.ops.reduce import Reduction, accumulation, kept_shape, reduce

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "dist",
    "frobenius_norm",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanmean",
    "nansum",
    "norm",
    "prod",
    "prod_dims",
    "scatter_chosen",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
    "vector_norm",
]


class max_return(NamedTuple):
    """Hold the result of max or min along a dimension."""

    values: Any
    indices: Any


class aminmax_return(NamedTuple):
    """Hold the result of aminmax."""

    min: Any
    max: Any


def _read(name: str, input: Any, dim: Any) -> tuple[int, ...]:
    if not isinstance(input, Array):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return (
        wrap_dims(dim if dim is None or isinstance(dim, int) else tuple(int(d) for d in dim), input.layout.ndim)
        if input.layout.ndim or dim is not None
        else ()
    )


def _dims(name: str, input: Any, dim: Any) -> tuple[int, ...]:
    found = _read(name, input, dim)
    return tuple(d for d in found if d < input.layout.ndim)


def _spread(m: Any, g: Any, shape: Any, dims: tuple[int, ...]) -> Any:
    """Give a result's gradient the shape of the input, without copying."""
    return m.expand(m.reshape(g, kept_shape(shape, dims, True)), shape)


class _Linear(Op):
    """Sum or mean: the gradient is spread evenly."""

    name = "sum"

    @staticmethod
    def forward(
        c: Any, x: Any, row: Reduction, dims: tuple[int, ...], keepdim: bool, out_dtype: dtype, params: tuple[Any, ...]
    ) -> Any:
        c.shape, c.dims, c.scale, c.dtype = x.layout.shape, dims, params[0] if params else 1, x.dtype
        out = reduce(row, x, dims, out_dtype, params)
        return _keep(out, c.shape, dims, keepdim)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        if c.scale != 1:
            g = m.div(g, c.scale)
        if g.dtype is not c.dtype:
            g = g.to(c.dtype)
        return _spread(m, g, c.shape, c.dims), None, None, None, None, None


class Mean(_Linear):
    """The mean: a sum with a scale."""

    name = "mean"


def _keep(out: Any, shape: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    return Array.new(out.storage, Layout.of(kept_shape(shape, dims, True)), out.dtype) if keepdim and dims else out


def _sum_dtype(input: Any, t: Any) -> dtype:
    if t is not None:
        return t
    return input.dtype if input.dtype.is_floating_point else dtypes.int64


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Add elements, all of them or along dimensions; integers are summed in int64.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sum.html

    >>> import cltorch as torch
    >>> torch.tensor([[1, 2], [3, 4]]).sum(0)
    tensor([4, 6])
    """
    dims = _dims("sum", input, dim)
    t = _sum_dtype(input, dtype)
    if dtype is not None and dtype is not input.dtype:
        input = input.to(dtype)
    result = apply(_Linear, input, rows.SUM, dims, keepdim, t, ())
    return result if out is None else into_out("sum", out, result)


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Average elements, all of them or along dimensions.

    Raises RuntimeError for integer tensors without ``dtype``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.mean.html

    >>> import cltorch as torch
    >>> torch.tensor([1.0, 2.0, 6.0]).mean()
    tensor(3.)
    """
    dims = _dims("mean", input, dim)
    if dtype is not None:
        input = input.to(dtype)
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype. Got: {_TYPE_NAMES[input.dtype]}"
        )
    n = math.prod(input.layout.shape[d] for d in dims)
    if n == 0:
        result = p.mul(sum(input, dim, keepdim), math.nan)
    else:
        result = apply(Mean, input, rows.MEAN, dims, keepdim, input.dtype, (float(n),))
    return result if out is None else into_out("mean", out, result)


class Prod(Op):
    """A product; zeros are set apart so that their neighbours still get the right gradient."""

    name = "prod"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], keepdim: bool, t: dtype) -> Any:
        c.dims, c.shape = dims, x.layout.shape
        c.save(x)
        return _keep(reduce(rows.PROD, x, dims, t), c.shape, dims, keepdim)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (x,) = c.saved
        zero = m.eq(x, 0)
        zeros = m.sum(zero, c.dims, True) if c.dims else zero.to(dtypes.int64)
        safe = m.where(zero, m.ones_like(x), x)
        others = m.prod_dims(safe, c.dims)
        share = m.where(
            zero, m.where(m.eq(zeros, 1), others, m.zeros_like(others)), m.where(m.eq(zeros, 0), m.div(others, safe), 0)
        )
        return m.mul(_spread(m, g, c.shape, c.dims), share), None, None, None


def prod_dims(x: Any, dims: tuple[int, ...]) -> Any:
    """Multiply along several dimensions, keeping them."""
    return apply(Prod, x, dims, True, x.dtype)


def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Multiply elements, all of them or along one dimension; integers multiply in int64.

    >>> import cltorch as torch
    >>> torch.tensor([2, 3, 4]).prod()
    tensor(24)
    """
    dims = _dims("prod", input, dim)
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(dtypes.int64)
    result = apply(Prod, input, dims, keepdim, input.dtype)
    return result if out is None else into_out("prod", out, result)


class Extreme(Op):
    """amax or amin: equal extremes share the gradient."""

    name = "amax"

    @staticmethod
    def forward(c: Any, x: Any, row: Reduction, dims: tuple[int, ...], keepdim: bool) -> Any:
        c.dims, c.shape = dims, x.layout.shape
        out = _keep(reduce(row, x, dims, x.dtype), c.shape, dims, keepdim)
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        hit = m.eq(x, _spread(m, out, c.shape, c.dims)).to(x.dtype)
        count = m.sum(hit, c.dims, True) if c.dims else hit
        share = m.div(m.reshape(g, kept_shape(c.shape, c.dims, True)), count)
        return m.mul(m.expand(share, c.shape), hit), None, None, None


def _no_empty(name: str, input: Any, dims: tuple[int, ...], given: Any) -> None:
    for d in dims:
        if input.layout.shape[d] == 0:
            if given is None:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                    "reduction dim with the 'dim' argument."
                )
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def _extreme(name: str, row: Reduction) -> Any:
    def f(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
        given = None if dim is None or (not isinstance(dim, int) and len(tuple(dim)) == 0) else dim
        dims = _dims(name, input, given)
        _no_empty(name, input, dims, given)
        result = apply(Extreme, input, row, dims, keepdim)
        return result if out is None else into_out(name, out, result)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the {'largest' if name == 'amax' else 'smallest'} elements along dimensions; equal ones share "
        "the gradient.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n"
    )
    return f


amax, amin = _extreme("amax", rows.AMAX), _extreme("amin", rows.AMIN)


def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> aminmax_return:
    """Return the smallest and the largest elements."""
    return aminmax_return(
        amin(input, () if dim is None else dim, keepdim), amax(input, () if dim is None else dim, keepdim)
    )


def _max(name: str, less: bool) -> Any:
    whole = amin if less else amax
    pairwise = p.minimum if less else p.maximum

    def f(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
        if other is not None or isinstance(dim, Array):
            return pairwise(input, dim if other is None else other, out=out)
        if dim is None:
            _no_empty(name, input, _dims(name, input, None), None)
            result = whole(input)
            return result if out is None else into_out(name, out, result)
        d = wrap_dim(dim, input.layout.ndim)
        if input.layout.ndim == 0:
            values, indices = p.clone(input), p.mul(input.detach(), 0).to(dtypes.int64)
        else:
            _no_empty(name, input, (d,), dim)
            values, indices = apply(MaxDim, input, d, keepdim, less)
        if out is not None:
            return max_return(into_out(name, out[0], values), into_out(name, out[1], indices))
        return max_return(values, indices)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the {name}imum of all elements; with ``dim`` (values, indices) along it; with a second tensor "
        "the elementwise one.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n"
    )
    return f


max, min = _max("max", False), _max("min", True)


def _arg(name: str, less: bool) -> Any:
    def f(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
        dims = _dims(name, input, dim)
        if input.dtype is dtypes.bool_:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
        _no_empty(name, input, dims, dim)
        _, indices = extreme(input, None if dim is None or not input.layout.ndim else dims[0], less, False)
        if keepdim:
            indices = Array.new(indices.storage, Layout.of(kept_shape(input.layout.shape, dims, True)), indices.dtype)
        return indices if out is None else into_out(name, out, indices)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the index of the {name[3:]}imum, of all elements flattened or along a dimension; the first of "
        "equal ones.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n"
    )
    return f


argmax, argmin = _arg("argmax", False), _arg("argmin", True)


def _logical(name: str, row: Reduction) -> Any:
    def f(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
        dims = _dims(name, input, dim)
        result = _keep(
            reduce(row, input, dims, dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_),
            input.layout.shape,
            dims,
            keepdim,
        )
        return result if out is None else into_out(name, out, result)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Test whether {name} elements are true, of all or along dimensions."
    return f


any, all = _logical("any", rows.ANY), _logical("all", rows.ALL)


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Count the elements that are not zero.

    >>> import cltorch as torch
    >>> torch.count_nonzero(torch.tensor([0, 1, 2]))
    tensor(2)
    """
    return reduce(rows.COUNT, input, _dims("count_nonzero", input, dim), dtypes.int64)


def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Add elements, NaN counting as zero."""
    return sum(
        p.where(p.isnan(input), p.mul(input, 0).nan_to_num(), input) if input.dtype.is_floating_point else input,
        dim,
        keepdim,
        dtype=dtype,
    )


def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Average the elements that are not NaN."""
    return p.div(nansum(input, dim, keepdim, dtype=dtype), sum(p.logical_not(p.isnan(input)), dim, keepdim))


class Var(Op):
    """Variance in two passes: the mean, then the squares around it."""

    name = "var"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], keepdim: bool, n: int, correction: float) -> Any:
        acc = accumulation(x.dtype)
        mean_ = reduce(rows.MEAN, x, dims, acc, (float(n),))
        divisor = float(n - correction) if n - correction > 0 else 0.0
        out = _keep(reduce(rows.VAR, x, dims, x.dtype, (divisor,), aux=mean_), x.layout.shape, dims, keepdim)
        c.dims, c.shape, c.divisor = dims, x.layout.shape, divisor
        c.save(x)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (x,) = c.saved
        centred = m.sub(x, m.mean(x, c.dims, True)) if c.dims else m.sub(x, x)
        g = m.reshape(g, kept_shape(c.shape, c.dims, True))
        return m.mul(m.mul(g, 2 / c.divisor if c.divisor else math.nan), centred), None, None, None, None


def _correction(unbiased: Any, correction: Any) -> float:
    if unbiased is not None:
        return 1 if unbiased else 0
    return 1 if correction is None else correction


def var(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
) -> Any:
    """Return the variance, of all elements or along dimensions; the divisor is the count less ``correction`` (1).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.var.html

    >>> import cltorch as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if not input.dtype.is_floating_point:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    dims = _dims("var", input, dim)
    n = math.prod(input.layout.shape[d] for d in dims)
    result = apply(Var, input, dims, keepdim, n, _correction(unbiased, correction))
    return result if out is None else into_out("var", out, result)


def std(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
) -> Any:
    """Return the standard deviation; see ``var``."""
    result = p.sqrt(var(input, dim, unbiased, keepdim, correction=correction))
    return result if out is None else into_out("std", out, result)


def var_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Any, Any]:
    """Return variance and mean."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Any, Any]:
    """Return standard deviation and mean."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


class LogSumExp(Op):
    """log(sum(exp(x))) around the largest element."""

    name = "logsumexp"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        acc = accumulation(x.dtype)
        hi = reduce(rows.AMAX, x, dims, acc)
        hi = p.where(p.eq(p.abs(hi), math.inf), p.mul(hi, 0).nan_to_num(), hi)
        out = p.add(reduce(rows.EXPSUM, x, dims, acc, (), aux=hi), hi).to(x.dtype)
        out = _keep(out, x.layout.shape, dims, keepdim)
        c.dims, c.shape = dims, x.layout.shape
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        return m.mul(_spread(m, g, c.shape, c.dims), m.exp(m.sub(x, _spread(m, out, c.shape, c.dims)))), None, None


def logsumexp(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """Return log(sum(exp(input))) along dimensions, without overflow.

    >>> import cltorch as torch
    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6931)
    """
    if not input.dtype.is_floating_point:
        input = input.to(dtypes.get_default_dtype())
    result = apply(LogSumExp, input, _dims("logsumexp", input, dim), keepdim)
    return result if out is None else into_out("logsumexp", out, result)


class Norm(Op):
    """A vector norm along dimensions; the gradient at zero is zero."""

    name = "linalg_vector_norm"

    @staticmethod
    def forward(c: Any, x: Any, ord: float, dims: tuple[int, ...], keepdim: bool) -> Any:
        row, params = _norm_row(ord)
        out = _keep(reduce(row, x, dims, x.dtype, params), x.layout.shape, dims, keepdim)
        c.ord, c.dims, c.shape = ord, dims, x.layout.shape
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        keep = kept_shape(c.shape, c.dims, True)
        g, out = m.reshape(g, keep), m.reshape(out, keep)
        if c.ord == 0:
            gx = m.mul(x, 0)
        elif c.ord == 1:
            gx = m.mul(g, m.sign(x))
        elif c.ord == 2:
            gx = m.mul(x, m.where(m.eq(out, 0), m.mul(g, 0), m.div(g, out)))
        elif math.isinf(c.ord):
            hit = m.eq(m.abs(x), out).to(x.dtype)
            count = m.sum(hit, c.dims, True) if c.dims else hit
            gx = m.mul(m.mul(m.sign(x), hit), m.div(g, count))
        else:
            safe = m.where(m.eq(out, 0), m.add(m.mul(out, 0), 1), out)
            size = m.where(m.eq(x, 0), m.add(m.mul(x, 0), 1), m.abs(x))
            power = m.where(m.eq(x, 0), m.mul(x, 0), m.mul(m.sign(x), m.pow(size, c.ord - 1)))
            gx = m.mul(power, m.div(g, m.pow(safe, c.ord - 1)))
        return gx, None, None, None


def _norm_row(ord: float) -> tuple[Reduction, tuple[Any, ...]]:
    if ord == 0:
        return rows.COUNT, ()
    if ord == 1:
        return rows.ABSSUM, ()
    if ord == 2:
        return rows.SQUARES, ()
    if ord == math.inf:
        return rows.ABSMAX, ()
    if ord == -math.inf:
        return rows.ABSMIN, ()
    return rows.PNORM, (float(ord),)


def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """Return the norm of vectors along dimensions (all elements by default).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.vector_norm.html

    >>> import cltorch as torch
    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        x = x.to(dtype)
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {_TYPE_NAMES[x.dtype]}"
        )
    result = apply(Norm, x, float(ord), _dims("linalg_vector_norm", x, dim), keepdim)
    return result if out is None else into_out("linalg_vector_norm", out, result)


def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """Return a vector norm ("fro" is the 2-norm) of all elements or along dimensions."""
    if p == "nuc":
        raise NotImplementedError("the nuclear norm is not built yet: torch.linalg.matrix_norm")
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


def frobenius_norm(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the 2-norm along dimensions."""
    return vector_norm(input, 2, dim, keepdim)


def dist(input: Any, other: Any, p: Any = 2) -> Any:
    """Return the p-norm of the difference."""
    return vector_norm(input - other, p)


def scatter_chosen(g: Any, indices: Any, dim: int, shape: Any) -> Any:
    """Return zeros of ``shape`` with ``g`` at ``indices`` along ``dim``, by comparing positions: nothing collides."""
    return p.where(_positions(indices, dim, shape), g, p.mul(g, 0))


def _positions(indices: Any, dim: int, shape: Any) -> Any:
    line = [1] * len(shape)
    if shape:
        line[dim] = shape[dim]
    count = arange(shape[dim] if shape else 1, device=indices.device)
    return p.eq(reshape(count, line), indices)
