"""Quantiles: quantile, nanquantile.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.quantile.html
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.batch_levels import bare
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import any_needs_grad
from cltorch.autograd.layers import active
from cltorch.device import faults
from cltorch.functions import masked, reduce
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, numpy_names
from cltorch.functions.convert import contiguous, to
from cltorch.functions.create import full
from cltorch.functions.dim_orders import movedim
from cltorch.functions.gather import gather
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import expand, reshape, squeeze
from cltorch.functions.sort import sort
from cltorch.ops import quantile as ops
from cltorch.ops.array import values
from cltorch.shapes import wrap_dim

__all__ = ["nanquantile", "quantile"]


def _check_input(name: str, input: Any, interpolation: str, out: Any) -> None:
    need_array(name, "input", 1, input)
    if not input.lay.numel:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if out is not None and need_array(name, "out", 3, out).dtype is not input.dtype:
        raise RuntimeError(f"{name}() out tensor must be same dtype as the input tensor")
    if interpolation not in ops.MODES:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )


def _check_levels(name: str, input: Any, q: Any) -> None:
    """Look at a number and at levels on the host; a device is not waited for."""
    if isinstance(q, (int, float)):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        return
    need_array(name, "q", 2, q)
    if q.lay.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q.device is not input.device:
        raise RuntimeError(f"{name}() q tensor must be on the same device as the input tensor")
    if q.device.type == "cpu":
        levels = values(bare(q))
        if not ((levels >= 0) & (levels <= 1)).all():
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")


def _ranks(q: Any, ordered: Any, skip_nan: bool) -> Any:
    """Return, for every line and level, how far along the sorted line the quantile lies.

    NaN stand last in a line: they are not counted where they are skipped, and otherwise a line with one has it as all
    of its quantiles.
    """
    last = ordered.lay.shape[-1] - 1
    if skip_nan:
        numbers = reduce.sum(p.logical_not(p.isnan(ordered)), -1, True)
        return p.mul(q, to(p.clamp_min(p.sub(numbers, 1), 0), ordered.dtype))
    broken = p.isnan(ordered[..., -1:])
    return masked.masked_fill(expand(p.mul(q, last), (*broken.lay.shape[:-1], q.lay.numel)), broken, last)


def _launched(name: str, x: Any, q: Any, d: int | None, keepdim: bool, interpolation: str, skip_nan: bool) -> Any:
    """Return the quantiles of what a device sorts, looked up by one kernel."""
    shape = list(x.lay.shape)
    if d is None or not shape:
        kept, x, d = [1] * len(shape) if keepdim else [], contiguous(reshape(x, (-1,))), 0
    else:
        kept = [*shape[:d], *([1] if keepdim else []), *shape[d + 1 :]]
    return ops.quantile(name, x, q, d, kept, interpolation, skip_nan)


def _quantile(
    name: str, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, out: Any, skip_nan: bool
) -> Any:
    _check_input(name, input, interpolation, out)
    _check_levels(name, input, q)
    d = None if dim is None else wrap_dim(dim, input.lay.ndim)
    if input.device.type != "cpu" and not active and not (mode.enabled and any_needs_grad((input, q))):
        result = _launched(name, input, q, d, keepdim, interpolation, skip_nan)
        return result if out is None else into_out(name, out, result)
    number = isinstance(q, (int, float))
    levels = full((), float(q), dtype=input.dtype, device=input.device) if number else q
    line = reshape(input, (-1,)) if d is None or not input.lay.ndim else movedim(input, d, -1)
    ordered = sort(line, -1).values
    ranks = _ranks(reshape(levels, (-1,)), ordered, skip_nan)
    if interpolation in ("lower", "higher", "nearest"):
        ranks = {"lower": p.floor, "higher": p.ceil, "nearest": p.round}[interpolation](ranks)
    below = p.floor(ranks)
    with faults.told_as(name):
        result = gather(ordered, -1, to(below, dtypes.int64))
    if interpolation in ("linear", "midpoint"):
        weight = 0.5 if interpolation == "midpoint" else p.sub(ranks, below)
        result = p.lerp(result, gather(ordered, -1, to(p.ceil(ranks), dtypes.int64)), weight)
    if keepdim and input.lay.ndim:  # the levels stand last now, and the reduced dimensions get the size 1
        shape = [1] * input.lay.ndim if d is None else [1 if i == d else n for i, n in enumerate(input.lay.shape)]
        result = reshape(result, (*shape, -1)) if d is None else p.clone(result)[..., None, :].movedim(-2, d)
    result = movedim(result, -1, 0) if levels.lay.ndim else squeeze(result, -1)
    return result if out is None else into_out(name, out, result)


@numpy_names
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """Return the q-th quantiles of all elements or along a dimension, between two elements by ``interpolation``.

    ``q`` is a number, or a tensor of at most one dimension whose levels become the first dimension of the result.
    ``interpolation`` is "linear", "lower", "higher", "midpoint" or "nearest". A NaN makes the result NaN.
    Raises RuntimeError for other dtypes than float32 and float64, for no elements, and for levels out of 0 … 1 (in a
    tensor on a device those that are no place in the line raise DeviceIndexError when the program waits).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.quantile.html

    >>> import cltorch as torch
    >>> torch.quantile(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([0.25, 0.5]))
    tensor([0.7500, 1.5000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out, False)


@numpy_names
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """Return the q-th quantiles of the elements that are not NaN; NaN where there is none. See ``quantile``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nanquantile.html

    >>> import cltorch as torch
    >>> torch.nanquantile(torch.tensor([float("nan"), 1.0, 2.0]), 0.5)
    tensor(1.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out, True)
