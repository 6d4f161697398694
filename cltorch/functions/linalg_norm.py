"""Norms of matrices and what is measured with norms: norm, matrix_norm, cond, nuclear_norm, renorm.

Source: https://docs.pytorch.org/docs/2.13/linalg.html#matrix-properties
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd.grad_mode import is_grad_enabled
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import (
    SCALAR_NAMES,
    also_named,
    need_array,
    numpy_names,
    read_dims,
    read_dtype,
    read_int,
)
from cltorch.functions.convert import contiguous, to
from cltorch.functions.create import zeros
from cltorch.functions.dim_orders import movedim
from cltorch.functions.extremes import amax, amin
from cltorch.functions.linalg_check import need_floating, need_matrix, store_one
from cltorch.functions.linalg_solve import linalg_inv_ex
from cltorch.functions.linalg_spectrum import linalg_svdvals
from cltorch.functions.norms import check_norm_dtype, vector_norm
from cltorch.functions.shape import unsqueeze
from cltorch.shapes import wrap_dim

__all__ = ["linalg_cond", "linalg_matrix_norm", "linalg_norm", "norm_except_dim", "nuclear_norm", "renorm", "renorm_"]


def _pair(name: str, x: Any, dim: Any) -> tuple[int, int]:
    """Return the two dimensions of matrices."""
    given = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    if len(given) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, given))}")
    a, b = (wrap_dim(read_int(name, "dim", 3, d), x.lay.ndim) for d in given)
    if a == b:
        raise RuntimeError(f"{name}: dims must be different. Got ({given[0]}, {given[1]})")
    return a, b


@also_named(input="A")
@numpy_names
def linalg_matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """Return a norm of matrices: "fro", "nuc", or of order inf, -inf, 1, -1, 2 or -2.

    "fro": √(Σ |a|²), "nuc": Σ σ, 2: max σ, -2: min σ, inf: the largest Σ_j |A[i, j]|, -inf the least, 1: the largest
    Σ_i |A[i, j]|, -1 the least, σ being the singular values.
    Those of order 2, -2 and "nuc" take singular values, which are computed on the host.
    Shape: (*, m, n) to (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.matrix_norm.html

    >>> import cltorch as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    name = "linalg.matrix_norm"
    need_matrix(name, A)
    need_floating(name, A)
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    rows, columns = _pair(name, A, dim)
    t = read_dtype(name, dtype, A.dtype)
    check_norm_dtype(name, A.dtype, t)
    x = to(A, t)
    if ord == "fro":
        return store_one(name, out, vector_norm(x, 2, (rows, columns), keepdim))
    if not x.lay.numel and not isinstance(ord, str) and ord > 0:
        return store_one(name, out, vector_norm(x, 2, (rows, columns), keepdim))  # zeros, which have a gradient
    if ord in ("nuc", 2, -2):
        if t.itemsize == 2:
            raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {SCALAR_NAMES[t.name]}")
        S = linalg_svdvals(movedim(x, (rows, columns), (-2, -1)))
        result = r.sum(S, -1) if ord == "nuc" else (amax if ord > 0 else amin)(S, -1)
        if keepdim:
            for d in sorted((rows, columns)):
                result = unsqueeze(result, d)
    else:
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(x, 1, inner, keepdim)
        if not keepdim and inner < outer:
            outer -= 1
        result = (amax if ord > 0 else amin)(sums, outer, keepdim)
    return store_one(name, out, result)


@also_named(input="A")
@numpy_names
def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None
) -> Any:
    """Return a vector norm or a matrix norm, by the number of dimensions: see ``vector_norm`` and ``matrix_norm``.

    (Σ |x|ᵖ)^(1/p) of vectors, p being ``ord``.
    Without ``ord`` it is the 2-norm of all elements or along ``dim``; else of one dimension a vector norm, of two a
    matrix norm. A string is always a matrix norm.
    Shape: (*), without the dimensions ``dim`` (all by default), or with 1 there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.norm.html

    >>> import cltorch as torch
    >>> torch.linalg.norm(torch.tensor([[1.0, -2.0], [3.0, 4.0]]), float("inf"))
    tensor(7.)
    """
    need_array("linalg.norm", "A", 1, A)
    if dim is None and ord is not None and A.lay.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.lay.ndim}D."
        )
    if dim is not None and isinstance(dim, (tuple, list)) and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if isinstance(ord, str):
        pair = (-2, -1) if dim is None else dim
        return linalg_matrix_norm(A, ord, pair, keepdim, dtype=dtype, out=out)
    both = A.lay.ndim == 2 if dim is None else isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is not None and both:
        return linalg_matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


