"""Counting: bincount, histc, histogram, histogramdd. Nothing here has a gradient, as in PyTorch.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.histogramdd.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import no_grad
from cltorch.functions import extremes, reduce
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, fit_number, need_array, read_int, read_number
from cltorch.functions.convert import contiguous, to
from cltorch.functions.create import full, zeros
from cltorch.functions.pointwise import into_out, into_outs
from cltorch.functions.ranges import linspace
from cltorch.functions.return_types import result_class
from cltorch.functions.scan import diff
from cltorch.functions.search import searchsorted
from cltorch.functions.shape import reshape
from cltorch.ops import counts as ops
from cltorch.ops.array import Array

__all__ = ["bincount", "histc", "histogram", "histogramdd"]

histogram_return = result_class("histogram", "hist", "bin_edges")
histogramdd_return = result_class("histogramdd", "hist", "bin_edges")
_WORDS = {"float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
          "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
          "bool": "bool"}  # fmt: skip
_NATURAL = "bincount only supports 1-d non-negative integral inputs."


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Count how often each number from 0 on occurs in a vector of integers, or add up the weights of each.

    The result has ``max(input) + 1`` elements, at least ``minlength``: int64, with weights their float32 or else
    float64. Waits for the device. Raises RuntimeError for negative numbers and for what is no vector.
    Shape: (n) to (at least minlength).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.bincount.html

    >>> import cltorch as torch
    >>> torch.bincount(torch.tensor([1, 3, 1]), minlength=5)
    tensor([0, 2, 0, 1, 0])
    """
    if weights is not None:
        need_array("bincount", "weights", 2, weights)
    need_array("bincount", "input", 1, input)
    minlength = read_int("bincount", "minlength", 3, minlength)
    if input.dtype.family not in "ui" or input.dtype.few:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    size = input.lay.numel
    if input.lay.ndim != 1:
        raise RuntimeError(_NATURAL)
    # where a number of places is given, it is likely to suffice, and nothing is left to do once it is known
    likely = minlength if weights is None else 0
    hist, least, most = ops.counted(input, likely, ends=True)
    if size and least < 0:
        raise RuntimeError(_NATURAL)
    if weights is not None and tuple(weights.lay.shape) != (size,):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if weights is not None and weights.device is not input.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but got weights is on {weights.device}, different from "
            f"other tensors on {input.device}"
        )
    if not size:
        return zeros(minlength, dtype=dtypes.int64, device=input.device)
    with no_grad():
        n = max(minlength, most + 1)
        if weights is None:
            return hist if n == likely else ops.counted(input, n)[0]
        wide = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
        return ops.weighed(to(input, dtypes.int64), to(weights, wide), n)


def _check_float(name: str, input: Any) -> None:
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")


def _bounds(name: str, input: Any, lo: float, hi: float, what: str) -> tuple[float, float]:
    """Return the limits of the bins: those given, or where they are equal those of the data."""
    if lo == hi and input.lay.numel and input.device.type != "meta":
        if input.device.type == "cpu":
            lo, hi = (x.item() for x in extremes.aminmax(input))
        else:
            _, lo, hi = ops.counted(input, 0, ends=True)
    if not (math.isfinite(lo) and math.isfinite(hi)):
        raise RuntimeError(f"{what} [{lo:g}, {hi:g}] is not finite")
    return lo, hi


