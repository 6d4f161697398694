"""Scaled dot product attention: forward and backward by blocks, without a matrix of scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import attention_plan as plans
from cltorch.ops.array import empty, from_host, host, host_compute, view
from cltorch.ops.channels import order_of
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.random import place

_SCORES = 1 << 22  # of the host's blocks of scores, in elements


def keep_mask(shape: tuple[int, ...], lk: int, p: float, at: tuple[int, int], dev: Any) -> Any:
    """Return which scores dropout keeps, as bool (*shape, lk), where ``shape`` ends with the number of queries.

    Four neighbouring keys share a block of the stream, so that kernels that go by vectors of queries waste no word.
    """
    *lead, lq = shape
    fours = -(-lk // 4)
    drawn = empty((*lead, fours, lq, 4), dtypes.bool_, dev)
    place(drawn, "bernoulli", 1 - p, 0, at)
    lay, n = drawn.lay, len(lead)
    # (…, fours, lq, 4) read as (…, lq, fours, 4)
    return view(drawn, Layout.make((*lead, lq, fours, 4), (*lay.strides[:n], lay.strides[n + 1], lay.strides[n], 1), 0))


def words(shape: tuple[int, ...], lk: int) -> int:
    """Return how many words of a random stream the dropout of attention takes."""
    total = 1
    for n in shape:
        total *= n
    return total * -(-lk // 4) * 4


def _host(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, drop: Any) -> Any:
    """Return the result by NumPy, some queries at a time.

    As in PyTorch it lies in memory as the queries do, if they have four dimensions and the values' width, and nothing
    is dropped.
    """
    a, b, c = host_compute(q), host_compute(k), host_compute(v)
    lq, lk = a.shape[-2], b.shape[-2]
    group = a.shape[-3] // b.shape[-3] if a.ndim > 2 else 1
    if group > 1:
        b, c = np.repeat(b, group, -3), np.repeat(c, group, -3)
    shape = (*a.shape[:-1], c.shape[-1])
    follows = q.lay.ndim == 4 and q.lay.shape[-1] == shape[-1] and drop is None
    kept_order = order_of(q.lay) if follows else None
    order = kept_order if kept_order is not None and kept_order[-1] == 3 else tuple(range(a.ndim))
    stored = np.empty([shape[d] for d in order], a.dtype)
    out = stored.transpose(np.argsort(order))
    lead = a.shape[:-2]
    m = None
    if mask is not None:
        m = host(mask) if mask.dtype is dtypes.bool_ else host_compute(mask)
        m = np.broadcast_to(m, (*lead, lq, lk))
    kept = None
    if drop is not None:
        at, p = drop
        kept = host(keep_mask((*lead, lq), lk, p, at, q.device))
        kept = kept.reshape((*lead, lq, -1))[..., :lk] * a.dtype.type(0 if p == 1 else 1 / (1 - p))
    step = max(1, _SCORES // max(1, lk * int(np.prod(lead))))
    with np.errstate(all="ignore"):
        for i in range(0, lq, step):
            rows = slice(i, min(lq, i + step))
            s = np.matmul(a[..., rows, :], np.swapaxes(b, -1, -2)) * a.dtype.type(scale)
            if m is not None:
                s = np.where(m[..., rows, :], s, -np.inf) if m.dtype == bool else s + m[..., rows, :]
            if causal:
                s = np.where(np.arange(lk) > np.arange(rows.start, rows.stop)[:, None], -np.inf, s)
            top = s.max(-1, keepdims=True, initial=-np.inf)
            e = np.exp(s - np.where(top == -np.inf, 0, top)).astype(a.dtype)
            total = e.sum(-1, keepdims=True)
            e /= np.where(total == 0, 1, total)
            out[..., rows, :] = np.matmul(e if kept is None else e * kept[..., rows, :], c)
    result = from_host(stored, q.dtype, q.device)
    return view(result, result.lay.permute(tuple(np.argsort(order).tolist())))


class Attention(Op):
    """softmax(scale * query key^T + mask) value, where dropout may act on the softmax."""

    name = "scaled_dot_product_attention"
    node = "ScaledDotProductFlashAttentionForCpu"

    @staticmethod
    def forward(
        c: Any, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, drop: Any, variant: str = ""
    ) -> Any:
        t: dtype = q.dtype
        c.options = (causal, scale, drop, variant)
        if q.device.type == "cpu":
            c.save(q, k, v, mask, None, None)
            return _host(q, k, v, mask, causal, scale, drop)
        problem = plans.Problem(q, k, v, mask, causal, scale, drop, compute_dtype(t), variant)
        wide, lse = plans.forward(problem)
        out = plans.narrowed(wide, t)
        c.save(q, k, v, mask, out, lse)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        q, k, v, mask, out, lse = c.saved
        causal, scale, drop, variant = c.options
        if out is None or m.is_grad_enabled():
            return (*m.attention_gradients(g, q, k, v, mask, causal, scale, drop), *(None,) * 5)
        problem = plans.Problem(q, k, v, mask, causal, scale, drop, compute_dtype(q.dtype), variant)
        grads = plans.backward(problem, out, lse, g)
        found = []
        for x, gx in zip((q, k, v), grads, strict=True):
            lay = gx.lay
            for _ in range(lay.ndim - x.lay.ndim):
                lay = lay.select(0, 0)
            found.append(plans.narrowed(view(gx, lay), q.dtype))
        return (*found, *(None,) * 5)
