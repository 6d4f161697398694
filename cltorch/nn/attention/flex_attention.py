"""Attention with a function of the scores and a mask by blocks: torch.nn.attention.flex_attention.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

from cltorch import dtypes, functions
from cltorch.functions.attention import scaled_dot_product_attention
from cltorch.nn.attention.block_mask import _DEFAULT_SPARSE_BLOCK_SIZE as _DEFAULT_SPARSE_BLOCK_SIZE
from cltorch.nn.attention.block_mask import BlockMask, create_block_mask, create_mask, noop_mask, places

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "FlexKernelOptions", "and_masks", "create_block_mask", "create_mask",
    "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip

f: Any = functions


class AuxRequest(NamedTuple):
    """Say what ``flex_attention`` returns besides its result.

    ``lse`` is log Σ_j exp(score_j), ``max_scores`` max_j score_j over the keys that a query meets.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> from cltorch.nn.attention.flex_attention import AuxRequest, flex_attention
    >>> import cltorch as torch
    >>> x = torch.ones(1, 1, 2, 4)
    >>> flex_attention(x, x, x, return_aux=AuxRequest(max_scores=True))[1].max_scores
    tensor([[[2., 2.]]])
    """

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """Hold what an AuxRequest asked for, (B, H, L) in float32 each: log-sum-exp and maximum of the scores, or None.

    Shape: (B, H, L) each.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> from cltorch.nn.attention.flex_attention import AuxOutput
    >>> AuxOutput()
    AuxOutput(lse=None, max_scores=None)
    """

    lse: Any = None
    max_scores: Any = None


class FlexKernelOptions(TypedDict, total=False):
    """Name the options of PyTorch's Triton kernels; they are accepted, and change nothing.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> from cltorch.nn.attention.flex_attention import FlexKernelOptions
    >>> FlexKernelOptions(num_warps=4)
    {'num_warps': 4}
    """

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    BLOCK_M1: int
    BLOCK_N1: int
    BLOCK_M2: int
    BLOCK_N2: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    WRITE_DQ: bool
    FORCE_USE_FLEX_ATTENTION: bool
    USE_TMA: bool
    kpack: int
    matrix_instr_nonkdim: int
    waves_per_eu: int
    BACKEND: str


def _combined(op: Callable[[Any, Any], Any], mask_mods: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def combined(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return functools.reduce(op, (mod(b, h, q_idx, kv_idx) for mod in mask_mods))

    return combined


def and_masks(*mask_mods: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``mask_mod`` that allows what all the given ones allow.

    mask(b, h, i, j) = mask_1(b, h, i, j) ∧ mask_2(b, h, i, j) ∧ ….
    Shape: what the arguments broadcast to.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> from cltorch.nn.attention.flex_attention import and_masks, create_mask
    >>> band = and_masks(lambda b, h, q, kv: q >= kv, lambda b, h, q, kv: q - kv < 2)
    >>> create_mask(band, 1, 1, 3, 3)[0, 0].int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    return _combined(f.logical_and, mask_mods)


def or_masks(*mask_mods: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``mask_mod`` that allows what any of the given ones allows.

    mask(b, h, i, j) = mask_1(b, h, i, j) ∨ mask_2(b, h, i, j) ∨ ….
    Shape: what the arguments broadcast to.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> from cltorch.nn.attention.flex_attention import or_masks, create_mask
    >>> prefix = or_masks(lambda b, h, q, kv: q >= kv, lambda b, h, q, kv: kv < 2)
    >>> create_mask(prefix, 1, 1, 3, 3)[0, 0].int().tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    """
    return _combined(f.logical_or, mask_mods)