def histc(input: Any, bins: int = 100, min: Any = 0, max: Any = 0, *, out: Any = None) -> Any:
    """Count the elements in ``bins`` bins of equal width from ``min`` to ``max``, in the dtype of the input.

    Where the two are equal, as by default, the least and the largest element are taken. Elements outside, and NaN, are
    not counted. Integers are counted on a device only, as in PyTorch. Raises RuntimeError for no bins and for limits
    that are not finite, NotImplementedError for integers on the host.
    Shape: (*) to (bins).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.histc.html

    >>> import cltorch as torch
    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    need_array("histc", "input", 1, input)
    bins = read_int("histc", "bins", 2, bins)
    whole = input.dtype.family in "ui" and input.device.type != "cpu"
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    lo, hi = float(read_number("histc", "min", 3, min)), float(read_number("histc", "max", 4, max))
    if input.dtype.is_floating_point:
        lo, hi = fit_number(lo, input.dtype), fit_number(hi, input.dtype)
    if lo > hi:
        raise RuntimeError("torch.histc: max must be larger than min")
    if not whole and (input.dtype.few or not input.dtype.is_floating_point):
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")
    if whole:
        lo, hi = int(lo), int(hi)
    with no_grad():
        lo, hi = _bounds("histc", input, lo, hi, "torch.histc: range of")
        fixed = -1
        if lo == hi:
            limits = None if whole else dtypes.finfo(input.dtype)
            if limits and abs(lo) * limits.eps > 1:
                # 1 more is the same: the middle bin, but at the largest number, where PyTorch's edges are all equal
                fixed = bins // 2 if abs(lo) < limits.max else 0 if lo < 0 else bins - 1
            lo, hi = lo - 1, hi + 1
        if input.device.type == "cpu":
            result = to(ops.counted(_places(input, bins, lo, hi, fixed), bins)[0], input.dtype)
        else:
            result, _, _ = ops.counted(input, bins, input.dtype, ops.Bins(lo, hi, fixed))
    return result if out is None else into_out("histc", out, result)


def _places(input: Any, bins: int, lo: float, hi: float, fixed: int) -> Any:
    """Return the bin of each element, and ``bins`` for those that lie in none."""
    x = to(input, dtypes.float32) if input.dtype.itemsize == 2 else input
    inside = p.logical_and(p.ge(x, lo), p.le(x, hi))
    if fixed >= 0:
        return p.where(inside, fixed, bins)
    at = p.div(p.mul(p.sub(p.where(inside, x, lo), lo), bins), hi - lo)
    return p.where(inside, p.clamp_max(to(at, dtypes.int64), bins - 1), bins)


def _limits(points: Any, range: Any) -> list[tuple[float, float]]:
    """Return the limits of every dimension's bins, a range of no width widened by a half on either side."""
    d = points.lay.shape[1]
    if range is not None:
        if len(range) != 2 * d:
            raise RuntimeError(
                f"torch.histogramdd: for a {d}-dimensional histogram range should have {2 * d} elements, but got "
                f"{len(range)}"
            )
        found = [(float(range[2 * i]), float(range[2 * i + 1])) for i in _upto(d)]
    elif points.lay.numel:
        least, most = extremes.aminmax(points, dim=0)
        found = list(zip(least.tolist(), most.tolist(), strict=True))
    else:
        found = [(0.0, 1.0)] * d
    for i, (lo, hi) in enumerate(found):
        if not (math.isfinite(lo) and math.isfinite(hi)):
            raise RuntimeError(f"torch.histogramdd: dimension {i}'s range [{lo:g}, {hi:g}] is not finite")
        if lo > hi:
            raise RuntimeError(
                f"torch.histogramdd: min should not exceed max, but got min {lo:g} max {hi:g} for dimension {i}"
            )
    return [(lo - 0.5, hi + 0.5) if lo == hi else (lo, hi) for lo, hi in found]


_upto = range  # which is the name of an argument below


def _edges(points: Any, bins: Any, range: Any) -> list[Any]:
    """Return the edges of the bins of every dimension: tensors as they are given, numbers of bins evenly spaced."""
    d = points.lay.shape[1]
    if len(bins) != d:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if isinstance(bins[0], Array):
        for i, edges in enumerate(bins):
            if edges.dtype is not points.dtype:
                raise RuntimeError(
                    "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with "
                    f"dtype {_WORDS[points.dtype.name]} and bins for dimension {i} with dtype "
                    f"{_WORDS[edges.dtype.name]}"
                )
            if edges.lay.ndim != 1:
                raise RuntimeError(
                    f"torch.histogramdd: bins tensor should have one dimension, but got {edges.lay.ndim} "
                    f"dimensions in the bins tensor for dimension {i}"
                )
            if not edges.lay.numel:
                raise RuntimeError(
                    "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins "
                    f"tensor for dimension {i}"
                )
        counts = [edges.lay.numel - 1 for edges in bins]
    else:
        counts = [read_int("histogramdd", "bins", 2, n) for n in bins]
    for i, n in enumerate(counts):
        if n <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {n} for dimension {i}")
    if isinstance(bins[0], Array):
        return list(bins)
    limits = _limits(points, range)
    return [
        linspace(lo, hi, n + 1, dtype=points.dtype, device=points.device)
        for (lo, hi), n in zip(limits, counts, strict=True)
    ]


def _bin_of(x: Any, edges: Any) -> tuple[Any, Any]:
    """Return in which bin each element lies, and which lie in none; the last bin includes its upper edge."""
    n = edges.lay.numel - 1
    first, last = edges[0], edges[n]
    inside = p.logical_and(p.ge(x, first), p.le(x, last))
    place = p.sub(searchsorted(edges, x, right=True), 1)
    return p.clamp_max(place, n - 1), inside


