"""Views with the dimensions in another order: transpose, permute, movedim; and the order that memory has.

Source: https://docs.pytorch.org/docs/2.13/tensor_view.html
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from cltorch.autograd.record import view as record_view
from cltorch.formats import memory_format
from cltorch.functions.arguments import need_array, read_int
from cltorch.functions.shape import need_some, sizes_of
from cltorch.ops.notices import warn_once
from cltorch.ops.plan import memory_order
from cltorch.shapes import wrap_dim

__all__ = [
    "dim_order", "matrix_transpose_T", "matrix_transpose_mT", "moveaxis", "movedim", "permute", "swapaxes", "swapdims",
    "t", "transpose",
]  # fmt: skip


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Swap two dimensions, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.swapdims.html

    >>> import cltorch as torch
    >>> torch.ones(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    need_array("transpose", "input", 1, input)
    return record_view(
        input, input.lay.transpose(dim0, dim1), "TransposeBackward0", lambda m, g: m.transpose(g, dim0, dim1)
    )


swapdims = transpose


def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """Swap two dimensions, as a view: ``transpose`` with NumPy's names of the arguments.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.swapaxes.html

    >>> import cltorch as torch
    >>> torch.swapaxes(torch.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    need_array("swapaxes", "input", 1, input)
    return transpose(input, axis0, axis1)


def t(input: Any) -> Any:
    """Transpose a matrix, as a view; a vector stays as it is. Raises RuntimeError above two dimensions.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.t.html

    >>> import cltorch as torch
    >>> torch.t(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    need_array("t", "input", 1, input)
    if input.lay.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.lay.ndim}D")
    if input.lay.ndim < 2:
        return record_view(input, input.lay, "TBackward0", lambda m, g: g)
    return record_view(input, input.lay.transpose(0, 1), "TBackward0", lambda m, g: m.t(g))


def permute(input: Any, *given: Any, dims: Any = None) -> Any:
    """Reorder the dimensions, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.permute.html

    >>> import cltorch as torch
    >>> torch.ones(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    need_array("permute", "input", 1, input)
    if dims is None:
        need_some("permute", "dims", given)
    order = sizes_of(given if dims is None else (dims,))
    layout = input.lay.permute(order)
    inverse = [0] * len(order)
    for i, d in enumerate(order):
        inverse[d] = i
    return record_view(input, layout, "PermuteBackward0", lambda m, g: m.permute(g, inverse))


def _numbers(name: str, dims: Any) -> tuple[int, ...]:
    """Return dimensions that were given as one number or as several."""
    given = dims if isinstance(dims, (tuple, list)) else (dims,)
    return tuple(read_int(name, "dim", 2, d) for d in given)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Move dimensions to other positions, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.moveaxis.html

    >>> import cltorch as torch
    >>> torch.ones(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    need_array("movedim", "input", 1, input)
    if isinstance(source, (tuple, list)) != isinstance(destination, (tuple, list)):
        raise TypeError(
            "movedim() received an invalid combination of arguments: source and destination must both be int or both "
            f"be tuples of ints, not {type(source).__name__} and {type(destination).__name__}"
        )
    n = input.lay.ndim
    given = [list(_numbers("movedim", x)) for x in (source, destination)]
    if len(given[0]) != len(given[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({given[0]} dims) should contain the same number "
            f"of dims as destination ({given[1]} dims)"
        )
    src, dst = ([wrap_dim(d, n) for d in dims] for dims in given)
    for what, dims, told in (("source", src, given[0]), ("destination", dst, given[1])):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({told})")
    if not n:
        return permute(input, ())
    order: list[int] = [-1] * n
    for s, d in zip(src, dst, strict=True):
        order[d] = s
    rest = iter(i for i in range(n) if i not in src)
    return permute(input, [o if o >= 0 else next(rest) for o in order])


moveaxis = movedim


def matrix_transpose_T(input: Any) -> Any:
    """Return the tensor with its dimensions reversed."""
    if input.lay.ndim != 2:
        numbers = "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases."
        others = (
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
            "throw an error in a future release. Use `x.mT` for batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions."
        )
        warn_once(others if input.lay.ndim else numbers)
    return permute(input, tuple(range(input.lay.ndim))[::-1])


def matrix_transpose_mT(input: Any) -> Any:
    """Return the tensor with its last two dimensions swapped."""
    if not input.lay.ndim:
        warn_once("Tensor.mT is deprecated on 0-D tensors. This function is the identity in these cases.")
        return input
    if input.lay.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {input.lay.ndim}-D tensor."
        )
    return transpose(input, -2, -1)


def dim_order(input: Any, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """Return the dimensions from the slowest to the fastest in memory.

    With ``ambiguity_check`` RuntimeError is raised where other orders are as good: equal strides, or a size of 1. It
    may be a list of memory formats, of which exactly one must then be the tensor's.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.dim_order.html

    >>> import cltorch as torch
    >>> torch.empty(2, 3, 4).transpose(0, 1).dim_order()
    (1, 0, 2)
    """
    listed = isinstance(ambiguity_check, list) and all(isinstance(f, memory_format) for f in ambiguity_check)
    if not listed and not isinstance(ambiguity_check, bool):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    shape, strides = input.lay.shape, input.lay.strides
    if ambiguity_check is not False and (1 in shape or any(a == b for a, b in pairwise(strides))):
        if not listed or sum(input.is_contiguous(memory_format=f) for f in ambiguity_check) != 1:
            raise RuntimeError(
                "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
            )
    return tuple(memory_order(shape, [strides])[::-1])
