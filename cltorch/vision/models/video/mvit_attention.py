"""Attention over elements pooled over time and image: what Multiscale Vision Transformers are made of.

Source: https://arxiv.org/abs/2104.11227; https://arxiv.org/abs/2112.01526
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.fx import wrap
from cltorch.nn import functional as F
from cltorch.tensor import Tensor

Norm = Callable[..., nn.Module]
Size = tuple[int, int, int]


@dataclass
class MSBlockConfig:
    """What one block is: heads, channels, and windows and strides in which queries, and keys and values, are pooled."""

    num_heads: int
    input_channels: int
    output_channels: int
    kernel_q: list[int]
    kernel_kv: list[int]
    stride_q: list[int]
    stride_kv: list[int]


def _with_heads(x: Tensor) -> tuple[Tensor, bool]:
    """Return [N, heads, elements, C] and whether the heads were missing; raise ValueError for other shapes."""
    if x.dim() == 3:
        return x.unsqueeze(1), True
    if x.dim() != 4:
        raise ValueError(f"Unsupported input dimension {x.shape}")
    return x, False


def _without_heads(x: Tensor, were_missing: bool) -> Tensor:
    return x.squeeze(1) if were_missing else x


class Pool(nn.Module):
    """Pool elements [N, heads, 1 + T H W, C] or [N, 1 + T H W, C] but the first, the class's."""

    def __init__(
        self, pool: nn.Module, norm: nn.Module | None, activation: nn.Module | None = None,
        norm_before_pool: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pool = pool
        layers = [layer for layer in (norm, activation) if layer is not None]
        self.norm_act = nn.Sequential(*layers) if layers else None
        self.norm_before_pool = norm_before_pool

    def forward(self, x: Tensor, thw: Size) -> tuple[Tensor, Size]:
        """Return the pooled elements and how many there are in time and image."""
        x, headless = _with_heads(x)
        first, x = functions.tensor_split(x, (1,), dim=2)
        x = x.transpose(2, 3)
        n, heads, c = x.shape[:3]
        x = x.reshape((n * heads, c) + thw).contiguous()
        if self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        x = self.pool(x)
        t, h, w = x.shape[2:]
        x = functions.cat((first, x.reshape(n, heads, c, -1).transpose(2, 3)), dim=2)
        if not self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        return _without_heads(x, headless), (t, h, w)


def _between(table: Tensor, queries: int, keys: int) -> Tensor:
    """Return what a table of distances says for each query and key of one axis, [queries, keys, C]."""
    most = 2 * max(queries, keys) - 1
    if table.shape[0] != most:
        table = F.interpolate(table.permute(1, 0)[None], size=most, mode="linear")[0].permute(1, 0)
    q, k = functions.arange(queries, device=table.device), functions.arange(keys, device=table.device)
    far = q[:, None] * max(keys / queries, 1.0) - (k[None, :] + (1.0 - keys)) * max(queries / keys, 1.0)
    return table[far.long()]


def _add_rel_pos(
    scores: Tensor, q: Tensor, q_thw: Size, k_thw: Size, rel_pos_h: Tensor, rel_pos_w: Tensor, rel_pos_t: Tensor
) -> Tensor:
    """Return scores [N, heads, 1 + T H W, 1 + T' H' W'] with what the distances say to each query added."""
    n, heads, _, c = q.shape
    moved = q[:, :, 1:].reshape(n, heads, *q_thw, c)
    over_time, down, across = (
        _between(table, a, b) for table, a, b in zip((rel_pos_t, rel_pos_h, rel_pos_w), q_thw, k_thw, strict=True)
    )
    total = (
        functions.einsum("bnthwc,tkc->bnthwk", moved, over_time)[..., :, None, None]
        + functions.einsum("bnthwc,hkc->bnthwk", moved, down)[..., None, :, None]
        + functions.einsum("bnthwc,wkc->bnthwk", moved, across)[..., None, None, :]
    )
    return scores + F.pad(total.reshape(n, heads, math.prod(q_thw), math.prod(k_thw)), (1, 0, 1, 0))


def _add_shortcut(x: Tensor, shortcut: Tensor, residual_with_cls_embed: bool) -> Tensor:
    """Return x with the queries added, the class's only where asked."""
    if residual_with_cls_embed:
        return x + shortcut
    return functions.cat((x[:, :, :1], x[:, :, 1:] + shortcut[:, :, 1:]), dim=2)


# nodes of their own where the network is traced: how they go on depends on sizes
for _name in ("_with_heads", "_without_heads", "_add_rel_pos", "_add_shortcut"):
    wrap(_name)


class MultiscaleAttention(nn.Module):
    """Attention of several heads whose queries, keys and values are pooled; arguments as of ``MViT``."""

    def __init__(
        self, input_size: list[int], embed_dim: int, output_dim: int, num_heads: int, kernel_q: list[int],
        kernel_kv: list[int], stride_q: list[int], stride_kv: list[int], residual_pool: bool,
        residual_with_cls_embed: bool, rel_pos_embed: bool, dropout: float = 0.0, norm_layer: Norm = nn.LayerNorm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed_dim, self.output_dim, self.num_heads = embed_dim, output_dim, num_heads
        self.head_dim = width = output_dim // num_heads
        self.scaler = 1.0 / math.sqrt(width)
        self.residual_pool, self.residual_with_cls_embed = residual_pool, residual_with_cls_embed
        self.qkv = nn.Linear(embed_dim, 3 * output_dim)
        layers: list[nn.Module] = [nn.Linear(output_dim, output_dim)]
        if dropout > 0.0:
            layers.append(nn.Dropout(dropout, inplace=True))
        self.project = nn.Sequential(*layers)

        def pool(kernel: list[int], stride: list[int]) -> Pool | None:
            if math.prod(kernel) <= 1 and math.prod(stride) <= 1:
                return None
            padding = [k // 2 for k in kernel]
            convolution = nn.Conv3d(
                width, width, tuple(kernel), stride=tuple(stride), padding=tuple(padding), groups=width, bias=False
            )
            return Pool(convolution, norm_layer(width))

        self.pool_q = pool(kernel_q, stride_q)
        self.pool_k = pool(kernel_kv, stride_kv)
        self.pool_v = pool(kernel_kv, stride_kv)
        self.rel_pos_h: nn.Parameter | None = None
        self.rel_pos_w: nn.Parameter | None = None
        self.rel_pos_t: nn.Parameter | None = None
        if rel_pos_embed:
            size = max(input_size[1:])
            most = max(size // stride[1] if stride else size for stride in (stride_q, stride_kv))
            self.rel_pos_h = nn.Parameter(functions.zeros(2 * most - 1, width))
            self.rel_pos_w = nn.Parameter(functions.zeros(2 * most - 1, width))
            self.rel_pos_t = nn.Parameter(functions.zeros(2 * input_size[0] - 1, width))
            for table in (self.rel_pos_h, self.rel_pos_w, self.rel_pos_t):
                nn.init.trunc_normal_(table, std=0.02)

    def forward(self, x: Tensor, thw: Size) -> tuple[Tensor, Size]:
        """Return the elements [N, 1 + T H W, output_dim] and how many there are in time and image."""
        n, count, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, count, 3, self.num_heads, self.head_dim).transpose(1, 3).unbind(dim=2)
        k_thw = thw
        if self.pool_k is not None:
            k, k_thw = self.pool_k(k, thw)
        if self.pool_v is not None:
            v = self.pool_v(v, thw)[0]
        if self.pool_q is not None:
            q, thw = self.pool_q(q, thw)
        scores = functions.matmul(self.scaler * q, k.transpose(2, 3))
        if self.rel_pos_h is not None and self.rel_pos_w is not None and self.rel_pos_t is not None:
            scores = _add_rel_pos(scores, q, thw, k_thw, self.rel_pos_h, self.rel_pos_w, self.rel_pos_t)
        x = functions.matmul(scores.softmax(dim=-1), v)
        if self.residual_pool:
            x = _add_shortcut(x, q, self.residual_with_cls_embed)
        return self.project(x.transpose(1, 2).reshape(n, -1, self.output_dim)), thw
