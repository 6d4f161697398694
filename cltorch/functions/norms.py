"""Norms of vectors: norm, vector_norm, frobenius_norm, dist.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.vector_norm.html
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd.graph import Settings
from cltorch.autograd.record import apply
from cltorch.dtypes import TYPE_NAMES, promote_types
from cltorch.dtypes import dtype as DType
from cltorch.functions.arguments import need_array, numpy_names, read_dims, read_dtype, read_number
from cltorch.functions.convert import to
from cltorch.functions.reduce import keep, store
from cltorch.ops import reduce as rows
from cltorch.ops.op import Op
from cltorch.ops.reduce import Reduction, kept_shape, reduce

__all__ = ["dist", "frobenius_norm", "norm", "vector_norm"]

_ROWS = {0: rows.COUNT, 1: rows.ABSSUM, 2: rows.SQUARES, math.inf: rows.ABSMAX, -math.inf: rows.ABSMIN}


class Norm(Op):
    """A vector norm along dimensions; the gradient at zero is zero."""

    name = "linalg_vector_norm"

    @staticmethod
    def forward(c: Any, x: Any, ord: float, dims: tuple[int, ...], keepdim: bool) -> Any:
        row, params = _row(ord)
        out = keep(reduce(row, x, dims, x.dtype, params), x.lay.shape, dims, keepdim)
        c.ord, c.dims, c.shape = ord, dims, x.lay.shape
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        kept = kept_shape(c.shape, c.dims, True)
        g, out = m.reshape(g, kept), m.reshape(out, kept)
        if c.ord == 0:
            return None, None, None, None  # a count, of which PyTorch says that no gradient leads on
        elif c.ord == 1:
            gx = m.mul(g, m.sign(x))
        elif math.isinf(c.ord):
            hit = m.eq(m.abs(x), out).to(x.dtype)
            count = m.sum(hit, c.dims, True) if c.dims else hit
            gx = m.mul(m.mul(m.sign(x), hit), m.div(g, count))
        else:
            # divisions by zero are kept out of the graph: their derivatives would be NaN even where they are not chosen
            zero = m.eq(out, 0)
            safe = m.where(zero, 1, out)
            if c.ord == 2:
                gx = m.mul(x, m.where(zero, 0, m.div(g, safe)))
            else:
                none = m.eq(x, 0)
                power = m.where(none, 0, m.mul(m.sign(x), m.pow(m.where(none, 1, m.abs(x)), c.ord - 1)))
                gx = m.mul(power, m.where(zero, 0, m.div(g, m.pow(safe, c.ord - 1))))
        return gx, None, None, None


def _row(ord: float) -> tuple[Reduction, tuple[Any, ...]]:
    found = _ROWS.get(ord)
    return (rows.PNORM, (ord,)) if found is None else (found, ())


def check_norm_dtype(name: str, have: DType, asked: DType) -> None:
    """Raise RuntimeError for a ``dtype=`` that a norm of tensors of a dtype cannot be computed in."""
    if not asked.differentiable:
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {TYPE_NAMES[asked]}")
    if have.is_complex != asked.is_complex:
        kind = "complex" if have.is_complex else "real"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {TYPE_NAMES[asked]}")
    if promote_types(have, asked) is not asked:
        raise RuntimeError(
            f"{name}: the dtype of the input ({TYPE_NAMES[have]}) should be convertible without narrowing to the "
            f"specified dtype ({TYPE_NAMES[asked]})"
        )


@numpy_names
def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """Return the norm of vectors along dimensions (all elements by default).

    (Σ |x|ᵖ)^(1/p), p being ``ord``; max |x| for inf, min |x| for -inf, the number of x ≠ 0 for 0.
    Raises RuntimeError for integer tensors, and where there is nothing to take an infinite or negative norm of.
    Shape: (*), without the dimensions ``dim`` (all by default), or with 1 there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.vector_norm.html

    >>> import cltorch as torch
    >>> torch.functions.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    ord = read_number("linalg_vector_norm", "ord", 2, ord)
    dims = read_dims("linalg.vector_norm", x, dim)
    t = read_dtype("linalg.vector_norm", dtype, x.dtype)
    if not x.dtype.differentiable:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {TYPE_NAMES[x.dtype]}"
        )
    check_norm_dtype("linalg.vector_norm", x.dtype, t)
    ord = float(ord)
    if (ord < 0 or math.isinf(ord)) and not math.prod(x.lay.shape[d] for d in dims):
        if dim is None:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord:g} norm on an empty tensor because the operation does "
                "not have an identity"
            )
        if math.prod(kept_shape(x.lay.shape, dims, False)) or not x.lay.numel:
            empty = next(d for d in dims if not x.lay.shape[d])
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord:g} norm on the dimension {empty} because this dimension "
                "is empty and the operation does not have an identity"
            )
    x = to(x, t)
    if t.is_complex:  # a norm of absolute values, and the root of the sum of all squares needs not even these
        m = Settings.functions
        x, dims = (m.view_as_real(m.resolve_conj(x)), (*dims, x.lay.ndim)) if ord == 2 else (m.abs(x), dims)
        result = apply(Norm, x, ord, dims, keepdim)
        result = m.squeeze(result, -1) if ord == 2 and keepdim else result
        return store("linalg_vector_norm", result, out)
    return store("linalg_vector_norm", apply(Norm, x, ord, dims, keepdim), out)


@numpy_names
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """Return a vector norm ("fro" is the 2-norm) of all elements or along dimensions, or with "nuc" a matrix norm.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.norm.html

    >>> import cltorch as torch
    >>> torch.norm(torch.tensor([3.0, -4.0]), 1)
    tensor(7.)
    """
    if isinstance(p, str) and (p != "fro" or (dim is not None and isinstance(dim, (tuple, list)) and len(dim) > 2)):
        pair = tuple(range(input.lay.ndim)) if dim is None else dim
        return Settings.functions.linalg_matrix_norm(input, p, pair, keepdim, dtype=dtype, out=out)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


@numpy_names
def frobenius_norm(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Return the 2-norm along dimensions.

    >>> import cltorch as torch
    >>> torch.frobenius_norm(torch.tensor([[3.0, 4.0]]), (0, 1))
    tensor(5.)
    """
    return vector_norm(input, 2, dim, keepdim, out=out)


def dist(input: Any, other: Any, p: Any = 2) -> Any:
    """Return the p-norm of the difference of two tensors.

    Shape: two that broadcast to ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.dist.html

    >>> import cltorch as torch
    >>> torch.dist(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
    tensor(5.)
    """
    return vector_norm(input - need_array("dist", "other", 2, other), p)
