"""Scaled dot product attention, and what its second derivative is composed of."""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.batch_levels import state as batch_state
from cltorch.autograd.grad_mode import is_grad_enabled
from cltorch.autograd.graph import Settings, needs_grad
from cltorch.autograd.record import apply
from cltorch.dtypes import C_NAMES
from cltorch.functions.arguments import need_array
from cltorch.ops import attention as ops
from cltorch.ops.attention_plan import variant_for
from cltorch.ops.generator import default_generator
from cltorch.shapes import broadcast_shapes

#: what torch.nn.attention.sdpa_kernel and torch.backends.cuda allow, in the order in which PyTorch counts them
WAYS = {"cudnn": True, "flash": True, "mem_efficient": True, "math": True, "overrideable": True}

__all__ = ["attention_gradients", "by_blocks", "scaled_dot_product_attention"]


def _check(query: Any, key: Any, value: Any, mask: Any, p: float, is_causal: bool, gqa: bool) -> None:
    name = "scaled_dot_product_attention"
    for i, (what, x) in enumerate((("query", query), ("key", key), ("value", value)), 1):
        need_array(name, what, i, x)
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{C_NAMES[query.dtype.name]} key.dtype: {C_NAMES[key.dtype.name]} and value.dtype: "
            f"{C_NAMES[value.dtype.name]} instead."
        )
    if not query.device == key.device == value.device:
        raise RuntimeError(
            f"Expected query, key, and value to have the same device type, but got query.device: {query.device} "
            f"key.device: {key.device} and value.device: {value.device} instead."
        )
    dims = [x.lay.ndim for x in (query, key, value)]
    if min(dims) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {dims[0]} "
            f"key.dim: {dims[1]} and value.dim: {dims[2]} instead."
        )
    if not query.dtype.is_floating_point:
        raise NotImplementedError(f"scaled_dot_product_attention is not implemented for {query.dtype}")
    if query.shape[-1] != key.shape[-1]:
        raise RuntimeError(
            f"scaled_dot_product_attention: query and key must have the same last dimension, got {query.shape[-1]} "
            f"and {key.shape[-1]}"
        )
    if key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"scaled_dot_product_attention: key and value must have the same length, got {key.shape[-2]} and "
            f"{value.shape[-2]}"
        )
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    if mask is not None:
        need_array(name, "attn_mask", 4, mask)
        # PyTorch's kernel for the host, which needs four dimensions, is the one that takes both
        if is_causal and (query.dim() != 4 or is_grad_enabled() and needs_grad(mask)):
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        if mask.dtype is not dtypes.bool_ and mask.dtype is not query.dtype and mask.dtype is not dtypes.float32:
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
                f"{C_NAMES[mask.dtype.name]} and  query.dtype: {C_NAMES[query.dtype.name]} instead."
            )
    if gqa:
        if min(dims) < 3:
            raise RuntimeError("scaled_dot_product_attention: enable_gqa needs at least three dimensions")
        heads, of_keys, of_values = (x.shape[-3] for x in (query, key, value))
        if of_keys == 0 or of_values == 0 or heads % of_keys or heads % of_values:
            raise RuntimeError(
                "Number of heads in key and value must divide the number of heads in query, got "
                f"{of_keys} and {of_values} for {heads}"
            )


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(scale · query @ keyᵀ + mask) @ value, with dropout on the softmax.

    ``query`` (…, H, L, E), ``key`` (…, H, S, E) and ``value`` (…, H, S, Ev) give (…, H, L, Ev); leading dimensions
    broadcast. A bool mask, broadcast to (…, H, L, S), is True where attention is allowed, a float mask is added. With
    ``is_causal`` a query meets the keys of its own and lower positions only. ``scale`` is 1/√E unless given. With
    ``enable_gqa`` keys and values may have fewer heads, each for several neighbouring ones of the query. A query that
    may meet no key at all gives zeros. Heads of any width are computed by blocks, forward and backward, and the scores
    are never stored as a whole, but where the mask wants a gradient, the gradients are to be differentiated again, or
    dropout runs within vmap. Operands of another dtype than that of the arithmetic (float16, bfloat16) and a float mask
    of another dtype are converted as a whole.
    T. Dao et al., FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness, NeurIPS 2022.
    Shape: query (*, H, L, E), key (*, H, S, E), value (*, H, S, Ev), mask what broadcasts to (*, H, L, S), to (*, H, L,
    Ev).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.scaled_dot_product_attention.html

    >>> import cltorch as torch
    >>> q, k, v = torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), torch.tensor([[[[1.0], [3.0]]]])
    >>> torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    tensor([[[[1.],
              [2.]]]])
    """
    if hasattr(attn_mask, "attention_mask"):
        if is_causal:
            raise ValueError("CausalBias should not be used with causal=True")
        need_array("scaled_dot_product_attention", "query", 1, query)
        attn_mask, is_causal = attn_mask.attention_mask(query.device)
    _check(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    f = Settings.functions
    (lq, e), (lk, ev) = query.shape[-2:], value.shape[-2:]
    scale = (1 / math.sqrt(e) if e else 1.0) if scale is None else float(scale)
    leads = [x.shape[:-2] for x in (query, key, value)]
    if enable_gqa and key.shape[-3] != value.shape[-3]:
        heads = query.shape[-3]
        key, value = (f.repeat_interleave(x, heads // x.shape[-3], -3) for x in (key, value))
        leads = [x.shape[:-2] for x in (query, key, value)]
    if enable_gqa:
        shared = broadcast_shapes(*(x[:-1] for x in leads))
        lead, of_keys = (*shared, leads[0][-1]), (*shared, leads[1][-1])
    else:
        lead = of_keys = tuple(broadcast_shapes(*leads))
    if attn_mask is not None:
        wanted = (*lead, lq, lk)
        if tuple(broadcast_shapes(attn_mask.shape, wanted)) != wanted:
            raise RuntimeError(
                f"The expanded size of attn_mask {tuple(attn_mask.shape)} does not match the scores' shape {wanted}"
            )
    query, key, value = (
        x if x.shape[:-2] == part else f.expand(x, (*part, *x.shape[-2:]))
        for x, part in ((query, lead), (key, of_keys), (value, of_keys))
    )
    if 0 in (*lead, lq, lk, e, ev):
        # nothing to attend to, or nothing to return: zeros that still lead back to the operands
        return f.add(
            f.zeros((*lead, lq, ev), dtype=query.dtype, device=query.device),
            f.add(f.mul(f.sum(query), 0), f.add(f.mul(f.sum(key), 0), f.mul(f.sum(value), 0))),
        )
    drop: Any = None
    if dropout_p > 0 and batch_state.levels:
        drop = float(dropout_p)  # vmap says how the slices' numbers relate
    elif dropout_p > 0:
        at = default_generator(query.device).reserve(ops.words((*lead, lq), lk))
        drop = (at, dropout_p)
    fuses = may_fuse(query.device)
    if fuses and drop.__class__ is not float and by_blocks(query, value, attn_mask):
        return apply(ops.Attention, query, key, value, attn_mask, is_causal, scale, drop)
    if WAYS["math"]:
        return composed(query, key, value, attn_mask, is_causal, scale, drop)
    if fuses:
        raise RuntimeError("No available kernel. Aborting execution.")
    raise RuntimeError(
        "No viable backend for scaled_dot_product_attention was found. "
        "This is likely due to turning off both the math kernel and the fused kernels."
    )


def may_fuse(device: Any) -> bool:
    """Return whether the program lets attention be computed by blocks there: the host has one such way, as PyTorch."""
    return WAYS["flash"] or WAYS["mem_efficient"] and device.type != "cpu"


def by_blocks(query: Any, value: Any, attn_mask: Any) -> bool:
    """Return whether attention over these can be computed by blocks: masks have no gradient, and heads must fit."""
    if attn_mask is not None and is_grad_enabled() and needs_grad(attn_mask):
        return False
    if query.device.type != "cl":
        return True
    wide = 8 if query.dtype is dtypes.float64 else 4
    return bool(variant_for(query.device.context, max(query.shape[-1], value.shape[-1]), wide))


def _probabilities(q: Any, k: Any, mask: Any, causal: bool, scale: float, drop: Any) -> tuple[Any, Any]:
    """Return softmax of the scores, and what dropout multiplies it by (or None)."""
    f = Settings.functions
    s = f.mul(f.matmul(q, f.transpose(k, -2, -1)), scale)
    lq, lk = s.shape[-2:]
    low = -math.inf
    if causal:
        above = f.triu(f.ones((lq, lk), dtype=dtypes.bool_, device=q.device), 1)
        s = f.masked_fill(s, above, low)
    if mask is not None:
        s = f.masked_fill(s, f.logical_not(mask), low) if mask.dtype is dtypes.bool_ else f.add(s, mask.to(s.dtype))
    # a line without an allowed key would be NaN: zeros there, as in PyTorch
    if mask is not None:
        empty = f.all(f.eq(s.detach(), low), -1, True)
        y = f.masked_fill(f.softmax(f.masked_fill(s, empty, 0.0), -1), empty, 0.0)
    else:
        y = f.softmax(s, -1)
    if drop is None:
        return y, None
    if drop.__class__ is float:
        return y, f.dropout(f.ones_like(y), drop)
    at, p = drop
    kept = ops.keep_mask(tuple(s.shape[:-1]), lk, p, at, q.device)
    kept = f.narrow(f.reshape(kept, (*s.shape[:-1], -1)), -1, 0, lk)
    factor = f.mul(kept.to(s.dtype), 0.0 if p == 1 else 1 / (1 - p))
    return y, factor


def composed(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, drop: Any) -> Any:
    """Return attention composed of differentiable functions, with the matrix of scores."""
    f = Settings.functions
    dtype = q.dtype
    if dtype.itemsize == 2:
        q, k, v = (x.to(dtypes.float32) for x in (q, k, v))
    if q.lay.ndim > 2 and k.shape[-3] != q.shape[-3]:
        group = q.shape[-3] // k.shape[-3]
        k, v = f.repeat_interleave(k, group, -3), f.repeat_interleave(v, group, -3)
    y, factor = _probabilities(q, k, mask, causal, scale, drop)
    return f.matmul(y if factor is None else f.mul(y, factor), v).to(dtype)


def attention_gradients(
    g: Any, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, drop: Any
) -> tuple[Any, Any, Any]:
    """Return the gradients of queries, keys and values, composed of functions that can be differentiated again."""
    f = Settings.functions
    dtype = q.dtype
    if dtype.itemsize == 2:
        g, q, k, v = (x.to(dtypes.float32) for x in (g, q, k, v))
    group = q.shape[-3] // k.shape[-3] if q.lay.ndim > 2 else 1
    if group > 1:
        k, v = f.repeat_interleave(k, group, -3), f.repeat_interleave(v, group, -3)
    y, factor = _probabilities(q, k, mask, causal, scale, drop)
    dropped = y if factor is None else f.mul(y, factor)
    gv = f.matmul(f.transpose(dropped, -2, -1), g)
    gy = f.matmul(g, f.transpose(v, -2, -1))
    if factor is not None:
        gy = f.mul(gy, factor)
    gs = f.mul(f.mul(y, f.sub(gy, f.sum(f.mul(gy, y), -1, True))), scale)
    gq, gk = f.matmul(gs, k), f.matmul(f.transpose(gs, -2, -1), q)
    if group > 1:
        gk, gv = (f.sum(f.reshape(x, (*x.shape[:-3], -1, group, *x.shape[-2:])), -3) for x in (gk, gv))
    return gq.to(dtype), gk.to(dtype), gv.to(dtype)
