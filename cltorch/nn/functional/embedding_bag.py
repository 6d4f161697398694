"""Sums, means and largest values of bags of rows of a table.

Bags are one operator. Those of one length on the host, and what batches and forward-mode derivatives see, are composed
of a lookup and of sums by bag. Nothing is read from a device, and results have the same bits in every run.
Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.embedding_bag.html
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

from cltorch import dtypes
from cltorch import functions as f
from cltorch.autograd.layers import lift
from cltorch.autograd.record import apply
from cltorch.device import faults
from cltorch.functions.arguments import need_array
from cltorch.functions.batch_loops import looping
from cltorch.functions.gather import gather
from cltorch.nn.functional.embedding import shorten
from cltorch.ops.embedding_bag import EmbeddingBag
from cltorch.ops.fallback import callers_level

__all__ = ["embedding_bag"]


def bags_of(input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, Any, int]:
    """Return (indices in one line, the bag of each, the number of bags), after PyTorch's checks.

    Bags of one length have no list of bags.
    """
    line, bags = _checked(input, offsets, include_last_offset)
    return line, _bag_of_each(line, offsets), bags


def _checked(input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, int]:
    """Return (indices in one line, the number of bags), after what can be checked without waiting for a device."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        return f.reshape(input, (-1,)), int(input.shape[0])
    if input.dim() != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if offsets.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{offsets.type()} instead (while checking arguments for embedding_bag)"
        )
    length = input.numel()
    if offsets.device.type == "cpu" and offsets.numel():
        first, last = int(offsets[0]), int(offsets[-1])
        if first != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                f"However, got {first}"
            )
        if last > length:
            raise RuntimeError(
                f"offsets[-1] can not be greater than input's length {length} but got offsets[-1] of {last}"
            )
    return input, offsets.numel() - (1 if include_last_offset else 0)


def _bag_of_each(line: Any, offsets: Any) -> Any:
    """Return the bag of each index of a line, or None for bags of one length."""
    if offsets is None:
        return None
    length = line.numel()
    if offsets.device.type != "cpu" and offsets.numel():
        # a device notes what is wrong as an index of a table that has only zeros, and no memory of this size
        with faults.told_as("embedding_bag"):
            for part, size in ((offsets[:1], 1), (offsets[-1:], length + 1)):
                gather(f.expand(f.zeros(1, device=offsets.device), (size,)), 0, f.to(part, dtypes.int64))
    places = f.arange(length, dtype=offsets.dtype, device=line.device)
    return f.clamp(
        f.sub(f.searchsorted(offsets, places, right=True), 1), min=0
    )  # all behind the last, if there is none


