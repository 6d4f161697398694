"""Multi-head attention as a module.

Source: https://docs.pytorch.org/docs/2.13/nn.html#transformer-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.amp.settings import is_autocast_enabled
from cltorch.autograd import is_grad_enabled
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.functional.attention import attend_to_itself
from cltorch.nn.modules.fast_path import get_fastpath_enabled
from cltorch.nn.modules.linear import NonDynamicallyQuantizableLinear
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Let queries attend to keys and values in several heads: concat(head_1 …) @ W_O, head_i = Attention(QW, KW, VW).

    Shape: ``query`` (L, N, E), ``key`` (S, N, kdim), ``value`` (S, N, vdim), the batch first with ``batch_first``, or
    without it. ``key_padding_mask`` (N, S) and ``attn_mask`` (L, S) or (N·heads, L, S) forbid where True, floats are
    added. Returns the output (L, N, E) and, with ``need_weights``, the weights (N, L, S), or (N, heads, L, S) without
    ``average_attn_weights``. Without ``need_weights`` no matrix of scores is stored. ``is_causal`` says that
    ``attn_mask`` is the causal mask: alone it raises RuntimeError, or is not looked at where PyTorch takes its fast
    path (a batch attending to itself, in evaluation, without gradients).
    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MultiheadAttention.html

    >>> import cltorch as torch
    >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(3, 5, 8)
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    (torch.Size([3, 5, 8]), torch.Size([3, 5, 5]))
    """

    batch_first: bool
    bias_k: Any
    bias_v: Any
    in_proj_bias: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")

        def parameter(*shape: int) -> Parameter:
            return Parameter(functions.empty(shape, device=device, dtype=dtype))

        separate = {"q_proj_weight": embed_dim, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in separate:
                self.register_parameter(name, None)
        else:
            for name, width in separate.items():
                setattr(self, name, parameter(embed_dim, width))
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = parameter(3 * embed_dim)
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k, self.bias_v = parameter(1, 1, embed_dim), parameter(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        names = ("in_proj_weight",) if self._qkv_same_embed_dim else ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        for name in names:
            init.xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def merge_masks(self, attn_mask: Any, key_padding_mask: Any, query: Any) -> tuple[Any, int | None]:
        """Return the sum of two masks as (N, heads, L, L) and its kind: 0, 1 or 2, as PyTorch's fast path counts them.

        ``query`` is (N, L, E). A padding mask alone stays as it is, of kind 1; without masks there are two Nones.
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        n, length, _ = query.shape
        if attn_mask.dim() == 3:
            merged = attn_mask.view(n, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(n, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            merged = merged + key_padding_mask.view(n, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return merged, 2

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        if self._takes_fast_path(query, key, value, attn_mask, key_padding_mask):
            return attend_to_itself(
                query, self.num_heads, (self.in_proj_weight, self.in_proj_bias),
                (self.out_proj.weight, self.out_proj.bias), attn_mask, key_padding_mask, need_weights,
                average_attn_weights,
            )  # fmt: skip
        turned = self.batch_first and query.dim() == 3
        if turned:
            # one tensor stays one, so that it is projected once
            same, both = key is value, query is key
            query = query.transpose(0, 1)
            key = query if both else key.transpose(0, 1)
            value = key if same else value.transpose(0, 1)
        separate: dict[str, Any] = {}
        if not self._qkv_same_embed_dim:
            names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
            separate = {"use_separate_proj_weight": True, **{name: getattr(self, name) for name in names}}
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            average_attn_weights=average_attn_weights, is_causal=is_causal, **separate,
        )  # fmt: skip
        return out.transpose(0, 1) if turned else out, weights

    def _takes_fast_path(self, query: Any, key: Any, value: Any, attn_mask: Any, padding: Any) -> bool:
        """Return whether PyTorch takes its fast path, which tells by strides and by rows that are masked as a whole."""
        if self.training or not self.batch_first or not get_fastpath_enabled() or is_autocast_enabled():
            return False
        if key is not query or value is not query or query.dim() != 3 or not self._qkv_same_embed_dim:
            return False
        if self.num_heads % 2 or self.bias_k is not None or self.add_zero_attn or self.in_proj_bias is None:
            return False
        masks = [mask for mask in (attn_mask, padding) if mask is not None]
        if any(mask.is_floating_point() for mask in masks):
            return False
        if any(mask.device != query.device for mask in masks):
            return False
        own = (query, self.in_proj_weight, self.in_proj_bias, self.out_proj.weight, self.out_proj.bias)
        if any(t.dtype is not query.dtype or t.device != query.device for t in own):
            return False
        return not (is_grad_enabled() and any(t.requires_grad for t in own))
