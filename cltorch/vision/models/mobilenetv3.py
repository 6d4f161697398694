"""MobileNetV3 (A. Howard et al., Searching for MobileNetV3, 2019).

Source: https://docs.pytorch.org/vision/0.28/models/mobilenetv3.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.common import initialise, make_divisible
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation


class InvertedResidualConfig:
    """What a block is: channels before, within and after, window, squeeze and excitation, activation, stride.

    The activation is "HS" (hard swish) or "RE" (ReLU). The numbers of channels are scaled by ``width_mult``.
    """

    def __init__(
        self, input_channels: int, kernel: int, expanded_channels: int, out_channels: int, use_se: bool,
        activation: str, stride: int, dilation: int, width_mult: float,
    ) -> None:  # fmt: skip
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        self.use_se, self.use_hs = use_se, activation == "HS"

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """Return scaled channels, a multiple of eight."""
        return make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, scale the channels, narrow; the input is added where the shape stays."""

    def __init__(self, cnf: InvertedResidualConfig, norm_layer: Callable[..., nn.Module], se_layer: Any = None) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        wide = cnf.expanded_channels
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(
                Conv2dNormActivation(cnf.input_channels, wide, 1, norm_layer=norm_layer, activation_layer=activation)
            )
        layers.append(
            Conv2dNormActivation(
                wide, wide, cnf.kernel, 1 if cnf.dilation > 1 else cnf.stride, groups=wide, dilation=cnf.dilation,
                norm_layer=norm_layer, activation_layer=activation,
            )
        )  # fmt: skip
        if cnf.use_se:
            make = se_layer or partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)
            layers.append(make(wide, make_divisible(wide // 4, 8)))
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """Inverted residuals with squeeze and excitation and hard swish.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, inverted_residual_setting: Sequence[InvertedResidualConfig], last_channel: int, num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None, norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        block = block or InvertedResidual
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        self.features = nn.Sequential(
            conv(3, first, 3, stride=2),
            *(block(cnf, norm) for cnf in inverted_residual_setting),
            conv(last, 6 * last, 1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel), nn.Hardswish(inplace=True), nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )  # fmt: skip
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(functions.flatten(self.avgpool(self.features(x)), 1))


# (channels before, window, channels within, channels after, squeeze, hard swish, stride); the last rows, marked by a
# stride of 2 late in the network, are narrowed and dilated on request
_LARGE = (
    (16, 3, 16, 16, 0, 0, 1), (16, 3, 64, 24, 0, 0, 2), (24, 3, 72, 24, 0, 0, 1), (24, 5, 72, 40, 1, 0, 2),
    (40, 5, 120, 40, 1, 0, 1), (40, 5, 120, 40, 1, 0, 1), (40, 3, 240, 80, 0, 1, 2), (80, 3, 200, 80, 0, 1, 1),
    (80, 3, 184, 80, 0, 1, 1), (80, 3, 184, 80, 0, 1, 1), (80, 3, 480, 112, 1, 1, 1), (112, 3, 672, 112, 1, 1, 1),
    (112, 5, 672, 160, 1, 1, 2), (160, 5, 960, 160, 1, 1, 1), (160, 5, 960, 160, 1, 1, 1),
)  # fmt: skip
_SMALL = (
    (16, 3, 16, 16, 1, 0, 2), (16, 3, 72, 24, 0, 0, 2), (24, 3, 88, 24, 0, 0, 1), (24, 5, 96, 40, 1, 1, 2),
    (40, 5, 240, 40, 1, 1, 1), (40, 5, 240, 40, 1, 1, 1), (40, 5, 120, 48, 1, 1, 1), (48, 5, 144, 48, 1, 1, 1),
    (48, 5, 288, 96, 1, 1, 2), (96, 5, 576, 96, 1, 1, 1), (96, 5, 576, 96, 1, 1, 1),
)  # fmt: skip


def setting(
    rows: Any, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False
) -> list[InvertedResidualConfig]:
    """Return the blocks of a table, scaled; the last three narrowed by two or dilated instead of strided."""
    tail = len(rows) - 3
    made = []
    for i, (before, kernel, within, after, squeeze, swish, stride) in enumerate(rows):
        narrow = 2 if reduced_tail else 1
        before, within, after = (
            before // (narrow if i > tail else 1),
            within // (narrow if i > tail else 1),
            after // (narrow if i >= tail else 1),
        )
        activation, dilation = "HS" if swish else "RE", 2 if dilated and i >= tail else 1
        made.append(
            InvertedResidualConfig(
                before, kernel, within, after, bool(squeeze), activation, stride, dilation, width_mult
            )
        )
    return made


_SETTINGS = {"mobilenet_v3_large": (_LARGE, 1280), "mobilenet_v3_small": (_SMALL, 1024)}


def _mobilenet(name: str, weights: Any, options: dict[str, Any]) -> MobileNetV3:
    scale = {key: options.pop(key) for key in ("width_mult", "reduced_tail", "dilated") if key in options}
    model: MobileNetV3 = build(name, partial(MobileNetV3, *_mobilenet_v3_conf(name, **scale)), weights, options)
    return model


def _mobilenet_v3_conf(
    arch: str, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **kwargs: Any
) -> tuple[list[InvertedResidualConfig], int]:
    """Return what ``MobileNetV3`` is made of for a network's name: its blocks and its last hidden width."""
    if arch not in _SETTINGS:
        raise ValueError(f"Unsupported model type {arch}")
    rows, last = _SETTINGS[arch]
    width = make_divisible(last // (2 if reduced_tail else 1) * width_mult, 8)
    return setting(rows, width_mult, reduced_tail, dilated), width


@network
def mobilenet_v3_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV3:
    """Return the large MobileNetV3; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _mobilenet("mobilenet_v3_large", weights, kwargs)


@network
def mobilenet_v3_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV3:
    """Return the small MobileNetV3; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _mobilenet("mobilenet_v3_small", weights, kwargs)


__getattr__ = attributes(__name__)
