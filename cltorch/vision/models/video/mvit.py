"""Multiscale Vision Transformers (H. Fan et al., 2021) and their second version (Y. Li et al., 2022).

Source: https://docs.pytorch.org/vision/0.28/models/video_mvit.html; https://arxiv.org/abs/2104.11227;
https://arxiv.org/abs/2112.01526
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.fx import wrap
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.common import cut_normal
from cltorch.vision.models.video.mvit_attention import MSBlockConfig, MultiscaleAttention, Norm, Pool, Size
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import MLP
from cltorch.vision.ops.stochastic_depth import StochasticDepth


class MultiscaleBlock(nn.Module):
    """Attention and two linear layers, each behind a normalisation and added to what came in, pooled alike."""

    def __init__(
        self, input_size: list[int], cnf: MSBlockConfig, residual_pool: bool, residual_with_cls_embed: bool,
        rel_pos_embed: bool, proj_after_attn: bool, dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        norm_layer: Norm = nn.LayerNorm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.proj_after_attn = proj_after_attn
        self.pool_skip: nn.Module | None = None
        if any(s > 1 for s in cnf.stride_q):
            window = [s + 1 if s > 1 else s for s in cnf.stride_q]
            self.pool_skip = Pool(nn.MaxPool3d(window, cnf.stride_q, [w // 2 for w in window]), None)
        width = cnf.output_channels if proj_after_attn else cnf.input_channels
        self.norm1 = norm_layer(cnf.input_channels)
        self.norm2 = norm_layer(width)
        self.needs_transposal = isinstance(self.norm1, nn.BatchNorm1d)
        self.attn = MultiscaleAttention(
            input_size, cnf.input_channels, width, cnf.num_heads, cnf.kernel_q, cnf.kernel_kv, cnf.stride_q,
            cnf.stride_kv, residual_pool, residual_with_cls_embed, rel_pos_embed, dropout, norm_layer,
        )  # fmt: skip
        self.mlp = MLP(
            width, [4 * width, cnf.output_channels], activation_layer=nn.GELU, dropout=dropout, inplace=None
        )  # fmt: skip
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.project: nn.Module | None = None
        if cnf.input_channels != cnf.output_channels:
            self.project = nn.Linear(cnf.input_channels, cnf.output_channels)

    def _normalised(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x.transpose(1, 2)).transpose(1, 2) if self.needs_transposal else norm(x)

    def forward(self, x: Tensor, thw: Size) -> tuple[Tensor, Size]:
        """Return the elements [N, 1 + T H W, C], the class's first, and how many there are in time and image."""
        normal = self._normalised(self.norm1, x)
        found, size = self.attn(normal, thw)
        if self.project is not None and self.proj_after_attn:
            x = self.project(normal)
        if self.pool_skip is not None:
            x = self.pool_skip(x, thw)[0]
        x = x + self.stochastic_depth(found)
        normal = self._normalised(self.norm2, x)
        if self.project is not None and not self.proj_after_attn:
            x = self.project(normal)
        return x + self.stochastic_depth(self.mlp(normal)), size


