"""EfficientNet (M. Tan and Q. Le, 2019) and EfficientNetV2 (2021).

Source: https://docs.pytorch.org/vision/0.28/models/efficientnet.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.common import make_divisible
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from cltorch.vision.ops.stochastic_depth import StochasticDepth


@dataclass
class _MBConvConfig:
    """What the blocks of a stage are: expansion, window, stride, channels before and after, how many, and their class.

    ``block`` is called with such a configuration, how often it is left out, and the class of normalisations.
    """

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Callable[..., nn.Module]

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """Return scaled channels, a multiple of eight."""
        return make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of ``MBConv``, by default, of which channels and number are scaled."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int, num_layers: int,
        width_mult: float = 1.0, depth_mult: float = 1.0, block: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        before, after = (self.adjust_channels(n, width_mult) for n in (input_channels, out_channels))
        count = self.adjust_depth(num_layers, depth_mult)
        super().__init__(expand_ratio, kernel, stride, before, after, count, block or MBConv)

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """Return a scaled number of blocks, rounded up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of ``FusedMBConv``, by default."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int, num_layers: int,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class _Block(nn.Module):
    """The parts of both kinds of block: layers, and the input added where the shape stays."""

    def __init__(self, layers: list[nn.Module], added: bool, depth_prob: float) -> None:
        super().__init__()
        self.use_res_connect = added
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result


class MBConv(_Block):
    """Widen, convolve each channel by itself, scale the channels, narrow."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Callable[..., nn.Module]) -> None:
        wide = make_divisible(cnf.input_channels * cnf.expand_ratio, 8)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(conv(cnf.input_channels, wide, 1))
        layers.append(conv(wide, wide, cnf.kernel, cnf.stride, groups=wide))
        narrow = max(1, cnf.input_channels // 4)
        layers.append(SqueezeExcitation(wide, narrow, activation=partial(nn.SiLU, inplace=True)))
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        super().__init__(layers, cnf.stride == 1 and cnf.input_channels == cnf.out_channels, stochastic_depth_prob)


class FusedMBConv(_Block):
    """Widen by a full convolution, and narrow."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Callable[..., nn.Module]) -> None:
        wide = make_divisible(cnf.input_channels * cnf.expand_ratio, 8)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        if wide == cnf.input_channels:
            layers: list[nn.Module] = [conv(cnf.input_channels, cnf.out_channels, cnf.kernel, cnf.stride)]
        else:
            layers = [
                conv(cnf.input_channels, wide, cnf.kernel, cnf.stride),
                Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None),
            ]
        super().__init__(layers, cnf.stride == 1 and cnf.input_channels == cnf.out_channels, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """Stages of blocks between two convolutions; deeper blocks are left out more often while training.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig], dropout: float,
        stochastic_depth_prob: float = 0.2, num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None, last_channel: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if isinstance(inverted_residual_setting, str) or not all(
            isinstance(cnf, _MBConvConfig) for cnf in inverted_residual_setting
        ):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        total, done = sum(cnf.num_layers for cnf in inverted_residual_setting), 0
        layers: list[nn.Module] = [conv(3, inverted_residual_setting[0].input_channels, 3, stride=2)]
        for cnf in inverted_residual_setting:
            stage = []
            for i in range(cnf.num_layers):
                now = copy(cnf)
                if i:
                    now.input_channels, now.stride = cnf.out_channels, 1
                stage.append(cnf.block(now, stochastic_depth_prob * done / total, norm))
                done += 1
            layers.append(nn.Sequential(*stage))
        before = inverted_residual_setting[-1].out_channels
        last = last_channel or 4 * before
        layers.append(conv(before, last, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(last, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
            elif isinstance(m, nn.Linear):
                bound = 1.0 / math.sqrt(m.out_features)
                nn.init.uniform_(m.weight, -bound, bound)
            if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(functions.flatten(self.avgpool(self.features(x)), 1))


# (expansion, window, stride, channels before, channels after, blocks) of B0, which the others scale
_B0 = (
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip
# B1 to B7: (width, depth, dropout)
_SCALES = (
    (1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.4), (1.6, 2.2, 0.4),
    (1.8, 2.6, 0.5), (2.0, 3.1, 0.5),
)  # fmt: skip
# the first rows are fused
_V2 = {
    "s": (3, 0.2, (
        (1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4), (4, 3, 2, 64, 128, 6),
        (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15),
    )),
    "m": (3, 0.3, (
        (1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5), (4, 3, 2, 80, 160, 7),
        (6, 3, 1, 160, 176, 14), (6, 3, 2, 176, 304, 18), (6, 3, 1, 304, 512, 5),
    )),
    "l": (3, 0.4, (
        (1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7), (4, 3, 2, 96, 192, 10),
        (6, 3, 1, 192, 224, 19), (6, 3, 2, 224, 384, 25), (6, 3, 1, 384, 640, 7),
    )),
}  # fmt: skip


def _scaled(number: int, weights: Any, options: dict[str, Any]) -> EfficientNet:
    width, depth, dropout = _SCALES[number]
    setting = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _B0]
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if number >= 5 else None)
    make = partial(EfficientNet, setting, options.pop("dropout", dropout))
    model: EfficientNet = build(f"efficientnet_b{number}", make, weights, options)
    return model


def _second(size: str, weights: Any, options: dict[str, Any]) -> EfficientNet:
    fused, dropout, rows = _V2[size]
    setting = [(FusedMBConvConfig if i < fused else MBConvConfig)(*row) for i, row in enumerate(rows)]
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-03))
    make = partial(EfficientNet, setting, options.pop("dropout", dropout), last_channel=1280)
    model: EfficientNet = build(f"efficientnet_v2_{size}", make, weights, options)
    return model


def _define(name: str, make: Callable[..., EfficientNet], which: Any) -> Any:
    what = f"EfficientNet {name.replace('_', ' ').upper()}"
    return define(f"efficientnet_{name}", what, lambda weights, options: make(which, weights, options))


efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3 = (_define(f"b{i}", _scaled, i) for i in range(4))
efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7 = (_define(f"b{i}", _scaled, i) for i in range(4, 8))
efficientnet_v2_s, efficientnet_v2_m, efficientnet_v2_l = (_define(f"v2_{size}", _second, size) for size in "sml")

__getattr__ = attributes(__name__)
