"""Swin Transformer and its second version (Z. Liu et al., 2021 and 2022).

Source: https://docs.pytorch.org/vision/0.28/models/swin_transformer.html; https://arxiv.org/abs/2103.14030;
https://arxiv.org/abs/2111.09883
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.common import cut_normal
from cltorch.vision.models.swin_attention import ShiftedWindowAttention, ShiftedWindowAttentionV2
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import MLP, Permute
from cltorch.vision.ops.stochastic_depth import StochasticDepth

_Block = Callable[..., nn.Module]


def _neighbours(x: Tensor) -> Tensor:
    """Join the channels of each 2x2 pixels of [..., H, W, C]; odd sizes are padded."""
    height, width = x.shape[-3:-1]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    return functions.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)


class PatchMerging(nn.Module):
    """Halve the resolution of [..., H, W, C] and double the channels: normalise, then a linear layer."""

    def __init__(self, dim: int, norm_layer: _Block = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., H/2, W/2, 2C]."""
        return self.reduction(self.norm(_neighbours(x)))


class PatchMergingV2(nn.Module):
    """Halve the resolution of [..., H, W, C] and double the channels: a linear layer, then normalise."""

    def __init__(self, dim: int, norm_layer: _Block = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., H/2, W/2, 2C]."""
        return self.norm(self.reduction(_neighbours(x)))


class SwinTransformerBlock(nn.Module):
    """Attention within windows and two linear layers, each behind a normalisation and added to its input."""

    def __init__(
        self, dim: int, num_heads: int, window_size: list[int], shift_size: list[int], mlp_ratio: float = 4.0,
        dropout: float = 0.0, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        norm_layer: _Block = nn.LayerNorm, attn_layer: _Block = ShiftedWindowAttention,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for m in self.mlp.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.normal_(m.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, H, W, C]."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """Attention by cosine within windows and two linear layers, each before a normalisation."""

    def __init__(
        self, dim: int, num_heads: int, window_size: list[int], shift_size: list[int], mlp_ratio: float = 4.0,
        dropout: float = 0.0, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        norm_layer: _Block = nn.LayerNorm, attn_layer: _Block = ShiftedWindowAttentionV2,
    ) -> None:  # fmt: skip
        super().__init__(
            dim, num_heads, window_size, shift_size, mlp_ratio, dropout, attention_dropout, stochastic_depth_prob,
            norm_layer, attn_layer,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, H, W, C]."""
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


def stages(
    block: _Block, downsample_layer: _Block, width: int, depths: Sequence[int], num_heads: Sequence[int],
    window_size: list[int], stochastic_depth_prob: float, norm: _Block,
) -> list[nn.Module]:  # fmt: skip
    """Return stages of blocks, whose windows lie shifted in every second one, and what halves the sizes in between.

    ``width`` doubles from stage to stage; the probability of leaving a block out grows from 0 to the one that is given.
    """
    layers: list[nn.Module] = []
    total, done = sum(depths), 0
    for i, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
        dim, stage = width * 2**i, []
        for j in range(depth):
            shift = [0 if j % 2 == 0 else w // 2 for w in window_size]
            drop = stochastic_depth_prob * done / (total - 1)
            stage.append(
                block(
                    dim, heads, window_size=window_size, shift_size=shift, stochastic_depth_prob=drop, norm_layer=norm
                )
            )
            done += 1
        layers.append(nn.Sequential(*stage))
        if i < len(depths) - 1:
            layers.append(downsample_layer(dim, norm))
    return layers


class SwinTransformer(nn.Module):
    """Classify images (N, 3, H, W): stages of attention within windows, with fewer and wider patches each time.

    ``block`` and ``downsample_layer`` are the second version's where they are given so.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, patch_size: list[int], embed_dim: int, depths: Sequence[int], num_heads: Sequence[int],
        window_size: list[int], mlp_ratio: float = 4.0, dropout: float = 0.0, attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1, num_classes: int = 1000, norm_layer: _Block | None = None,
        block: _Block | None = None, downsample_layer: _Block = PatchMerging,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        block, norm = block or SwinTransformerBlock, norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patches = nn.Conv2d(3, embed_dim, tuple(patch_size), stride=tuple(patch_size))
        start = nn.Sequential(patches, Permute([0, 2, 3, 1]), norm(embed_dim))
        make = partial(block, mlp_ratio=mlp_ratio, dropout=dropout, attention_dropout=attention_dropout)
        layers = stages(make, downsample_layer, embed_dim, depths, num_heads, window_size, stochastic_depth_prob, norm)
        self.features = nn.Sequential(start, *layers)
        width = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(width)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(width, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                cut_normal(m)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        return self.head(self.flatten(self.avgpool(self.permute(self.norm(self.features(x))))))


# (width, blocks of the stages, heads of the stages, window, probability of leaving out the last block)
_SIZES: dict[str, tuple[int, tuple[int, ...], tuple[int, ...], int, float]] = {
    "swin_t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 7, 0.2),
    "swin_s": (96, (2, 2, 18, 2), (3, 6, 12, 24), 7, 0.3),
    "swin_b": (128, (2, 2, 18, 2), (4, 8, 16, 32), 7, 0.5),
    "swin_v2_t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 8, 0.2),
    "swin_v2_s": (96, (2, 2, 18, 2), (3, 6, 12, 24), 8, 0.3),
    "swin_v2_b": (128, (2, 2, 18, 2), (4, 8, 16, 32), 8, 0.5),
}


def _define(name: str) -> Any:
    width, depths, heads, window, drop = _SIZES[name]
    second: dict[str, Any] = {}
    if name.startswith("swin_v2"):
        second = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}

    def make(weights: Any, options: dict[str, Any]) -> SwinTransformer:
        network = partial(
            SwinTransformer, [4, 4], width, list(depths), list(heads), [window] * 2, stochastic_depth_prob=drop,
            **second,
        )  # fmt: skip
        model: SwinTransformer = build(name, network, weights, options)
        return model

    return define(name, f"the Swin Transformer {name[5:].replace('_', ' ').upper()}", make)


swin_t, swin_s, swin_b, swin_v2_t, swin_v2_s, swin_v2_b = (_define(name) for name in _SIZES)

__getattr__ = attributes(__name__)
