"""Repeating elements and moving them about: repeat, tile, repeat_interleave, flip, roll, rot90.

Source: https://docs.pytorch.org/docs/2.13/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import as_one
from cltorch.formats import contiguous_format
from cltorch.functions.arguments import SCALAR_NAMES, need_array, numpy_names, read_int
from cltorch.functions.convert import clone
from cltorch.functions.create import zeros
from cltorch.functions.dim_orders import transpose
from cltorch.functions.index_dim import index_select
from cltorch.functions.scan import cumsum
from cltorch.functions.shape import expand, need_some, reshape, sizes_of
from cltorch.ops.array import Array
from cltorch.ops.join import Flip, Repeat, Roll
from cltorch.ops.search import expand_counts
from cltorch.shapes import wrap_dim, wrap_dims

__all__ = ["flip", "fliplr", "flipud", "repeat", "repeat_interleave", "roll", "rot90", "tile"]


def repeat(input: Any, *sizes: Any, repeats: Any = None) -> Any:
    """Copy a tensor the given number of times along each dimension; more numbers than dimensions add some in front.

    Raises RuntimeError for fewer numbers than dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.repeat.html

    >>> import cltorch as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    if not sizes and repeats is None:
        raise TypeError('repeat() missing 1 required positional arguments: "repeats"')
    counts = sizes_of(sizes if repeats is None else (repeats,))
    lead = len(counts) - input.lay.ndim
    if lead < 0:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (*(1,) * lead, *input.lay.shape)
    total = [n * k for n, k in zip(shape, counts, strict=True)]
    if any(k < 0 for k in counts):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(total)}: {total}")
    return apply(Repeat, input, counts, (1,) * len(counts))


def tile(input: Any, *sizes: Any, dims: Any = None) -> Any:
    """Copy a tensor like ``repeat``, with missing numbers in front counted as 1.

    Shape: (n1, …) to (n1 dims[0], …).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.tile.html

    >>> import cltorch as torch
    >>> torch.tile(torch.tensor([[1, 2]]), (2,))
    tensor([[1, 2, 1, 2]])
    """
    need_array("tile", "input", 1, input)
    if dims is None:
        need_some("tile", "dims", sizes)
    counts = sizes_of(sizes if dims is None else (dims,))
    return repeat(input, (*(1,) * (input.lay.ndim - len(counts)), *counts))


def _indices_of(repeats: Any, output_size: int | None) -> Any:
    """Return every position of ``repeats`` as many times as it says; waits for the device unless the total is given."""
    if repeats.lay.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(f"\"repeat_interleave\" not implemented for '{SCALAR_NAMES[repeats.dtype.name]}'")
    if not repeats.lay.numel:
        return zeros((0,), dtype=repeats.dtype, device=repeats.device)
    ends = cumsum(repeats, 0)
    if output_size is None:
        if bool((repeats < 0).any()):
            raise RuntimeError("repeats can not be negative")
        output_size = ends[-1]
    return expand_counts(ends, int(output_size), repeats.dtype)


