"""Vision Transformer (A. Dosovitskiy et al., An Image is Worth 16x16 Words, 2020).

Source: https://docs.pytorch.org/vision/0.28/models/vision_transformer.html
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from cltorch import nn
from cltorch.checks import assert_
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import MLP, Conv2dNormActivation

_NORM = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """What a convolution is that comes before the patches (https://arxiv.org/abs/2106.14881)."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers; weights saved when they were named ``linear_1`` and ``linear_2`` load too."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, dropout=dropout)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.normal_(m.bias, std=1e-6)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        if local_metadata.get("version", 1) < 2:
            for old, new in (("linear_1", "0"), ("linear_2", "3")):
                for kind in ("weight", "bias"):
                    if f"{prefix}{old}.{kind}" in state_dict:
                        state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(f"{prefix}{old}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class EncoderBlock(nn.Module):
    """Attention and two linear layers, each behind a normalisation and added to its input."""

    def __init__(
        self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _NORM,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        assert_(input.dim() == 3, f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Learnt positions, blocks, and a normalisation."""

    def __init__(
        self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
        attention_dropout: float, norm_layer: Callable[..., nn.Module] = _NORM,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pos_embedding = nn.Parameter(functions.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        blocks = OrderedDict(
            (
                f"encoder_layer_{i}",
                EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer),
            )
            for i in range(num_layers)
        )
        self.layers = nn.Sequential(blocks)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        assert_(input.dim() == 3, f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Cut an image into patches, and let them and a token for the class attend to each other.

    ``conv_stem_configs`` are convolutions that make the patches instead of one. Raises AssertionError for a size that
    patches do not fill, and for images of another size.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
        dropout: float = 0.0, attention_dropout: float = 0.0, num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Callable[..., nn.Module] = _NORM, conv_stem_configs: list[ConvStemConfig] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if image_size % patch_size:
            raise AssertionError(f"Input shape indivisible by patch size! {image_size} and {patch_size}")
        self.image_size, self.patch_size, self.hidden_dim, self.mlp_dim = image_size, patch_size, hidden_dim, mlp_dim
        self.dropout, self.attention_dropout, self.num_classes = dropout, attention_dropout, num_classes
        self.representation_size, self.norm_layer = representation_size, norm_layer
        self.conv_proj = _patches(hidden_dim, patch_size, conv_stem_configs)
        self.class_token = nn.Parameter(functions.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        if representation_size is not None:
            nn.init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / hidden_dim))
            nn.init.zeros_(self.heads.pre_logits.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        """Return the patches of images, (N, patches, hidden_dim)."""
        _, _, height, width = x.shape
        assert_(height == self.image_size, f"Wrong image height! Expected {self.image_size} but got {height}!")
        assert_(width == self.image_size, f"Wrong image width! Expected {self.image_size} but got {width}!")
        return self.conv_proj(x).flatten(2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        x = self._process_input(x)
        x = self.encoder(functions.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1))
        return self.heads(x[:, 0])


def _patches(hidden_dim: int, patch_size: int, stem: list[ConvStemConfig] | None) -> nn.Module:
    """Return what turns an image into patches: a convolution, or several and one of one pixel."""
    if stem is None:
        whole = nn.Conv2d(3, hidden_dim, patch_size, stride=patch_size)
        nn.init.trunc_normal_(whole.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        nn.init.zeros_(whole.bias)
        return whole
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before = 3
    for i, config in enumerate(stem):
        layers[f"conv_bn_relu_{i}"] = Conv2dNormActivation(
            before, config.out_channels, config.kernel_size, config.stride, norm_layer=config.norm_layer,
            activation_layer=config.activation_layer,
        )  # fmt: skip
        before = config.out_channels
    last = layers["conv_last"] = nn.Conv2d(before, hidden_dim, 1)
    nn.init.normal_(last.weight, std=math.sqrt(2 / hidden_dim))
    nn.init.zeros_(last.bias)
    return nn.Sequential(layers)


# (patch, layers, heads, width, width of the linear layers)
_SIZES = {
    "vit_b_16": (16, 12, 12, 768, 3072),
    "vit_b_32": (32, 12, 12, 768, 3072),
    "vit_l_16": (16, 24, 16, 1024, 4096),
    "vit_l_32": (32, 24, 16, 1024, 4096),
    "vit_h_14": (14, 32, 16, 1280, 5120),
}


def interpolate_embeddings(
    image_size: int, patch_size: int, model_state: Any, interpolation_mode: str = "bicubic", reset_heads: bool = False
) -> Any:
    """Return a state_dict whose positions are interpolated to images of another size.

    ``reset_heads`` leaves the weights of the heads out, where the size differs. Raises ValueError for positions that
    are not those of a square.
    """
    positions = model_state["encoder.pos_embedding"]
    if positions.shape[0] != 1:
        raise ValueError(f"Unexpected position embedding shape: {positions.shape}")
    count, side = positions.shape[1] - 1, image_size // patch_size
    if side * side == count:
        return model_state
    before = math.isqrt(count)
    if before * before != count:
        raise ValueError(f"seq_length is not a perfect square! Instead got seq_length = {count}")
    grid = positions[:, 1:].permute(0, 2, 1).reshape(1, -1, before, before)
    grid = F.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    found = grid.reshape(1, -1, side * side).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = functions.cat([positions[:, :1], found], dim=1)
    if reset_heads:
        return type(model_state)((key, value) for key, value in model_state.items() if not key.startswith("heads"))
    return model_state


def _define(name: str) -> Any:
    def make(weights: Any, options: dict[str, Any]) -> VisionTransformer:
        def network(image_size: int = 224, **kwargs: Any) -> VisionTransformer:
            return VisionTransformer(image_size, *_SIZES[name], **kwargs)

        model: VisionTransformer = build(name, network, weights, options, image_size=lambda meta: meta["min_size"][0])
        return model

    return define(name, f"the Vision Transformer {name[4:].replace('_', '/').upper()}", make)


vit_b_16, vit_b_32, vit_l_16, vit_l_32, vit_h_14 = (_define(name) for name in _SIZES)

__getattr__ = attributes(__name__)
