"""The Transformer: encoder and decoder layers, their stacks, and both together.

Source: https://docs.pytorch.org/docs/2.13/nn.html#transformer-layers
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

from cltorch.amp.settings import is_autocast_enabled
from cltorch.autograd import is_grad_enabled
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.functional.attention import canonical_mask, no_key_is_no_number
from cltorch.nn.modules.activation import GELU, ReLU
from cltorch.nn.modules.container import ModuleList
from cltorch.nn.modules.dropout import Dropout
from cltorch.nn.modules.fast_path import get_fastpath_enabled
from cltorch.nn.modules.linear import Linear
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.multihead import MultiheadAttention
from cltorch.nn.modules.normalization import LayerNorm
from cltorch.ops.fallback import callers_level

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Any], Any]


def _get_activation_fn(activation: Any) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)


def _get_clones(module: Module, N: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(N)])


def _generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
    return functions.triu(functions.full((sz, sz), -math.inf, device=device, dtype=dtype), 1)


def _masks(x: Any, mask: Any, padding: Any, mask_name: str, padding_name: str) -> tuple[Any, Any]:
    """Return both masks as numbers to add."""
    other = None if mask is None else mask.dtype
    padding = canonical_mask(padding, padding_name, other, mask_name, x.dtype)
    return canonical_mask(mask, mask_name, None, "", x.dtype, False), padding


class TransformerEncoderLayer(Module):
    """Apply self-attention and a feed-forward network, each with dropout, a residual and layer normalisation.

    x = norm1(x + attention(x)), x = norm2(x + linear2(activation(linear1(x)))); with ``norm_first`` each normalises its
    input instead.
    Shape: (S, N, d_model), or (N, S, d_model) with ``batch_first``, to the same.
    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.TransformerEncoderLayer.html

    >>> import cltorch as torch
    >>> torch.nn.TransformerEncoderLayer(d_model=16, nhead=2)(torch.rand(10, 3, 16)).shape
    torch.Size([10, 3, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **where)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **where)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _get_activation_fn(activation)
        is_relu = self.activation is F.relu or isinstance(activation, ReLU)
        is_gelu = self.activation is F.gelu or isinstance(activation, GELU)
        self.activation_relu_or_gelu = 1 if is_relu else 2 * is_gelu

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        mask, padding = _masks(src, src_mask, src_key_padding_mask, "src_mask", "src_key_padding_mask")
        hinted = is_causal and padding is None  # the causal mask leaves a key to every row
        if (mask is not None or padding is not None) and not hinted and self._takes_fast_path(src):
            mask, padding = self._masks_with_holes(mask, padding, src)
            is_causal = False
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _takes_fast_path(self, src: Any) -> bool:
        """Return whether PyTorch takes its fast path, where what attends to nothing becomes NaN instead of zero."""
        if self.training or src.dim() != 3 or not get_fastpath_enabled() or is_autocast_enabled():
            return False
        if _why_not_fast(self) or any(m._forward_hooks or m._forward_pre_hooks for m in self.modules()):
            return False
        return not (is_grad_enabled() and any(t.requires_grad for t in (src, *self.parameters())))

    def _masks_with_holes(self, mask: Any, padding: Any, src: Any) -> tuple[Any, Any]:
        """Return masks, as numbers to add, with NaN where they leave a row without any key."""
        if mask is None:
            if padding.shape != src.shape[:2]:
                raise RuntimeError("For mask_type == 1 mask shape should be (B, L)")
            return None, no_key_is_no_number(padding)
        if padding is not None:
            n, length, _ = src.shape
            mask = functions.reshape(self.self_attn.merge_masks(mask, padding, src)[0], (-1, length, length))
        return no_key_is_no_number(mask), None

    def _sa_block(self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False) -> Any:
        x, _ = self.self_attn(
            x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, need_weights=False, is_causal=is_causal
        )
        return self.dropout1(x)

    def _ff_block(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Apply self-attention, attention to the encoder's result and a feed-forward network, each with residual and norm.

    x = norm1(tgt + attention(tgt, tgt)), x = norm2(x + attention(x, memory)), y = norm3(x +
    linear2(activation(linear1(x)))); with ``norm_first`` each normalises its input instead.
    Shape: ``tgt`` (T, N, d_model) and ``memory`` (S, N, d_model), the batch first with ``batch_first``, give that of
    ``tgt``.
    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.TransformerDecoderLayer.html

    >>> import cltorch as torch
    >>> layer = torch.nn.TransformerDecoderLayer(d_model=16, nhead=2)
    >>> layer(torch.rand(7, 3, 16), torch.rand(10, 3, 16)).shape
    torch.Size([7, 3, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **where)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **where)
        self.norm_first = norm_first
        for i in (1, 2, 3):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, **where))
        for i in (1, 2, 3):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _get_activation_fn(activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        x = tgt
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False) -> Any:
        x, _ = self.self_attn(
            x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal, need_weights=False
        )
        return self.dropout1(x)

    def _mha_block(self, x: Any, mem: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False) -> Any:
        x, _ = self.multihead_attn(
            x, mem, mem, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal, need_weights=False
        )
        return self.dropout2(x)

    def _ff_block(self, x: Any) -> Any:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Apply copies of an encoder layer one after another, then ``norm`` where given.

    y = norm(layer_n(… layer_1(src) …)).
    Where PyTorch would compute with nested tensors (``enable_nested_tensor``, in evaluation, without gradients and with
    a padding mask that is False first and True then), the places that the mask leaves out are zero before ``norm``.
    Whether a mask is the causal one is not looked up in its numbers, which would wait for the device: ``is_causal``
    says so. Warns where the layer rules nested tensors out.
    Shape: (S, N, E), or (N, S, E) with ``batch_first``, to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.TransformerEncoder.html

    >>> import cltorch as torch
    >>> layer = torch.nn.TransformerEncoderLayer(d_model=16, nhead=2)
    >>> torch.nn.TransformerEncoder(layer, num_layers=2)(torch.rand(10, 3, 16)).shape
    torch.Size([10, 3, 16])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        why_not = _why_not_nested(encoder_layer)
        self.use_nested_tensor = enable_nested_tensor and not why_not
        if enable_nested_tensor and why_not:
            warnings.warn(
                f"enable_nested_tensor is True, but self.use_nested_tensor is False because {why_not}",
                stacklevel=callers_level(),
            )

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        mask, padding = _masks(src, mask, src_key_padding_mask, "mask", "src_key_padding_mask")
        if self._may_leave_out(src, padding) and padding.shape != src.shape[:2]:
            raise RuntimeError("Mask size should match input size")
        out = src
        for layer in self.layers:
            out = layer(out, src_mask=mask, is_causal=is_causal is True, src_key_padding_mask=padding)
        if self._leaves_out(src, mask, padding):
            left = padding < 0
            aligned = functions.all(left[:, 1:] >= left[:, :-1])  # stays on the device: nothing waits for it
            out = functions.masked_fill(out, functions.unsqueeze(left & aligned, -1), 0.0)
        return out if self.norm is None else self.norm(out)

    def _may_leave_out(self, src: Any, padding: Any) -> bool:
        """Return whether PyTorch looks at a mask of padded keys for a nested tensor."""
        if not getattr(self, "use_nested_tensor", False) or not get_fastpath_enabled() or self.layers[0].training:
            return False
        return src.dim() == 3 and padding is not None

    def _leaves_out(self, src: Any, mask: Any, padding: Any) -> bool:
        """Return whether PyTorch computes a batch with nested tensors, which have no places for what a mask hides."""
        first: Any = self.layers[0]
        if not self._may_leave_out(src, padding) or mask is not None or is_autocast_enabled():
            return False
        return not (is_grad_enabled() and any(t.requires_grad for t in (src, *first.parameters())))


