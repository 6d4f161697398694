"""RegNet (I. Radosavovic et al., Designing Network Design Spaces, 2020).

Source: https://docs.pytorch.org/vision/0.28/models/regnet.html
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.common import make_divisible
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation


class BlockParams:
    """The stages of a network: blocks, channels, channels in a group, shares of channels within a block, strides.

    ``se_ratio`` is the width of squeeze and excitation as a share of the block's input, None for none.
    """

    def __init__(
        self, depths: list[int], widths: list[int], group_widths: list[int], bottleneck_multipliers: list[float],
        strides: list[int], se_ratio: float | None = None,
    ) -> None:  # fmt: skip
        self.depths, self.widths, self.group_widths = depths, widths, group_widths
        self.bottleneck_multipliers, self.strides, self.se_ratio = bottleneck_multipliers, strides, se_ratio

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int, bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None, **kwargs: Any,
    ) -> BlockParams:  # fmt: skip
        """Return the stages from the parameters of a design; raise ValueError where these are none.

        The channels of block i lie on the line ``w_0 + w_a * i``, rounded to the nearest ``w_0 * w_m**k`` and to a
        multiple of eight and of the groups; blocks of equal channels are a stage.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8:
            raise ValueError("Invalid RegNet settings")
        line = w_0 + w_a * np.arange(depth)
        powers = np.round(np.log(line / w_0) / math.log(w_m))
        found, depths = np.unique((np.round(w_0 * w_m**powers / 8) * 8).astype(int), return_counts=True)
        inner = [int(width * bottleneck_multiplier) for width in found.tolist()]
        groups = [min(group_width, width) for width in inner]
        fitting = [make_divisible(width, group) for width, group in zip(inner, groups, strict=True)]
        return cls(
            depths.tolist(), [int(width / bottleneck_multiplier) for width in fitting], groups,
            [bottleneck_multiplier] * len(inner), [2] * len(inner), se_ratio,
        )  # fmt: skip


class BottleneckTransform(nn.Sequential):
    """A 1x1, a grouped 3x3 and a 1x1 convolution, with squeeze and excitation before the last."""

    def __init__(
        self, before: int, after: int, stride: int, norm: Any, activation: Any, group: int, ratio: float,
        se_ratio: float | None,
    ) -> None:  # fmt: skip
        wide = round(after * ratio)
        conv = partial(Conv2dNormActivation, norm_layer=norm)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = conv(before, wide, 1, activation_layer=activation)
        layers["b"] = conv(wide, wide, 3, stride, groups=wide // group, activation_layer=activation)
        if se_ratio:
            # the squeezed width is a share of the block's input
            layers["se"] = SqueezeExcitation(wide, round(se_ratio * before), activation=activation)
        layers["c"] = conv(wide, after, 1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """Add a bottleneck to its input, which a 1x1 convolution brings to its shape where they differ."""

    def __init__(self, before: int, after: int, stride: int, norm: Any, activation: Any, *rest: Any) -> None:
        super().__init__()
        self.proj = None
        if before != after or stride != 1:
            self.proj = Conv2dNormActivation(before, after, 1, stride, norm_layer=norm, activation_layer=None)
        self.f = BottleneckTransform(before, after, stride, norm, activation, *rest)
        self.activation = activation(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution with stride 2, normalised and activated."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Any, activation_layer: Any) -> None:
        super().__init__(width_in, width_out, 3, 2, norm_layer=norm_layer, activation_layer=activation_layer)


class AnyStage(nn.Sequential):
    """Blocks of one width, of which the first may halve the image."""


class RegNet(nn.Module):
    """Stages of equal blocks (see ``BlockParams``), and one linear layer.

    ``stem_type(3, stem_width, norm_layer, activation)`` returns what comes before them, and ``block_type`` a block.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, block_params: BlockParams, num_classes: int = 1000, stem_width: int = 32,
        stem_type: Callable[..., nn.Module] | None = None, block_type: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None, activation: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm, activation = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        block_type = block_type or ResBottleneckBlock
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm, activation)
        p = block_params
        rows = zip(p.depths, p.widths, p.strides, p.group_widths, p.bottleneck_multipliers, strict=True)
        trunk: OrderedDict[str, nn.Module] = OrderedDict()
        before = stem_width
        for i, (count, width, stride, group, ratio) in enumerate(rows, 1):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for j in range(count):
                blocks[f"block{i}-{j}"] = block_type(
                    width if j else before, width, 1 if j else stride, norm, activation, group, ratio, p.se_ratio
                )
            trunk[f"block{i}"] = AnyStage(blocks)
            before = width
        self.trunk_output = nn.Sequential(trunk)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(before, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                nn.init.normal_(m.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0.0, std=0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1))


# (depth, w_0, w_a, w_m, group width); those of Y have squeeze and excitation
_DESIGNS = {
    "y_400mf": (16, 48, 27.89, 2.09, 8), "y_800mf": (14, 56, 38.84, 2.4, 16), "y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "y_3_2gf": (21, 80, 42.63, 2.66, 24), "y_8gf": (17, 192, 76.82, 2.19, 56), "y_16gf": (18, 200, 106.23, 2.48, 112),
    "y_32gf": (20, 232, 115.89, 2.53, 232), "y_128gf": (27, 456, 160.83, 2.52, 264),
    "x_400mf": (22, 24, 24.48, 2.54, 16), "x_800mf": (16, 56, 35.73, 2.28, 16), "x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "x_3_2gf": (25, 88, 26.31, 2.25, 48), "x_8gf": (23, 80, 49.56, 2.88, 120), "x_16gf": (22, 216, 55.59, 2.1, 128),
    "x_32gf": (23, 320, 69.86, 2.0, 168),
}  # fmt: skip


def _define(which: str) -> Any:
    name = f"regnet_{which}"

    def make(weights: Any, options: dict[str, Any]) -> RegNet:
        params = BlockParams.from_init_params(*_DESIGNS[which], se_ratio=0.25 if which[0] == "y" else None)
        options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
        model: RegNet = build(name, partial(RegNet, params), weights, options)
        return model

    return define(name, f"RegNet {which[0].upper()} {which[2:]}", make)


regnet_y_400mf, regnet_y_800mf, regnet_y_1_6gf, regnet_y_3_2gf = (_define(w) for w in list(_DESIGNS)[:4])
regnet_y_8gf, regnet_y_16gf, regnet_y_32gf, regnet_y_128gf = (_define(w) for w in list(_DESIGNS)[4:8])
regnet_x_400mf, regnet_x_800mf, regnet_x_1_6gf, regnet_x_3_2gf = (_define(w) for w in list(_DESIGNS)[8:12])
regnet_x_8gf, regnet_x_16gf, regnet_x_32gf = (_define(w) for w in list(_DESIGNS)[12:])

__getattr__ = attributes(__name__)
