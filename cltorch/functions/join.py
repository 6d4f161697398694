"""Joining tensors: cat, stack and their kin, grids and combinations.

Source: https://docs.pytorch.org/docs/2.13/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.record import apply
from cltorch.dtypes import TYPE_NAMES, dtype, promote_types
from cltorch.functions import pointwise as p
from cltorch.functions import reduce
from cltorch.functions.arguments import need_array, numpy_names, read_int
from cltorch.functions.convert import to
from cltorch.functions.create import zeros
from cltorch.functions.index_dim import index_select
from cltorch.functions.parts import narrow
from cltorch.functions.pointwise import into_out
from cltorch.functions.positions import nonzero
from cltorch.functions.ranges import arange
from cltorch.functions.shape import expand, reshape, unsqueeze
from cltorch.ops.array import Array, two_devices
from cltorch.ops.join import BlockDiag, Cat, Stack
from cltorch.ops.notices import warn_once
from cltorch.shapes import wrap_dim

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "cartesian_prod",
    "cat",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "meshgrid",
    "row_stack",
    "stack",
    "vstack",
]


_SEQUENCES = (list, tuple, Sequence)  # those that it mostly is first, for the abstract class takes long to ask


def _list(name: str, tensors: Any, empty: str | None = None) -> list[Any]:
    """Return the tensors of a sequence; raise TypeError for anything else in it."""
    if isinstance(tensors, Array) or not isinstance(tensors, _SEQUENCES):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    found = list(tensors)
    for i, x in enumerate(found):
        if not isinstance(x, Array):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    if not found:
        raise RuntimeError(empty or f"{name} expects a non-empty TensorList")
    return found


def _common(tensors: Sequence[Any]) -> dtype:
    """Return the promoted dtype; raise RuntimeError where the devices differ."""
    first = tensors[0]
    t, dev = first.dtype, first.device
    for x in tensors:
        if x.dtype is not t:
            t = promote_types(t, x.dtype)
        if x.device is not dev:
            raise two_devices(dev, x.device)
    return t


@numpy_names
def cat(tensors: Any, dim: int = 0, *, out: Any = None) -> Any:
    """Join tensors along a dimension that exists; all other sizes must agree.

    Dtypes are promoted. One-dimensional tensors of size 0 are passed over, whatever the others' shapes, as in PyTorch.
    Raises ValueError for an empty list, RuntimeError where sizes or devices do not agree.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cat.html

    >>> import cltorch as torch
    >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    if not isinstance(tensors, Array) and isinstance(tensors, _SEQUENCES) and not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    given = _list("cat", tensors)
    t = _common(given)
    for i, x in enumerate(given):
        if x.lay.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = [x for x in given if x.lay.ndim != 1 or x.lay.numel] or given[:1]
    first = kept[0].lay.shape
    d = wrap_dim(dim, len(first))
    for i, x in enumerate(given):
        if x.lay.ndim == 1 and not x.lay.numel:
            continue
        shape = x.lay.shape
        if len(shape) != len(first):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        if shape != first:
            for k, (n, m) in enumerate(zip(first, shape, strict=True)):
                if n != m and k != d:
                    raise RuntimeError(
                        f"Sizes of tensors must match except in dimension {d}. Expected size {n} but got size {m} for "
                        f"tensor number {i} in the list."
                    )
    _check_out("cat", t, out)
    result = apply(Cat, d, t, *kept)
    if len(kept) != len(given) and mode.enabled:
        for x in given:  # those passed over have a gradient too, of no elements
            if x._requires_grad and not any(x is y for y in kept):
                result = p.sub(result, to(reduce.sum(x), t))
    return result if out is None else into_out("cat", out, result, given)


concat = concatenate = cat


def _check_out(name: str, t: dtypes.dtype, out: Any) -> None:
    if out is not None and not dtypes.can_cast(t, need_array(name, "out", 3, out).dtype):
        raise TypeError(f"torch.cat(): input types can't be cast to the desired output type {TYPE_NAMES[out.dtype]}")


@numpy_names
def stack(tensors: Any, dim: int = 0, *, out: Any = None) -> Any:
    """Join tensors of one shape along a new dimension.

    Raises RuntimeError for an empty list and where the shapes differ.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.stack.html

    >>> import cltorch as torch
    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], 1)
    tensor([[1, 3],
            [2, 4]])
    """
    given = _list("stack", tensors)
    first = given[0].lay.shape
    d = wrap_dim(dim, len(first) + 1)
    for i, x in enumerate(given):
        if x.lay.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(x.lay.shape)} at entry {i}"
            )
    t = _common(given)
    _check_out("stack", t, out)
    result = apply(Stack, d, t, *given)
    return result if out is None else into_out("stack", out, result, given)


def _each(name: str, change: Any, tensors: tuple[Any, ...]) -> Any:
    """Apply a function to one tensor, to several, or to those of a list (a tuple is returned then)."""
    if len(tensors) == 1 and not isinstance(tensors[0], Array):
        return tuple(change(need_array(name, "tensors", 1, x)) for x in tensors[0])
    found = tuple(change(need_array(name, "tensors", i + 1, x)) for i, x in enumerate(tensors))
    return found[0] if len(found) == 1 else found


def _at_least_1(x: Any) -> Any:
    return reshape(x, (1,)) if x.lay.ndim == 0 else x


def _at_least_2(x: Any) -> Any:
    return unsqueeze(_at_least_1(x), 0) if x.lay.ndim < 2 else x


def _at_least_3(x: Any) -> Any:
    return unsqueeze(_at_least_2(x), -1) if x.lay.ndim < 3 else x