@functools.partial(looping, name="embedding_bag")
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Return the "sum", "mean" or "max" of the rows of ``weight`` (n, d) in each bag of indices: (bags, d).

    out[b] = Σ_i w_i · weight[i] over the indices i of bag b, w_i = 1 unless given; for "mean" divided by their number,
    for "max" the greatest element of each column.
    ``input`` is (bags, length), or one line of indices in which ``offsets`` (bags) say where each bag begins; with
    ``include_last_offset`` the last one only ends the last bag. ``per_sample_weights`` of the input's shape weigh the
    rows of a sum. Rows of ``padding_idx`` count for nothing; an empty bag is zero. With ``max_norm`` the rows used are
    first scaled down, in place, to that ``norm_type``-norm. Raises ValueError and RuntimeError for shapes and options
    that do not go together, NotImplementedError for weights without "sum" and for sparse gradients.
    Shape: input (B, L), or (L) with offsets (B), weight (n, d) to (B, d).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.embedding_bag.html

    >>> import cltorch as torch
    >>> table = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]))
    tensor([[1., 2.],
            [4., 5.]])
    """
    need_array("embedding_bag", "input", 1, input)
    need_array("embedding_bag", "weight", 2, weight)
    if offsets is not None:
        need_array("embedding_bag", "offsets", 3, offsets)
    if weight.dtype is dtypes.int64 and input.dtype.is_floating_point:
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=callers_level(),
        )
        input, weight = weight, input
    if per_sample_weights is not None:
        need_array("embedding_bag", "per_sample_weights", 9, per_sample_weights)
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    line, bags = _checked(input, offsets, include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}'). Please open a feature request on GitHub."
        )
    if line.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{line.type()} instead (while checking arguments for embedding_bag)"
        )
    if not weight.dtype.is_floating_point:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, "
            f"Float, Double; but got {weight.type()} instead (while checking arguments for embedding_bag)"
        )
    if per_sample_weights is not None and per_sample_weights.dtype is not weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type {weight.type()} does not equal {per_sample_weights.type()} (while "
            "checking arguments for embedding_bag)"
        )
    rows = weight.lay.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, but got "
                f"{padding_idx}"
            )
        padding_idx %= rows
    if sparse:
        raise NotImplementedError("embedding with sparse gradients is not built")
    if max_norm is not None:
        shorten(line, weight, max_norm, norm_type)
    padding = -1 if padding_idx is None else padding_idx
    some = bags > 0 and line.lay.numel and weight.lay.ndim == 2 and weight.lay.numel
    if (
        some
        # sums of bags of one length are quicker by NumPy's sums, but for what must not meet numbers that do not count
        and (
            offsets is not None
            or weight.device.type != "cpu"
            or mode == "max"
            or (padding >= 0 and per_sample_weights is not None)
        )
        and lift((weight, line, offsets, per_sample_weights)) is None
    ):
        sample = (
            per_sample_weights
            if per_sample_weights is None or offsets is not None
            else f.reshape(per_sample_weights, (-1,))
        )
        return apply(EmbeddingBag, weight, line, offsets, sample, mode, padding, bool(scale_grad_by_freq), bags)
    bag = _bag_of_each(line, offsets)
    with faults.told_as("embedding_bag"):
        values = f.embedding(weight, line, padding, scale_grad_by_freq, sparse)
    kept = None if padding_idx is None else f.unsqueeze(f.ne(line, padding), 1)
    if mode == "max":
        if bag is None:
            bag = f.reshape(f.expand(f.unsqueeze(f.arange(bags, device=input.device), 1), input.shape), (-1,))
        # one bag more takes what comes behind the last offset
        return f.narrow(_largest(values, kept, bag, (bags + 1, weight.lay.shape[1])), 0, 0, bags)
    if per_sample_weights is not None:
        values = f.mul(values, f.reshape(per_sample_weights, (-1, 1)))
    if kept is not None:
        values = f.where(kept, values, 0.0)
    total = _added(values, input, bag, bags)
    if mode == "mean" and kept is None and bag is None:
        return f.div(total, max(1, input.shape[1]))
    if mode == "mean":
        ones = f.ones((line.numel(), 1), dtype=weight.dtype, device=weight.device)
        count = _added(ones if kept is None else f.where(kept, ones, 0.0), input, bag, bags)
        total = f.div(total, f.clamp(count, min=1))
    return total


def _added(values: Any, input: Any, bag: Any, bags: int) -> Any:
    """Return the sums of rows by bag."""
    width = values.lay.shape[1]
    if bag is None:
        return f.sum(f.reshape(values, (*input.shape, width)), 1)
    return f.narrow(f.index_back(values, (bags + 1, width), 0, False, (bag,)), 0, 0, bags)


def _largest(values: Any, kept: Any, bag: Any, shape: tuple[int, int]) -> Any:
    """Return the largest values by bag, the first of equals where the gradient is concerned, and 0 for none."""
    length, width = values.lay.shape
    if not length:
        # the sum of nothing leads back to the weight
        return f.add(f.zeros(shape, dtype=values.dtype, device=values.device), f.sum(values, 0))
    first = first_largest(values.detach(), kept, bag, shape)
    found = f.lt(first, length)
    return f.where(found, gather(values, 0, f.where(found, first, 0)), 0.0)


def first_largest(values: Any, kept: Any, bag: Any, shape: tuple[int, int]) -> Any:
    """Return where in the line the first of the largest values of each bag and column is, its length for none."""
    length, width = values.lay.shape
    fixed = values if kept is None else f.where(kept, values, float("-inf"))
    index = f.expand(f.unsqueeze(bag, 1), (length, width))
    low = f.full(shape, float("-inf"), dtype=values.dtype, device=values.device)
    most = f.scatter_reduce(low, 0, index, fixed, "amax")
    place = f.expand(f.unsqueeze(f.arange(length, device=values.device), 1), (length, width))
    place = f.where(f.eq(fixed, gather(most, 0, index)), place, length)
    if kept is not None:
        place = f.where(kept, place, length)
    none = f.full(shape, length, dtype=dtypes.int64, device=values.device)
    return f.scatter_reduce(none, 0, index, place, "amin")
