"""Attention over sequences of different lengths that lie one after the other: torch.nn.attention.varlen.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.varlen.html
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.functions.attention import scaled_dot_product_attention

__all__ = ["AuxRequest", "varlen_attn", "varlen_attn_out"]

f: Any = functions


class AuxRequest(NamedTuple):
    """Say what ``varlen_attn`` returns besides its result: with ``lse`` the logarithm of the sum of exp(scores).

    lse = log Σ_j exp(score_j) over the keys that a query meets.
    Shape: ``lse`` (Tq, Hq).
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.varlen.html

    >>> from cltorch.nn.attention.varlen import AuxRequest
    >>> AuxRequest(lse=True)
    AuxRequest(lse=True)
    """

    lse: bool = False


def _bounds(cu: Any) -> list[int]:
    return [int(n) for n in cu.tolist()]


def _paged(pool: Any, table: Any) -> Any:
    """Return the keys or values that a row of a block table names, (tokens, heads, width)."""
    return f.flatten(f.index_select(pool, 0, table), 0, 1)


def _allowed(lq: int, lk: int, window: tuple[int, int], device: Any) -> Any:
    """Return which keys a query may meet, (lq, lk) bools, or None for all; the last query meets the last key."""
    left, right = window
    if left < 0 and right < 0:
        return None
    ones = functions.ones(lq, lk, dtype=dtypes.bool_, device=device)
    if right >= 0:
        ones = functions.tril(ones, lk - lq + right)
    return functions.triu(ones, lk - lq - left) if left >= 0 else ones


def _one(q: Any, k: Any, v: Any, scale: float, window: tuple[int, int], lse: bool) -> tuple[Any, Any]:
    """Return attention within one sequence, (length, heads, width), and its log-sum-exp (length, heads) or None."""
    mask = _allowed(q.shape[0], k.shape[0], window, q.device)
    q, k, v = (f.transpose(x, 0, 1) for x in (q, k, v))
    out = scaled_dot_product_attention(q, k, v, mask, scale=scale, enable_gqa=True)
    total = None
    if lse:
        shared = f.repeat_interleave(k, q.shape[0] // k.shape[0], 0)
        scores = f.mul(f.matmul(f.to(q, dtypes.float32), f.transpose(f.to(shared, dtypes.float32), -2, -1)), scale)
        if mask is not None:
            scores = f.masked_fill(scores, f.logical_not(mask), -math.inf)
        total = f.transpose(f.logsumexp(scores, -1), 0, 1)
    return f.transpose(out, 0, 1), total


def varlen_attn(
    query: Any,
    key: Any,
    value: Any,
    cu_seq_q: Any,
    cu_seq_k: Any,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Any = None,
    block_table: Any = None,
    num_splits: int | None = None,
) -> Any:
    """Return attention within each of several sequences: ``query`` (Tq, Hq, D), ``key`` and ``value`` (Tk, Hkv, D).

    softmax(scale · q kᵀ) v for the queries, keys and values of each sequence, ``scale`` being 1/√D unless given.
    ``cu_seq_q`` and ``cu_seq_k`` (N + 1) say where the sequences begin and end; they are read on the host. A query
    meets keys ``window_size`` = (left, right) places away at most, -1 for any, (-1, 0) being causal; the last query of
    a sequence stands at its last key. With ``enable_gqa`` heads of keys serve several of queries. ``seqused_k`` (N)
    shortens the sequences of keys; ``block_table`` (N, pages) of ints then may name pages of ``key`` and ``value``
    (pages, page size, Hkv, D). With ``return_aux=AuxRequest(lse=True)`` the log-sum-exp of the scores, (Tq, Hq),
    comes too. ``num_splits`` changes nothing: results never depend on other sequences. Raises ValueError for operands
    that do not fit.
    Shape: query (Tq, Hq, D), key and value (Tk, Hkv, D), ``cu_seq_q`` and ``cu_seq_k`` (N + 1) to (Tq, Hq, D).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.attention.varlen.varlen_attn.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention.varlen import varlen_attn
    >>> q, v, ends = torch.zeros(3, 1, 1), torch.tensor([1.0, 3.0, 7.0]).view(3, 1, 1), torch.tensor([0, 2, 3])
    >>> varlen_attn(q, q, v, ends, ends, 2, 2).flatten()
    tensor([2., 2., 7.])
    """
    paged = block_table is not None
    if paged and seqused_k is None:
        raise ValueError("block_table requires seqused_k")
    if cu_seq_k is None and not paged:
        raise ValueError("cu_seq_k is required unless block_table is given")
    if query.dim() != 3 or key.dim() != (4 if paged else 3) or value.dim() != key.dim():
        raise ValueError(
            f"varlen_attn: query must be (tokens, heads, width) and key and value as many dimensions as the way they "
            f"are stored asks for, got {query.dim()}-D, {key.dim()}-D and {value.dim()}-D"
        )
    heads, of_keys = query.shape[-2], key.shape[-2]
    if not enable_gqa and heads != of_keys:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={of_keys}. "
            "Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and heads % of_keys:
        raise ValueError(f"Expect number of query heads to be a multiple of kv heads but got Hq={heads}, Hkv={of_keys}")
    if len(window_size) != 2:
        raise ValueError(f"window_size must have length 2, got {len(window_size)}")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    want = return_aux is not None and return_aux.lse
    at = _bounds(cu_seq_q)
    count = len(at) - 1
    used = None if seqused_k is None else _bounds(seqused_k)
    keys = None if paged else _bounds(cu_seq_k)
    outs, totals = [], []
    for i in range(count):
        if keys is None:
            k, v = (_paged(x, block_table[i]) for x in (key, value))
        else:
            k, v = (x[keys[i] : keys[i + 1]] for x in (key, value))
        if used is not None:
            k, v = k[: used[i]], v[: used[i]]
        out, total = _one(query[at[i] : at[i + 1]], k, v, scale, (window_size[0], window_size[1]), want)
        outs.append(out)
        totals.append(total)
    result = functions.cat(outs)
    return (result, functions.cat(totals)) if want else result


def varlen_attn_out(
    out: Any,
    query: Any,
    key: Any,
    value: Any,
    cu_seq_q: Any,
    cu_seq_k: Any,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Any = None,
    block_table: Any = None,
    num_splits: int | None = None,
) -> Any:
    """Write ``varlen_attn`` into ``out`` and return it; no gradients.

    softmax(scale · q kᵀ) v for each sequence.
    Shape: as of ``varlen_attn``; ``out`` (Tq, Hq, D).
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.varlen.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention.varlen import varlen_attn_out
    >>> q, ends = torch.ones(2, 1, 1), torch.tensor([0, 2])
    >>> varlen_attn_out(torch.empty(2, 1, 1), q, q, q, ends, ends, 2, 2).flatten()
    tensor([1., 1.])
    """
    with no_grad():
        found = varlen_attn(
            query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, return_aux=return_aux, scale=scale,
            window_size=window_size, enable_gqa=enable_gqa, seqused_k=seqused_k, block_table=block_table,
            num_splits=num_splits,
        )  # fmt: skip
        if isinstance(found, tuple):
            return out.copy_(found[0]), found[1]
        return out.copy_(found)