def _counted(input: Any, edges: list[Any], weight: Any, density: bool) -> Any:
    points, shape = input, [e.lay.numel - 1 for e in edges]
    total = math.prod(shape)
    place: Any = None
    for i, e in enumerate(edges):
        at, inside = _bin_of(contiguous(points[:, i]), contiguous(e))
        # what lies in no bin of one dimension goes behind all bins
        at = p.where(inside, at, total)
        place = at if place is None else p.where(p.ge(place, total), total, p.add(p.mul(place, shape[i]), at))
        place = p.clamp_max(place, total)
    if weight is None:
        hist = to(ops.counted(place, total)[0], input.dtype)
    else:
        hist = ops.weighed(place, contiguous(weight), total)
    hist = reshape(hist, shape)
    if density:
        hist = p.div(hist, reduce.sum(hist))
        for i, e in enumerate(edges):
            line = [1] * len(shape)
            line[i] = shape[i]
            hist = p.div(hist, reshape(diff(e), line))
    return hist


def _weights(input: Any, weight: Any) -> Any:
    if weight is None:
        return None
    if need_array("histogramdd", "weight", 4, weight).dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same "
            f"dtype, but got input({_WORDS[input.dtype.name]}), and weight({_WORDS[weight.dtype.name]})"
        )
    if tuple(weight.lay.shape) != tuple(input.lay.shape[:-1]):
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input.lay.shape)} and weight with "
            f"shape {list(weight.lay.shape)}"
        )
    return reshape(weight, (-1,))


def histogram(
    input: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None
) -> Any:
    """Return (hist, bin_edges): how many elements, or how much weight, lies in each bin.

    ``bins`` is a number of bins between the limits ``range`` (by default the least and the largest element), or a
    vector of ascending edges. With ``density`` the integral of the result is 1. float32 and float64 only.
    Raises RuntimeError for no bins, for limits that are not finite or in the wrong order, and for other shapes of
    ``weight``. Source: https://docs.pytorch.org/docs/2.13/generated/torch.histogram.html

    >>> import cltorch as torch
    >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    if weight is not None:
        need_array("histogram", "weight", 4, weight)
    need_array("histogram", "input", 1, input)
    if isinstance(bins, Array) and range is not None:
        raise TypeError(
            "histogram() received an invalid combination of arguments: range is for a number of bins, not for bins "
            "given as a tensor of edges"
        )
    _check_float("histogramdd", input)
    with no_grad():
        points = reshape(input, (-1, 1))
        w = None if weight is None else reshape(weight, (-1,))
        edges = _edges(points, [bins], range)
        hist = _counted(points, edges, _weights(points, w), density)
    if out is None:
        return histogram_return(hist, edges[0])
    kept = need_array("histogram", "out", 5, out[1]).dtype
    if kept is not input.dtype:
        raise RuntimeError(
            "torch.histogram: input tensor and bin_edges tensor should have the same dtype, but got input "
            f"{_WORDS[input.dtype.name]} and bin_edges {_WORDS.get(kept.name, kept.name)} for dimension 0"
        )
    return histogram_return(*into_outs("histogram", out, (hist, edges[0])))


def histogramdd(
    input: Any, bins: Any, *, range: Sequence[float] | None = None, weight: Any = None, density: bool = False
) -> Any:
    """Return (hist, bin_edges) of points in several dimensions, the coordinates in the last one of the input.

    ``bins`` is a number of bins, a sequence of one per dimension, or a sequence of vectors of edges; ``range`` gives
    the least and largest edge of each dimension in turn. float32 and float64 only.
    Raises RuntimeError where sizes do not fit, and as ``histogram`` does.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.histogramdd.html

    >>> import cltorch as torch
    >>> torch.histogramdd(torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [2.0, 2.0]]), bins=[3, 3]).hist
    tensor([[0., 1., 0.],
            [1., 0., 0.],
            [1., 0., 1.]])
    """
    need_array("histogramdd", "input", 1, input)
    if input.lay.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    _check_float("histogramdd", input)
    d = input.lay.shape[-1]
    if not d:
        nothing = full((), math.nan if density else 0.0, dtype=input.dtype, device=input.device)
        return histogramdd_return(nothing, ())
    given = [bins] * d if isinstance(bins, int) else list(bins)
    with no_grad():
        points = reshape(input, (math.prod(input.lay.shape[:-1]), d))
        edges = _edges(points, given, range)
        hist = _counted(points, edges, _weights(input, weight), density)
    return histogramdd_return(hist, tuple(edges))
