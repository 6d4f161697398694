"""Functions of matrices that are built from products: matrix_exp, Householder's reflectors, vander, vecdot, cross.

Source: https://docs.pytorch.org/docs/2.13/linalg.html#matrix-functions
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.formats import contiguous_format
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import SCALAR_NAMES, also_named, need_array
from cltorch.functions.complex_parts import conj
from cltorch.functions.convert import clone, to
from cltorch.functions.create import empty, eye, ones
from cltorch.functions.extremes import amax
from cltorch.functions.join import cat
from cltorch.functions.linalg_check import (
    adjoint,
    check_cast,
    flip,
    need_floating,
    need_full,
    need_same,
    need_square,
)
from cltorch.functions.linalg_check import store_one as store
from cltorch.functions.linalg_solve import solve_triangle
from cltorch.functions.matmul import matmul
from cltorch.functions.norms import vector_norm
from cltorch.functions.parts import diagonal, narrow
from cltorch.functions.products import cross
from cltorch.functions.rearrange import flip as reverse
from cltorch.functions.scan import cumprod
from cltorch.functions.shape import expand, unsqueeze
from cltorch.functions.triangle import tril, triu
from cltorch.ops.array import Array
from cltorch.shapes import broadcast_shapes, wrap_dim

__all__ = [
    "linalg_cross", "linalg_diagonal", "linalg_householder_product", "linalg_matrix_exp", "linalg_vander",
    "linalg_vecdot", "matrix_exp", "orgqr", "ormqr", "vander",
]  # fmt: skip

# degree of Taylor's polynomial in blocks of powers, and the norm up to which its remainder is below the rounding
_TAYLOR = {"float32": (3, 3, 0.85), "float64": (4, 4, 0.82)}


# ---- exponential -------------------------------------------------------------------------------------------------
@also_named(input="A")
def linalg_matrix_exp(A: Any) -> Any:
    """Return the exponential of square matrices by scaling, Taylor's polynomial and squaring.

    exp A = Σ_k A^k / k!.
    One number is read back from a device: how often to square.
    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.matrix_exp.html; Paterson and Stockmeyer, SIAM J.
    Comput. 2(1), 1973; Higham, SIAM J. Matrix Anal. Appl. 26(4), 2005

    >>> import cltorch as torch
    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    need_square("linalg.matrix_exp", A)
    need_floating("linalg.matrix_exp", A)
    if A.dtype.itemsize == 2:
        return to(linalg_matrix_exp(to(A, dtypes.float32)), A.dtype)
    if not A.lay.numel:
        return p.clone(A)
    block, blocks, limit = _TAYLOR[A.dtype.to_real().name]
    size = amax(vector_norm(A.detach(), 1, -2), -1)
    # a matrix of size nan or inf is not scaled: its exponential is not finite anyhow
    times = p.clamp_min(p.ceil(p.log2(p.div(p.where(p.isfinite(size), size, 1.0), limit))), 0.0)
    most = 1 if A.device.type == "meta" else int(times.max().item())
    times = unsqueeze(unsqueeze(times, -1), -1)
    x = _taylor(p.mul(A, p.exp2(p.neg(times))), block, blocks)
    for i in range(most):
        x = p.where(p.gt(times, i), matmul(x, x), x)
    return x


def _taylor(x: Any, block: int, blocks: int) -> Any:
    """Return the sum of x^i / i! up to the power block * blocks, with few products."""
    powers = [eye(x.lay.shape[-1], dtype=x.dtype, device=x.device), x]
    for _ in range(block - 1):
        powers.append(matmul(powers[-1], x))
    result: Any = None
    for start in range(block * blocks - block, -1, -block):
        top = start == block * blocks - block
        if not top:
            result = matmul(result, powers[block])
        for i in range(block + 1 if top else block):
            term = p.div(powers[i], float(math.factorial(start + i)))
            result = term if result is None else p.add(result, term)
    return result