class PositionalEncoding(nn.Module):
    """Put the class's element before the others, and unless the attention does it, add what tells places apart."""

    def __init__(self, embed_size: int, spatial_size: tuple[int, int], temporal_size: int, rel_pos_embed: bool) -> None:
        super().__init__()
        self.spatial_size, self.temporal_size = spatial_size, temporal_size
        self.class_token = nn.Parameter(functions.zeros(embed_size))
        self.spatial_pos: nn.Parameter | None = None
        self.temporal_pos: nn.Parameter | None = None
        self.class_pos: nn.Parameter | None = None
        if not rel_pos_embed:
            self.spatial_pos = nn.Parameter(functions.zeros(spatial_size[0] * spatial_size[1], embed_size))
            self.temporal_pos = nn.Parameter(functions.zeros(temporal_size, embed_size))
            self.class_pos = nn.Parameter(functions.zeros(embed_size))

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, 1 + T H W, C]."""
        x = functions.cat((self.class_token.expand(x.size(0), -1).unsqueeze(1), x), dim=1)
        if self.spatial_pos is None or self.temporal_pos is None or self.class_pos is None:
            return x
        places = (self.temporal_pos[:, None] + self.spatial_pos[None]).flatten(0, 1)
        return x + functions.cat((self.class_pos[None], places))


def _as_clip(x: Tensor) -> Tensor:
    """Return [N, C, T, H, W]; images [N, C, H, W] are clips of one. Raises ValueError for other shapes."""
    if x.dim() == 4:
        return x.unsqueeze(2)
    if x.dim() != 5:
        raise ValueError(f"Unsupported input dimension {x.shape}")
    return x


wrap("_as_clip")


class MViT(nn.Module):
    """Classify clips (N, 3, T, H, W): attention over elements that become fewer and wider from stage to stage.

    ``spatial_size`` and ``temporal_size`` are the clips'; ``block_setting`` has a MSBlockConfig for each block. The
    queries are added to the result where ``residual_pool``, the class's too where ``residual_with_cls_embed``;
    ``rel_pos_embed`` adds what distances between elements say; ``proj_after_attn`` widens in the attention rather
    than behind it. Raises ValueError for no blocks.
    Source: https://docs.pytorch.org/vision/0.28/models/video_mvit.html
    """

    def __init__(
        self, spatial_size: tuple[int, int], temporal_size: int, block_setting: Sequence[MSBlockConfig],
        residual_pool: bool, residual_with_cls_embed: bool, rel_pos_embed: bool, proj_after_attn: bool,
        dropout: float = 0.5, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        num_classes: int = 400, block: Callable[..., nn.Module] | None = None, norm_layer: Norm | None = None,
        patch_embed_kernel: Size = (3, 7, 7), patch_embed_stride: Size = (2, 4, 4),
        patch_embed_padding: Size = (1, 3, 3),
    ) -> None:  # fmt: skip
        super().__init__()
        if len(block_setting) == 0:
            raise ValueError("The configuration parameter can't be empty.")
        block, norm = block or MultiscaleBlock, norm_layer or partial(nn.LayerNorm, eps=1e-6)
        first, last = block_setting[0].input_channels, block_setting[-1].output_channels
        self.conv_proj = nn.Conv3d(3, first, patch_embed_kernel, patch_embed_stride, patch_embed_padding)
        size = [n // s for n, s in zip((temporal_size, *spatial_size), patch_embed_stride, strict=True)]
        self.pos_encoding = PositionalEncoding(first, (size[1], size[2]), size[0], rel_pos_embed)
        self.blocks = nn.ModuleList()
        for i, cnf in enumerate(block_setting):
            self.blocks.append(
                block(
                    input_size=size, cnf=cnf, residual_pool=residual_pool,
                    residual_with_cls_embed=residual_with_cls_embed, rel_pos_embed=rel_pos_embed,
                    proj_after_attn=proj_after_attn, dropout=attention_dropout,
                    stochastic_depth_prob=stochastic_depth_prob * i / (len(block_setting) - 1.0), norm_layer=norm,
                )
            )  # fmt: skip
            size = [n // s for n, s in zip(size, cnf.stride_q or (1, 1, 1), strict=True)]
        self.norm = norm(last)
        self.head = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(last, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Linear):
                cut_normal(m)
            elif isinstance(m, nn.LayerNorm):
                m.reset_parameters()
            elif isinstance(m, PositionalEncoding):
                for weight in m.parameters():
                    nn.init.trunc_normal_(weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        x = self.pos_encoding(self.conv_proj(_as_clip(x)).flatten(2).transpose(1, 2))
        size = (self.pos_encoding.temporal_size, *self.pos_encoding.spatial_size)
        for block in self.blocks:
            x, size = block(x, size)
        return self.head(self.norm(x)[:, 0])


# both networks pool their queries threefold, and keys and values eightfold at first, twofold for each pooled query less
_HEADS = [1, 2, 2, *[4] * 11, 8, 8]
_STRIDES_KV = [[1, s, s] for s in (8, 4, 4, *[2] * 11, 1, 1)]
_POOLING = (1, 3, 14)


def _mvit(name: str, blocks: list[MSBlockConfig], weights: Any, options: dict[str, Any]) -> MViT:
    options = {"spatial_size": (224, 224), "temporal_size": 16, "stochastic_depth_prob": 0.2, **options}
    need = {"spatial_size": lambda meta: meta["min_size"], "temporal_size": lambda meta: meta["min_temporal_size"]}
    model: MViT = build(name, partial(MViT, block_setting=blocks), weights, options, **need)
    return model


@network
def mvit_v1_b(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MViT:
    """Return the base Multiscale Vision Transformer of the first version; arguments as of ``resnet18``."""
    blocks = [
        MSBlockConfig(
            heads, before, after, [3, 3, 3] if i in _POOLING else [], [3, 3, 3], [1, 2, 2] if i in _POOLING else [],
            stride,
        )
        for i, (heads, before, after, stride) in enumerate(
            zip(
                _HEADS, [96, 192, 192, *[384] * 11, 768, 768], [192, 192, *[384] * 11, *[768] * 3], _STRIDES_KV,
                strict=True,
            )
        )
    ]  # fmt: skip
    options = {"rel_pos_embed": False, "proj_after_attn": False, **kwargs}
    return _mvit("mvit_v1_b", blocks, weights, {"residual_pool": False, "residual_with_cls_embed": False, **options})


@network
def mvit_v2_s(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MViT:
    """Return the small Multiscale Vision Transformer of the second version; arguments as of ``resnet18``."""
    blocks = [
        MSBlockConfig(
            heads, before, after, [3, 3, 3], [3, 3, 3], [1, 2, 2] if i in _POOLING else [1, 1, 1], stride
        )
        for i, (heads, before, after, stride) in enumerate(
            zip(
                _HEADS, [96, 96, 192, 192, *[384] * 11, 768], [96, 192, 192, *[384] * 11, 768, 768], _STRIDES_KV,
                strict=True,
            )
        )
    ]  # fmt: skip
    options = {"rel_pos_embed": True, "proj_after_attn": True, **kwargs}
    return _mvit("mvit_v2_s", blocks, weights, {"residual_pool": True, "residual_with_cls_embed": False, **options})


__getattr__ = attributes(__name__)