@numpy_names
def repeat_interleave(
    input: Any = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Repeat every element along a dimension, or of the flattened tensor without ``dim``.

    ``repeats`` is one number for all or a tensor with one per element. With one argument, a vector of numbers, the
    result is the indices 0, 1, … each as often as the vector says. ``output_size``, where it is known, saves waiting
    for the device. Raises RuntimeError for negative numbers and where the sizes do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.repeat_interleave.html

    >>> import cltorch as torch
    >>> torch.repeat_interleave(torch.tensor([7, 8]), torch.tensor([1, 2]))
    tensor([7, 8, 8])
    """
    if input is None:  # the vector by its name
        input, repeats = repeats, None
    need_array("repeat_interleave", "input", 1, input)
    if repeats is None:
        return _indices_of(input, output_size)
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    if not input.lay.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim, input.lay.ndim)
    n = input.lay.shape[d]
    if not isinstance(repeats, Array):
        k = read_int("repeat_interleave", "repeats", 2, repeats)
        if k < 0:
            raise RuntimeError("Repeats must be non-negative")
        if output_size is not None and output_size != n * k:
            raise RuntimeError(f"repeat_interleave: Invalid output_size, expected {n * k} but got {output_size}")
        ones = (1,) * input.lay.ndim
        return apply(Repeat, input, ones, (*ones[:d], k, *ones[d + 1 :]))
    if repeats.lay.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if repeats.lay.numel == 1:
        repeats = expand(reshape(repeats, (1,)), (n,))
    if repeats.lay.numel != n:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.lay.numel} "
            f"and input.size({d}) = {n}"
        )
    return index_select(input, d, _indices_of(repeats, output_size))


def _reversed_dims(name: str, dims: tuple[Any, ...]) -> tuple[int, ...]:
    if len(dims) == 1 and not isinstance(dims[0], int):
        dims = tuple(dims[0])
    return tuple(read_int(name, "dims", 2, d) for d in dims)


def flip(input: Any, *given: Any, dims: Any = None) -> Any:
    """Reverse the order of elements along dimensions, in a copy.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.flip.html

    >>> import cltorch as torch
    >>> torch.flip(torch.tensor([[1, 2], [3, 4]]), (0, 1))
    tensor([[4, 3],
            [2, 1]])
    """
    need_array("flip", "input", 1, input)
    if dims is None:
        need_some("flip", "dims", given)
    order = _reversed_dims("flip", given if dims is None else (dims,))
    found = wrap_dims(order, input.lay.ndim) if order else ()
    return apply(Flip, input, found if input.lay.ndim else ())


def fliplr(input: Any) -> Any:
    """Reverse the columns; raise RuntimeError below two dimensions.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.fliplr.html

    >>> import cltorch as torch
    >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    need_array("fliplr", "input", 1, input)
    if input.lay.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """Reverse the rows; raise RuntimeError for a 0-d tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.flipud.html

    >>> import cltorch as torch
    >>> torch.flipud(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    need_array("flipud", "input", 1, input)
    if input.lay.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def _ints(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) or (isinstance(value, Array) and not value.lay.ndim):
        return (int(value),)
    return tuple(int(v) for v in value)


def roll(input: Any, shifts: Any, dims: Any = ()) -> Any:
    """Shift elements along dimensions, those that leave at one end coming in at the other.

    Without ``dims`` the flattened tensor is rolled. Raises RuntimeError where the numbers of shifts and dimensions
    differ.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.roll.html

    >>> import cltorch as torch
    >>> torch.roll(torch.tensor([1, 2, 3, 4]), 1)
    tensor([4, 1, 2, 3])
    """
    need_array("roll", "input", 1, input)
    by, along = _ints(shifts), _ints(dims if dims is not None else ())
    if not by:
        raise RuntimeError("`shifts` required")
    if not along and len(by) == 1:
        return reshape(roll(reshape(input, (-1,)), by, (0,)), input.lay.shape)
    if len(by) != len(along):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}")
    total: dict[int, int] = {}
    for s, d in zip(by, along, strict=True):
        at = wrap_dim(d, input.lay.ndim)
        if not input.lay.ndim:
            raise IndexError(f"Dimension specified as {d} but tensor has no dimensions")
        total[at] = total.get(at, 0) + s
    return apply(Roll, input, tuple(total.values()), tuple(total))


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Rotate by ``k`` quarter turns in the plane of two dimensions, from the first towards the second.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.rot90.html

    >>> import cltorch as torch
    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    need_array("rot90", "input", 1, input)
    plane = _ints(dims)
    n = input.lay.ndim
    if len(plane) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(plane)}")
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    a, b = (wrap_dim(d, n) for d in plane)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {plane[0]} and dim1 = {plane[1]}")
    return as_one(
        "Rot90Backward0", lambda x: _turned(x, k % 4, a, b), lambda m, g, _: (_turned(g, -k % 4, a, b),), input
    )


def _turned(input: Any, turns: int, a: int, b: int) -> Any:
    if turns == 1:
        return transpose(flip(input, b), a, b)
    if turns == 2:
        return flip(input, a, b)
    if turns == 3:
        return transpose(flip(input, a), a, b)
    return clone(input, memory_format=contiguous_format)