def matrix_exp(input: Any) -> Any:
    """Return the exponential of square matrices; the other name of ``torch.linalg.matrix_exp``.

    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.matrix_exp.html

    >>> import cltorch as torch
    >>> torch.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return linalg_matrix_exp(input)


# ---- reflectors --------------------------------------------------------------------------------------------------
def _reflectors(name: str, x: Any, tau: Any) -> tuple[Any, Any]:
    """Return V and T with H1 H2 … Hk = I - V T Vᴴ, where Hi = I - tau[i] v[i] v[i]ᴴ.

    T = (I + diag(tau) U)⁻¹ diag(tau), where U is the strictly upper part of Vᴴ V.
    Source: Joffrain et al., Accumulating Householder transformations, revisited, ACM TOMS 32(2), 2006
    """
    if x.lay.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if x.lay.shape[-1] < tau.lay.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau.lay.ndim != x.lay.ndim - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.lay.ndim} "
            f"and input.ndim is equal to {x.lay.ndim}"
        )
    if tuple(tau.lay.shape[:-1]) != tuple(x.lay.shape[:-2]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.lay.shape[:-1])}"
        )
    if tau.dtype is not x.dtype:
        have = (SCALAR_NAMES[y.dtype.name] for y in (tau, x))
        raise RuntimeError("{}: tau dtype {} does not match input dtype {}".format(name, *have))
    need_full(name, x, "orgqr_cpu")
    k = tau.lay.shape[-1]
    v = narrow(x, -1, 0, k)
    v = p.add(tril(v, -1), eye(v.lay.shape[-2], k, dtype=x.dtype, device=x.device))
    unit = eye(k, dtype=x.dtype, device=x.device)
    column = unsqueeze(tau, -1)
    inner = p.mul(column, triu(matmul(adjoint(v), v), 1))
    return v, solve_triangle(inner, p.mul(column, unit), True, True)


@also_named(input="A")
def linalg_householder_product(A: Any, tau: Any, *, out: Any = None) -> Any:
    """Return the first columns of the product of reflectors, whose vectors are the columns of A below the diagonal.

    Π_i (I - τ_i v_i v_iᴴ), v_i being 1 at place i, 0 before and A[…, i] below it.
    Shape: (*, m, n) and (*, k) to (*, m, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.householder_product.html

    >>> import cltorch as torch
    >>> torch.linalg.householder_product(torch.tensor([[1.0], [1.0]]), torch.tensor([1.0]))
    tensor([[ 0.],
            [-1.]])
    """
    need_array("linalg_householder_product", "tau", 2, tau)
    name = "torch.linalg.householder_product"
    need_array(name, "input", 1, A)
    if A.lay.ndim >= 2 and A.lay.shape[-2] < A.lay.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    v, t = _reflectors(name, A, tau)
    rows, columns = A.lay.shape[-2:]
    # turned over on the way, so that the result lies by columns as LAPACK's does
    unit = flip(eye(columns, rows, dtype=A.dtype, device=A.device))
    first = adjoint(narrow(v, -2, 0, columns))
    result = p.sub(unit, flip(matmul(flip(matmul(t, first)), flip(v))))
    if isinstance(out, Array):
        check_cast(name, "result", out, result)
    return store(name, out, result)


@also_named(input2="tau")
def orgqr(input: Any, tau: Any, *, out: Any = None) -> Any:
    """Return the first columns of a product of reflectors; the other name of ``householder_product``.

    Shape: (*, m, n) and (*, k) to (*, m, n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.orgqr.html

    >>> import cltorch as torch
    >>> torch.orgqr(*torch.geqrf(torch.ones(3, 2))).shape
    torch.Size([3, 2])
    """
    need_array("orgqr", "tau", 2, tau)
    return linalg_householder_product(input, tau, out=out)


@also_named(input2="tau", input3="other")
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False, *, out: Any = None) -> Any:
    """Multiply a matrix with the whole orthogonal matrix of reflectors, Q or Qᴴ, from the left or the right.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.ormqr.html

    >>> import cltorch as torch
    >>> torch.ormqr(*torch.geqrf(torch.eye(2)), torch.ones(2, 1)).shape
    torch.Size([2, 1])
    """
    need_array("ormqr", "input", 1, input)
    need_array("ormqr", "tau", 2, tau)
    need_array("ormqr", "other", 3, other)
    name = "torch.ormqr"
    if input.lay.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if other.lay.ndim < 2:
        raise RuntimeError(f"{name}: other must have at least 2 dimensions.")
    side = -2 if left else -1
    if input.lay.ndim >= 2 and other.lay.shape[side] != input.lay.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.lay.ndim and tau.lay.shape[-1] != min(other.lay.shape[side], input.lay.shape[-1]):
        raise RuntimeError(f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    v, t = _reflectors(name, input, tau)
    t = adjoint(t) if transpose else t
    if left:
        whole = flip(matmul(flip(matmul(t, matmul(adjoint(v), other))), flip(v)))
    else:
        whole = flip(matmul(flip(adjoint(v)), flip(matmul(matmul(other, v), t))))
    return store(name, out, p.sub(flip(clone(flip(other), memory_format=contiguous_format)), whole))


# ---- vectors -----------------------------------------------------------------------------------------------------
def _powers(x: Any, count: int) -> Any:
    one = ones((*x.lay.shape, 1), dtype=x.dtype, device=x.device)
    if count == 1:
        return one
    many = expand(unsqueeze(x, -1), (*x.lay.shape, count - 1))
    return cat([one, cumprod(many, -1)], -1)


def _to_powers(name: str, x: Any) -> Any:
    if x.dtype is dtypes.bool_:
        raise RuntimeError(f"{name} supports floating point, complex, and integer tensors, but got Bool")
    return x if x.dtype.differentiable else to(x, dtypes.int64)


def linalg_vander(x: Any, *, N: int | None = None) -> Any:
    """Return the powers 0 … N - 1 of the elements along a new last dimension; N is the last dimension's size.

    out[…, j] = x[…]^j.
    Shape: (*, n) to (*, n, N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.vander.html

    >>> import cltorch as torch
    >>> torch.linalg.vander(torch.tensor([1, 2, 3]), N=4)
    tensor([[ 1,  1,  1,  1],
            [ 1,  2,  4,  8],
            [ 1,  3,  9, 27]])
    """
    need_array("linalg.vander", "x", 1, x)
    x = _to_powers("linalg.vander", x)
    if (x.lay.shape[-1] if x.lay.ndim else 1) <= 1 if N is None else N <= 1:
        raise RuntimeError("N must be greater than 1.")
    x = x if x.lay.ndim else x.reshape(1)  # PyTorch takes a number for a vector
    count = x.lay.shape[-1] if N is None else N
    if x.lay.numel * count * x.dtype.itemsize >= 2**63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={[*x.lay.shape, count]}")
    return _powers(x, count)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers N - 1 … 0 of the elements of a vector as columns, or in increasing order.

    Shape: (*, n) to (*, n, N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.vander.html

    >>> import cltorch as torch
    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    need_array("vander", "x", 1, x)
    if x.lay.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.lay.numel if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    x = to(x, dtypes.int64) if x.dtype is dtypes.bool_ else _to_powers("vander", x)
    if not count:
        return empty((x.lay.numel, 0), dtype=x.dtype, device=x.device)
    found = _powers(x, count)
    return found if increasing else reverse(found, (-1,))


def linalg_vecdot(x: Any, y: Any, *, dim: int = -1, out: Any = None) -> Any:
    """Sum the products of two tensors along a dimension.

    Σ_i conj(x[i]) · y[i].
    Shape: (*, n, *) twice, broadcast, to the same without ``dim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.vecdot.html

    >>> import cltorch as torch
    >>> torch.linalg.vecdot(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2))
    tensor([3., 7.])
    """
    name = "linalg.vecdot"
    need_array(name, "x", 1, x)
    need_array(name, "y", 2, y)
    need_floating(name, x)
    need_same(name, x, y, "x", "y")
    shape = broadcast_shapes(x.lay.shape, y.lay.shape)
    d = wrap_dim(dim, len(shape))
    return store("linalg_vecdot", out, r.sum(p.mul(conj(x), y), d))


def linalg_cross(input: Any, other: Any, *, dim: int = -1, out: Any = None) -> Any:
    """Return the cross product of vectors of three elements along a dimension; the others broadcast.

    out = (a_1 b_2 - a_2 b_1, a_2 b_0 - a_0 b_2, a_0 b_1 - a_1 b_0).
    Shape: (*, 3, *) twice, broadcast, to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.cross.html

    >>> import cltorch as torch
    >>> torch.linalg.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    need_array("linalg.cross", "input", 1, input)
    need_array("linalg.cross", "other", 2, other)
    return cross(input, other, dim, out=out)


def linalg_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return the diagonals of matrices as a view.

    out[…, i] = A[…, i, i + offset], or A[…, i - offset, i] for a negative offset.
    Shape: (*, m, n) to (*, min(m, n)) for the main diagonal.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.diagonal.html

    >>> import cltorch as torch
    >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    need_array("linalg.diagonal", "A", 1, A)
    return diagonal(A, offset, dim1, dim2)
