"""Variance, standard deviation and log(sum(exp)) along dimensions.

Source: https://docs.pytorch.org/docs/2.13/torch.html#reduction-ops
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions.arguments import need_array, numpy_names, read_dims
from cltorch.functions.complex_sums import log_of_sum, spread_of_parts
from cltorch.functions.convert import to
from cltorch.functions.reduce import keep, mean, spread, store
from cltorch.ops import reduce as rows
from cltorch.ops.fallback import callers_level
from cltorch.ops.op import Op
from cltorch.ops.reduce import accumulation, kept_shape, reduce
from cltorch.ops.variance import variance

__all__ = ["logsumexp", "std", "std_mean", "var", "var_mean"]


def _centred(m: Any, c: Any, x: Any) -> Any:
    return m.sub(x, m.mean(x, c.dims, True)) if c.dims else m.sub(x, x)


class Var(Op):
    """Variance: the squares around the mean, over the degrees of freedom (0 for fewer than none)."""

    name = "var"
    root = False

    @classmethod
    def forward(cls, c: Any, x: Any, dims: tuple[int, ...], keepdim: bool, n: int, freedom: int | float) -> Any:
        out = keep(variance(x, dims, n, float(max(freedom, 0)), cls.root), x.lay.shape, dims, keepdim)
        c.dims, c.shape = dims, x.lay.shape
        c.share = (1 / freedom if freedom else math.inf) if n else 0.0  # nothing changes with no elements
        c.save(x, out if cls.root else None)
        return out

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any) -> Any:
        x, _ = c.saved
        g = m.mul(m.reshape(g, kept_shape(c.shape, c.dims, True)), 2 * c.share)
        return m.mul(g, _centred(m, c, x)), None, None, None, None


class Std(Var):
    """The root of the variance; no gradient where it is zero."""

    name = "std"
    root = True

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        flat = m.eq(out, 0)
        g = m.where(flat, 0, m.div(g, m.where(flat, 1, out)))
        g = m.mul(m.reshape(g, kept_shape(c.shape, c.dims, True)), c.share)
        return m.mul(g, _centred(m, c, x)), None, None, None, None


class VarMean(Var):
    """Variance and mean, whose gradients come to one place."""

    name = "var_mean"

    @classmethod
    def forward(cls, c: Any, x: Any, dims: tuple[int, ...], keepdim: bool, n: int, freedom: int | float) -> Any:
        means = reduce(rows.MEAN, x, dims, x.dtype, (float(n),))
        return super().forward(c, x, dims, keepdim, n, freedom), keep(means, x.lay.shape, dims, keepdim)

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any, g_mean: Any = None) -> Any:
        found = super().vjp(m, c, g)[0] if g is not None else None
        if g_mean is not None:
            n = math.prod(c.shape[d] for d in c.dims)
            along = m.expand(m.mul(m.reshape(g_mean, kept_shape(c.shape, c.dims, True)), 1 / n if n else 0), c.shape)
            found = along if found is None else m.add(found, along)
        return found, None, None, None, None


class StdMean(VarMean):
    """The root of the variance, and the mean."""

    name = "std_mean"
    root = True

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any, g_mean: Any = None) -> Any:
        if g is not None:
            _, out = c.saved
            flat = m.eq(out, 0)
            g = m.where(flat, 0, m.div(g, m.mul(m.where(flat, 1, out), 2)))
        return super().vjp(m, c, g, g_mean)


def _spread_of(name: str, op: type[Var], input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}() received an invalid combination of arguments: both unbiased and correction")
    if isinstance(dim, bool):  # the form var(input, unbiased)
        dim, unbiased = None, dim
    dims = read_dims(name, input, dim)
    if not input.dtype.differentiable:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    n = math.prod(input.lay.shape[d] for d in dims)
    if unbiased is not None:
        correction = 1 if unbiased else 0
    elif correction is None:
        correction = 1
    freedom = n - correction
    if freedom <= 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
            "(input numel divided by output numel).",
            stacklevel=callers_level(),
        )

    def one(x: Any) -> Any:
        return apply(op, x, dims, keepdim, n, freedom)

    return spread_of_parts(one, input, op is Std) if input.dtype.is_complex else one(input), dims


def _with_mean(
    name: str, op: type[Var], both: type[VarMean], input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> tuple[Any, Any]:
    need_array(name, "input", 1, input)
    if input.dtype.is_complex or not input.lay.numel:  # parts have means of their own; of nothing there is none
        result, dims = _spread_of(name, op, input, dim, unbiased, keepdim, correction)
        return result, mean(input, dims, keepdim)
    result, _ = _spread_of(name, both, input, dim, unbiased, keepdim, correction)
    return result


@numpy_names
def var(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
) -> Any:
    """Return the variance, of all elements or along dimensions; the divisor is the count less ``correction`` (1).

    Raises RuntimeError for integer tensors.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.var.html

    >>> import cltorch as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    return store("var", _spread_of("var", Var, input, dim, unbiased, keepdim, correction)[0], out)


@numpy_names
def std(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
) -> Any:
    """Return the standard deviation, of all elements or along dimensions; see ``var``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.std.html

    >>> import cltorch as torch
    >>> torch.std(torch.tensor([1.0, 3.0]))
    tensor(1.4142)
    """
    return store("std", _spread_of("std", Std, input, dim, unbiased, keepdim, correction)[0], out)


@numpy_names
def var_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Any, Any]:
    """Return (variance, mean); see ``var``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.var_mean.html

    >>> import cltorch as torch
    >>> torch.var_mean(torch.tensor([1.0, 3.0]))
    (tensor(2.), tensor(2.))
    """
    return _with_mean("var_mean", Var, VarMean, input, dim, unbiased, keepdim, correction)


@numpy_names
def std_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Any, Any]:
    """Return (standard deviation, mean); see ``var``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.std_mean.html

    >>> import cltorch as torch
    >>> torch.std_mean(torch.tensor([1.0, 3.0]))
    (tensor(1.4142), tensor(2.))
    """
    return _with_mean("std_mean", Std, StdMean, input, dim, unbiased, keepdim, correction)


class LogSumExp(Op):
    """log(sum(exp(x))) around the largest element."""

    name = "logsumexp"

    @staticmethod
    def forward(c: Any, x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        hi = reduce(rows.AMAX, x, dims, accumulation(x.dtype)) if x.lay.numel else None
        c.dims, c.shape = dims, x.lay.shape
        if hi is None:  # the sum of nothing is 0
            out = reduce(rows.LOGSUM, x, dims, x.dtype)
        else:
            out = reduce(rows.EXPSUM, x, dims, x.dtype, (), aux=hi)
        out = keep(out, c.shape, dims, keepdim)
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        return m.mul(spread(m, g, c.shape, c.dims), m.exp(m.sub(x, spread(m, out, c.shape, c.dims)))), None, None


@numpy_names
def logsumexp(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """Return log(sum(exp(input))) along dimensions, without overflow.

    Shape: (*), without the dimensions ``dim``, or with 1 there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.logsumexp.html

    >>> import cltorch as torch
    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    if dim is None:
        raise TypeError("logsumexp(): argument 'dim' (position 2) must be tuple of ints, not NoneType")
    dims = read_dims("logsumexp", input, dim)
    if not input.dtype.differentiable:
        input = to(input, dtypes.get_default_dtype())
    if input.dtype.is_complex:
        return store("logsumexp", log_of_sum(input, dims, keepdim), out)
    return store("logsumexp", apply(LogSumExp, input, dims, keepdim), out)