def atleast_1d(*tensors: Any) -> Any:
    """Return 0-d tensors as vectors and the others as they are; several tensors give a tuple.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.atleast_1d.html

    >>> import cltorch as torch
    >>> torch.atleast_1d(torch.tensor(1.0))
    tensor([1.])
    """
    return _each("atleast_1d", _at_least_1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Return tensors as views of at least two dimensions, new ones in front.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.atleast_2d.html

    >>> import cltorch as torch
    >>> torch.atleast_2d(torch.tensor(1.0))
    tensor([[1.]])
    """
    return _each("atleast_2d", _at_least_2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Return tensors as views of at least three dimensions: (1, n, 1) for a vector, (m, n, 1) for a matrix.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.atleast_3d.html

    >>> import cltorch as torch
    >>> torch.atleast_3d(torch.tensor(1.0))
    tensor([[[1.]]])
    """
    return _each("atleast_3d", _at_least_3, tensors)


def hstack(tensors: Any, *, out: Any = None) -> Any:
    """Join side by side: along the second dimension, vectors along their first.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.hstack.html

    >>> import cltorch as torch
    >>> torch.hstack([torch.tensor([1]), torch.tensor([2, 3])])
    tensor([1, 2, 3])
    """
    given = [_at_least_1(x) for x in _list("hstack", tensors)]
    return cat(given, 0 if given[0].lay.ndim == 1 else 1, out=out)


def vstack(tensors: Any, *, out: Any = None) -> Any:
    """Join one below the other: along the first dimension, vectors as rows.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.row_stack.html

    >>> import cltorch as torch
    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([_at_least_2(x) for x in _list("vstack", tensors)], 0, out=out)


row_stack = vstack


def dstack(tensors: Any, *, out: Any = None) -> Any:
    """Join in depth: along the third dimension, after ``atleast_3d``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.dstack.html

    >>> import cltorch as torch
    >>> torch.dstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat([_at_least_3(x) for x in _list("dstack", tensors)], 2, out=out)


def column_stack(tensors: Any, *, out: Any = None) -> Any:
    """Join side by side, with vectors as columns.

    Shape: (n) or (n, m) each to (n, columns).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.column_stack.html

    >>> import cltorch as torch
    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    given = _list("column_stack", tensors)
    return cat([reshape(x, (x.lay.numel, 1)) if x.lay.ndim < 2 else x for x in given], 1, out=out)


def block_diag(*tensors: Any) -> Any:
    """Put matrices on the diagonal of a matrix of zeros; vectors count as rows.

    Raises RuntimeError for more than two dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.block_diag.html

    >>> import cltorch as torch
    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([[3], [4]]))
    tensor([[1, 2, 0],
            [0, 0, 3],
            [0, 0, 4]])
    """
    for i, x in enumerate(tensors):
        if not isinstance(x, Array):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    if not tensors:
        return zeros((1, 0))
    given = _list("block_diag", tensors)
    for i, x in enumerate(given):
        if x.lay.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.lay.ndim} "
                "dimensions"
            )
    return apply(BlockDiag, _common(given), *(_at_least_2(x) for x in given))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Return the coordinates of a grid, one view for each of the given vectors.

    Indexing "ij" (the default) has a dimension per vector in their order, "xy" exchanges the first two.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.meshgrid.html

    >>> import cltorch as torch
    >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")
    (tensor([[1, 1],
            [2, 2]]), tensor([[3, 4],
            [3, 4]]))
    """
    if len(tensors) == 1 and not isinstance(tensors[0], Array):
        tensors = tuple(tensors[0])
    given = _list("meshgrid", tensors)
    if indexing is None:
        warn_once("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.")
    for x in given:
        if x.lay.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(x.lay.shape)}"
            )
        if x.dtype is not given[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
        if x.device is not given[0].device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = [1, 0]
    shape = [given[i].lay.numel for i in order]
    out = []
    for i, x in enumerate(given):
        line = [1] * len(given)
        line[order.index(i)] = x.lay.numel
        out.append(expand(reshape(x, line), shape))
    return tuple(out)


def cartesian_prod(*tensors: Any) -> Any:
    """Return all tuples of one element from each vector, as rows.

    Shape: (n1), (n2), … to (n1 n2 …, count).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cartesian_prod.html

    >>> import cltorch as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([4, 5]))
    tensor([[1, 4],
            [1, 5],
            [2, 4],
            [2, 5]])
    """
    if len(tensors) == 1 and not isinstance(tensors[0], Array):
        tensors = tuple(tensors[0])
    given = _list("cartesian_prod", tensors)
    for x in given:
        if x.lay.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.lay.shape)}")
    if len(given) == 1:
        return given[0]
    return stack([reshape(x, (-1,)) for x in meshgrid(*given, indexing="ij")], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Return the combinations of ``r`` elements of a vector, as rows in the order of ``itertools``.

    Shape: (n) to (count, r).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.combinations.html

    >>> import cltorch as torch
    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    need_array("combinations", "input", 1, input)
    r = read_int("combinations", "r", 2, r)
    if input.lay.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.lay.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return zeros((0,), dtype=input.dtype, device=input.device)
    n = input.lay.numel
    if not math.comb(n + r - 1 if with_replacement else n, r):
        return expand(reshape(narrow(input, 0, 0, 0), (0, 1)), (0, r))
    if r == 1:
        return reshape(input, (-1, 1))
    places = arange(n, device=input.device)
    grids = meshgrid(*[places] * r, indexing="ij")
    rising = None
    for a, b in zip(grids, grids[1:], strict=False):
        step = a <= b if with_replacement else a < b
        rising = step if rising is None else rising & step
    chosen = nonzero(rising)
    return reshape(index_select(input, 0, reshape(chosen, (-1,))), chosen.lay.shape)
