"""Swin Transformers for clips (Z. Liu et al., Video Swin Transformer, 2021).

Source: https://docs.pytorch.org/vision/0.28/models/video_swin_transformer.html; https://arxiv.org/abs/2106.13230
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.fx import wrap
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.common import cut_normal
from cltorch.vision.models.swin_attention import apart, attend, distances, joined, windows
from cltorch.vision.models.swin_transformer import PatchMerging, SwinTransformerBlock, stages
from cltorch.vision.models.weights import attributes, build

_Block = Callable[..., nn.Module]


def _filled(x: Tensor, multiples: Sequence[int], after: int) -> Tensor:
    """Return x with zeros behind the three axes before the last ``after`` ones, up to whole multiples."""
    sizes = x.shape[x.dim() - 3 - after : x.dim() - after]
    ends = [-size % m for size, m in zip(sizes, multiples, strict=True)]
    return F.pad(x, (0, 0) * after + (0, ends[2], 0, ends[1], 0, ends[0]))


def shifted_window_attention_3d(
    input: Tensor, qkv_weight: Tensor, proj_weight: Tensor, relative_position_bias: Tensor, window_size: list[int],
    num_heads: int, shift_size: list[int], attention_dropout: float = 0.0, dropout: float = 0.0,
    qkv_bias: Tensor | None = None, proj_bias: Tensor | None = None, training: bool = True,
) -> Tensor:  # fmt: skip
    """Let the elements of each window of [N, T, H, W, C] attend to each other; the result has the same shape.

    ``shift_size`` moves the windows, around the edges; elements that lie together only so do not see each other.
    """
    t, h, w, c = input.shape[1:]
    x = _filled(input, window_size, 1)
    sizes = x.shape[1:4]
    if any(shift_size):
        x = functions.roll(x, shifts=tuple(-s for s in shift_size), dims=(1, 2, 3))
    x = windows(x, window_size)
    qkv = F.linear(x, qkv_weight, qkv_bias).reshape(*x.shape[:2], 3, num_heads, c // num_heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    scores = (q * (c // num_heads) ** -0.5) @ k.transpose(-2, -1) + relative_position_bias
    barrier = apart(sizes, window_size, shift_size) if any(shift_size) else None
    x = attend(x, scores, v, barrier, attention_dropout, training)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = joined(x, window_size, sizes)
    if any(shift_size):
        x = functions.roll(x, shifts=tuple(shift_size), dims=(1, 2, 3))
    return x[:, :t, :h, :w, :].contiguous()


def _fitting(
    table: Tensor, index: Tensor, sizes: Sequence[int], window: list[int], shift: list[int]
) -> tuple[list[int], list[int], Tensor]:
    """Return window, shift and bias [1, heads, elements, elements] for clips no larger than the window somewhere."""
    small = [size <= w for size, w in zip(sizes, window, strict=True)]
    window = [size if is_small else w for size, w, is_small in zip(sizes, window, small, strict=True)]
    shift = [0 if is_small else s for s, is_small in zip(shift, small, strict=True)]
    volume = math.prod(window)
    bias = table[index[:volume, :volume].flatten()].reshape(volume, volume, -1)
    return window, shift, bias.permute(2, 0, 1)[None]


# nodes of their own where the network is traced: how they go on depends on sizes
wrap("_filled")
wrap("_fitting")
wrap("shifted_window_attention_3d")


class ShiftedWindowAttention3d(nn.Module):
    """Attention within windows over time and image, with a learnt bias for each distance between two elements."""

    def __init__(
        self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int, qkv_bias: bool = True,
        proj_bias: bool = True, attention_dropout: float = 0.0, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(window_size) != 3 or len(shift_size) != 3:
            raise ValueError("window_size and shift_size must be of length 2")  # as torchvision says
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        count = math.prod(2 * w - 1 for w in window_size)
        self.relative_position_bias_table = nn.Parameter(functions.zeros(count, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", functions.from_numpy(distances(window_size)))

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, T, H, W, C]."""
        _, t, h, w, _ = x.shape
        window, shift, bias = _fitting(
            self.relative_position_bias_table, self.relative_position_index, (t, h, w), self.window_size,
            self.shift_size,
        )  # fmt: skip
        return shifted_window_attention_3d(
            x, self.qkv.weight, self.proj.weight, bias, window, self.num_heads, shift, self.attention_dropout,
            self.dropout, self.qkv.bias, self.proj.bias, self.training,
        )  # fmt: skip


