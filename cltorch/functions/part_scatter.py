"""A copy of a tensor with one part replaced: select_scatter, slice_scatter, diagonal_scatter, as_strided_scatter.

Source: https://docs.pytorch.org/docs/2.13/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.functions import convert, overwrite
from cltorch.functions.arguments import need_array, numpy_names
from cltorch.functions.convert import contiguous
from cltorch.functions.parts import as_strided
from cltorch.functions.pointwise import into_out
from cltorch.layout import Layout
from cltorch.ops.strided import ReplaceInLayout

__all__ = ["as_strided_scatter", "diagonal_scatter", "fill_diagonal_", "select_scatter", "slice_scatter"]


def _replace(name: str, input: Any, src: Any, part: Layout) -> Any:
    need_array(name, "src", 2, src)
    if tuple(src.lay.shape) != tuple(part.shape):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.lay.shape)}, slice size "
            f"= {list(part.shape)}"
        )
    result = apply(ReplaceInLayout, input, convert.to(src, input.dtype), input.lay, part)
    return called(result, "".join(part.capitalize() for part in name.split("_")) + "Backward0")


def _apart(name: str, input: Any) -> Any:
    """Return a tensor whose elements are each of their own: of an expanded one a copy, or all of them would change."""
    need_array(name, "input", 1, input)
    return contiguous(input) if input.lay.overlaps() else input


@numpy_names
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """Return a copy with ``src`` at one index of a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.select_scatter.html

    >>> import cltorch as torch
    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    input = _apart("select_scatter", input)
    return _replace("select_scatter", input, src, input.lay.select(dim, index))


@numpy_names
def slice_scatter(
    input: Any,
    src: Any,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Any = None,
) -> Any:
    """Return a copy with ``src`` at a slice of a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.slice_scatter.html

    >>> import cltorch as torch
    >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), 0, 0, 4, 2)
    tensor([1., 0., 1., 0.])
    """
    input = _apart("slice_scatter", input)
    if not input.lay.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    result = _replace("slice_scatter", input, src, input.lay.slice(dim, start, end, step))
    return result if out is None else into_out("slice_scatter", out, result)


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a copy with ``src`` at a diagonal of two dimensions.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.diagonal_scatter.html

    >>> import cltorch as torch
    >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    input = _apart("diagonal_scatter", input)
    return _replace("diagonal_scatter", input, src, input.lay.diagonal(offset, dim1, dim2))


def as_strided_scatter(input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Return a copy with ``src`` at the place of the storage that sizes and strides describe.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.as_strided_scatter.html

    >>> import cltorch as torch
    >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    need_array("as_strided_scatter", "input", 1, input)
    part = as_strided(input.detach(), size, stride, storage_offset).lay
    if part.overlaps() or part.offset < input.lay.offset or part.extent() > input.lay.extent():
        raise RuntimeError(
            "as_strided_scatter: the place must lie within the elements of the input and hold each once"
        )  # fmt: skip
    return _replace("as_strided_scatter", input, src, part)


def fill_diagonal_(input: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Set the main diagonal to a number; all dimensions must be of one size where there are more than two.

    ``wrap`` goes on with the diagonal below, after one row, in a matrix that is higher than wide.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.fill_diagonal_.html

    >>> import cltorch as torch
    >>> torch.zeros(2, 3).fill_diagonal_(5)
    tensor([[5., 0., 0.],
            [0., 5., 0.]])
    """
    layout = input.lay
    shape = layout.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and any(n != shape[0] for n in shape):
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(layout.strides)
    overwrite.fill_(as_strided(input, (min(shape),), (step,), layout.offset), fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        rows, columns = shape
        for start in range(columns + 1, rows, columns + 1):
            below = layout.slice(0, start, None)
            overwrite.fill_(as_strided(input, (min(below.shape),), (step,), below.offset), fill_value)
    return input
