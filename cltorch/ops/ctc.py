"""Connectionist temporal classification: the likelihood of labels over all their alignments, in logarithms.

alpha[n, t, s] is the log-probability of reaching place s of the labels with blanks around them at time t, beta that of
going on from there. The gradient of each class sums over the places that bear its label in their order, so that it has
the same bits in every run.
A. Graves et al., Connectionist Temporal Classification, ICML 2006.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cltorch import dtypes
from cltorch.device import faults
from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense

_GROUP = 128
_SITE = faults.target_site("ctc_loss")


class Lengths(NamedTuple):
    """The lengths of a batch, and where in the dense targets the labels of each sample begin."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    starts: tuple[int, ...]

    @property
    def places(self) -> int:
        """Return the most places that a sample's labels take with the blanks around them."""
        return 2 * max(self.targets, default=0) + 1


def _plan(context: Any, mode: str, t: Any, index: Any, groups: int, work: int, variant: str) -> tuple[Any, ...]:
    """Return (kernel, global size, local size) for a number of groups that each do ``work``."""
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    size = 1 << (min(_GROUP, caps.max_work_group).bit_length() - 1) if gpu else 1
    args = {"alpha": "iiiiii" + "b" * 5 + "e", "beta": "iiiii" + "b" * 5}.get(mode, "iiiiii" + "b" * 6 + "llb")
    kernel = context.kernel(
        "ctc", f"ct_ctc_{mode}", args, name=f"ctc_{mode}", mode=mode, A=t.ctype, I=index.ctype, G=size
    )
    most = caps.compute_units * (32 if gpu else 4)
    count = max(1, min(groups, most if gpu else min(most, -(-groups * work // 8192))))
    return kernel, (count * size,), (size,)


def _head(lengths: Lengths, device: Any) -> Any:
    table = np.array([lengths.inputs, lengths.targets, lengths.starts], np.int32).T
    return from_host(table, dtypes.int32, device)


def forward(logp: Any, targets: Any, lengths: Lengths, blank: int, variant: str = "") -> tuple[Any, Any]:
    """Return (loss per sample, alpha) of dense Arrays on a device; ``variant`` overrides the device's kind."""
    steps, batch, classes = logp.lay.shape
    device, t, places = logp.device, logp.dtype, lengths.places
    check_dtype(t, device)
    loss, alpha = empty((batch,), t, device), empty((batch, steps, places), t, device)
    if batch:
        kernel, size, local = _plan(device.context, "alpha", t, targets.dtype, batch, steps * places * 8, variant)
        head = _head(lengths, device)
        buffers = (head, targets, logp, alpha, loss)
        kernel.launch(size, local, (_SITE, batch, classes, places, steps, blank, *(x._storage.buf for x in buffers)))
    return loss, alpha


def backward(
    g: Any, logp: Any, targets: Any, lengths: Lengths, blank: int, loss: Any, alpha: Any, zero: bool, variant: str = ""
) -> Any:
    """Return the gradient with respect to the log-probabilities."""
    steps, batch, classes = logp.lay.shape
    device, t, places = logp.device, logp.dtype, lengths.places
    out = empty((steps, batch, classes), t, device)
    if out.lay.numel == 0:
        return out
    head, both = _head(lengths, device), empty(alpha.lay.shape, t, device)
    kernel, size, local = _plan(device.context, "beta", t, targets.dtype, batch, steps * places * 8, variant)
    buffers = (head, targets, logp, alpha, both)
    kernel.launch(size, local, (batch, classes, places, steps, blank, *(x._storage.buf for x in buffers)))
    operands = (head, targets, logp, both, loss, g)
    stride = g.lay.strides[0] if batch > 1 else 0
    given = (batch, classes, places, steps, blank, int(zero), *(x._storage.buf for x in operands), g.lay.offset)
    rows = batch * steps
    for mode, work in (("grad", 8 * classes), ("labels", places * places)):
        kernel, size, local = _plan(device.context, mode, t, targets.dtype, rows, work, variant)
        kernel.launch(size, local, (*given, stride, out._storage.buf))
    return out


class _Padded:
    """The labels of a batch on the host: with blanks around them, in one table as wide as the longest."""

    def __init__(self, targets: Any, lengths: Lengths, blank: int, classes: int) -> None:
        flat = host(targets).reshape(-1).astype(np.int64)
        batch, places = len(lengths.targets), lengths.places
        self.labels = np.full((batch, places), blank, np.int64)
        for n, (start, size) in enumerate(zip(lengths.starts, lengths.targets, strict=True)):
            self.labels[n, 1 : 2 * size : 2] = flat[start : start + size]
        if self.labels.size and not 0 <= self.labels.min() <= self.labels.max() < classes:
            raise RuntimeError(f"Expected targets to be class indices from 0 to {classes - 1}, got {flat.tolist()}")
        count = np.asarray(lengths.targets, np.int64).reshape(-1, 1)
        self.inside = np.arange(places) < 2 * count + 1
        self.last = 2 * count[:, 0]
        self.ends = np.asarray(lengths.inputs, np.int64)
        # a label may follow another without a blank between them where they differ
        self.jumps = np.zeros((batch, places), bool)
        self.jumps[:, 2:] = (self.labels[:, 2:] != self.labels[:, :-2]) & (np.arange(2, places) % 2 == 1)

    def emitted(self, a: np.ndarray) -> np.ndarray:
        """Return the log-probabilities (N, T, places) of the labels."""
        steps = a.shape[0]
        index = np.broadcast_to(self.labels[:, None], (len(self.labels), steps, self.labels.shape[1]))
        return np.take_along_axis(a.transpose(1, 0, 2), index, 2)


def _shifted(x: np.ndarray, by: int) -> np.ndarray:
    out = np.full_like(x, -np.inf)
    if by > 0:
        out[:, by:] = x[:, :-by] if by < x.shape[1] else -np.inf
    else:
        out[:, :by] = x[:, -by:] if -by < x.shape[1] else -np.inf
    return out


def _host_alpha(a: np.ndarray, p: _Padded) -> tuple[np.ndarray, np.ndarray]:
    steps, batch = a.shape[:2]
    emitted = p.emitted(a)
    alpha = np.full(emitted.shape, -np.inf, a.dtype)
    for t in range(steps):
        if t == 0:
            alpha[:, 0, :2] = emitted[:, 0, :2]
        else:
            before = alpha[:, t - 1]
            jumped = np.where(p.jumps, _shifted(before, 2), -np.inf)
            alpha[:, t] = np.logaddexp(np.logaddexp(before, _shifted(before, 1)), jumped) + emitted[:, t]
        alpha[:, t][~p.inside] = -np.inf
    n = np.arange(batch)
    final = alpha[n, np.maximum(p.ends - 1, 0)]
    likely = np.logaddexp(final[n, p.last], np.where(p.last > 0, final[n, p.last - 1], -np.inf))
    # no time at all fits no labels only
    return -np.where(p.ends > 0, likely, np.where(p.last > 0, -np.inf, 0)).astype(a.dtype), alpha


def _host_grad(g: np.ndarray, a: np.ndarray, p: _Padded, loss: np.ndarray, alpha: np.ndarray, zero: bool) -> np.ndarray:
    steps, batch, classes = a.shape
    emitted = p.emitted(a)
    both = np.full(emitted.shape, -np.inf, a.dtype)
    beta = np.full(emitted.shape[::2], -np.inf, a.dtype)
    places = np.arange(emitted.shape[2])
    following = np.zeros_like(p.jumps)  # whether the place two further on may be jumped to
    following[:, :-2] = p.jumps[:, 2:]
    for t in range(steps - 1, -1, -1):
        jumped = np.where(following, _shifted(beta, -2), -np.inf)
        onward = np.logaddexp(np.logaddexp(beta, _shifted(beta, -1)), jumped)
        at_end = (places == p.last[:, None]) | (places == p.last[:, None] - 1)
        onward = np.where((p.ends == t + 1)[:, None], np.where(at_end, 0, -np.inf), onward)
        # what lies behind the end has no beta, from which nothing follows
        beta = np.where(p.inside & (t < p.ends)[:, None], onward + emitted[:, t], -np.inf).astype(a.dtype)
        both[:, t] = alpha[:, t] + beta
    most = both.max(2, keepdims=True)
    most = np.where(np.isfinite(most), most, 0)
    cell = (np.arange(batch * steps).reshape(batch, steps, 1) * classes) + p.labels[:, None]
    sums = np.bincount(cell.reshape(-1), np.exp(both - most).reshape(-1), batch * steps * classes)
    summed = np.log(sums).reshape(batch, steps, classes).astype(a.dtype) + most
    lp = a.transpose(1, 0, 2)
    grad = (np.exp(lp) - np.exp(summed + loss.reshape(-1, 1, 1) - lp)) * g.reshape(-1, 1, 1)
    grad[np.arange(steps) >= p.ends[:, None]] = 0
    if zero:
        grad[np.isinf(loss)] = 0
    return np.ascontiguousarray(grad.transpose(1, 0, 2), a.dtype)


class CtcLoss(Op):
    """The negative log-likelihood of the labels of each sample."""

    name = "ctc_loss"

    @staticmethod
    def forward(c: Any, logp: Any, targets: Any, lengths: Lengths, blank: int, zero: bool) -> Any:
        c.options = (lengths, blank, zero)
        if logp.device.type == "cpu":
            a = host_compute(logp)
            with np.errstate(all="ignore"):
                found, tables = _host_alpha(a, _Padded(targets, lengths, blank, a.shape[2]))
            loss, alpha = (from_host(x, logp.dtype, logp.device) for x in (found, tables))
        else:
            logp, targets = dense(logp), dense(targets)
            if logp.lay.offset or targets.lay.offset:
                logp, targets = (_moved(x) for x in (logp, targets))
            loss, alpha = forward(logp, targets, lengths, blank)
        c.save(logp, targets, loss, alpha)
        return loss

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        logp, targets, loss, alpha = c.saved
        return m.ctc_loss_backward(g, logp, targets, loss, alpha, *c.options), None, None, None, None


class CtcLossBackward(Op):
    """The gradient of the loss, which has no derivative, as in PyTorch."""

    name = "ctc_loss_backward"

    @staticmethod
    def forward(
        c: Any, g: Any, logp: Any, targets: Any, loss: Any, alpha: Any, lengths: Lengths, blank: int, zero: bool
    ) -> Any:
        if g.device.type != "cpu":
            return backward(g, logp, targets, lengths, blank, loss, alpha, zero)
        a = host_compute(logp)
        with np.errstate(all="ignore"):
            p = _Padded(targets, lengths, blank, a.shape[2])
            grad = _host_grad(host_compute(g), a, p, host(loss), host(alpha), zero)
        return from_host(grad, logp.dtype, logp.device)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        raise RuntimeError("derivative for aten::_ctc_loss_backward is not implemented")


def _moved(x: Any) -> Any:
    """Return the Array at offset 0."""
    if not x.lay.offset:
        return x
    out = empty(x.lay.shape, x.dtype, x.device)
    n = x.dtype.itemsize
    if x.lay.numel:
        x.device.context.copy_bytes(x._storage.buf, out._storage.buf, x.lay.offset * n, 0, x.lay.numel * n)
    return out
