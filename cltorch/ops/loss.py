"""Negative log-likelihood and cross entropy against class indices: fused forward and backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import faults
from cltorch.ops.array import check_dtype, empty, from_host, host, host_compute
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.plan import VECTOR, grid
from cltorch.ops.reduce import SUM, reduce
from cltorch.ops.softmax import dense, lines, run, softmax_on_host

_NUMBER = {"float": "f", "double": "d"}
_GROUP = 256


def _geometry(x: Any) -> tuple[int, int, int]:
    shape = x.lay.shape
    if len(shape) == 1:
        return 1, shape[0], 1
    return shape[0], shape[1], math.prod(shape[2:])


def _plan(
    context: Any,
    mode: str,
    logp: Any,
    target: Any,
    weighted: bool,
    reduction: str,
    smooth: bool,
    softmax: bool,
    variant: str,
) -> tuple[Any, ...]:
    """Return (kernel, global size, local size, lines per work-item, parts, alone) of a launch, kept by shape."""
    key = (
        "nll", mode, logp.lay.shape, logp.dtype, target.dtype, weighted, reduction, smooth, softmax, variant
    )  # fmt: skip
    found = context.ready.get(key)
    if found is not None:
        return found
    caps = context.caps
    gpu = (variant or caps.kind) != "cpu"
    outer, classes, inner = _geometry(logp)
    count = outer * inner
    a = compute_dtype(logp.dtype).compute
    group = 1 << (min(_GROUP, caps.max_work_group).bit_length() - 1)
    each, rows = reduction == "none", inner == 1 and not gpu
    both = "lllll" + _NUMBER[a] + "bb" + "bb" * weighted
    args = {"forward": both + "bbie", "finish": "lbbb", "backward": both + "bbb"}[mode]
    size: tuple[int, ...]
    local: tuple[int, ...]
    per_item = parts = 0
    if mode == "finish":
        size = local = (group if gpu else 1,)
    elif mode == "forward" and gpu:
        parts = count
        size, local = ((count * group,), (group,)) if smooth else grid(context, count)
    elif mode == "forward":
        size, local, per_item = lines(context, count, classes if smooth else 64)
        parts = size[0] if count else 0
    elif gpu:
        size, local = grid(context, logp.lay.numel)
    else:
        width = VECTOR[a]
        units = outer if rows else outer * -(-inner // width)
        size, local, per_item = lines(context, units, 2 * classes * (1 if rows else width))
    alone = mode == "forward" and not gpu and not each and parts == 1
    kernel = context.kernel(
        "loss", f"ct_nll_{mode}", args, name=f"nll_{mode}", mode=mode, A=a, W=VECTOR[a], G=group,
        X=logp.dtype.ctype, xtag=logp.dtype.tag, I=target.dtype.ctype, weighted=weighted, each=each,
        mean=reduction == "mean" and (mode != "forward" or alone), smooth=smooth, softmax=softmax, gpu=gpu,
        rows=rows and mode == "backward", alone=alone,
    )  # fmt: skip
    found = context.ready[key] = (kernel, size, local, per_item, parts, alone)
    return found


def _weights(weight: Any, smooth: float) -> tuple[Any, ...]:
    """Return the buffers of the class weights and of their sum, which the next allocation may be given again."""
    if weight is None:
        return ()
    total = reduce(SUM, weight, (0,), compute_dtype(weight.dtype)) if smooth else weight
    return weight._storage.buf, total._storage.buf


def forward(
    logp: Any,
    target: Any,
    weight: Any,
    ignore: int,
    reduction: str,
    smooth: float,
    variant: str = "",
    site: int = 0,
) -> tuple[Any, Any]:
    """Return (loss, sum of weights first) of dense log-probabilities on a device.

    ``variant`` ("cpu", "gpu") overrides the device's kind, here and in ``backward``. ``site`` is that of the error for
    a class out of range; without it none is raised.
    """
    outer, classes, inner = _geometry(logp)
    dev, acc, each = logp.device, compute_dtype(logp.dtype), reduction == "none"
    context = dev.context
    options = (logp, target, weight is not None, reduction, smooth > 0, False, variant)
    kernel, size, local, per_item, parts, alone = _plan(context, "forward", *options)
    weights = empty((max(parts, 1),), acc, dev)
    out = empty(target.lay.shape if each else (), logp.dtype, dev)
    losses = out if each or alone else empty((max(parts, 1),), acc, dev)
    if outer * inner:
        kernel.launch(
            size, local,
            (
                outer, classes, inner, per_item, ignore, smooth, logp._storage.buf, target._storage.buf,
                *_weights(weight, smooth), losses._storage.buf, weights._storage.buf, site,
            ),
        )  # fmt: skip
    if not each and not alone:
        _finish(logp, target, reduction, parts, losses, weights, out, variant)
    return out, weights


def _finish(
    x: Any, target: Any, reduction: str, parts: int, losses: Any, weights: Any, out: Any, variant: str = ""
) -> None:
    """Add up the sums of losses and of weights that the parts of a launch left."""
    kernel, size, local, *_ = _plan(
        x.device.context, "finish", x, target, False, reduction, False, False, variant
    )  # fmt: skip
    kernel.launch(size, local, (parts, losses._storage.buf, weights._storage.buf, out._storage.buf))


def backward(
    g: Any,
    logp: Any,
    target: Any,
    weight: Any,
    weights: Any,
    ignore: int,
    reduction: str,
    smooth: float,
    softmax: bool,
    variant: str = "",
) -> Any:
    """Return the gradient with respect to the scores (``softmax``) or to the log-probabilities."""
    out = empty(logp.lay.shape, logp.dtype, logp.device)
    if out.lay.numel == 0:
        return out
    kernel, size, local, per_item, *_ = _plan(
        logp.device.context, "backward", logp, target, weight is not None, reduction, smooth > 0, softmax, variant
    )
    g = _fresh(g)
    kernel.launch(
        size, local,
        (
            *_geometry(logp), per_item, ignore, smooth, logp._storage.buf, target._storage.buf,
            *_weights(weight, smooth), g._storage.buf, weights._storage.buf, out._storage.buf,
        ),
    )  # fmt: skip
    return out


def _in_rows(x: Any) -> bool:
    """Return whether scores are rows that a processor reads once for log_softmax and loss together."""
    return x.device.context.caps.kind == "cpu" and _geometry(x)[2] == 1


def _rows_plan(
    context: Any, mode: str, x: Any, target: Any, weighted: bool, reduction: str, smooth: bool
) -> tuple[Any, ...]:
    """Return (kernel, global size, local size, lines, classes, lines per work-item, alone) of a launch over rows."""
    key = ("cross entropy", mode, x.lay.shape, x.dtype, target.dtype, weighted, reduction, smooth)
    found = context.ready.get(key)
    if found is None:
        count, classes, _ = _geometry(x)
        size, local, per_item = lines(context, count, 4 * classes)
        a = compute_dtype(x.dtype).compute
        each = reduction == "none"
        alone = mode == "forward" and not each and size == (1,) and count > 0
        args = "llll" + _NUMBER[a] + "blb" + "bb" * weighted + {"forward": "bbbie", "backward": "bbbb"}[mode]
        kernel = context.kernel(
            "loss_rows", f"ct_cross_entropy_{mode}", args, name=f"cross_entropy_{mode}", mode=mode, A=a, W=VECTOR[a],
            X=x.dtype.ctype, xtag=x.dtype.tag, I=target.dtype.ctype, weighted=weighted, smooth=smooth, each=each,
            mean=reduction == "mean" and (mode == "backward" or alone), alone=alone,
        )  # fmt: skip
        found = context.ready[key] = (kernel, size, local, count, classes, per_item, alone)
    return found


def rows_forward(
    x: Any, target: Any, weight: Any, ignore: int, reduction: str, smooth: float, site: int
) -> tuple[Any, Any, Any]:
    """Return (loss, sum of weights first, maximum and sum of exponentials of each row) of dense scores in rows."""
    dev, acc, each = x.device, compute_dtype(x.dtype), reduction == "none"
    check_dtype(x.dtype, dev)
    options = (x, target, weight is not None, reduction, smooth > 0)
    kernel, size, local, count, classes, per_item, alone = _rows_plan(dev.context, "forward", *options)
    parts = size[0] if count else 0
    weights, norms = empty((max(parts, 1),), acc, dev), empty((max(count, 1), 2), acc, dev)
    out = empty(target.lay.shape if each else (), x.dtype, dev)
    losses = out if each or alone else empty((max(parts, 1),), acc, dev)
    if count:
        kernel.launch(
            size, local,
            (
                count, classes, per_item, ignore, smooth, x._storage.buf, x.lay.offset, target._storage.buf,
                *_weights(weight, smooth), norms._storage.buf, losses._storage.buf, weights._storage.buf, site,
            ),
        )  # fmt: skip
    if not each and not alone:
        _finish(x, target, reduction, parts, losses, weights, out)
    return out, weights, norms


def rows_backward(
    g: Any, x: Any, norms: Any, target: Any, weight: Any, weights: Any, ignore: int, reduction: str, smooth: float
) -> Any:
    """Return the gradient with respect to the scores of ``rows_forward``."""
    out = empty(x.lay.shape, x.dtype, x.device)
    if out.lay.numel == 0:
        return out
    kernel, size, local, count, classes, per_item, _ = _rows_plan(
        x.device.context, "backward", x, target, weight is not None, reduction, smooth > 0
    )
    g = _fresh(g)
    kernel.launch(
        size, local,
        (
            count, classes, per_item, ignore, smooth, x._storage.buf, x.lay.offset, target._storage.buf,
            *_weights(weight, smooth), norms._storage.buf, g._storage.buf, weights._storage.buf, out._storage.buf,
        ),
    )  # fmt: skip
    return out


def _fresh(x: Any) -> Any:
    """Return a dense Array at offset 0, which these kernels expect."""
    if x.lay.contiguous and x.lay.offset == 0:
        return x
    out = empty(x.shape, x.dtype, x.device)
    n = x.dtype.itemsize
    if x.lay.contiguous and x.lay.numel:
        x.device.context.copy_bytes(x._storage.buf, out._storage.buf, x.lay.offset * n, 0, x.lay.numel * n)
        return out
    return dense(x)


def _host_forward(
    logp: np.ndarray, t: np.ndarray, w: np.ndarray, ignore: int, smooth: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (loss per line, weight per line)."""
    classes = logp.shape[1]
    kept = t != ignore
    if ((t < 0) | (t >= classes))[kept].any():
        wrong = t[kept & ((t < 0) | (t >= classes))].reshape(-1)[0]
        raise IndexError(f"Target {wrong} is out of bounds.")
    safe = np.where(kept, t, 0)
    chosen = np.take_along_axis(logp, np.expand_dims(safe, 1), 1).squeeze(1)
    heavy = np.where(kept, w[safe], 0)
    loss = -(1 - smooth) * heavy * np.where(kept, chosen, 0)  # whatever lies in the lines that are left out
    if smooth:
        loss = loss - np.where(kept, smooth / classes * (logp * w.reshape(1, -1, *[1] * (logp.ndim - 2))).sum(1), 0)
    return loss.astype(logp.dtype), heavy