def _check(query: Any, key: Any, value: Any, block_mask: Any, gqa: bool) -> None:
    if not query.dim() == key.dim() == value.dim() == 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype}, key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead."
        )
    heads, of_keys = query.shape[1], key.shape[1]
    if not gqa and heads != of_keys:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={of_keys}. "
            "Try setting enable_gqa=True for GQA."
        )
    if gqa and heads % of_keys:
        raise ValueError(
            f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={heads} and Hkv={of_keys}."
        )
    if query.shape[0] != key.shape[0] and key.shape[0] != 1:
        raise ValueError(f"Expect query and key/value to have the same batch size but got {query.shape}, {key.shape}")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension but got "
            f"E={query.shape[-1]} and E={key.shape[-1]}."
        )
    if block_mask is not None:
        wanted = (query.shape[-2], key.shape[-2])
        if block_mask.seq_lengths != wanted:
            raise ValueError(
                f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={wanted[0]} and "
                f"kv_len={wanted[1]}. Create a block mask of the length in use."
            )


def flex_attention(
    query: Any,
    key: Any,
    value: Any,
    score_mod: Callable[..., Any] | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: FlexKernelOptions | None = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """Return softmax(score_mod(scale · query @ keyᵀ)) @ value where ``block_mask`` allows it.

    ``query`` is (B, Hq, L, E), ``key`` (B, Hkv, S, E) and ``value`` (B, Hkv, S, Ev), the result (B, Hq, L, Ev).
    ``score_mod(score, b, h, q_idx, kv_idx)`` is called once, with the scores (B, Hq, L, S) and int32 tensors that
    broadcast against them, and is to compute elementwise; gradients pass through it. Without it, and without auxiliary
    outputs, the scores are never stored. ``scale`` is 1/√E unless given. With ``return_aux`` the result comes with an
    AuxOutput. Raises ValueError for operands that do not fit.
    J. Dong et al., Flex Attention: A Programming Model for Generating Optimized Attention Kernels, 2024.
    Shape: query (B, Hq, L, E), key (B, Hkv, S, E), value (B, Hkv, S, Ev) to (B, Hq, L, Ev).
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention.flex_attention import flex_attention
    >>> q, v = torch.zeros(1, 1, 2, 4), torch.tensor([1.0, 3.0]).view(1, 1, 2, 1)
    >>> causal = lambda score, b, h, q_idx, kv_idx: torch.where(q_idx >= kv_idx, score, -torch.inf)
    >>> flex_attention(q, q, v, score_mod=causal).flatten()
    tensor([1., 2.])
    """
    _check(query, key, value, block_mask, enable_gqa)
    if return_lse and return_aux is not None:
        raise ValueError("Cannot specify both return_lse and return_aux; use return_aux=AuxRequest(lse=True)")
    if return_lse:
        warnings.warn(
            "return_lse is deprecated and will be removed in v2.10, please use return_aux=AuxRequest(lse=True) "
            "instead.",
            FutureWarning,
            stacklevel=2,
        )
    (b, h, lq, width), lk = query.shape, key.shape[-2]
    scale = 1 / math.sqrt(width) if scale is None else scale
    mask = None if block_mask is None else block_mask.to_mask(b, h)
    if score_mod is None and not return_lse and return_aux is None:
        return scaled_dot_product_attention(query, key, value, mask, scale=scale, enable_gqa=enable_gqa)
    if h != key.shape[1]:
        key, value = (f.repeat_interleave(x, h // x.shape[1], 1) for x in (key, value))
    scores = f.mul(f.matmul(query, f.transpose(key, -2, -1)), scale)
    if query.dtype is not dtypes.float64:
        scores = f.to(scores, dtypes.float32)
    if score_mod is not None:
        scores = score_mod(scores, *places(b, h, lq, lk, query.device))
    if mask is not None:
        scores = f.masked_fill(scores, f.logical_not(mask), -math.inf)
    lse = f.logsumexp(scores, -1)
    # a query that may meet no key gives zeros
    nothing = f.eq(f.unsqueeze(lse, -1), -math.inf)
    weights = f.masked_fill(f.softmax(f.masked_fill(scores, nothing, 0.0), -1), nothing, 0.0)
    out = f.matmul(f.to(weights, value.dtype), value)
    if return_aux is not None:
        most = f.amax(scores, -1) if return_aux.max_scores else None
        return out, AuxOutput(lse if return_aux.lse else None, most)
    return (out, lse) if return_lse else out
