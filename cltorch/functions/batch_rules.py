"""How operators take batches under vmap: one table, by kinds of operators.

A rule gets tensors with the batch as their first dimension and returns such; an operator without one runs slice after
slice. Rows of the pointwise table and views need none. ``NotImplemented`` means: not for these arguments.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import formats
from cltorch.autograd.batch_levels import aligned, level_of, top, wrap
from cltorch.autograd.batches import COMPOSED, WHOLE
from cltorch.autograd.record import apply
from cltorch.functions import convert, extremes, moments, norms
from cltorch.functions import reduce as reduces
from cltorch.functions.dim_orders import movedim
from cltorch.functions.ranges import arange
from cltorch.functions.shape import expand, reshape, squeeze, unsqueeze
from cltorch.layout import Layout
from cltorch.ops import (
    argreduce,
    conv,
    distance,
    fft,
    fold,
    frexp,
    gather,
    index,
    join,
    linalg_factor,
    linalg_solve,
    linalg_spectrum,
    loss,
    matmul,
    norm_rows,
    pad,
    pick,
    pool,
    random,
    regions,
    resample,
    scan,
    softmax,
    sort,
    strided,
    topk,
    triangle,
)
from cltorch.ops.array import Array
from cltorch.ops.op import Op
from cltorch.shapes import broadcast_shapes

Args = Sequence[Any]


def batch_all(size: int, args: Args, batched: Sequence[bool], places: Sequence[int]) -> list[Any]:
    """Return the arguments with the batch in front of all tensors at some places."""
    found = list(args)
    for i in places:
        x = found[i]
        if isinstance(x, Array) and not batched[i]:
            found[i] = expand(unsqueeze(x, 0), (size, *x.lay.shape))
    return found


# ---- one tensor, whose dimensions move by one ----------------------------------------------------------------------
def _as_it_is(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    if sum(batched) != 1 or not batched[0]:
        return NotImplemented
    return apply(op, *args)


def _dims(place: int, line: bool = False) -> Callable[..., Any]:
    """Return the rule for an operator that names dimensions; ``line``: its results keep the dimension."""

    def rule(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
        if sum(batched) != 1 or not batched[0]:
            return NotImplemented
        x, dims = args[0], args[place]
        number = x.lay.ndim == 1  # the slices are numbers, which count as one dimension here
        if number:
            x = unsqueeze(x, 1)
        one = dims.__class__ is int
        moved = (1 if one else (1,)) if number else dims + 1 if one else tuple(d + 1 for d in dims)
        out = apply(op, x, *args[1:place], moved, *args[place + 1 :])
        if not (number and (line or out_keeps(out))):
            return out
        return tuple(squeeze(r, 1) for r in out) if isinstance(out, tuple) else squeeze(out, 1)

    def out_keeps(out: Any) -> bool:
        first = out[0] if isinstance(out, tuple) else out
        return bool(first.lay.ndim == 2)

    return rule


def _repeat(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, outer, inner = args
    return apply(op, aligned(x, max(len(outer), x.lay.ndim - 1)), (1, *outer), (1, *inner))


def _padded(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, pads, *rest = args
    return apply(op, x, ((0, 0), *pads), *rest)


def _padded_back(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    g, shape, pads, mode = args
    return apply(op, g, (size, *shape), ((0, 0), *pads), mode)


def _resampled(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, steps = args
    out = apply(op, reshape(x, (size * x.lay.shape[1], *x.lay.shape[2:])), steps)
    return reshape(out, (size, x.lay.shape[1], *out.lay.shape[1:]))


def _regions(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, rois, *rest = args
    if batched[1]:
        return NotImplemented
    maps = [(shape[0], size * shape[1], *shape[2:]) for shape in rest[:-1]]  # a batch counts as channels
    _, n, channels, *plane = x.lay.shape
    out = apply(op, reshape(movedim(x, 0, 1), (n, size * channels, *plane)), rois, *maps, rest[-1])
    n, channels, *plane = out.lay.shape
    return movedim(reshape(out, (n, size, channels // size, *plane)), 1, 0)


def _copied(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    wanted = args[1] if len(args) > 1 else None
    if wanted is None or wanted in (formats.preserve_format, formats.contiguous_format):
        return apply(op, *args)
    return NotImplemented


# ---- strided places ------------------------------------------------------------------------------------------------
def _in_layouts(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    *xs, base, part = args
    step = base.extent() - base.offset
    lifted = [Layout.make((size, *lay.shape), (step, *lay.strides), lay.offset - base.offset) for lay in (base, part)]
    xs = batch_all(size, xs, batched, range(len(xs)))
    return apply(op, *xs, *lifted)


# ---- several tensors -----------------------------------------------------------------------------------------------
def _joined(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    dim, t, *xs = batch_all(size, args, batched, range(2, len(args)))
    return apply(op, dim + 1, t, *xs)


def _along(places: Sequence[int]) -> Callable[..., Any]:
    """Return the rule of gather and scatter, whose tensors all need the batch."""

    def rule(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
        args = batch_all(size, args, batched, places)
        if args[0].lay.ndim == 1:
            return NotImplemented
        args[1] += 1
        return apply(op, *args)

    return rule


def _recurrence(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    a, b, dim, *rest = batch_all(size, args, batched, (0, 1))
    return apply(op, a, b, dim + 1, *rest) if b.lay.ndim > 1 else NotImplemented


def _matrices(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    a, b, *flags = args
    ndim = max(x.lay.ndim - flag for x, flag in zip((a, b), batched, strict=False))
    a, b = (aligned(x, ndim) if flag else x for x, flag in zip((a, b), batched, strict=False))
    return apply(matmul.Matmul, a, b, *flags)


def _all_leading(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    """Give every tensor the batch, where the slices have equally many dimensions and lead with batches of their own."""
    places = [i for i, x in enumerate(args) if isinstance(x, Array)]
    args = batch_all(size, args, batched, places)
    ndims = {args[i].lay.ndim for i in places}
    return apply(op, *args) if len(ndims) == 1 and ndims.pop() > 2 else NotImplemented


def _equally_deep(first: int, second: int) -> Callable[..., Any]:
    """Return the rule that gives every tensor the batch where two matrices have equally many leading dimensions."""

    def rule(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
        args = batch_all(size, args, batched, range(len(args)))
        return apply(op, *args) if args[first].lay.ndim == args[second].lay.ndim else NotImplemented

    return rule


# ---- index tensors for the first dimensions ------------------------------------------------------------------------
def _with_numbers(size: int, indices: Args, batched: Sequence[bool]) -> list[Any]:
    """Return index tensors of one shape with the batch in front, after one that tells the slice."""
    device = indices[0].device
    shape = broadcast_shapes(*(i.lay.shape[b:] for i, b in zip(indices, batched, strict=True)))
    numbers = reshape(arange(size, device=device), (size, *[1] * len(shape)))
    full_ = [aligned(i, len(shape)) if b else i for i, b in zip(indices, batched, strict=True)]
    return [expand(i, (size, *shape)) for i in (numbers, *full_)]


def _indexed(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, at, dims, wrap, *indices = args
    if not any(batched[4:]):
        return movedim(apply(op, movedim(x, 0, -1), at, dims, wrap, *indices), -1, 0)
    if not batched[0]:
        ready = _with_numbers(size, indices, batched[4:])[1:]
    else:
        ready, dims = _with_numbers(size, indices, batched[4:]), None
    return movedim(apply(op, x, at, dims, wrap, *ready), at, 0)


def _indexed_back(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    g, shape, at, wrap, *indices = args
    if not any(batched[4:]):
        return movedim(apply(op, movedim(g, 0, -1), (*shape, size), at, wrap, *indices), -1, 0)
    (g,) = batch_all(size, (g,), batched, (0,))
    return apply(op, movedim(g, 0, at), (size, *shape), at, wrap, *_with_numbers(size, indices, batched[4:]))


def _put(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, v, accumulate, wrap, *indices = batch_all(size, args, batched, (0, 1))
    if any(batched[4:]):
        return apply(op, x, v, accumulate, wrap, *_with_numbers(size, indices, batched[4:]))
    return movedim(apply(op, movedim(x, 0, -1), movedim(v, 0, -1), accumulate, wrap, *indices), -1, 0)


# ---- convolutions: the batch becomes samples, or groups where weights differ -----------------------------------------
@functools.lru_cache(4096)
def _geometry(g: Any, size: int, groups: bool) -> Any:
    # launch plans are found by a geometry's identity: one for all calls
    return dataclasses.replace(g, groups=g.groups * size) if groups else dataclasses.replace(g, n=g.n * size)


def merged(x: Any, size: int, dim: int) -> Any:
    """Return a tensor whose batch is merged into one of the slices' dimensions."""
    x = movedim(x, 0, dim)
    shape = x.lay.shape
    return reshape(x, (*shape[:dim], size * shape[dim + 1], *shape[dim + 2 :]))


