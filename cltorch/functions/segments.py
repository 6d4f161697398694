"""Reductions of segments, runs of neighbours of lengths that tensors give: torch.segment_reduce.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.segment_reduce.html
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array
from cltorch.functions.convert import contiguous
from cltorch.functions.create import full
from cltorch.functions.gather import scatter_reduce
from cltorch.functions.parts import narrow
from cltorch.functions.ranges import arange
from cltorch.functions.scan import cumsum
from cltorch.functions.search import searchsorted
from cltorch.functions.shape import expand, reshape
from cltorch.ops.array import values
from cltorch.shapes import wrap_dim

__all__ = ["segment_reduce"]

# PyTorch's name: (that of scatter_reduce, the result of nothing)
_KINDS = {
    "sum": ("sum", 0.0), "mean": ("sum", 0.0), "prod": ("prod", 1.0), "max": ("amax", -math.inf),
    "min": ("amin", math.inf), "amax": ("amax", -math.inf), "amin": ("amin", math.inf),
}  # fmt: skip


def segment_reduce(
    data: Any, reduce: str, *, lengths: Any = None, indices: Any = None, offsets: Any = None, axis: int = 0,
    unsafe: bool = False, initial: Any = None,
) -> Any:  # fmt: skip
    """Reduce runs of neighbours along a dimension: "sum", "mean", "max", "min" or "prod" of each.

    ``lengths`` gives the lengths of runs that follow each other, ``offsets`` where each begins and the last one ends;
    their last dimension is ``axis``, those before it are ``data``'s. ``initial`` is the value that a reduction starts
    from, and the result of an empty run; without it that is the neutral element, NaN for the mean. Unless ``unsafe``
    the lengths are read back, which waits for the device. Raises RuntimeError for lengths that do not fit and
    NotImplementedError for dtypes that are no floating-point ones.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.segment_reduce.html

    >>> import cltorch as torch
    >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 5.0]), "max", lengths=torch.tensor([2, 1]))
    tensor([2., 5.])
    """
    need_array("segment_reduce", "data", 1, data)
    if reduce not in _KINDS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    given, what = (offsets, "offsets") if offsets is not None else (lengths, "lengths")
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if not data.dtype.is_floating_point:
        raise NotImplementedError(f"\"segment_reduce\" not implemented for '{TYPE_NAMES[data.dtype]}'")
    if given.dtype not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(f"\"segment_reduce\" not implemented for {what} of '{TYPE_NAMES[given.dtype]}'")
    d = wrap_dim(axis, data.lay.ndim)
    if given.lay.ndim - 1 != d:
        raise RuntimeError(f"segment_reduce(): Expected axis to be the last dimension of {what} but got {axis}.")
    n = data.lay.shape[d]
    if what == "lengths" and not unsafe and given.device.type != "meta":
        if bool((values(given) < 0).any()):
            raise RuntimeError("lengths contains negative value!")
        if bool((values(given).sum(-1) != n).any()):
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when "
                "!unsafe."
            )
    return _reduced(data, d, _bounds(given, what == "offsets"), reduce, initial)


def _bounds(given: Any, offsets: bool) -> tuple[Any, Any]:
    """Return where each run begins and ends, as int64."""
    given, d = given.to(dtypes.int64), given.lay.ndim - 1
    if offsets:
        count = given.lay.shape[d] - 1
        return narrow(given, d, 0, count), narrow(given, d, 1, count)
    ends = cumsum(given, d)
    return p.sub(ends, given), ends


def _reduced(data: Any, d: int, bounds: tuple[Any, Any], kind: str, initial: Any) -> Any:
    starts, ends = bounds
    shape, count = tuple(data.lay.shape), ends.lay.shape[d]
    n, rest = shape[d], len(shape) - d - 1
    name, neutral = _KINDS[kind]
    start = neutral if initial is None else initial
    place = expand(arange(n, device=data.device), (*shape[:d], n))
    run = searchsorted(contiguous(ends), contiguous(place), right=True)
    if count:  # what lies before the first run or behind the last belongs to a run that nobody asks for
        run = p.where(p.lt(place, narrow(starts, d, 0, 1)), count, run)
    run = expand(reshape(run, (*shape[:d], n, *(1,) * rest)), shape)
    into = full((*shape[:d], count + 1, *shape[d + 1 :]), start, dtype=data.dtype, device=data.device)
    extreme = name in ("amax", "amin")
    out = narrow(scatter_reduce(into, d, run, data, name, include_self=not extreme), d, 0, count)
    if extreme and initial is not None:
        return p.where(p.lt(out, start) if name == "amax" else p.gt(out, start), start, out)
    if kind == "mean":
        each = reshape(p.sub(ends, starts), (*shape[:d], count, *(1,) * rest))
        out = p.div(out, p.clamp_min(each, 1).to(data.dtype))
        return out if initial is not None else p.where(p.eq(each, 0), math.nan, out)
    return out
