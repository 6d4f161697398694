"""What stands between the brackets of ``x[...]``: a layout for ints, slices, None and Ellipsis, and index tensors.

Source: https://numpy.org/doc/stable/user/basics.indexing.html, with the differences that PyTorch has.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from operator import index as index_of
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.functions import convert
from cltorch.layout import Layout
from cltorch.ops.array import Array, from_host, view
from cltorch.ops.fallback import callers_level
from cltorch.ops.nonzero import nonzero
from cltorch.shapes import broadcast_shapes

_NO_INDEX = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})"
_NO_TENSOR = "tensors used as indices must be long, int, byte or bool tensors"
NO_NUMBER = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
    "tensor to a number"
)
_BYTES = "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead."
_LIST = (
    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use "
    "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], "
    "which will result either in an error or a different result"
)
_WHOLE = slice(None)


class Advanced:
    """An index with index tensors: where they stand, and how their dimensions are brought to the front."""

    __slots__ = ("lay", "order", "tensors", "dims", "at")

    def __init__(self, layout: Layout, found: dict[int, Any]) -> None:
        """Take the layout left by the basic items, and the index tensors by the dimension that they index."""
        self.lay = layout
        self.dims = dims = list(found)
        tensors = [found[d] for d in dims]
        try:
            shape = broadcast_shapes(*(t.lay.shape for t in tensors))
        except RuntimeError as error:
            shapes = ", ".join(str(list(t.lay.shape)) for t in tensors)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            ) from error
        self.tensors = [t if t.lay.shape == shape else view(t, t.lay.expand(shape)) for t in tensors]
        self.order = [*dims, *(d for d in range(layout.ndim) if d not in found)]
        # index tensors side by side leave their dimensions in their place, others in front
        self.at = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the result."""
        rest = [self.lay.shape[d] for d in self.order[len(self.dims) :]]
        return (*rest[: self.at], *self.tensors[0].lay.shape, *rest[self.at :])


