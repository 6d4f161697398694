"""Sampling of images and volumes at given places, and the places that an affine map gives.

On the host it is composed of pointwise functions, one gather of all neighbours and a sum over them. On a device one
kernel does it all, and one each gives the gradients of the input and of the grid; gradients that are to be
differentiated again, derivatives forward and batches follow from the composition.
Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.grid_sample.html
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import enable_grad
from cltorch.autograd.gradients import grad
from cltorch.autograd.layers import active
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.convert import contiguous, to
from cltorch.functions.create import ones
from cltorch.functions.dim_orders import permute, transpose
from cltorch.functions.join import stack
from cltorch.functions.matmul import bmm
from cltorch.functions.parts import select
from cltorch.functions.positions import take_front
from cltorch.functions.ranges import arange, linspace
from cltorch.functions.shape import expand, reshape
from cltorch.ops.grid_sample import SAMPLERS

__all__ = ["affine_grid_generator", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "grid_sampler_gradients"]

_BILINEAR, _NEAREST, _BICUBIC = range(3)
_ZEROS, _BORDER, _REFLECTION = range(3)


def _clipped(x: Any, most: int) -> Any:
    """Return x within 0 … most; no gradient goes to what is cut off or lies on the edge, NaN becomes 0."""
    inside = p.logical_and(p.gt(x, 0), p.lt(x, most))
    return p.where(inside, x, p.where(p.ge(x, most), float(most), 0.0))


def _reflected(x: Any, low: float, high: float) -> Any:
    """Return x reflected at both ends until it lies between them."""
    span = high - low
    if span == 0:
        return p.mul(x, 0.0)
    x = p.sub(x, low)
    x = p.where(p.lt(x, 0), p.neg(x), x)
    flips = p.floor(p.div(x, span))
    rest = p.sub(x, p.mul(flips, span))
    odd = p.ne(p.remainder(flips, 2), 0)
    return p.add(p.where(odd, p.sub(span, rest), rest), low)


def _padded(x: Any, size: int, padding: int, align: bool) -> Any:
    if padding == _REFLECTION:
        x = _reflected(x, 0.0, size - 1.0) if align else _reflected(x, -0.5, size - 0.5)
    return x if padding == _ZEROS else _clipped(x, size - 1)


def _cubic(t: Any) -> list[Any]:
    """Return the four weights of the cubic convolution with a = -0.75 at a distance t behind the second."""
    a = -0.75

    def near(x: Any) -> Any:
        return p.add(p.mul(p.mul(p.sub(p.mul(x, a + 2), a + 3), x), x), 1)

    def far(x: Any) -> Any:
        return p.sub(p.mul(p.add(p.mul(p.sub(p.mul(x, a), 5 * a), x), 8 * a), x), 4 * a)

    s = p.sub(1, t)
    return [far(p.add(t, 1)), near(t), near(s), far(p.add(s, 1))]


def _neighbours(x: Any, size: int, mode: int, padding: int, align: bool) -> list[tuple[Any, Any]]:
    """Return (place, weight) of the neighbours along one dimension; places are whole numbers, also outside."""
    x = p.mul(p.add(x, 1), (size - 1) / 2) if align else p.div(p.sub(p.mul(p.add(x, 1), size), 1), 2)
    if mode == _BICUBIC:
        low = p.floor(x).detach()
        places = [_padded(p.add(low, k - 1), size, padding, align) for k in range(4)]
        return list(zip(places, _cubic(p.sub(x, low)), strict=True))
    x = _padded(x, size, padding, align)
    if mode == _NEAREST:
        near = p.round(x)
        # the weight is one, and ties the result to the grid with a gradient of zero, as in PyTorch
        return [(near.detach(), p.add(p.sub(near, near.detach()), 1))]
    low = p.floor(x).detach()
    rest = p.sub(x, low)
    return [(low, p.sub(1, rest)), (p.add(low, 1), rest)]


def _sample(input: Any, grid: Any, mode: int, padding: int, align: bool) -> Any:
    shape, places = tuple(input.lay.shape), tuple(grid.lay.shape[:-1])
    sizes, dims = shape[2:], len(shape) - 2
    given = input.dtype
    if given in (dtypes.float16, dtypes.bfloat16):
        input, grid = to(input, dtypes.float32), to(grid, dtypes.float32)
    # the grid has the last dimension first
    along = [_neighbours(select(grid, -1, dims - 1 - d), sizes[d], mode, padding, align) for d in range(dims)]
    batch = reshape(arange(shape[0], device=input.device), (-1, *[1] * dims))
    indices, weights = [], []
    for taps in itertools.product(*along):
        index, weight, inside = batch, None, None
        for (place, w), size in zip(taps, sizes, strict=True):
            here = p.logical_and(p.ge(place, 0), p.le(place, size - 1))
            inside = here if inside is None else p.logical_and(inside, here)
            index = p.add(p.mul(index, size), to(p.where(here, place, 0.0), dtypes.int64))
            weight = w if weight is None else p.mul(weight, w)
        indices.append(expand(index, places))
        # what lies outside counts nothing, and neither does a place that is NaN, but for images in whose weights it is
        outside = p.mul(weight, 0) if dims == 2 and mode != _NEAREST else 0.0
        weights.append(p.where(inside, weight, outside))
    rows = reshape(permute(input, (0, *range(2, dims + 2), 1)), (math.prod((shape[0], *sizes)), shape[1]))
    values = take_front(rows, (reshape(stack(indices), (len(indices), -1)),), wrap=False)
    weight = reshape(stack(weights), (len(weights), -1, 1))
    out = reshape(r.sum(p.mul(values, weight), 0), (*places, shape[1]))
    return to(contiguous(permute(out, (0, dims + 1, *range(1, dims + 1)))), given)


def _check(name: str, input: Any, grid: Any, mode: int) -> None:
    need_array(name, "input", 1, input)
    need_array(name, "grid", 2, grid)
    x, g = tuple(input.lay.shape), tuple(grid.lay.shape)
    if input.device is not grid.device:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to be on same device, but input is on {input.device} and grid "
            f"is on {grid.device}"
        )
    if not x or not g or x[0] != g[0]:
        raise RuntimeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got input with sizes {list(x)} and "
            f"grid with sizes {list(g)}"
        )
    if g[-1] != len(x) - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {len(x) - 2} in last dimension, but got grid with sizes "
            f"{list(g)}"
        )
    for d in range(2, len(x)):
        if x[d] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(x)} with dimension {d} being empty"
            )
    if len(x) not in (4, 5) or len(g) != len(x):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with "
            f"sizes {list(x)} and grid with sizes {list(g)}"
        )
    if mode == _BICUBIC and len(x) != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"\"grid_sampler_{len(x) - 2}d\" not implemented for '{SCALAR_NAMES[input.dtype.name]}'"
        )
    if grid.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {SCALAR_NAMES[input.dtype.name]} but found {SCALAR_NAMES[grid.dtype.name]}"
        )


def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """Return (N, C, H, W) or (N, C, D, H, W) at the places (N, …, 2 or 3) of a grid, (x, y) or (x, y, z) in -1 … 1.

    ``interpolation_mode``: 0 linear, 1 nearest, 2 cubic (4-D only). ``padding_mode`` for places outside: 0 zeros, 1 the
    edge, 2 reflection. With ``align_corners`` -1 and 1 are the centres of the outer elements, else their outer edges.
    Floating point; halves are computed in float32. Raises RuntimeError for sizes and dtypes that do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.grid_sample.html

    >>> import cltorch as torch
    >>> x = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> torch.grid_sampler(x, torch.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.5000]]]])
    """
    _check("grid_sampler", input, grid, interpolation_mode)
    if input.device.type != "cpu" and not active:
        return apply(SAMPLERS[input.lay.ndim], input, grid, interpolation_mode, padding_mode, bool(align_corners))
    return _sample(input, grid, interpolation_mode, padding_mode, bool(align_corners))


def grid_sampler_gradients(
    g: Any, input: Any, grid: Any, needs: Sequence[bool], mode: int, padding: int, align: bool
) -> list[Any]:
    """Return the gradients of the input and of the grid, recorded so that they can be differentiated again."""
    wanted = [x for x, need in zip((input, grid), needs, strict=True) if need]
    with enable_grad():
        found = iter(grad(_sample(input, grid, mode, padding, align), wanted, g, create_graph=True))
    return [next(found) if need else None for need in needs]


def grid_sampler_2d(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """Do what ``grid_sampler`` does for images (N, C, H, W).

    >>> import cltorch as torch
    >>> torch.grid_sampler_2d(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 2), 0, 0, True)
    tensor([[[[1.]]]])
    """
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """Do what ``grid_sampler`` does for volumes (N, C, D, H, W).

    >>> import cltorch as torch
    >>> torch.grid_sampler_3d(torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 1, 1, 3), 0, 0, True)
    tensor([[[[[1.]]]]])
    """
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def affine_grid_generator(theta: Any, size: Sequence[int], align_corners: bool) -> Any:
    """Return the grid (N, …, 2 or 3) of the places that affine maps (N, 2, 3) or (N, 3, 4) give to outputs of ``size``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.affine_grid.html

    >>> import cltorch as torch
    >>> torch.affine_grid_generator(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    need_array("affine_grid_generator", "theta", 1, theta)
    sizes = [int(n) for n in size[2:]]
    dims, kind = len(sizes), {"dtype": theta.dtype, "device": theta.device}
    columns = []
    for d in reversed(range(dims)):
        n = sizes[d]
        reach = 0.0 if n <= 1 else 1.0 if align_corners else (n - 1) / n
        line = reshape(linspace(-reach, reach, n, **kind), [-1 if k == d else 1 for k in range(dims)])
        columns.append(expand(line, sizes))
    columns.append(ones(sizes, **kind))
    base = reshape(stack(columns, -1), (1, math.prod(sizes), dims + 1))
    found = bmm(expand(base, (int(size[0]), *base.lay.shape[1:])), transpose(theta, 1, 2))
    return reshape(found, (int(size[0]), *sizes, dims))