def _why_not_nested(layer: Any) -> str:
    """Return which property of an encoder's layer rules nested tensors out in PyTorch, or nothing."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "encoder_layer was not TransformerEncoderLayer"
    if layer.norm_first:
        return "encoder_layer.norm_first was True"
    return _why_not_fast(layer)


def _why_not_fast(layer: Any) -> str:
    """Return which property of an encoder's layer rules PyTorch's fast path out, or nothing."""
    attention = layer.self_attn
    reasons = (
        (
            not attention.batch_first,
            "self_attn.batch_first was not True(use batch_first for better inference performance)",
        ),
        (not attention._qkv_same_embed_dim, "self_attn._qkv_same_embed_dim was not True"),
        (attention.in_proj_bias is None, "self_attn was passed bias=False"),
        (not layer.activation_relu_or_gelu, "activation_relu_or_gelu was not True"),
        (layer.norm1.eps != layer.norm2.eps, "norm1.eps was not equal to encoder_layer.norm2.eps"),
        (attention.num_heads % 2 == 1, "self_attn.num_heads is odd"),
    )
    return next((f"encoder_layer.{reason}" for holds, reason in reasons if holds), "")


class TransformerDecoder(Module):
    """Apply copies of a decoder layer one after another, then ``norm`` where given.

    y = norm(layer_n(… layer_1(tgt, memory) …, memory)).
    Shape: tgt (T, N, E) and memory (S, N, E), the batch first with ``batch_first``, to that of tgt.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.TransformerDecoder.html

    >>> import cltorch as torch
    >>> layer = torch.nn.TransformerDecoderLayer(d_model=8, nhead=2)
    >>> torch.nn.TransformerDecoder(layer, 2)(torch.rand(3, 1, 8), torch.rand(5, 1, 8)).shape
    torch.Size([3, 1, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        out = tgt
        for layer in self.layers:
            out = layer(
                out, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal is True,
                memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """Map a source and a target sequence to one of the target's shape: an encoder, and a decoder that attends to it.

    y = decoder(tgt, encoder(src)), each with a LayerNorm at its end.
    Shape: ``src`` (S, N, d_model) and ``tgt`` (T, N, d_model), the batch first with ``batch_first``, give (T, N,
    d_model). Raises RuntimeError where batches or widths differ.
    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Transformer.html

    >>> import cltorch as torch
    >>> model = torch.nn.Transformer(16, 2, 1, 1, 32)
    >>> model(torch.rand(10, 3, 16), torch.rand(7, 3, 16)).shape
    torch.Size([7, 3, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        each = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            norm = LayerNorm(d_model, eps=layer_norm_eps, **where)
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*each, **where), num_encoder_layers, norm)
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            norm = LayerNorm(d_model, eps=layer_norm_eps, **where)
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*each, **where), num_decoder_layers, norm)
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        if src.dim() == 3:
            batch = 0 if self.batch_first else 1
            if src.size(batch) != tgt.size(batch):
                raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """Return the causal mask (sz, sz): -inf above the diagonal, 0 elsewhere.

        >>> import cltorch as torch
        >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _generate_square_subsequent_mask(sz, device, dtype)

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)
