"""Shapes and dimensions of tensors: what sizes are, which ones go together, and what is said where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import prod
from operator import index as whole
from typing import Any


class Size(tuple):
    """Hold the sizes of a tensor's dimensions; a tuple that prints as PyTorch's does.

    Source: https://docs.pytorch.org/docs/2.13/size.html
    """

    __slots__ = ()

    def __new__(cls, sizes: Iterable[Any] = ()) -> Size:
        """Take the sizes from any iterable of whole numbers; TypeError names one that is none."""
        found = []
        for i, n in enumerate(sizes):
            try:
                found.append(whole(n))
            except TypeError:
                raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')") from None
        return tuple.__new__(cls, found)

    def numel(self) -> int:
        """Return the number of elements of a tensor of this size."""
        return prod(self)

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, i: Any) -> Any:
        r = tuple.__getitem__(self, i)
        return as_size(r) if isinstance(i, slice) else r

    def __add__(self, other: Any) -> Size:
        return as_size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other: Any) -> Size:
        return as_size(tuple(other) + tuple(self))

    def __mul__(self, n: Any) -> Size:
        return as_size(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __reduce__(self) -> Any:
        return Size, (tuple(self),)


as_size: Callable[[Any], Size] = partial(tuple.__new__, Size)  # of what is known to be whole numbers


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the row-major strides of a shape, as PyTorch computes them (a zero size counts as one)."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


def wrap_dim(dim: int, ndim: int) -> int:
    """Return a non-negative dimension, or raise IndexError in PyTorch's words."""
    n = max(ndim, 1)
    if dim < -n or dim >= n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim + n if dim < 0 else dim


def wrap_dims(dims: int | Iterable[int] | None, ndim: int) -> tuple[int, ...]:
    """Return non-negative dimensions (all of them for None or an empty list), each at most once."""
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, int):
        return (wrap_dim(dims, ndim),)
    out = tuple(wrap_dim(d, ndim) for d in dims)
    for i, d in enumerate(out):
        if d in out[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return out or tuple(range(ndim))


def _as_shape(given: Any) -> Sequence[int]:
    if isinstance(given, int):
        return (given,)
    if isinstance(given, list):
        return given
    raise RuntimeError(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {given}")


def broadcast_shapes(*shapes: Sequence[int]) -> Size:
    """Return the common shape of operands, aligned at their last dimension.

    Raises RuntimeError naming the two sizes and the dimension where the shapes do not agree, as operators say it.

    >>> broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    first = shapes[0] if shapes else ()
    if isinstance(first, Size) and shapes.count(first) == len(shapes):  # mostly
        return first
    if any(not isinstance(s, tuple) for s in shapes):
        shapes = tuple(s if isinstance(s, tuple) else _as_shape(s) for s in shapes)
    ndim = max((len(s) for s in shapes), default=0)
    out = [1] * ndim
    for s in shapes:
        lead = ndim - len(s)
        for i, n in enumerate(s):
            have = out[lead + i]
            if have == 1:
                out[lead + i] = n
            elif n != 1 and n != have:  # of several such dimensions PyTorch names the last
                i = max(d for d in range(i, len(s)) if s[d] != 1 and out[lead + d] not in (1, s[d]))
                raise RuntimeError(
                    f"The size of tensor a ({out[lead + i]}) must match the size of tensor b ({s[i]}) at "
                    f"non-singleton dimension {lead + i}"
                )
    for i, n in enumerate(out):
        if n.__class__ is not int:
            if not hasattr(n, "__index__"):
                raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')")
            out[i] = whole(n)
        if n < 0:
            raise ValueError("Attempting to broadcast a dimension with negative length!")
    return as_size(out)


def infer_shape(shape: Sequence[int], numel: int) -> tuple[int, ...]:
    """Replace one -1 in a requested shape; raise RuntimeError in PyTorch's words when the sizes do not fit."""
    known, hole = 1, None
    for i, n in enumerate(shape):
        if n == -1:
            if hole is not None:
                raise RuntimeError("only one dimension can be inferred")
            hole = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
        else:
            known *= n
    if hole is None:
        if known == numel:
            return tuple(shape)
    elif known == 0:
        if numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
                "dimension size -1 can be any value and is ambiguous"
            )
    elif numel % known == 0:
        return (*shape[:hole], numel // known, *shape[hole + 1 :])
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
