"""How the operators of layers take batches under vmap: attention, normalisation, tables, CTC and recurrent layers.

The batch becomes channels, rows or samples of what the operator has anyway, so that one launch serves all slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.batch_levels import aligned, top
from cltorch.autograd.batches import COMPOSED, WHOLE
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions.batch_rules import Args, batch_all, merged, parted
from cltorch.functions.dim_orders import movedim
from cltorch.functions.parts import narrow
from cltorch.functions.ranges import arange
from cltorch.functions.recurrent import composed as recurrent_steps
from cltorch.functions.shape import expand, reshape, unsqueeze
from cltorch.ops import attention, ctc, embedding, local_response, norm_batch, recurrent
from cltorch.ops.array import host
from cltorch.ops.op import Op


def _attended(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    q, k, v, mask, *rest = batch_all(size, args, batched, (0, 1, 2))
    if batched[3]:
        mask = aligned(mask, q.lay.ndim - 1)
    return apply(op, q, k, v, mask, *rest)


# ---- batch normalisation: slices are channels, or samples where nothing tells them apart -----------------------------
def _normalised(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, *_, training, momentum, eps = args
    moving = args[3:5] if training else (None, None)
    if moving[0] is not None and batched[0] and not (batched[3] and batched[4]):
        raise RuntimeError(
            "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated in "
            "place, were not batched.\nIf you are using a module and do not need eval mode, please set "
            "`track_running_stats` to be False. torch.func.replace_all_batch_norm_modules_ does so for whole models."
        )
    if not training and not any(batched[1:5]):
        out, mean, rstd = apply(op, merged(x, size, 0), *args[1:])
        return parted(out, size, 0), *(expand(y, (size, *y.lay.shape)) for y in (mean, rstd))
    x, *rest = batch_all(size, args[:5], batched, range(5))
    lines: list[Any] = [None if a is None else reshape(a, (-1,)) for a in rest]
    out, mean, rstd = apply(op, merged(x, size, 1), *lines, training, momentum, eps)
    for a, line, several in zip(moving, lines[2:], batched[3:5], strict=True):
        if a is not None and line._storage is not a._storage:  # the statistics were read as a copy
            a.copy_(reshape(line if several else narrow(line, 0, 0, a.lay.numel), a.lay.shape))
    return parted(out, size, 1), reshape(mean, (size, -1)), reshape(rstd, (size, -1))


# ---- normalisation by neighbouring channels: slices are samples -----------------------------------------------------
def _responded(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    return parted(apply(op, merged(args[0], size, 0), *args[1:]), size, 0)


# ---- tables: one below the other ------------------------------------------------------------------------------------
def _looked_up(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    weight, at, padding, by_frequency = args
    if not batched[0]:
        return apply(op, *args)
    rows = weight.lay.shape[1]
    if not batched[1]:
        at = unsqueeze(at, 0)
    if at.device.type == "cpu":
        given = host(at)
        if given.size and not 0 <= given.min() <= given.max() < rows:
            raise IndexError("index out of range in self")
    first = reshape(arange(0, size * rows, rows, dtype=at.dtype, device=at.device), (size, *[1] * (at.lay.ndim - 1)))
    out = apply(op, reshape(weight, (size * rows, *weight.lay.shape[2:])), p.add(at, first), -1, by_frequency)
    # no gradient goes to the padding's row of any table
    return p.where(unsqueeze(p.eq(at, padding), -1), out.detach(), out) if padding >= 0 else out


# ---- CTC: slices are samples ----------------------------------------------------------------------------------------
def _for_all(lengths: ctc.Lengths, size: int, step: int) -> ctc.Lengths:
    """Return the lengths of all slices' samples, whose labels begin ``step`` further in each slice."""
    starts = tuple(b * step + start for b in range(size) for start in lengths.starts)
    return ctc.Lengths(lengths.inputs * size, lengths.targets * size, starts)


def _aligned_labels(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    logp, targets, lengths, *rest = args
    (logp,) = batch_all(size, (logp,), batched, (0,))
    step = targets.lay.numel // size if batched[1] else 0
    loss = apply(op, merged(logp, size, 1), reshape(targets, (-1,)), _for_all(lengths, size, step), *rest)
    return parted(loss, size, 0)


def _aligned_labels_back(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    g, logp, targets, loss, alpha, lengths, *rest = batch_all(size, args, batched, (0, 1, 3, 4))
    step = targets.lay.numel // size if batched[2] else 0
    merged_ = [merged(x, size, 0) for x in (g, loss, alpha)]
    found = apply(
        op, merged_[0], merged(logp, size, 1), reshape(targets, (-1,)), *merged_[1:], _for_all(lengths, size, step),
        *rest,
    )  # fmt: skip
    return parted(found, size, 1)


# ---- recurrent layers: slices are neighbouring samples; where weights differ, steps are composed ---------------------
def _stepped(m: Any, op: type[Op], *args: Any) -> Any:
    number = top(args)
    if not any(w is not None and w._batch == number for w in args[3:8]):
        return NotImplemented
    return tuple(recurrent_steps(args[:8], *args[8:11]))


def _recurred(op: type[Op], size: int, args: Args, batched: Sequence[bool]) -> Any:
    x, h, c, *weights_sizes = batch_all(size, args, batched, (0, 1, 2))
    weights, sizes, rest = weights_sizes[:5], weights_sizes[5], weights_sizes[6:]
    rows = [None if a is None else reshape(movedim(a, 0, 1), (-1, a.lay.shape[2])) for a in (x, h, c)]
    found = apply(op, *rows, *weights, tuple(n * size for n in sizes), *rest)
    return tuple(movedim(reshape(y, (-1, size, y.lay.shape[1])), 1, 0) for y in found)


WHOLE.update(
    {
        attention.Attention: _attended,
        norm_batch.NativeBatchNorm: _normalised,
        local_response.LocalResponseNorm: _responded,
        embedding.Embedding: _looked_up,
        ctc.CtcLoss: _aligned_labels,
        ctc.CtcLossBackward: _aligned_labels_back,
        recurrent.Recurrent: _recurred,
    }
)
COMPOSED[recurrent.Recurrent] = _stepped
