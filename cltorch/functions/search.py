"""Searching: searchsorted, bucketize, isin.

Source: https://docs.pytorch.org/docs/2.13/torch.html#comparison-ops
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.dtypes import TYPE_NAMES, promote_types
from cltorch.functions.arguments import also_named, need_array
from cltorch.functions.convert import to
from cltorch.functions.from_data import tensor
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import reshape
from cltorch.ops import search as ops
from cltorch.ops.array import Array, empty, two_devices
from cltorch.ops.create import full
from cltorch.ops.notices import warn_once
from cltorch.ops.promotion import result_type

__all__ = ["bucketize", "isin", "searchsorted"]


def _search(name: str, sequence: Any, values: Any, out_int32: bool, right: bool, out: Any, sorter: Any = None) -> Any:
    """Search after the dtypes and devices are brought together."""
    if sequence.dtype.is_complex:
        raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for '{TYPE_NAMES[sequence.dtype]}'")
    if not isinstance(values, Array):
        t = result_type([sequence, values])
        values = tensor(values, dtype=t, device=sequence.device)
    else:
        t = promote_types(sequence.dtype, values.dtype)
        if values.device is not sequence.device:
            raise RuntimeError(
                f"torch.{name}(): boundaries and input value tensors should have same device type, but got boundaries "
                f"tensor device type {sequence.device} and input value tensor device type {values.device}"
            )
        if not (values.lay.contiguous and sequence.lay.contiguous):
            warn_once(
                f"torch.{name}(): input value tensor is non-contiguous, or the boundaries are: this will lower the "
                "performance, for it is copied. Use contiguous tensors if possible."
            )
    if t is dtypes.bool_:
        raise NotImplementedError("\"searchsorted\" not implemented for 'Bool'")
    found_dtype = dtypes.int32 if out_int32 else dtypes.int64
    if out is not None and need_array("searchsorted", "out", 3, out).dtype is not found_dtype:
        raise RuntimeError(
            f"torch.{name}(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on "
            f"whether out_int32 flag is True, but we got output tensor's dtype {TYPE_NAMES[out.dtype]} and out_int32 "
            f"flag is {out_int32}"
        )
    if not sequence.lay.numel:
        result = full(values.lay.shape, 0, found_dtype, sequence.device)
    else:
        result = ops.place(to(sequence, t), to(values, t), right, found_dtype, sorter)
    return result if out is None else into_out(name, out, result)


def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    out: Any = None, sorter: Any = None,
) -> Any:  # fmt: skip
    """Return where each value would be inserted to keep sequences sorted along their last dimension.

    In front of equal elements, or behind them with ``right`` (``side="right"``). The sequence is a vector, or has the
    leading dimensions of ``input``. ``sorter`` gives the positions that sort a sequence that is not.
    Raises RuntimeError where the shapes do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.searchsorted.html

    >>> import cltorch as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 4]))
    tensor([1, 2])
    """
    if sorter is not None:
        need_array("searchsorted", "sorter", 7, sorter)
    need_array("searchsorted", "sorted_sequence", 1, sorted_sequence)
    shape = tuple(sorted_sequence.lay.shape)
    given = tuple(input.lay.shape) if isinstance(input, Array) else ()
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    if not shape:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if not given and len(shape) != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({len(shape)}) and input value's dim(0) numel(1)"
        )
    if len(shape) != 1 and shape[:-1] != given[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(shape)} and input value "
            f"tensor {list(given)}"
        )
    if sorter is not None:
        if tuple(sorter.lay.shape) != shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(shape)} and got sorter tensor {list(sorter.lay.shape)}"
            )
        if sorter.dtype is not dtypes.int64:
            raise RuntimeError(
                f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {TYPE_NAMES[sorter.dtype]}"
            )
        if sorter.lay.numel and bool(((sorter < 0) | (sorter >= shape[-1])).any()):
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
    return _search("searchsorted", sorted_sequence, input, out_int32, right or side == "right", out, sorter)


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Any:
    """Return the bucket of each value between sorted boundaries: how many of them are smaller (``right``: or equal).

    Shape: (*) and boundaries (m) to (*), int64.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.bucketize.html

    >>> import cltorch as torch
    >>> torch.bucketize(torch.tensor([3, 6, 9]), torch.tensor([1, 3, 5, 7, 9]))
    tensor([1, 3, 4])
    """
    need_array("bucketize", "boundaries", 2, boundaries)
    if boundaries.lay.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.lay.ndim})")
    return _search("bucketize", boundaries, input, out_int32, right, out)


@also_named(element="elements", test_element="test_elements")
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None
) -> Any:
    """Return which elements are among the test elements; either may be a number. NaN is among none.

    Shape: (*) and (*) to the first's, bool.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.isin.html

    >>> import cltorch as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 5]))
    tensor([False,  True, False])
    """
    if out is not None and need_array("isin", "out", 3, out).dtype is not dtypes.bool_:
        raise RuntimeError(f"Expected out tensor to have dtype bool, but got {out.dtype.name} instead")
    result = _member(elements, test_elements, bool(invert))
    return result if out is None else into_out("isin", out, result)


def _member(elements: Any, test_elements: Any, invert: bool) -> Any:
    given = (elements, test_elements)
    arrays = [x for x in given if isinstance(x, Array)]
    if not arrays:
        raise TypeError("isin(): elements or test_elements must be a Tensor")
    for x in arrays:
        if x.dtype is dtypes.bool_ or x.dtype.is_complex:
            raise RuntimeError(f"Unsupported input type encountered for isin(): {TYPE_NAMES[x.dtype]}")
        if x.device is not arrays[0].device:
            raise two_devices(arrays[0].device, x.device)
    t = result_type(given) if len(arrays) == 1 else promote_types(*(x.dtype for x in arrays))
    dev = arrays[0].device
    x, tests = (to(v, t) if isinstance(v, Array) else tensor(v, dtype=t, device=dev) for v in given)
    if not tests.lay.numel:
        return full(x.lay.shape, invert, dtypes.bool_, dev)
    if not x.lay.numel:
        return empty(x.lay.shape, dtypes.bool_, dev)
    return ops.member(x, reshape(tests, (-1,)), invert)
