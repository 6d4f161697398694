"""Triangles and diagonals of matrices: tril, triu, diag, diag_embed, diagflat.

Source: https://docs.pytorch.org/docs/2.13/torch.html#other-operations
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply, inplace
from cltorch.autograd.renaming import as_one, called
from cltorch.device import host_memory, resolve
from cltorch.functions import reduce
from cltorch.functions.arguments import SCALAR_NAMES, check_layout, need_array, read_dtype, read_int
from cltorch.functions.convert import contiguous_copy, scatter_into_layout
from cltorch.functions.create import full
from cltorch.functions.expanded import folded, zero_strides
from cltorch.functions.masked import masked_fill
from cltorch.functions.overwrite import copy_
from cltorch.functions.parts import diagonal
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import reshape
from cltorch.layout import Layout
from cltorch.ops import triangle as ops
from cltorch.shapes import wrap_dim

__all__ = [
    "diag", "diag_embed", "diagflat", "tril", "tril_", "tril_indices", "triu", "triu_", "triu_indices",
]  # fmt: skip


def _triangle(name: str, upper: bool) -> Any:
    def f(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
        need_array(name, "input", 1, input)
        if input.lay.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        result = apply(ops.Triangle, input, read_int(name, "diagonal", 2, diagonal), upper)
        called(result, f"{name.capitalize()}Backward0")
        return result if out is None else into_out(name, out, result)

    f.__name__ = f.__qualname__ = name
    side, other = ("upper", "below") if upper else ("lower", "above")
    f.__doc__ = (
        f"Return a copy of matrices with zeros outside their {side} triangle, i.e. {other} a diagonal.\n\n"
        "``diagonal`` counts from the main one (0) to the right. Raises RuntimeError below two dimensions.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([[1, 2], [3, 4]]))\n"
        f"tensor([[1, {2 if upper else 0}],\n        [{0 if upper else 3}, 4]])\n"
    )
    return f


def _triangle_(name: str, upper: bool) -> Any:
    def f(input: Any, diagonal: int = 0) -> Any:
        need_array(name, "input", 1, input)
        if input.lay.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        k = read_int(name, "diagonal", 2, diagonal)
        if input.lay.overlaps():
            return _on_expanded(input, k, upper)
        return inplace(input, ops.TriangleInPlace, input, k, upper, write=lambda: ops.keep(input, None, k, upper))

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Do what ``{name[:-1]}`` does, in place.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.{name}.html\n"
    )
    return f


def _on_expanded(x: Any, k: int, upper: bool) -> Any:
    """Set to zero what lies outside the triangle in any of the matrices or rows that are one place in memory."""
    base = folded(x)
    ones = full(x.lay.shape, True, dtype=dtypes.bool_, device=x.device)
    outside = apply(ops.Triangle, ones, k - 1 if upper else k + 1, not upper)
    copy_(base, masked_fill(base, reduce.any(outside, zero_strides(x), True), 0))
    return x


tril, triu = _triangle("tril", False), _triangle("triu", True)
tril_, triu_ = _triangle_("tril_", False), _triangle_("triu_", True)


def _indices(name: str, upper: bool) -> Any:
    def f(
        row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None,
        pin_memory: bool = False, requires_grad: bool = False,
    ) -> Any:  # fmt: skip
        check_layout(layout, pin_memory)
        t = read_dtype(name, dtype, dtypes.int64)
        row, col = read_int(name, "row", 1, row), read_int(name, "col", 2, col)
        offset = read_int(name, "offset", 3, offset)
        for what, n in (("row", row), ("col", col)):
            if n < 0:
                raise RuntimeError(f"{what} must be non-negative, got{n}")
        if t not in (dtypes.int64, dtypes.int32, dtypes.int16):
            raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[t.name]}'")
        if upper:  # nothing is in the rows below the triangle's tip, or right of its last row's end
            row = min(row, max(col - offset, 0))
        else:
            col = min(col, max(row + offset, 0))
        work = partial(ops.indices, row, col, offset, upper, t, resolve(device))
        out = host_memory.attempt(name, work)
        return out.requires_grad_() if requires_grad else out

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return rows and columns of the {'upper' if upper else 'lower'} triangle of a matrix, [2, count].\n\n"
        "Elements come row by row; ``offset`` names the diagonal. Raises RuntimeError for negative sizes.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(2, 2)\n"
        f"tensor([[0, {0 if upper else 1}, 1],\n        [0, {1 if upper else 0}, 1]])\n"
    )
    return f


tril_indices, triu_indices = _indices("tril_indices", False), _indices("triu_indices", True)


def diag(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """Return a matrix with a vector on a diagonal, or a copy of a matrix's diagonal.

    Raises RuntimeError for anything but vectors and matrices.
    Shape: (n) to (n, n), (n, m) to (min(n, m)), for the main diagonal.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.diag.html

    >>> import cltorch as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    need_array("diag", "input", 1, input)
    n = input.lay.ndim
    if n not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {n}D")
    result = diag_embed(input, diagonal) if n == 1 else _diagonal_copy(input, diagonal)
    return result if out is None else into_out("diag", out, result)


def _diagonal_copy(input: Any, offset: int) -> Any:
    base = Layout.of(input.lay.shape)
    part = base.diagonal(offset, 0, 1)
    return as_one(
        "DiagonalBackward0_copy",
        lambda x: contiguous_copy(diagonal(x, offset)),
        lambda m, g, _: (scatter_into_layout(g, base, part),),
        input,
    )


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return zeros with the last dimension of the input on a diagonal of two new dimensions.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.diag_embed.html

    >>> import cltorch as torch
    >>> torch.diag_embed(torch.tensor([[1, 2]]), 1).shape
    torch.Size([1, 3, 3])
    """
    need_array("diag_embed", "input", 1, input)
    n = input.lay.ndim + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    length = input.lay.shape[-1] + abs(offset)
    shape = list(input.lay.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, length)
    base = Layout.of(shape)
    return called(scatter_into_layout(input, base, base.diagonal(offset, a, b)), "DiagEmbedBackward0")


def diagflat(input: Any, offset: int = 0) -> Any:
    """Return a matrix with all elements of the input, in order, on a diagonal.

    Shape: (*) to (n, n) with n elements.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.diagflat.html

    >>> import cltorch as torch
    >>> torch.diagflat(torch.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(reshape(need_array("diagflat", "input", 1, input), (-1,)), offset)
