"""ConvNeXt (Z. Liu et al., A ConvNet for the 2020s, 2022).

Source: https://docs.pytorch.org/vision/0.28/models/convnext.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.common import cut_normal
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv2dNormActivation, Permute
from cltorch.vision.ops.stochastic_depth import StochasticDepth


class LayerNorm2d(nn.LayerNorm):
    """Normalise the channels of each pixel of [N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlockConfig(NamedTuple):
    """The channels of a stage, those of the next (None for the last), and how many blocks there are."""

    input_channels: int
    out_channels: int | None
    num_layers: int


class CNBlock(nn.Module):
    """A 7x7 convolution of each channel and two linear layers, scaled by learnt weights and added to the input."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim), Permute([0, 2, 3, 1]), norm(dim), nn.Linear(dim, 4 * dim),
            nn.GELU(), nn.Linear(4 * dim, dim), Permute([0, 3, 1, 2]),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(functions.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class ConvNeXt(nn.Module):
    """Stages of ``CNBlock``, with a convolution of stride 2 between them.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, block_setting: Sequence[CNBlockConfig], stochastic_depth_prob: float = 0.0, layer_scale: float = 1e-6,
        num_classes: int = 1000, block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        block, norm = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3, block_setting[0].input_channels, 4, 4, 0, norm_layer=norm, activation_layer=None, bias=True
            )
        ]
        total, done = sum(cnf.num_layers for cnf in block_setting), 0
        for cnf in block_setting:
            stage = []
            for _ in range(cnf.num_layers):
                stage.append(block(cnf.input_channels, layer_scale, stochastic_depth_prob * done / (total - 1.0)))
                done += 1
            layers.append(nn.Sequential(*stage))
            if cnf.out_channels is not None:
                down = nn.Conv2d(cnf.input_channels, cnf.out_channels, 2, stride=2)
                layers.append(nn.Sequential(norm(cnf.input_channels), down))
        last = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(last), nn.Flatten(1), nn.Linear(last, num_classes))
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                cut_normal(m)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(
    name: str, widths: Sequence[int], depths: Sequence[int], depth_prob: float, weights: Any, options: Any
) -> ConvNeXt:
    setting = [CNBlockConfig(w, after, n) for w, after, n in zip(widths, [*widths[1:], None], depths, strict=True)]
    make = partial(ConvNeXt, setting, options.pop("stochastic_depth_prob", depth_prob))
    model: ConvNeXt = build(name, make, weights, options)
    return model


@network
def convnext_tiny(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """Return ConvNeXt-T; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _convnext("convnext_tiny", (96, 192, 384, 768), (3, 3, 9, 3), 0.1, weights, kwargs)


@network
def convnext_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """Return ConvNeXt-S; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _convnext("convnext_small", (96, 192, 384, 768), (3, 3, 27, 3), 0.4, weights, kwargs)


@network
def convnext_base(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """Return ConvNeXt-B; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _convnext("convnext_base", (128, 256, 512, 1024), (3, 3, 27, 3), 0.5, weights, kwargs)


@network
def convnext_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """Return ConvNeXt-L; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _convnext("convnext_large", (192, 384, 768, 1536), (3, 3, 27, 3), 0.5, weights, kwargs)


__getattr__ = attributes(__name__)