class Nll(Op):
    """Negative log-likelihood of log-probabilities."""

    name = "nll_loss"
    softmax = False
    site = faults.target_site("nll_loss")

    @classmethod
    def forward(cls, c: Any, x: Any, target: Any, weight: Any, ignore: int, reduction: str, smooth: float) -> Any:
        c.options, c.flat = (ignore, reduction, smooth), not cls.softmax
        if x.device.type == "cpu":
            logp = softmax_on_host(x, 1 if x.lay.ndim > 1 else 0, True) if cls.softmax else x
            a, t = host_compute(logp), host(target).astype(np.int64)
            if a.ndim == 1:
                a, t = a[None], t[None]
            w = np.ones(a.shape[1], a.dtype) if weight is None else host_compute(weight)
            loss, heavy = _host_forward(a, t, w, ignore, smooth)
            total = heavy.sum()
            with np.errstate(all="ignore"):
                value = {"none": loss.reshape(target.lay.shape), "sum": loss.sum(), "mean": loss.sum() / total}[
                    reduction
                ]
            weights = from_host(np.asarray([total]), compute_dtype(x.dtype), x.device)
            c.save(x if cls.softmax else None, logp, target, weight, weights)
            return from_host(np.asarray(value, a.dtype), x.dtype, x.device)
        target = _fresh(target)
        weight = None if weight is None else _fresh(weight)
        c.rows = cls.softmax and _in_rows(x)
        if c.rows:
            out, weights, norms = rows_forward(dense(x), target, weight, ignore, reduction, smooth, cls.site)
            c.save(x, norms, target, weight, weights)
            return out
        logp = _fresh(run(x, 1 if x.lay.ndim > 1 else 0, True) if cls.softmax else x)
        out, weights = forward(logp, target, weight, ignore, reduction, smooth, site=cls.site)
        c.save(x if cls.softmax else None, logp, target, weight, weights)
        return out

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any) -> Any:
        x, kept, target, weight, weights = c.saved
        ignore, reduction, smooth = c.options
        if g.device.type == "cpu" or m.is_grad_enabled():
            gx = _composed(
                m, g, x if cls.softmax else kept, target, weight, weights, ignore, reduction, smooth, cls.softmax
            )
        elif c.rows:
            gx = rows_backward(g, dense(x), kept, target, weight, weights, ignore, reduction, smooth)
        else:
            gx = backward(g, kept, target, weight, weights, ignore, reduction, smooth, cls.softmax)
        return gx, None, None, None, None, None


