"""Normalisation on the host, in NumPy; means and variances are taken in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch.dtypes import dtype
from cltorch.ops.array import cast_host, from_host, host, host_compute
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.quiet import silent


def _moments(a: np.ndarray, axes: tuple[int, ...], rms: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean, biased variance) with kept dimensions; ``rms``: (0, mean square)."""
    mean = np.zeros(1) if rms else a.mean(axes, dtype=np.float64, keepdims=True)
    return mean, np.square(a - mean).mean(axes, dtype=np.float64, keepdims=True)


@silent
def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, Any, Any]:
    """Return (result, mean, 1 / deviation); in training the running statistics move."""
    a = host_compute(x)
    shape = (a.shape[0], a.shape[1], math.prod(a.shape[2:]))
    a = a.reshape(shape)
    line = (1, shape[1], 1)
    if training:
        mean, var = _moments(a, (0, 2), False)
        if running_mean is not None:
            n = shape[0] * shape[2]
            _move(running_mean, mean, momentum)
            _move(running_var, var * (np.float64(n) / (n - 1)), momentum)
    else:
        mean, var = (host_compute(s).astype(np.float64).reshape(line) for s in (running_mean, running_var))
    r = 1 / np.sqrt(var + eps)
    y = _scaled(a, mean, r, weight, bias, line)
    acc = compute_dtype(x.dtype)
    return (
        from_host(y.reshape(x.shape), x.dtype, x.device),
        *(from_host(s.reshape(-1), acc, x.device) for s in (mean, r)),
    )


def _scaled(a: np.ndarray, mean: Any, r: Any, weight: Any, bias: Any, line: tuple[int, ...]) -> np.ndarray:
    y: np.ndarray = ((a - mean) * r).astype(a.dtype)
    if weight is not None:
        y *= host_compute(weight).reshape(line)
    if bias is not None:
        y += host_compute(bias).reshape(line)
    return y


def _move(running: Any, new: np.ndarray, momentum: float) -> None:
    old = host_compute(running).astype(np.float64)
    host(running)[...] = cast_host(momentum * new.reshape(-1) + (1 - momentum) * old, running.dtype)


@silent
def batch_norm_backward(
    g: Any, x: Any, weight: Any, mean: Any, rstd: Any, training: bool, p: dtype
) -> tuple[Any, Any, Any]:
    """Return the gradients of (x, weight, bias)."""
    shape = (x.shape[0], x.shape[1], math.prod(x.shape[2:]))
    a, b = (host_compute(v).reshape(shape) for v in (x, g))
    line = (1, shape[1], 1)
    mu, r = (host_compute(v).reshape(line) for v in (mean, rstd))
    h = (a - mu) * r
    gb, gw = (v.sum((0, 2), dtype=np.float64).reshape(line) for v in (b, b * h))
    n = shape[0] * shape[2]
    gx = (b - gb / n - h * (gw / n) if training else b) * r
    if weight is not None:
        gx = gx * host_compute(weight).reshape(line)
    return (
        from_host(gx.astype(a.dtype).reshape(x.shape), x.dtype, x.device),
        *(from_host(v.reshape(-1), p, x.device) for v in (gw, gb)),
    )


def _rows(w: Any) -> tuple[int, int, int, int]:
    return w.rows // w.groups, w.groups, w.channels, w.n // w.channels


@silent
def norm_rows(x: Any, weight: Any, bias: Any, w: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return (result, mean, 1 / deviation) of rows."""
    a = host_compute(x).reshape(_rows(w))
    line = (1, w.groups, w.channels, 1)
    mean, var = _moments(a, (2, 3), w.rms)
    r = 1 / np.sqrt(var + eps)
    y = _scaled(a, mean, r, weight, bias, line)
    acc = compute_dtype(x.dtype)
    rstd = from_host(r.reshape(-1), acc, x.device)
    mean = rstd if w.rms else from_host(mean.reshape(-1), acc, x.device)
    return from_host(y.reshape(x.shape), x.dtype, x.device), mean, rstd


@silent
def norm_rows_backward(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, w: Any, p: dtype) -> tuple[Any, Any, Any]:
    """Return the gradients of (x, weight, bias)."""
    a, b = (host_compute(v).reshape(_rows(w)) for v in (x, g))
    r = host_compute(rstd).reshape(-1, w.groups, 1, 1)
    h = (a if w.rms else a - host_compute(mean).reshape(r.shape)) * r
    u = b if weight is None else b * host_compute(weight).reshape(1, w.groups, w.channels, 1)
    gx = u - h * (u * h).mean((2, 3), dtype=np.float64, keepdims=True)
    if not w.rms:
        gx = gx - u.mean((2, 3), dtype=np.float64, keepdims=True)
    gw, gb = (v.sum((0, 3), dtype=np.float64) for v in (b * h, b))
    return (
        from_host((gx * r).astype(a.dtype).reshape(x.shape), x.dtype, x.device),
        *(from_host(v.reshape(-1), p, x.device) for v in (gw, gb)),
    )