def parse(x: Any, index: Any, layout: Layout | None = None) -> Any:
    """Read an index of a tensor: the Layout of a view, or Advanced for an index with tensors, lists or masks.

    It is applied to ``layout`` where that is given, in the place of the tensor's own.
    Raises IndexError for what is no index, is out of range or too much, ValueError for a step that is not positive.
    """
    items = index if index.__class__ is tuple else _items(index)
    layout = x.lay if layout is None else layout
    shape, strides, offset = tuple(layout.shape), layout.strides, layout.offset  # indexing a Size is slow
    n = len(shape)
    sizes: list[int] = []
    steps: list[int] = []
    found: dict[int, Any] = {}
    d = 0  # the next dimension of x
    for it in items:
        kind = it.__class__
        if kind is not int and kind is not slice and it is not None:
            if it is Ellipsis:
                return parse(x, _without_ellipsis(items, n), layout)
            it = _simplify(it, x)
            kind = it.__class__
        if kind is int or kind is slice:
            if d >= n:
                raise _no_dimension(n, kind)
            size, step = shape[d], strides[d]
            if kind is int:
                if not -size <= it < size:
                    raise IndexError(f"index {it} is out of bounds for dimension {d} with size {size}")
                offset += (it + size if it < 0 else it) * step
            else:
                if it.step is not None or it.start is not None or it.stop is not None:
                    lo, hi, by = _bounds(it, size)
                    offset += lo * step
                    size, step = max(0, (hi - lo + by - 1) // by), step * by
                sizes.append(size)
                steps.append(step)
            d += 1
        elif it is None:
            sizes.append(1)
            steps.append(shape[d] * strides[d] if d < n else 1)
        elif kind is bool:
            found[len(sizes)] = _places(1 if it else 0, x)
            sizes.append(1)
            steps.append(0)
        else:
            masked = it.dtype is dtypes.bool_ or it.dtype is dtypes.uint8
            if d + (it.lay.ndim if masked else 1) > n:
                raise IndexError(f"too many indices for tensor of dimension {n}")
            if masked:
                _check_mask(it, layout, d)
                d = _add_mask(it, x, layout, d, sizes, steps, found)
            else:
                found[len(sizes)] = it
                sizes.append(shape[d])
                steps.append(strides[d])
                d += 1
    if d < n:
        sizes += shape[d:]
        steps += strides[d:]
    left = Layout.make(sizes, steps, offset)
    return Advanced(left, found) if found else left


def _no_dimension(n: int, kind: type) -> IndexError:
    if n:
        return IndexError(f"too many indices for tensor of dimension {n}")
    return IndexError("slice() cannot be applied to a 0-dim tensor." if kind is slice else NO_NUMBER)


def _items(index: Any) -> tuple[Any, ...]:
    """Return the items of an index: a tuple's, or those of a list that holds slices, sequences or tensors.

    PyTorch takes such a list for a tuple, as NumPy once did.
    """
    if isinstance(index, tuple):
        return tuple(index)
    if (
        isinstance(index, list)
        and len(index) < 32
        and any(i is None or i is Ellipsis or isinstance(i, (Array, slice, Sequence, np.ndarray)) for i in index)
    ):
        warnings.warn(_LIST, UserWarning, stacklevel=callers_level())
        return tuple(index)
    return (index,)


def _without_ellipsis(items: Any, ndim: int) -> tuple[Any, ...]:
    """Put whole slices in the place of the first Ellipsis; further ones stand for nothing."""
    used = 0
    for it in items:
        if it is None or it is Ellipsis or isinstance(it, (bool, np.bool_)):
            continue
        if isinstance(it, (int, slice, np.integer)):
            used += 1
        elif isinstance(it, Array):
            used += it.lay.ndim if it.dtype in (dtypes.bool_, dtypes.uint8) else 1
        else:
            a = np.asarray(it)
            used += a.ndim if a.dtype == bool else 1
    if used > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    out: list[Any] = []
    first = True
    for it in items:
        if it is not Ellipsis:
            out.append(it)
        elif first:
            out += [_WHOLE] * (ndim - used)
            first = False
    return tuple(out)


def _bounds(it: slice, size: int) -> tuple[int, int, int]:
    """Return first and last index and step of a slice of a dimension."""
    try:
        start, stop, step = (None if n is None else index_of(n) for n in (it.start, it.stop, it.step))
    except TypeError as error:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from error
    step = 1 if step is None else step
    if step <= 0:
        raise ValueError("step must be greater than zero")
    lo, hi, _ = slice(start, stop).indices(size)
    return lo, hi, step


def _simplify(it: Any, x: Any) -> Any:
    """Return an item that is no int, slice or None as an int, a bool, or an index tensor on the device of ``x``."""
    if isinstance(it, Array):
        if it.lay.ndim == 0 and it.dtype.family in "ui" and it.dtype is not dtypes.uint8 and not it._batch:
            return int(it.item())  # as PyTorch, which waits for the device here: the result is a view
        if it.dtype not in (dtypes.int64, dtypes.int32, dtypes.bool_, dtypes.uint8):
            raise IndexError(_NO_TENSOR)
        if it.dtype is dtypes.uint8:
            warnings.warn(_BYTES, UserWarning, stacklevel=callers_level())
        if it._batch and it.dtype in (dtypes.bool_, dtypes.uint8):
            raise RuntimeError(
                "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over "
                "indexing with a boolean mask."
            )
        if it.device is not x.device:
            if it.device.type != "cpu":
                raise RuntimeError(
                    f"indices should be either on cpu or on the same device as the indexed tensor ({x.device})"
                )
            it = convert.to(it, x.device)
        return it
    if isinstance(it, bool):
        return it
    if isinstance(it, (int, np.integer)):
        return int(it)
    if isinstance(it, slice):
        return it
    if not isinstance(it, (Sequence, np.ndarray)):
        raise IndexError(_NO_INDEX.format(type(it).__name__))
    if isinstance(it, str):
        raise TypeError("new(): invalid data type 'str'")
    a = np.asarray(_plain(it))
    if a.dtype.kind not in "iubf":
        raise IndexError(_NO_TENSOR)
    if a.ndim == 0 and a.dtype != bool:
        return int(a)
    # a list of fractions is cut to whole numbers, as in PyTorch
    bits = a if a.dtype == bool else a.astype(np.int64)
    return from_host(bits, dtypes.bool_ if a.dtype == bool else dtypes.int64, x.device)


def _plain(it: Any) -> Any:
    """Return a nested sequence with tensors as NumPy values."""
    if isinstance(it, Array):
        return convert.to(it, "cpu").numpy()
    return [_plain(v) for v in it] if isinstance(it, (list, tuple)) else it


def _places(count: int, x: Any) -> Any:
    """Return ``count`` (0 or 1) times the position 0."""
    return from_host(np.zeros(count, np.int64), dtypes.int64, x.device)


def _check_mask(mask: Any, layout: Layout, d: int) -> None:
    for k, size in enumerate(mask.lay.shape):
        if size != layout.shape[d + k]:
            raise IndexError(
                f"The shape of the mask {list(mask.lay.shape)} at index {k} does not match the shape of the indexed "
                f"tensor {list(layout.shape)} at index {d + k}"
            )


def _add_mask(
    mask: Any, x: Any, layout: Layout, d: int, sizes: list[int], steps: list[int], found: dict[int, Any]
) -> int:  # fmt: skip
    """Index the dimensions that a mask covers at its true elements; return the next dimension of ``x``."""
    k = mask.lay.ndim
    if k == 0:
        found[len(sizes)] = _places(nonzero(mask).lay.shape[0], x)
        sizes.append(1)
        steps.append(0)
        return d
    covered = Layout(layout.shape[d : d + k], layout.strides[d : d + k])
    line = covered.view((-1,)) if covered.numel else None
    if line is not None:  # dimensions that are one run in memory need one index tensor
        found[len(sizes)] = nonzero(mask, flat=True)
        sizes.append(line.shape[0])
        steps.append(line.strides[0])
        return d + k
    places = nonzero(mask)
    for i in range(k):
        found[len(sizes)] = view(places, places.lay.select(1, i))
        sizes.append(layout.shape[d + i])
        steps.append(layout.strides[d + i])
    return d + k