def nuclear_norm(input: Any, dim: Any = (-2, -1), keepdim: bool = False, *, out: Any = None) -> Any:
    """Return the sum of the singular values of matrices, computed on the host.

    >>> import cltorch as torch
    >>> torch.nuclear_norm(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor(5.)
    """
    if isinstance(dim, bool):  # the form nuclear_norm(input, keepdim)
        dim, keepdim = (-2, -1), dim
    return linalg_matrix_norm(input, "nuc", dim, keepdim, out=out)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """Return the norms of order ``pow`` over all dimensions but one, which are kept as 1; of all elements for -1.

    >>> import cltorch as torch
    >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), 2, 0)
    tensor([[ 5.],
            [10.]])
    """
    need_array("norm_except_dim", "v", 1, v)
    if dim == -1:
        return vector_norm(v, pow)
    d = wrap_dim(dim, v.lay.ndim)
    others = tuple(i for i in range(v.lay.ndim) if i != d)
    return vector_norm(v, pow, others, True) if others else vector_norm(unsqueeze(v, -1), pow, -1)


def with_norms(v: Any, g: Any, dim: int = 0) -> Any:
    """Return ``v`` with its norms, over all dimensions but one (over all for -1), replaced: torch._weight_norm."""
    need_array("_weight_norm", "v", 1, v)
    need_array("_weight_norm", "g", 2, g)
    return p.mul(v, p.div(g, norm_except_dim(v, 2, dim)))


def with_norms_and_norms(v: Any, g: Any, dim: int = 0) -> Any:
    """Return what ``with_norms`` does, and the norms that were replaced: torch._weight_norm_interface."""
    return with_norms(v, g, dim), norm_except_dim(v, 2, dim)


@also_named(input="A")
def linalg_cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """Return the condition numbers of matrices in a norm: the norm of A times that of its inverse.

    ‖A‖ · ‖A⁻¹‖.
    ``p`` is a norm of ``matrix_norm``; None stands for 2, the quotient of the largest and the smallest singular value,
    which exists for matrices that are not square too. A singular matrix gives infinity.
    Shape: (*, m, n) to (*), square for other norms than 2 and -2.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.cond.html

    >>> import cltorch as torch
    >>> torch.linalg.cond(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), 1)
    tensor(2.)
    """
    return store_one("linalg_cond", out, _cond(A, p))


def _cond(A: Any, ord: Any) -> Any:
    need_matrix("linalg.cond", A, "")
    if ord not in (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {ord}")
    if not A.lay.numel:
        return zeros(A.lay.shape[:-2], dtype=A.dtype.to_real(), device=A.device)
    if ord in (None, 2, -2):
        S = linalg_svdvals(A)
        k = S.lay.shape[-1]
        first, last = S.select(-1, 0), S.select(-1, k - 1)
        return p.div(last, first) if ord == -2 else p.div(first, last)
    m, n = A.lay.shape[-2:]
    if m != n:
        word = f"{ord:g}" if not isinstance(ord, str) else ord
        raise RuntimeError(
            f"linalg.cond(ord={word}): A must be batches of square matrices, but they are {m} by {n} matrices"
        )
    inverse, info = linalg_inv_ex(A)
    size = linalg_matrix_norm(A, ord)
    singular = p.ne(info, 0)
    inverse = p.where(unsqueeze(unsqueeze(singular, -1), -1), 0.0, inverse)
    return p.where(singular, math.inf, p.mul(size, linalg_matrix_norm(inverse, ord)))


@numpy_names
def renorm(input: Any, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Any:
    """Shrink the parts of a tensor along a dimension whose p-norm exceeds ``maxnorm`` to that norm.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.renorm.html

    >>> import cltorch as torch
    >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    return store_one("renorm", out, contiguous(_renorm(input, p, dim, maxnorm)))


def _renorm(x: Any, order: float, dim: int, maxnorm: float) -> Any:
    need_array("renorm", "input", 1, x)
    if order <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if x.lay.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {x.lay.ndim} dimensions")
    d = wrap_dim(dim, x.lay.ndim)
    others = tuple(i for i in read_dims("renorm", x, None) if i != d)
    length = vector_norm(x, order, others, True)
    factor = p.where(p.gt(length, maxnorm), p.div(maxnorm, p.add(length, 1e-7)), 1.0)
    return p.mul(x, factor)


def renorm_(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Do what ``renorm`` does, in place."""
    before = input.clone() if is_grad_enabled() and input.requires_grad else input  # the gradient needs it afterwards
    return input.copy_(_renorm(before, p, dim, maxnorm))
