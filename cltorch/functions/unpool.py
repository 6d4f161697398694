"""Unpooling, and fractional max pooling.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#pooling-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.batch_levels import bare
from cltorch.device import faults
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array, read_int
from cltorch.functions.convert import contiguous, to
from cltorch.functions.create import full, zeros
from cltorch.functions.extremes import max as largest
from cltorch.functions.gather import gather, scatter
from cltorch.functions.join import cat
from cltorch.functions.parts import select
from cltorch.functions.ranges import arange
from cltorch.functions.shape import reshape, unsqueeze
from cltorch.ops.array import host
from cltorch.ops.channels import suggested

__all__ = ["fractional_max_pool", "max_unpool"]

_WORDS = {2: "two elements (height, width)", 3: "three elements (depth, height, width)"}


def max_unpool(input: Any, indices: Any, output_size: Sequence[int], n: int) -> Any:
    """Write the elements of (N, C, *sizes) or (C, *sizes) to the places in planes of zeros that ``indices`` names.

    ``n``: over two or three dimensions. Raises RuntimeError for indices of another shape or dtype, and on the host for
    those out of range; a device leaves their elements out and raises DeviceIndexError when the program waits for it.
    """
    need_array(f"max_unpool{n}d", "input", 1, input)
    need_array(f"max_unpool{n}d", "indices", 2, indices)
    shape = input.lay.shape
    if len(output_size) != n:
        raise RuntimeError(f"There should be exactly {_WORDS[n]} in output_size, but got {len(output_size)} elements.")
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {SCALAR_NAMES[indices.dtype.name]}")
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got a tensor with {len(shape)} "
            "dimensions."
        )
    if indices.lay.shape != shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(shape)}) but got indices tensor "
            f"with shape: {list(indices.lay.shape)}"
        )
    for d in range(len(shape) - n - 1, len(shape)):
        if shape[d] == 0:
            raise RuntimeError(
                f"max_unpooling{n}d(): Expected input to have non-zero size for non-batch dimensions, but got "
                f"{list(shape)} with dimension {d} being empty."
            )
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"max_unpool{n}d\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")
    lead, plane = shape[:-n], math.prod(output_size)
    if indices.device.type == "cpu" and indices.lay.numel:
        places = host(bare(indices))
        wrong = places[(places < 0) | (places >= plane)]
        if wrong.size:
            sizes = "x".join(map(str, output_size))
            raise RuntimeError(f"Found an invalid max index: {wrong[0]} (output volumes are of size {sizes})")
    flat = (*lead, math.prod(shape[-n:]))
    blank = zeros((*lead, plane), dtype=input.dtype, device=input.device)
    with faults.told_as(f"max_unpool{n}d"):
        out = scatter(blank, len(lead), reshape(indices, flat), reshape(input, flat))
    out = reshape(out, (*lead, *output_size))
    format = suggested(input.lay)
    return out if format is None or n == 3 else contiguous(out, format)  # as PyTorch's, whose volumes lie in order


def _starts(sample: Any, size: int, pool: int, out: int) -> Any:
    """Return the first element of each of ``out`` windows along a dimension, plane by plane: (N, C, out)."""
    last = full((*sample.lay.shape, min(out, 1)), size - pool, dtype=dtypes.int64, device=sample.device)
    if out <= 1:
        return last
    # rounded to the samples' dtype, as PyTorch does: 16-bit numbers choose other windows else
    alpha = full((1,), (size - pool) / (out - 1), dtype=sample.dtype, device=sample.device)
    sample = unsqueeze(sample, -1)
    steps = arange(out - 1, dtype=sample.dtype, device=sample.device)
    far = to(p.mul(p.add(steps, sample), alpha), dtypes.int64)
    return cat((p.sub(far, to(p.mul(sample, alpha), dtypes.int64)), last), -1)


def _sizes(name: str, what: str, value: Any, n: int) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)):
        return (read_int(name, what, 2, value),) * n
    if len(value) == 1:
        value = tuple(value) * n
    if len(value) != n:
        raise RuntimeError(f"{name}: {what} must either be a single Int or tuple of Ints")
    return tuple(read_int(name, what, 2, v) for v in value)


def fractional_max_pool(input: Any, kernel_size: Any, output_size: Any, samples: Any, n: int) -> tuple[Any, Any]:
    """Return the largest elements of windows whose distances the random ``samples`` (N, C, n) choose, and their places.

    Source: Graham, Fractional Max-Pooling, https://arxiv.org/abs/1412.6071
    """
    name = f"fractional_max_pool{n}d"
    need_array(name, "input", 1, input)
    need_array(name, "_random_samples", 4, samples)
    k, out = _sizes(name, "kernel_size", kernel_size, n), _sizes(name, "output_size", output_size, n)
    if min(k) < 1:
        raise RuntimeError(f"{name}(): kernel sizes must be greater than zero, but got {list(k)}")
    shape = input.lay.shape
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got: {list(shape)}")
    for d in range(len(shape) - n - 1, len(shape)):
        if shape[d] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but got{list(shape)} with "
                f"dimension {d} being empty."
            )
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'")
    sizes = shape[-n:]
    for what, m, pool, size in zip(("time", "height", "width")[3 - n :], out, k, sizes, strict=True):
        if m + pool - 1 > size:
            raise RuntimeError(f"{name}(): pool {what} {pool} too large relative to input {what} {size}")
    batch = 1 if len(shape) == n + 1 else shape[0]
    planes = (batch, shape[-n - 1])
    given = tuple(samples.lay.shape)
    if len(given) == 3 and given[0] > batch:  # more than are needed are taken, as in PyTorch
        samples = samples[:batch]
    if tuple(samples.lay.shape) != (*planes, n):
        raise RuntimeError(
            f"Expect _random_samples of shape {[*planes, n]}, one for each plane and dimension, but got "
            f"{list(samples.lay.shape)}"
        )
    if samples.dtype is not input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    index = None
    for d in range(n):
        # PyTorch draws for the width first where there are two dimensions
        sample = select(samples, 2, n - 1 - d if n == 2 else d)
        start = _starts(sample, sizes[d], k[d], out[d])
        # (N, C, windows, elements), with ones for the other dimensions' windows and elements
        places = p.add(unsqueeze(start, -1), arange(k[d], device=input.device))
        form = [1] * (2 * n)
        form[d], form[n + d] = out[d], k[d]
        places = reshape(places, (*planes, *form))
        index = places if index is None else p.add(p.mul(index, sizes[d]), places)
    index = reshape(index, (*planes, math.prod(out), math.prod(k)))
    flat = reshape(input, (*planes, math.prod(sizes)))
    values = gather(flat, 2, reshape(index, (*planes, math.prod(out) * math.prod(k))))
    best, at = largest(reshape(values, index.lay.shape), -1)
    places = gather(index, 3, unsqueeze(at, -1))
    final = (*shape[:-n], *out)
    return reshape(best, final), reshape(places, final)