def parted(x: Any, size: int, dim: int) -> Any:
    """Undo ``merged``."""
    shape = x.lay.shape
    return movedim(reshape(x, (*shape[:dim], size, shape[dim] // size, *shape[dim + 1 :])), dim, 0)


def _convolved(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, weight, bias, geometry, shape = args
    n, channels, *rest = shape
    if not batched[1] and not batched[2]:
        made = apply(
            op, merged(x, size, 0), weight, bias, _geometry(geometry, size, False), (n * size, channels, *rest)
        )
        return parted(made, size, 0)
    x, weight, bias = batch_all(size, args[:3], batched, (0, 1, 2))
    bias = None if bias is None else reshape(bias, (-1,))
    wide = (n, channels * size, *rest)
    made = apply(op, merged(x, size, 1), merged(weight, size, 0), bias, _geometry(geometry, size, True), wide)
    return parted(made, size, 1)


def _convolved_weight(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, y, geometry, shape = args
    x, y = batch_all(size, (x, y), batched, (0, 1))
    wide = (shape[0] * size, *shape[1:])
    return parted(apply(op, merged(x, size, 1), merged(y, size, 1), _geometry(geometry, size, True), wide), size, 0)


def _pooled(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    places = [i for i, x in enumerate(args) if isinstance(x, Array)]
    return apply(op, *batch_all(size, args, batched, places))


# ---- composed of functions on the batched tensors ------------------------------------------------------------------
def _addmm(m: Any, op: type[Op], input: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    product = m.matmul(a, b)
    product = product if alpha == 1 else m.mul(product, alpha)
    return product if beta == 0 else m.add(product, input if beta == 1 else m.mul(input, beta))


def _linear(m: Any, op: type[Op], x: Any, weight: Any, bias: Any) -> Any:
    out = m.matmul(x, m.transpose(weight, 0, 1))
    return out if bias is None else m.add(out, bias)


def _mv(m: Any, op: type[Op], a: Any, x: Any) -> Any:
    return m.squeeze(m.matmul(a, m.unsqueeze(x, 1)), 1)


def _dot(m: Any, op: type[Op], x: Any, y: Any) -> Any:
    return m.sum(m.mul(x, y))


def _blocks(m: Any, op: type[Op], t: Any, *matrices: Any) -> Any:
    width = sum(x.lay.shape[1] for x in matrices)
    rows, before = [], 0
    for x in matrices:
        h, w = x.lay.shape
        left, right = (m.zeros((h, n), dtype=t, device=x.device) for n in (before, width - before - w))
        rows.append(m.cat((left, m.to(x, t), right), 1))
        before += w
    return m.cat(rows, 0)


def _dropped(m: Any, op: type[Op], x: Any, *mask: Any) -> Any:
    # the mask stands at one place of the stream: it is the same for all slices
    ones = m.ones(x.lay.shape, dtype=x.dtype, device=x.device)
    return m.mul(x, m.dropout_at(ones, *mask))


def _normalised(m: Any, op: type[Op], x: Any, weight: Any, bias: Any, w: Any, eps: float) -> Any:
    number = top((x, weight, bias))
    if x._batch != number:
        size = next(a._inner.lay.shape[0] for a in (weight, bias) if level_of(a) == number)
        x = wrap(expand(unsqueeze(x, 0), (size, *x.lay.shape)), number)
    if weight is None and bias is None:
        whole = x._inner
        size = whole.lay.shape[0]
        out, mean, rstd = apply(op, whole, None, None, w._replace(rows=w.rows * size), eps)
        return tuple(wrap(y, x._batch) for y in (out, reshape(mean, (size, -1)), reshape(rstd, (size, -1))))
    out, mean, rstd = apply(op, x, None, None, w, eps)
    seen = m.reshape(out, (w.rows // w.groups, w.groups, w.channels, w.n // w.channels))
    if weight is not None:
        seen = m.mul(seen, m.reshape(weight, (w.groups, w.channels, 1)))
    if bias is not None:
        seen = m.add(seen, m.reshape(bias, (w.groups, w.channels, 1)))
    return m.reshape(seen, x.lay.shape), mean, rstd


def _likelihood(
    m: Any, op: Any, x: Any, target: Any, weight: Any, ignore: int, reduction: str, smooth: float
) -> Any:  # fmt: skip
    axis = 1 if x.lay.ndim > 1 else 0
    logp = m.log_softmax(x, axis) if op.softmax else x
    classes = x.lay.shape[axis]
    line = [1] * x.lay.ndim
    line[axis] = classes
    t = m.unsqueeze(target, axis)
    w = m.ones(classes, dtype=x.dtype, device=x.device) if weight is None else m.detach(weight)
    w = m.reshape(w, line)
    here = m.eq(m.reshape(m.arange(classes, device=x.device), line), t)
    hit = m.where(here, w, 0)
    q = m.add(m.mul(hit, 1 - smooth), m.mul(w, smooth / classes)) if smooth else hit
    out = m.eq(t, ignore)
    # what has no share in the loss must not spoil it by infinite logarithms
    parts = m.where(m.logical_or(out, m.eq(q, 0)), 0, m.mul(q, logp))
    total = m.neg(m.sum(parts, axis))
    if reduction == "none":
        return total
    total = m.sum(total)
    return total if reduction == "sum" else m.div(total, m.sum(m.where(out, 0, hit)))


_KINDS: list[tuple[Callable[..., Any], tuple[type[Op], ...]]] = [
    (_as_it_is, (convert.ToCopy, frexp.Frexp, triangle.Triangle, fold.Im2Col, fold.Col2Im)),
    (
        _as_it_is,
        (linalg_factor.Cholesky, linalg_factor.LU, linalg_factor.QR, linalg_factor.LDL, linalg_factor.Geqrf),
    ),
    (_as_it_is, (linalg_spectrum.Eig, linalg_spectrum.Eigh, linalg_spectrum.Svd)),
    (_as_it_is, (linalg_solve.Inverse, linalg_solve.Det, linalg_solve.Slogdet, linalg_solve.Pinv)),
    (_copied, (convert.ContiguousCopy,)),
    (_dims(1), (reduces.NanSum, reduces.Prod, moments.LogSumExp, argreduce.MaxDim)),
    (_dims(1), (moments.Var, moments.Std, moments.VarMean, moments.StdMean)),
    (_dims(2), (reduces.Sum, extremes.Extreme, norms.Norm, pick.Pick)),
    (_dims(1, True), (sort.Sort, scan.CumSum, scan.CumProd, scan.LogCumSumExp, scan.CumExtreme)),
    (_dims(1, True), (softmax.Softmax, join.Flip)),
    (_dims(1, True), (fft.C2C, fft.R2C, fft.C2R)),
    (_dims(2, True), (join.Roll, topk.TopK)),
    (_repeat, (join.Repeat,)),
    (_joined, (join.Cat, join.Stack)),
    (_padded, (pad.Pad,)),
    (_padded_back, (pad.PadAdjoint,)),
    (_resampled, (resample.Resample,)),
    (_regions, (regions.RegionMeans, regions.RegionSpread, regions.RegionLargest)),
    (_in_layouts, (strided.ScatterIntoLayout, strided.GatherFromLayout, strided.ReplaceInLayout)),
    (_along((0, 2)), (gather.Gather,)),
    (_along((0, 2, 3)), (gather.Scatter, gather.ScatterReduce)),
    (_recurrence, (scan.Recurrence,)),
    (_matrices, (matmul.Matmul,)),
    (_equally_deep(0, 1), (linalg_solve.Lstsq,)),
    (_equally_deep(0, 2), (linalg_factor.LDLSolve,)),
    (_all_leading, (linalg_solve.Solve, linalg_solve.SolveTriangular, linalg_solve.CholeskySolve, distance.CDist)),
    (_indexed, (index.Index,)),
    (_indexed_back, (index.IndexBack,)),
    (_put, (index.PutFront,)),
    (_convolved, (conv.Convolution, conv.TransposedConvolution)),
    (_convolved_weight, (conv.ConvolutionWeight,)),
    (_pooled, (pool.MaxPool, pool.MaxPoolSpread, pool.MaxPoolPick, pool.AvgPool, pool.AvgPoolSpread)),
]
for _made, _ops in _KINDS:
    WHOLE.update(dict.fromkeys(_ops, _made))
COMPOSED.update(
    {
        matmul.Addmm: _addmm,
        matmul.Linear: _linear,
        matmul.Mv: _mv,
        matmul.Dot: _dot,
        norm_rows.NormRows: _normalised,
        loss.Nll: _likelihood,
        join.BlockDiag: _blocks,
        random.Dropout: _dropped,
    }
)
