"""Connectionist temporal classification, with PyTorch's arguments and checks.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.ctc_loss.html
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.convert import to
from cltorch.functions.from_data import tensor
from cltorch.functions.shape import reshape, squeeze, unsqueeze
from cltorch.ops import ctc as ops
from cltorch.ops.array import Array, values

__all__ = ["ctc_loss", "ctc_loss_backward"]

_WHERE = " (while checking arguments for ctc_loss_allocate_outputs)"


def ctc_loss_backward(g: Any, logp: Any, targets: Any, loss: Any, alpha: Any, *options: Any) -> Any:
    """Return the gradient of the losses of a batch."""
    return apply(ops.CtcLossBackward, g, logp, targets, loss, alpha, *options)


def _lengths(name: str, given: Any, batch: int) -> tuple[int, ...]:
    """Return lengths as numbers; those that lie on a device are read, which waits for it."""
    if isinstance(given, Array):
        if given.dtype.is_floating_point or given.dtype is dtypes.bool_:
            raise RuntimeError(f"{name} must be integral")
        found = tuple(int(n) for n in values(given).reshape(-1))
    else:
        found = tuple(int(n) for n in given)
    if len(found) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    for n in found:
        if n < 0:
            raise RuntimeError(f"Expected {name} to have value at least 0, but got value {n}{_WHERE}")
    return found


def _table(targets: Any, inputs: tuple[int, ...], counts: tuple[int, ...], steps: int) -> ops.Lengths:
    """Return the lengths of a batch and the places of its labels, after PyTorch's checks of the targets."""
    shape = tuple(targets.lay.shape)
    if len(shape) not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {len(shape)}-dimensional tensor for argument #2 'targets'{_WHERE}"
        )
    for n in inputs:
        if n > steps:
            raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value {n}{_WHERE}")
    if len(shape) == 1:
        # the labels of all samples stand one after the other
        starts = [sum(counts[:i]) for i in range(len(counts))]
        if shape[0] != sum(counts):
            raise RuntimeError(
                f"Expected tensor to have size {sum(counts)} at dimension 0, but got size {shape[0]} for argument #2 "
                f"'targets'{_WHERE}"
            )
    else:
        starts = [i * shape[1] for i in range(len(counts))]
        if shape[0] != len(counts):
            raise RuntimeError(
                f"Expected tensor to have size {len(counts)} at dimension 0, but got size {shape[0]} for argument #2 "
                f"'targets'{_WHERE}"
            )
        if max(counts, default=0) > shape[1]:
            raise RuntimeError(
                f"Expected tensor to have size at least {max(counts)} at dimension 1, but got size {shape[1]} for "
                f"argument #2 'targets'{_WHERE}"
            )
    return ops.Lengths(inputs, counts, tuple(starts))


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Any:
    """Return the negative log-likelihood of labels over all alignments with (T, N, C) or (T, C) log-probabilities.

    ``targets`` are the labels (N, S), or those of all samples in one line. ``reduction`` is 0, the default, for the
    losses (N), 1 for the mean of the losses divided by the lengths of their targets, 2 for the sum. ``zero_infinity``
    puts 0 for a loss and gradient of samples whose labels do not fit in their time. Lengths that lie on a device are
    read from it. The gradient is the one for log-probabilities that sum to 1, as they do behind ``log_softmax``; it has
    no derivative. float32 and float64. Raises RuntimeError for lengths and sizes that do not fit, and on the host for
    labels out of range (on a device DeviceIndexError when the program waits for it).
    A. Graves et al., Connectionist Temporal Classification, ICML 2006.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.ctc_loss.html

    >>> import cltorch as torch
    >>> torch.ctc_loss(torch.zeros(2, 1, 3).log_softmax(2), torch.tensor([[1]]), (2,), (1,))
    tensor([1.0986])
    """
    need_array("ctc_loss", "log_probs", 1, log_probs)
    need_array("ctc_loss", "targets", 2, targets)
    single = log_probs.lay.ndim == 2
    if single:
        log_probs = unsqueeze(log_probs, 1)
    if log_probs.lay.ndim != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.lay.ndim}-dimensional tensor for argument #1 "
            f"'log_probs'{_WHERE}"
        )
    steps, batch, classes = log_probs.lay.shape
    if log_probs.lay.numel == 0:
        raise RuntimeError("log_probs tensor must not be empty")
    if log_probs.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(
            f'"ctc_loss_{"cpu" if log_probs.device.type == "cpu" else "cl"}" not implemented for '
            f"'{SCALAR_NAMES[log_probs.dtype.name]}'"
        )
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if targets.device is not log_probs.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but got targets is on {targets.device}, different from "
            f"other tensors on {log_probs.device}"
        )
    inputs = _lengths("input_lengths", input_lengths, batch)
    counts = _lengths("target_lengths", target_lengths, batch)
    lengths = _table(targets, inputs, counts, steps)
    if targets.dtype not in (dtypes.int32, dtypes.int64):
        targets = to(targets, dtypes.int64)
    loss = apply(ops.CtcLoss, log_probs, targets, lengths, int(blank), bool(zero_infinity))
    if zero_infinity:
        loss = p.where(p.isinf(loss), 0.0, loss)
    if reduction == 1:
        divisors = tensor([float(max(n, 1)) for n in counts], dtype=loss.dtype, device=loss.device)
        return r.mean(p.div(loss, divisors))
    if reduction == 2:
        return r.sum(loss)
    return squeeze(loss, 0) if single else reshape(loss, (batch,))