def _composed(
    m: Any,
    g: Any,
    x: Any,
    target: Any,
    weight: Any,
    weights: Any,
    ignore: int,
    reduction: str,
    smooth: float,
    softmax: bool,
) -> Any:
    """Return the same gradient from differentiable functions; x are scores (``softmax``) or log-probabilities."""
    shape = x.lay.shape
    axis = 1 if len(shape) > 1 else 0
    classes = shape[axis]
    line = [1] * len(shape)
    line[axis] = classes
    index = m.reshape(m.arange(classes, device=x.device), line)
    t = m.unsqueeze(target.to(dtypes.int64), axis)
    w = m.ones(classes, dtype=x.dtype, device=x.device) if weight is None else weight
    w = m.reshape(w, line)
    hit = m.where(m.eq(index, t), w, 0 * w)
    q = m.add(m.mul(hit, 1 - smooth), m.mul(w, smooth / classes)) if smooth else hit
    out = m.eq(t, ignore)
    q = m.where(out, 0, q).detach()
    scale = m.unsqueeze(g, axis) if reduction == "none" else g
    if reduction == "mean":
        scale = m.div(scale, m.reshape(m.narrow(weights, 0, 0, 1), ()).to(g.dtype))
    inside = m.sub(m.mul(m.softmax(x, axis), m.sum(q, axis, True)), q) if softmax else m.neg(q)
    return m.where(out, 0, m.mul(scale, inside))  # also where the scale is infinite: all may be left out


class CrossEntropy(Nll):
    """log_softmax and negative log-likelihood in one."""

    name = "cross_entropy_loss"
    node = "NllLoss"
    softmax = True
    site = faults.target_site("cross_entropy_loss")