class PatchEmbed3d(nn.Module):
    """Turn patches of clips [N, C, T, H, W] into vectors [N, T', H', W', embed_dim]; the last ones are filled up."""

    def __init__(
        self, patch_size: list[int], in_channels: int = 3, embed_dim: int = 96, norm_layer: _Block | None = None
    ) -> None:
        super().__init__()
        self.tuple_patch_size = (patch_size[0], patch_size[1], patch_size[2])
        self.proj = nn.Conv3d(in_channels, embed_dim, self.tuple_patch_size, stride=self.tuple_patch_size)
        self.norm = nn.Identity() if norm_layer is None else norm_layer(embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors."""
        return self.norm(self.proj(_filled(x, self.tuple_patch_size, 0)).permute(0, 2, 3, 4, 1))


class SwinTransformer3d(nn.Module):
    """Classify clips (N, 3, T, H, W): stages of attention within windows, with fewer and wider patches each time.

    Source: https://docs.pytorch.org/vision/0.28/models/video_swin_transformer.html
    """

    def __init__(
        self, patch_size: list[int], embed_dim: int, depths: Sequence[int], num_heads: Sequence[int],
        window_size: list[int], mlp_ratio: float = 4.0, dropout: float = 0.0, attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1, num_classes: int = 400, norm_layer: _Block | None = None,
        block: _Block | None = None, downsample_layer: _Block = PatchMerging, patch_embed: _Block | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        block, norm = block or SwinTransformerBlock, norm_layer or partial(nn.LayerNorm, eps=1e-5)
        self.patch_embed = (patch_embed or PatchEmbed3d)(patch_size=patch_size, embed_dim=embed_dim, norm_layer=norm)
        self.pos_drop = nn.Dropout(p=dropout)
        make = partial(
            block, mlp_ratio=mlp_ratio, dropout=dropout, attention_dropout=attention_dropout,
            attn_layer=ShiftedWindowAttention3d,
        )  # fmt: skip
        self.features = nn.Sequential(
            *stages(make, downsample_layer, embed_dim, depths, num_heads, window_size, stochastic_depth_prob, norm)
        )
        self.num_features = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(self.num_features)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(self.num_features, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                cut_normal(m)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        x = self.norm(self.features(self.pos_drop(self.patch_embed(x))))
        return self.head(self.avgpool(x.permute(0, 4, 1, 2, 3)).flatten(1))


def _swin(name: str, width: int, third: int, heads: int, weights: Any, options: dict[str, Any]) -> SwinTransformer3d:
    make = partial(
        SwinTransformer3d, [2, 4, 4], width, [2, 2, third, 2], [heads, 2 * heads, 4 * heads, 8 * heads], [8, 7, 7],
        stochastic_depth_prob=0.1,
    )  # fmt: skip
    model: SwinTransformer3d = build(name, make, weights, options)
    return model


@network
def swin3d_t(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SwinTransformer3d:
    """Return the tiny Swin Transformer for clips; arguments as of ``resnet18``."""
    return _swin("swin3d_t", 96, 6, 3, weights, kwargs)


@network
def swin3d_s(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SwinTransformer3d:
    """Return the small Swin Transformer for clips; arguments as of ``resnet18``."""
    return _swin("swin3d_s", 96, 18, 3, weights, kwargs)


@network
def swin3d_b(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SwinTransformer3d:
    """Return the base Swin Transformer for clips; arguments as of ``resnet18``."""
    return _swin("swin3d_b", 128, 18, 4, weights, kwargs)


__getattr__ = attributes(__name__)
