"""Scaled dot product attention and multi-head attention.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#attention-mechanisms
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.functions.attention import scaled_dot_product_attention
from cltorch.ops.fallback import callers_level

f: Any = functions  # some of its functions are called as the modules that hold them

__all__ = ["canonical_mask", "multi_head_attention_forward", "scaled_dot_product_attention"]


def canonical_mask(
    mask: Any, mask_name: str, other_type: Any, other_name: str, target_type: Any, check_other: bool = True
) -> Any:
    """Return a mask as numbers to add: -inf where a bool mask is True. None stays None.

    Raises AssertionError for other dtypes.
    """
    if mask is None:
        return None
    if mask.dtype is not dtypes.bool_ and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype is not other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=callers_level(),
        )
    if mask.dtype is dtypes.bool_:
        zeros = functions.zeros(mask.shape, dtype=target_type, device=mask.device)
        return functions.masked_fill(zeros, mask, -math.inf)
    return mask


def _none_or_dtype(input: Any) -> Any:
    """Return the dtype of a mask, None without one."""
    return None if input is None else input.dtype


def _mha_shape_check(query: Any, key: Any, value: Any, padding: Any, mask: Any, heads: int) -> bool:
    """Return whether there is a batch dimension; raise AssertionError as PyTorch does where dimensions do not fit."""
    n = query.dim()
    if n not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor")
    kind = "batched (3-D)" if n == 3 else "unbatched (2-D)"
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D "
            "tensors respectively"
        )
    if padding is not None and padding.dim() != n - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found {padding.dim()}-D "
            "tensor instead"
        )
    if mask is not None:
        if mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim()}-D tensor "
                "instead"
            )
        if n == 2 and mask.dim() == 3:
            expected = (heads, query.shape[0], key.shape[0])
            if tuple(mask.shape) != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {mask.shape}")
    return n == 3


def _in_projection_packed(q: Any, k: Any, v: Any, w: Any, b: Any = None) -> list[Any]:
    """Return the projections of queries, keys and values by one weight, with as few products as can be."""
    e = q.shape[-1]
    if k is v:
        if q is k:
            return list(f.chunk(f.linear(q, w, b), 3, -1))
        first, rest = f.split(w, [e, 2 * e])
        b_first, b_rest = (None, None) if b is None else f.split(b, [e, 2 * e])
        return [f.linear(q, first, b_first), *f.chunk(f.linear(k, rest, b_rest), 2, -1)]
    biases = (None,) * 3 if b is None else f.chunk(b, 3)
    return [f.linear(x, part, c) for x, part, c in zip((q, k, v), f.chunk(w, 3), biases, strict=True)]


def _in_projection(
    q: Any, k: Any, v: Any, w_q: Any, w_k: Any, w_v: Any, b_q: Any = None, b_k: Any = None, b_v: Any = None
) -> tuple[Any, Any, Any]:
    """Return the projections of queries, keys and values by a weight each."""
    return f.linear(q, w_q, b_q), f.linear(k, w_k, b_k), f.linear(v, w_v, b_v)


def _project_separately(given: Sequence[Any], weights: Sequence[Any], bias: Any) -> tuple[Any, Any, Any]:
    """Return the projections of (query, key, value) by a weight each and a third of the bias."""
    _, key, value = given
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    for name, w in zip("qkv", weights, strict=True):
        if w is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    return _in_projection(*given, *weights, *((None,) * 3 if bias is None else f.chunk(bias, 3)))


def _one_for_each_head(mask: Any, shape: tuple[int, int, int]) -> Any:
    """Return a mask of attention as (N heads or 1, L, S); raise RuntimeError where its shape does not fit."""
    if mask.dim() == 2:
        if tuple(mask.shape) != shape[1:]:
            raise RuntimeError(f"The shape of the 2D attn_mask is {mask.shape}, but should be {shape[1:]}.")
        return mask.unsqueeze(0)
    if tuple(mask.shape) != shape:
        raise RuntimeError(f"The shape of the 3D attn_mask is {mask.shape}, but should be {shape}.")
    return mask


def _joined(attention: Any, padding: Any, shape: tuple[int, int, int, int]) -> Any:
    """Return the sum of a mask of attention and one of padded keys, to broadcast to (N, heads, L, S), or None."""
    batch, _, length, source = shape
    if attention is not None:
        attention = f.reshape(attention, shape if attention.shape[0] > 1 else (1, 1, length, source))
    if padding is None:
        return attention
    for d, n in enumerate((batch, source)):
        if padding.shape[d] != n:
            raise AssertionError(f"Expected key_padded_mask.shape[{d}] to be {n}, but got {padding.shape[d]}")
    padding = f.reshape(padding, (batch, 1, 1, source))
    return padding if attention is None else attention + padding


def no_key_is_no_number(mask: Any) -> Any:
    """Return a mask of numbers to add with NaN in rows that are -inf as a whole: what attends to nothing is NaN.

    That is what a softmax of such a row gives, where scaled_dot_product_attention gives zeros.
    """
    return f.masked_fill(mask, f.all(mask == -math.inf, -1, True), math.nan)


def attend_to_itself(
    x: Any, heads: int, inward: tuple[Any, Any], outward: tuple[Any, Any], mask: Any, padding: Any, need_weights: bool,
    average: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """Return multi-head attention of a batch (N, L, E) to itself, contiguous, and its weights or None.

    It is what MultiheadAttention gives where PyTorch takes its fast path: no gradients, no dropout, masks of bools.
    ``inward`` and ``outward`` are the weights and biases of the projections.
    """
    batch, length, width = x.shape
    if padding is not None and padding.shape != (batch, length):
        if mask is None:
            raise RuntimeError("For mask_type == 1 mask shape should be (B, L)")
        raise RuntimeError(f"shape '{[batch, 1, 1, length]}' is invalid for input of size {padding.numel()}")
    if mask is not None and mask.dim() != 3:
        mask = f.reshape(mask, (1, 1, length, length))[0, 0]
    if width != inward[0].shape[1]:
        raise AssertionError(f"was expecting embedding dimension of {inward[0].shape[1]}, but got {width}")
    shape = (batch, heads, length, length)
    if mask is not None:
        mask = _one_for_each_head(mask, (batch * heads, length, length))
    padding = canonical_mask(padding, "key_padding_mask", None, "", x.dtype)
    joined = _joined(canonical_mask(mask, "attn_mask", None, "", x.dtype), padding, shape)
    q, k, v = f.unbind(
        f.permute(f.reshape(f.linear(x, *inward), (batch, length, 3, heads, width // heads)), (2, 0, 3, 1, 4))
    )
    weights: Any = None
    if need_weights:
        scores = f.matmul(q * (1.0 / math.sqrt(width // heads)), f.transpose(k, -2, -1))
        weights = f.softmax(scores if joined is None else scores + joined, -1)
        out = f.matmul(weights, v)
        weights = f.mean(weights, 1) if average else weights
    else:
        out = scaled_dot_product_attention(q, k, v, None if joined is None else no_key_is_no_number(joined))
    return f.linear(f.reshape(f.permute(out, (0, 2, 1, 3)), (batch, length, width)), *outward), weights


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Return multi-head attention, (L, N, E), and its weights or None; see ``torch.nn.MultiheadAttention``.

    concat(head_1, …) @ W_Oᵀ + b_O with head_i = softmax(q_i k_iᵀ / √d + mask) v_i, q, k and v being linear maps of the
    inputs, cut into heads of d = E / num_heads.
    Without ``need_weights`` the scores are never stored. ``is_causal`` says that ``attn_mask`` is the causal mask.
    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    Shape: query (L, N, E), key (S, N, kdim), value (S, N, vdim), or all without N, to (L, N, E) and weights (N, L, S).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MultiheadAttention.html

    >>> import cltorch as torch
    >>> q, w, b = torch.ones(3, 2, 4), torch.zeros(12, 4), torch.zeros(12)
    >>> torch.nn.functional.multi_head_attention_forward(
    ...     q, q, q, 4, 2, w, b, None, None, False, 0.0, torch.eye(4), torch.zeros(4))[1][0]
    tensor([[0.3333, 0.3333, 0.3333],
            [0.3333, 0.3333, 0.3333],
            [0.3333, 0.3333, 0.3333]])
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same, both = key is value, query is key
        query = query.unsqueeze(1)
        key = query if both else key.unsqueeze(1)
        value = key if same else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    (length, batch, width), source = query.shape, key.shape[0]
    other = None if attn_mask is None else attn_mask.dtype
    key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", other, "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint says it all
    else:
        attn_mask = canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        is_causal = is_causal and key_padding_mask is None
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        own = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = _project_separately((query, key, value), own, in_proj_bias)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)
    if attn_mask is not None:
        attn_mask = _one_for_each_head(attn_mask, (batch * num_heads, length, source))

    def longer(mask: Any) -> Any:
        return None if mask is None else f.pad(mask, (0, 1))

    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must be given together")
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k, v = (f.cat((x, f.expand(b, (1, batch, width))), 0) for x, b in ((k, bias_k), (v, bias_v)))
        attn_mask, key_padding_mask = longer(attn_mask), longer(key_padding_mask)

    def split_heads(x: Any) -> Any:
        """Return (L, N, E) as a view (N, heads, L, head)."""
        return f.permute(f.reshape(x, (x.shape[0], batch, num_heads, head)), (1, 2, 0, 3))

    def static(x: Any, name: str) -> Any:
        if x.shape[0] != batch * num_heads or x.shape[2] != head:
            raise AssertionError(f"expecting {name} of size ({batch * num_heads}, …, {head}), but got {tuple(x.shape)}")
        return f.reshape(x, (batch, num_heads, -1, head))

    q = split_heads(q)
    k = split_heads(k) if static_k is None else static(static_k, "static_k")
    v = split_heads(v) if static_v is None else static(static_v, "static_v")
    if add_zero_attn:
        zeros = f.zeros((batch, num_heads, 1, head), dtype=k.dtype, device=k.device)
        k, v = f.cat((k, zeros), 2), f.cat((v, zeros), 2)
        attn_mask, key_padding_mask = longer(attn_mask), longer(key_padding_mask)
    attn_mask = _joined(attn_mask, key_padding_mask, (batch, num_heads, length, k.shape[2]))
    if not training:
        dropout_p = 0.0
    weights: Any = None
    if need_weights:
        scores = f.matmul(q * (1.0 / math.sqrt(head)), f.transpose(k, -2, -1))
        weights = f.softmax(scores if attn_mask is None else scores + attn_mask, -1)
        if dropout_p > 0:
            weights = f.dropout(weights, dropout_p, True)
        out = f.matmul(weights, v)
    else:
        out = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    out = f.reshape(f.permute(out, (2, 0, 1, 3)), (length, batch, width))
    out = f.linear(out, out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = f.mean(weights, 1)
    if not batched:
        return out.squeeze(1), None if weights is None else weights.squeeze(0)
    return out, weights
