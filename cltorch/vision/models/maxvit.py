"""MaxViT: convolutions, attention within windows and attention across a grid (Z. Tu et al., 2022).

Source: https://docs.pytorch.org/vision/0.28/models/maxvit.html; https://arxiv.org/abs/2204.01697
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from cltorch.vision.ops.stochastic_depth import StochasticDepth

_Layer = Callable[..., nn.Module]


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of an image behind a convolution with window 3, stride 2 and padding 1."""
    return (size[0] - 1) // 2 + 1, (size[1] - 1) // 2 + 1


class MBConv(nn.Module):
    """Widen, convolve each channel by itself, scale the channels, narrow; then add the input, fitted to the result."""

    def __init__(
        self, in_channels: int, out_channels: int, expansion_ratio: float, squeeze_ratio: float, stride: int,
        activation_layer: _Layer, norm_layer: _Layer, p_stochastic_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            fit: list[nn.Module] = [nn.AvgPool2d(3, stride, 1)] if stride == 2 else []
            self.proj = nn.Sequential(*fit, nn.Conv2d(in_channels, out_channels, 1))
        self.stochastic_depth = StochasticDepth(p_stochastic_dropout, "row") if p_stochastic_dropout else nn.Identity()
        wide, narrow = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        conv = partial(
            Conv2dNormActivation, activation_layer=activation_layer, norm_layer=norm_layer, inplace=None
        )  # fmt: skip
        self.layers = nn.Sequential(
            OrderedDict(
                pre_norm=norm_layer(in_channels),
                conv_a=conv(in_channels, wide, 1),
                conv_b=conv(wide, wide, 3, stride, groups=wide),
                squeeze_excitation=SqueezeExcitation(wide, narrow, activation=nn.SiLU),
                conv_c=nn.Conv2d(wide, out_channels, 1),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, out_channels, H / stride, W / stride]."""
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Let the ``max_seq_len`` pixels of a square attend to each other, with a learnt bias for each distance."""

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads, self.head_dim = feat_dim // head_dim, head_dim
        self.size, self.max_seq_len = int(math.sqrt(max_seq_len)), max_seq_len
        self.to_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(feat_dim, feat_dim)
        span = 2 * self.size - 1
        self.relative_position_bias_table = nn.Parameter(functions.zeros(span * span, self.n_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        row, column = np.divmod(np.arange(self.size**2), self.size)
        down, right = (at[:, None] - at[None, :] + self.size - 1 for at in (row, column))
        self.register_buffer("relative_position_index", functions.from_numpy(down * span + right))

    def get_relative_positional_bias(self) -> Tensor:
        """Return what is added to the scores, [1, heads, max_seq_len, max_seq_len]."""
        n = self.max_seq_len
        bias = self.relative_position_bias_table[self.relative_position_index.reshape(-1)]
        return bias.reshape(n, n, -1).permute(2, 0, 1)[None]

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, G, P, C], of G squares with P pixels."""
        n, groups, pixels, width = x.shape
        split = self.to_qkv(x).reshape(n, groups, pixels, 3, self.n_heads, self.head_dim)
        q, k, v = split.permute(3, 0, 1, 4, 2, 5).unbind(0)
        scores = q @ (k * self.scale_factor).transpose(-2, -1) + self.get_relative_positional_bias()
        seen = F.softmax(scores, dim=-1) @ v
        return self.merge(seen.transpose(2, 3).reshape(n, groups, pixels, width))


class SwapAxes(nn.Module):
    """Exchange two dimensions."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x: Tensor) -> Tensor:
        return x.swapaxes(self.a, self.b)


class WindowPartition(nn.Module):
    """Cut an image [N, C, H, W] into squares of ``p`` pixels a side: [N, squares, p², C]."""

    def forward(self, x: Tensor, p: int) -> Tensor:
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, (h // p) * (w // p), p * p, c)


class WindowDepartition(nn.Module):
    """Put squares [N, squares, p², C] together to an image [N, C, H, W]."""

    def forward(self, x: Tensor, p: int, h_partitions: int, w_partitions: int) -> Tensor:
        n, _, _, c = x.shape
        x = x.reshape(n, h_partitions, w_partitions, p, p, c).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, c, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention and two linear layers, each added to its input, among the pixels of a part of the image.

    A part is a square of ``partition_size`` pixels a side, or for the type "grid" as many pixels that lie evenly over
    the whole image.
    """

    def __init__(
        self, in_channels: int, head_dim: int, partition_size: int, partition_type: str, grid_size: tuple[int, int],
        mlp_ratio: int, activation_layer: _Layer, norm_layer: _Layer, attention_dropout: float, mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        self.n_heads, self.head_dim = in_channels // head_dim, head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type, self.grid_size = partition_type, grid_size
        grid = partition_type == "grid"
        self.p, self.g = (self.n_partitions, partition_size) if grid else (partition_size, self.n_partitions)
        self.partition_op, self.departition_op = WindowPartition(), WindowDepartition()
        # the squares of a grid are its pixels' places: the other way round, the pixels of one place lie together
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, "row")

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, H, W]; raise AssertionError where the parts do not fill the image."""
        height, width = self.grid_size
        if height % self.p or width % self.p:
            raise AssertionError(
                "Grid size must be divisible by partition size. Got grid size of "
                f"{self.grid_size} and partition size of {self.p}"
            )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, height // self.p, width // self.p)


class MaxVitLayer(nn.Module):
    """Convolutions, then attention within windows, then attention across the grid."""

    def __init__(
        self, in_channels: int, out_channels: int, squeeze_ratio: float, expansion_ratio: float, stride: int,
        norm_layer: _Layer, activation_layer: _Layer, head_dim: int, mlp_ratio: int, mlp_dropout: float,
        attention_dropout: float, p_stochastic_dropout: float, partition_size: int, grid_size: tuple[int, int],
    ) -> None:  # fmt: skip
        super().__init__()
        attention = partial(
            PartitionAttentionLayer, out_channels, head_dim, partition_size, grid_size=grid_size, mlp_ratio=mlp_ratio,
            activation_layer=activation_layer, norm_layer=nn.LayerNorm, attention_dropout=attention_dropout,
            mlp_dropout=mlp_dropout, p_stochastic_dropout=p_stochastic_dropout,
        )  # fmt: skip
        self.layers = nn.Sequential(
            OrderedDict(
                MBconv=MBConv(
                    in_channels, out_channels, expansion_ratio, squeeze_ratio, stride, activation_layer, norm_layer,
                    p_stochastic_dropout,
                ),
                window_attention=attention(partition_type="window"),
                grid_attention=attention(partition_type="grid"),
            )
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, out_channels, H / stride, W / stride]."""
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Layers of one width, of which the first halves the image."""

    def __init__(
        self, in_channels: int, out_channels: int, squeeze_ratio: float, expansion_ratio: float, norm_layer: _Layer,
        activation_layer: _Layer, head_dim: int, mlp_ratio: int, mlp_dropout: float, attention_dropout: float,
        partition_size: int, input_grid_size: tuple[int, int], n_layers: int, p_stochastic: list[float],
    ) -> None:  # fmt: skip
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(f"p_stochastic must have length n_layers={n_layers}, got p_stochastic={p_stochastic}.")
        self.grid_size = _halved(input_grid_size)
        self.layers = nn.ModuleList(
            MaxVitLayer(
                out_channels if i else in_channels, out_channels, squeeze_ratio, expansion_ratio, 1 if i else 2,
                norm_layer, activation_layer, head_dim, mlp_ratio, mlp_dropout, attention_dropout, p, partition_size,
                self.grid_size,
            )
            for i, p in enumerate(p_stochastic)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, out_channels, H / 2, W / 2]."""
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """Classify images (N, 3, *input_size): blocks of convolutions and of attention near by and far away.

    Each of ``block_channels`` and ``block_layers`` is the width and depth of a block, which halves the image. Raises
    ValueError for a size that ``partition_size`` does not divide in every block.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, input_size: tuple[int, int], stem_channels: int, partition_size: int, block_channels: list[int],
        block_layers: list[int], head_dim: int, stochastic_depth_prob: float, norm_layer: _Layer | None = None,
        activation_layer: _Layer = nn.GELU, squeeze_ratio: float = 0.25, expansion_ratio: float = 4,
        mlp_ratio: int = 4, mlp_dropout: float = 0.0, attention_dropout: float = 0.0, num_classes: int = 1000,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        size = _halved(input_size)
        _check_sizes(size, len(block_channels), partition_size)
        self.stem = nn.Sequential(
            Conv2dNormActivation(
                3, stem_channels, 3, stride=2, norm_layer=norm, activation_layer=activation_layer, bias=False,
                inplace=None,
            ),
            Conv2dNormActivation(
                stem_channels, stem_channels, 3, norm_layer=None, activation_layer=None, bias=True
            ),
        )  # fmt: skip
        self.partition_size = partition_size
        drops = np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist()
        self.blocks = nn.ModuleList()
        before = stem_channels
        for width, depth in zip(block_channels, block_layers, strict=True):
            block = MaxVitBlock(
                before, width, squeeze_ratio, expansion_ratio, norm, activation_layer, head_dim, mlp_ratio,
                mlp_dropout, attention_dropout, partition_size, size, depth, drops[:depth],
            )  # fmt: skip
            self.blocks.append(block)
            before, size, drops = width, block.grid_size, drops[depth:]
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(before), nn.Linear(before, before), nn.Tanh(),
            nn.Linear(before, num_classes, bias=False),
        )  # fmt: skip
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _check_sizes(size: tuple[int, int], blocks: int, part: int) -> None:
    sizes = []
    for _ in range(blocks):
        size = _halved(size)
        sizes.append(size)
    for i, (height, width) in enumerate(sizes):
        if height % part or width % part:
            raise ValueError(
                f"Input size {(height, width)} of block {i} is not divisible by partition size {part}. Consider "
                f"changing the partition size or the input size.\nThe blocks have the input sizes {sizes}."
            )


def _tiny(weights: Any, options: dict[str, Any]) -> MaxVit:
    def network(input_size: tuple[int, int] = (224, 224), **kwargs: Any) -> MaxVit:
        return MaxVit(input_size, 64, 7, [64, 128, 256, 512], [2, 2, 5, 2], 32, 0.2, **kwargs)

    model: MaxVit = build("maxvit_t", network, weights, options, input_size=lambda meta: meta["min_size"])
    return model


maxvit_t = define("maxvit_t", "MaxViT, the tiny one", _tiny)

__getattr__ = attributes(__name__)
