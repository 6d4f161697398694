"""Negative log-likelihood and cross entropy against class indices: fused forward and backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.ops.array import empty, from_host, host, host_compute
from cltorch.ops.op import Op
from cltorch.ops.pointwise import compute_dtype
from cltorch.ops.softmax import _host, dense, lines, run

_NUMBER = {"float": "f", "double": "d"}


def _geometry(x: Any) -> tuple[int, int, int]:
    shape = x.layout.shape
    if len(shape) == 1:
        return 1, shape[0], 1
    return shape[0], shape[1], math.prod(shape[2:])


def _kernel(context: Any, mode: str, x: Any, target: Any, weighted: bool, reduction: str, softmax: bool) -> Any:
    a = compute_dtype(x.dtype).compute
    number = _NUMBER[a]
    name = f"nll_{mode}"
    args = {
        "forward": "lllll" + number + "bb" + ("b" if weighted else "") + "bb",
        "finish": "lbbb",
        "backward": "lllll" + number + "bb" + ("b" if weighted else "") + "bbb",
    }[mode]
    return context.kernel(
        "loss",
        f"ct_{name}",
        args,
        name=name,
        mode=mode,
        A=a,
        X=x.dtype.ctype,
        xtag=x.dtype.tag,
        I=target.dtype.ctype,
        weighted=weighted,
        each=reduction == "none",
        mean=reduction == "mean",
        softmax=softmax,
    )


def forward(logp: Any, target: Any, weight: Any, ignore: int, reduction: str, smooth: float) -> tuple[Any, Any]:
    """Return (loss, sum of weights) of dense log-probabilities on a device."""
    outer, classes, inner = _geometry(logp)
    context, count = logp.device.context, outer * inner
    acc = compute_dtype(logp.dtype)
    size, group, per_item = lines(context, count, 64 if smooth == 0 else classes)
    if context.caps.kind != "cpu" and reduction != "none":
        per_item = max(1, -(-count // 1024))
        size = (-(-count // per_item),)
    weights = empty((max(size[0], 1),), acc, logp.device)
    extra = (weight.storage.buf,) if weight is not None else ()
    kernel = _kernel(context, "forward", logp, target, weight is not None, reduction, False)
    if reduction == "none":
        out = empty(target.layout.shape, logp.dtype, logp.device)
        losses = out
    else:
        out = empty((), logp.dtype, logp.device)
        losses = empty((max(size[0], 1),), acc, logp.device)
    if count:
        kernel.launch(
            size,
            group,
            (
                outer,
                classes,
                inner,
                per_item,
                ignore,
                smooth,
                logp.storage.buf,
                target.storage.buf,
                *extra,
                losses.storage.buf,
                weights.storage.buf,
            ),
        )
    if reduction != "none":
        finish = _kernel(context, "finish", logp, target, False, reduction, False)
        finish.launch((1,), (1,), (size[0] if count else 0, losses.storage.buf, weights.storage.buf, out.storage.buf))
    return out, weights


def backward(
    g: Any, logp: Any, target: Any, weight: Any, weights: Any, ignore: int, reduction: str, smooth: float, softmax: bool
) -> Any:
    """Return the gradient with respect to the scores (``softmax``) or to the log-probabilities."""
    outer, classes, inner = _geometry(logp)
    context = logp.device.context
    out = empty(logp.layout.shape, logp.dtype, logp.device)
    if out.layout.numel == 0:
        return out
    size, group, per_item = lines(context, outer * inner, 2 * classes)
    extra = (weight.storage.buf,) if weight is not None else ()
    kernel = _kernel(context, "backward", logp, target, weight is not None, reduction, softmax)
    g = dense(g)
    if g.layout.offset:
        g = _fresh(g)
    kernel.launch(
        size,
        group,
        (
            outer,
            classes,
            inner,
            per_item,
            ignore,
            smooth,
            logp.storage.buf,
            target.storage.buf,
            *extra,
            g.storage.buf,
            weights.storage.buf,
            out.storage.buf,
        ),
    )
    return out


def _fresh(x: Any) -> Any:
    """Return a dense Array at offset 0, which these kernels expect."""
    if x.layout.contiguous and x.layout.offset == 0:
        return x
    out = empty(x.shape, x.dtype, x.device)
    n = x.dtype.itemsize
    if x.layout.contiguous and x.layout.numel:
        x.device.context.copy_bytes(x.storage.buf, out.storage.buf, x.layout.offset * n, 0, x.layout.numel * n)
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
    loss = -(1 - smooth) * heavy * chosen
    if smooth:
        loss = loss - np.where(kept, smooth / classes * (logp * w.reshape(1, -1, *[1] * (logp.ndim - 2))).sum(1), 0)
    return loss.astype(logp.dtype), heavy


class Nll(Op):
    """Negative log-likelihood of log-probabilities."""

    name = "nll_loss"
    softmax = False

    @classmethod
    def forward(cls, c: Any, x: Any, target: Any, weight: Any, ignore: int, reduction: str, smooth: float) -> Any:
        c.options = (ignore, reduction, smooth)
        if x.device.type == "cpu":
            logp = _host(x, 1 if x.layout.ndim > 1 else 0, True) if cls.softmax else x
            a, t = host_compute(logp), host(target).astype(np.int64)
            if a.ndim == 1:
                a, t = a[None], t[None]
            w = np.ones(a.shape[1], a.dtype) if weight is None else host_compute(weight)
            loss, heavy = _host_forward(a, t, w, ignore, smooth)
            total = heavy.sum()
            with np.errstate(all="ignore"):
                value = {"none": loss.reshape(target.layout.shape), "sum": loss.sum(), "mean": loss.sum() / total}[
                    reduction
                ]
            weights = from_host(np.asarray([total]), compute_dtype(x.dtype), x.device)
            c.save(x if cls.softmax else None, logp, target, weight, weights)
            return from_host(np.asarray(value, a.dtype), x.dtype, x.device)
        logp = _fresh(run(x, 1 if x.layout.ndim > 1 else 0, True) if cls.softmax else x)
        target = _fresh(target)
        weight = None if weight is None else _fresh(weight)
        out, weights = forward(logp, target, weight, ignore, reduction, smooth)
        c.save(x if cls.softmax else None, logp, target, weight, weights)
        return out

    @classmethod
    def vjp(cls, m: Any, c: Any, g: Any) -> Any:
        x, logp, target, weight, weights = c.saved
        ignore, reduction, smooth = c.options
        if g.device.type == "cl" and not m.is_grad_enabled():
            gx = backward(g, logp, target, weight, weights, ignore, reduction, smooth, cls.softmax)
        else:
            gx = _composed(m, g, x, logp, target, weight, weights, ignore, reduction, smooth, cls.softmax)
        return gx, None, None, None, None, None


def _composed(
    m: Any,
    g: Any,
    x: Any,
    logp: Any,
    target: Any,
    weight: Any,
    weights: Any,
    ignore: int,
    reduction: str,
    smooth: float,
    softmax: bool,
) -> Any:
    """Return the same gradient from differentiable functions."""
    shape = logp.layout.shape
    axis = 1 if len(shape) > 1 else 0
    classes = shape[axis]
    line = [1] * len(shape)
    line[axis] = classes
    index = m.reshape(m.arange(classes, device=logp.device), line)
    t = m.unsqueeze(target.to(dtypes.int64), axis)
    w = m.ones(classes, dtype=logp.dtype, device=logp.device) if weight is None else weight
    w = m.reshape(w, line)
    hit = m.where(m.eq(index, t), w, 0 * w)
    q = m.add(m.mul(hit, 1 - smooth), m.mul(w, smooth / classes)) if smooth else hit
    q = m.where(m.eq(t, ignore), 0 * q, q).detach()
    scale = m.unsqueeze(g, axis) if reduction == "none" else g
    if reduction == "mean":
        scale = m.div(scale, m.reshape(m.narrow(weights, 0, 0, 1), ()).to(g.dtype))
    inside = m.sub(m.mul(m.softmax(x, axis), m.sum(q, axis, True)), q) if softmax else m.neg(q)
    return m.mul(scale, inside)


class CrossEntropy(Nll):
    """log_softmax and negative log-likelihood in one."""

    name = "cross_entropy_loss"
    node = "NllLoss"
    softmax = True
