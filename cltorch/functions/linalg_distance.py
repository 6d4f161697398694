"""Distances between all pairs of vectors: cdist, pdist.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.cdist.html
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import apply
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.create import zeros
from cltorch.functions.dim_orders import transpose
from cltorch.functions.index_dim import index_select
from cltorch.functions.linalg_check import batch_together, need_same
from cltorch.functions.shape import reshape
from cltorch.functions.triangle import triu_indices
from cltorch.ops.distance import CDist
from cltorch.ops.matmul import Baddbmm

__all__ = ["cdist", "pdist"]

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
_FEW = 25  # vectors up to which PyTorch subtracts before it squares


def cdist(
    x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Any:  # fmt: skip
    """Return the p-norms of the differences of all vectors of x1 (…, P, M) and x2 (…, R, M), shape (…, P, R).

    For p = 2 and more than 25 vectors, or as ``compute_mode`` says, it is a product of matrices, which is faster and
    less exact for vectors close together.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cdist.html

    >>> import cltorch as torch
    >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    need_array("cdist", "x1", 1, x1)
    need_array("cdist", "x2", 2, x2)
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for argument, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {argument} got: {SCALAR_NAMES[x.dtype.name]}"
            )
        if x.lay.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {argument} got: {x.lay.ndim}D")
    if x1.dtype is not x2.dtype:
        raise RuntimeError(f"expected scalar type {TYPE_NAMES[x1.dtype]} but found {TYPE_NAMES[x2.dtype]}")
    need_same("cdist", x1, x2, "x1", "x2")
    columns, other = x1.lay.shape[-1], x2.lay.shape[-1]
    if columns != other:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {columns} X2: {other}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    x1, x2 = batch_together(x1, x2)
    rows, others = x1.lay.shape[-2], x2.lay.shape[-2]
    if not columns or not x1.lay.numel or not x2.lay.numel:
        nothing = zeros((*x1.lay.shape[:-1], others), dtype=x1.dtype, device=x1.device)
        return nothing + (r.sum(x1) + r.sum(x2))  # zero, and part of the graph
    many = compute_mode == _MODES[0] and (rows > _FEW or others > _FEW)
    if p == 2 and (many or compute_mode == _MODES[1]):
        return _euclidean(x1, x2)
    return apply(CDist, x1, x2, float(p))


def _euclidean(x1: Any, x2: Any) -> Any:
    """Return the roots of |x|² + |y|² - 2 xy, by one product of matrices."""
    own, other = (r.sum(p.square(x), -1, True) for x in (x1, x2))
    rest = apply(Baddbmm, transpose(other, -2, -1), x1, transpose(x2, -2, -1), 1, -2)
    return p.root_of_sum(own, rest)


def pdist(input: Any, p: float = 2.0) -> Any:
    """Return the p-norms of the differences of all pairs of rows of a matrix, in the order (0, 1), (0, 2) … (1, 2) ….

    ‖x_i - x_j‖ₚ for all i < j.
    Shape: (N, M) to (N (N - 1) / 2).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pdist.html

    >>> import cltorch as torch
    >>> torch.pdist(torch.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    need_array("pdist", "input", 1, input)
    if input.lay.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.lay.ndim}D")
    if not input.dtype.is_floating_point:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    n, columns = input.lay.shape
    if n <= 1 or not columns:
        nothing = zeros(n * max(n - 1, 0) // 2, dtype=input.dtype, device=input.device)
        return nothing + r.sum(input)  # without elements, or zero; and part of the graph
    return _upper(apply(CDist, input, input, float(p)))


def _upper(square: Any) -> Any:
    """Return the elements above the diagonal, row by row."""
    n = square.lay.shape[0]
    rows, columns = triu_indices(n, n, 1, device=square.device)
    return index_select(reshape(square, (-1,)), 0, p.add(p.mul(rows, n), columns))
